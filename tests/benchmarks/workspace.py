"""Directories for inputs and outputs, and the sizes of inputs."""

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
_MEMORY = Path("/dev/shm")  # noqa: S108 - files in memory on Linux, so that no disk is measured
_MIN_MEMORY = 8 << 30  # bytes that must be free


class NotMeasured(Exception):
    """The reason why a case cannot be measured here."""


class Sizes(NamedTuple):
    """The sizes of inputs. Bytes are those of a model's arrays; `many` also requests ten times as many files."""

    large: int = 400_000_000
    huge: int = 1_000_000_000
    tensor: int = 2 << 30
    packed: int = 200_000_000
    layers: int = 1_000
    more_layers: int = 5_000
    shown: int = 1_000
    exported: int = 2_000
    listed: int = 100_000
    steps: int = 820
    many: bool = False


QUICK = Sizes(
    4_000_000, 8_000_000, 16 << 20, 2_000_000, layers=20, more_layers=40, shown=10, exported=20, listed=200, steps=16
)


class Workspace(NamedTuple):
    """The directory in which one case writes its inputs.

    Attributes:
        folder: An empty directory.
        stack: Closed when the case is done.
        read_stdout: Returns the stdout of the last command.
    """

    folder: Path
    sizes: Sizes
    stack: ExitStack
    read_stdout: Callable[[], str]

    def need(self, room: int) -> None:
        """Check that `room` bytes are free.

        Raises:
            NotMeasured: There is not enough space.
        """
        free = shutil.disk_usage(self.folder).free
        if free < room:
            raise NotMeasured(f"{self.folder.parent} has {free / 1e9:.1f} GB free, {room / 1e9:.1f} GB are needed")


class Case(NamedTuple):
    """Commands that are run in turns, and the goals for them.

    Attributes:
        prepare: Writes the inputs and returns the commands; may raise `NotMeasured`.
        rounds: The number of rounds; long commands vary less and need fewer.
        warm_up: Whether to run each command once before.
    """

    name: str
    prepare: Callable[[Workspace], Sequence[Command]]
    goals: Callable[[Sizes], Sequence[Goal]] = lambda _: ()
    rounds: int = 7
    warm_up: bool = True


def temporary(directory: Path | None) -> tempfile.TemporaryDirectory[str]:
    """Create a temporary directory in `directory`, else in memory if there is room, else in the default location."""
    if directory is None and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MIN_MEMORY:
        directory = _MEMORY
    return tempfile.TemporaryDirectory(prefix="lstmdump-benchmark-", dir=directory)


def python(code: str, *arguments: str | Path) -> Words:
    """Return the command that runs `code` with `arguments`."""
    return [sys.executable, "-c", code, *arguments]
