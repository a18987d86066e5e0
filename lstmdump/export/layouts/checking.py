"""Run exported layers in their runtime and here, on the same random input, and compare: `export --check`.

What is run there is the file that was written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lstmdump import readers
from lstmdump.export.layouts.modules import Computed, LayerModule, group
from lstmdump.export.layouts.table import TargetLayout
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.model import locate
from lstmdump.model.escape import key
from lstmdump.model.tensor import Array
from lstmdump.replay import equations
from lstmdump.report.facts import select
from lstmdump.sandbox import target_client
from lstmdump.sandbox.guard import ModelPath

_BATCH, _LENGTH = 3, 7
_SUFFIX = "l0"


class ExpectedModule(NamedTuple):
    """A module, its input, and what it computes here.

    Attributes:
        name: its name.
        suffix: what distinguishes it from other layers of one stack: `l0`.
        units: the number of units.
        projection: the width of the projection, or None.
        is_turned: whether the runtime has to be given the steps in reverse, and returns them so.
        x: the input, (batch, length, d).
        h: the outputs of all steps in the order of `x`, of each direction.
        c: the last cell state of each direction.
    """

    name: str
    suffix: str
    units: int
    projection: int | None
    is_turned: bool
    x: Array
    h: tuple[Array, ...]
    c: tuple[Array, ...]


class Checked(NamedTuple):
    """How far a runtime is from the numbers computed here, and which runtime it was."""

    name: str
    runtime: str
    difference: float


def compute_expected(model: ModelPath, layer_glob: str | None, layout: TargetLayout) -> list[ExpectedModule]:
    """Return the modules of a model with a random input for each, and what they compute.

    Raises:
        CannotReplay: A layer is not an LSTM as the equations have it.
        UnreadableModel: Numbers cannot be read.
    """
    with model.open() as opened:
        chosen = select(opened.lstms, layer_glob)
        modules = group(chosen, opened.producer, joins_halves=layout.joins_halves, keeps_stacks=layout.keeps_stacks)
        return [_compute(module, layout) for module in modules]


def _compute(module: LayerModule, layout: TargetLayout) -> ExpectedModule:
    lstm = module.first
    x = np.random.default_rng(0).standard_normal((_BATCH, _LENGTH, lstm.input_dim))
    outputs = [_replay(layer, x) for layer in module.layers]
    goes_back = not module.is_bidirectional and _goes_back(module.layers[0])
    return ExpectedModule(
        module.name,
        module.suffix or _SUFFIX,
        lstm.units,
        lstm.projection,
        goes_back and not layout.keeps_order,
        x,
        tuple(h for h, _ in outputs),
        tuple(c for _, c in outputs),
    )


def _replay(layer: Computed, x: Array) -> tuple[Array, Array]:
    """Return h of all steps of a layer, in the order of `x`, and c of the step that it takes last."""
    states = equations.replay(equations.read(layer.lstm, layer.behaviour or Behaviour()), x)
    if not _goes_back(layer):
        return states.h, states.c[:, -1]
    is_aligned = layer.behaviour is not None and layer.behaviour.is_aligned
    return (states.h, states.c[:, 0]) if is_aligned else (states.h[:, ::-1], states.c[:, -1])


def _goes_back(layer: Computed) -> bool:
    return layer.behaviour is not None and layer.behaviour.go_backwards


def check(path: str | os.PathLike[str], expected: list[ExpectedModule], layout: TargetLayout) -> Iterator[Checked]:
    """Yield how far the runtime of `layout` is from what is expected, for each module in the file at `path`.

    Raises:
        MissingDependency: The runtime is not installed.
        TargetFailed: It died, hung, or rejected a layer.
    """
    for module in expected:
        fields, arrays = _make_request(os.fspath(path), module, layout)
        found = target_client.run(layout.word, fields, arrays)
        outputs = [one[:, ::-1] for one in found.h] if module.is_turned else list(found.h)
        pairs = [*zip(outputs, module.h, strict=True), *zip(found.c, module.c, strict=True)]
        difference = max(float(np.abs(one - other).max(initial=0.0)) for one, other in pairs)
        yield Checked(module.name, found.runtime, difference)


def _make_request(
    path: str, module: ExpectedModule, layout: TargetLayout
) -> tuple[dict[str, object], dict[str, Array]]:
    fields: dict[str, object] = {"name": key(module.name), "units": module.units, "projection": module.projection}
    x = np.ascontiguousarray(module.x[:, ::-1]) if module.is_turned else module.x
    if layout.word == "onnx":
        graph = np.fromfile(path, np.uint8)
        return fields, {"graph": graph, "x": x}
    state = _read_state(path, module)
    dtype = np.result_type(
        np.float32, *state.values()
    )  # nn.LSTM, not told otherwise, has float32 where a file has less
    return fields, {name: array.astype(dtype) for name, array in (state | {"x": x}).items()}


def _read_state(path: str, module: ExpectedModule) -> dict[str, Array]:
    """Return the state dict of one nn.LSTM of one layer, from an `.npz` or a `.safetensors` that was written."""
    start = key(f"{module.name.replace('/', '.')}.weight").removesuffix("weight") if module.name else ""
    return {
        name.removeprefix(start).replace(module.suffix, _SUFFIX): array
        for name, array in _read_arrays(path)
        if name.startswith(start) and module.suffix in name.removeprefix(start)
    }


def _read_arrays(path: str) -> Iterator[tuple[str, Array]]:
    """Yield the arrays in the file at `path` that `export` wrote, with their names."""
    if path.endswith(".npz"):
        with np.load(path, allow_pickle=False) as arrays:
            yield from ((name, arrays[name]) for name in arrays.files)
        return
    with readers.read(locate.at(path)) as model:
        yield from ((tensor.name, tensor.read()) for tensor in model.tensors())
