"""Recognise the outputs h' and c' of known cells in a graph, in any step of an unrolled cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from lstmdump.errors import CannotReplay
from lstmdump.model.cell_classes import BLOCK_OPERATIONS
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.tensorflow.graph import cell_equations
from lstmdump.readers.tensorflow.graph.cell_equations import Equations
from lstmdump.readers.tensorflow.graph.cells import SPLIT, GraphCell, read_split_cell
from lstmdump.readers.tensorflow.graph.functions import FunctionBody
from lstmdump.readers.tensorflow.graph.graph_def import Node
from lstmdump.readers.tensorflow.graph.loops import GraphOutput, origin

SELECTING = ("Select", "SelectV2")
"""The operations that choose between the output of a step and what stands for that of a skipped one."""

_MAX_NODES = 40  # between an output of a step and its split
_WITHIN_STEP = frozenset({"Add", "AddV2", "BiasAdd", "ClipByValue", "Elu", "Exp", "MatMul", "Maximum", "Minimum", "Mul",
                          "Relu", "Relu6", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh"})  # fmt: skip
_LAST = frozenset({"Add", "AddV2", "ClipByValue", "MatMul", "Maximum", "Minimum", "Mul", *BLOCK_OPERATIONS})
"""The operations that give h' or c'."""


class KnownCell(NamedTuple):
    """A cell in a graph, and the names of its variables by their role in it."""

    computed: GraphCell
    variables: Mapping[str, Sequence[str]]


class CellOutput(NamedTuple):
    """An output of the cell with that name: h' or, if `is_state`, c'."""

    cell: str
    is_state: bool


class CellOutputs:
    """The outputs of known cells.

    Args:
        cells: The cells by name.
    """

    def __init__(self, cells: Mapping[str, KnownCell]) -> None:
        self.cells = cells
        self._equations: dict[str, Equations | None] = {}

    @cached_property
    def bodies(self) -> list[FunctionBody]:
        """The bodies of loops that hold cells."""
        homes = [cell.computed.node.home for cell in self.cells.values()]
        return [home for home in dict.fromkeys(homes) if isinstance(home, FunctionBody)]

    def at(self, place: GraphOutput) -> CellOutput | None:
        """Return the output at `place`; None if it is not an output of a known cell."""
        place = origin(place)
        node = place.node
        if node is None or node.operation not in _LAST:
            return None
        return self._outputs.get(place) or self._find_step(place)

    def at_known_step(self, place: GraphOutput) -> CellOutput | None:
        """Return the output at `place`, if it is that of a turn of a loop, or of the first step of an unrolled cell."""
        return self._outputs.get(origin(place))

    def equations(self, name: str) -> Equations | None:
        """Return the equations of the cell `name`; None if it computes something else than an LSTM."""
        if name not in self._equations:
            self._equations[name] = _read_equations(*self.cells[name])
        return self._equations[name]

    @cached_property
    def _outputs(self) -> dict[GraphOutput, CellOutput]:
        found = {}
        for name, cell in self.cells.items():
            home, equations = cell.computed.node.home, self.equations(name)
            if equations is not None:
                if equations.state:
                    found[GraphOutput(home, equations.state)] = CellOutput(name, is_state=True)
                found[GraphOutput(home, equations.output)] = CellOutput(name, is_state=False)
        return found

    @cached_property
    def _by_kernel(self) -> dict[tuple[str, ...], str]:
        return {cell.computed.variables["kernel"]: name for name, cell in self.cells.items()
                if "kernel" in cell.computed.variables}  # fmt: skip

    def _find_step(self, place: GraphOutput) -> CellOutput | None:
        """Return the output of another step of an unrolled cell than the one that is known."""
        step = self._read_step(place)
        name = None if step is None else self._by_kernel.get(step.variables["kernel"])
        equations = None if step is None or name is None else _read_equations(step, self.cells[name].variables)
        if name is None or equations is None or place.name not in (equations.state, equations.output):
            return None
        return CellOutput(name, is_state=place.name == equations.state)

    def _read_step(self, place: GraphOutput) -> GraphCell | None:
        """Return the step of a cell whose split is the nearest one before `place`."""
        for node in _iterate_before(place):
            if node.operation == SPLIT or node.operation in BLOCK_OPERATIONS:
                return read_split_cell(place.nodes, node) if node.operation == SPLIT else None
        return None


def _read_equations(computed: GraphCell, variables: Mapping[str, Sequence[str]]) -> Equations | None:
    try:
        return cell_equations.read(computed, variables)
    except CannotReplay:
        return None


def _iterate_before(place: GraphOutput) -> Iterator[Node]:
    """Yield the nodes before `place` in its step, nearest first."""
    waiting, seen = [place], {place}
    while waiting and len(seen) < _MAX_NODES:
        place = waiting.pop(0)
        node = place.node
        if node is None or node.home is not place.nodes:
            continue
        yield node
        for before in (origin(place.of(name)) for name in node.inputs) if node.operation in _WITHIN_STEP else ():
            if before not in seen:
                seen.add(before)
                waiting.append(before)
