"""The network of a model in which GRUs are before the LSTMs: from its only input through layers that take each other.

Only what the operators prove is described: each LSTM takes every step of the input of the model, or of what a GRU or
another LSTM gives, with nothing between them but a change of the order of the axes. Of a model with anything else
before an LSTM, no network is described, and each LSTM is run by itself, as in a model without a GRU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.network import (
    INPUT,
    NetworkCall,
    NetworkDescription,
    NetworkInput,
    NetworkLayer,
    NetworkOutput,
    NetworkTensor,
)
from lstmdump.model.tree import LayerPath
from lstmdump.readers.tflite import connections, gru, loops, schema
from lstmdump.readers.tflite.cell import LiteCell
from lstmdump.readers.tflite.constants import StoredConstants, TensorPlace
from lstmdump.readers.tflite.expressions import SubgraphExpressions
from lstmdump.readers.tflite.schema import LiteOperator, Subgraph

_OTHERS = ("GRU", "SimpleRNN")
_BATCH_FIRST, _STEPS_FIRST = "bsf", "sbf"
"""The axes of a sequence: batch, steps, features."""
_MOST_STEPS = 100


class _Sequence(NamedTuple):
    """A tensor of three axes, and what these are, by their letters."""

    place: TensorPlace
    axes: str


class _LinkedLayer(NamedTuple):
    """A layer with the sequence that it takes, and the one that it gives, if the operators show that."""

    layer: NetworkLayer
    taken: _Sequence
    given: _Sequence | None


def describe(
    by_graph: Mapping[Subgraph, Sequence[LiteCell]], cells: Mapping[LayerPath, LiteCell], constants: StoredConstants
) -> NetworkDescription | None:
    """Return the network of a model; None if it has no GRU, or if something else is before an LSTM.

    Args:
        by_graph: The cells of each subgraph.
        cells: The layers; each of the former once.
        constants: The constants of the model.
    """
    paths = {id(cell): path for path, cell in cells.items()}
    main = next(iter(constants.flat.subgraphs), None)
    if main is None or len(main.inputs) != 1 or sum(map(len, by_graph.values())) != len(paths):
        return None  # a layer that is used twice is one of `cells`
    grus = [linked for graph, found in by_graph.items() for cell in found if cell.kind == "GRU"
            if (linked := _link_gru(graph, paths[id(cell)], constants)) is not None]  # fmt: skip
    if not grus:
        return None
    lstms = [_link_lstm(graph, cell, paths[id(cell)], list(cells.values()), constants)
             for graph, found in by_graph.items() for cell in found if cell.kind not in _OTHERS]  # fmt: skip
    known = [one for one in lstms if one is not None]
    return _LiteNetworkBuilder(main, constants).build(grus, known) if len(known) == len(lstms) > 0 else None


def _link_gru(graph: Subgraph, path: LayerPath, constants: StoredConstants) -> _LinkedLayer | None:
    found = gru.find(graph, constants)
    if found is None:
        return None
    layer = NetworkLayer(path, "GRU", found.config, found.weights)
    return _LinkedLayer(layer, _Sequence(found.sequence, _STEPS_FIRST), _Sequence(found.output, _STEPS_FIRST))


def _link_lstm(
    graph: Subgraph, cell: LiteCell, path: LayerPath, cells: Sequence[LiteCell], constants: StoredConstants
) -> _LinkedLayer | None:
    settings = connections.complete(cell, cells, constants)
    is_plain = settings.go_backwards is False and settings.direction is None and not settings.is_masked
    if not is_plain or settings.first_states_from:
        return None
    layer = NetworkLayer(path, "LSTM", {"return_sequences": True})
    if cell.in_loop is not None:
        found = SubgraphExpressions(graph, constants)
        x, after = cell.in_loop
        taken = loops.find_sequence(found, x)
        kept = None if taken is None else loops.find_kept(found, after, taken.facts.shape[0])
        given = None if kept is None else _Sequence(kept, _STEPS_FIRST)
        return None if taken is None else _LinkedLayer(layer, _Sequence(taken, _STEPS_FIRST), given)
    if cell.sequence is None or settings.time_major is None or not cell.outputs:  # not of an operator for all steps
        return None
    axes = _STEPS_FIRST if settings.time_major else _BATCH_FIRST
    return _LinkedLayer(layer, _Sequence(cell.sequence, axes), _Sequence(cell.outputs[0], axes))


class _LiteNetworkBuilder:
    """Puts layers together, from the input `main` of the model on."""

    def __init__(self, main: Subgraph, constants: StoredConstants) -> None:
        self._main = main
        self._constants = constants
        self._input = TensorPlace(main, main.inputs[0])
        self._layers: list[NetworkLayer] = []
        self._calls = [NetworkCall(0)]
        self._made = {_Sequence(self._input, _BATCH_FIRST): NetworkTensor(0)}

    def build(self, grus: Sequence[_LinkedLayer], lstms: Sequence[_LinkedLayer]) -> NetworkDescription | None:
        """Return the network; None if one of `lstms` is behind something else, or no GRU behind the input."""
        waiting = {one.layer.path: one for one in (*grus, *lstms)}
        while ready := [path for path, one in waiting.items() if self._find(one.taken) is not None]:
            for path in ready:
                self._add(waiting.pop(path))
        if any(one.layer.path in waiting for one in lstms) or all(one.layer.path in waiting for one in grus):
            return None
        shape = self._input.facts.fixed_shape
        given = NetworkInput(_name(self._input), NetworkTensor(0), shape[1:])
        outputs = {one.name: one for one in self._list_outputs()}
        if not outputs:
            return None
        layers = (*self._layers, NetworkLayer((given.name,), INPUT, {}))  # the last: an LSTM may have its name
        calls = (NetworkCall(len(layers) - 1), *self._calls[1:])
        return NetworkDescription(layers, calls, (given,), tuple(outputs.values()))

    def _add(self, one: _LinkedLayer) -> None:
        taken = self._find(one.taken)
        tensor = self._call(one.layer, *([] if taken is None else [taken]))
        if one.given is not None:
            self._made[one.given] = tensor

    def _call(self, layer: NetworkLayer, *inputs: NetworkTensor) -> NetworkTensor:
        self._layers.append(layer)
        self._calls.append(NetworkCall(len(self._layers) - 1, inputs))
        return NetworkTensor(len(self._calls) - 1)

    def _find(self, sequence: _Sequence) -> NetworkTensor | None:
        """Return the tensor of the network that a sequence is, but for the order of its axes."""
        for _ in range(_MOST_STEPS):
            if sequence in self._made:
                return self._made[sequence]
            before = _with_other_axes(sequence, self._constants)
            if before is None:
                return None
            sequence = before
        return None

    def _list_outputs(self) -> Iterator[NetworkOutput]:
        """Yield the outputs of the model; for one that operators compute, the layers that it is computed from."""
        for index in self._main.outputs:
            place = TensorPlace(self._main, index)
            found = self._find(_Sequence(place, _BATCH_FIRST)) if len(place.facts.shape) == len(_BATCH_FIRST) else None
            if found is not None and found.call:
                yield NetworkOutput(_name(place), found)
            for tensor in self._list_givers(place) if found is None else ():
                if tensor.call:
                    yield NetworkOutput(self._layers[self._calls[tensor.call].layer].name, tensor)

    def _list_givers(self, place: TensorPlace) -> Iterator[NetworkTensor]:
        """Yield the tensors of the network that one is computed from."""
        made = {one.place: tensor for one, tensor in self._made.items()}
        waiting, seen = [place.number], {place.number}
        while waiting:
            index = waiting.pop()
            if (one := made.get(place.at(index))) is not None:
                yield one
                continue
            operator = place.graph.producers.get(index)
            new = [other for other in (() if operator is None else operator.inputs) if other not in seen]
            seen.update(new)
            waiting.extend(other for other in new if other != schema.MISSING)


def _with_other_axes(sequence: _Sequence, constants: StoredConstants) -> _Sequence | None:
    """Return the sequence of which an operator changes the order of the axes; None if it does anything else."""
    operator = sequence.place.producer
    if operator is None or operator.input(0) == schema.MISSING:
        return None
    before = sequence.place.at(operator.input(0))
    if operator.code == schema.TRANSPOSE and operator.input(1) != schema.MISSING:
        order = constants.integers(sequence.place.at(operator.input(1)))
        if order is None or sorted(order) != list(range(len(sequence.axes))):
            return None
        letters = dict(zip(order, sequence.axes, strict=True))
        return _Sequence(before, "".join(letters[axis] for axis in range(len(order))))
    return _before_reshape(sequence, before, operator)


def _before_reshape(sequence: _Sequence, before: TensorPlace, operator: LiteOperator) -> _Sequence | None:
    """Return the sequence before an operator that reshapes it, which exchanges batch and steps if the batch is 1."""
    after, shape = sequence.place.facts.fixed_shape, before.facts.fixed_shape
    if operator.code != schema.RESHAPE or len(after) != len(sequence.axes) or None in (*after, *shape):
        return None
    lengths = dict(zip(sequence.axes, after, strict=True))
    if lengths["b"] != 1:
        return None
    fitting = [axes for axes in (_BATCH_FIRST, _STEPS_FIRST) if shape == tuple([lengths[letter] for letter in axes])]
    return _Sequence(before, fitting[0]) if fitting else None


def _name(place: TensorPlace) -> str:
    return place.facts.name or f"tensor {place.number}"
