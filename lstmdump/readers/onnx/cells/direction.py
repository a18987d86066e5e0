"""The direction in which a cell takes the steps of its input: by their indices, or by the turns of a loop."""

from __future__ import annotations

from itertools import pairwise

from lstmdump.readers.onnx.cells.steps import Cell
from lstmdump.readers.onnx.graph import OnnxNode
from lstmdump.readers.onnx.surroundings import is_reversed, is_reversed_after
from lstmdump.readers.onnx.values import At

_MAX_STEPS = 6  # nodes between a step of the input and the whole input
_SELECTING = frozenset({"Identity", "Reshape", "Squeeze", "Unsqueeze"})


def goes_backwards(cell: Cell) -> bool | None:
    """Return whether a cell takes the last step of its input first; None if the graph does not show it."""
    if cell.is_joined:
        joined = cell.first.sums["c"].products[0].taken.maker
        place = 1 if cell.state_first else 0
        taken = [] if joined is None else [_find_input(step.sums["c"].products[0].taken, place) for step in cell.steps]
    else:
        of_input = cell.of_input[-1].matrix
        taken = [product.taken for step in cell.steps for product in step.sums["c"].products
                 if product.matrix == of_input]  # fmt: skip
    known = [at for at in taken if at is not None]
    if cell.first.output.graph.around is not None:
        return _read_loop(known[0]) if known else None
    indices = [_find_index(at) for at in known]
    numbers = [index for index in indices if index is not None]
    if len(numbers) < 2 or len(numbers) < len(indices):
        return None
    rising = [one < other for one, other in pairwise(numbers)]
    return None if len(set(rising)) > 1 else not rising[0]


def returns_reversed(cell: Cell) -> bool:
    """Return whether the graph reverses the outputs of all turns of the loop that `cell` is in."""
    output = cell.first.output
    around = output.graph.around
    if around is None:
        return False
    first = 1 if around.operation == "Loop" else 0  # the condition has no output
    names = [given for inner, given in zip(output.graph.outputs[first:], around.outputs, strict=False)
             if _is_passed(output, inner)]  # fmt: skip
    return any(is_reversed_after(around.home, name, 0) for name in names)


def _is_passed(output: At, name: str) -> bool:
    """Return whether the value `name` is `output`, perhaps passed on."""
    for _ in range(_MAX_STEPS):
        node = output.graph.makers.get(name)
        if name == output.name or node is None or node.operation != "Identity":
            break
        name = node.input(0)
    return name == output.name


def _find_input(joined: At, place: int) -> At | None:
    node = joined.maker
    return None if node is None else At(node.home, node.input(place))


def _find_index(at: At) -> int | None:
    """Return which step of the whole input `at` is, as its index or the beginning of a slice."""
    for _ in range(_MAX_STEPS):
        node = at.maker
        if node is None:
            return None
        if node.operation == "Split":
            return node.outputs.index(at.name)
        if node.operation in ("Gather", "Slice"):
            return _read_index(node)
        if node.operation not in _SELECTING:
            return None
        at = At(node.home, node.input(0))
    return None


def _read_index(node: OnnxNode) -> int | None:
    if node.operation == "Slice" and "starts" in node.attributes:
        return next(iter(node.attributes["starts"].integers()), None)
    found = node.home.integers(node.input(1))
    return found[0] if found is not None and len(found) == 1 and found[0] >= 0 else None


def _read_loop(at: At) -> bool | None:
    """Return whether the loop that takes `at` at each turn goes through its input from the last step to the first."""
    for _ in range(_MAX_STEPS):
        node, around = at.maker, at.graph.around
        if node is None and around is not None and around.operation == "Scan":
            return _read_scan(at, around)
        if node is None:
            return None
        if node.operation == "Gather":
            counter = At(node.home, node.input(1))
            return is_reversed(node.home, node.input(0), node.integer("axis")) if _counts_up(counter) else None
        if node.operation not in _SELECTING:
            return None
        at = At(node.home, node.input(0))
    return None


def _read_scan(at: At, around: OnnxNode) -> bool | None:
    sequences = around.integer("num_scan_inputs")
    place = (
        at.graph.arguments.index(at.name) - (len(around.inputs) - sequences) if at.name in at.graph.arguments else -1
    )
    if place < 0 or "scan_input_axes" in around.attributes:
        return None
    ways = around.attributes["scan_input_directions"].integers() if "scan_input_directions" in around.attributes else ()
    turned = bool(ways[place]) if place < len(ways) else False
    name = around.input(len(around.inputs) - sequences + place)
    return turned != is_reversed(around.home, name, 0)


def _counts_up(counter: At) -> bool:
    """Return whether `counter` is the number of the turn of a loop, or a value that grows by 1 with each turn."""
    graph = counter.graph
    if graph.around is None or graph.around.operation != "Loop" or counter.name not in graph.arguments:
        return False
    place = graph.arguments.index(counter.name)
    if place == 0:
        return True
    following = graph.makers.get(graph.outputs[place - 1]) if 0 < place <= len(graph.outputs) else None
    if following is None or following.operation != "Add" or counter.name not in following.inputs:
        return False
    return any(graph.integers(name) in ((1,), ()) and graph.number(name) == 1 for name in following.inputs)
