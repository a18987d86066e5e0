"""The slices that are told, evaluated on the stored arrays: they must give what the gates give."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from support import builders

import lstmdump
from lstmdump.lstm import GATES, LSTM
from lstmdump.lstm.find import list_layouts
from lstmdump.lstm.gate_layouts import TWO_KERNELS, Framework
from lstmdump.lstm.slices import stored_blocks
from lstmdump.lstm.tf1_cells import OWN_GATE_ARRAYS, TF1_CELL

TESTS = Path(__file__).parents[1]
SAMPLES = TESTS.parent / "sample_models"
MANIFEST = json.loads((TESTS / "genuine" / "manifest.json").read_text("utf-8"))
FILES = [
    *(TESTS / "genuine" / row["file"] for row in MANIFEST if row["layers"]),
    *(SAMPLES / name for name in json.loads((SAMPLES / "samples.json").read_text("utf-8"))),
    TESTS / "cases" / "split_cell" / "model.index",
    TESTS / "readers" / "onnx" / "files" / "torch-2.13-cell_unrolled.onnx",
    *(TESTS / "readers" / "tflite" / "models" / f"{name}.tflite" for name in ("fused", "loop-state", "toco-static3")),
]


@contextlib.contextmanager
def lstms(path: Path) -> Iterator[tuple[LSTM, ...]]:
    with lstmdump.open(path) as model:
        yield model.lstms


def evaluated(lstm: LSTM, letter: str, array: str) -> list[np.ndarray]:
    """The blocks of one array of a gate, each as its text says, out of the arrays as they are stored."""
    stored = {weight.name: weight.tensor.read() for weight in lstm.weights if weight.name.isidentifier()}
    return [eval(str(block), {}, stored) for block in stored_blocks(lstm, letter)[array]]  # noqa: S307 - our own text


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS.parent)))
def test_a_slice_as_text_gives_the_numbers_of_the_gate(path: Path) -> None:
    with lstms(path) as found:
        for lstm, letter, array in product(found, GATES, "WUbV"):
            told, tensor = evaluated(lstm, letter, array), getattr(lstm.gates[letter], array)
            assert np.array_equal(sum(told, np.float16(0)), np.float16(0) if tensor is None else tensor.read())


def test_every_layout_is_among_the_files() -> None:
    seen = set()
    for path in FILES:
        with lstms(path) as found:
            seen |= {(lstm.layout, lstm.peepholes, lstm.projection is not None, lstm.use_bias) for lstm in found}
    assert {one[0] for one in seen} == set(list_layouts(get_args(Framework))) - {
        OWN_GATE_ARRAYS
    }  # which has nothing to slice
    assert {(TF1_CELL, True), (TWO_KERNELS, False)} <= {one[:2] for one in seen}
    assert any(projected for _, _, projected, _ in seen)
    assert any(not with_bias for *_, with_bias in seen)


@pytest.mark.parametrize(
    ("sample", "letter", "array", "told"),
    [
        ("tf-1.12-basic-lstm-cell", "c", "W", "kernel[:12, 64:128]"),
        ("tf-1.12-basic-lstm-cell", "c", "U", "kernel[12:, 64:128]"),
        ("tf-1.12-basic-lstm-cell", "f", "b", "bias[128:192]"),
        ("keras-2.2.0-weather.h5", "f", "W", "kernel[:, 6:12]"),
        ("keras-1.2.2-weather.h5", "f", "U", "U_f"),
    ],
)
def test_a_slice_is_written_as_in_numpy(sample: str, letter: str, array: str, told: str) -> None:
    with lstms(SAMPLES / sample) as (lstm,):
        assert [str(block) for block in stored_blocks(lstm, letter)[array]] == [told]


@pytest.fixture
def cudnn(tmp_path: Path) -> Path:
    weights = [*builders.keras_2_weights("rnn", 3, 6)[:2], ("rnn/bias:0", builders.numbers(48))]
    return builders.write(tmp_path / "cudnn.h5", {"rnn": weights})


@pytest.mark.parametrize(
    ("array", "told"),
    [
        ("W", ["kernel[:, 6:12].reshape(6, 3).T"]),
        ("U", ["recurrent_kernel[:, 6:12].T"]),
        ("b", ["bias[6:12]", "bias[30:36]"]),
    ],
)
def test_cudnn_blocks_are_transposed_and_there_are_two_biases(cudnn: Path, array: str, told: list[str]) -> None:
    with lstms(cudnn) as (lstm,):
        assert [str(block) for block in stored_blocks(lstm, "f")[array]] == told


def test_peepholes_of_keras_have_their_own_arrays(tmp_path: Path) -> None:
    peepholes = [(f"l/{word}_gate_peephole_weights:0", builders.numbers(4)) for word in ("input", "forget", "output")]
    path = builders.write(tmp_path / "p.h5", {"l": [*builders.keras_2_weights("l"), *peepholes]})
    with lstms(path) as (lstm,):
        assert [str(block) for block in stored_blocks(lstm, "o")["V"]] == ["output_gate_peephole_weights"]


def test_the_candidate_has_no_peephole(tmp_path: Path) -> None:
    with lstms(builders.one_lstm(tmp_path / "a.h5")) as (lstm,):
        assert stored_blocks(lstm, "c")["V"] == []
