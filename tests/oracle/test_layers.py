"""Compare every kind of layer that stands around an LSTM with Keras 3 and tf_keras: outputs and derivatives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import lstmdump
from lstmdump.model.network import NetworkTensor
from lstmdump.replay.layers.base import Signal
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks import propagation
from lstmdump.replay.networks import reading as whole_network

fcntl = pytest.importorskip("fcntl", reason="not on Windows")
pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
FAMILIES = sorted(path.stem for path in (HERE / "layer_models").glob("[a-z]*.py"))


def load_cases() -> list[str]:
    sys.path.insert(0, str(HERE.parent))
    try:
        return [name for family in FAMILIES for name in import_module(f"oracle.layer_models.{family}").CASES]
    finally:
        sys.path.remove(str(HERE.parent))


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the models of one framework, which the first of several processes writes for all."""
    pytest.importorskip("tf_keras", reason="needs the extra `oracle`")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    out = shared / request.param
    with lock(shared / f"{request.param}.lock"):
        if not out.exists():
            write(request.param, shared / f"{request.param}.part").rename(out)
    return out


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock `path`, and hold it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write(framework: str, directory: Path) -> Path:
    directory.mkdir()
    done = subprocess.run(
        [sys.executable, HERE / "write_layers.py", framework, directory], capture_output=True, text=True, check=False,
        timeout=1500, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return directory


@pytest.mark.parametrize("case", load_cases())
def test_outputs_and_derivatives_are_those_of_keras(written: Path, case: str) -> None:
    path = written / f"{case}.keras"
    if not path.exists():
        pytest.skip(f"{written.name} has no such layer")
    recorded = np.load(written / f"{case}.npz")
    with lstmdump.open(path) as opened:
        described = opened.model.network()
        assert described is not None
        targets = [output.tensor for output in described.outputs]
        network = whole_network.read(opened, described, targets, RunOptions(dtype="float64"))
    given = {one.name: Signal(recorded[f"x/{number}"]) for number, one in enumerate(described.inputs)}
    tape = propagation.forward(network, given, keep=True)
    for number, target in enumerate(targets):
        np.testing.assert_allclose(tape[target].values, recorded[f"y/{number}"], rtol=1e-9, atol=1e-9)
    seeds: dict[NetworkTensor, np.ndarray] = {}
    for number, target in enumerate(targets):
        seeds[target] = seeds.get(target, 0) + recorded[f"v/{number}"]
    wanted = [(number, one.tensor) for number, one in enumerate(described.inputs) if f"g/{number}" in recorded]
    found = propagation.backward(network, tape, seeds, [tensor for _, tensor in wanted])
    for number, tensor in wanted:
        truth = recorded[f"g/{number}"]
        gradient = found[tensor]
        np.testing.assert_allclose(np.zeros_like(truth) if gradient is None else gradient, truth, rtol=1e-8, atol=1e-8)
