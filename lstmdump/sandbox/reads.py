"""What a process that reads certain models has to read: their files, what Python may still import, and little more."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

from lstmdump.model.location import list_stores
from lstmdump.readers.keras.architecture.file_names import list_names_beside

_MOST = 64  # paths, each of which takes 10 µs
_ALONE = (".h5", ".hdf5", ".keras")
"""Suffixes of models that are a file, beside which an architecture may lie."""

_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache",  # libraries
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/sys/kernel/random/boot_id", "/sys/devices/system",
    "/sys/kernel/mm", os.devnull, "/dev/urandom",
)  # fmt: skip


def find_places(models: Iterable[str]) -> tuple[str, ...] | None:
    """Return the files and directories that reading `models` takes, or None if they are too many to be listed.

    Args:
        models: Paths of models on this machine, and of directories that are searched for models.
    """
    paths = [path for path in models if "\0" not in path]  # no file has such a path
    for list_of in (_list_files, _list_directories):
        if len(found := {path: None for model in paths for path in list_of(model)}) <= _MOST:
            return tuple(found)
    return None


def _list_files(model: str) -> Iterator[str]:
    if os.path.isfile(model) and model.lower().endswith(_ALONE):
        yield os.path.realpath(model)
        directory = os.path.dirname(model)
        yield from (os.path.join(directory, name) for name in list_names_beside(os.path.basename(model)))
    else:
        yield from _list_directories(model)


def _list_directories(model: str) -> Iterator[str]:
    directory = model if os.path.isdir(model) else os.path.dirname(model) or os.curdir
    target = os.path.realpath(directory)
    yield target
    yield from list_stores(target)
    if directory is not model:
        yield os.path.dirname(os.path.realpath(model))


def list_libraries() -> tuple[str, ...]:
    """Return the files and directories that Python and the libraries may read whatever the model is."""
    here = os.getcwd()
    found = dict.fromkeys((
        os.path.dirname(os.path.dirname(__file__)),
        os.path.dirname(os.__file__),
        os.path.join(sys.base_prefix, "lib"),
        os.path.join(sys.prefix, "lib"),
        *(path for path in sys.path if path and os.path.abspath(path) != here),  # `python -m` has put that there
        *filter(None, [sys.pycache_prefix]),
        *_SYSTEM,
    ))  # fmt: skip
    return tuple(found)
