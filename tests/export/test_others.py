"""`export --all`: the arrays of a model that are not those of LSTM layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders

Run = Callable[..., Any]
D, M = 3, 4
KERNEL = builders.numbers(M, 2, seed=1)
CONVOLUTION = builders.numbers(5, M, 6, seed=2)  # 5 steps, 4 channels in, 6 out
GAMMA = builders.numbers(M, seed=3)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    layers = {
        "lstm": builders.keras_2_weights("lstm", D, M),
        "dense": [("dense/kernel:0", KERNEL), ("dense/bias:0", builders.numbers(2))],
        "conv1d": [("conv1d/kernel:0", CONVOLUTION)],
        "norm": [("norm/gamma:0", GAMMA), ("norm/moving_mean:0", GAMMA)],
    }
    return builders.write(tmp_path / "model.h5", layers)


def export(run: Run, model: Path, *options: object) -> dict[str, np.ndarray]:
    out = model.with_suffix(".npz")
    outcome = run("export", model, "--all", "-o", out, "-f", *options)
    assert outcome.status == 0, outcome.err
    with np.load(out) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_other_arrays_are_written_as_they_are_stored(run: Run, model: Path) -> None:
    found = export(run, model)
    np.testing.assert_array_equal(found["dense/kernel"], KERNEL)
    np.testing.assert_array_equal(found["conv1d/kernel"], CONVOLUTION)
    assert "lstm/W_i" in found


def test_for_pytorch_a_dense_layer_is_a_linear(run: Run, model: Path) -> None:
    found = export(run, model, "--layout", "pytorch", "--force-layout")
    np.testing.assert_array_equal(found["dense.weight"], KERNEL.T)
    assert found["dense.bias"].shape == (2,)


def test_for_pytorch_a_convolution_has_its_steps_last(run: Run, model: Path) -> None:
    found = export(run, model, "--layout", "pytorch", "--force-layout")
    np.testing.assert_array_equal(found["conv1d.weight"], CONVOLUTION.transpose(2, 1, 0))


def test_for_pytorch_a_normalization_has_its_names(run: Run, model: Path) -> None:
    found = export(run, model, "--layout", "pytorch", "--force-layout")
    np.testing.assert_array_equal(found["norm.weight"], GAMMA)
    assert "norm.running_mean" in found


def test_a_gru_stays_as_it_is(run: Run, tmp_path: Path) -> None:
    kernel = builders.numbers(D, 3 * M)
    gru = [("gru/kernel:0", kernel), ("gru/recurrent_kernel:0", builders.numbers(M, 3 * M))]
    model = builders.write(tmp_path / "a.h5", {"lstm": builders.keras_2_weights("lstm", D, M), "gru": gru})
    found = export(run, model, "--layout", "pytorch", "--force-layout")
    np.testing.assert_array_equal(found["gru.kernel"], kernel)


@pytest.mark.parametrize("options", [["-l", "lstm"], ["--layout", "c", "-o", "x.h"]])
def test_all_goes_with_whole_models_and_arrays(options: list[str], run: Run, model: Path) -> None:
    outcome = run("export", model, "--all", *options)
    assert outcome.status == 2
    assert "--all writes all arrays of a model" in outcome.err


@pytest.mark.parametrize("layout", ["gates", "keras", "c"])
def test_check_needs_a_runtime(layout: str, run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("export", model, "--check", "--layout", layout, "-o", tmp_path / "out.npz")
    assert outcome.status == 2
    assert "--check goes with --layout onnx or pytorch" in outcome.err
