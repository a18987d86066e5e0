"""Targets of fuzzing: a parser and the kind of input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

Parts = list[bytes]

BYTES, MESSAGE, JSON, KEPT = "bytes", "message", "json", "kept"
"""The kinds of part, each damaged differently: bytes, a protocol buffer, JSON; and parts that stay as in a seed."""


class Target(NamedTuple):
    """A parser of lstmdump.

    Attributes:
        name: The name on the command line.
        kinds: The kind of each part of an input.
        repeated: The kinds of the parts after those, repeatedly; empty if there are none.
        run: Runs the parser on the parts; raises an `AssertionError` if the result is wrong.
        seeds: Yields good inputs, made from the genuine models in the given directories.
        checks_sums: Whether wrong checksums would stop nearly all damaged inputs; then all checksums are accepted.
    """

    name: str
    kinds: tuple[str, ...]
    run: Callable[[Parts], None]
    seeds: Callable[[Sequence[Path]], Iterator[Parts]]
    repeated: tuple[str, ...] = ()
    checks_sums: bool = False

    def kind(self, place: int) -> str:
        """Return the kind of the part at `place`."""
        if place < len(self.kinds):
            return self.kinds[place]
        return self.repeated[(place - len(self.kinds)) % len(self.repeated)] if self.repeated else BYTES

    def padded(self, parts: Parts) -> Parts:
        """Return `parts`, with empty ones for those that are missing."""
        missing = [b""] * (len(self.kinds) - len(parts))
        return [*parts, *missing] if self.repeated else [*parts, *missing][: len(self.kinds)]
