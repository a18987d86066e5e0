"""Compare graphs that TensorFlow 2 froze, whose variables have no names, with the live layers of both Keras."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lstmdump

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
CASES = ("plain", "both", "cells", "unrolled", "others")


@pytest.fixture(scope="session")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tensorflow", reason="needs the extra `oracle`")
    out = tmp_path_factory.mktemp(request.param)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, str(HERE / "write_frozen.py"), request.param, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def in_one(lstm: lstmdump.LSTM) -> tuple[bytes, ...]:
    return tuple(np.ascontiguousarray(weight.tensor.read()).tobytes() for weight in lstm.weights)


@pytest.mark.parametrize("written", ["keras", "tf_keras"], indirect=True, scope="session")
@pytest.mark.parametrize("lowered", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_layers_of_a_frozen_graph_are_the_live_ones(written: Path, case: str, lowered: bool) -> None:
    live: dict[str, dict[str, np.ndarray]] = {}
    for key, value in np.load(written / f"{case}.npz").items():
        place, _, name = key.partition("|")
        live.setdefault(place, {})[name] = value
    with lstmdump.open(written / f"{case}-{lowered}.pb") as model:
        ours = sorted(in_one(lstm) for lstm in model.lstms)
    assert ours == sorted(tuple(array.tobytes() for array in cell.values()) for cell in live.values())
