"""The explanation of layers of PyTorch, whose arrays are those of Keras turned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lstmdump
from lstmdump.lstm import behaviour
from lstmdump.report.explain import explanation
from lstmdump.report.explain.arrays import columns, parameters, rows, slices
from lstmdump.report.explain.other_frameworks import elsewhere, forget_bias
from lstmdump.report.explain.section import Section, Subject
from lstmdump.report.explain.time_steps import direction, states
from lstmdump.report.facts import describe
from lstmdump.report.render.table import table

ROOT = Path(__file__).parents[3]
PROJECTED = ROOT / "tests" / "genuine" / "torch-2.13.0-netproj.pt"  # 6 units on 4 inputs, projected to 3
CELL = ROOT / "tests" / "genuine" / "torch-2.13.0-deep.safetensors"  # its last layer is an LSTMCell
BOTH = ROOT / "sample_models" / "torch-2.13-bidirectional.pt"


def subject(path: Path, place: int = 0, width: int = 120) -> Subject:
    with lstmdump.open(path) as model:
        lstm = model.lstms[place]
        return Subject(lstm, behaviour.of(lstm, model.producer), width=width)


def text(section: Section | None) -> str:
    assert section is not None
    return "\n".join([section.title, *(line.text for line in section.lines)])


def cells(section: Section) -> list[list[str]]:
    return [re.split(r" {3,}", line.text.strip()) for line in section.lines if line.is_row]


def test_rows_are_units_and_columns_are_inputs() -> None:
    assert rows(subject(PROJECTED)).title == "Why 4·6 = 24 rows?"
    assert 'weight_ih (W, "wx") is multiplied by x and has a column for each of its numbers, 4' in text(
        columns(subject(PROJECTED))
    )


def test_each_gate_has_its_rows() -> None:
    assert cells(slices(subject(PROJECTED)))[:5] == [
        ["W (4, 6)", "U (3, 6)", "b (6,)"],
        ["i", "weight_ih[0:6].T", "weight_hh[0:6].T", "bias_ih[0:6] + bias_hh[0:6]"],
        ["f", "weight_ih[6:12].T", "weight_hh[6:12].T", "bias_ih[6:12] + bias_hh[6:12]"],
        ["c", "weight_ih[12:18].T", "weight_hh[12:18].T", "bias_ih[12:18] + bias_hh[12:18]"],
        ["o", "weight_ih[18:24].T", "weight_hh[18:24].T", "bias_ih[18:24] + bias_hh[18:24]"],
    ]


def test_the_projection_is_the_transpose_of_what_is_stored() -> None:
    assert "P (6, 3) is weight_hr.T." in text(slices(subject(PROJECTED)))


def test_the_names_in_the_file_have_the_number_of_the_layer() -> None:
    assert ["weight_ih", "encoder.weight_ih_l0"] in cells(slices(subject(PROJECTED)))


def test_both_biases_are_counted() -> None:
    assert cells(parameters(subject(PROJECTED))) == [
        ["W of one gate", "4·6", "24"], ["U of one gate", "3·6", "18"], ["b of one gate", "2·6", "12"],
        ["one gate", "54"], ["four gates", "4·54", "216"], ["projection", "6·3", "18"], ["together", "234"],
    ]  # fmt: skip


def test_nothing_is_added_to_the_forget_bias() -> None:
    assert (
        text(forget_bias(subject(PROJECTED)))
        .splitlines()[1]
        .startswith("In the stored b_f, bias_ih[6:12] + bias_hh[6:12]. PyTorch initializes both biases around 0")
    )


def test_other_frameworks_are_compared_in_80_columns() -> None:
    section = elsewhere(subject(PROJECTED))
    assert cells(section)[0] == ["PyTorch", "Keras 2 and 3", "TensorFlow 1"]
    assert ["W of all gates", "(24, 4)", "(4, 24)", "(7, 24)"] in cells(section)
    assert max(len(line.text) for line in section.lines) + 4 <= 80


@pytest.mark.parametrize(
    ("path", "place", "words"),
    [
        (BOTH, 0, "nn.LSTM returns output, (h_n, c_n)"),
        (CELL, 3, "nn.LSTMCell computes one step and returns (h', c')"),
    ],
)
def test_what_a_call_returns_is_that_of_pytorch(path: Path, place: int, words: str) -> None:
    assert words in text(states(subject(path, place)))


def test_the_direction_is_that_of_the_name() -> None:
    assert "the backward half from the last to the first" in text(direction(subject(BOTH, 1)))
    assert direction(subject(PROJECTED)) is None


def test_nothing_is_assumed_of_a_layer_of_nn_lstm() -> None:
    with lstmdump.open(BOTH) as model:
        assert "What is assumed?" not in explanation(model.lstms, model.producer, width=80, colour=False)


def test_the_table_lists_the_rows_of_each_gate() -> None:
    with lstmdump.open(PROJECTED) as model:
        shown = table(describe(model), width=80, colour=False, with_others=False)
    assert "  rows             i 0:6 · f 6:12 · c 12:18 · o 18:24\n" in shown
    assert "4·((4+3)·6 + 2·6) + 6·3 = 234" in shown
