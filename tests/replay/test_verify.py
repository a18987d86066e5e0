from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support.cells import NUMBERS, PEEPHOLES, one_unit, tensor
from support.reference import Standin

import lstmdump
from lstmdump.errors import TensorFlowFailed
from lstmdump.lstm import LSTM, LSTMWeight, Role
from lstmdump.replay.verify import LayerVerdict, ModelVerdict, cell_of, verify
from lstmdump.sandbox.tensorflow_client import Answer


def verdict(path: Path, standin: Any, **options: Any) -> LayerVerdict:
    with lstmdump.open(path) as model:
        return verify(model.lstms[0], standin, **options)


def test_the_same_order_on_both_sides_agrees(model: Path) -> None:
    made = verdict(model, Standin())
    assert (made.layer, made.kind, made.cell, made.agrees, made.notes) == ("lstm_1", "LSTM", "a stand-in", True, ())


@pytest.mark.parametrize("order", ["icfo", "fico", "ifoc", "ofci", "cfio", "iofc"])
def test_another_order_differs_by_far_more_than_the_tolerance(model: Path, order: str) -> None:
    made = verdict(model, Standin(order))
    assert made.agrees is False
    assert made.difference is not None
    assert made.difference > 0.01


def test_stored_arrays_are_handed_over_whole(model: Path) -> None:
    standin = Standin()
    verdict(model, standin)
    stored = builders.fused(builders.gates(3, 4))
    handed = standin.requests[0].arrays
    assert {name: values.tolist() for name, values in handed.items()} == {
        name: values.astype(np.float64).tolist() for name, values in stored.items()
    }


def test_an_input_is_drawn_with_the_seed(model: Path) -> None:
    standin = Standin()
    for seed in (1, 1, 2):
        verdict(model, standin, seed=seed)
    one, again, other = (request.x for request in standin.requests)
    assert (np.array_equal(one, again), np.array_equal(one, other)) == (True, False)


def test_a_difference_within_the_tolerance_is_none(model: Path) -> None:
    class Off(Standin):
        def run(self, request: Any) -> Answer:
            answer = super().run(request)
            return Answer(answer.cell, answer.h, answer.c + 0.25)

    made = verdict(model, Off(), tolerance=0.26)
    assert (made.agrees, round(made.difference or 0, 6)) == (True, 0.25)
    assert verdict(model, Off(), tolerance=0.24).agrees is False


def test_outputs_that_are_no_numbers_do_not_agree(model: Path) -> None:
    class Lost(Standin):
        def run(self, request: Any) -> Answer:
            answer = super().run(request)
            return Answer(answer.cell, answer.h * np.nan, answer.c)

    made = verdict(model, Lost())
    assert (made.agrees, math.isnan(made.difference or 0)) == (False, True)


def test_outputs_of_another_shape_are_a_failure(model: Path) -> None:
    class Narrow(Standin):
        def run(self, request: Any) -> Answer:
            answer = super().run(request)
            return Answer(answer.cell, answer.h[:, :, :1], answer.c)

    with pytest.raises(TensorFlowFailed, match=r"^TensorFlow makes \(3, 10, 1\) of lstm_1, the replay \(3, 10, 4\)$"):
        verdict(model, Narrow())


def test_gates_that_no_input_tells_apart_are_told(tmp_path: Path) -> None:
    arrays = builders.gates(3, 4)
    arrays |= {f"{array}_o": arrays[f"{array}_i"] for array in "WUb"}
    weights = [(f"lstm_1/{leaf}:0", values) for leaf, values in builders.fused(arrays).items()]
    path = builders.write(tmp_path / "a.h5", {"lstm_1": weights})
    assert verdict(path, Standin()).notes == ("its numbers would not show an exchange of i and o",)


def test_numbers_that_are_not_finite_are_not_verified(tmp_path: Path) -> None:
    weights = [(name, values * np.nan) for name, values in builders.keras_2_weights("lstm_1")]
    made = verdict(builders.write(tmp_path / "a.h5", {"lstm_1": weights}), Standin())
    assert (made.agrees, made.difference, made.notes) == (
        None, None, ("not verified: NaN or infinite numbers in kernel, recurrent_kernel, bias",),
    )  # fmt: skip


