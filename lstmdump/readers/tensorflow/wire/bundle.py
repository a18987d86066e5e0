"""TensorFlow's tensor bundle: an index of the stored tensors, and the data files (shards) that hold their bytes.

They are named `PREFIX.index` and `PREFIX.data-00000-of-00001`, …. The index alone gives names, shapes and dtypes.
Numbers are returned only if the checksum of the whole tensor matches. Sources: `tensor_bundle.proto` and
`tensor_bundle.cc`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, Literal

from lstmdump.errors import CorruptModel, ModelClosed, UnreadableModel, UnsupportedFormat
from lstmdump.model.limits import limit_exceeded
from lstmdump.model.location import Location
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tensor import Array, Cuts, Tensor, chained
from lstmdump.readers.declared_sizes import Extents
from lstmdump.readers.protobuf import (
    Message,
    as_bytes,
    as_fixed32,
    as_integer,
    as_text,
    merged_fields,
    varint,
)
from lstmdump.readers.raw_array import StoredArray
from lstmdump.readers.tensorflow.wire import crc32c, decode, dtypes, partitions
from lstmdump.readers.tensorflow.wire.file_bytes import read_whole
from lstmdump.readers.tensorflow.wire.sstable import Table

_HEADER_KEY = b""
_SLICE_MARK = b"\x00"
_BIG_ENDIAN = 1
_SHAPE = 2  # the only field of an entry that is one message
_WRONG_CHECKSUM = "the checksum of {} does not match: the file is damaged"
_MAX_SHARDS = 99_999  # five digits in the file name
_VERSION = 1  # kTensorBundleVersion: the newest version of the format that is supported
_COPIES = 4  # in memory, of data that is read as a whole: the bytes, and the objects made from them
_COPIES_OF_NAMES = 8  # as bytes and as text, and with the names of the layers around
_MAX_NAMED = 3  # of the data files that are missing

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The tensor that holds the object graph, in a bundle that TensorFlow 2 wrote."""


class Entry(NamedTuple):
    """An entry of the index: dtype and shape, where the bytes are (shard, offset, size), and their masked checksum."""

    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    slices: tuple[Message, ...]


