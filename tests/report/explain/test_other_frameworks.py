from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support import builders
from support.cells import changed
from support.settings import stated

import lstmdump
from lstmdump.lstm import LSTM
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.report.explain.other_frameworks import elsewhere, forget_bias
from lstmdump.report.explain.section import Section, Subject

ROOT = Path(__file__).parents[3]
GENUINE = ROOT / "tests" / "genuine"
TF1 = ROOT / "sample_models" / "tf-1.12-basic-lstm-cell"


def only(path: Path) -> LSTM:
    with lstmdump.open(path) as model:
        return model.lstms[0]


def text(section: Section) -> str:
    return "\n".join(line.text for line in section.lines)


def explain_forget_bias(lstm: LSTM, *, in_letters: bool = False) -> str:
    return text(forget_bias(Subject(lstm, Behaviour(), in_letters)))


@pytest.fixture
def lstm(tmp_path: Path) -> LSTM:
    """4 units on 3 inputs."""
    return only(builders.one_lstm(tmp_path / "a.h5"))


def test_tensorflow_1_adds_its_forget_bias_at_run_time() -> None:
    assert explain_forget_bias(only(TF1)).startswith(
        "Not in the stored b_f, bias[128:192]: the cell adds 1.0 to it at run time."
    )


def test_a_forget_bias_of_0_is_reported_as_none() -> None:
    lstm = changed(only(TF1), forget_bias=0.0)
    assert explain_forget_bias(lstm) == "There is none: at run time, the cell adds 0 to b_f."


def test_an_unknown_forget_bias_is_reported_with_the_default() -> None:
    lstm = changed(only(TF1), forget_bias=None)
    assert "This file does not hold the value; TensorFlow's default is 1.0." in explain_forget_bias(lstm)


@pytest.mark.parametrize(
    ("added", "words"),
    [
        (1.0, "Not in the stored numbers: the cell adds 1.0 to the forget gate at run time."),
        (0.0, "There is none: at run time, the cell adds 0 to the forget gate."),
    ],
)
def test_without_a_bias_the_constant_is_added_to_the_gate(added: float, words: str) -> None:
    lstm = only(TF1)
    kernel = lstm.weights[:1]
    assert explain_forget_bias(changed(lstm, weights=kernel, forget_bias=added)) == words


def test_keras_has_its_forget_bias_in_the_stored_b_f(lstm: LSTM) -> None:
    assert explain_forget_bias(lstm).startswith("In the stored b_f, bias[4:8]. ")
    assert explain_forget_bias(lstm).endswith("Nothing is added at run time.")


def test_a_slice_is_given_for_layers_of_one_size_only(lstm: LSTM) -> None:
    assert explain_forget_bias(lstm, in_letters=True).startswith("In the stored b_f. ")


@pytest.mark.parametrize(
    ("settings", "beginning"),
    [
        ({"unit_forget_bias": True}, "it was initialized to 1,"),
        ({"forget_bias_init": "one"}, "it was initialized to 1,"),
        ({"unit_forget_bias": False}, "it was not initialized to 1."),
        ({}, "By default, Keras initializes it to 1,"),
    ],
)
def test_the_initial_b_f_is_that_of_the_configuration(lstm: LSTM, settings: dict[str, Any], beginning: str) -> None:
    assert beginning in explain_forget_bias(changed(lstm, stated=stated(settings)))


def test_without_a_bias_there_is_no_forget_bias() -> None:
    assert explain_forget_bias(only(GENUINE / "keras-2.12.0-full-nobias.h5")) == "Nowhere: the layer has no bias."


@pytest.mark.parametrize(
    "row",
    [
        ["kernel", "(12, 256)", "(76, 256)", "(12, 256)"],
        ["recurrent_kernel", "(64, 256)", "part of kernel", "(64, 256)"],
        ["bias", "(256,)", "(256,)", "(512,)"],
        ["gate order", "i f c o", "i c f o", "i f c o"],
        ["forget bias", "in the stored b_f", "added at run time", "in the stored b_f"],
    ],
)
def test_keras_tensorflow_1_and_cudnn_are_compared(row: list[str]) -> None:
    section = elsewhere(Subject(only(TF1), Behaviour()))
    assert row in [re.split(r" {3,}", line.text) for line in section.lines]


def test_features_that_keras_lacks_are_named() -> None:
    section = elsewhere(Subject(only(GENUINE / "keras-2.12.0-tf1_ckpt-lstm_peephole_proj"), Behaviour()))
    assert section.lines[-1].text.endswith("neither peepholes nor a projection.")


ONNX = ROOT / "sample_models" / "torch-2.13-net.onnx"


def test_the_forget_bias_of_a_node_of_onnx_is_in_both_stored_biases() -> None:
    words = explain_forget_bias(only(ONNX))
    assert words.startswith("In the stored b_f, B[12:18] + B[36:42].")  # 6 units, in the order i o f c, and 24 further
    assert words.endswith("Nothing is added at run time.")


def test_a_node_of_onnx_is_compared_with_pytorch_and_keras() -> None:
    rows = text(elsewhere(Subject(only(ONNX), Behaviour())))
    assert re.search(r"W of all gates +\(24, 4\) +\(24, 4\) +\(4, 24\)", rows)
    assert re.search(r"gate order +i o f c +i f c o +i f c o", rows)


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("fused", "In the stored b_f, forget_gate_bias: the operators add nothing else at run time."),
        ("toco-static3", "Not in the stored b_f, bias[12:18]: the cell adds 1.0 to it at run time."),
        ("toco-one-step", "Not in the stored numbers: the cell adds it to b_f at run time."),
    ],
)
def test_a_forget_bias_of_tensorflow_lite_is_what_an_operator_adds(name: str, beginning: str) -> None:
    lstm = only(ROOT / "tests" / "readers" / "tflite" / "models" / f"{name}.tflite")
    assert explain_forget_bias(lstm).startswith(beginning)


def test_a_layer_of_tensorflow_lite_without_bias_has_no_forget_bias() -> None:
    lstm = only(ROOT / "tests" / "readers" / "tflite" / "models" / "loop-state.tflite")
    without = changed(lstm, weights=lstm.weights[:2], forget_bias=0.0)
    assert explain_forget_bias(without) == "Nowhere: the layer has no bias."
