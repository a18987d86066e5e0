"""Write `.npz` files: a zip archive of arrays, complete or absent, in memory that does not grow with them.

numpy.savez needs all arrays in memory at once, takes some names for its own parameters, leaves half a file behind when
it fails, and took 5 to 6 times the processor time of copying a file of 400 MB.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain

from lstmdump.export import npy
from lstmdump.export.atomic import whole_file
from lstmdump.export.chunks import ArrayOutput, pieces
from lstmdump.export.zip_writer import ZipWriter

_IN_MEMORY = 1 << 20  # bytes; a smaller file is built in memory: one write instead of fifty
_MOST_AT_ONCE = 4096  # arrays, which are known and written together; each takes a kilobyte


def write(
    path: str | os.PathLike[str],
    texts: Mapping[str, str],
    groups: Iterable[Sequence[ArrayOutput]],
    *,
    compress: bool,
    overwrite: bool,
) -> int:
    """Write `texts` and arrays, by their names, to `path`, and return the bytes written.

    Args:
        path: The file.
        texts: Texts by name.
        groups: The arrays; those that are parts of one stored array are in one group.
        compress: Deflate the arrays.
        overwrite: Replace an existing file.

    Raises:
        DoesNotFit: A number is too large for the type to write.
        CorruptModel, UnreadableModel: The numbers cannot be read.
        OutputExists, OutputUnwritable: See `writing`.
    """
    batches = _join_small(groups)
    first, second = next(batches, []), next(batches, [])
    is_small = not second and sum(array.size for array in first) <= _IN_MEMORY
    with writing(path, compress=compress, overwrite=overwrite, in_memory=is_small) as writer:
        for name, text in texts.items():
            writer.add_text(name, text)
        for arrays in chain((first, second), batches):
            writer.add(arrays)
    return writer.size


def _join_small(groups: Iterable[Sequence[ArrayOutput]]) -> Iterator[list[ArrayOutput]]:
    """Yield the arrays of `groups` in lists of many, without dividing a group."""
    arrays: list[ArrayOutput] = []
    for group in groups:
        arrays.extend(group)
        if len(arrays) >= _MOST_AT_ONCE:
            yield arrays
            arrays = []
    yield arrays


@contextmanager
def writing(
    path: str | os.PathLike[str], *, compress: bool, overwrite: bool, in_memory: bool = False
) -> Iterator[NpzWriter]:
    """Open a writer of the `.npz` file at `path`, which exists when the block ends without an error.

    Missing directories are made. Until all is on the disk, `path` stays as it was; after an error nothing else is left.

    Args:
        path: The file.
        compress: Deflate the arrays.
        overwrite: Replace an existing file.
        in_memory: Build the file in memory, and write it at once: for small files.

    Raises:
        OutputExists: `path` exists and `overwrite` is false.
        OutputUnwritable: `path` cannot be written.
    """
    with whole_file(path, overwrite=overwrite) as file:
        target = io.BytesIO() if in_memory else file
        archive = ZipWriter(target)
        writer = NpzWriter(archive, compress=compress)
        yield writer
        archive.close()
        if isinstance(target, io.BytesIO):
            file.write(target.getbuffer())
        writer.size = file.tell()


class NpzWriter:
    """A writer of an `.npz` file, see `writing`.

    Attributes:
        size: The bytes of the whole file, once it is complete.
    """

    def __init__(self, archive: ZipWriter, *, compress: bool) -> None:
        self._archive = archive
        self._compress = compress
        self.size = 0

    def add_text(self, name: str, text: str) -> None:
        """Add `text` as an array without dimensions."""
        size, parts = npy.text(text)
        member = self._archive.deflated(f"{name}.npy") if self._compress else self._archive.stored(f"{name}.npy", size)
        for part in parts:
            member.write(part)
        member.close()

    def add(self, arrays: Sequence[ArrayOutput]) -> None:
        """Add `arrays`; a stored array shared by several of them is read once, unless they are deflated.

        Raises:
            DoesNotFit: A number is too large for the type to write.
            CorruptModel, UnreadableModel: The numbers cannot be read.
        """
        if self._compress:
            self._deflate(arrays)
        else:
            self._store(arrays)
        self._archive.seal()

    def _deflate(self, arrays: Sequence[ArrayOutput]) -> None:
        for array in arrays:
            member = self._archive.deflated(f"{array.name}.npy")
            member.write(npy.header(array.dtype, array.shape))
            for _, piece in pieces([array]):
                member.write(piece)
            member.close()

    def _store(self, arrays: Sequence[ArrayOutput]) -> None:
        members = []
        for array in arrays:
            head = npy.header(array.dtype, array.shape)
            members.append(self._archive.stored(f"{array.name}.npy", len(head) + array.size))
            members[-1].write(head)
        for index, piece in pieces(arrays):
            members[index].write(piece)
