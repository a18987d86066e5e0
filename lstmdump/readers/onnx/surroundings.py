"""What stands around a recurrent node in the graph: first states, and inputs that are reversed before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lstmdump.readers.onnx.graph import OnnxGraph, OnnxNode

_MAX_VISITED = 200  # nodes behind a first state; genuine graphs have fewer than 20
_KEEPING_ZEROS = frozenset({"Cast", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Tile",
                            "Transpose", "Unsqueeze"})  # fmt: skip
_OF_SHAPES = frozenset({"Cast", "Concat", "Constant", "Expand", "Gather", "Identity", "Reshape", "Shape", "Slice",
                        "Squeeze", "Unsqueeze"})  # fmt: skip
_PASSING = frozenset({"Dropout", "Identity", "Reshape", "Squeeze", "Transpose"})
_MAX_BETWEEN = 8  # nodes between two layers
_FROM_END = -1
_MAX_TURNED = 6  # nodes that exchange axes before a sequence is taken


def walk_back(node: OnnxNode) -> tuple[list[OnnxNode], OnnxNode | None]:
    """Return the nodes that only move the numbers of X of `node`, and the one that gives it as its first output.

    There are no nodes, and None, if X does not come from such a node.
    """
    passing: list[OnnxNode] = []
    name = node.input(0)
    for _ in range(_MAX_BETWEEN):
        maker = node.home.makers.get(name)
        if maker is None or maker.outputs[0] != name:
            break
        if maker.operation not in _PASSING:
            return passing[::-1], maker
        passing.append(maker)
        name = maker.input(0)
    return [], None


def name_states(graph: OnnxGraph, names: Iterable[str]) -> Iterator[str]:
    """Yield those of `names`, values that are first states, that are not 0 whatever the input is."""
    return (name for name in names if name and not is_zero(graph, name))


def is_zero(graph: OnnxGraph, name: str) -> bool:
    """Return whether the value `name` of `graph` is 0, however it is expanded to the size of the batch."""
    waiting, visited = [name], 0
    while waiting:
        one = waiting.pop()
        visited += 1
        tensor = graph.tensor(one)
        node = graph.maker(one)
        if visited > _MAX_VISITED:
            return False
        if tensor is not None:
            if not tensor.is_zero():
                return False
        elif node is None:
            return False
        elif node.operation == "ConstantOfShape":
            if not _fills_with_zero(node):
                return False
        elif node.operation == "Concat":
            waiting += node.inputs
        elif node.operation in _KEEPING_ZEROS and node.inputs:
            waiting.append(node.inputs[0])
        else:
            return False
    return True


def _fills_with_zero(node: OnnxNode) -> bool:
    value = node.stored("value")
    return value is None or value.is_zero()


def reverses_input(node: OnnxNode) -> bool:
    """Return whether the graph reverses all steps of the input of `node` before the node takes it."""
    return is_reversed(node.home, node.input(0), 1 if node.integer("layout") else 0)


def reverses_output(node: OnnxNode) -> bool:
    """Return whether the graph reverses all steps of the output of `node`, which has an axis for the directions."""
    return bool(node.outputs) and is_reversed_after(node.home, node.outputs[0], 1 if node.integer("layout") else 0)


def is_reversed(graph: OnnxGraph, name: str, axis: int) -> bool:
    """Return whether the value `name` is another one reversed along `axis`, with the axes perhaps exchanged."""
    for _ in range(_MAX_TURNED):
        maker = graph.maker(name)
        if maker is None:
            return False
        if maker.operation == "ReverseSequence":
            return _reverses_sequences(maker, axis)
        if maker.operation == "Slice":
            return _reverses_slice(maker, axis)
        if maker.operation == "Transpose" and "perm" in maker.attributes:
            order = maker.attributes["perm"].integers()
            if not 0 <= axis < len(order):
                return False
            axis = order[axis]
        elif maker.operation != "Identity":
            return False
        graph, name = maker.home, maker.input(0)
    return False


def is_reversed_after(graph: OnnxGraph, name: str, axis: int) -> bool:
    """Return whether the graph reverses `name` along `axis`, perhaps after exchanging or removing other axes."""
    for _ in range(_MAX_TURNED):
        takers = [taker for taker in graph.find_takers(name) if taker.operation != "Shape"]
        if len(takers) != 1 or takers[0].input(0) != name:
            return False
        taker = takers[0]
        if taker.operation == "ReverseSequence":
            return _reverses_sequences(taker, axis)
        if taker.operation == "Slice":
            return _reverses_slice(taker, axis)
        moved = _move_axis(taker, axis)
        if moved is None:
            return False
        axis, name = moved, taker.outputs[0]
    return False


def _move_axis(node: OnnxNode, axis: int) -> int | None:
    """Return where `axis` is in the output of `node`, which moves or removes axes; None if it does something else."""
    if node.operation == "Identity":
        return axis
    if node.operation == "Transpose" and "perm" in node.attributes:
        order = node.attributes["perm"].integers()
        return order.index(axis) if axis in order else None
    if node.operation != "Squeeze":
        return None
    axes = node.attributes["axes"].integers() if "axes" in node.attributes else node.home.integers(node.input(1))
    return None if not axes or min(axes) < 0 or axis in axes else axis - sum(one < axis for one in axes)


def _reverses_sequences(node: OnnxNode, steps_axis: int) -> bool:
    """Return whether a `ReverseSequence` reverses the axis of the steps of all sequences, by lengths out of a shape."""
    if node.integer("time_axis") != steps_axis or node.integer("batch_axis", 1) == steps_axis:
        return False
    return _depends_on_shapes_only(node.home, node.input(1), node.input(0))


def _depends_on_shapes_only(graph: OnnxGraph, name: str, whole: str) -> bool:
    """Return whether `name` is computed from the shape of `whole`, and from constants, only."""
    alike = _list_transposed(graph, whole)
    waiting, visited, has_shape = [name], 0, False
    while waiting and visited < _MAX_VISITED:
        one = waiting.pop()
        node = graph.maker(one)
        visited += 1
        if graph.tensor(one) is not None:
            continue
        if node is None or node.operation not in _OF_SHAPES:
            return False
        if node.operation == "Shape":
            if node.input(0) not in alike:
                return False
            has_shape = True
        else:
            waiting += filter(None, node.inputs)
    return has_shape and not waiting


def _list_transposed(graph: OnnxGraph, name: str) -> set[str]:
    """Return `name` and the values that it is the transpose of."""
    found = {name}
    for _ in range(_MAX_TURNED):
        maker = graph.maker(name)
        if maker is None or maker.operation not in ("Transpose", "Identity"):
            break
        name = maker.input(0)
        found.add(name)
    return found


def _reverses_slice(node: OnnxNode, steps_axis: int) -> bool:
    """Return whether a `Slice` takes all steps from the last to the first."""
    starts, ends, axes, steps = (node.home.integers(node.input(place)) for place in (1, 2, 3, 4))
    if None in (starts, ends, axes, steps) or steps != (_FROM_END,) or axes != (steps_axis,):
        return False
    return (
        starts is not None
        and ends is not None
        and starts[0] in (_FROM_END, 2**63 - 1, 2**31 - 1)
        and ends[0] < -(2**30)
    )
