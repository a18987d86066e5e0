"""Which inputs of a long run are worth keeping: those that reach lines that no good input reaches."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

from hostile.fuzz import registry, watching
from hostile.fuzz.target import Target

import lstmdump

_PACKAGE = str(Path(lstmdump.__file__).parent)
_LARGEST = 6_000  # bytes of an input that is kept

Lines = set[tuple[str, int]]


def distilled(target: Target, corpus: Path) -> int:
    """Copy inputs from CORPUS to the regressions of TARGET, the smallest first; how many."""
    reached: Lines = set()
    for data in [*registry.seeds(target), *(path.read_bytes() for path in registry.regressions(target.name))]:
        reached |= lines(target, data)
    folder, kept = registry.REGRESSIONS / target.name, 0
    for data in sorted((path.read_bytes() for path in corpus.iterdir()), key=len):
        if len(data) <= _LARGEST and not (found := lines(target, data)) <= reached:
            reached |= found
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"rare-{sha256(data).hexdigest()[:8]}").write_bytes(data)
            kept += 1
    return kept


def lines(target: Target, data: bytes) -> Lines:
    """The lines of ours that TARGET runs through over the input DATA."""
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
