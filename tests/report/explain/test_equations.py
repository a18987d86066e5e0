from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders, tensorflow_builders
from support.cells import changed

import lstmdump
from lstmdump.lstm import LSTM
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.replay import activations as functions
from lstmdump.report.explain.equations import activations, equations, granted, shapes
from lstmdump.report.explain.section import Section, Subject

ROOT = Path(__file__).parents[3]
GENUINE = ROOT / "tests" / "genuine"
PEEPHOLES = GENUINE / "keras-2.12.0-tf1_ckpt-lstm_peephole_proj"  # 6 units on 5 inputs, projected to 4; adds 0.7


def only(path: Path) -> LSTM:
    with lstmdump.open(path) as model:
        return model.lstms[0]


def text(section: Section) -> str:
    return "\n".join(line.text for line in section.lines)


@pytest.fixture
def lstm(tmp_path: Path) -> LSTM:
    """4 units on 3 inputs."""
    return only(builders.one_lstm(tmp_path / "a.h5"))


def read_row(section: Section, start: str) -> str:
    """Return the first cell after `start` in the row of a table that begins with it."""
    (row,) = [line.text for line in section.lines if line.is_row and line.text.startswith(start)]
    return re.split(r" {3,}", row.removeprefix(start).strip())[0]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("i =", "σ(x·W_i + h·U_i + b_i)"),
        ("f =", "σ(x·W_f + h·U_f + b_f)"),
        ("candidate =", "tanh(x·W_c + h·U_c + b_c)"),
        ("c' =", "f∘c + i∘candidate"),
        ("o =", "σ(x·W_o + h·U_o + b_o)"),
        ("h' =", "o∘tanh(c')"),
    ],
)
def test_a_plain_lstm_has_the_six_equations(lstm: LSTM, left: str, right: str) -> None:
    assert read_row(equations(Subject(lstm, Behaviour())), left) == right


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("f =", "σ(x·W_f + h·U_f + b_f + 0.7 + c∘V_f)"),
        ("o =", "σ(x·W_o + h·U_o + b_o + c'∘V_o)"),
        ("candidate =", "tanh(x·W_c + h·U_c + b_c)"),
        ("h' =", "(o∘tanh(c'))·P"),
    ],
)
def test_peepholes_projection_and_forget_bias_are_in_the_equations(left: str, right: str) -> None:
    assert read_row(equations(Subject(only(PEEPHOLES), Behaviour())), left) == right


def test_an_unknown_forget_bias_is_a_name_in_the_equation(lstm: LSTM) -> None:
    assert (
        read_row(equations(Subject(changed(lstm, forget_bias=None), Behaviour())), "f =")
        == "σ(x·W_f + h·U_f + b_f + forget_bias)"
    )


def test_a_layer_without_bias_has_none_in_its_equations() -> None:
    lstm = only(GENUINE / "keras-2.12.0-full-nobias.h5")
    assert read_row(equations(Subject(lstm, Behaviour())), "i =") == "σ(x·W_i + h·U_i)"


def test_the_layers_own_activations_are_in_the_equations(lstm: LSTM) -> None:
    section = equations(Subject(lstm, Behaviour("relu", "hard_sigmoid")))
    assert read_row(section, "i =") == "hard_sigmoid(x·W_i + h·U_i + b_i)"
    assert read_row(section, "h' =") == "o∘relu(c')"


def test_clipping_is_in_the_equations(lstm: LSTM) -> None:
    section = equations(Subject(lstm, Behaviour(cell_clip=3.0)))
    assert read_row(section, "c' =") == "clip(f∘c + i∘candidate, ±3.0)"


@pytest.mark.parametrize("path", [PEEPHOLES, ROOT / "sample_models" / "tf-1.12-basic-lstm-cell"], ids=lambda p: p.name)
def test_the_shapes_are_those_that_numpy_computes(path: Path) -> None:
    for line in shapes(Subject(only(path), Behaviour())).lines:
        left, right = re.split(r" {3,}", line.text)[-1].rsplit(" = ", 1)
        ones = re.sub(r"\((\d+(?:, \d+|,))\)", r"np.ones((\1))", left).replace("·", "@").replace("∘", "*")
        assert str(eval(ones, {"np": np}).shape) == right  # noqa: S307 - our own text


