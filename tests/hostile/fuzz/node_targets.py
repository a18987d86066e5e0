"""The index of the nodes of a graph, compared with one that reads each node."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from hostile.fuzz.target import MESSAGE, Parts, Target
from support.plain_node_index import PlainNodeIndex
from support.tensorflow_builders import counted, node
from support.unrolled_graphs import step, unrolled

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.readers.tensorflow.graph.nodes import blocks
from lstmdump.readers.tensorflow.graph.nodes.index import NodeIndex

_SHORT_WAIT = 64  # bytes: repetitions are searched for in small graphs, too
_MARKS = (counted(2, "Split"), counted(2, "Add"), counted(3, "rnn/cell/h_1"), b"\x02\x0a")
_SCOPES = ("rnn/cell", "cell_0/lstm", "")


def _compare(parts: Parts) -> None:
    """Check that all nodes are found, whether they are read one by one or passed over as repetitions.

    Raises:
        AssertionError: The answers differ.
    """
    with mock.patch.object(blocks, "_SHORTEST_WAIT", _SHORT_WAIT):
        found, expected = _index(NodeIndex, parts[0]), _index(PlainNodeIndex, parts[0])
    if isinstance(found, Exception) or isinstance(expected, Exception):
        assert (type(found), str(found)) == (type(expected), str(expected))
        return
    turns = range(len(expected.stops))
    assert [(found.name(turn), found.bounds(turn)) for turn in turns] == [
        (expected.names[turn], (expected.start(turn), expected.stops[turn])) for turn in turns
    ]
    assert (list(found.names()), found.end) == (expected.names, expected.end)
    assert all(found.find(name) == expected.turns.get(name) for name in reversed(expected.names))
    for mark in _MARKS:
        for done in (set(), set(_SCOPES[:1]), set(_SCOPES)):
            _compare_search(found, expected, mark, done)


def _index(kind: type[Any], data: bytes) -> Any:
    try:
        return kind(data)
    except (CorruptModel, RefusedModel) as error:
        return error


def _compare_search(found: NodeIndex, expected: PlainNodeIndex, mark: bytes, done: Collection[str]) -> None:
    found.searched = expected.searched = 0
    scopes = [name.decode("utf-8", "surrogateescape").rpartition("/")[0] for name in expected.names]
    plain = [(turn, follows) for turn, follows in expected.holding(mark) if not follows or scopes[turn] not in done]
    assert list(found.holding(mark, done=done)) == plain
    assert found.searched == expected.searched


def _seeds(_: Sequence[Path]) -> Iterator[Parts]:
    def two_cells(number: int) -> bytes:
        return step(number, "cell_0/lstm") + step(number)

    def with_text(number: int) -> bytes:
        text = step(number % 7, "text") if number % 20 == 5 else b"." * 40
        return step(number) + node(f"text_{number:03}", "Const", value=text)

    yield [unrolled(4)]
    yield [unrolled(14)]
    yield [unrolled(30, two_cells)]
    yield [unrolled(45, with_text)]
    yield [unrolled(110)]


TARGETS = (Target("node_index", (MESSAGE,), _compare, _seeds),)
