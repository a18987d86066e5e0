"""The tensors stored in a graph, of which most are only counted.

Graphs have thousands of them. What every exporter writes, shape and type, then the name, then the numbers as bytes, is
compared with what these bytes must be; nothing else is done for such a tensor until it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import TypeAlias

from lstmdump.errors import CorruptModel, LstmdumpError
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.tree import name_too_long
from lstmdump.readers.onnx.data_files import DataFiles
from lstmdump.readers.onnx.model_file import ModelFile, Span
from lstmdump.readers.onnx.tensors import FLOATS, WIDTHS, StoredTensor, name_of_type, require_shape
from lstmdump.readers.protobuf import Message, as_text, encode_varint, varint

_NAME_KEY, _RAW_KEY = b"\x42", b"\x4a"
_DIMS, _TYPE = 1, 2
_SHORT = 0x80  # smaller numbers take one byte
_KNOWN = 4096  # heads

_Expected: TypeAlias = "tuple[int, bytes, int, int]"
"""What follows from a head: the bytes of the name, with its key and length; those between the name and the numbers; the
number of parameters; and the bytes of the numbers."""


class StoredTensors:
    """The tensors stored in a graph, by name, in the order of the file.

    Args:
        file: The file with the graph.
        beside: The files that hold its numbers.
        limits: How far it is trusted.

    Attributes:
        parameters: How many floating-point numbers they hold in all.
        stored_size: How many bytes their numbers take.
    """

    def __init__(self, file: ModelFile, beside: DataFiles, limits: Limits) -> None:
        self._file, self._beside, self._limits = file, beside, limits
        self._found: dict[bytes, StoredTensor | Span] = {}  # the record, with its length, of those not asked for yet
        self._heads: dict[bytes, _Expected | None] = {}
        self.parameters = self.stored_size = 0

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, name: str) -> bool:
        return _encode(name) in self._found

    def get(self, name: str) -> StoredTensor | None:
        """Return the tensor `name`, the same object every time, or None if there is none."""
        key = _encode(name)
        found = self._found.get(key)
        if isinstance(found, tuple):
            head = self._file.content((found[0], min(found[0] + 11, found[1])))  # the key and the length at most
            span = found[0] + _skip_length(head, 0), found[1]
            found = self._found[key] = StoredTensor(self._file, span, self._beside)
        return found

    def values(self) -> Iterator[StoredTensor]:
        """Yield all tensors."""
        return filter(None, map(self.get, map(as_text, list(self._found))))

    def add(self, span: Span) -> None:
        """Add the tensor at `span`.

        Raises:
            CorruptModel: It is damaged, or there is another one of this name.
            RefusedModel: There are too many, or its name is too long.
        """
        tensor = StoredTensor(self._file, span, self._beside)
        name = _encode(tensor.name)
        if len(tensor.name) > self._limits.name_length:
            raise name_too_long(tensor.name)
        if name in self._found:
            raise _repeated(name)
        self._found[name] = tensor
        self._require_few()
        self.parameters += tensor.size if tensor.is_float else 0
        self.stored_size += tensor.stored_size

    def add_all(self, data: bytes, bounds: Sequence[int], base: int) -> None:
        """Add the tensors that follow each other in `data`, each behind its key and its length.

        Args:
            data: Bytes of the file.
            bounds: Where each begins, and where the last ends.
            base: The position of `data` in the file.

        Raises:
            CorruptModel: As in `add`.
            RefusedModel: As in `add`.
        """
        heads, found, find = self._heads, self._found, data.find
        parameters = stored = 0
        for start, stop in pairwise(bounds):
            at = find(_NAME_KEY, start, stop)
            head = data[start : max(start, at)]
            expected = heads[head] if head in heads else self._expect(head, stop - start)
            if expected is not None:
                named, tail, count, size = expected
                after = at + named
                if data[at + 1] == named - 2 and data.startswith(tail, after):
                    name = data[at + 2 : after]
                    if name in found:
                        raise _repeated(name)
                    found[name] = (base + start, base + stop)
                    parameters += count
                    stored += size
                    continue
            self.add((base + _skip_length(data, start), base + stop))
        self.parameters += parameters
        self.stored_size += stored
        self._require_few()

    def _require_few(self) -> None:
        count, most = len(self._found), self._limits.objects
        if count > most:
            raise limit_exceeded("objects", f"more than {most:,} arrays", needed=2 * count)

    def _expect(self, head: bytes, size: int) -> _Expected | None:
        """Return what has to follow `head`, the beginning of a record of `size` bytes; None if that is not known.

        The head is the key and the length of the record, and the shape and the type of the tensor.
        """
        found = None
        with suppress(LstmdumpError):  # which is raised again, with the name, when the tensor is added
            stated = Message(head[_skip_length(head, 0) :])
            shape, dtype = require_shape("", stated.integers(_DIMS)), name_of_type(stated.integer(_TYPE))
            count, width = math.prod(shape), WIDTHS.get(dtype, 0)
            tail = _RAW_KEY + encode_varint(count * width)
            named = size - len(head) - len(tail) - count * width
            if (
                stated.holds_only(_DIMS, _TYPE)
                and count * width
                and 2 <= named <= min(_SHORT, self._limits.name_length)
            ):
                found = named, tail, count if dtype in FLOATS else 0, count * width
        if len(self._heads) < _KNOWN:
            self._heads[head] = found
        return found


def _skip_length(data: bytes, start: int) -> int:
    """Return the index in `data` behind the key and the length at `start`."""
    return varint(data, varint(data, start)[1])[1]


def _encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _repeated(name: bytes) -> CorruptModel:
    return CorruptModel(f"two stored tensors are called {as_text(name)}")
