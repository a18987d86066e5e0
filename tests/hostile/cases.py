"""Hostile files, and the directories in which they are made."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

Gates = Mapping[str, np.ndarray]
"""The arrays that `export` must write, by the keys of the archive."""


class Must(enum.Enum):
    """The required outcome for a file."""

    REFUSED = "refused"  # `export` writes nothing and reports the reason
    READ = "read"  # every number of the good file is written
    EITHER = "either"  # refused, or only numbers of the good file are written


class Case(NamedTuple):
    """A hostile file.

    Attributes:
        reader: The reader of the file: `keras 2`, `tensor bundle`.
        kind: The fault of the file, in a few words.
        path: The argument of the command line.
        gates: The arrays of the good file.
        may_differ: Whether the fault may change the numbers, or their location in the file.
    """

    reader: str
    kind: str
    must: Must
    path: Path
    gates: Gates
    may_differ: bool = False

    @property
    def name(self) -> str:
        """The reader and the kind, joined to one word."""
        return f"{self.reader}-{self.kind}".replace(" ", "_")


class Scene(NamedTuple):
    """The inputs for making a hostile file.

    Attributes:
        directory: An empty directory for this file alone.
        secrets: The directory of files that no model may cause to be opened; it is watched.
        random: The source of all random choices, so that the same seed gives the same file.
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
        """The reader and the kind, joined to one word."""
        return f"{self.reader}-{self.kind}".replace(" ", "_")


def words(function: Callable[..., object]) -> str:
    """Return the name of `function` as words."""
    return function.__name__.strip("_").replace("_", " ")
