"""Cells spread over nodes, made here with each thing that the search requires, and with each of them missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import builders
from support import onnx_builders as onnx

import lstmdump
from lstmdump.replay import run
from lstmdump.report.facts import describe

D, M = 3, 4
GATES = builders.gates(D, M)
X = np.random.default_rng(3).standard_normal((2, 3, D)).astype(np.float32)
NOT_SHOWN = "as an LSTM does, but does not show that it is one: not read"


def stored(order: str = "ifco", *, rows: bool = False, biases: int = 1) -> list[bytes]:
    """Return the kernels and biases of the cell, with the gates in this order, in columns or in rows."""
    fused = builders.fused(GATES, order)
    arrays = {"W": fused["kernel"], "U": fused["recurrent_kernel"]}
    arrays = {name: np.ascontiguousarray(values.T) if rows else values for name, values in arrays.items()}
    half = np.float32(0.5) * fused["bias"]
    arrays |= {"b": fused["bias"]} if biases == 1 else {"b": half, "b2": half}
    return [onnx.tensor(name, values) for name, values in arrays.items()]


def step(
    turn: int,
    order: str = "ifco",
    *,
    h: str = "h0",
    c: str = "c0",
    added: str = "",
    squash: str = "Tanh",
    rows: bool = False,
    x: str = "",
) -> list[bytes]:
    """Return the nodes of a step that takes the values `h` and `c`, and gives `h<turn+1>` and `c<turn+1>`."""
    gates = {letter: f"z{letter}{turn}" for letter in order}
    if rows:
        sums = [onnx.node("Gemm", [x or f"x{turn}", "W", "b"], [f"xw{turn}"], transB=1),
                onnx.node("Gemm", [h, "U", "b2"], [f"hu{turn}"], transB=1),
                onnx.node("Add", [f"xw{turn}", f"hu{turn}"], [f"z{turn}"])]  # fmt: skip
    else:
        sums = [onnx.node("MatMul", [x or f"x{turn}", "W"], [f"xw{turn}"]),
                onnx.node("MatMul", [h, "U"], [f"hu{turn}"]),
                onnx.node("Add", [f"xw{turn}", f"hu{turn}"], [f"s{turn}"]),
                onnx.node("Add", [f"s{turn}", "b"], [f"z{turn}"])]  # fmt: skip
    forget = [onnx.node("Add", [gates["f"], added], [f"zf+{turn}"])] if added else []
    return [
        *sums,
        onnx.node("Split", [f"z{turn}"], list(gates.values()), axis=1),
        *forget,
        onnx.node("Sigmoid", [f"zf+{turn}" if added else gates["f"]], [f"f{turn}"]),
        onnx.node("Sigmoid", [gates["i"]], [f"i{turn}"]),
        onnx.node("Sigmoid", [gates["o"]], [f"o{turn}"]),
        onnx.node("Tanh", [gates["c"]], [f"g{turn}"]),
        onnx.node("Mul", [f"f{turn}", c], [f"kept{turn}"]),
        onnx.node("Mul", [f"g{turn}", f"i{turn}"], [f"new{turn}"]),
        onnx.node("Add", [f"new{turn}", f"kept{turn}"], [f"c{turn + 1}"]),
        onnx.node(squash, [f"c{turn + 1}"], [f"squashed{turn}"]),
        onnx.node("Mul", [f"o{turn}", f"squashed{turn}"], [f"h{turn + 1}"]),
    ]


def select(steps: int = 3, *, backwards: bool = False) -> list[bytes]:
    """Return nodes that take each step out of X, (batch, steps, d)."""
    order = range(steps)[::-1] if backwards else range(steps)
    return [part for turn, index in enumerate(order)
            for part in (onnx.constant(f"at{turn}", index),
                         onnx.node("Gather", ["X", f"at{turn}"], [f"x{turn}"], axis=1))]  # fmt: skip


def opened(tmp_path: Path, nodes: list[bytes], tensors: list[bytes] | None = None) -> lstmdump.LoadedModel:
    zeros = [onnx.tensor(name, np.zeros((1, M), np.float32)) for name in ("h0", "c0")]
    graph = onnx.Graph(
        nodes, [*(stored() if tensors is None else tensors), *zeros], [onnx.value("X"), onnx.value("given")]
    )
    return lstmdump.open(onnx.write(tmp_path / "model.onnx", graph))


def require_gates(model: lstmdump.LoadedModel) -> None:
    """Check that the only layer has the gates that the cell was made of."""
    (lstm,) = model.lstms
    assert (lstm.input_dim, lstm.units) == (D, M)
    for letter in "ifco":
        gate = lstm.gates[letter]
        assert gate.b is not None
        np.testing.assert_array_equal(gate.W.read(), GATES[f"W_{letter}"])
        np.testing.assert_array_equal(gate.U.read(), GATES[f"U_{letter}"])
        np.testing.assert_allclose(gate.b.read(), GATES[f"b_{letter}"], rtol=1e-6)


def unroll(order: str = "ifco", *, rows: bool = False, added: str = "", backwards: bool = False) -> list[bytes]:
    steps = (step(k, order, h=f"h{k}", c=f"c{k}", rows=rows, added=added) for k in range(3))
    return [*select(backwards=backwards), *(node for one in steps for node in one)]


@pytest.mark.parametrize("order", ["ifco", "icfo", "iofc", "fioc", "cofi"])
@pytest.mark.parametrize("rows", [False, True])
def test_the_order_of_the_gates_is_that_in_which_they_are_used(order: str, rows: bool, tmp_path: Path) -> None:
    with opened(tmp_path, unroll(order, rows=rows), stored(order, rows=rows, biases=1 + rows)) as model:
        require_gates(model)
        assert model.lstms[0].gate_order == order
        assert model.lstms[0].parameters == 4 * M * (D + M + 1 + rows)


def test_a_number_that_is_added_to_the_forget_gate_is_its_forget_bias(tmp_path: Path) -> None:
    tensors = [*stored(), onnx.tensor("one", np.array(1.0, np.float32))]
    with opened(tmp_path, unroll(added="one"), tensors) as model:
        require_gates(model)
        assert model.lstms[0].forget_bias == 1.0


@pytest.mark.parametrize("backwards", [False, True])
def test_the_direction_is_that_of_the_indices(backwards: bool, tmp_path: Path) -> None:
    with opened(tmp_path, unroll(backwards=backwards)) as model:
        assert model.lstms[0].settings.go_backwards is backwards


def test_the_cell_in_the_body_of_a_loop_is_read(tmp_path: Path) -> None:
    select_step = onnx.node("Gather", ["X", "turn"], ["x0"], axis=1)
    body = onnx.Graph(
        [select_step, *step(0, h="h", c="c"), onnx.node("Identity", ["go"], ["on"])],
        inputs=[onnx.value(name) for name in ("turn", "go", "h", "c")],
        outputs=[onnx.value(name) for name in ("on", "h1", "c1", "h1")],
    )
    loop = onnx.node("Loop", ["", "", "h0", "c0"], ["h", "c", "Y"], "loop", body=body)
    with opened(tmp_path, [loop]) as model:
        require_gates(model)
        assert model.lstms[0].settings.go_backwards is False


def test_the_cell_in_the_body_of_a_scan_is_read(tmp_path: Path) -> None:
    body = onnx.Graph(
        step(0, h="h", c="c", x="x"),
        inputs=[onnx.value(name) for name in ("h", "c", "x")],
        outputs=[onnx.value(name) for name in ("h1", "c1", "h1")],
    )
    scan = onnx.node("Scan", ["h0", "c0", "X"], ["h", "c", "Y"], "scan", body=body, num_scan_inputs=1,
                     scan_input_directions=[1])  # fmt: skip
    with opened(tmp_path, [scan]) as model:
        require_gates(model)
        assert model.lstms[0].settings.go_backwards is True


def test_a_loop_that_does_not_pass_h_on_is_not_read(tmp_path: Path) -> None:
    body = onnx.Graph(
        [onnx.node("Gather", ["X", "turn"], ["x0"], axis=1), *step(0, h="h", c="c")],
        inputs=[onnx.value(name) for name in ("turn", "go", "h", "c")],
        outputs=[onnx.value(name) for name in ("go", "x0", "c1")],
    )
    with opened(tmp_path, [onnx.node("Loop", ["", "", "h0", "c0"], ["h", "c"], body=body)]) as model:
        assert not model.lstms
        assert any(note.endswith(NOT_SHOWN) for note in describe(model).notes)


def test_one_step_alone_does_not_show_which_kernel_takes_h(tmp_path: Path) -> None:
    with opened(tmp_path, [*select(1), *step(0)]) as model:
        assert not model.lstms
        assert [note for note in describe(model).notes if note.endswith(NOT_SHOWN)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (onnx.node("Mul", ["f2", "c2"], ["kept2"]), onnx.node("Mul", ["f2", "c0"], ["kept2"])),
        (onnx.node("Mul", ["f1", "c1"], ["kept1"]), onnx.node("Mul", ["f1", "c0"], ["kept1"])),
    ],
)
def test_a_cell_state_of_another_step_is_not_that_of_an_lstm(old: bytes, new: bytes, tmp_path: Path) -> None:
    nodes = [new if node == old else node for node in unroll()]
    assert nodes != unroll()
    with opened(tmp_path, nodes) as model:
        assert not model.lstms


def test_steps_that_squash_differently_are_not_one_cell(tmp_path: Path) -> None:
    nodes = [*select(2), *step(0), *step(1, h="h1", c="c1", squash="Softsign")]
    with opened(tmp_path, nodes) as model:
        assert not model.lstms


def test_first_states_that_are_given_are_named(tmp_path: Path) -> None:
    nodes = [node for k, one in enumerate(range(3)) for node in step(one, h=f"h{k}" if k else "given", c=f"c{k}")]
    with opened(tmp_path, [*select(), *nodes]) as model:
        assert model.lstms[0].settings.first_states_from == ("given",)
    with opened(tmp_path, unroll()) as model:
        assert model.lstms[0].settings.first_states_from == ()


def test_an_unrolled_cell_is_replayed(tmp_path: Path) -> None:
    h, c = np.zeros((2, M)), np.zeros((2, M))
    expected = []
    for turn in range(3):
        z = {letter: X[:, turn] @ GATES[f"W_{letter}"] + h @ GATES[f"U_{letter}"] + GATES[f"b_{letter}"]
             for letter in "ifco"}  # fmt: skip
        i, f, o = (1 / (1 + np.exp(-z[letter])) for letter in "ifo")
        c = f * c + i * np.tanh(z["c"])
        h = o * np.tanh(c)
        expected.append(h)
    with opened(tmp_path, unroll()) as model:
        np.testing.assert_allclose(run(model.lstms[0], X).h, np.stack(expected, axis=1), atol=1e-5)
