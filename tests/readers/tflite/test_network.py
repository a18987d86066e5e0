"""GRUs before LSTMs: what the operators have to show for both to be run, and what is left to a note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support import tflite_builders as builders
from support.tflite_builders import Graph, Number

import lstmdump
from lstmdump.model.network import NetworkDescription
from lstmdump.model.tensor import Array

D, M, UNITS, BATCH, STEPS = 2, 3, 4, 2, 5
CLOSE = 1e-6


@dataclass(frozen=True)
class Case:
    """A GRU in a loop, and an LSTM operator that takes what it gives.

    Attributes:
        order: The places of z, r and the candidate among the parts of the products.
        one: The number that z is subtracted from.
        kept: What is multiplied by z: `h`, or another state that the loop returns unchanged.
        first: The state before the first step.
        counted: Where the loop begins.
        turns: How many turns the condition allows.
        rows: How many steps the tensor has that outputs are kept in.
        begin: The first row of those kept behind the new one, in terms of the turn: 1 for the next.
        reset_by: The activation of r.
        order_between: The order of the axes that a TRANSPOSE between both layers makes; the LSTM takes the batch first.
        from_last: Whether the LSTM takes the loop's last tensor, the input that it does not change.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    one: float = 1.0
    kept: str = "h"
    first: float = 0.0
    counted: int = 0
    turns: int = STEPS
    rows: int = STEPS
    begin: int = 1
    reset_by: str = "LOGISTIC"
    order_between: tuple[int, int, int] = (1, 0, 2)
    from_last: bool = False

    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """Return the kernels over x and h, with a row for each unit of each gate, and both biases."""
        random = np.random.default_rng(6)
        shapes = ((3 * M, D), (3 * M, M), (3 * M,), (3 * M,))
        kernel, recurrent, bias, recurrent_bias = ((random.standard_normal(one) * 0.5).astype("f4") for one in shapes)
        return kernel, recurrent, bias, recurrent_bias

    @property
    def lstm(self) -> dict[str, Array]:
        """The arrays of the LSTM."""
        return builders.lstm_arrays(D if self.from_last else M, UNITS, seed=8)

    def write(self, path: Path) -> Path:
        """Write the model."""
        path.write_bytes(builders.model(self._main(), self._condition(), self._body()))
        return path

    def _main(self) -> Graph:
        graph = Graph()
        x, turned = graph.tensor((BATCH, STEPS, D), "x"), graph.tensor((STEPS, BATCH, D))
        graph.operator("TRANSPOSE", [x, graph.constant(np.array([1, 0, 2], "i4"))], [turned])
        given = [
            graph.constant(np.array(self.counted, "i4")),
            graph.constant(np.zeros((self.rows, BATCH, M), "f4")),
            graph.constant(np.full((BATCH, M), self.first, "f4")),
            graph.constant(np.zeros((BATCH, M), "f4")),
            turned,
        ]
        shapes = ((), (self.rows, BATCH, M), (BATCH, M), (BATCH, M), (STEPS, BATCH, D))
        made = [graph.tensor(shape, dtype="float32" if shape else "int32") for shape in shapes]
        graph.operator("WHILE", given, made, {0: Number("i", 1), 1: Number("i", 2)})
        taken, width = (made[4], D) if self.from_last else (made[1], M)
        lengths = {0: STEPS, 1: BATCH, 2: width}
        between, y = (
            graph.tensor([lengths[axis] for axis in self.order_between]),
            graph.tensor((BATCH, STEPS, UNITS), "y"),
        )
        graph.operator("TRANSPOSE", [taken, graph.constant(np.array(self.order_between, "i4"))], [between])
        builders.add_lstm(graph, self.lstm, between, y, batch=BATCH)
        graph.inputs, graph.outputs = [x], [y]
        return graph

    def _arguments(self, graph: Graph) -> list[int]:
        shapes = ((), (self.rows, BATCH, M), (BATCH, M), (BATCH, M), (STEPS, BATCH, D))
        return [graph.tensor(shape, dtype="float32" if shape else "int32") for shape in shapes]

    def _condition(self) -> Graph:
        graph = Graph(name="condition")
        graph.inputs = self._arguments(graph)
        result = graph.tensor((), dtype="bool")
        graph.operator("LESS", [graph.inputs[0], graph.constant(np.array(self.turns, "i4"))], [result])
        graph.outputs = [result]
        return graph

    def _body(self) -> Graph:
        graph = Graph(name="body")
        graph.inputs = self._arguments(graph)
        number, outputs, h, other, sequence = graph.inputs
        x = self._add(graph, "GATHER", [sequence, number], (BATCH, D))
        kernel, recurrent, bias, recurrent_bias = (graph.constant(one) for one in self.arrays())
        of_x = self._cut(graph, self._add(graph, "FULLY_CONNECTED", [x, kernel, bias], (BATCH, 3 * M)))
        of_h = self._cut(graph, self._add(graph, "FULLY_CONNECTED", [h, recurrent, recurrent_bias], (BATCH, 3 * M)))
        z = self._apply(graph, "LOGISTIC", self._apply(graph, "ADD", of_x[0], of_h[0]))
        r = self._apply(graph, self.reset_by, self._apply(graph, "ADD", of_x[1], of_h[1]))
        reset = self._apply(graph, "MUL", r, of_h[2])
        candidate = self._apply(graph, "TANH", self._apply(graph, "ADD", of_x[2], reset))
        rest = self._apply(graph, "SUB", graph.constant(np.array(self.one, "f4")), z)
        kept = self._apply(graph, "MUL", z, h if self.kept == "h" else other)
        after = self._apply(graph, "ADD", kept, self._apply(graph, "MUL", rest, candidate))
        following = self._count(graph, number, 1)
        behind = following if self.begin == 1 else self._count(graph, number, self.begin)
        graph.outputs = [following, self._keep(graph, (number, behind), outputs, after), after, other, sequence]
        return graph

    def _cut(self, graph: Graph, total: int) -> list[int]:
        """Return the parts that are taken for z, r and the candidate."""
        parts = [graph.tensor((BATCH, M)) for _ in range(3)]
        graph.operator("SPLIT", [graph.constant(np.array(1, "i4")), total], parts, {0: Number("i", 3)})
        return [parts[place] for place in self.order]

    def _keep(self, graph: Graph, turns: tuple[int, int], outputs: int, value: int) -> int:
        number, following = turns
        size = self._row(graph, number, -1)
        before = self._add(graph, "SLICE", [outputs, graph.constant(np.zeros(3, "i4")), size], (1, BATCH, M))
        start = self._row(graph, following, 0)
        behind = self._add(graph, "SLICE", [outputs, start, graph.constant(np.full(3, -1, "i4"))], (1, BATCH, M))
        row = self._add(graph, "RESHAPE", [value, graph.constant(np.array([1, BATCH, M], "i4"))], (1, BATCH, M))
        return self._add(graph, "CONCATENATION", [before, row, behind], (self.rows, BATCH, M))

    def _row(self, graph: Graph, number: int, others: int) -> int:
        one = graph.tensor((1,), dtype="int32")
        graph.operator("RESHAPE", [number, graph.constant(np.array([1], "i4"))], [one])
        row = graph.tensor((3,), dtype="int32")
        graph.operator("CONCATENATION", [one, graph.constant(np.full(2, others, "i4"))], [row])
        return row

    def _count(self, graph: Graph, number: int, more: int) -> int:
        following = graph.tensor((), dtype="int32")
        graph.operator("ADD", [number, graph.constant(np.array(more, "i4"))], [following])
        return following

    def _apply(self, graph: Graph, name: str, *inputs: int) -> int:
        return self._add(graph, name, inputs, (BATCH, M))

    def _add(self, graph: Graph, name: str, inputs: Sequence[int], shape: Sequence[int]) -> int:
        result = graph.tensor(shape)
        graph.operator(name, inputs, [result])
        return result


