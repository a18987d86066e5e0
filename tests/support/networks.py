"""Builders of models with several LSTM layers, and of their networks."""

from __future__ import annotations

from typing import Any

import numpy as np

import lstmdump
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.settings import DeferredSettings, LayerSettings
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Model, Source, Weight, grow
from lstmdump.replay import network
from lstmdump.replay.network import Network, RunOptions
from support import builders
from support.settings import stated

X = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
"""Two sequences of five steps, for networks with three inputs."""

_CHAIN = {("b",): Source((("a",),)), ("c",): Source((("a",), ("b",)))}


def tensor(name: str, values: np.ndarray) -> Tensor:
    return Tensor(name, values.shape, "float32", lambda cuts: values[cuts])


def opened(
    layers: dict[str, tuple[int, int]],
    sources: dict[tuple[str, ...], Source] | None = None,
    settings: dict[tuple[str, ...], dict[str, Any]] | None = None,
    directions: dict[tuple[str, ...], str] | None = None,
    producer: str = "keras 3.0.0",
    given: dict[tuple[str, ...], LayerSettings] | None = None,
) -> LoadedModel:
    """Return a model of LSTM layers.

    Args:
        layers: Number of inputs and units (d, m) of each layer, by name.
        sources: The source of each layer that follows other layers, by path.
        settings: The configurations of layers, by path.
        directions: The halves of a Bidirectional that layers are, by path.
        producer: The producer of the file.
        given: The settings of layers, by path, in place of configurations.
    """
    paths = {name: tuple(name.split("/")) for name in layers}
    weights = [Weight(paths[name], leaf, tensor(f"{name}/{leaf}", values))
               for k, (name, (d, m)) in enumerate(layers.items())
               for leaf, values in builders.fused(builders.gates(d, m, k)).items()]  # fmt: skip
    configs, halves = settings or {}, directions or {}
    described = {path: stated(configs.get(path, {}), halves.get(path)) for path in configs | halves}
    described |= {path: DeferredSettings(lambda one=one: one) for path, one in (given or {}).items()}
    root = grow(weights, dict.fromkeys(paths.values(), "LSTM"), described)
    model = Model("keras-h5", producer, root, sources=lambda: sources or {})
    return LoadedModel("m.h5", model, lstmdump.lstm.find_lstms(model))


def read(model: LoadedModel, input_dim: int = 3, layers: str = "", **options: Any) -> Network:
    chosen = [lstm for lstm in model.lstms if not layers or lstm.name in layers]
    return network.read(model, chosen, input_dim, RunOptions(**options))


def one_layer() -> Network:
    """Return the network of a layer `a` of 4 units on 3 inputs."""
    return read(opened({"a": (3, 4)}))


def chained() -> Network:
    """Return that of layers `a` of 4 units on 3 inputs, `b` of 5 on the output of `a`, `c` of 2 on both outputs."""
    return read(opened({"a": (3, 4), "b": (4, 5), "c": (9, 2)}, _CHAIN), chain=True)
