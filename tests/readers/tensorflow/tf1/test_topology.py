from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.tensorflow_builders import (
    constant,
    graph_of,
    looped_cell,
    lstm_cell,
    meta_graph,
    node,
    scalar,
    variable,
    write_bundle,
    zeros,
)

import lstmdump
from lstmdump.model.location import Location
from lstmdump.readers.tensorflow import checkpoint

GENUINE = Path(__file__).parents[3] / "genuine"
Widths = dict[str, tuple[int, int]]
"""The widths d and m, by the scope of the cell."""


def sources(tmp_path: Path, widths: Widths, graph: bytes = b"", others: tuple[str, ...] = ()) -> dict[str, list[str]]:
    tensors: dict[str, np.ndarray] = {}
    for scope, (d, m) in widths.items():
        tensors |= {f"{scope}/kernel": np.zeros((d + m, 4 * m), "f4"), f"{scope}/bias": np.zeros(4 * m, "f4")}
    tensors |= {name: np.zeros((3, 3), "f4") for name in others}
    path = write_bundle(tmp_path / "x", tensors)
    if graph:
        declared = b"".join(variable(name, values.shape) for name, values in tensors.items())
        path.with_name("x.meta").write_bytes(meta_graph(graph=graph_of(declared, graph)))
    with lstmdump.open(path) as model:
        found = model.model.sources()
    return {"/".join(path): ["/".join(one) for one in source.layers] for path, source in found.items()}


# --- by name

FIRST, SECOND, THIRD = (f"rnn/multi_rnn_cell/cell_{k}/lstm_cell" for k in range(3))


def test_a_cell_of_a_stack_reads_the_output_of_the_previous_one(tmp_path: Path) -> None:
    widths = {FIRST: (3, 4), SECOND: (4, 2), THIRD: (2, 5)}
    assert sources(tmp_path, widths) == {SECOND: [FIRST], THIRD: [SECOND]}


def test_a_stack_has_another_name_in_the_first_releases(tmp_path: Path) -> None:
    first, second = (f"RNN/MultiRNNCell/Cell{k}/BasicLSTMCell" for k in range(2))
    assert sources(tmp_path, {first: (3, 4), second: (4, 2)}) == {second: [first]}


def test_cells_of_two_stacks_are_not_connected(tmp_path: Path) -> None:
    first, second = (f"b/multi_rnn_cell/cell_{k}/lstm_cell" for k in range(2))
    assert sources(tmp_path, {FIRST: (3, 4), second: (4, 4)}) == {}
    assert sources(tmp_path, {FIRST: (3, 4), SECOND: (4, 2), first: (5, 4), second: (4, 2)}) == {
        SECOND: [FIRST],
        second: [first],
    }


@pytest.mark.parametrize("widths", [{FIRST: (3, 4), SECOND: (7, 2)}, {FIRST: (3, 4), THIRD: (4, 2)}, {FIRST: (3, 4)}])
def test_there_is_no_source_if_widths_differ_or_a_cell_is_missing(widths: Widths, tmp_path: Path) -> None:
    assert sources(tmp_path, widths) == {}


def test_a_cell_whose_input_may_be_added_to_its_output_is_not_a_source(tmp_path: Path) -> None:
    assert sources(tmp_path, {FIRST: (4, 4), SECOND: (4, 2), THIRD: (2, 5)}) == {THIRD: [SECOND]}


@pytest.mark.parametrize("level", [0, 1])
def test_a_wrapper_with_variables_of_its_own_separates_cells(level: int, tmp_path: Path) -> None:
    other = f"rnn/multi_rnn_cell/cell_{level}/attention/kernel"
    assert sources(tmp_path, {FIRST: (3, 4), SECOND: (4, 2)}, others=(other,)) == {}


HALVES = [
    f"stack_bidirectional_rnn/cell_{k}/bidirectional_rnn/{half}/lstm_cell" for k in range(2) for half in ("fw", "bw")
]


def test_both_halves_of_a_stacked_network_read_both_outputs_concatenated(tmp_path: Path) -> None:
    widths = dict(zip(HALVES, [(3, 4), (3, 5), (9, 2), (9, 2)], strict=True))
    assert sources(tmp_path, widths) == {HALVES[2]: HALVES[:2], HALVES[3]: HALVES[:2]}


def test_the_outputs_of_both_halves_must_fit(tmp_path: Path) -> None:
    assert sources(tmp_path, dict(zip(HALVES, [(3, 4), (3, 5), (9, 2), (4, 2)], strict=True))) == {}


# --- by graph

SAME: Widths = {FIRST: (4, 4), SECOND: (4, 4)}


def test_the_graph_shows_the_source_of_a_cell(tmp_path: Path) -> None:
    assert sources(tmp_path, SAME, lstm_cell(FIRST) + lstm_cell(SECOND, f"{FIRST}/h")) == {SECOND: [FIRST]}


def test_the_sum_of_input_and_output_is_another_source(tmp_path: Path) -> None:
    data = lstm_cell(FIRST) + node("sum", "AddV2", "x", f"{FIRST}/h") + lstm_cell(SECOND, "sum")
    assert sources(tmp_path, SAME, data) == {}


