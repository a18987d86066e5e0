"""The bytes of an HDF5 file, each of which belongs to one array or to the description of the file."""

from __future__ import annotations

from collections.abc import Iterable

from lstmdump.readers.declared_sizes import Declared, Extents


class Storage:
    """The arrays of an HDF5 file that have been looked up, and where they are.

    Args:
        size: the size of the file in bytes.
        head: the size of the file's header, with what precedes it.
        declared: the sizes of all arrays of the model, some of which are in this file.
        stored: the bytes that the file takes where it is stored, by default its size.

    Attributes:
        describe: records offsets in the file of what describes groups and arrays.
    """

    def __init__(self, size: int, head: int, declared: Declared, stored: int | None = None) -> None:
        self.declared = declared
        self.limits = declared.limits
        self._extents = Extents(size, head)
        self.describe = self._extents.describe
        self._taken: set[str] = set()
        declared.store(size if stored is None else stored)

    def take(self, path: str, size: int, start: int | None) -> None:
        """Record the `size` bytes of the array at `path`, contiguous in the file from `start` unless that is None.

        Raises:
            CorruptModel: The array is outside the file, or overlaps the file header.
            RefusedModel: There are too many arrays.
        """
        if path not in self._taken:  # arrays are looked up more than once while the format of the file is detected
            self._taken.add(path)
            self.declared.take(size)
            if start is not None:
                self._extents.take(path, start, size)

    def take_chunks(self, path: str, chunks: Iterable[tuple[int, int]]) -> None:
        """Record the chunks of the array at `path`, each by its offset in the file and its size.

        Raises:
            CorruptModel: A chunk is outside the file, or overlaps something else.
        """
        for start, size in chunks:
            self._extents.take(f"a chunk of {path}", start, size)
        self._extents.require_disjoint()

    def check_declared_sizes(self) -> None:
        """Check the declared sizes of the arrays against the stored bytes.

        Raises:
            CorruptModel: Two arrays overlap.
            RefusedModel: The arrays declare far more bytes than are stored.
        """
        self._extents.require_disjoint()
        self.declared.require_stored()
