from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import builders

import lstmdump
from lstmdump.lstm import GATES, LSTM
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.lstm.slices import stored_blocks
from lstmdump.report.explain import explanation
from lstmdump.report.explain.arrays import columns, parameters, rows, slices
from lstmdump.report.explain.section import Section, Subject

ROOT = Path(__file__).parents[3]
GENUINE = ROOT / "tests" / "genuine"
SAMPLES = ROOT / "sample_models"
TF1 = SAMPLES / "tf-1.12-basic-lstm-cell"
KERAS_1 = SAMPLES / "keras-1.2.2-weather.h5"
KERAS_2 = SAMPLES / "keras-2.2.0-weather.h5"
PROJECTED = GENUINE / "keras-2.12.0-tf1_ckpt-lstm_peephole_proj"  # 6 units on 5 inputs, projected to 4
CUDNN = GENUINE / "keras-2.3.1-tf1.15.5-py36-cudnn_bidirectional.model.h5"  # 4 units on 5 inputs


def subject(path: Path, *, in_letters: bool = False, width: int = 80) -> Subject:
    with lstmdump.open(path) as model:
        return Subject(model.lstms[0], Behaviour(), in_letters, width)


def text(section: Section) -> str:
    return "\n".join([section.title, *(line.text for line in section.lines)])


def cells(section: Section) -> list[list[str]]:
    return [re.split(r" {3,}", line.text.strip()) for line in section.lines if line.is_row]


def test_a_fused_kernel_has_a_row_for_each_number_of_x_and_h() -> None:
    assert rows(subject(TF1)).title == "Why does the kernel have 12+64 = 76 rows?"


def test_a_projection_makes_h_narrower() -> None:
    words = text(rows(subject(PROJECTED)))
    assert "5+4 = 9 rows" in words
    assert "The projection reduces the 6 units to an h of 4 numbers." in words


def test_the_rows_of_two_kernels_are_explained_separately() -> None:
    words = text(rows(subject(KERAS_2)))
    assert words.startswith('Why two kernels, and why these rows?\nkernel (W, "wx") is multiplied by x and has a row')
    assert 'numbers, 3; recurrent_kernel (U, "ux") is multiplied by h and has 6.' in words


def test_the_twelve_arrays_of_keras_1_are_explained() -> None:
    assert rows(subject(KERAS_1)).title == "Why twelve arrays?"


@pytest.mark.parametrize(("path", "why"), [(TF1, "Why 4·64 = 256 columns?"), (KERAS_1, "Why 6 columns?")])
def test_the_number_of_columns_is_explained(path: Path, why: str) -> None:
    assert columns(subject(path)).title == why


@pytest.mark.parametrize(
    ("path", "shape"), [(TF1, ": (256,)."), (CUDNN, "two numbers for each column, one for x and one for h: (32,).")]
)
def test_the_bias_is_explained_with_the_columns(path: Path, shape: str) -> None:
    assert text(columns(subject(path))).endswith(shape)


def test_a_bias_is_not_mentioned_for_a_layer_without_one() -> None:
    assert "bias" not in text(columns(subject(GENUINE / "keras-2.12.0-full-nobias.h5")))


def test_sizes_can_be_given_as_letters() -> None:
    assert rows(subject(TF1, in_letters=True)).title == "Why does the kernel have d+m rows?"
    assert columns(subject(TF1, in_letters=True)).title == "Why 4·m columns?"


def test_a_projection_is_p_in_letters() -> None:
    assert rows(subject(PROJECTED, in_letters=True)).title == "Why does the kernel have d+p rows?"


@pytest.mark.parametrize("path", [TF1, KERAS_1, KERAS_2, PROJECTED], ids=lambda path: path.name)
def test_the_table_of_slices_holds_the_blocks_of_each_gate(path: Path) -> None:
    on = subject(path)
    table = cells(slices(on))[1 : 1 + len(GATES)]
    expected = [
        [letter, *(str(blocks[0]) for blocks in stored_blocks(on.lstm, letter).values() if blocks)]
        for letter in on.lstm.gate_order
    ]
    assert table == expected


