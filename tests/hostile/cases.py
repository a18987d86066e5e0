"""What a hostile file is, and the place in which one is made."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

Gates = Mapping[str, np.ndarray]
"""What `export` is to write, by the keys of the archive."""


class Must(enum.Enum):
    """What is to become of a file."""

    REFUSED = "refused"  # `export` writes nothing and says why
    READ = "read"  # every number is written, as the good file has it
    EITHER = "either"  # refused, or the numbers that are written are the good file's


class Case(NamedTuple):
    """A hostile file.

    Attributes:
        reader: whose input it is: `keras 2`, `tensor bundle`.
        kind: what is wrong with it, in one word or a few.
        path: what the command line is given.
        gates: the good file's.
        may_differ: whether what is spoiled may be the numbers themselves, or what says where they are.
    """

    reader: str
    kind: str
    must: Must
    path: Path
    gates: Gates
    may_differ: bool = False

    @property
    def name(self) -> str:
        """Reader and kind in one word."""
        return f"{self.reader}-{self.kind}".replace(" ", "_")


class Scene(NamedTuple):
    """Where a hostile file is made.

    Attributes:
        directory: an empty one for this file alone.
        secrets: files that no model may lead to, and that are told when they are opened.
        random: draws all that is left open, so that one seed gives one file.
    """

    directory: Path
    secrets: Path
    random: Random


class Lie(NamedTuple):
    """A way to make a hostile file for a reader."""

    reader: str
    kind: str
    make: Callable[[Scene], Case]

    @property
    def name(self) -> str:
        """Reader and kind in one word."""
        return f"{self.reader}-{self.kind}".replace(" ", "_")


def words(function: Callable[..., object]) -> str:
    """The name of FUNCTION, which says what it does."""
    return function.__name__.strip("_").replace("_", " ")
