"""What is fuzzed: a parser, and what it is fed with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

Parts = list[bytes]

BYTES, MESSAGE, JSON, KEPT = "bytes", "message", "json", "kept"
"""The kinds of part, each damaged in its own way: bytes, a protocol buffer, JSON; and what stays as in some seed."""


class Target(NamedTuple):
    """A parser of ours.

    Attributes:
        name: what the command line calls it.
        kinds: what each part of its input is.
        repeated: what the parts behind those are, over and over; empty where there are none.
        run: has the parser read what is in the parts. Raises an `AssertionError` where it reads something wrong.
        seeds: good inputs, out of the genuine models in the directories that it is given.
        checks_sums: whether checksums that do not hold would stop nearly every damaged input; then all are taken as good.
    """

    name: str
    kinds: tuple[str, ...]
    run: Callable[[Parts], None]
    seeds: Callable[[Sequence[Path]], Iterator[Parts]]
    repeated: tuple[str, ...] = ()
    checks_sums: bool = False

    def kind(self, place: int) -> str:
        """What the part at PLACE is."""
        if place < len(self.kinds):
            return self.kinds[place]
        return self.repeated[(place - len(self.kinds)) % len(self.repeated)] if self.repeated else BYTES

    def padded(self, parts: Parts) -> Parts:
        """PARTS, as many as the target takes: empty ones where some are missing."""
        missing = [b""] * (len(self.kinds) - len(parts))
        return [*parts, *missing] if self.repeated else [*parts, *missing][: len(self.kinds)]
