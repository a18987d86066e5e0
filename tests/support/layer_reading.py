"""Layers as a file would describe them, read and run without a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmdump.lstm.release import KerasRelease
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Tensor
from lstmdump.replay.equations import CellNumbers
from lstmdump.replay.layers import registry
from lstmdump.replay.layers.base import RunnableLayer, Signal
from lstmdump.replay.layers.reading import LayerReader
from lstmdump.replay.networks import propagation

KERAS_1 = KerasRelease(1)
KERAS_2 = KerasRelease(2, minor=2, patch=4)
TENSORFLOW_KERAS = KerasRelease(2, is_tensorflow_keras=True, minor=15)
KERAS_3 = KerasRelease(3)


def read_layer(
    kind: str,
    config: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Any] | None = None,
    release: KerasRelease = KERAS_3,
    *,
    is_of_keras: bool = True,
) -> RunnableLayer:
    """Return the layer `it` of class `kind`, in float64."""
    return read_described(describe(kind, config, arrays, is_of_keras=is_of_keras), release)


def describe(
    kind: str,
    config: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Any] | None = None,
    *,
    name: str = "it",
    **fields: Any,
) -> NetworkLayer:
    """Return the description of the layer `name` of class `kind`, with other `fields`."""
    weights = {key: make_tensor(key, np.asarray(values, "float64")) for key, values in (arrays or {}).items()}
    return NetworkLayer(tuple(name.split("/")), kind, config or {}, weights, **fields)


def read_described(
    described: NetworkLayer,
    release: KerasRelease = KERAS_3,
    cells: Mapping[str, CellNumbers] | None = None,
    *,
    has_fixed_batch: bool | None = False,
) -> RunnableLayer:
    """Return the layer that `described` describes, in float64; `cells` are the LSTM layers in it, by name."""
    known = cells or {}
    return registry.build(
        described,
        LayerReader(
            release,
            "float64",
            lambda layer: known[layer.name],
            registry.build,
            propagation.read_as_layer,
            has_fixed_batch=has_fixed_batch,
        ),
    )


def make_tensor(name: str, values: np.ndarray) -> Tensor:
    return Tensor(name, values.shape, str(values.dtype), lambda cuts: values[cuts])


def run_layer(layer: RunnableLayer, *inputs: Any, masks: Mapping[int, Any] | None = None) -> Signal:
    """Return the only output for `inputs`, of which some have masks, by their index."""
    (made,) = layer.forward(make_signals(inputs, masks))
    return made


def pull_back(layer: RunnableLayer, *inputs: Any, gradient: Any, masks: Mapping[int, Any] | None = None) -> Any:
    """Return the gradients of `inputs` from `gradient`, (batch, r, …), that of the only output."""
    signals = make_signals(inputs, masks)
    return layer.backward(signals, layer.forward(signals), (np.asarray(gradient, "float64"),))


def make_signals(inputs: Any, masks: Mapping[int, Any] | None = None) -> list[Signal]:
    given = {index: np.asarray(mask, bool) for index, mask in (masks or {}).items()}
    return [Signal(np.asarray(values), given.get(index)) for index, values in enumerate(inputs)]


def differentiate(layer: RunnableLayer, x: np.ndarray, gradient: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Return the gradient of `x`, (batch, …), from central differences, for `gradient`, (batch, r, …)."""
    found = np.zeros((*gradient.shape[:2], *x.shape[1:]))
    for place in np.ndindex(x.shape[1:]):
        moved = np.zeros(x.shape)
        moved[(slice(None), *place)] = step
        change = (run_layer(layer, x + moved).values - run_layer(layer, x - moved).values) / (2 * step)
        found[(slice(None), slice(None), *place)] = (gradient * change[:, None]).sum(
            axis=tuple(range(2, gradient.ndim))
        )
    return found
