"""Loops over the steps of a sequence: which step a turn takes, that all steps are taken, and where results are kept.

The body of such a loop takes row n of a tensor in its turn n, and puts what it computes into row n of another one::

    x = GATHER(sequence, n)
    kept' = CONCATENATION(kept[:n], RESHAPE(value), kept[n + 1:])
    n' = n + 1

Its condition is n < the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.readers.tflite import schema
from lstmdump.readers.tflite.constants import TensorPlace, WhileLoop
from lstmdump.readers.tflite.expressions import SubgraphExpressions
from lstmdump.readers.tflite.schema import LiteOperator, Subgraph

_DIMENSIONS = 3  # of a sequence: steps, batch, features
_MOST_STEPS = 10  # in a condition: TensorFlow has one bound for the steps, and one that is the most turns


def counts_up(found: SubgraphExpressions, index: int) -> bool:
    """Return whether a variable of the loop begins at 0 and grows by 1 in each turn."""
    graph, index = found.graph, found.origin(index)
    loop = found.constants.loops.get(graph.number)
    if loop is None or index not in graph.inputs:
        return False
    place = graph.inputs.index(index)
    first = loop.operator.input(place)
    if first == schema.MISSING or found.constants.scalar(TensorPlace(loop.outer, first)) != 0:
        return False
    return any(_is_next(found, one, index) for one in graph.outputs[place : place + 1])


def find_sequence(found: SubgraphExpressions, index: int) -> TensorPlace | None:
    """Return the tensor of (steps, batch, features) whose next step each turn takes as `index`, up to the last one."""
    graph, operator = found.graph, found.producer(index)
    loop = found.constants.loops.get(graph.number)
    if loop is None or operator is None or operator.code != schema.GATHER or schema.MISSING in operator.inputs:
        return None
    sequence, number = operator.inputs[:2]
    if operator.option(0) or operator.option(1) or graph.tensor(number).shape or not counts_up(found, number):
        return None
    given = _find_unchanged(loop, graph, sequence)
    if given is None:
        return None
    steps = given.facts.fixed_shape[:1]
    is_whole = len(given.facts.shape) == _DIMENSIONS and steps != (None,)
    return given if is_whole and _runs_each(found, loop, steps[0] or 0) else None


def find_kept(found: SubgraphExpressions, value: int, steps: int) -> TensorPlace | None:
    """Return the tensor of (steps, batch, features) in which the loop keeps what is `value` in each of its turns."""
    graph = found.graph
    loop = found.constants.loops.get(graph.number)
    if loop is None:
        return None
    outside = zip(loop.operator.inputs, loop.operator.outputs, strict=False)
    for kept, returned, (first, last) in zip(graph.inputs, graph.outputs, outside, strict=False):
        if schema.MISSING not in (first, last) and _keeps(found, returned, kept, value):
            rows = loop.outer.tensor(first).fixed_shape[:1]
            return TensorPlace(loop.outer, last) if rows == (steps,) else None
    return None


def _is_next(found: SubgraphExpressions, index: int, number: int) -> bool:
    """Return whether a tensor is `number` and 1 more."""
    pair = found.operands(found.plain(index, schema.ADD))
    return pair is not None and number in pair and any(found.scalar(one) == 1 for one in pair)


def _find_unchanged(loop: WhileLoop, graph: Subgraph, index: int) -> TensorPlace | None:
    """Return what is given to a loop for `index`, if that is an argument of its body that no turn changes."""
    if index not in graph.inputs:
        return None
    place = graph.inputs.index(index)
    given = loop.operator.input(place)
    is_unchanged = graph.outputs[place : place + 1] == (index,)
    return TensorPlace(loop.outer, given) if is_unchanged and given != schema.MISSING else None


def _runs_each(found: SubgraphExpressions, loop: WhileLoop, steps: int) -> bool:
    """Return whether the loop has as many turns as there are `steps`, and no other loop has its body."""
    number, graphs = loop.operator.index(0), found.constants.flat.subgraphs
    if found.graph.number in found.constants.shared_bodies or not 0 <= number < len(graphs):
        return False
    bounds = list(_list_bounds(found, loop, SubgraphExpressions(graphs[number], found.constants)))
    known = [bound for bound in bounds if bound is not None]
    return len(known) == len(bounds) and min(known, default=None) == steps


def _list_bounds(found: SubgraphExpressions, loop: WhileLoop, condition: SubgraphExpressions) -> Iterator[float | None]:
    """Yield the numbers below which numbers of turns have to be for the loop to go on; None for another condition."""
    waiting = list(condition.graph.outputs)
    for _ in range(_MOST_STEPS):
        if not waiting:
            return
        operator = condition.producer(waiting.pop())
        operands = condition.operands(operator)
        if operator is not None and operands is not None and operator.code == schema.LOGICAL_AND:
            waiting.extend(operands)
        else:
            yield _read_bound(found, loop, condition, operator)
    yield None


def _read_bound(
    found: SubgraphExpressions, loop: WhileLoop, condition: SubgraphExpressions, operator: LiteOperator | None
) -> float | None:
    operands, graph = condition.operands(operator), condition.graph
    if operator is None or operator.code != schema.LESS or operands is None or operands[0] not in graph.inputs:
        return None
    place = graph.inputs.index(operands[0])
    if not all(counts_up(found, one) for one in found.graph.inputs[place : place + 1] or (schema.MISSING,)):
        return None
    if operands[1] not in graph.inputs:
        return condition.scalar(operands[1])
    of_body = found.graph.inputs[graph.inputs.index(operands[1]) :][:1]
    given = _find_unchanged(loop, found.graph, of_body[0]) if of_body else None
    return None if given is None else found.constants.scalar(given)


def _keeps(found: SubgraphExpressions, returned: int, kept: int, value: int) -> bool:
    """Return whether `returned` is `kept` with `value` in the row of the turn."""
    operator = found.producer(returned)
    if operator is None or operator.code != schema.CONCATENATION or len(operator.inputs) != _DIMENSIONS:
        return False
    if schema.MISSING in operator.inputs or operator.option(0) or operator.option(1):
        return False
    before, row, behind = operator.inputs
    shape = found.graph.tensor(value).shape
    is_row = len(shape) == _DIMENSIONS - 1 and found.graph.tensor(row).shape == (1, *shape)
    if not is_row or found.origin(row) != found.origin(value):
        return False
    first, count = _read_slice(found, before, kept) or (None, None)
    start, rest = _read_slice(found, behind, kept) or (None, None)
    if first is None or count is None or start is None or rest is None:
        return False
    number, following = _read_row(found, count, -1), _read_row(found, start, 0)
    if _integers(found, first) != (0,) * _DIMENSIONS or _integers(found, rest) != (-1,) * _DIMENSIONS:
        return False
    return (
        number is not None and following is not None and counts_up(found, number) and _is_next(found, following, number)
    )


def _integers(found: SubgraphExpressions, index: int) -> tuple[int, ...] | None:
    return found.constants.integers(TensorPlace(found.graph, index))


def _read_slice(found: SubgraphExpressions, index: int, whole: int) -> tuple[int, int] | None:
    """Return the tensors that state where a part of `whole` begins, and its size."""
    operator = found.producer(index)
    if operator is None or operator.code != schema.SLICE or len(operator.inputs) != 3 or operator.inputs[0] != whole:
        return None
    return None if schema.MISSING in operator.inputs else (operator.inputs[1], operator.inputs[2])


def _read_row(found: SubgraphExpressions, index: int, other: int) -> int | None:
    """Return the tensor that is the first number of a vector, whose other numbers are `other`."""
    operator = found.producer(index)
    if operator is None or operator.code != schema.CONCATENATION or len(operator.inputs) != 2:
        return None
    if schema.MISSING in operator.inputs or _integers(found, operator.inputs[1]) != (other,) * (_DIMENSIONS - 1):
        return None
    return found.origin(operator.inputs[0])
