"""Where inputs and outputs lie, and how large they are."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.goals import Goal
from benchmarks.measuring import Command, Words

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_models"
OURS = str(Path(sys.executable).with_name("lstmdump"))
_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps files in memory, so that no disk is measured
_WANTED = 8 << 30


class NotMeasured(Exception):
    """Why a case cannot be measured here."""


class Sizes(NamedTuple):
    """How much of everything. Bytes are those of a model's arrays; MANY asks for ten times as many files, too."""

    large: int = 400_000_000
    huge: int = 1_000_000_000
    tensor: int = 2 << 30
    packed: int = 200_000_000
    layers: int = 1_000
    shown: int = 1_000
    exported: int = 2_000
    listed: int = 100_000
    steps: int = 820
    many: bool = False


QUICK = Sizes(4_000_000, 8_000_000, 16 << 20, 2_000_000, layers=20, shown=10, exported=20, listed=200, steps=16)


class Workspace(NamedTuple):
    """Where one case writes its inputs.

    Attributes:
        folder: an empty directory.
        stack: closed when the case is done.
        said: what the last command wrote to stdout.
    """

    folder: Path
    sizes: Sizes
    stack: ExitStack
    said: Callable[[], str]

    def need(self, room: int) -> None:
        """Make sure that there is ROOM, in bytes.

        Raises:
            NotMeasured: there is not.
        """
        free = shutil.disk_usage(self.folder).free
        if free < room:
            raise NotMeasured(f"{self.folder.parent} has {free / 1e9:.1f} GB free, {room / 1e9:.1f} GB are needed")


class Case(NamedTuple):
    """Commands that are run in turns, and the goals for them.

    Attributes:
        prepare: writes the inputs and gives the commands; may raise NotMeasured.
        rounds: how often; what takes long varies less.
        warm_up: whether to run each command once before.
    """

    name: str
    prepare: Callable[[Workspace], Sequence[Command]]
    goals: Callable[[Sizes], Sequence[Goal]] = lambda _: ()
    rounds: int = 7
    warm_up: bool = True


def temporary(directory: Path | None) -> tempfile.TemporaryDirectory[str]:
    """A directory of our own below DIRECTORY, else in memory where there is room for it, else where such things go."""
    if directory is None and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _WANTED:
        directory = _MEMORY
    return tempfile.TemporaryDirectory(prefix="lstmdump-benchmark-", dir=directory)


def python(code: str, *arguments: str | Path) -> Words:
    """The words that run CODE with ARGUMENTS."""
    return [sys.executable, "-c", code, *arguments]
