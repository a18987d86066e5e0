from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from support import builders
from support.cells import NUMBERS, one_unit, tensor
from support.reference import Standin

import lstmdump
from lstmdump.errors import TensorFlowFailed
from lstmdump.lstm import LSTM
from lstmdump.lstm.find import read_lstm
from lstmdump.lstm.gate_layouts import TensorFlowCell
from lstmdump.model.settings import DeferredSettings, LayerSettings
from lstmdump.model.tree import Layer
from lstmdump.replay.verify import LayerVerdict, ModelVerdict, case, compare
from lstmdump.sandbox.tensorflow_client import Answer
from lstmdump.sandbox.tensorflow_server import CELLS


def verify(lstm: LSTM, standin: Any, *, seed: int = 0, **options: Any) -> LayerVerdict:
    return compare(case(lstm, seed=seed), standin, **options)


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


def test_a_difference_within_the_tolerance_agrees(model: Path) -> None:
    class Off(Standin):
        def run(self, request: Any) -> Answer:
            answer = super().run(request)
            return Answer(answer.cell, answer.h, answer.c + 0.25)

    made = verdict(model, Off(), tolerance=0.26)
    assert (made.agrees, round(made.difference or 0, 6)) == (True, 0.25)
    assert verdict(model, Off(), tolerance=0.24).agrees is False


def test_outputs_that_are_nan_do_not_agree(model: Path) -> None:
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

    words = r"^the output of lstm_1 is \(3, 10, 1\) in TensorFlow, but \(3, 10, 4\) in the replay$"
    with pytest.raises(TensorFlowFailed, match=words):
        verdict(model, Narrow())


def test_gates_whose_exchange_makes_no_difference_are_noted(tmp_path: Path) -> None:
    arrays = builders.gates(3, 4)
    arrays |= {f"{array}_o": arrays[f"{array}_i"] for array in "WUb"}
    weights = [(f"lstm_1/{leaf}:0", values) for leaf, values in builders.fused(arrays).items()]
    path = builders.write(tmp_path / "a.h5", {"lstm_1": weights})
    assert verdict(path, Standin()).notes == ("the result would not reveal an exchange of i and o",)


def test_numbers_that_are_not_finite_are_not_verified(tmp_path: Path) -> None:
    weights = [(name, values * np.nan) for name, values in builders.keras_2_weights("lstm_1")]
    made = verdict(builders.write(tmp_path / "a.h5", {"lstm_1": weights}), Standin())
    assert (made.agrees, made.difference, made.notes) == (
        None, None, ("not verified: NaN or infinite numbers in kernel, recurrent_kernel, bias",),
    )  # fmt: skip


def test_a_normalized_cell_is_not_verified() -> None:
    made = verify(cell({**FUSED, "input/gamma": (1,)}, "LayerNormBasicLSTMCell"), Standin())
    assert made.agrees is None
    assert made.notes[0].startswith("not verified: its gates are normalized")


class Echo:
    """A stand-in that always gives the same answer, and records the request."""

    asked: Any = None

    def run(self, request: Any) -> Answer:
        self.asked = request
        return Answer("an echo", np.zeros((3, 10, 1)), np.zeros((3, 1)))


def test_a_forget_bias_that_is_not_in_the_file_is_one_on_both_sides_and_noted() -> None:
    echo = Echo()
    made = verify(one_unit(NUMBERS, forget_bias=None), echo)
    assert echo.asked.forget_bias == 1.0
    assert made.notes[0] == "with a forget bias of 1.0 on both sides: the file does not hold it"


KERAS = {"kernel": (1, 4), "recurrent_kernel": (1, 4)}
KERAS_PEEPHOLES = {f"{word}_gate_peephole_weights": (1,) for word in ("input", "forget", "output")}
KERAS_1 = {f"{array}_{gate}": (1,) if array == "b" else (1, 1) for gate in "icfo" for array in "WUb"}
FUSED = {"kernel": (2, 4), "bias": (4,)}
PROJECTED = {**FUSED, "w_i_diag": (1,), "w_f_diag": (1,), "w_o_diag": (1,), "projection/kernel": (1, 1)}


def cell(shapes: dict[str, tuple[int, ...]], kind: str = "LSTM") -> LSTM:
    """Return the LSTM of one unit on one input whose arrays have these shapes and hold ones."""
    weights = {name: tensor(name, *np.ones(shape)) for name, shape in shapes.items()}
    return read_lstm(Layer(("one",), kind, weights, stated=DeferredSettings(LayerSettings, forget_bias=1.0)))


@pytest.mark.parametrize(
    ("shapes", "kind", "expected"),
    [
        ({**KERAS, "bias": (4,)}, "LSTM", "keras"),
        (KERAS, "LSTM", "keras"),
        (KERAS_1, "LSTM", "keras-1"),
        ({**KERAS, "bias": (8,)}, "CuDNNLSTM", "cudnn"),
        (KERAS, "CuDNNLSTM", "cudnn"),
        ({**KERAS, "bias": (4,), **KERAS_PEEPHOLES}, "PeepholeLSTMCell", "keras-peephole"),
        (FUSED, "BasicLSTMCell", "tf1"),
        (PROJECTED, "LSTMCell", "tf1"),
        (PROJECTED, "LSTMBlockCell", "tf1"),
        (FUSED, "LSTMBlockCell", "block"),
        (FUSED, "LSTMBlockFusedCell", "block"),
        (FUSED, "CudnnCompatibleLSTMCell", "block"),
        (FUSED, "BlockLSTM", "block"),
        (FUSED, "BlockLSTMV2", "block-v2"),
    ],
)
def test_each_layout_has_its_cell(shapes: dict[str, tuple[int, ...]], kind: str, expected: str) -> None:
    assert case(cell(shapes, kind)).request.cell == expected


def test_tensorflow_runs_every_cell_that_a_layout_names() -> None:
    assert set(CELLS) == set(get_args(TensorFlowCell))


@pytest.mark.parametrize(("kind", "dtype"), [("LSTMCell", "float64"), ("LSTMBlockCell", "float32")])
def test_float64_is_used_where_the_cell_supports_it(kind: str, dtype: str) -> None:
    echo = Echo()
    verify(cell(FUSED, kind), echo)
    assert (echo.asked.dtype, echo.asked.x.dtype, echo.asked.arrays["bias"].dtype) == (dtype, dtype, dtype)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [((), None), ((None,), None), ((None, True), True), ((True, False), False), ((False, None), False)],
)
def test_a_model_agrees_if_all_verified_layers_agree(layers: tuple[bool | None, ...], expected: object) -> None:
    verdicts = tuple(LayerVerdict("a", "LSTM", agrees=agrees) for agrees in layers)
    assert ModelVerdict("m.h5", verdicts, 1e-5, 0).agrees is expected