def test_slices_of_the_weather_model() -> None:
    assert ["f", "kernel[:, 6:12]", "recurrent_kernel[:, 6:12]", "bias[6:12]"] in cells(slices(subject(KERAS_2)))


def test_keras_1_has_no_slices() -> None:
    assert slices(subject(KERAS_1)).lines[0].text.startswith("None: each gate has its own arrays")


def test_each_column_of_slices_has_the_shape_of_a_gates_array() -> None:
    assert cells(slices(subject(KERAS_2)))[0] == ["W (3, 6)", "U (6, 6)", "b (6,)"]


@pytest.mark.parametrize("letter", GATES)
def test_slices_too_wide_for_the_page_are_listed(letter: str) -> None:
    on = subject(CUDNN)
    listed = dict(cells(slices(on)))
    assert listed[f"W_{letter}"] == str(stored_blocks(on.lstm, letter)["W"][0])
    assert listed[f"b_{letter}"] == " + ".join(map(str, stored_blocks(on.lstm, letter)["b"]))


@pytest.mark.parametrize("path", [TF1, KERAS_1, KERAS_2, PROJECTED, CUDNN], ids=lambda path: path.name)
def test_slices_fit_80_columns(path: Path) -> None:
    assert max(len(line.text) for line in slices(subject(path)).lines if line.is_row) <= 80 - 4


def test_the_projection_is_named() -> None:
    assert "P (6, 4) is projection/kernel." in text(slices(subject(PROJECTED)))


def test_other_names_in_the_file_are_listed() -> None:
    assert ["kernel", "layers/lstm/cell/vars/0"] in cells(slices(subject(SAMPLES / "keras-3.15-func30.keras")))


def test_equal_names_in_the_file_are_not_listed() -> None:
    assert "Their names in the file" not in text(slices(subject(KERAS_1)))


def test_the_count_of_64_units_on_12_inputs() -> None:
    assert cells(parameters(subject(TF1))) == [
        ["W of one gate", "12·64", "768"],
        ["U of one gate", "64·64", "4,096"],
        ["b of one gate", "64"],
        ["one gate", "4,928"],
        ["four gates", "4·4,928", "19,712"],
    ]


@pytest.mark.parametrize("path", [*sorted(GENUINE.glob("*.h5")), PROJECTED, TF1], ids=lambda path: path.name)
def test_the_steps_add_up_to_the_count(path: Path) -> None:
    with lstmdump.open(path) as model:
        for lstm in model.lstms:
            last = cells(parameters(Subject(lstm, Behaviour())))[-1][-1]
            assert last == f"{lstm.parameters:,}"


def test_control_characters_in_the_name_of_an_array_are_escaped(tmp_path: Path) -> None:
    lstm: LSTM = subject(builders.one_lstm(tmp_path / "a.h5")).lstm
    weight = lstm.weights[0]
    weight.tensor.name = "\x1b[31m"
    assert "\x1b" not in text(slices(Subject(lstm, Behaviour())))


@pytest.mark.parametrize(
    ("name", "title", "line"),
    [
        ("fused", "Why an array for each gate?", "f   input_to_forget.T   recurrent_to_forget.T   forget_gate_bias"),
        ("loop-state", "Why 4·6 = 24 rows?", "f   input_weights[6:12].T    recurrent_weights[6:12].T    bias[6:12]"),
        ("toco-static3", "Why 4·6 = 24 rows?", "f   weights[12:18, 0:4].T   weights[12:18, 4:10].T   bias[12:18]"),
    ],
)
def test_arrays_of_tensorflow_lite_are_explained_by_their_rows(name: str, title: str, line: str) -> None:
    path = ROOT / "tests" / "readers" / "tflite" / "models" / f"{name}.tflite"
    with lstmdump.open(path) as model:
        text = explanation(model.lstms, model.producer, width=80, colour=False)
    assert title in text.splitlines()
    assert line in [one.strip() for one in text.splitlines()]
