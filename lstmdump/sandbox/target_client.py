"""Run exported layers in the runtime that they were exported to, in a process of its own."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from lstmdump.errors import MissingDependency, TargetFailed
from lstmdump.model.tensor import Array
from lstmdump.sandbox import tensorflow_messages
from lstmdump.sandbox.fork import ending

# As in `tensorflow_client`: the current directory is not searched for modules.
_BOOTSTRAP = "import sys; sys.path[:] = sys.argv[1:]; from lstmdump.sandbox.target_server import main; main()"
_SECONDS = 120.0
_PACKAGES = {"pytorch": "torch", "onnx": "onnxruntime"}


class TargetOutputs(NamedTuple):
    """What a runtime computed: its name and version, and by direction h of all steps and the last c.

    Attributes:
        runtime: the name and the version.
        h: the outputs, (batch, length, h), of each direction.
        c: the last cell state, (batch, m), of each direction.
    """

    runtime: str
    h: tuple[Array, ...]
    c: tuple[Array, ...]


def run(runtime: str, fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> TargetOutputs:
    """Run a module in `runtime`, the word of a layout: see `target_server`.

    Raises:
        MissingDependency: The runtime is not installed.
        TargetFailed: It died, hung, or rejected the layer.
    """
    message = io.BytesIO()
    tensorflow_messages.send(message, {**fields, "runtime": runtime}, arrays)
    package = _PACKAGES[runtime]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, by the Python that runs us
            [sys.executable, "-c", _BOOTSTRAP, *sys.path], input=message.getvalue(), stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TargetFailed(f"{package} gave no answer in {_SECONDS:g} s") from error
    answer = tensorflow_messages.receive(io.BytesIO(done.stdout))
    if answer is None:
        raise TargetFailed(f"{package} died ({ending(done.returncode)})")
    if "missing" in answer.fields:
        raise MissingDependency(f"{answer.fields['missing']} is not installed; pip install {package}")
    if "error" in answer.fields:
        raise TargetFailed(f"{package} rejects the layer: {answer.fields['error']}")
    many = len(answer.arrays) // 2
    return TargetOutputs(
        answer.fields["version"],
        tuple(answer.arrays[f"h{turn}"] for turn in range(many)),
        tuple(answer.arrays[f"c{turn}"] for turn in range(many)),
    )
