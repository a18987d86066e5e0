"""The offsets and names of the nodes of a graph."""

from __future__ import annotations

import pytest
from support.tensorflow_builders import counted

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.readers.tensorflow.graph.nodes.index import NodeIndex

PLUS_MARK = counted(2, "Plus")


def node(name: str, length: int = 0) -> bytes:
    """Return a node of slightly more than `length` bytes."""
    return counted(1, counted(1, name) + PLUS_MARK + counted(5, b"\n" * length))


@pytest.mark.parametrize("length", [0, 200, 20_000])  # whose encoding takes 1, 2 and 3 bytes
def test_nodes_are_indexed_for_any_size_of_their_length(length: int) -> None:
    first, second = node("first", length), node("b", length)
    index = NodeIndex(first + second + counted(2, "a library"))
    assert list(index.names()) == [b"first", b"b"]
    assert index.bounds(0) == (first.index(b"\n\x05first"), len(first))
    assert index.bounds(1) == (len(first) + second.index(b"\n\x01b"), len(first + second))


@pytest.mark.parametrize("length", [127, 128, 20_000])
def test_a_name_is_read_for_any_size_of_its_length(length: int) -> None:
    assert list(NodeIndex(node("n" * length)).names()) == [b"n" * length]


def test_nodes_without_a_name_are_counted_but_not_named() -> None:
    index = NodeIndex(counted(1, PLUS_MARK) + counted(1, b"") + node("a") + counted(1, PLUS_MARK))
    assert (len(index), index.find(b"a"), index.find(b"")) == (4, 2, None)


def test_two_nodes_of_one_name_are_damage() -> None:
    with pytest.raises(CorruptModel, match="two nodes named b"):
        NodeIndex(node("a") + node("b") + node("c") + node("b"))


@pytest.mark.parametrize("cut", range(1, len(node("a", 200))))
def test_a_node_that_is_cut_short_is_damage(cut: int) -> None:
    with pytest.raises(CorruptModel, match="cut short"):
        NodeIndex(node("b") + node("a", 200)[:-cut])


def test_a_mark_is_found_once_per_node_and_not_in_the_lengths() -> None:
    in_length = b"\x0a" + bytes([len(node("c")) - 2]) + b"\x0a"  # the key, the length, and the key of the name
    data = node("a") + node("b", 5) + node("c")
    assert list(NodeIndex(data).holding(b"\n\n")) == [(1, False)]
    assert list(NodeIndex(data).holding(in_length)) == []


def test_a_mark_after_the_name_is_distinguished_from_others() -> None:
    elsewhere = counted(1, counted(1, "c") + counted(2, "Minus") + PLUS_MARK)
    assert list(NodeIndex(node("a") + elsewhere).holding(PLUS_MARK)) == [(0, True), (1, False)]


def test_bytes_after_the_nodes_are_not_searched() -> None:
    assert list(NodeIndex(node("a") + counted(2, counted(1, "library"))).holding(b"library")) == []


def test_a_search_starts_at_the_given_node_and_wraps_around() -> None:
    data = node("a") + node("b") + node("c")
    assert [turn for turn, _ in NodeIndex(data).holding(PLUS_MARK, 1)] == [1, 2, 0]


def test_a_search_reads_no_further_than_its_last_result() -> None:
    index = NodeIndex(node("a") + node("b", 20_000))
    next(index.holding(PLUS_MARK))
    assert index.searched < len(node("a"))


def test_only_the_heads_of_long_nodes_are_searched() -> None:
    data = node("a", 100_000) + node("b") + node("c", 100_000) + node("d")
    index = NodeIndex(data)
    assert index.searchable < 200
    assert list(index.holding(PLUS_MARK)) == [(turn, True) for turn in range(4)]
    assert list(index.holding(b"\n\n")) == []


@pytest.mark.parametrize("first", range(4))
def test_a_search_from_any_node_visits_each_long_node_once(first: int) -> None:
    index = NodeIndex(node("a", 100_000) + node("b") + node("c", 100_000) + node("d"))
    turns = [turn for turn, _ in index.holding(PLUS_MARK, first)]
    assert turns == [*range(first, 4), *range(first)]


def test_all_inputs_of_a_long_node_are_searched() -> None:
    inputs = b"".join(counted(3, f"{number:09}") for number in range(10_000))
    data = node("a") + counted(1, counted(1, "b") + PLUS_MARK + inputs + counted(5, b"\n" * 100_000)) + node("c")
    assert list(NodeIndex(data).holding(counted(3, f"{9_999:09}"))) == [(1, False)]


@pytest.mark.parametrize("damage", [b"\x12\xff\xff\x7f", b"\x10\x05", b"\x12" + b"\x80" * 9])
def test_a_search_of_a_damaged_long_node_ends_with_the_node(damage: bytes) -> None:
    data = counted(1, counted(1, "a") + damage + b"\n" * 100_000) + node("b")
    assert list(NodeIndex(data).holding(PLUS_MARK)) == [(1, True)]


@pytest.mark.parametrize("length", [0, 300])
def test_too_many_nodes_are_refused(length: int) -> None:
    data = b"".join(node(f"n{number}", length) for number in range(7)) + counted(2, "a library")
    assert len(NodeIndex(data, 7)) == 7
    with pytest.raises(RefusedModel, match="a graph of more than 6 nodes; --limit nodes=60 allows it"):
        NodeIndex(data, 6)


@pytest.mark.parametrize("most", [1, 2, 999])
def test_too_many_nodes_of_the_shortest_form_are_refused(most: int) -> None:
    data = b"\n\0" * 1000
    assert len(NodeIndex(data, 1000)) == 1000
    with pytest.raises(RefusedModel):
        NodeIndex(data, most)


@pytest.mark.parametrize("turn", [0, 255, 256, 999])  # the first are entered 256 at a time
def test_a_node_is_found_wherever_it_is(turn: int) -> None:
    index = NodeIndex(b"".join(node(f"n{number}") for number in range(1000)))
    assert (index.find(f"n{turn}".encode()), index.find(b"absent")) == (turn, None)
