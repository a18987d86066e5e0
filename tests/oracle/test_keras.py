"""Compare the readers with the live layers of Keras 3 and of Keras 2, which write the files in separate processes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lstmdump
from lstmdump.replay import equations
from lstmdump.report import record
from lstmdump.report.check import compare_with_record
from lstmdump.report.facts import describe

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
CASES = ("one", "square", "without_bias", "float16", "bfloat16", "bidirectional", "cell", "cells", "nested", "shared",
         "frozen", "distributed", "compiled", "others")  # fmt: skip
NAMES = {
    "bidirectional": ["both/forward_read", "both/backward_read"],
    "cell": ["rnn"],
    "cells": ["rnn/first", "rnn/second"],
    "nested": ["middle/in/deep", "middle/mid", "out"],
    "shared": ["shared"],
    "frozen": ["inner/frozen", "inner/free"],
    "distributed": ["each/bidirectional/forward_lstm", "each/bidirectional/backward_lstm", "over"],
    "others": ["only"],
}


def python(*arguments: object) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="session")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tensorflow", reason="needs the extra `oracle`")
    out = tmp_path_factory.mktemp(request.param)
    python(HERE / "write_models.py", request.param, out)
    return out


def suffixes(*pairs: tuple[str, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("written", "suffix"), pairs, indirect=["written"], scope="session")


WHOLE = [(keras, suffix) for keras in ("keras", "tf_keras") for suffix in (".h5", ".keras")]
ALONE = [("keras", ".weights.h5"), ("keras", ".weights.json"), ("tf_keras", ".weights.h5")]
both_keras = pytest.mark.parametrize("written", ["keras", "tf_keras"], indirect=True, scope="session")


@suffixes(*WHOLE, *ALONE)
@pytest.mark.parametrize("case", CASES)
def test_every_gate_has_the_numbers_of_the_live_layer(written: Path, suffix: str, case: str) -> None:
    live = np.load(written / f"{case}.npz")
    with lstmdump.open(written / f"{case}{suffix}") as model:
        assert len(model.lstms) == len({key.partition("|")[0] for key in live.files if "|" in key})
        for k, lstm in enumerate(model.lstms):
            for place, letter in enumerate("ifco"):
                columns = slice(place * lstm.units, (place + 1) * lstm.units)
                gate = lstm.gates[letter]
                np.testing.assert_array_equal(gate.W.read().astype("f4"), live[f"{k}|kernel"][:, columns])
                np.testing.assert_array_equal(gate.U.read().astype("f4"), live[f"{k}|recurrent_kernel"][:, columns])
                assert (gate.b is None) == (f"{k}|bias" not in live.files)
                if gate.b is not None:
                    np.testing.assert_array_equal(gate.b.read().astype("f4"), live[f"{k}|bias"][columns])


@suffixes(*WHOLE, *ALONE)
@pytest.mark.parametrize("case", CASES)
def test_the_total_is_that_of_the_live_model(written: Path, suffix: str, case: str) -> None:
    with lstmdump.open(written / f"{case}{suffix}") as model:
        assert model.model.parameters == np.load(written / f"{case}.npz")["total"]


@suffixes(*WHOLE, *ALONE[:2])  # tf_keras stores no names in files of weights
@pytest.mark.parametrize("case", NAMES)
def test_layers_have_the_names_they_were_given(written: Path, suffix: str, case: str) -> None:
    with lstmdump.open(written / f"{case}{suffix}") as model:
        assert [lstm.name for lstm in model.lstms] == NAMES[case]


@both_keras
@pytest.mark.parametrize("case", CASES)
def test_each_format_passes_against_the_record_of_any_other(written: Path, case: str) -> None:
    endings = [".h5", ".keras"]
    if (written / f"{case}.weights.json").is_file():  # of Keras 3, which stores names in files of weights
        endings += [".weights.h5", ".weights.json"]
    reports = []
    for ending in endings:
        with lstmdump.open(written / f"{case}{ending}") as model:
            reports.append(describe(model))
    for one, other in itertools.permutations(reports, 2):
        (before,) = record.parse(record.line(record.of(one)))
        assert list(compare_with_record(other, before)) == []


@both_keras
@pytest.mark.parametrize("case", ["one", "square", "without_bias"])
def test_the_gates_give_the_outputs_of_the_live_model(written: Path, case: str) -> None:
    live = np.load(written / f"{case}.npz")
    with lstmdump.open(written / f"{case}.h5") as model:
        states = equations.replay(equations.read(model.lstms[0]), live["x"])
    np.testing.assert_allclose(states.h, live["y"], atol=1e-5)


def test_cudnn_blocks_are_transposed_as_in_tensorflow(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra `oracle`")
    path = HERE / "tf.keras-2.8.4-cudnn.h5"
    python(HERE / "convert_cudnn.py", path, tmp_path / "live.npz")
    live = np.load(tmp_path / "live.npz")
    with lstmdump.open(path) as model:
        gates = model.lstms[0].gates
        for leaf, array in (("kernel", "W"), ("recurrent_kernel", "U"), ("bias", "b")):
            ours = np.concatenate([getattr(gates[letter], array).read() for letter in "ifco"], axis=-1)
            np.testing.assert_array_equal(ours, live[leaf])
