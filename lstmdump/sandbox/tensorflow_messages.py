"""Messages with arrays over a pipe, between this process and one of its own that runs TensorFlow.

A message is one line of JSON with the number of bytes that follow under `bytes`, and those bytes: an `.npz` of the
arrays. Nothing is pickled.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from lstmdump.model.tensor import Array


@dataclass(frozen=True)
class Message:
    """What was received: FIELDS of JSON, and arrays by name."""

    fields: Mapping[str, Any]
    arrays: Mapping[str, Array]


def send(stream: IO[bytes], fields: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> None:
    """Write a message to STREAM and flush it.

    Raises:
        OSError: nobody reads there any more.
    """
    body = io.BytesIO()
    np.savez(body, **dict(arrays or {}))  # type: ignore[arg-type]  # its other parameter is a flag, and no name here
    stream.write(json.dumps({**fields, "bytes": body.tell()}).encode("ascii") + b"\n")
    stream.write(body.getbuffer())
    stream.flush()


def receive(stream: IO[bytes]) -> Message | None:
    """The next message in STREAM; None where it ends, be it within a message."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    fields = json.loads(line)
    body = stream.read(fields["bytes"])
    if len(body) < fields["bytes"]:
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return Message(fields, {name: arrays[name] for name in arrays.files})
