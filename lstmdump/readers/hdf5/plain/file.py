"""Plain HDF5 files: groups, attributes, and tensors that are read on demand."""

from __future__ import annotations

import struct
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, cast

from lstmdump.errors import CorruptModel
from lstmdump.model import budget
from lstmdump.model.location import Location
from lstmdump.model.opening import require_unchanged
from lstmdump.model.tensor import Tensor
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5.choice import MOST_MEMBERS, MOST_OBJECTS, MOST_TEXT, NotPlain, require_usual
from lstmdump.readers.hdf5.chunks import Chunk, ChunkedArray, Chunking
from lstmdump.readers.hdf5.groups import (
    AttributeTooLong,
    Group,
    HDF5File,
    attribute_too_long,
    declared_otherwise,
    encode_path,
    too_many_links,
)
from lstmdump.readers.hdf5.plain import headers
from lstmdump.readers.hdf5.plain.attributes import AttributeReader, PlainAttribute, parse_attributes
from lstmdump.readers.hdf5.plain.blocks import Blocks
from lstmdump.readers.hdf5.plain.chunk_index import ChunkFinder
from lstmdump.readers.hdf5.plain.layouts import (
    ChunkIndex,
    Contiguous,
    parse_filters,
    parse_layout,
    require_filtered_edges,
)
from lstmdump.readers.hdf5.plain.links import LinkReader
from lstmdump.readers.hdf5.plain.numbers import CompactArray, PlainNumbers
from lstmdump.readers.hdf5.plain.superblock import UNDEFINED, read_superblock
from lstmdump.readers.hdf5.plain.types import OPAQUE, TEXT, TEXTS, parse_dataspace, parse_datatype
from lstmdump.readers.hdf5.storage import Storage
from lstmdump.readers.raw_array import StoredArray

_MAX_METADATA = 64 * 2**20  # bytes; a longer file consists mostly of numbers, which are budgeted when they are read
_TIMES, _COPIES = 5, 4  # a byte of metadata takes longer than a byte of numbers, and 20 bytes of memory
_UNFORESEEN = (struct.error, IndexError, KeyError, ValueError, TypeError, OverflowError, MemoryError, RecursionError,
               OSError)  # fmt: skip

_DATASET = frozenset({headers.DATASPACE, headers.DATATYPE, headers.LAYOUT})
_GROUP = frozenset({headers.SYMBOL_TABLE, headers.LINK_INFO})
# Fill values, of which only those that a reader of HDF5 accepts are plain: the version, when space is allocated, when
# the value is written, and whether there is one; IV.A.2.f.
_FILL_VALUES = frozenset({2, 3})


