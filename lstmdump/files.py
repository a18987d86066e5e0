"""Files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lstmdump.errors import OutputExists, OutputUnwritable


@contextmanager
def whole_file(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A file that becomes PATH, or what PATH links to, when the block is left without an error, and vanishes otherwise.

    It is written under a hidden name in the same directory, brought to the disk, and renamed.

    Raises:
        OutputExists: PATH is there already and OVERWRITE is false.
        OutputUnwritable: it cannot be written.
    """
    made: list[Path] = []
    temporary: Path | None = None
    path = Path(os.path.realpath(path))  # a link stays a link, and what it leads to is written
    try:
        made.extend(_make_directories(path.parent))
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask())
        _rename(temporary, path, overwrite=overwrite)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
        for directory in reversed(made):
            with suppress(OSError):
                directory.rmdir()
        if isinstance(error, OSError):
            raise OutputUnwritable(f"{path} cannot be written: {error.strerror or error}") from error
        raise


def _rename(temporary: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
    else:
        try:
            os.link(temporary, path)  # unlike a rename, fails where PATH has come into being meanwhile
            temporary.unlink()
        except FileExistsError as error:
            raise OutputExists(f"{path} is there already; use --force or --skip-existing") from error
        except OSError:  # a file system without hard links
            if path.exists():
                raise OutputExists(f"{path} is there already; use --force or --skip-existing") from None
            temporary.replace(path)
    if os.name == "posix":
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _make_directories(directory: Path) -> Iterator[Path]:
    """Make DIRECTORY and what lacks above it, outermost first, and give each one made."""
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for lacking in reversed(missing):
        with suppress(FileExistsError):  # made by another process meanwhile
            lacking.mkdir()
            yield lacking


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
