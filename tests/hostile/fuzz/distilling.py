"""Selection of the inputs of a long run that reach lines of lstmdump that no good input reaches."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

from hostile.fuzz import registry, watching
from hostile.fuzz.minimising import minimised
from hostile.fuzz.target import Target

import lstmdump

_PACKAGE = str(Path(lstmdump.__file__).parent)
_LARGEST = 2500  # bytes of a kept input
_MOST_TRIES = 150  # tries to make an input smaller

Lines = set[tuple[str, int]]


def distilled(target: Target, corpus: Path, folder: Path) -> int:
    """Minimise the inputs in `corpus` that reach new lines, and write them to `folder`; return the number of them."""
    reached: Lines = set()
    for data in [*registry.seeds(target), *(path.read_bytes() for path in registry.regressions(target.name))]:
        reached |= lines(target, data)
    kept = 0
    for data in sorted((path.read_bytes() for path in corpus.glob("*")), key=len):
        if new := lines(target, data) - reached:
            small = _smallest(target, data, new)
            if len(small) > _LARGEST:
                continue
            reached |= lines(target, small)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"rare-{sha256(small).hexdigest()[:8]}").write_bytes(small)
            kept += 1
    return kept


def _smallest(target: Target, data: bytes, required: Lines) -> bytes:
    """Return `data` without the bytes that are not needed to reach the lines `required`."""
    return minimised(data, lambda smaller: required <= lines(target, smaller), _MOST_TRIES)


def lines(target: Target, data: bytes) -> Lines:
    """Return the lines of lstmdump that `target` executes for the input `data`."""
    found: Lines = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        if event == "line":
            found.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        watching.finding(target, data)
    finally:
        sys.settrace(before)
    return found
