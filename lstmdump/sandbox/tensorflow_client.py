"""Client of the process that runs TensorFlow's cells; reports when TensorFlow is missing, dies or hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from lstmdump.errors import LstmdumpError, MissingDependency, TensorFlowFailed
from lstmdump.model.tensor import Array
from lstmdump.sandbox import tensorflow_messages
from lstmdump.sandbox.fork import ending
from lstmdump.sandbox.tensorflow_messages import ArrayMessage

# The child searches the same paths for modules as its parent. `python -m` would search the current directory first,
# which may hold a `tensorflow.py` next to somebody's models.
_BOOTSTRAP = "import sys; sys.path[:] = sys.argv[1:]; from lstmdump.sandbox.tensorflow_server import main; main()"
_PIP_LINE = "pip install tensorflow tf-keras"
_SETTINGS = {
    "TF_USE_LEGACY_KERAS": "1",  # the cells of TensorFlow 1 are in Keras 2 only
    "CUDA_VISIBLE_DEVICES": "-1",  # a GPU may round float32 to 10 bits
    "TF_ENABLE_ONEDNN_OPTS": "0",  # the same rounding on every machine
}


@dataclass(frozen=True)
class Request:
    """A cell to run on an input.

    Attributes:
        layer: The name of the layer, for messages.
        cell: A key of `tensorflow_server.CELLS`.
        units: The number of units, m.
        forget_bias: The constant that the cell adds to b_f.
        dtype: The dtype of all arrays.
        x: The input, `(batch, length, d)`.
        arrays: The stored arrays of the cell, by the names that its class gives them; for the cell `gates` those of
            each gate, `W_i`, `U_i`, `b_i`, `V_i` and so on, and `P`.
    """

    layer: str
    cell: str
    units: int
    forget_bias: float
    dtype: str
    x: Array
    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class Answer:
    """The result of a request.

    Attributes:
        cell: TensorFlow's name of what was run.
        h: The outputs of all steps, `(batch, length, h)`.
        c: The last cell state, `(batch, m)`.
    """

    cell: str
    h: Array
    c: Array


class TensorFlow:
    """A process that runs TensorFlow's cells, started by the first request. Use it as a context manager.

    A process that has died is replaced for the next request. If one could not be started, no other is tried.

    Args:
        timeout: Seconds that the process has to start, and again for each cell.
        verbose: Whether the output of the process appears on stderr.
    """

    def __init__(self, timeout: float, *, verbose: bool = False) -> None:
        self._timeout = min(timeout, threading.TIMEOUT_MAX)
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None
        self._cannot_start: LstmdumpError | None = None

    def run(self, request: Request) -> Answer:
        """Run the cell of `request` in TensorFlow and return its outputs.

        Raises:
            MissingDependency: TensorFlow is not installed or cannot be imported.
            TensorFlowFailed: TensorFlow died, hung, or rejected the request.
        """
        if self._cannot_start is not None:
            raise self._cannot_start
        if self._process is None or self._process.poll() is not None:
            self._start()
        fields = {"cell": request.cell, "units": request.units, "forget_bias": request.forget_bias,
                  "dtype": request.dtype}  # fmt: skip
        answer = self._exchange((fields, {**request.arrays, "x": request.x}), request.layer)
        if "error" in answer.fields:
            raise TensorFlowFailed(f"TensorFlow rejects {request.layer}: {answer.fields['error']}")
        return Answer(answer.fields["cell"], answer.arrays["h"], answer.arrays["c"])

    def _start(self) -> None:
        self.close()
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by the Python that runs us
            [sys.executable, "-c", _BOOTSTRAP, *sys.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=None if self._verbose else subprocess.DEVNULL, env={**os.environ, **_SETTINGS},
        )  # fmt: skip
        try:
            greeting = self._exchange(None, "startup")
            if "missing" in greeting.fields:
                other = f" ({greeting.fields['missing']})" if greeting.fields["missing"] else ""
                raise MissingDependency(f"TensorFlow is not installed{other}; {_PIP_LINE}")
            if "error" in greeting.fields:
                raise MissingDependency(f"TensorFlow cannot be imported ({greeting.fields['error']}); {_PIP_LINE}")
        except LstmdumpError as error:
            self._cannot_start = error
            raise

    def _exchange(self, sent: tuple[Mapping[str, Any], Mapping[str, Array]] | None, place: str) -> ArrayMessage:
        """Send a message, if any, and return the answer; kill the process if none arrives in time.

        `place` is the name of the layer, or `startup`, for the error message.
        """
        process, expired = self._process, threading.Event()
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the process has not been started")

        def end() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(self._timeout, end)
        timer.daemon = True
        timer.start()
        answer = None
        try:
            if sent is not None:
                tensorflow_messages.send(process.stdin, *sent)
            answer = tensorflow_messages.receive(process.stdout)
        except OSError:  # the process died while it was being written to
            pass
        finally:
            timer.cancel()
        if answer is None:
            raise self._make_failure(process, place, expired=expired.is_set())
        return answer

    def _make_failure(self, process: subprocess.Popen[bytes], place: str, *, expired: bool) -> TensorFlowFailed:
        """Return the error for a process that has not answered."""
        self.close()
        if expired:
            return TensorFlowFailed(f"TensorFlow hung at {place} for {self._timeout:g} s; --timeout gives it more time")
        how = ending(process.returncode)
        return TensorFlowFailed(f"TensorFlow died at {place} ({how}); set LSTMDUMP_DEBUG=1 to see its output")

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):  # flushing what the process did not read
                if stream is not None:
                    stream.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> TensorFlow:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._process is not None:
            self._process.kill()
        self.close()
