"""HDF5 files: the one place that decides who reads them, this package or the HDF5 library."""

from __future__ import annotations

from typing import BinaryIO

from lstmdump.model import budget
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.location import Location
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5 import choice
from lstmdump.readers.hdf5.groups import Group, HDF5File
from lstmdump.readers.hdf5.plain.file import PlainFile

__all__ = ["Group", "HDF5File", "open_hdf5"]


def open_hdf5(
    source: Location | BinaryIO,
    *,
    in_memory: bool = False,
    declared: Declared | None = None,
    stored: int | None = None,
) -> HDF5File:
    """Open an HDF5 file.

    Args:
        source: the location of the file, or the open file.
        in_memory: whether to read a file that HDF5 cannot open itself at once, which is faster if most of it is used.
        declared: the sizes of all arrays of the model, if it consists of several files.
        stored: the bytes that the file takes where it is stored, for instance in an archive; by default its size.

    Raises:
        CorruptModel: The file is cut short or damaged.
        NotPlain: The file is not plain, and the block is not one of `choice.with_library`.
    """
    declared = declared or Declared(source.limits if isinstance(source, Location) else DEFAULTS)
    if not choice.library_is_required():
        return PlainFile(source, declared=declared, stored=stored)
    with budget.loading():
        from lstmdump.readers.hdf5.library.file import LibraryFile
    return LibraryFile(source, in_memory=in_memory, declared=declared, stored=stored)
