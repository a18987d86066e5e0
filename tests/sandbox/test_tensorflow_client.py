"""The client of the TensorFlow process, with fake packages called `tensorflow` that fail in various ways."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lstmdump.errors import MissingDependency, TensorFlowFailed
from lstmdump.sandbox.tensorflow_client import Request, TensorFlow

KERAS = """
import numpy, os
class LSTM:
    def __init__(self, units, **settings): self.units = units
    def build(self, shape): pass
    def set_weights(self, weights): self.kernel = weights[0]
    def __call__(self, x):
        if self.kernel[0, 0] < 0: os.abort()
        if self.kernel[0, 0] > 9: raise ValueError("too much\\nreally")
        print("a line on stdout")
        return x + self.kernel[0, 0], None, numpy.full((len(x), self.units), os.getpid())
class layers: LSTM = LSTM
"""
Pretend = Callable[..., None]


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Return a function that puts a `tensorflow` with the given source, and the Keras above, first on the path."""

    def call(tensorflow: str, keras: str = KERAS) -> None:
        (tmp_path / "tensorflow.py").write_text(tensorflow)
        (tmp_path / "tf_keras.py").write_text(keras)
        monkeypatch.syspath_prepend(tmp_path)

    return call


def request(number: float = 1.0) -> Request:
    arrays = {"kernel": np.full((2, 4), number), "recurrent_kernel": np.zeros((1, 4)), "bias": np.zeros(4)}
    return Request("lstm_1", "keras", 1, 0.0, "float64", np.zeros((3, 5, 2)), arrays)


def failure(timeout: float = 60) -> str:
    with TensorFlow(timeout) as tensorflow, pytest.raises((MissingDependency, TensorFlowFailed)) as caught:
        tensorflow.run(request())
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "import nothing_of_this_name",
            "MissingDependency: TensorFlow is not installed (No module named 'nothing_of_this_name'); {pip}",
        ),
        (
            "raise ImportError('libcudart.so: cannot open')",
            "MissingDependency: TensorFlow cannot be imported (ImportError: libcudart.so: cannot open); {pip}",
        ),
        (
            "import os; os._exit(3)",
            "TensorFlowFailed: TensorFlow died at startup (exit status 3); set LSTMDUMP_DEBUG=1 to see its output",
        ),
    ],
)
def test_a_tensorflow_that_cannot_be_imported_is_reported(pretend: Pretend, source: str, message: str) -> None:
    pretend(source)
    assert failure() == message.format(pip="pip install tensorflow tf-keras")


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_tensorflow_that_aborts_is_reported_with_its_signal(pretend: Pretend) -> None:
    pretend("import os; os.abort()")
    assert failure().startswith("TensorFlowFailed: TensorFlow died at startup (signal 6, SIGABRT);")


def test_a_tensorflow_that_hangs_is_killed_and_reported(pretend: Pretend) -> None:
    pretend("import time; time.sleep(600)")
    assert (
        failure(timeout=1.5) == "TensorFlowFailed: TensorFlow hung at startup for 1.5 s; --timeout gives it more time"
    )


def test_a_tensorflow_that_cannot_start_is_started_once(pretend: Pretend, tmp_path: Path) -> None:
    pretend(f"open({str(tmp_path / 'starts')!r}, 'a').write('x'); raise ImportError")
    with TensorFlow(60) as tensorflow:
        for _ in range(2):
            with pytest.raises(MissingDependency):
                tensorflow.run(request())
    assert (tmp_path / "starts").read_text() == "x"


def test_tensorflow_is_not_started_without_a_request(pretend: Pretend, tmp_path: Path) -> None:
    pretend(f"open({str(tmp_path / 'started')!r}, 'w')")
    with TensorFlow(60):
        pass
    assert not (tmp_path / "started").exists()


def test_output_of_tensorflow_does_not_mix_with_answers(pretend: Pretend) -> None:
    pretend("__version__ = '0'; print('hello')")
    with TensorFlow(60) as tensorflow:
        answer = tensorflow.run(request(2.0))
    assert (answer.h == 2.0).all()


def test_one_process_answers_all_requests(pretend: Pretend) -> None:
    pretend("__version__ = '0'")
    with TensorFlow(60) as tensorflow:
        processes = {tensorflow.run(request(k)).c[0, 0] for k in (1.0, 2.0, 3.0)}
    assert len(processes) == 1


def test_an_error_of_tensorflow_is_reported_in_one_line_and_the_next_request_is_answered(pretend: Pretend) -> None:
    pretend("__version__ = '0'")
    with TensorFlow(60) as tensorflow:
        with pytest.raises(TensorFlowFailed, match=r"^TensorFlow rejects lstm_1: ValueError: too much$"):
            tensorflow.run(request(10.0))
        assert (tensorflow.run(request(2.0)).h == 2.0).all()


def test_a_process_that_dies_at_a_layer_is_replaced(pretend: Pretend) -> None:
    pretend("__version__ = '0'")
    with TensorFlow(60) as tensorflow:
        with pytest.raises(TensorFlowFailed, match=r"^TensorFlow died at lstm_1 \("):
            tensorflow.run(request(-1.0))
        assert (tensorflow.run(request(2.0)).h == 2.0).all()


def test_a_module_in_the_current_directory_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorflow.py", "numpy.py", "sys.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w'); raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    with TensorFlow(0.7) as tensorflow, pytest.raises((MissingDependency, TensorFlowFailed)):
        tensorflow.run(request())
    assert not (tmp_path / "ran").exists()
