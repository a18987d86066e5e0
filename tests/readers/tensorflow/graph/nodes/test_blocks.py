"""The nodes of unrolled loops, which are passed over in blocks, compared with all of them read one by one."""

from __future__ import annotations

from random import Random

import pytest
from support.plain_node_index import PlainNodeIndex
from support.tensorflow_builders import counted, node
from support.unrolled_graphs import READERS, step, unrolled

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.readers.tensorflow.graph.nodes import blocks
from lstmdump.readers.tensorflow.graph.nodes.index import NodeIndex

SPLIT_MARK = counted(2, "Split")


def answers(kind: type[NodeIndex | PlainNodeIndex], data: bytes, most: int = 10**6) -> object:
    """Return what an index says about `data`, or the error that it raises."""
    try:
        index = kind(data, most)
    except (CorruptModel, RefusedModel) as error:
        return type(error), str(error)
    if isinstance(index, PlainNodeIndex):
        names, bounds = index.names, [(index.start(turn), index.stops[turn]) for turn in range(len(index.stops))]
        turns = [index.turns.get(name) for name in names]
    else:
        names, bounds = list(index.names()), [index.bounds(turn) for turn in range(len(index))]
        turns = [index.find(name) for name in reversed(names)][::-1]
        assert names == [index.name(turn) for turn in range(len(index))]
    marks = [list(index.holding(mark, len(names) // 2 if names else 0)) for mark in (SPLIT_MARK, b"h_1", b"\n")]
    return names, bounds, turns, marks, index.end, index.searchable, index.searched


def passed_over(data: bytes) -> int:
    """Return how many nodes of `data` are in repetitions."""
    return sum(len(block) for block in NodeIndex(data)._blocks if block.stop - block.start > block.size)


@pytest.fixture(params=[1 << 12, 1 << 6], autouse=True)
def shortest_wait(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_SHORTEST_WAIT", request.param)


@pytest.mark.parametrize("steps", [1, 5, 12, 99, 101, 1234])
def test_an_unrolled_loop_is_indexed_like_any_other_graph(steps: int) -> None:
    data = unrolled(steps)
    assert answers(NodeIndex, data) == answers(PlainNodeIndex, data)


def test_most_nodes_of_an_unrolled_loop_are_passed_over() -> None:
    assert passed_over(unrolled(1000)) > 0.9 * 6 * 1000


def test_a_graph_in_a_memory_map_is_indexed_alike() -> None:
    data = unrolled(300)
    assert answers(NodeIndex, memoryview(data)) == answers(NodeIndex, data)


def test_nodes_without_names_are_read_one_by_one() -> None:
    data = unrolled(300, lambda number: counted(1, SPLIT_MARK) + node(f"a{number:03}", "Add") * (number == 0))
    assert passed_over(data) == 0
    assert answers(NodeIndex, data) == answers(PlainNodeIndex, data)


def test_long_nodes_are_read_one_by_one() -> None:
    data = unrolled(12, lambda number: node(f"a{number:02}", "Const", value=b"\n" * 70_000))
    assert passed_over(data) == 0
    assert answers(NodeIndex, data) == answers(PlainNodeIndex, data)


@pytest.mark.parametrize("first", [3, 450])
@pytest.mark.parametrize("second", [451, 899])
def test_two_nodes_of_one_name_in_different_blocks_are_damage(first: int, second: int) -> None:
    twice = [f"n{number:03}" for number in range(900)]
    twice[second] = twice[first]
    with pytest.raises(CorruptModel, match=f"two nodes named {twice[first]}"):
        NodeIndex(b"".join(node(name, "Add", "x") for name in twice))


def test_nodes_in_a_text_are_not_nodes_of_the_graph() -> None:
    hidden = b"".join(map(step, range(500, 900)))
    text = counted(1, counted(1, "text") + counted(2, "Const") + counted(5, hidden))
    data = (
        unrolled(300)
        + text
        + unrolled(400).removeprefix(READERS + b"".join(map(step, range(300)))).replace(b"out", b"end")
    )
    index = NodeIndex(data)
    assert (index.find(b"rnn/cell/h_299"), index.find(b"rnn/cell/h_600")) == (3 + 6 * 300 - 1, None)
    assert answers(NodeIndex, data) == answers(PlainNodeIndex, data)


def test_a_text_in_each_block_that_looks_like_nodes_is_not_nodes() -> None:
    def make(number: int) -> bytes:
        return node(f"a{number:03}", "Const", value=step(number)) + node(f"b{number:03}", "Identity", f"a{number:03}")

    data = unrolled(300, make)
    assert NodeIndex(data).find(b"rnn/cell/h_200") is None
    assert answers(NodeIndex, data) == answers(PlainNodeIndex, data)


@pytest.mark.parametrize("most", [1, 100, 600, 601, 603, 604, 605])
def test_repeated_nodes_count_for_the_limit(most: int) -> None:
    data = unrolled(100)  # of 604 nodes
    assert answers(NodeIndex, data, most) == answers(PlainNodeIndex, data, most)


@pytest.mark.parametrize("cut", range(1, 800, 37))
def test_an_unrolled_loop_that_is_cut_short_is_damage(cut: int) -> None:
    data = unrolled(200)[:-cut]
    assert answers(NodeIndex, data) == answers(PlainNodeIndex, data)


@pytest.mark.parametrize("seed", range(60))
def test_damaged_loops_are_indexed_as_if_read_one_by_one(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - not for cryptography
    data = bytearray(unrolled(120))
    for _ in range(random.choice([1, 1, 2, 20])):
        place = random.randrange(len(data))
        data[place : place + random.choice([0, 1, 1, 1, 2])] = random.randbytes(random.choice([0, 1, 1, 1, 2]))
    assert answers(NodeIndex, bytes(data)) == answers(PlainNodeIndex, bytes(data))