class Bundle:
    """The bundle with the given `prefix`, open for reading.

    Attributes:
        limits: how far the bundle is trusted.

    Raises:
        CorruptModel: The index is damaged.
        UnreadableModel: The index cannot be opened.
        UnsupportedFormat: The bundle needs a newer release of TensorFlow.
    """

    def __init__(self, prefix: Location) -> None:
        self._prefix = prefix
        self.limits = prefix.limits
        self._files: dict[int, tuple[BinaryIO, int]] = {}  # by shard, each with its size in bytes
        self._verified: set[Entry] = set()
        self._closed = False
        self._byte_order_checked = False
        entries = self._read_index(prefix.sibling(prefix.name + ".index"))
        header = Message(entries.pop(_HEADER_KEY, b""))
        if header.message(3).integer(2) > _VERSION:
            raise UnsupportedFormat("the checkpoint can be read by newer releases of TensorFlow only")
        self._shards = header.integer(1)
        self._big_endian = header.integer(2) == _BIG_ENDIAN
        if not 0 < self._shards <= _MAX_SHARDS:
            raise CorruptModel(f"the checkpoint index declares {self._shards} data files")
        self._places: dict[int, Extents] = {}  # by shard
        self._pieces: dict[bytes, Entry] = {}
        self._entries: dict[str, Entry] = {}
        for key, value in entries.items():
            entry = _parse_entry(value)
            if entry.shard >= self._shards:
                raise CorruptModel(f"a tensor is stored in data file {entry.shard} of {self._shards}: no such file")
            if entry.size:
                if entry.shard not in self._places:
                    self._places[entry.shard] = Extents()
                self._places[entry.shard].take(key, entry.offset, entry.size)
            if key.startswith(_SLICE_MARK):
                self._pieces[key] = entry
            else:
                self._entries[as_text(key)] = entry

    def _read_index(self, index: Location) -> dict[bytes, bytes]:
        """Return the entries of `index`, which is read as a whole.

        Raises:
            RefusedModel: The index is too long, or has too many entries or too long names.
        """
        most = self.limits.objects
        data = read_whole(index, "the index", copies=_COPIES)
        entries = dict(islice(Table(data, self.limits).items(), most + 1))
        if len(entries) > most:
            raise limit_exceeded("objects", f"the index has more than {most:,} entries", needed=10 * most)
        names = sum(map(len, entries))
        if (needed := len(data) * _COPIES + names * _COPIES_OF_NAMES) > self.limits.memory:
            raise limit_exceeded("memory", f"the index holds names of {names:,} bytes in total", needed=needed)
        return entries

    def names(self) -> Iterator[str]:
        """Iterate over the names of all tensors, including strings, in the byte order that the index has."""
        return iter(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def entry(self, name: str) -> Entry:
        """Return the index entry of the tensor `name`."""
        return self._entries[name]

    def missing_files(self) -> list[str]:
        """Return the names of the data files that hold tensors but do not exist.

        Raises:
            CorruptModel: An existing data file is cut short, or two tensors overlap.
        """
        missing = []
        for shard, places in sorted(self._places.items()):
            places.require_disjoint()
            file = self._data_file_location(shard)
            if not file.is_file():
                missing.append(file.name)
            elif (size := file.size()) is not None and size < places.end:
                raise CorruptModel(f"{file.name} is cut short: it has {size:,} of {places.end:,} bytes")
        return missing

    def tensor(self, name: str) -> Tensor:
        """Return the tensor `name`, which is read on demand; a partitioned tensor is assembled from its pieces."""
        entry = self._entries[name]
        if not entry.slices:
            return self._open_tensor(name, entry)
        places = [partitions.spans_of(piece, len(entry.shape)) for piece in entry.slices]
        spans = [partitions.resolved(place, entry.shape) for place in places]
        partitions.require_whole(spans, entry.shape)
        pieces = [(tuple(start for start, _ in span), self._open_piece(name, entry, place, span))
                  for place, span in zip(places, spans, strict=True)]  # fmt: skip

        def fetch(cuts: Cuts) -> Array:
            return decode.assembled(pieces, entry.dtype, cuts)

        in_order = [piece for _, piece in sorted(pieces, key=lambda one: one[0])]
        along_first = all(piece.shape[1:] == entry.shape[1:] for piece in in_order)
        return Tensor(name, entry.shape, entry.dtype, fetch, chained(in_order) if along_first else None)

    def strings(self, name: str) -> list[bytes]:
        """Return the strings of the tensor `name`.

        They are stored as their lengths (varints), a checksum of the lengths (4 bytes), and the bytes of the strings.
        """
        entry = self._entries[name]
        if entry.dtype != "string":
            raise CorruptModel(f"{name} holds {entry.dtype}, not strings")
        count = math.prod(entry.shape)
        if entry.size * _COPIES > self.limits.memory:
            raise limit_exceeded("memory", f"{name} has {entry.size:,} bytes", needed=entry.size * _COPIES)
        if count > self.limits.nodes:
            raise limit_exceeded("nodes", f"{name} holds {count:,} strings", needed=count)
        data = bytes(self._locate(name, entry, 1).block((slice(0, entry.size),)))
        position, lengths = 0, []
        for _ in range(count):
            length, position = varint(data, position)
            lengths.append(length)
        position += 4
        if position + sum(lengths) != len(data):
            raise CorruptModel(f"the strings of {name} are cut short")
        order: Literal["big", "little"] = "big" if self._big_endian else "little"
        summed = b"".join(length.to_bytes(4 if length < 1 << 32 else 8, order) for length in lengths)
        if crc32c.masked(summed + data[position - 4 :]) != entry.checksum:
            raise CorruptModel(_WRONG_CHECKSUM.format(name))
        found = []
        for length in lengths:
            found.append(bytes(data[position : position + length]))
            position += length
        return found

    def string(self, name: str) -> bytes:
        """Return the only string of the tensor `name`."""
        found = self.strings(name)
        if len(found) != 1:
            raise CorruptModel(f"{name} holds {len(found)} strings, not one")
        return found[0]

    def close(self) -> None:
        """Close the data files."""
        self._closed = True
        for file, _ in self._files.values():
            file.close()
        self._files.clear()

    def _open_piece(
        self, name: str, whole: Entry, place: tuple[tuple[int, int], ...], span: tuple[tuple[int, int], ...]
    ) -> Tensor:
        piece = self._pieces.get(partitions.key_of(name, place))
        if piece is None:
            raise CorruptModel(f"a piece of {name} is not in the index")
        if piece.shape != tuple(length for _, length in span) or piece.dtype != whole.dtype:
            raise CorruptModel(f"a piece of {name} is {piece.dtype} {piece.shape}, which does not fit")
        return self._open_tensor(name, piece)

    def _open_tensor(self, name: str, entry: Entry) -> Tensor:
        width = dtypes.item_size(entry.dtype)
        expected = None if width is None else width * math.prod(entry.shape)
        if expected is not None and expected != entry.size:
            raise CorruptModel(f"{name} is {entry.dtype} {entry.shape}, {expected} bytes, but {entry.size} are stored")

        def fetch(cuts: Cuts) -> Array:
            if width is None:
                raise CorruptModel(f"{name} holds {entry.dtype} values, which cannot be read as numbers")
            stored = self._locate(name, entry, width)
            if entry not in self._verified:
                deque(self._verify_checksum(name, entry, stored), maxlen=0)
            lengths = tuple(cut.stop - cut.start for cut in cuts)
            return decode.array_of(stored.block(cuts), entry.dtype, lengths, big_endian=self._big_endian)

        def rows() -> Iterator[memoryview]:
            return self._verify_checksum(name, entry, self._locate(name, entry, width or 0))

        as_written = width is not None and entry.dtype != "bfloat16" and not self._big_endian
        return Tensor(name, entry.shape, entry.dtype, fetch, rows if as_written else None)

    def _verify_checksum(self, name: str, entry: Entry, stored: StoredArray) -> Iterator[memoryview]:
        """Yield the blocks of `stored`, then raise an error if their checksum is not the one in the index."""
        checksum = 0
        for block in stored.rows():
            checksum = crc32c.crc32c(block, checksum)
            yield block
        if crc32c.mask(checksum) != entry.checksum and entry.size:
            raise CorruptModel(_WRONG_CHECKSUM.format(name))
        self._verified.add(entry)

    def _locate(self, name: str, entry: Entry, width: int) -> StoredArray:
        """Return the bytes of `entry` as an array that is inside its data file."""
        if self._closed:
            raise ModelClosed(f"{name} was requested after the model had been closed")
        self._check_byte_order()
        called = self._data_file_location(entry.shard).name
        if entry.size and entry.offset + entry.size > self._open_data_file(entry.shard)[1]:
            raise CorruptModel(f"{name} reaches beyond the end of {called}: the file is cut short")
        shape = entry.shape if entry.dtype != "string" else (entry.size,)
        return StoredArray(lambda: self._open_data_file(entry.shard)[0], called, entry.offset, shape, width)

    def _check_byte_order(self) -> None:
        """Check with the strings of the bundle that a header that declares big-endian numbers is right.

        The checksum of a string tensor covers its lengths in the declared byte order. The checksum of numbers covers
        their bytes as they are, so it cannot reveal a wrong byte order.
        """
        if self._big_endian and not self._byte_order_checked:
            self._byte_order_checked = True
            for name, entry in self._entries.items():
                if entry.dtype == "string" and not entry.slices:
                    self.strings(name)

    def _open_data_file(self, shard: int) -> tuple[BinaryIO, int]:
        if shard not in self._files:
            location = self._data_file_location(shard)
            if not location.is_file():
                raise UnreadableModel(f"the data file {location.name} is missing, so no numbers can be read")
            try:
                file = location.open(buffered=False)
                self._files[shard] = file, file.seek(0, 2)
            except OSError as error:
                words = f"the data file {location.name} cannot be read: {error.strerror or error}"
                raise UnreadableModel(words) from error
        return self._files[shard]

    def _data_file_location(self, shard: int) -> Location:
        return self._prefix.sibling(f"{self._prefix.name}.data-{shard:05d}-of-{self._shards:05d}")


def is_bundle_header(value: memoryview) -> bool:
    """Return whether `value`, stored under the empty key of a table, is the header of a bundle.

    Field 1 of a bundle's header is a number; in the header of a version 1 checkpoint it is a message.
    """
    return Message(value).is_integer(1)


def _parse_entry(value: bytes) -> Entry:
    found = merged_fields(value, _SHAPE)
    return Entry(
        dtypes.stored_dtype_name(as_integer(found.get(1, 0))),
        dtypes.shape_in(as_bytes(found.get(_SHAPE, b""))),
        as_integer(found.get(3, 0)),
        as_integer(found.get(4, 0)),
        as_integer(found.get(5, 0)),
        as_fixed32(found.get(6, bytes(4))),
        tuple(Message(value).messages(7)) if 7 in found else (),
    )


def note_missing_files(bundle: Bundle) -> list[str]:
    """Return the note on missing data files, if there are any."""
    missing = bundle.missing_files()
    if not missing:
        return []
    more = f" and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
    names = ", ".join(missing[:_MAX_NAMED]) + more
    are = "is" if len(missing) == 1 else "are"
    return [f"{names} {are} missing: names and shapes are known, but no numbers can be exported"]
