"""Cells of the user's own in TensorFlow 1: found by their equations, or without a graph by names and shapes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support.tensorflow_builders import meta_graph, node, own_cell, variable, write_bundle

import lstmdump
from lstmdump.errors import CannotReplay
from lstmdump.lstm import LSTM, behaviour
from lstmdump.report import record
from lstmdump.report.facts import describe

D, M = 3, 4
CASES = Path(__file__).parents[3] / "cases"
TWELVE = {
    f"{array}_{gate}": f"gen/Variable_{k}" for k, (gate, array) in enumerate((g, a) for g in "ifoc" for a in "WUb")
}


def side_by_side(order: str, d: int = D, m: int = M) -> dict[str, np.ndarray]:
    """Return W, U and b with the gates in columns of this order."""
    made = builders.gates(d, m)
    return {array: np.concatenate([made[f"{array}_{gate}"] for gate in order], axis=-1) for array in "WUb"}


def opened(tmp_path: Path, tensors: Mapping[str, np.ndarray], graph: bytes = b"") -> lstmdump.LoadedModel:
    path = write_bundle(tmp_path / "x", tensors)
    if graph:
        path.with_name("x.meta").write_bytes(meta_graph(graph=graph))
    return lstmdump.open(path)


def assert_gates(lstm: LSTM, d: int = D, m: int = M) -> None:
    made = builders.gates(d, m)
    assert (lstm.input_dim, lstm.units) == (d, m)
    for letter, gate in lstm.gates.items():
        assert gate.b is not None
        assert gate.W.read().tolist() == made[f"W_{letter}"].tolist()
        assert gate.U.read().tolist() == made[f"U_{letter}"].tolist()
        assert gate.b.read().tolist() == made[f"b_{letter}"].tolist()


def named(arrays: Mapping[str, np.ndarray], names: Mapping[str, str]) -> dict[str, np.ndarray]:
    return {names[role]: values for role, values in arrays.items()}


XH = {"W": "own/W_xh", "U": "own/W_hh", "b": "own/bias"}
BASELINES = {"W": "lstm1/wx", "U": "lstm1/wh", "b": "lstm1/b"}


# --- W and U are variables of their own


@pytest.mark.parametrize("order", ["".join(order) for order in permutations("ifco")])
def test_the_gates_are_found_in_any_order(order: str, tmp_path: Path) -> None:
    with opened(tmp_path, named(side_by_side(order), XH), own_cell(order, names=XH)) as model:
        (lstm,) = model.lstms
        assert (lstm.gate_order, lstm.forget_bias, lstm.parameters) == (order, 1.0, 128)
        assert_gates(lstm)


@pytest.mark.parametrize("state_first", [False, True])
@pytest.mark.parametrize("joined", [True, False])
def test_two_kernels_are_concatenated_or_their_products_added(joined: bool, state_first: bool, tmp_path: Path) -> None:
    graph = own_cell("ifoc", names=BASELINES, joined=joined, state_first=state_first, added={})
    with opened(tmp_path, named(side_by_side("ifoc"), BASELINES), graph) as model:
        (lstm,) = model.lstms
        assert (lstm.name, lstm.gate_order, lstm.forget_bias) == ("lstm1", "ifoc", 0.0)
        assert_gates(lstm)


@pytest.mark.parametrize("state_first", [False, True])
def test_the_kernel_of_the_state_is_the_one_that_takes_the_output(state_first: bool, tmp_path: Path) -> None:
    graph = own_cell(names=XH, shapes=(M, M), joined=False, state_first=state_first)
    with opened(tmp_path, named(side_by_side("icfo", M, M), XH), graph) as model:
        assert_gates(model.lstms[0], M, M)


@pytest.mark.parametrize("state_first", [False, True])
def test_the_names_do_not_decide_which_kernel_takes_the_output(state_first: bool, tmp_path: Path) -> None:
    names = {"W": "own/z", "U": "own/a", "b": "own/b"}
    graph = own_cell(names=names, shapes=(M, M), state_first=state_first)
    with opened(tmp_path, named(side_by_side("icfo", M, M), names), graph) as model:
        assert_gates(model.lstms[0], M, M)


def test_shapes_decide_where_there_is_one_step_only(tmp_path: Path) -> None:
    names = {"W": "own/z", "U": "own/a", "b": "own/b"}
    with opened(tmp_path, named(side_by_side("icfo"), names), own_cell(names=names, steps=1)) as model:
        assert_gates(model.lstms[0])


def test_two_kernels_of_one_shape_that_nothing_tells_apart_are_not_read(tmp_path: Path) -> None:
    graph = own_cell(names=XH, shapes=(M, M), steps=1)
    with opened(tmp_path, named(side_by_side("icfo", M, M), XH), graph) as model:
        assert model.lstms == ()
        assert model.model.parameters == 4 * ((M + M) * M + M)


def test_a_cell_may_have_no_bias(tmp_path: Path) -> None:
    names = {"W": "own/W_xh", "U": "own/W_hh"}
    arrays = side_by_side("icfo")
    del arrays["b"]
    with opened(tmp_path, named(arrays, names), own_cell(names=names)) as model:
        assert (model.lstms[0].use_bias, model.lstms[0].parameters) == (False, 112)


def test_the_class_is_not_what_a_variable_is_called(tmp_path: Path) -> None:
    with opened(tmp_path, named(side_by_side("icfo"), XH), own_cell(names=XH)) as model:
        (layer,) = record.of(describe(model))["layers"]
        assert (layer["name"], layer["class_from"]) == ("own", "shapes")


def test_the_rest_of_the_scope_is_not_a_part_of_the_cell(tmp_path: Path) -> None:
    tensors = named(side_by_side("icfo"), XH) | {"own/softmax_w": np.zeros((4, 2), "f4")}
    with opened(tmp_path, tensors, own_cell(names=XH)) as model:
        assert (model.lstms[0].parameters, model.lstms[0].notes) == (128, ())
        assert model.model.parameters == 136


@pytest.mark.parametrize(
    "unlike",
    [{"added": {"f": 1.0, "o": 0.5}}, {"added": {"c": 0.5}}, {"candidate": "Sigmoid"}, {"candidate": "Rint"}],
)
def test_other_equations_are_not_those_of_a_cell(unlike: dict[str, Any], tmp_path: Path) -> None:
    with opened(tmp_path, named(side_by_side("icfo"), XH), own_cell(names=XH, **unlike)) as model:
        assert model.lstms == ()


def test_a_cell_of_one_kernel_is_called_by_its_scope_and_not_by_a_variable(tmp_path: Path) -> None:
    # as Sonnet calls its variables
    arrays, names = side_by_side("icfo"), {"W": "deep_lstm/lstm_1/w_gates", "b": "deep_lstm/lstm_1/b_gates"}
    kernel = np.concatenate([arrays["W"], arrays["U"]])
    graph = own_cell(names=names, fused=True)
    with opened(tmp_path, named({"W": kernel, "b": arrays["b"]}, names), graph) as model:
        (layer,) = record.of(describe(model))["layers"]
        assert (layer["name"], layer["class"], layer["class_from"]) == ("deep_lstm/lstm_1", "LSTMCell", "shapes")
        assert_gates(model.lstms[0])


def test_a_genuine_cell_with_two_kernels_is_read() -> None:
    # TensorFlow 2.21 wrote it; W_xh (3, 16), W_hh (4, 16), bias (16,), joined by concat, and a forget bias of 1.0
    with lstmdump.open(CASES / "split_cell" / "model") as model:
        (lstm,) = model.lstms
        assert (lstm.input_dim, lstm.units, lstm.gate_order, lstm.forget_bias) == (3, 4, "icfo", 1.0)
        assert (lstm.parameters, model.model.parameters) == (128, 128)
        assert [weight.tensor.name for weight in lstm.weights] == [
            f"LSTMCell/{leaf}" for leaf in ("W_xh", "W_hh", "bias")
        ]


def test_a_cell_with_two_kernels_is_replayed_with_its_forget_bias() -> None:
    with lstmdump.open(CASES / "split_cell" / "model") as model:
        (lstm,) = model.lstms
        x = builders.numbers(2, 5, 3)
        states = lstmdump.replay.run(lstm, x)
        stored = {weight.name: weight.tensor.read() for weight in lstm.weights}
    h = c = np.zeros((2, 4))
    for step in range(5):
        z = x[:, step] @ stored["kernel"] + h @ stored["recurrent_kernel"] + stored["bias"]
        i, candidate, f, o = np.split(z, 4, axis=1)
        c = c / (1 + np.exp(-f - 1.0)) + np.tanh(candidate) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    assert np.abs(states.h[:, -1] - h).max() < 1e-6


# --- gates cut out otherwise, peepholes, a bounded state, other activations

LOOK = {gate: f"own/look_{gate}" for gate in "ifo"}


def peephole_values(gates: str = "ifo") -> dict[str, np.ndarray]:
    return {LOOK[gate]: builders.numbers(M, seed=20 + place) for place, gate in enumerate(gates)}


@pytest.mark.parametrize("order", ["icfo", "fcoi"])
@pytest.mark.parametrize("cut", ["sizes", "strided", "slice"])
def test_the_gates_may_be_cut_by_sizes_or_slices(cut: str, order: str, tmp_path: Path) -> None:
    with opened(tmp_path, named(side_by_side(order), XH), own_cell(order, names=XH, cut=cut)) as model:
        (lstm,) = model.lstms
        assert (lstm.gate_order, lstm.forget_bias, lstm.parameters) == (order, 1.0, 128)
        assert_gates(lstm)


def test_slices_of_another_width_than_the_gates_are_not_those_of_a_cell(tmp_path: Path) -> None:
    graph = own_cell(names=XH, cut="strided")
    wider = {"own/W_xh": np.zeros((3, 32), "f4"), "own/W_hh": np.zeros((8, 32), "f4"), "own/bias": np.zeros(32, "f4")}
    with opened(tmp_path, wider, graph) as model:
        assert model.lstms == ()


@pytest.mark.parametrize("gates", ["ifo", "if", "o"])
def test_peepholes_are_those_of_the_gates_that_take_the_state(gates: str, tmp_path: Path) -> None:
    values = peephole_values(gates)
    graph = own_cell(names=XH, peepholes={gate: LOOK[gate] for gate in gates})
    with opened(tmp_path, named(side_by_side("icfo"), XH) | values, graph) as model:
        (lstm,) = model.lstms
        assert (lstm.peepholes, lstm.parameters) == (True, 128 + M * len(gates))
        for letter, gate in lstm.gates.items():
            assert (None if gate.V is None else gate.V.read().tolist()) == (
                values[LOOK[letter]].tolist() if letter in gates else None
            )
        assert_gates(lstm)


@pytest.mark.parametrize("fused", [False, True])
def test_arrays_for_each_gate_may_come_with_peepholes(fused: bool, tmp_path: Path) -> None:
    made = builders.gates(D, M)
    names = {f"{array}_{gate}": f"v/{array}{gate}" for gate in "ifco" for array in ("Wb" if fused else "WUb")}
    tensors = {name: made[role] for role, name in names.items()}
    if fused:
        tensors |= {f"v/W{gate}": np.concatenate([made[f"W_{gate}"], made[f"U_{gate}"]]) for gate in "ifco"}
    graph = own_cell("", names=names, fused=fused, peepholes=LOOK)
    with opened(tmp_path, tensors | peephole_values(), graph) as model:
        assert (model.lstms[0].peepholes, model.lstms[0].parameters) == (True, 140)
        assert_gates(model.lstms[0])


def test_a_peephole_of_another_width_is_not_that_of_a_cell(tmp_path: Path) -> None:
    tensors = named(side_by_side("icfo"), XH) | peephole_values() | {LOOK["o"]: np.zeros(1, "f4")}
    with opened(tmp_path, tensors, own_cell(names=XH, peepholes=LOOK)) as model:
        assert model.lstms == ()


def settings(tmp_path: Path, **graph: Any) -> behaviour.Behaviour:
    with opened(tmp_path, named(side_by_side("icfo"), XH), own_cell(names=XH, **graph)) as model:
        return behaviour.of(model.lstms[0], model.producer)


def test_a_bounded_state_has_its_bound(tmp_path: Path) -> None:
    assert settings(tmp_path, clip=(-0.5, 0.5)).cell_clip == 0.5


@pytest.mark.parametrize(("operation", "word"), [("Relu", "relu"), ("Softsign", "softsign"), ("Elu", "elu")])
def test_the_activation_is_that_of_candidate_and_state(operation: str, word: str, tmp_path: Path) -> None:
    assert settings(tmp_path, candidate=operation, squashing=operation).activation == word


@pytest.mark.parametrize(
    ("graph", "problem"),
    [
        ({"candidate": "Relu"}, "its candidate goes through relu, but its cell state through tanh"),
        ({"clip": (-0.5, 1.0)}, "its cell state is clipped, but not between -x and x: from -0.5 to 1.0"),
    ],
)
def test_a_cell_that_cannot_be_replayed_says_why(graph: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(CannotReplay) as caught:
        settings(tmp_path, **graph)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    "unlike",
    [
        {"clip": (-0.5, 0.5), "passes": "sum"},  # the next step takes the state before it is clipped
        {"passes": "h"},  # the forget gate multiplies h
        {"candidate": "Sigmoid", "squashing": "Sigmoid"},  # which of the two is the input gate?
    ],
)
def test_a_cell_whose_graph_does_not_prove_the_equations_is_not_read(unlike: dict[str, Any], tmp_path: Path) -> None:
    with opened(tmp_path, named(side_by_side("icfo"), XH), own_cell(names=XH, **unlike)) as model:
        assert model.lstms == ()


@pytest.mark.parametrize("name", ["loop", "scan"])
def test_a_cell_in_a_loop_of_the_users_own_is_replayed_as_tensorflow_ran_it(name: str) -> None:
    # TensorFlow 2.21 wrote both with `tests/oracle/write_tf1_cells.py`: slices in the order f c o i, rows of h first,
    # peepholes, a state within ±0.3, elu; `loop` in a function, `scan` between Enter and NextIteration
    recorded = dict(np.load(CASES / "own_cells" / f"{name}.io.npz"))
    with lstmdump.open(CASES / "own_cells" / name) as model:
        (lstm,) = model.lstms
        assert (lstm.gate_order, lstm.input_dim, lstm.units, lstm.parameters) == ("fcoi", 3, 4, 140)
        states = lstmdump.replay.run(lstm, recorded["x"])
    assert np.abs(states.h - recorded["h0"]).max() < 1e-6
    assert np.abs(states.c[:, -1] - recorded["c0"]).max() < 1e-6


# --- one kernel over both, and arrays for each gate


@pytest.mark.parametrize("state_first", [False, True])
@pytest.mark.parametrize("order", ["icfo", "ifoc", "fcio"])
def test_one_kernel_over_both_is_cut_where_the_state_is(order: str, state_first: bool, tmp_path: Path) -> None:
    arrays = side_by_side(order)
    rows = [arrays["U"], arrays["W"]] if state_first else [arrays["W"], arrays["U"]]
    names = {"W": "mine/w", "b": "mine/b"}
    graph = own_cell(order, names=names, fused=True, state_first=state_first)
    with opened(tmp_path, {"mine/w": np.concatenate(rows), "mine/b": arrays["b"]}, graph) as model:
        (lstm,) = model.lstms
        assert (lstm.gate_order, lstm.parameters, model.model.parameters) == (order, 128, 128)
        assert_gates(lstm)


@pytest.mark.parametrize("joined", [True, False])
def test_twelve_variables_without_names_of_their_own_are_a_cell(joined: bool, tmp_path: Path) -> None:
    made = builders.gates(D, M)
    graph = own_cell("", names=TWELVE, joined=joined, added={})
    with opened(tmp_path, named(made, TWELVE), graph) as model:
        (lstm,) = model.lstms
        assert (lstm.name, lstm.parameters, lstm.forget_bias, len(lstm.weights)) == ("gen", 128, 0.0, 12)
        assert_gates(lstm)


@pytest.mark.parametrize("state_first", [False, True])
def test_a_kernel_over_both_for_each_gate_is_cut_where_the_state_is(state_first: bool, tmp_path: Path) -> None:
    made = builders.gates(D, M)
    names = {f"{array}_{gate}": f"v/{array}{gate}" for gate in "ifco" for array in "Wb"}
    tensors = {f"v/b{gate}": made[f"b_{gate}"] for gate in "ifco"}
    for gate in "ifco":
        rows = [made[f"W_{gate}"], made[f"U_{gate}"]]
        tensors[f"v/W{gate}"] = np.concatenate(rows[::-1] if state_first else rows)
    graph = own_cell("", names=names, fused=True, state_first=state_first)
    with opened(tmp_path, tensors, graph) as model:
        assert (model.lstms[0].parameters, model.model.parameters) == (128, 128)
        assert_gates(model.lstms[0])


def time_search(folder: Path, layers: int) -> float:
    """Return the CPU time that it takes to find no cell among `layers` activations of one dense layer."""
    nodes = b"".join(
        node(f"d{k}/mul", "MatMul", "x", "dense/w/read") + node(f"d{k}/tanh", "Tanh", f"d{k}/mul")
        + node(f"d{k}/scaled", "Mul", f"d{k}/tanh", "x") for k in range(layers)
    )  # fmt: skip
    folder.mkdir()
    started = time.process_time()
    with opened(folder, {"dense/w": np.zeros((3, 4), "f4")}, variable("dense/w", (3, 4)) + nodes) as model:
        assert model.lstms == ()
    return time.process_time() - started


def test_the_search_among_activations_of_one_dense_layer_does_not_take_the_square_of_their_number(
    tmp_path: Path,
) -> None:
    fewer = time_search(tmp_path / "fewer", 4_000)
    assert time_search(tmp_path / "more", 20_000) < 12 * fewer  # five times as many; their squares are 25 times


# --- without a graph


def test_two_kernels_and_a_bias_in_a_scope_called_lstmcell_are_a_cell(tmp_path: Path) -> None:
    names = {role: name.replace("own", "rnn/LN_LSTMCell") for role, name in XH.items()}
    normalizing = {"rnn/LN_LSTMCell/ln/alpha": np.zeros(4 * M, "f4"), "rnn/LN_LSTMCell/ln_c/bias": np.zeros(M, "f4")}
    with opened(tmp_path, named(side_by_side("icfo"), names) | normalizing) as model:
        (lstm,) = model.lstms
        assert (lstm.name, lstm.kind, lstm.kind_stated, lstm.forget_bias) == (
            "rnn/LN_LSTMCell",
            "LN_LSTMCell",
            True,
            None,
        )
        assert (lstm.parameters, lstm.parameters_formula) == (128 + 5 * M, "4·((3+4)·4 + 4) + 5·4")
        assert "the file does not show the order of the gates" in lstm.notes[0]
        assert "the gates are normalized" in lstm.notes[1]


@pytest.mark.parametrize("scope", ["ConvLSTMCell", "CoupledInputForgetGateLSTMCell", "PhasedLSTMCell"])
def test_another_kind_of_cell_is_not_an_lstm(scope: str, tmp_path: Path) -> None:
    names = {role: name.replace("own", scope) for role, name in XH.items()}
    with opened(tmp_path, named(side_by_side("icfo"), names)) as model:
        assert model.lstms == ()


def notes(tmp_path: Path, tensors: Mapping[str, np.ndarray], graph: bytes = b"") -> list[str]:
    with opened(tmp_path, tensors, graph) as model:
        assert model.lstms == ()
        return list(model.model.notes)


LOOKS = "has the shapes of an LSTM cell; only the graph (.meta) would show whether it is one"


@pytest.mark.parametrize("scope", ["lstm1", "model/my_cell", "rnn/mine", "MyLSTM"])
def test_two_kernels_and_a_bias_in_another_scope_have_a_note(scope: str, tmp_path: Path) -> None:
    names = {"W": f"{scope}/wx", "U": f"{scope}/wh", "b": f"{scope}/b"}
    assert notes(tmp_path, named(side_by_side("icfo"), names)) == [f"{scope} {LOOKS}"]


def test_one_kernel_in_a_scope_called_a_cell_has_a_note(tmp_path: Path) -> None:
    arrays = side_by_side("icfo")
    kernel = np.concatenate([arrays["W"], arrays["U"]])
    tensors = {"encoder/enc_cell/kernel": kernel, "encoder/enc_cell/bias": arrays["b"]}
    assert notes(tmp_path, tensors) == [f"encoder/enc_cell {LOOKS}"]


@pytest.mark.parametrize("scope", ["dense", "attention/layer"])
def test_such_shapes_in_a_scope_that_is_not_called_a_cell_have_no_note(scope: str, tmp_path: Path) -> None:
    names = {"W": f"{scope}/wx", "U": f"{scope}/wh", "b": f"{scope}/b"}
    assert notes(tmp_path, named(side_by_side("icfo"), names)) == []


def test_a_graph_that_computes_something_else_has_a_note(tmp_path: Path) -> None:
    graph = own_cell(names=XH | {"W": "my_lstm/W_xh", "U": "my_lstm/W_hh", "b": "my_lstm/bias"}, candidate="Rint")
    names = {role: name.replace("own", "my_lstm") for role, name in XH.items()}
    assert notes(tmp_path, named(side_by_side("icfo"), names), graph) == [
        "my_lstm has the shapes of an LSTM cell, but its graph does not show the equations of one"
    ]


def test_a_graph_whose_cells_are_all_of_tensorflow_is_not_searched_for_others(
    samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("lstmdump.readers.tensorflow.graph.own_cells.find")
    with lstmdump.open(samples / "tf-1.12-basic-lstm-cell-checkpoint") as model:
        assert [lstm.name for lstm in model.lstms] == ["rnn/basic_lstm_cell"]