def test_the_shapes_of_64_units_on_12_inputs() -> None:
    lstm = only(ROOT / "sample_models" / "tf-1.12-basic-lstm-cell")
    assert (
        read_row(shapes(Subject(lstm, Behaviour())), "each gate") == "(12,)·(12, 64) + (64,)·(64, 64) + (64,) = (64,)"
    )


@pytest.mark.parametrize("keras", [1, 2, 3])
def test_hard_sigmoid_is_defined_as_it_is_computed(lstm: LSTM, keras: int) -> None:
    words = text(activations(Subject(lstm, Behaviour("tanh", "hard_sigmoid", keras))))
    definition = re.search(r"hard_sigmoid\(z\) is (\S+) \+ 0\.5, kept between 0 and 1", words)
    assert definition is not None
    z = np.linspace(-4, 4, 81)
    slope = eval(definition[1].replace("·", "*"), {"z": z})  # noqa: S307 - our own text
    assert np.allclose(np.clip(slope + 0.5, 0, 1), functions.named("hard_sigmoid", keras)(z), atol=1e-6)


def test_the_layers_activations_are_named(lstm: LSTM) -> None:
    words = text(activations(Subject(lstm, Behaviour("softsign", "hard_sigmoid"))))
    assert words.startswith("Gates i, f and o: hard_sigmoid. Candidate and output: softsign.")


def test_assumptions_are_listed(lstm: LSTM) -> None:
    section = granted(Subject(lstm, Behaviour(notes=("the file does not state it",))))
    assert section is not None
    assert text(section) == "In lstmdump trace: the file does not state it."


def test_without_assumptions_there_is_no_section_on_them(lstm: LSTM) -> None:
    assert granted(Subject(lstm, Behaviour())) is None


def test_control_characters_in_an_activation_are_escaped(lstm: LSTM) -> None:
    assert "\x1b" not in text(equations(Subject(lstm, Behaviour("\x1b[31mrelu"))))


def test_a_long_name_of_an_activation_is_shortened(lstm: LSTM) -> None:
    assert max(len(line.text) for line in equations(Subject(lstm, Behaviour("a" * 9999))).lines) < 300


@pytest.mark.parametrize(
    ("described", "word"),
    [
        ({"class_name": "ReLU"}, "ReLU"),
        ({"class_name": "function", "config": "swishy", "registered_name": "swishy"}, "swishy"),
    ],
)
def test_an_activation_given_as_a_description_is_named(lstm: LSTM, described: dict[str, Any], word: str) -> None:
    subject = Subject(lstm, Behaviour()._replace(activation=described))
    assert read_row(equations(subject), "h' =") == f"o∘{word}(c')"
    assert f"output: {word}." in text(activations(subject))


def test_the_settings_of_an_activation_are_given_below_the_equations(lstm: LSTM) -> None:
    leaky = {"class_name": "LeakyReLU", "config": {"negative_slope": 0.1}}
    subject = Subject(lstm, Behaviour()._replace(activation=leaky))
    assert read_row(equations(subject), "h' =") == "o∘LeakyReLU(c')"
    assert "output: LeakyReLU(negative_slope=0.1)." in text(activations(subject))


_PARTS = ("input", "transform", "forget", "output", "state")


@pytest.fixture
def normalized(tmp_path: Path) -> LSTM:
    """4 units on 3 inputs, without a bias, its gates normalized: a LayerNormBasicLSTMCell of TensorFlow 1."""
    scope = "rnn/layer_norm_basic_lstm_cell"
    vectors = {f"{scope}/{part}/{array}": np.ones(4, "float32") for part in _PARTS for array in ("gamma", "beta")}
    path = tmp_path / "model.ckpt"
    tensorflow_builders.write_bundle(path, {f"{scope}/kernel": builders.numbers(7, 16), **vectors})
    return only(path)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("i =", "σ(norm(x·W_i + h·U_i))"),
        ("f =", "σ(norm(x·W_f + h·U_f) + forget_bias)"),
        ("c' =", "norm(f∘c + i∘candidate)"),
    ],
)
def test_normalization_is_in_the_equations(normalized: LSTM, left: str, right: str) -> None:
    assert read_row(equations(Subject(normalized, Behaviour())), left) == right