def network_of(path: Path) -> NetworkDescription | None:
    with lstmdump.open(path) as model:
        return model.model.network()


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def compute(case: Case, x: Array) -> Array:
    """Return h of the LSTM after each step of `x`, (batch, steps, d)."""
    kernel, recurrent, bias, recurrent_bias = case.arrays()
    lstm, outputs = case.lstm, []
    h, states, c = np.zeros((len(x), M)), np.zeros((len(x), UNITS)), np.zeros((len(x), UNITS))
    for step in x.swapaxes(0, 1).astype("f8"):
        of_x, of_h = step @ kernel.T + bias, h @ recurrent.T + recurrent_bias
        z, r = (sigmoid(of_x[:, M * part : M * part + M] + of_h[:, M * part : M * part + M]) for part in range(2))
        h = z * h + (1 - z) * np.tanh(of_x[:, 2 * M :] + r * of_h[:, 2 * M :])
        totals = {gate: h @ lstm[f"input_to_{gate}"].T + states @ lstm[f"recurrent_to_{gate}"].T
                  + lstm[f"{gate}_gate_bias"] for gate in builders.GATES}  # fmt: skip
        i, f, o = (sigmoid(totals[gate]) for gate in ("input", "forget", "output"))
        c = f * c + i * np.tanh(totals["cell"])
        states = o * np.tanh(c)
        outputs.append(states)
    return np.stack(outputs, axis=1)


def test_a_gru_and_what_takes_it_are_run(tmp_path: Path) -> None:
    case = Case()
    x = np.random.default_rng(2).standard_normal((BATCH, STEPS, D)).astype("f4")
    with lstmdump.open(case.write(tmp_path / "model.tflite")) as model:
        found = model.trace(x)
    np.testing.assert_allclose(found.layers["lstm"].h, compute(case, x), rtol=0, atol=CLOSE)
    assert list(found.outputs) == ["y"]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(order=(1, 0, 2)), id="parts in another order than that of Keras"),
        pytest.param(Case(order=(0, 2, 1)), id="the candidate in the place of r"),
        pytest.param(Case(one=2.0), id="2 - z"),
        pytest.param(Case(kept="other"), id="z and something else than h"),
        pytest.param(Case(first=0.5), id="a first state that is not 0"),
        pytest.param(Case(counted=1), id="without the first step"),
        pytest.param(Case(turns=STEPS - 1), id="without the last step"),
        pytest.param(Case(turns=STEPS + 1), id="more turns than steps"),
        pytest.param(Case(rows=STEPS + 1), id="more rows than steps"),
        pytest.param(Case(begin=2), id="a row that is left out"),
        pytest.param(Case(reset_by="TANH"), id="two activations of gates"),
        pytest.param(Case(order_between=(0, 1, 2)), id="the steps in the place of the batch"),
        pytest.param(Case(from_last=True), id="the input of the loop"),
    ],
)
def test_nothing_is_claimed_of_other_loops(tmp_path: Path, case: Case) -> None:
    assert network_of(case.write(tmp_path / "model.tflite")) is None


def test_the_arrays_of_the_gru_are_counted_as_they_are_stored(tmp_path: Path) -> None:
    with lstmdump.open(Case().write(tmp_path / "model.tflite")) as model:
        assert model.model.parameters == 3 * ((D + M) * M + 2 * M) + 4 * ((M + UNITS) * UNITS + UNITS)
        assert {layer.name: layer.kind for layer in model.model.root.walk() if layer.kind} == {
            "lstm": "LSTM",
            "gru": "GRU",
        }
