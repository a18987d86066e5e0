"""Arrays that the graph computes from stored ones, as exporters do to put gates into the order of ONNX.

Only operators that move numbers are known: shapes are worked out at once, numbers when they are read. What is computed
is never larger than what the model stores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from lstmdump.errors import CorruptModel
from lstmdump.model import budget
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.onnx.graph import OnnxGraph, OnnxNode
from lstmdump.readers.onnx.tensors import FLOATS, StoredTensor, too_large_to_compute

_MAX_DEPTH = 64  # operators between a stored array and one that is computed
_MAX_STEPS = 1_000  # operators that are run for one array; each reads its inputs anew
_CASTS = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
_WIDTHS = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}

_Compute: TypeAlias = "Callable[[Sequence[Array]], Array]"


class Value(NamedTuple):
    """An array of floating-point numbers that does not depend on the input of the model.

    Attributes:
        tensor: The array; its numbers are read on request.
        sources: The stored tensors that it is made of.
        steps: How many operators make it.
        recipe: What it is made of and how: equal for two arrays that are computed alike, in two branches of a graph.
    """

    tensor: Tensor
    sources: tuple[StoredTensor, ...]
    steps: int
    recipe: object


class _Made(NamedTuple):
    """The result of an operator: its shape and type, and how its numbers follow from those of the inputs.

    `how` distinguishes results of one operator, shape and type.
    """

    shape: tuple[int, ...]
    dtype: str
    compute: _Compute
    how: tuple[int, ...] = ()


class Constants:
    """The arrays of a graph, and of the graphs within it, that are stored or computed from stored ones.

    Args:
        graph: The graph of the model.
        stored: How many bytes the model stores in all.
    """

    def __init__(self, graph: OnnxGraph, stored: int) -> None:
        self._graph, self._stored = graph, stored
        self._known: dict[tuple[int, str], Value | None] = {}

    def find(self, name: str, graph: OnnxGraph | None = None, depth: int = 0) -> Value | None:
        """Return the array `name` of `graph`, or None if it is not one that is stored or computed from such.

        Raises:
            RefusedModel: It is far larger than what is stored.
        """
        home = (graph or self._graph).home_of(name)
        if home is None or not name or depth > _MAX_DEPTH:
            return None
        key = id(home), name
        if key not in self._known:
            self._known[key] = None  # while it is worked out, so that a circle ends
            self._known[key] = self._work_out(name, home, depth)
        return self._known[key]

    def _work_out(self, name: str, home: OnnxGraph, depth: int) -> Value | None:
        home.require_one_maker(name)
        stored = home.tensor(name)
        if stored is not None:
            return Value(stored.tensor(), (stored,), 0, id(stored)) if stored.dtype in FLOATS else None
        node = home.makers.get(name)
        if node is None or node.operation not in _OPERATORS:
            return None
        joined = node.operation == "Concat"
        inputs = [self.find(one, home, depth + 1) for one in (node.inputs if joined else node.inputs[:1])]
        known = [value for value in inputs if value is not None]
        steps = 1 + sum(value.steps for value in known)
        if not known or len(known) != len(inputs) or steps > _MAX_STEPS:
            return None
        made = _OPERATORS[node.operation](node, [value.tensor for value in known], node.outputs.index(name))
        if made is None:
            return None
        sources = tuple({source.name: source for value in known for source in value.sources}.values())
        recipe = (node.operation, made.shape, made.dtype, made.how, *(value.recipe for value in known))
        return Value(self._defer(name, made, [value.tensor for value in known]), sources, steps, recipe)

    def _defer(self, name: str, made: _Made, inputs: Sequence[Tensor]) -> Tensor:
        """Return the array `made` of `inputs`, which is computed when it is read."""
        size = math.prod(made.shape) * _WIDTHS[made.dtype]
        if size > self._stored:
            raise too_large_to_compute(name, size, self._stored)

        def fetch(cuts: Cuts) -> Array:
            budget.allow(size, copies=4)
            values = made.compute([one.read() for one in inputs])
            if values.shape != made.shape:
                raise CorruptModel(f"{name} is computed with the shape {values.shape} in place of {made.shape}")
            return values[cuts]

        return Tensor(name, made.shape, made.dtype, fetch)


def _copy(node: OnnxNode, inputs: Sequence[Tensor], output: int) -> _Made | None:  # noqa: ARG001
    (taken,) = inputs
    return _Made(taken.shape, taken.dtype, lambda values: values[0])


def _cast(node: OnnxNode, inputs: Sequence[Tensor], output: int) -> _Made | None:  # noqa: ARG001
    """Return the array in another type; bfloat16, which numpy does not have, is not rounded to."""
    (taken,), dtype = inputs, _CASTS.get(node.integer("to"))
    if dtype is None or (dtype == "bfloat16" and taken.dtype != dtype):
        return None
    numpy_type = "float32" if dtype == "bfloat16" else dtype
    return _Made(taken.shape, dtype, lambda values: values[0].astype(numpy_type))


def _transpose(node: OnnxNode, inputs: Sequence[Tensor], output: int) -> _Made | None:  # noqa: ARG001
    (taken,) = inputs
    order = node.attributes["perm"].integers() if "perm" in node.attributes else tuple(range(len(taken.shape)))[::-1]
    if sorted(order) != list(range(len(taken.shape))):
        return None
    shape = tuple(taken.shape[axis] for axis in order)
    return _Made(shape, taken.dtype, lambda values: values[0].transpose(order), tuple(order))


def _reshape(node: OnnxNode, inputs: Sequence[Tensor], output: int) -> _Made | None:  # noqa: ARG001
    """Return the array in another shape, in which -1 stands for one extent, and 0 for that of the array."""
    (taken,) = inputs
    wanted = node.home.integers(node.input(1)) if node.input(1) else _list(node, "shape")
    if wanted is None:
        return None
    copies_zero = not node.integer("allowzero")
    shape = [taken.shape[axis] if extent == 0 and copies_zero and axis < len(taken.shape) else extent
             for axis, extent in enumerate(wanted)]  # fmt: skip
    if shape.count(-1) == 1:
        rest = math.prod(extent for extent in shape if extent != -1)
        shape[shape.index(-1)] = taken.size // rest if rest else -1
    if min(shape, default=0) < 0 or math.prod(shape) != taken.size:
        return None
    return _reshaped(taken, tuple(shape))


def _unsqueeze(node: OnnxNode, inputs: Sequence[Tensor], output: int) -> _Made | None:  # noqa: ARG001
    (taken,), axes = inputs, _axes(node)
    rank = len(taken.shape) + len(axes or ())
    places = {axis % rank for axis in axes or () if -rank <= axis < rank}
    if axes is None or len(places) != len(axes):
        return None
    extents = iter(taken.shape)
    return _reshaped(taken, tuple(1 if axis in places else next(extents) for axis in range(rank)))


def _squeeze(node: OnnxNode, inputs: Sequence[Tensor], output: int) -> _Made | None:  # noqa: ARG001
    (taken,), rank = inputs, len(inputs[0].shape)
    has_axes = "axes" in node.attributes or node.input(1)
    axes = _axes(node) if has_axes else tuple(axis for axis, extent in enumerate(taken.shape) if extent == 1)
    places = {axis % rank for axis in axes or () if -rank <= axis < rank}
    if axes is None or len(places) != len(axes) or any(taken.shape[axis] != 1 for axis in places):
        return None
    return _reshaped(taken, tuple(extent for axis, extent in enumerate(taken.shape) if axis not in places))


def _slice(node: OnnxNode, inputs: Sequence[Tensor], output: int) -> _Made | None:  # noqa: ARG001
    (taken,), rank, home = inputs, len(inputs[0].shape), node.home
    if "starts" in node.attributes:  # up to version 9 of the operators
        starts, ends = _list(node, "starts"), _list(node, "ends")
        axes, steps = _list(node, "axes"), None
    else:
        starts, ends = home.integers(node.input(1)), home.integers(node.input(2))
        axes = home.integers(node.input(3)) if node.input(3) else ()
        steps = home.integers(node.input(4)) if node.input(4) else ()
        if axes is None or steps is None:
            return None
    if starts is None or ends is None or len(starts) != len(ends):
        return None
    axes, steps = axes or tuple(range(len(starts))), steps or (1,) * len(starts)
    if not (len(axes) == len(starts) == len(steps)) or any(step != 1 for step in steps):
        return None
    cuts = [slice(0, extent) for extent in taken.shape]
    for axis, start, end in zip(axes, starts, ends, strict=True):
        if not -rank <= axis < rank:
            return None
        first, last, _ = slice(start, end).indices(taken.shape[axis])
        cuts[axis] = slice(first, max(first, last))
    return _cut(taken, tuple(cuts))


def _split(node: OnnxNode, inputs: Sequence[Tensor], output: int) -> _Made | None:
    (taken,), axis, rank = inputs, node.integer("axis"), len(inputs[0].shape)
    if not -rank <= axis < rank:
        return None
    extent, count = taken.shape[axis], len(node.outputs)
    widths = node.home.integers(node.input(1)) if node.input(1) else _list(node, "split")
    if widths is None and not node.input(1) and extent % count == 0:
        widths = (extent // count,) * count
    if widths is None or len(widths) != count or sum(widths) != extent or min(widths) < 0:
        return None
    cuts = [slice(0, length) for length in taken.shape]
    start = sum(widths[:output])
    cuts[axis] = slice(start, start + widths[output])
    return _cut(taken, tuple(cuts))


def _concatenate(node: OnnxNode, inputs: Sequence[Tensor], output: int) -> _Made | None:  # noqa: ARG001
    first, axis, rank = inputs[0], node.integer("axis"), len(inputs[0].shape)
    if not -rank <= axis < rank:
        return None
    axis %= rank
    around = {(*one.shape[:axis], *one.shape[axis + 1 :]) for one in inputs}
    if len(around) != 1 or len({one.dtype for one in inputs}) != 1 or any(len(one.shape) != rank for one in inputs):
        return None
    extent = sum(one.shape[axis] for one in inputs)

    def compute(values: Sequence[Array]) -> Array:
        import numpy as np

        joined: Array = np.concatenate(list(values), axis)
        return joined

    return _Made((*first.shape[:axis], extent, *first.shape[axis + 1 :]), first.dtype, compute, (axis,))


def _reshaped(taken: Tensor, shape: tuple[int, ...]) -> _Made:
    return _Made(shape, taken.dtype, lambda values: values[0].reshape(shape))


def _cut(taken: Tensor, cuts: Cuts) -> _Made:
    shape = tuple(cut.stop - cut.start for cut in cuts)
    return _Made(shape, taken.dtype, lambda values: values[0][cuts], tuple(cut.start for cut in cuts))


def _list(node: OnnxNode, attribute: str) -> tuple[int, ...] | None:
    return node.attributes[attribute].integers() if attribute in node.attributes else None


def _axes(node: OnnxNode) -> tuple[int, ...] | None:
    """Return the axes that a node adds or removes: an attribute before version 13 of the operators, then an input."""
    return _list(node, "axes") if "axes" in node.attributes else node.home.integers(node.input(1))


_OPERATORS: dict[str, Callable[[OnnxNode, Sequence[Tensor], int], _Made | None]] = {
    "Cast": _cast,
    "Concat": _concatenate,
    "Identity": _copy,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
