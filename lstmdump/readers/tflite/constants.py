"""The numbers in a TensorFlow Lite model: where a tensor gets them from, and what stored integers stand for.

A tensor of the graph may have numbers of its own, or be what the operator `DEQUANTIZE` makes of half-precision or
integer numbers, or be handed into the body of a loop that does not change it, or be read from a variable that was given
a constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import BinaryIO

from lstmdump.errors import CorruptModel
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.raw_array import StoredArray, from_bfloat16
from lstmdump.readers.tflite import schema
from lstmdump.readers.tflite.schema import FlatModel, IntegerScales, LiteOperator, Subgraph, TensorEntry

_MOST_STEPS = 100  # from a tensor back to its numbers
_FLOATS = ("float16", "float32", "float64", "bfloat16")
_INTEGERS = ("int8", "uint8", "int16", "int32")
_PLAIN_WIDTHS = {"float16": 2, "float32": 4, "float64": 8, "bfloat16": 2, "int8": 1, "uint8": 1, "int16": 2, "int32": 4}


class TensorPlace(NamedTuple):
    """A tensor of a subgraph, by its number there."""

    graph: Subgraph
    number: int

    @property
    def facts(self) -> TensorEntry:
        """What the file states of the tensor."""
        return self.graph.tensor(self.number)

    @property
    def producer(self) -> LiteOperator | None:
        """The operator that computes it; None for an input of the subgraph, and for a constant."""
        return self.graph.producers.get(self.number)

    def at(self, number: int) -> TensorPlace:
        """Return another tensor of the same subgraph."""
        return TensorPlace(self.graph, number)


class WhileLoop(NamedTuple):
    """A loop: the subgraph that holds the operator, and the operator. Its body takes and returns what it does."""

    outer: Subgraph
    operator: LiteOperator


class StoredConstants:
    """The constants of a model.

    Args:
        flat: The model.
        file: Returns the open file, or raises `ModelClosed`.
        name: The name of the file in error messages.
    """

    def __init__(self, flat: FlatModel, file: Callable[[], BinaryIO], name: str) -> None:
        self.flat = flat
        self.loops, self.shared_bodies = _find_loops(flat)
        self._file = file
        self._file_name = name
        self._assigned: dict[str, TensorPlace] | None = None
        self._tensors: dict[tuple[object, ...], Tensor] = {}
        self._names: set[str] = set()
        self._found: dict[TensorPlace, TensorPlace | None] = {}

    def find(self, place: TensorPlace) -> TensorPlace | None:
        """Return the tensor that holds the numbers of the tensor at `place`; None if they are computed."""
        if place not in self._found:
            self._found[place] = self._find(place)
        return self._found[place]

    def _find(self, place: TensorPlace) -> TensorPlace | None:
        for _ in range(_MOST_STEPS):
            if self.is_stored(place):
                return place
            operator = place.producer
            if operator is None:
                outer = self.outside(place)
                if outer is None:
                    return None
                place = outer
            elif operator.code == schema.DEQUANTIZE:
                place = place.at(operator.input(0))
            elif operator.code == schema.READ_VARIABLE:
                assigned = self._find_assigned(place.at(operator.input(0)))
                if assigned is None:
                    return None
                place = assigned
            else:
                return None
            if place.number == schema.MISSING:
                return None
        return None

    def is_stored(self, place: TensorPlace) -> bool:
        """Return whether the tensor at `place` has numbers of its own."""
        facts = place.graph.tensor(place.number)
        return not facts.is_variable and facts.buffer != 0 and self.flat.buffer(facts.buffer).size > 0

    def outside(self, place: TensorPlace) -> TensorPlace | None:
        """Return what a loop hands to its body at `place`, if it is an argument that no turn changes."""
        loop = self.loops.get(place.graph.number)
        if loop is None or place.number not in place.graph.inputs:
            return None
        argument = place.graph.inputs.index(place.number)
        if place.graph.outputs[argument : argument + 1] != (place.number,):
            return None
        return TensorPlace(loop.outer, loop.operator.input(argument)) if argument < len(loop.operator.inputs) else None

    def scalar(self, place: TensorPlace) -> float | None:
        """Return the number that the tensor at `place` is, if it is one of a single number."""
        import struct

        found = self.find(place)
        if found is None or math.prod(found.facts.shape) != 1:
            return None
        code = {"float32": "<f", "float16": "<e", "float64": "<d", "int32": "<i", "int64": "<q"}.get(found.facts.dtype)
        buffer = self.flat.buffer(found.facts.buffer)
        if code is None or buffer.size != struct.calcsize(code) or found.facts.quantization is not None:
            return None
        number: float = struct.unpack(code, self.flat.content.raw(buffer.offset, buffer.size))[0]
        return number

    def integers(self, place: TensorPlace) -> tuple[int, ...] | None:
        """Return the few integers that the tensor at `place` holds: axes, for instance; None if they are computed."""
        import struct

        found = self.find(place)
        if found is None or found.facts.dtype not in ("int32", "int64"):
            return None
        buffer = self.flat.buffer(found.facts.buffer)
        code, width = ("i", 4) if found.facts.dtype == "int32" else ("q", 8)
        count = buffer.size // width
        if count > schema.MOST_DIMENSIONS:
            return None
        return struct.unpack(f"<{count}{code}", self.flat.content.raw(buffer.offset, count * width))

    def is_zero(self, place: TensorPlace) -> bool:
        """Return whether all numbers of the tensor at `place` are 0: stored, or filled in."""
        operator = place.producer
        if operator is not None and operator.code == schema.ZEROS_LIKE:
            return True
        if operator is not None and operator.code == schema.FILL and operator.input(1) != schema.MISSING:
            return self.scalar(place.at(operator.input(1))) == 0
        found = self.find(place)
        if found is None:
            return False
        buffer = self.flat.buffer(found.facts.buffer)
        block = 1 << 20
        return all(
            not any(self.flat.content.raw(start, min(block, buffer.offset + buffer.size - start)))
            for start in range(buffer.offset, buffer.offset + buffer.size, block)
        )

    def tensor(self, place: TensorPlace) -> Tensor | None:
        """Return the array that holds the numbers of the tensor at `place`; None if they are computed.

        Tensors of one buffer and one shape are one array, under the name of the first.

        Raises:
            CorruptModel: Its shape does not fit its bytes, or its integers have no valid scale.
        """
        found = self.find(place)
        if found is None:
            return None
        facts = found.facts
        quantization = facts.quantization
        key = (facts.buffer, facts.shape, facts.dtype, quantization.key if quantization is not None else None)
        if key not in self._tensors:
            self._tensors[key] = self._make(found, self._choose_name(found))
        return self._tensors[key]

    def _make(self, place: TensorPlace, name: str) -> Tensor:
        facts = place.facts
        width = _PLAIN_WIDTHS.get(facts.dtype)
        if facts.is_sparse or width is None:
            stored = "stored sparsely" if facts.is_sparse else f"stored as {facts.dtype}"
            raise CorruptModel(f"{name} is {stored}, which lstmdump does not read")
        buffer = self.flat.buffer(facts.buffer)
        if any(length < 0 for length in facts.shape) or facts.size != buffer.size:
            raise CorruptModel(f"{name} has the shape {facts.shape} of {facts.dtype}, but {buffer.size:,} bytes")
        array = StoredArray(self._file, self._file_name, buffer.offset, facts.shape, width)
        if facts.dtype in _FLOATS:
            return Tensor(name, facts.shape, facts.dtype, lambda cuts: _read(array, facts.dtype, cuts), array.rows)
        quantization = facts.quantization
        if quantization is None:
            raise CorruptModel(f"{name} holds {facts.dtype}, but the file states no scale for it")
        _check(name, facts.shape, quantization)

        def fetch(cuts: Cuts) -> Array:
            return _dequantize(_read(array, facts.dtype, cuts), cuts, quantization)

        return Tensor(name, facts.shape, facts.dtype, fetch, step=max(quantization.scales))

    def _choose_name(self, place: TensorPlace) -> str:
        """Return the name of a tensor; the file may give one name to tensors of several subgraphs, or none."""
        number = f"tensor {place.number}" + (f" of subgraph {place.graph.number}" if place.graph.number else "")
        name = place.facts.name or number
        while name in self._names:
            name = f"{name} ({number})"
        self._names.add(name)
        return name

    def _find_assigned(self, handle: TensorPlace) -> TensorPlace | None:
        """Return what is assigned to the variable that `handle` stands for, if that is a constant."""
        name = self.variable_name(handle)
        if self._assigned is None:
            self._assigned = dict(self._list_assigned())
        return None if name is None else self._assigned.get(name)

    def _list_assigned(self) -> list[tuple[str, TensorPlace]]:
        found = []
        for graph in self.flat.subgraphs:
            for operator in graph.operators:
                if operator.code == schema.ASSIGN_VARIABLE and min(operator.input(0), operator.input(1)) >= 0:
                    name = self.variable_name(TensorPlace(graph, operator.input(0)))
                    value = TensorPlace(graph, operator.input(1))
                    if name is not None and self.is_stored(value):
                        found.append((name, value))
        return found

    def variable_name(self, handle: TensorPlace) -> str | None:
        """Return the name of the variable that a tensor stands for, also in the body of a loop."""
        for _ in range(_MOST_STEPS):
            if handle.number == schema.MISSING:
                return None
            operator = handle.producer
            if operator is not None:
                options = operator.options if operator.code == schema.VAR_HANDLE else None
                return None if options is None else f"{options.text(0)}/{options.text(1)}".strip("/")
            outer = self.outside(handle)
            if outer is None:
                return None
            handle = outer
        return None


def _find_loops(flat: FlatModel) -> tuple[dict[int, WhileLoop], set[int]]:
    """Return the loop that runs each subgraph which is the body of one, by the number of the subgraph.

    The second result has the numbers of those that several loops run, of which only the first is in the other.
    """
    found: dict[int, WhileLoop] = {}
    shared: set[int] = set()
    for graph in flat.subgraphs:
        for operator in graph.operators:
            if operator.code == schema.WHILE and operator.options is not None:
                body = operator.index(1)
                if not 0 <= body < len(flat.subgraphs):
                    raise CorruptModel(f"a loop runs the subgraph {body:,}, but the file has {len(flat.subgraphs)}")
                if body in found:
                    shared.add(body)
                found.setdefault(body, WhileLoop(graph, operator))
    return found, shared


def _check(name: str, shape: tuple[int, ...], quantization: IntegerScales) -> None:
    """Check that integers of the given shape can be turned into numbers.

    Raises:
        CorruptModel: They cannot: there are too few scales, or one is not a positive number.
    """
    scales, zero_points, dimension = quantization.scales, quantization.zero_points, quantization.dimension
    if any(not (math.isfinite(scale) and scale > 0) for scale in scales):
        raise CorruptModel(f"{name} has a scale that is not a positive number")
    several = max(len(scales), len(zero_points)) > 1
    if several and not 0 <= dimension < len(shape):
        raise CorruptModel(f"{name} has scales for the dimension {dimension}, but {len(shape)} dimensions")
    expected = {1, shape[dimension]} if several else {1}
    if len(scales) not in expected or (zero_points and len(zero_points) not in expected):
        raise CorruptModel(f"{name} has {len(scales):,} scales and {len(zero_points):,} zero points for {shape}")


def _read(array: StoredArray, dtype: str, cuts: Cuts) -> Array:
    """Read the elements that `cuts` select, as they are stored; bfloat16 as float32."""
    import numpy as np

    stored = np.frombuffer(array.block(cuts), np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder("<"))
    values: Array = stored.reshape([cut.stop - cut.start for cut in cuts])
    return from_bfloat16(values) if dtype == "bfloat16" else values


def _dequantize(stored: Array, cuts: Cuts, quantization: IntegerScales) -> Array:
    """Return the numbers that the integers which `cuts` select stand for, in float32.

    The products are rounded once, as in TensorFlow Lite, which computes them in double precision.
    """
    import numpy as np

    axis = quantization.dimension if max(len(quantization.scales), len(quantization.zero_points)) > 1 else None

    def along(numbers: tuple[float, ...], dtype: str) -> Array:
        vector = np.asarray(numbers, dtype)
        if len(vector) == 1 or axis is None:
            return vector[:1].reshape(())
        shape = [1] * stored.ndim
        shape[axis] = -1
        return vector[cuts[axis]].reshape(shape)

    shifted = stored.astype(np.int64)
    if quantization.zero_points:
        shifted = shifted - along(quantization.zero_points, "int64")
    numbers: Array = (shifted * along(quantization.scales, "float64")).astype(np.float32)
    return numbers
