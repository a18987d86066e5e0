"""What `torch.save` wrote before PyTorch 1.6: five pickles in a row, then the storages.

The pickles are a magic number, the number of the protocol, a description of the machine, the value itself, and the keys
of the storages. Each storage is the number of its elements in 8 bytes, and the elements.
"""

from __future__ import annotations

from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.pytorch.arrays import ByteBuffer
from lstmdump.readers.pytorch.open_file import OpenFile
from lstmdump.readers.pytorch.pickle_machine import EndsEarly, PickleCalls, PickleMachine, too_long
from lstmdump.readers.pytorch.storages import CALLS, PickledStorage

_PROTOCOL = 1001
_FIRST = 1 << 16  # bytes; the pickles of most files are shorter
_GROWTH = 8
_COUNT = 8  # bytes of the number of elements


class _StoredPlace(NamedTuple):
    """The bytes of a storage: the offset of the first, and how many there are."""

    start: int
    size: int


class LegacyFile:
    """The five pickles in `file`, and the storages behind them.

    Attributes:
        value: What the pickle stands for.
        is_big_endian: Whether the bytes of the numbers are in reverse order.
        is_script: Whether it is a program: never.
        is_frozen: Whether arrays are constants of a program: never.

    Raises:
        CorruptModel: It is cut short, or damaged.
        RefusedModel: It exceeds a limit.
    """

    is_script = is_frozen = False

    def __init__(self, file: OpenFile, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._storages: dict[str, PickledStorage] = {}
        (_, protocol, machine, self.value, keys), end = self._read_pickles()
        if protocol != _PROTOCOL or not isinstance(machine, dict):
            raise CorruptModel(f"a PyTorch file whose protocol is not {_PROTOCOL}")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise CorruptModel("the keys of the storages are not a list of texts")
        self.is_big_endian = machine.get("little_endian") is False
        self._places = self._locate(keys, end)

    def _locate(self, keys: list[str], at: int) -> dict[str, _StoredPlace]:
        """Return the bytes of all storages by key; the first one begins at `at`."""
        found = {}
        for key in keys:
            storage = self._storages.get(key)
            if storage is None:
                raise CorruptModel(f"the pickle does not use the storage {key}, so that its size is not known")
            count = int.from_bytes(self._file.read(at, _COUNT), "little")
            at += _COUNT
            size = storage._replace(start=0, length=count).size
            if size is None or at + size > self._file.size:
                raise CorruptModel(f"{self._file.name} is cut short: the storage {key} reaches beyond its end")
            found[key] = _StoredPlace(at, size)
            at += size
        return found

    def buffer(self, storage: PickledStorage) -> ByteBuffer:
        """Return the bytes of a storage.

        Raises:
            CorruptModel: They are missing, or fewer than the pickle declares.
        """
        called = f"the storage {storage.key}"
        place = self._places.get(storage.key)
        if place is None:
            raise CorruptModel(f"{called} is missing from the file")
        if (storage.size or 0) > place.size:
            raise CorruptModel(f"{called} has {place.size:,} bytes, and the pickle declares {storage.size:,}")
        return ByteBuffer(called, place.size, lambda array: (self._file.get(array), place.start))

    def require_disjoint(self) -> None:
        """Do nothing: the storages follow one another."""

    @property
    def stored(self) -> int:
        """The bytes of the file."""
        return self._file.size

    def _read_pickles(self) -> tuple[list[Any], int]:
        """Return the five values, and the offset behind the last pickle. As much is read as they turn out to need."""
        size, most = min(_FIRST, self._file.size), min(self._limits.json_size, self._file.size)
        while True:
            data = self._file.read(0, min(size, most))
            try:
                return self._run(data)
            except EndsEarly:
                if size >= self._file.size:
                    raise
                if size >= most:
                    raise too_long("the pickle", size + 1) from None
            size *= _GROWTH

    def _run(self, data: bytes) -> tuple[list[Any], int]:
        values, at = [], 0
        calls = PickleCalls(CALLS.known, self._remember)
        for _ in range(5):
            value, at = PickleMachine(data, at, calls, self._limits).run()
            values.append(value)
        return values, at

    def _remember(self, identifier: Any) -> Any:
        """Return the storage for a persistent id, and keep it: the keys behind the pickle do not state types."""
        value = CALLS.persistent(identifier)
        if isinstance(value, PickledStorage):
            self._storages[value.key] = value
        return value
