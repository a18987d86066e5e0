"""The nodes that are whole layers: LSTM, GRU and RNN, each with one or both directions.

An LSTM takes X, W (directions, 4m, d), R (directions, 4m, m), B (directions, 8m), the lengths of the sequences, the
first h and c, and P (directions, 3m); all behind R may be left out. Source: the operators of ONNX.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lstmdump.errors import CorruptModel
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import ActivationName, DeferredSettings, LayerSettings
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.onnx import activations, surroundings
from lstmdump.readers.onnx.constants import Constants, Value
from lstmdump.readers.onnx.graph import OnnxGraph, OnnxNode

OPERATIONS = ("LSTM", "GRU", "RNN")
"""The operators that are a recurrent layer."""

_INPUTS = {"W": 1, "R": 2, "B": 3, "P": 7}
_LENGTHS, _FIRST_STATES = 4, (5, 6)
_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
_ROWS = {"LSTM": 4, "GRU": 3, "RNN": 1}
_HALVES = ("forward", "backward")
_GRAPHS = {"Loop": ("body",), "Scan": ("body",), "If": ("then_branch", "else_branch")}
"""The graphs in the attributes of each operator that has some."""

COUPLED = "CoupledLSTM"
"""The class of an LSTM whose forget gate is 1 - i (`input_forget`)."""


class RecurrentNode(NamedTuple):
    """A node that is a recurrent layer, with the arrays that it takes.

    Attributes:
        node: The node.
        kind: Its class: its operator, or `CoupledLSTM`.
        arrays: Its arrays by ONNX's letters, with all directions.
        directions: How many directions it has.
    """

    node: OnnxNode
    kind: str
    arrays: dict[str, Value]
    directions: int

    def half(self, place: int) -> dict[str, Tensor]:
        """Return the arrays of one direction."""
        return {letter: _take_first_axis(value.tensor, place) for letter, value in self.arrays.items()}

    def settings(self, place: int) -> DeferredSettings:
        """Return what the node states of the computation of one direction."""
        given = activations.of_node(self.node, self.directions)
        own = _describe(self.node, self.directions, place, given)
        return DeferredSettings(
            lambda: own,
            forget_bias=0.0,
            shows_equations=True,
            add_given=lambda settings: _add_given(settings, self.node),
        )

    @property
    def ignores_reversal(self) -> bool:
        """Whether the graph reverses the input of a node that goes backwards itself, in one direction or both."""
        goes_forward = self.directions == 1 and self.node.text("direction", "forward").lower() == "forward"
        return not goes_forward and surroundings.reverses_input(self.node)

    @property
    def units(self) -> int:
        """The number of units of a direction."""
        return self.arrays["R"].tensor.shape[-1]


def find(graphs: Iterable[OnnxGraph], constants: Constants) -> Iterator[RecurrentNode | OnnxNode]:
    """Yield the recurrent nodes of `graphs`, as plain nodes if their arrays are not stored.

    Raises:
        CorruptModel: The arrays of a node have other shapes than its operator requires.
    """
    for one in graphs:
        for node in one.nodes_with(OPERATIONS):
            yield _read(node, constants) or node


def graphs_in(graph: OnnxGraph) -> Iterator[OnnxGraph]:
    """Yield `graph` and all graphs within its nodes, outer before inner."""
    yield graph
    for node in graph.nodes_with(_GRAPHS):
        for attribute in _GRAPHS[node.operation]:
            inner = node.graph(attribute)
            if inner is not None:
                yield from graphs_in(inner)


def _read(node: OnnxNode, constants: Constants) -> RecurrentNode | None:
    """Return the layer that `node` is, or None if one of its arrays depends on the input of the model."""
    arrays: dict[str, Value] = {}
    for letter, place in _INPUTS.items():
        if name := node.input(place):
            value = constants.find(name, node.home)
            if value is None:
                return None
            arrays[letter] = value
    direction = node.text("direction", "forward").lower()
    if not {"W", "R"} <= set(arrays) or direction not in _DIRECTIONS:
        raise CorruptModel(f"the node {node.name} is an {node.operation}, but lacks a W, an R or a valid direction")
    directions = _DIRECTIONS[direction]
    for name in filter(None, node.outputs):
        node.home.require_one_maker(name)
    _require_shapes(node, {letter: value.tensor.shape for letter, value in arrays.items()}, directions)
    _require_states(node, arrays["R"].tensor.shape[-1])
    is_coupled = node.operation == "LSTM" and node.integer("input_forget") != 0
    return RecurrentNode(node, COUPLED if is_coupled else node.operation, arrays, directions)


def _require_states(node: OnnxNode, units: int) -> None:
    """Check that the first states fit the units, as far as they are stored."""
    for name in map(node.input, _FIRST_STATES if node.operation == "LSTM" else ()):
        stored = node.home.tensor(name) if name else None
        if stored is not None and stored.shape[-1:] != (units,):
            raise CorruptModel(f"the node {node.name} has {units} units, but its first state {name} is {stored.shape}")


def _require_shapes(node: OnnxNode, shapes: dict[str, tuple[int, ...]], directions: int) -> None:
    gates, units = _ROWS[node.operation], shapes["R"][-1] if shapes["R"] else 0
    width = shapes["W"][-1] if shapes["W"] else 0
    rows = gates * units
    wanted = {"W": (rows, width), "R": (rows, units), "B": (2 * rows,), "P": (3 * units,)}
    stated = node.integer("hidden_size", units)
    for letter, shape in shapes.items():
        expected = (directions, *wanted[letter])
        if shape != expected or 0 in shape or stated != units:
            what = f"the node {node.name} is an {node.operation} of {stated} units"
            raise CorruptModel(f"{what}, but its {letter} is {shape}, not {expected}")


def _describe(
    node: OnnxNode, directions: int, place: int, given: Sequence[tuple[ActivationName, ...]]
) -> LayerSettings:
    """Return what the attributes of `node` state of one direction."""
    if len(given[place]) != 3:
        raise CorruptModel(f"the node {node.name} does not name three activations for each direction")
    gates, candidate, output = given[place]
    is_backward = place == 1 or node.text("direction").lower() == "reverse"
    is_reversed_before = directions == 1 and not is_backward and surroundings.reverses_input(node)
    clip = node.attributes["clip"].number() if "clip" in node.attributes else None
    return LayerSettings(
        is_described=True,
        direction=_HALVES[place] if directions == 2 else None,
        activation=candidate,
        recurrent_activation=gates,
        output_activation=output,
        go_backwards=is_backward or is_reversed_before,
        is_aligned=is_backward or (is_reversed_before and surroundings.reverses_output(node)),
        zero_output_for_mask=True,
        gate_clip=clip or None,
    )


def _add_given(settings: LayerSettings, node: OnnxNode) -> LayerSettings:
    """Add what `node` is given besides its input: the first states and the lengths of the sequences."""
    lengths = node.input(_LENGTHS)
    return settings._replace(
        first_states_from=tuple(dict.fromkeys(surroundings.name_states(node.home, map(node.input, _FIRST_STATES)))),
        sequence_lengths_from=lengths,
        sequence_lengths=node.home.integers(lengths) if lengths else None,
    )


def _take_first_axis(tensor: Tensor, place: int) -> Tensor:
    """Return the block at `place` of the first axis, as an array of its own."""

    def fetch(cuts: Cuts) -> Array:
        values: Array = tensor.fetch((slice(place, place + 1), *cuts))[0]
        return values

    return Tensor(f"{tensor.name}[{place}]", tensor.shape[1:], tensor.dtype, fetch)