def test_a_normalized_cell_is_not_verified() -> None:
    made = verify(cell(Role.FUSED_KERNEL, Role.NORMALIZATION), Standin())  # type: ignore[arg-type]
    assert made.agrees is None
    assert made.notes[0].startswith("not verified: its gates are normalized")


class Echo:
    """Gives one answer, whatever it is asked, and remembers what that was."""

    asked: Any = None

    def run(self, request: Any) -> Answer:
        self.asked = request
        return Answer("an echo", np.zeros((3, 10, 1)), np.zeros((3, 1)))


def test_a_forget_bias_that_is_not_in_the_file_is_one_on_both_sides_and_told() -> None:
    echo = Echo()
    made = verify(one_unit(NUMBERS, forget_bias=None), echo)  # type: ignore[arg-type]
    assert echo.asked.forget_bias == 1.0
    assert made.notes[0] == "with a forget bias of 1.0 on both sides: the file does not hold it"


def cell(*roles: Role, kind: str = "LSTM", peepholes: bool = False) -> LSTM:
    """An LSTM of one unit on one input, with arrays in these ROLES."""
    sizes = {"d": 1, "m": 1, "h": 1, "p": 1}
    weights = [LSTMWeight(role, role.word, tensor("w", *np.ones(role.shape(sizes)))) for role in roles]
    plain = one_unit(NUMBERS | PEEPHOLES if peepholes else NUMBERS)
    return LSTM("one", kind, 1, 1, tuple(weights), "ifco", plain.gates)


@pytest.mark.parametrize(
    ("roles", "kind", "wanted"),
    [
        ((Role.KERNEL, Role.RECURRENT_KERNEL, Role.BIAS), "LSTM", "keras"),
        ((Role.KERNEL, Role.RECURRENT_KERNEL), "LSTM", "keras"),
        ((Role.GATE_KERNEL, Role.GATE_RECURRENT_KERNEL, Role.GATE_BIAS), "LSTM", "keras-1"),
        ((Role.KERNEL, Role.RECURRENT_KERNEL, Role.DOUBLED_BIAS), "CuDNNLSTM", "cudnn"),
        ((Role.KERNEL, Role.RECURRENT_KERNEL), "CuDNNLSTM", "cudnn"),
        ((Role.KERNEL, Role.RECURRENT_KERNEL, Role.BIAS, Role.PEEPHOLE), "PeepholeLSTMCell", "keras-peephole"),
        ((Role.FUSED_KERNEL, Role.BIAS), "BasicLSTMCell", "tf1"),
        ((Role.FUSED_KERNEL, Role.BIAS, Role.PEEPHOLE, Role.PROJECTION), "LSTMCell", "tf1"),
        ((Role.FUSED_KERNEL, Role.BIAS), "LSTMBlockCell", "block"),
        ((Role.FUSED_KERNEL, Role.BIAS), "CudnnCompatibleLSTMCell", "block"),
        ((Role.FUSED_KERNEL, Role.BIAS), "BlockLSTMV2", "block-v2"),
    ],
)
def test_each_layout_has_its_cell(roles: tuple[Role, ...], kind: str, wanted: str) -> None:
    assert cell_of(cell(*roles, kind=kind)) == wanted


@pytest.mark.parametrize(("kind", "dtype"), [("LSTMCell", "float64"), ("LSTMBlockCell", "float32")])
def test_it_computes_in_float64_where_the_cell_can(kind: str, dtype: str) -> None:
    echo = Echo()
    verify(cell(Role.FUSED_KERNEL, Role.BIAS, kind=kind), echo)  # type: ignore[arg-type]
    assert (echo.asked.dtype, echo.asked.x.dtype, echo.asked.arrays["bias"].dtype) == (dtype, dtype, dtype)


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [((), None), ((None,), None), ((None, True), True), ((True, False), False), ((False, None), False)],
)
def test_a_model_agrees_if_all_layers_do_that_were_verified(layers: tuple[bool | None, ...], wanted: object) -> None:
    verdicts = tuple(LayerVerdict("a", "LSTM", agrees=agrees) for agrees in layers)
    assert ModelVerdict("m.h5", verdicts, 1e-5, 0).agrees is wanted
