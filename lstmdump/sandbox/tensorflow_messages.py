"""Messages with arrays over a pipe, to and from the process that runs TensorFlow.

A message is one line of JSON followed by an `.npz` of the arrays, whose length in bytes is the field `bytes`. Nothing
is pickled.
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
class ArrayMessage:
    """A received message: the fields of its JSON, and its arrays by name."""

    fields: Mapping[str, Any]
    arrays: Mapping[str, Array]


def send(stream: IO[bytes], fields: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> None:
    """Write a message to `stream` and flush it.

    Raises:
        OSError: The reader has closed the pipe.
    """
    body = io.BytesIO()
    np.savez(body, **dict(arrays or {}))  # type: ignore[arg-type]  # as if one could be its flag `allow_pickle`
    stream.write(json.dumps({**fields, "bytes": body.tell()}).encode("ascii") + b"\n")
    stream.write(body.getbuffer())
    stream.flush()


def receive(stream: IO[bytes]) -> ArrayMessage | None:
    """Return the next message in `stream`, or None if the stream ends, even within a message."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    fields = json.loads(line)
    body = stream.read(fields["bytes"])
    if len(body) < fields["bytes"]:
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return ArrayMessage(fields, {name: arrays[name] for name in arrays.files})