A, B = "a/lstm_cell", "b/lstm_cell"
FW, BW = "r/fw/lstm_cell", "r/bw/lstm_cell"
STATES = zeros("h_first") + zeros("c_first") + constant("axis", np.array(2, "<i4"))


def turned(name: str, taken: str) -> bytes:
    return node(name, "ReverseSequence", taken, "lengths")


def test_a_loop_follows_the_one_before(tmp_path: Path) -> None:
    data = STATES + looped_cell(A) + looped_cell(B, f"{A}/sequence")
    assert sources(tmp_path, {A: (4, 4), B: (4, 4)}, data) == {B: [A]}


def halves(of_backward: str) -> bytes:
    """Return a loop behind both halves of a bidirectional network, the outputs of the second taken from a node."""
    data = STATES + looped_cell(FW) + turned("turned", "x") + looped_cell(BW, "turned")
    return data + node("both", "ConcatV2", f"{FW}/sequence", of_backward, "axis") + looped_cell(B, "both")


def test_a_loop_follows_both_halves_whose_outputs_are_in_order(tmp_path: Path) -> None:
    data = turned("back", f"{BW}/sequence") + halves("back")
    assert sources(tmp_path, {FW: (4, 4), BW: (4, 4), B: (4, 4)}, data) == {B: [FW, BW]}


def test_outputs_in_the_order_of_a_half_that_goes_backwards_are_another_input(tmp_path: Path) -> None:
    assert sources(tmp_path, {FW: (4, 4), BW: (4, 4), B: (4, 4)}, halves(f"{BW}/sequence")) == {}


def test_a_loop_that_goes_backwards_follows_outputs_that_are_reversed(tmp_path: Path) -> None:
    data = STATES + looped_cell(A) + turned("turned", f"{A}/sequence") + looped_cell(B, "turned")
    assert sources(tmp_path, {A: (4, 4), B: (4, 4)}, data) == {B: [A]}


def test_a_cell_with_other_equations_is_not_a_source(tmp_path: Path) -> None:
    data = lstm_cell(FIRST, activations=("Rint", "Rint")) + lstm_cell(SECOND, f"{FIRST}/h")
    assert sources(tmp_path, SAME, data) == {}


def test_a_graph_with_very_many_nodes_before_a_cell_gives_no_source(tmp_path: Path) -> None:
    many = [f"n{k}" for k in range(6000)]
    mask = node("mask", "Floor", *many) + b"".join(node(name, "Rint") for name in many)
    data = node("dropped", "Mul", "scaled", "mask") + node("scaled", "Div", f"{FIRST}/h", "rate") + mask
    assert sources(tmp_path, SAME, data + lstm_cell(FIRST) + lstm_cell(SECOND, "dropped")) == {}


def random(rate: str) -> bytes:
    return node("random", "RandomUniform", "shape") + scalar("rate", 0.5) + node("kept", rate, "random", "rate")


@pytest.mark.parametrize(
    "dropout",
    [
        node("scaled", "RealDiv", f"{FIRST}/h", "rate") + node("sum", "Add", "random", "rate")
        + node("mask", "Floor", "sum") + node("dropped", "Mul", "scaled", "mask"),
        node("scaled", "Mul", f"{FIRST}/h", "rate") + node("mask", "Cast", "kept") + node("dropped", "Mul", "scaled", "mask"),
        node("scaled", "Mul", f"{FIRST}/h", "rate") + node("dropped", "SelectV2", "kept", "scaled", "zero"),
    ],
    ids=["floor", "cast", "select"],
)  # fmt: skip
def test_a_dropout_between_two_cells_does_not_separate_them(dropout: bytes, tmp_path: Path) -> None:
    data = random("GreaterEqual") + dropout + lstm_cell(FIRST) + lstm_cell(SECOND, "dropped")
    assert sources(tmp_path, SAME, data) == {SECOND: [FIRST]}


def test_a_mask_that_is_not_random_separates_cells(tmp_path: Path) -> None:
    data = random("GreaterEqual").replace(b"RandomUniform", b"PlaceholderV2")
    data += node("scaled", "Mul", f"{FIRST}/h", "rate") + node("dropped", "SelectV2", "kept", "scaled", "zero")
    assert sources(tmp_path, SAME, data + lstm_cell(FIRST) + lstm_cell(SECOND, "dropped")) == {}


def test_the_cells_of_a_genuine_stack_follow_each_other() -> None:
    with lstmdump.open(GENUINE / "keras-2.12.0-tf1_frozen-multi_dynamic.pb") as model:
        found = model.model.sources()
    assert {path[-2]: [one[-2] for one in source.layers] for path, source in found.items()} == {"cell_1": ["cell_0"]}


@pytest.mark.parametrize("shape", [(), (4,)])
def test_a_projection_that_is_not_a_matrix_is_ignored(shape: tuple[int, ...], tmp_path: Path) -> None:
    tensors = {f"{FIRST}/kernel": np.zeros((7, 16), "f4"), f"{SECOND}/kernel": np.zeros((6, 8), "f4")}
    tensors[f"{FIRST}/projection/kernel"] = np.zeros(shape, "f4")
    with checkpoint.read(Location(write_bundle(tmp_path / "x", tensors).with_suffix(".index"))) as model:
        assert set(model.sources()) <= {tuple(SECOND.split("/"))}
