from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from support import networks
from support.descriptions import Calls, dense, lstm, network, take
from support.layer_reading import describe

from lstmdump.model.network import NetworkTensor
from lstmdump.replay.layers.base import Signal
from lstmdump.replay.layers.recurrent.base import RecurrentLayer
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks import bottlenecks, influences, propagation, reading
from lstmdump.replay.networks.influences import InfluencePass
from lstmdump.replay.networks.propagation import RunnableNetwork, Tape

RANDOM = np.random.default_rng(2)
SETTINGS = {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False}
OPENED = networks.opened(
    {"a": (3, 64), "b": (64, 5), "back": (3, 64)},
    settings={("a",): SETTINGS, ("b",): SETTINGS, ("back",): {**SETTINGS, "go_backwards": True}},
)
X = RANDOM.standard_normal((3, 30, 3))
MASK = RANDOM.random((3, 30)) < 0.7


def kernel(inputs: int, units: int) -> list[list[float]]:
    found: list[list[float]] = RANDOM.standard_normal((inputs, units)).tolist()
    return found


CLASSES = dense("classes", kernel(5, 200))
DROPOUT = describe("Dropout", {"rate": 0.5}, name="drop")
SUM = describe("Add", name="sum")
LAST = lstm("a", sequences=False)
CASES: dict[str, Calls] = {
    "one LSTM": [(LAST, ["x"])],
    "every step of an LSTM": [(lstm("a"), ["x"])],
    "an LSTM that goes backwards": [(lstm("back", sequences=False, go_backwards=True), ["x"])],
    "every step of an LSTM that goes backwards": [(lstm("back", go_backwards=True), ["x"])],
    "many classes": [(LAST, ["x"]), (dense("narrow", kernel(64, 5)), ["a"]), (CLASSES, ["narrow"])],
    "many classes of a stack": [(lstm("a"), ["x"]), (lstm("b", sequences=False), ["a"]), (CLASSES, ["b"])],
    "many classes of every step": [(lstm("a"), ["x"]), (lstm("b"), ["a"]), (CLASSES, ["b"])],
    "Dropout before an LSTM": [(DROPOUT, ["x"]), (LAST, ["drop"]), (dense("d", kernel(64, 90)), ["a"])],
    "two LSTMs side by side": [(LAST, ["x"]), (lstm("back", sequences=False, go_backwards=True), ["x"]),
                                  (SUM, ["a", "back"]), (dense("d", kernel(64, 90)), ["sum"])],
}  # fmt: skip


def run(calls: Calls, mask: np.ndarray | None) -> tuple[RunnableNetwork, Tape, NetworkTensor]:
    described = network([take("x")], calls)
    target = described.outputs[0].tensor
    read = reading.read(OPENED, described, [target], RunOptions("float64"))
    return read, propagation.forward(read, {"x": Signal(X)}, mask=mask, keep=True), target


def sum_plainly(read: RunnableNetwork, tape: Tape, target: NetworkTensor, units: Sequence[int]) -> np.ndarray:
    """Return the sums of squares, one unit of the last step after the other."""
    values, total = tape[target].values, np.zeros(X.shape)
    for unit in units:
        seed = np.zeros((len(X), 1, *values.shape[1:]))
        seed[..., -1, unit] = 1
        found = propagation.backward(read, tape, {target: seed}, [NetworkTensor(0)])[NetworkTensor(0)]
        assert found is not None
        total += found[:, 0] ** 2
    return total


@pytest.mark.parametrize("mask", [pytest.param(None, id="all steps"), pytest.param(MASK, id="masked")])
@pytest.mark.parametrize("calls", CASES.values(), ids=CASES.keys())
def test_the_sums_are_those_of_one_unit_after_the_other(calls: Calls, mask: np.ndarray | None) -> None:
    read, tape, target = run(calls, mask)
    units = np.arange(tape[target].values.shape[-1])
    found = InfluencePass(read, tape, [NetworkTensor(0)]).sum_squares(target, units)[NetworkTensor(0)]
    expected = sum_plainly(read, tape, target, units.tolist())
    assert expected.any()
    np.testing.assert_allclose(found, expected, rtol=2e-8, atol=1e-200)


@pytest.mark.parametrize("calls", CASES.values(), ids=CASES.keys())
def test_one_unit_counts_alone(calls: Calls) -> None:
    read, tape, target = run(calls, None)
    found = InfluencePass(read, tape, [NetworkTensor(0)]).sum_squares(target, np.array([3]))[NetworkTensor(0)]
    np.testing.assert_allclose(found, sum_plainly(read, tape, target, [3]), rtol=1e-10, atol=1e-200)


def test_parts_of_the_classes_give_what_all_give(monkeypatch: pytest.MonkeyPatch) -> None:
    read, tape, target = run(CASES["many classes"], None)
    units = np.arange(200)
    whole = InfluencePass(read, tape, [NetworkTensor(0)]).sum_squares(target, units)[NetworkTensor(0)]
    monkeypatch.setattr(influences, "_AT_ONCE", 7 * X.size)
    parts = InfluencePass(read, tape, [NetworkTensor(0)]).sum_squares(target, units)[NetworkTensor(0)]
    np.testing.assert_allclose(parts, whole, rtol=1e-10)


def test_no_more_rows_than_the_narrowest_tensor_has_numbers_reach_an_lstm(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = RecurrentLayer.sum_squares

    def count(layer: RecurrentLayer, inputs: Sequence[Signal], of_last: np.ndarray, *others: object) -> np.ndarray:
        seen.append(of_last.shape[1])
        return original(layer, inputs, of_last, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(RecurrentLayer, "sum_squares", count)
    read, tape, target = run(CASES["many classes"], None)
    InfluencePass(read, tape, [NetworkTensor(0)]).sum_squares(target, np.arange(200))
    assert seen == [5]


def test_a_tensor_beside_another_path_is_not_a_bottleneck() -> None:
    """Only the sum of both layers is, and what is computed from it: calls 3 and 4."""
    read, _, target = run(CASES["two LSTMs side by side"], None)
    assert bottlenecks.find(read, target, [NetworkTensor(0)]) == [NetworkTensor(4), NetworkTensor(3)]


def test_reduced_rows_have_the_products_of_all_rows() -> None:
    rows = RANDOM.standard_normal((2, 50, 2, 3))
    flat = rows.reshape(2, 50, 6)
    found = bottlenecks.reduce_rows(rows[:, start : start + 9] for start in range(0, 50, 9))
    assert found.shape == (2, 6, 2, 3)
    reduced = found.reshape(2, 6, math.prod((2, 3)))
    np.testing.assert_allclose(reduced.swapaxes(1, 2) @ reduced, flat.swapaxes(1, 2) @ flat, rtol=1e-12)


def test_few_rows_are_not_changed() -> None:
    rows = RANDOM.standard_normal((2, 5, 6))
    np.testing.assert_array_equal(bottlenecks.reduce_rows([rows]), rows)
