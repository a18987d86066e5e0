"""Where the nodes of a graph lie and what they are called."""

from __future__ import annotations

import pytest
from support.tensorflow_builders import counted

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.readers.tensorflow.graph.node_index import NodeIndex

PLUS_MARK = counted(2, "Plus")


def node(name: str, length: int = 0) -> bytes:
    """A node that comes to LENGTH bytes and some more."""
    return counted(1, counted(1, name) + PLUS_MARK + counted(5, b"\n" * length))


@pytest.mark.parametrize("length", [0, 200, 20_000])  # which takes 1, 2 and 3 bytes itself
def test_nodes_are_found_whatever_their_length_takes(length: int) -> None:
    first, second = node("first", length), node("b", length)
    index = NodeIndex(first + second + counted(2, "a library"))
    assert index.names == [b"first", b"b"]
    assert index.stops == [len(first), len(first + second)]
    assert (index.start(0), index.start(1)) == (first.index(b"\n\x05first"), len(first) + second.index(b"\n\x01b"))


@pytest.mark.parametrize("length", [127, 128, 20_000])
def test_a_name_is_whole_whatever_its_length_takes(length: int) -> None:
    assert NodeIndex(node("n" * length)).names == [b"n" * length]


def test_nodes_without_a_name_have_their_turn_and_are_not_confused() -> None:
    index = NodeIndex(counted(1, PLUS_MARK) + counted(1, b"") + node("a") + counted(1, PLUS_MARK))
    assert (len(index.stops), index.turns) == (4, {b"a": 2})


def test_two_nodes_of_one_name_are_damage() -> None:
    with pytest.raises(CorruptModel, match="two nodes named b"):
        NodeIndex(node("a") + node("b") + node("c") + node("b"))


@pytest.mark.parametrize("cut", range(1, len(node("a", 200))))
def test_a_node_that_is_cut_short_is_damage(cut: int) -> None:
    with pytest.raises(CorruptModel, match="cut short"):
        NodeIndex(node("b") + node("a", 200)[:-cut])


def test_a_mark_is_found_once_in_each_node_and_not_in_the_lengths_between_them() -> None:
    in_length = b"\x0a" + bytes([len(node("c")) - 2]) + b"\x0a"  # the key, the length, and the key of the name
    data = node("a") + node("b", 5) + node("c")
    assert list(NodeIndex(data).holding(b"\n\n")) == [(1, False)]
    assert list(NodeIndex(data).holding(in_length)) == []


def test_a_mark_behind_the_name_is_told_from_one_anywhere_else() -> None:
    elsewhere = counted(1, counted(1, "c") + counted(2, "Minus") + PLUS_MARK)
    assert list(NodeIndex(node("a") + elsewhere).holding(PLUS_MARK)) == [(0, True), (1, False)]


def test_what_stands_behind_the_nodes_is_not_searched() -> None:
    assert list(NodeIndex(node("a") + counted(2, counted(1, "library"))).holding(b"library")) == []


def test_a_search_begins_at_the_node_it_is_told_and_goes_round() -> None:
    data = node("a") + node("b") + node("c")
    assert [turn for turn, _ in NodeIndex(data).holding(PLUS_MARK, 1)] == [1, 2, 0]


def test_a_search_that_is_broken_off_has_gone_no_further_than_it_found() -> None:
    index = NodeIndex(node("a") + node("b", 20_000))
    next(index.holding(PLUS_MARK))
    assert index.searched < len(node("a"))


def test_of_long_nodes_only_what_stands_before_the_attributes_is_searched() -> None:
    data = node("a", 100_000) + node("b") + node("c", 100_000) + node("d")
    index = NodeIndex(data)
    assert index.searchable < 200
    assert list(index.holding(PLUS_MARK)) == [(turn, True) for turn in range(4)]
    assert list(index.holding(b"\n\n")) == []


@pytest.mark.parametrize("first", range(4))
def test_a_search_that_begins_anywhere_goes_once_around_long_nodes(first: int) -> None:
    index = NodeIndex(node("a", 100_000) + node("b") + node("c", 100_000) + node("d"))
    turns = [turn for turn, _ in index.holding(PLUS_MARK, first)]
    assert turns == [*range(first, 4), *range(first)]


def test_all_inputs_of_a_node_are_searched_however_many_there_are() -> None:
    inputs = b"".join(counted(3, f"{number:09}") for number in range(10_000))
    data = node("a") + counted(1, counted(1, "b") + PLUS_MARK + inputs + counted(5, b"\n" * 100_000)) + node("c")
    assert list(NodeIndex(data).holding(counted(3, f"{9_999:09}"))) == [(1, False)]


@pytest.mark.parametrize("damage", [b"\x12\xff\xff\x7f", b"\x10\x05", b"\x12" + b"\x80" * 9])
def test_a_long_node_that_is_damaged_before_its_attributes_is_searched_no_further_than_it_goes(damage: bytes) -> None:
    data = counted(1, counted(1, "a") + damage + b"\n" * 100_000) + node("b")
    assert list(NodeIndex(data).holding(PLUS_MARK)) == [(1, True)]


@pytest.mark.parametrize("length", [0, 300])
def test_nodes_are_counted(length: int) -> None:
    data = b"".join(node(f"n{number}", length) for number in range(7)) + counted(2, "a library")
    assert len(NodeIndex(data, 7).names) == 7
    with pytest.raises(RefusedModel, match="a graph of more than 6 nodes; --limit nodes=60 allows it"):
        NodeIndex(data, 6)


@pytest.mark.parametrize("most", [1, 2, 999])
def test_the_shortest_nodes_are_counted(most: int) -> None:
    data = b"\n\0" * 1000
    assert len(NodeIndex(data, 1000).stops) == 1000
    with pytest.raises(RefusedModel):
        NodeIndex(data, most)
