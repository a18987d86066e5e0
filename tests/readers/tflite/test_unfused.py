"""LSTMs in operators of their own: what these prove, and what they leave open."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from support import tflite_builders as builders
from support.tflite_builders import Graph, Number, Scales

import lstmdump
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.tensor import Array
from lstmdump.replay import equations
from lstmdump.report.facts import describe

D, M = 3, 4


@dataclass
class Cell:
    """A model of one step, whose inputs are x, h and c.

    Attributes:
        order: The gates in the parts of the sum.
        d: The width of x.
        candidate: The operator that the candidate and the state go through.
        forget_bias: What is added to f; 0 for no such operator.
        other_bias: What is added to o.
        clip: The bound of the state; 0 for none.
        fused: The activation that the products apply, by its number.
        is_joined: Whether one kernel takes x and h side by side.
    """

    order: str = "ifco"
    d: int = D
    candidate: str = "TANH"
    forget_bias: float = 0.0
    other_bias: float = 0.0
    clip: float = 0.0
    fused: int = 0
    is_joined: bool = False

    def arrays(self) -> tuple[Array, Array, Array]:
        """Return the kernel over x, that over h, and the bias, with a row for each unit of each gate."""
        random = np.random.default_rng(3)
        shapes = ((4 * M, self.d), (4 * M, M), (4 * M,))
        kernel, recurrent, bias = (random.standard_normal(shape).astype("f4") for shape in shapes)
        return kernel, recurrent, bias

    def graph(self) -> Graph:
        """Return the subgraph."""
        graph = Graph()
        x, h, c = graph.tensor((1, self.d), "x"), graph.tensor((1, M), "h"), graph.tensor((1, M), "c")
        total = self._add_sum(graph, x, h)
        parts = [graph.tensor((1, M)) for _ in range(4)]
        graph.operator("SPLIT", [graph.constant(np.array(1, "i4")), total], parts, {0: Number("i", 4)})
        gates = dict(zip(self.order, parts, strict=True))
        gates["f"] = self._add_number(graph, gates["f"], self.forget_bias)
        gates["o"] = self._add_number(graph, gates["o"], self.other_bias)
        i, f, o = (self._apply(graph, "LOGISTIC", gates[letter]) for letter in "ifo")
        candidate = self._apply(graph, self.candidate, gates["c"])
        state = self._apply(graph, "ADD", self._apply(graph, "MUL", f, c), self._apply(graph, "MUL", i, candidate))
        if self.clip:
            state = self._apply(graph, "MINIMUM", state, graph.constant(np.array(self.clip, "f4")))
            state = self._apply(graph, "MAXIMUM", state, graph.constant(np.array(-self.clip, "f4")))
        output = self._apply(graph, "MUL", o, self._apply(graph, self.candidate, state))
        graph.inputs, graph.outputs = [x, h, c], [output, state]
        return graph

    def _add_sum(self, graph: Graph, x: int, h: int) -> int:
        kernel, recurrent, bias = self.arrays()
        options = {0: Number("b", self.fused)}
        if self.is_joined:
            joined, total = graph.tensor((1, self.d + M)), graph.tensor((1, 4 * M), "sum")
            graph.operator("CONCATENATION", [x, h], [joined], {0: Number("i", 1)})
            whole = graph.constant(np.concatenate([kernel, recurrent], axis=1))
            graph.operator("FULLY_CONNECTED", [joined, whole, graph.constant(bias)], [total], options)
            return total
        of_x, of_h = graph.tensor((1, 4 * M)), graph.tensor((1, 4 * M))
        graph.operator("FULLY_CONNECTED", [h, graph.constant(recurrent), -1], [of_h], options)
        graph.operator("FULLY_CONNECTED", [x, graph.constant(kernel), graph.constant(bias)], [of_x], options)
        total = graph.tensor((1, 4 * M), "sum")
        graph.operator("ADD", [of_x, of_h], [total])
        return total

    def _add_number(self, graph: Graph, index: int, number: float) -> int:
        return self._apply(graph, "ADD", index, graph.constant(np.array(number, "f4"))) if number else index

    def _apply(self, graph: Graph, name: str, *inputs: int) -> int:
        result = graph.tensor((1, M))
        graph.operator(name, inputs, [result])
        return result


def opened(data: bytes, directory: Path) -> LoadedModel:
    path = directory / "model.tflite"
    path.write_bytes(data)
    return lstmdump.open(path)


def opened_cell(cell: Cell, directory: Path) -> LoadedModel:
    return opened(builders.model(cell.graph()), directory)


@pytest.mark.parametrize("order", ["".join(letters) for letters in permutations("ifco")])
def test_the_order_of_the_gates_follows_from_what_is_done_with_them(order: str, tmp_path: Path) -> None:
    cell = Cell(order)
    kernel, _, bias = cell.arrays()
    with opened_cell(cell, tmp_path) as model:
        lstm = model.lstms[0]
        assert lstm.gate_order == order
        rows = slice(M * order.index("f"), M * order.index("f") + M)
        np.testing.assert_array_equal(lstm.gates["f"].W.read(), kernel[rows].T)
        assert lstm.gates["f"].b is not None
        np.testing.assert_array_equal(lstm.gates["f"].b.read(), bias[rows])


@pytest.mark.parametrize("is_joined", [False, True])
def test_the_replay_of_a_step_is_the_arithmetic_of_its_operators(is_joined: bool, tmp_path: Path) -> None:
    cell = Cell("oifc", is_joined=is_joined)
    kernel, recurrent, bias = cell.arrays()
    random = np.random.default_rng(1)
    x, h, c = (random.standard_normal((1, width)).astype("f4") for width in (D, M, M))
    o, i, f, candidate = np.split(x @ kernel.T + h @ recurrent.T + bias, 4, axis=1)

    def sigmoid(z: Array) -> Array:
        return 1 / (1 + np.exp(-z))

    state = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    with opened_cell(cell, tmp_path) as model:
        states = equations.run(model.lstms[0], x[None], initial=equations.State(h, c))
    np.testing.assert_allclose(states.c[:, 0], state, rtol=1e-5)
    np.testing.assert_allclose(states.h[:, 0], sigmoid(o) * np.tanh(state), rtol=1e-5)


def test_a_number_that_is_added_to_f_is_the_forget_bias(tmp_path: Path) -> None:
    with opened_cell(Cell(forget_bias=0.75), tmp_path) as model:
        assert model.lstms[0].forget_bias == 0.75


def test_a_state_that_is_kept_within_bounds_has_them_in_its_settings(tmp_path: Path) -> None:
    with opened_cell(Cell(clip=2.5), tmp_path) as model:
        assert model.lstms[0].settings.cell_clip == 2.5


def test_the_states_that_a_step_begins_with_are_inputs(tmp_path: Path) -> None:
    with opened_cell(Cell(), tmp_path) as model:
        assert model.lstms[0].settings.first_states_from == ("the input h", "the input c")


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(Cell(d=M), id="x as wide as h, so that their kernels cannot be told apart"),
        pytest.param(Cell(candidate="LOGISTIC"), id="i and the candidate go through the same activation"),
        pytest.param(Cell(other_bias=0.5), id="a number is added to o"),
        pytest.param(Cell(fused=1), id="the products are activated"),
    ],
)
def test_what_is_not_proven_is_named_and_not_cut(cell: Cell, tmp_path: Path) -> None:
    with opened_cell(cell, tmp_path) as model:
        assert model.lstms == ()
        if not cell.fused:
            (note,) = describe(model).notes
            assert note.startswith("products are added and cut in four, as in an LSTM, but the operators do not show")
            assert note.endswith(": sum")
        assert model.model.parameters == 4 * M * (cell.d + M + 1)


def test_numbers_behind_dequantize_are_those_that_are_stored(tmp_path: Path) -> None:
    cell, graph = Cell(), Cell().graph()
    kernel = cell.arrays()[0].astype("f2")
    stored, restored = graph.constant(kernel, "half"), graph.tensor(kernel.shape)
    graph.operator("DEQUANTIZE", [stored], [restored])
    exchange(graph, kernel.shape, restored)
    with opened(builders.model(graph), tmp_path) as model:
        lstm = model.lstms[0]
        assert [weight.tensor.dtype for weight in lstm.weights] == ["float16", "float32", "float32"]
        np.testing.assert_array_equal(lstm.gates["i"].W.read(), kernel[:M].T)


def test_a_variable_that_is_given_a_constant_has_its_numbers(tmp_path: Path) -> None:
    cell, graph, first = Cell(), Cell().graph(), Graph(name="initialization")
    kernel = cell.arrays()[0] + 1
    names = {0: "", 1: "kernel"}
    handle, value = graph.tensor((), dtype="resource"), graph.tensor(kernel.shape)
    graph.operator("VAR_HANDLE", [], [handle], names)
    graph.operator("READ_VARIABLE", [handle], [value])
    exchange(graph, kernel.shape, value)
    assigned = first.tensor((), dtype="resource")
    first.operator("VAR_HANDLE", [], [assigned], names)
    first.operator("ASSIGN_VARIABLE", [assigned, first.constant(kernel)], [])
    with opened(builders.model(graph, first), tmp_path) as model:
        np.testing.assert_array_equal(model.lstms[0].gates["i"].W.read(), kernel[:M].T)


def test_integers_with_a_scale_for_each_row_stand_for_numbers(tmp_path: Path) -> None:
    graph = Cell().graph()
    integers = np.arange(4 * M * D, dtype="i1").reshape(4 * M, D)
    scales = np.linspace(0.25, 4, 4 * M).astype("f4")
    zero_points = np.arange(4 * M)
    exchange(graph, integers.shape, graph.constant(integers, "integers", Scales(scales, zero_points)))
    with opened(builders.model(graph), tmp_path) as model:
        expected = (integers.astype("f8") - zero_points[:, None]) * scales.astype("f8")[:, None]
        for place, letter in enumerate("ifco"):
            rows = slice(M * place, M * place + M)
            np.testing.assert_array_equal(model.lstms[0].gates[letter].W.read(), expected[rows].T.astype("f4"))


def exchange(graph: Graph, shape: tuple[int, ...], index: int) -> None:
    """Let the product whose kernel has `shape` take the tensor `index` instead."""
    for place, (name, inputs, *others) in enumerate(graph.operators):
        if name == "FULLY_CONNECTED" and tuple(graph.tensors[inputs[1]][0][0]) == shape:
            graph.operators[place] = (name, [inputs[0], index, inputs[2]], *others)
            return
    raise AssertionError(f"no kernel of {shape}")
