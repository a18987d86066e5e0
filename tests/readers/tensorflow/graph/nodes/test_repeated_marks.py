"""Searches in unrolled loops that pass over scopes that are done, compared with searches that visit each node."""

from __future__ import annotations

from random import Random

import pytest
from support.plain_node_index import PlainNodeIndex
from support.tensorflow_builders import counted, node
from support.unrolled_graphs import READERS, step, unrolled

from lstmdump.errors import CorruptModel
from lstmdump.readers.tensorflow.graph.nodes import blocks
from lstmdump.readers.tensorflow.graph.nodes.index import NodeIndex

MARK = counted(2, "Split")
Hits = tuple[list[tuple[int, bool]], int]


def find(data: bytes, already: set[str], mark: bytes = MARK) -> Hits:
    """Return the nodes with `mark` outside of scopes that are done, and how many bytes were searched for them.

    A scope is done after its third node.
    """
    index, done, found = NodeIndex(data), set(already), []
    seen: dict[str, int] = {}
    for turn, follows in index.holding(mark, done=done):
        found.append((turn, follows))
        add_scope(index.name(turn), seen, done)
    return found, index.searched


def find_plainly(data: bytes, already: set[str], mark: bytes = MARK) -> Hits:
    """Return the same as `find`, after a visit to each node."""
    index, done, found = PlainNodeIndex(data), set(already), []
    seen: dict[str, int] = {}
    for turn, follows in index.holding(mark):
        if not follows or scope_of(index.names[turn]) not in done:
            found.append((turn, follows))
            add_scope(index.names[turn], seen, done)
    return found, index.searched


def add_scope(name: bytes, seen: dict[str, int], done: set[str]) -> None:
    scope = scope_of(name)
    seen[scope] = seen.get(scope, 0) + 1
    if seen[scope] == 3:
        done.add(scope)


def scope_of(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").rpartition("/")[0]


@pytest.fixture(params=[1 << 12, 1 << 6], autouse=True)
def shortest_wait(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_SHORTEST_WAIT", request.param)


@pytest.mark.parametrize("already", [set(), {"rnn/cell"}, {"other"}, {"rnn"}])
def test_the_steps_of_a_loop_are_passed_over_if_their_scope_is_done(already: set[str]) -> None:
    data = unrolled(500)
    assert find(data, already) == find_plainly(data, already)


def test_few_nodes_are_looked_at_if_their_scope_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []
    bounds = NodeIndex.bounds
    monkeypatch.setattr(NodeIndex, "bounds", lambda self, turn: looked_at.append(turn) or bounds(self, turn))
    find(unrolled(1000), {"rnn/cell"})
    assert len(looked_at) < 100


def test_two_cells_in_each_step_are_passed_over() -> None:
    data = unrolled(300, lambda number: step(number, "rnn/cell_0/cell") + step(number, "rnn/cell_1/cell"))
    assert find(data, set()) == find_plainly(data, set())


@pytest.mark.parametrize("other", ["rnn/kell", "rnn/cel/", "rnn/c/ll", "////////"])
@pytest.mark.parametrize("at", [5, 150, 299])
def test_a_step_in_another_scope_is_not_passed_over(at: int, other: str) -> None:
    data = unrolled(300, lambda number: step(number, other if number == at else "rnn/cell"))
    assert find(data, set()) == find_plainly(data, set())


@pytest.mark.parametrize("at", [5, 150, 299])
def test_a_slash_at_the_end_of_a_name_makes_another_scope(at: int) -> None:
    text = f"split_{at}".encode()
    data = unrolled(300).replace(b"cell/" + text + MARK, b"cell/" + text[:-1] + b"/" + MARK)
    assert find(data, set()) == find_plainly(data, set())


@pytest.mark.parametrize("at", [150, 299])
@pytest.mark.parametrize(
    "hidden", [MARK, b"\n\x0erm_n/cell/spli" + MARK, b"\n\x14\n\x0brnn/cell/sp" + MARK], ids=["mark", "name", "node"]
)
def test_a_mark_in_an_attribute_of_another_scope_is_seen(at: int, hidden: bytes) -> None:
    def make(number: int) -> bytes:
        text = hidden if number == at else b"\0" * len(hidden)
        return step(number) + node(f"text_{number:03}", "Const", value=text)

    data = unrolled(300, make)
    assert find(data, {"rnn/cell"}) == find_plainly(data, {"rnn/cell"})
    assert len(find(data, {"rnn/cell"})[0]) == 1


def test_marks_that_precede_names_are_not_passed_over() -> None:
    nodes = b"".join(counted(1, MARK + counted(1, f"rnn/cell/s{number:03}")) for number in range(300))
    assert find(nodes, {"rnn/cell", ""}) == find_plainly(nodes, {"rnn/cell", ""})


def test_a_mark_across_the_end_of_the_last_block_is_found() -> None:
    mark = b"\x12\n"

    def make(number: int) -> bytes:
        end = b"\x12" if number == 299 else b"\0"
        return node(f"rnn/cell/a{number:03}", "Operation1") + node(f"b{number:03}", "B", text=end)

    data = unrolled(300, make) + b"".join(node(f"another_{number}", "C") for number in range(9))
    assert find(data, {"rnn/cell"}, mark) == find_plainly(data, {"rnn/cell"}, mark)
    assert find(data, {"rnn/cell"}, mark)[0] == [(3 + 2 * 300 - 1, False)]


def test_a_node_whose_operation_does_not_follow_its_name_is_not_passed_over() -> None:
    def make(number: int) -> bytes:
        return counted(1, counted(1, f"rnn/cell/a{number:03}") + counted(3, "x") + MARK)

    data = unrolled(300, make)
    assert find(data, {"rnn/cell"}) == find_plainly(data, {"rnn/cell"})
    assert len(find(data, {"rnn/cell"})[0]) == 300


@pytest.mark.parametrize("at", [150, 298])
def test_a_mark_in_place_of_a_missing_one_is_seen(at: int) -> None:
    def make(number: int) -> bytes:
        own, text = ("Splat", MARK) if number == at else ("Split", b"." * len(MARK))
        return node(f"rnn/cell/a{number:03}", own) + node(f"b{number:03}", "Const", value=text)

    data = unrolled(300, make)
    assert find(data, {"rnn/cell"}) == find_plainly(data, {"rnn/cell"})
    assert find(data, {"rnn/cell"})[0] == [(3 + 2 * at + 1, False)]


@pytest.mark.parametrize("seed", range(60))
def test_damaged_loops_are_searched_as_if_each_node_were_visited(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - not for cryptography
    data = bytearray(unrolled(150)[len(READERS) :])
    for _ in range(random.choice([1, 1, 2, 5])):
        place = random.randrange(len(data))
        data[place] = random.choice([random.randrange(256), ord("/"), data[place] ^ 1])
    try:
        expected = find_plainly(bytes(data), set())
    except CorruptModel:
        return
    assert find(bytes(data), set()) == expected
