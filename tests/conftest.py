"""Fixtures that several test modules share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support import builders
from support.tensorflow_builders import meta_graph, split_cell, variable, write_bundle

from lstmdump import cli
from lstmdump.sandbox import fork

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """The exit status and output of a command."""

    status: int
    out: str
    err: str


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the files in tests/golden")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Return a function that reads a golden file; with `--update-golden`, it writes the given text there first."""

    def text_of(name: str, made: str) -> str:
        path = ROOT / "tests" / "golden" / name
        if request.config.getoption("--update-golden"):
            path.write_text(made, "utf-8")
        return path.read_text("utf-8")

    return text_of


@pytest.fixture
def root() -> Path:
    """The top directory of the project."""
    return ROOT


@pytest.fixture
def samples() -> Path:
    """The directory of sample models."""
    return ROOT / "sample_models"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A Keras 2 model with an LSTM of 4 units on 3 inputs and a Dense layer: 128 + 5 parameters."""
    return builders.one_lstm(tmp_path / "model.h5")


@pytest.fixture
def projected(tmp_path: Path) -> Path:
    """A TensorFlow 1 cell of 4 units on 3 inputs, with a projection to 2 outputs whose elements are all 0.5."""
    scope, d, m, p = "rnn/lstm_cell", 3, 4, 2
    tensors = {f"{scope}/kernel": builders.numbers(d + p, 4 * m), f"{scope}/bias": np.zeros(4 * m, "f4"),
               f"{scope}/projection/kernel": np.full((m, p), 0.5, "f4")}  # fmt: skip
    path = write_bundle(tmp_path / "x", tensors)
    graph = variable(f"{scope}/kernel", (d + p, 4 * m)) + variable(f"{scope}/bias", (4 * m,)) + split_cell(scope, 1.0)
    path.with_name("x.meta").write_bytes(meta_graph(graph=graph))
    return path


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Return a function that runs the command line in this process."""
    for name in ("NO_COLOR", "FORCE_COLOR", "LSTMDUMP_DEBUG", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: object) -> Outcome:
        capfdbinary.readouterr()
        status = cli.run([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return Outcome(status, out.decode(), err.decode())

    return call


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the command line in a new process."""

    def call(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lstmdump", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)  # type: ignore[call-overload]

    return call


@pytest.fixture(autouse=True)
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow forking as on the command line, although earlier tests have left foreign threads running."""
    monkeypatch.setattr("lstmdump.sandbox.worker.can_fork", lambda: fork.HAS_FORK)
