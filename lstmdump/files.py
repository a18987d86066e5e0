"""Files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lstmdump.errors import OutputExists


@contextmanager
def whole_file(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A file that becomes PATH when the block is left without an error, and vanishes otherwise.

    It is written under a hidden name in the same directory, brought to the disk, and renamed.

    Raises:
        OutputExists: PATH is there already and OVERWRITE is false.
        OSError: it cannot be written.
    """
    made = _make_directories(path.parent)
    descriptor, temporary = -1, Path()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        _rename(temporary, path, overwrite=overwrite)
    except BaseException:
        if temporary.name:
            with suppress(OSError):
                temporary.unlink()
        for directory in reversed(made):
            with suppress(OSError):
                directory.rmdir()
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


def _make_directories(directory: Path) -> list[Path]:
    """Make DIRECTORY and what lacks above it; the ones made, outermost first."""
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    made: list[Path] = []
    for lacking in reversed(missing):
        lacking.mkdir(exist_ok=True)
        made.append(lacking)
    return made


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
