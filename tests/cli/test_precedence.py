"""Of several reasons why something cannot be done, the one that nothing mends comes first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tensorflow_builders

Run = Callable[..., Any]


@pytest.fixture
def without_data(tmp_path: Path) -> Path:
    """A checkpoint of a TensorFlow 1 cell without graph, so without forget bias, whose data file is missing."""
    prefix = tmp_path / "f32"
    arrays = {"kernel": np.zeros((7, 16), "float32"), "bias": np.zeros(16, "float32")}
    tensorflow_builders.write_bundle(prefix, {f"rnn/basic_lstm_cell/{name}": value for name, value in arrays.items()})
    (tmp_path / "f32.data-00000-of-00001").unlink()
    return prefix


@pytest.mark.parametrize("width", [3, 5])
@pytest.mark.parametrize("command", [["trace", "-o", "OUT"], ["lags"]])
def test_missing_data_comes_before_options_and_inputs(
    command: list[str], width: int, run: Run, without_data: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((9, width), "float32"))
    words = [str(tmp_path / "out.npz") if word == "OUT" else word for word in command]
    outcome = run(*words, without_data, "-i", tmp_path / "x.npy")
    assert (outcome.status, outcome.out) == (2, "")
    assert "f32.data-00000-of-00001" in outcome.err
    assert "--forget-bias" not in outcome.err


def test_missing_data_comes_before_the_bias_to_fold(run: Run, without_data: Path, tmp_path: Path) -> None:
    outcome = run("export", without_data, "-o", tmp_path / "out.npz", "--fold-forget-bias")
    assert (outcome.status, "f32.data-00000-of-00001" in outcome.err) == (2, True)
    assert "folded" not in outcome.err


def test_with_its_data_the_forget_bias_is_asked_for(run: Run, tmp_path: Path) -> None:
    arrays = {"kernel": np.zeros((7, 16), "float32"), "bias": np.zeros(16, "float32")}
    tensorflow_builders.write_bundle(
        tmp_path / "m", {f"rnn/basic_lstm_cell/{name}": value for name, value in arrays.items()}
    )
    assert "give it with --forget-bias N" in run("lags", tmp_path / "m").err
