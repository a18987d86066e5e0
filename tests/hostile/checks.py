"""Checks of a run, each of which yields a description of every violation."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from hostile.canaries import SECRET
from hostile.cases import Gates
from hostile.running import Ran

from lstmdump.model.escape import visible

_MEMORY = 400 << 20  # bytes; the process uses 100 MiB before it begins
_LONGEST = 4096  # characters of a line on stderr
_SHORT = 500  # characters of a name that is shown in full
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_RECORD = "__lstmdump__"


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays in the archive at `path`, without the record."""
    with closing(np.load(path, allow_pickle=False)) as archive:
        return {key: archive[key] for key in archive.files if key != _RECORD}


def of_run(command: str, ran: Ran) -> Iterator[str]:
    output = ran.err.decode("utf-8", "replace")
    if ran.status not in (0, 2):
        yield f"{command} ended with {ran.status}"
    if "Traceback" in output or "a bug in lstmdump" in output or "Exception ignored" in output or "HDF5-DIAG" in output:
        yield f"{command} has a bug: {output.strip().splitlines()[-1][:200]}"
    lines = output.splitlines()
    if ran.status == 2 and len(lines) != 1:
        yield f"{command} reports {len(lines)} lines instead of one: {output[:300]!r}"
    if any(not line.startswith("lstmdump: ") for line in lines):
        yield f"{command} reports a line without the prefix `lstmdump: `: {output[:300]!r}"
    if any(len(line) > _LONGEST for line in lines):
        yield f"{command} reports a line of {max(map(len, lines))} characters"
    if ran.memory > _MEMORY:
        yield f"{command} used {ran.memory >> 20} MiB"
    if ran.left:
        yield f"{command} left a process behind"
    for stream in (ran.out, ran.err):
        yield from _of_text(command, stream)


def _of_text(command: str, stream: bytes) -> Iterator[str]:
    try:
        text = stream.decode("utf-8")
    except UnicodeDecodeError:
        yield f"{command} writes invalid UTF-8"
        return
    if not text.isascii() or not text.replace("\n", "").isprintable():
        for sign in {sign for sign in text if sign != "\n" and unicodedata.category(sign) in _UNSEEN}:
            yield f"{command} writes the character U+{ord(sign):04X}"
    if str(SECRET) in text:
        yield f"{command} writes the secret"


def of_record(shown: Ran) -> Iterator[str]:
    """Check that there is one line of JSON, and that it agrees with the exit status."""
    if shown.status not in (0, 2):
        return
    lines = shown.out.splitlines()
    if len(lines) != 1:
        yield f"show writes {len(lines)} lines instead of one"
        return
    if ("error" in json.loads(lines[0])) != (shown.status == 2):
        yield "the record and the exit status of show disagree"


def of_table(table: Ran, shown: Ran) -> Iterator[str]:
    """Check that the table shows the names in the record literally, with invisible characters escaped."""
    if table.status:
        yield f"show ended with {table.status}, but with 0 with --json"
        return
    text = table.out.decode("utf-8", "replace")
    for layer in json.loads(shown.out)["layers"]:
        if visible(layer["name"]) not in text and len(layer["name"]) < _SHORT:
            yield f"the table lacks the layer {layer['name']!r}"


def of_arrays(written: Gates) -> Iterator[str]:
    secret = np.float32(SECRET)
    for key, values in written.items():
        if not key.isprintable():
            yield f"a key of the archive is {key!r}"
        if values.dtype.kind == "f" and (values == secret).any():
            yield f"{key} holds the secret"


def same(written: Gates, good: Gates) -> bool:
    """Return whether each array in `written` is in `good`, under the same name if `good` has this name."""
    known = {(values.shape, values.tobytes()) for values in map(_as_float32, good.values())}
    return all(
        (_as_float32(values).shape, _as_float32(values).tobytes()) in known
        and (key not in good or np.array_equal(_as_float32(values), _as_float32(good[key])))
        for key, values in written.items()
    )


def _as_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(values).astype("<f4")


def same_arrays(ours: Gates, others: Gates) -> bool:
    return ours.keys() == others.keys() and all(
        values.tobytes() == others[key].tobytes() for key, values in ours.items()
    )