class _ErrorsConverted:
    """Convert the errors of parsing damaged bytes: the HDF5 library says what is wrong with them."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and isinstance(error, _UNFORESEEN):
            raise NotPlain(str(error)) from error


_errors_converted = _ErrorsConverted()


class PlainObject:
    """A group or a dataset: its header and, once they were requested, its attributes and links.

    Attributes:
        address: the address of the header.
        header: the messages.
        is_group: whether it is a group.
        links: the addresses of the members of a group by name.
        attributes: the attributes by name.
    """

    __slots__ = ("address", "attributes", "header", "is_group", "links")

    def __init__(self, address: int, header: headers.ObjectHeader) -> None:
        self.address = address
        self.header = header
        kinds = header.single.keys()
        self.is_group = not kinds.isdisjoint(_GROUP)
        if self.is_group == (kinds >= _DATASET):
            raise NotPlain("neither a group nor a dataset, or both")
        self.links: dict[bytes, int] | None = None
        self.attributes: dict[bytes, PlainAttribute] | None = None


class PlainObjects:
    """The objects of a file, each of which has one name.

    Args:
        file: the file, open for reading at any position.
        size: the size of the file.
        declared: the sizes of all arrays of the model.
        stored: the bytes that the file takes where it is stored, by default its size.

    Attributes:
        file: the file.
        storage: where the arrays are.
        is_open: whether the file can be read.
    """

    def __init__(self, file: BinaryIO, size: int, declared: Declared, stored: int | None) -> None:
        self.file = file
        self.is_open = True
        self.blocks = Blocks(file, size)
        self._superblock = read_superblock(self.blocks)
        self.blocks.end = self._superblock.end
        self.storage = Storage(size, self._superblock.size, declared, stored)
        self._links = LinkReader(self.blocks, self._superblock, self.storage.describe)
        self._attributes = AttributeReader(self.blocks, declared.limits.json_size, self.storage.describe)
        self._objects: dict[int, PlainObject] = {}
        self._named = {self._superblock.root}

    @property
    def root(self) -> PlainObject:
        """The root group."""
        found = self.at(self._superblock.root)
        if not found.is_group:
            raise NotPlain("a root that is not a group")
        return found

    def at(self, address: int) -> PlainObject:
        """Return the object with the header at `address`."""
        found = self._objects.get(address)
        if found is None:
            found = self._objects[address] = PlainObject(address, headers.read_header(self.blocks, address))
            self.storage.describe((address, *found.header.places))
        return found

    def links(self, group: PlainObject) -> dict[bytes, int]:
        """Return the addresses of the members of `group` by name.

        Raises:
            NotPlain: An object has two names, of which one may lead back to where it began.
            RefusedModel: The file has too many links.
        """
        if group.links is None:
            group.links = self._links.read(group.header)
            before = len(self._named)
            self._named.update(group.links.values())
            if len(self._named) != before + len(group.links):
                raise NotPlain("an object with two names")
            require_usual(len(self._named), MOST_OBJECTS)
            require_usual(len(group.links), MOST_MEMBERS)
            if len(self._named) - 1 > self.storage.limits.objects:
                raise too_many_links(self.storage.limits)
        return group.links

    def attributes(self, holder: PlainObject) -> dict[bytes, PlainAttribute]:
        """Return the attributes of `holder` by name."""
        if holder.attributes is None:
            holder.attributes = parse_attributes(holder.header)
        return holder.attributes

    def attribute(self, holder: PlainObject, name: str, path: str) -> Any:
        """Return the attribute `name` of `holder`, the object at `path`; None if it is absent.

        Raises:
            RefusedModel: The attribute is longer than the limit for a text.
        """
        found = self.attributes(holder).get(name.encode())
        if found is None:
            return None
        try:
            value = self._attributes.read(found)
        except AttributeTooLong as error:
            require_usual(error.length, MOST_TEXT)
            raise attribute_too_long(name, path, error.length) from error
        if isinstance(value, str):
            require_usual(len(value), MOST_TEXT)
        return value

    def find_chunks(self, index: ChunkIndex, chunking: Chunking, most: tuple[int, ...], path: str) -> Iterator[Chunk]:
        """Yield the chunks that the index of the dataset at `path` lists.

        Raises:
            CorruptModel: The index is damaged.
        """
        finder = ChunkFinder(self.blocks, index, chunking, most, self._superblock.most_children[1])
        try:
            with _errors_converted:
                yield from finder.find()
        except NotPlain as error:
            raise CorruptModel(f"the index of the chunks of {path} is damaged") from error

    def read_chunk(self, chunk: Chunk) -> bytes:
        """Return the bytes of a chunk as they are stored."""
        self.file.seek(chunk.start)
        found = bytearray(chunk.size)
        view = memoryview(found)
        while view and (count := self.file.readinto(view)):  # type: ignore[attr-defined] # missing in typeshed's BinaryIO
            view = view[count:]
        require_unchanged(self.file)
        if view:
            raise CorruptModel("the file is cut short")
        return bytes(found)


class PlainGroup(Group):
    """A group of a plain file."""

    def __init__(self, objects: PlainObjects, group: PlainObject, path: str) -> None:
        self._objects = objects
        self._group = group
        self.limits = objects.storage.limits
        self.path = path

    def look_ahead(self) -> None:
        """Do nothing: links are read group by group."""

    def group(self, path: str) -> PlainGroup | None:
        """Return the group at `path` below this one, or None if it does not exist."""
        with _errors_converted:
            found = self._find(path)
            return PlainGroup(self._objects, found, self._join(path)) if found is not None and found.is_group else None

    def tensor(self, path: str, *, opaque_is_bfloat16: bool) -> Tensor | None:
        """Return the dataset at `path` below this group, or None if it does not exist."""
        with _errors_converted:
            found = self._find(path)
            if found is None or found.is_group:
                return None
            return describe_dataset(self._objects, found, self._join(path), opaque_is_bfloat16=opaque_is_bfloat16)

    @property
    def address(self) -> int:
        """The address in the file, which is unique; objects that were written earlier have lower addresses."""
        return self._group.address

    def names(self) -> list[str]:
        """Return the names of the members of this group, in alphabetical order."""
        with _errors_converted:
            return [name.decode("utf-8", "surrogateescape") for name in self._objects.links(self._group)]

    def attribute(self, name: str) -> Any:
        """Return the attribute `name`: str for text, a list for an array, else a number; None if it is absent."""
        with _errors_converted:
            return self._objects.attribute(self._group, name, self.path)

    def has_attribute(self, name: str) -> bool:
        """Return whether the attribute `name` exists, without reading the value, which may be long."""
        with _errors_converted:
            return name.encode() in self._objects.attributes(self._group)

    def _find(self, path: str) -> PlainObject | None:
        """Return the object at `path`, or None if there is none, for instance because a dataset is on the way."""
        found = self._group
        for step in encode_path(path).split(b"/"):
            if not step:
                continue
            if step == b".":
                raise NotPlain("a step that leads nowhere")
            if not found.is_group or (address := self._objects.links(found).get(step)) is None:
                return None
            found = self._objects.at(address)
        return found


class PlainFile(PlainGroup, HDF5File):
    """A plain HDF5 file, open for reading.

    Args:
        source: the location of the file, or the open file.
        declared: the sizes of all arrays of the model.
        stored: the bytes that the file takes where it is stored, by default its size.

    Raises:
        NotPlain: It is not plain.
    """

    def __init__(self, source: Location | BinaryIO, *, declared: Declared, stored: int | None = None) -> None:
        with _errors_converted:
            self._opened = source.open(buffered=False) if isinstance(source, Location) else None
            file = cast("BinaryIO", self._opened or source)
            try:
                size = file.seek(0, 2)
                budget.allow(min(size, _MAX_METADATA) * _TIMES, copies=_COPIES)
                objects = PlainObjects(file, size, declared, stored)
                super().__init__(objects, objects.root, "")
            except BaseException:
                self._close()
                raise
        if self._opened is not None:
            weakref.finalize(objects, self._opened.close)  # if the model is not closed

    def check_declared_sizes(self) -> None:
        """Check the arrays looked up so far against the bytes of the file, and against what describes it."""
        self._objects.storage.check_declared_sizes()

    def close(self) -> None:
        """Close the file."""
        self._objects.is_open = False
        self._close()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()


def describe_dataset(objects: PlainObjects, dataset: PlainObject, path: str, *, opaque_is_bfloat16: bool) -> Tensor:
    """Return a dataset as a tensor that is not yet read; `opaque_is_bfloat16` as in `Group.tensor`.

    Raises:
        CorruptModel: The array overlaps the header of the file.
        NotPlain: The dataset is not plain.
        UnsupportedFormat: It has filters that are not applied to all chunks.
    """
    messages = dataset.header.single
    extent, kind = parse_dataspace(messages[headers.DATASPACE]), parse_datatype(messages[headers.DATATYPE])
    if kind.name in (TEXT, TEXTS):
        raise NotPlain("texts in an array")
    _require_fill_value(messages)
    declared = extent.count * kind.width
    layout = parse_layout(messages[headers.LAYOUT])
    stored: StoredArray | CompactArray | ChunkedArray
    if isinstance(layout, ChunkIndex):
        stored = _divide(objects, dataset, layout, path)
    elif headers.FILTERS in messages:
        raise NotPlain("filters without chunks")
    elif isinstance(layout, Contiguous):
        if layout.start == UNDEFINED or layout.size != declared or layout.start + declared > objects.blocks.end:
            raise NotPlain("not all bytes")
        stored = StoredArray(lambda: objects.file, "the file", layout.start, extent.shape, kind.width)
    elif len(layout) == declared:
        stored = CompactArray(layout, extent.shape)
    else:
        raise NotPlain("not all bytes")
    is_bfloat16 = kind.name == OPAQUE and (
        opaque_is_bfloat16 or objects.attribute(dataset, "dtype", path) == "bfloat16"
    )
    objects.storage.take(path, declared, layout.start if isinstance(layout, Contiguous) else None)
    numbers = PlainNumbers(path, kind, stored, lambda: objects.is_open, is_bfloat16=is_bfloat16)
    dtype = "bfloat16" if is_bfloat16 else kind.name
    return Tensor(path, extent.shape, dtype, numbers.fetch, None if is_bfloat16 else numbers.rows)


def _divide(objects: PlainObjects, dataset: PlainObject, index: ChunkIndex, path: str) -> ChunkedArray:
    messages = dataset.header.single
    extent = parse_dataspace(messages[headers.DATASPACE])
    width = parse_datatype(messages[headers.DATATYPE]).width
    if len(index.chunk) != len(extent.shape) or index.width != width:
        raise NotPlain("chunks of another array")
    if index.address == UNDEFINED and extent.count:
        raise declared_otherwise(path, extent.count * width, 0)
    filters = parse_filters(messages[headers.FILTERS]) if headers.FILTERS in messages else []
    if filters:
        require_filtered_edges(messages[headers.LAYOUT], extent.shape, path)
    chunking = Chunking(extent.shape, index.chunk, width, filters)
    return ChunkedArray(
        path,
        chunking,
        lambda: objects.find_chunks(index, chunking, extent.most, path),
        objects.read_chunk,
        objects.storage.take_chunks,
        objects.storage.limits,
    )


def _require_fill_value(messages: dict[int, bytes]) -> None:
    """Check that HDF5 accepts the fill value of a dataset, which is not used: all numbers of an array are stored."""
    message = messages.get(headers.FILL_VALUE)
    if message is None:
        return
    if message[0] not in _FILL_VALUES:
        raise NotPlain("another version of fill values")
    if message[0] == 2:
        allocated, written, defined = message[1:4]
    else:
        allocated, written, defined = message[1] & 3, message[1] >> 2 & 3, message[1] >> 6
    if not 1 <= allocated <= 3 or written > 2 or defined > 1:
        raise NotPlain("an unusual fill value")
