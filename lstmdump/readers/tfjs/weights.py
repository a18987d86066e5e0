"""The arrays of a model of TensorFlow.js, read when they are requested."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import BinaryIO, cast

from lstmdump.errors import CorruptModel, ModelClosed
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.location import Location
from lstmdump.model.opening import require_unchanged
from lstmdump.model.sentences import plural
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.raw_array import StoredArray
from lstmdump.readers.tfjs.manifest import ITEM_SIZES, TEXT, ManifestEntry, Quantization, WeightsGroup
from lstmdump.readers.tfjs.shards import ShardedFile

_LENGTH = 4  # bytes of the length of a text
_WINDOW = 1 << 12  # bytes that are read for a small array and those behind it
_FEW = 8  # numbers of a constant that the search for cells may ask for
_STRUCT = {"float32": "f", "int32": "i", "bool": "?", "uint8": "B", "uint16": "H", "float16": "e"}
_STEPS_SHOWN = 2  # significant digits of a step


class StoredWeights:
    """The arrays of all groups of a manifest that lies beside the files of weights.

    Args:
        beside: the location of the manifest.
        groups: the groups of the manifest.

    Attributes:
        tensors: the arrays by name, without texts.
        entries: the entries of the manifest by name.

    Raises:
        CorruptModel: A file is missing, or the files hold other sizes than the manifest states.
        RefusedModel: There are too many arrays.
    """

    def __init__(self, beside: Location, groups: list[WeightsGroup]) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.entries: dict[str, ManifestEntry] = {}
        self._files: list[ShardedFile] = []
        self._stored: dict[str, StoredArray] = {}
        self._is_closed = False
        self._window: tuple[BinaryIO | None, int, bytes] = None, 0, b""
        declared = Declared(beside.limits)
        try:
            for group in groups:
                self._add_group(group, beside, declared)
            declared.require_stored()
        except BaseException:
            self.close()
            raise

    def _add_group(self, group: WeightsGroup, beside: Location, declared: Declared) -> None:
        file = ShardedFile([beside.sibling(path) for path in group.paths])
        self._files.append(file)
        declared.store(file.size)
        offset = 0
        for entry in group.entries:
            size = _find_size(entry, file, offset, beside.limits)
            declared.take(entry.size * ITEM_SIZES.get(entry.dtype, _LENGTH))
            if offset + size > file.size:
                raise CorruptModel(f"{entry.name} reaches beyond the end of {_name_files(group)}")
            self.entries[entry.name] = entry
            if entry.dtype != TEXT:
                stored = StoredArray(
                    partial(_return_file, file), _name_files(group), offset, entry.shape, ITEM_SIZES[entry.stored_as]
                )
                self._stored[entry.name] = stored
                self.tensors[entry.name] = _make_tensor(entry, stored, self._require_open)
            offset += size
        if offset < file.size:
            raise CorruptModel(f"{_name_files(group)} holds {file.size:,} bytes, but the manifest lists {offset:,}")

    def _require_open(self, name: str) -> None:
        if self._is_closed:
            raise ModelClosed(f"{name} was requested after the model had been closed")

    def read_few(self, name: str) -> bytes:
        """Return the numbers of the array `name` as bytes, without numpy; none if they are more than a few."""
        entry = self.entries.get(name)
        stored = self._stored.get(name)
        if entry is None or stored is None or entry.size > _FEW or entry.stored_as not in _STRUCT:
            return b""
        block = self._read_beside(stored) or b"".join(map(bytes, stored.rows()))
        if entry.quantization is None:
            return block
        kind = entry.quantization
        numbers = struct.unpack(f"<{entry.size}{_STRUCT[kind.dtype]}", block)
        return b"".join(struct.pack("<f", number * kind.scale + kind.least) for number in numbers)

    def find_equal(self, names: Sequence[str]) -> list[list[str]]:
        """Return which of the arrays `names`, of one shape, hold the same values: groups of two or more.

        Arrays whose first bytes differ are not read any further.
        """
        begun = self._group(names, lambda name: b"".join(map(bytes, self._begin(name).rows())))
        return [equal for alike in begun for equal in self._group(alike, self._digest)]

    def _group(self, names: Sequence[str], key: Callable[[str], bytes]) -> list[list[str]]:
        groups: dict[object, list[str]] = {}
        for name in names if len(names) > 1 else ():
            kind = self.entries[name].dtype, self.entries[name].quantization
            groups.setdefault((kind, key(name)), []).append(name)
        return [group for group in groups.values() if len(group) > 1]

    def _begin(self, name: str) -> StoredArray:
        """Return the first bytes of an array, as an array."""
        stored = self._stored[name]
        return stored._replace(shape=(min(stored.size, _WINDOW),), width=1)

    def _digest(self, name: str) -> bytes:
        from hashlib import sha256

        found = sha256()
        for block in self._stored[name].rows():
            found.update(block)
        return found.digest()

    def _read_beside(self, stored: StoredArray) -> bytes:
        """Return the bytes of a small array, read together with its neighbours; none if they cannot all be read."""
        file, start, window = self._window
        if (found := stored.file()) is not file or not start <= stored.offset <= start + len(window) - stored.size:
            try:
                found.seek(stored.offset)
                window = found.read(_WINDOW) or b""
            except OSError:
                return b""
            require_unchanged(found)
            start = stored.offset
            self._window = found, start, window
        few = window[stored.offset - start :][: stored.size]
        return few if len(few) == stored.size else b""

    def close(self) -> None:
        """Close all files."""
        self._is_closed = True
        for file in self._files:
            file.close()

    def note_quantized(self, names: Iterable[str]) -> list[str]:
        """Return the note on those of the arrays `names` that are stored with fewer bits than they are read with."""
        entries = [self.entries[name] for name in names]
        quantized = [entry for entry in entries if entry.quantization is not None and entry.shape]
        if not quantized:
            return []
        kinds = " and ".join(sorted({entry.stored_as for entry in quantized}))
        widest = max(quantized, key=_find_step)
        step = _find_step(widest)
        steps = f", in steps of at most {step:.{_STEPS_SHOWN}g} ({widest.name})" if step else ""
        many = plural(len(quantized), "array")
        return [f"{many} stored as {kinds}{steps}: the values are those that TensorFlow.js computes with"]


def _find_step(entry: ManifestEntry) -> float:
    kind = entry.quantization
    return 0.0 if kind is None or kind.dtype == "float16" else abs(kind.scale)


def _name_files(group: WeightsGroup) -> str:
    first, last = group.paths[0] if group.paths else "no file", group.paths[-1] if group.paths else ""
    return first if len(group.paths) < 2 else f"{first} to {last}"


def _find_size(entry: ManifestEntry, file: BinaryIO | ShardedFile, offset: int, limits: Limits) -> int:
    """Return the bytes that an array takes in the file from `offset`; texts have to be read for that."""
    if entry.dtype != TEXT:
        return entry.size * ITEM_SIZES[entry.stored_as]
    if entry.size > limits.nodes:
        raise limit_exceeded("nodes", f"{entry.name} holds {entry.size:,} texts", needed=entry.size)
    place = offset
    for _ in range(entry.size):
        file.seek(place)
        length = file.read(_LENGTH) or b""
        if len(length) < _LENGTH:
            raise CorruptModel(f"{entry.name} reaches beyond the end of its file")
        place += _LENGTH + int.from_bytes(length, "little")
    return place - offset


def _return_file(file: ShardedFile) -> BinaryIO:
    return cast("BinaryIO", file)


def _make_tensor(entry: ManifestEntry, stored: StoredArray, require_open: Callable[[str], None]) -> Tensor:
    def fetch(cuts: Cuts) -> Array:
        require_open(entry.name)
        import numpy as np  # when the first number is read: describing a model takes none

        lengths = [cut.stop - cut.start for cut in cuts]
        values = np.frombuffer(stored.block(cuts), _LETTERS[entry.stored_as]).reshape(lengths)
        return values if entry.quantization is None else _restore(values, entry.quantization, entry.dtype)

    def rows() -> Iterator[memoryview]:
        require_open(entry.name)
        yield from stored.rows()

    return Tensor(entry.name, entry.shape, entry.dtype, fetch, rows if entry.quantization is None else None)


_LETTERS: Mapping[str, str] = {name: "?" if name == "bool" else f"<{name[0]}{ITEM_SIZES[name]}" for name in ITEM_SIZES}


def _restore(values: Array, kind: Quantization, dtype: str) -> Array:
    """Return the numbers that TensorFlow.js computes with: the product and the sum in double precision, then rounded.

    Source: `decodeWeights` in `tfjs-core/src/io/io_utils.ts`, whose numbers are doubles.
    """
    import numpy as np

    if kind.dtype == "float16":
        return values.astype(np.float32)
    restored = values.astype(np.float64) * kind.scale + kind.least
    return (np.floor(restored + 0.5) if dtype == "int32" else restored).astype(dtype)
