"""What must hold of a run, one by one: each says in words what does not."""

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

_MEMORY = 400 << 20  # bytes; the process that runs takes 100 MiB before it begins
_LONGEST = 4096  # signs of a line on stderr
_SHORT = 500  # signs of a name that is shown whole
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_RECORD = "__lstmdump__"


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays in PATH, without the record."""
    with closing(np.load(path, allow_pickle=False)) as archive:
        return {key: archive[key] for key in archive.files if key != _RECORD}


def of_run(command: str, ran: Ran) -> Iterator[str]:
    said = ran.err.decode("utf-8", "replace")
    if ran.status not in (0, 2):
        yield f"{command} ended with {ran.status}"
    if "Traceback" in said or "a bug in lstmdump" in said or "Exception ignored" in said or "HDF5-DIAG" in said:
        yield f"{command} has a bug: {said.strip().splitlines()[-1][:200]}"
    lines = said.splitlines()
    if ran.status == 2 and len(lines) != 1:
        yield f"{command} tells {len(lines)} lines, not one: {said[:300]!r}"
    if any(not line.startswith("lstmdump: ") for line in lines):
        yield f"{command} tells a line that is not its own: {said[:300]!r}"
    if any(len(line) > _LONGEST for line in lines):
        yield f"{command} tells a line of {max(map(len, lines))} signs"
    if ran.memory > _MEMORY:
        yield f"{command} took {ran.memory >> 20} MiB"
    if ran.left:
        yield f"{command} left a process behind"
    for stream in (ran.out, ran.err):
        yield from _of_text(command, stream)


def _of_text(command: str, stream: bytes) -> Iterator[str]:
    try:
        text = stream.decode("utf-8")
    except UnicodeDecodeError:
        yield f"{command} writes what is no UTF-8"
        return
    if not text.isascii() or not text.replace("\n", "").isprintable():
        for sign in {sign for sign in text if sign != "\n" and unicodedata.category(sign) in _UNSEEN}:
            yield f"{command} writes the sign U+{ord(sign):04X}"
    if str(SECRET) in text:
        yield f"{command} writes the secret"


def of_record(shown: Ran) -> Iterator[str]:
    """The one line of JSON says the same as the exit status."""
    if shown.status not in (0, 2):
        return
    lines = shown.out.splitlines()
    if len(lines) != 1:
        yield f"show writes {len(lines)} lines, not one"
        return
    if ("error" in json.loads(lines[0])) != (shown.status == 2):
        yield "the record and the exit status of show differ"


def of_table(table: Ran, shown: Ran) -> Iterator[str]:
    """The table has the names in the record as they are, but for what cannot be seen: none of them is markup."""
    if table.status:
        yield f"show ended with {table.status}, though with --json it did not"
        return
    text = table.out.decode("utf-8", "replace")
    for layer in json.loads(shown.out)["layers"]:
        if visible(layer["name"]) not in text and len(layer["name"]) < _SHORT:
            yield f"the table has no layer {layer['name']!r}"


def of_arrays(written: Gates) -> Iterator[str]:
    secret = np.float32(SECRET)
    for key, values in written.items():
        if not key.isprintable():
            yield f"a key of the archive is {key!r}"
        if values.dtype.kind == "f" and (values == secret).any():
            yield f"{key} holds the secret"


def same(written: Gates, good: Gates) -> bool:
    """Whether each array written is a good one; where it has a good one's name, that one."""
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
