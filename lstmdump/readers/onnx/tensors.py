"""The tensors of a model (`TensorProto`): in the model, as bytes or as a field per number, or in a file beside it.

Source: `onnx.proto` and `docs/ExternalData.md`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model import budget
from lstmdump.model.limits import limit_exceeded
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.file_names import is_plain_file_name
from lstmdump.readers.onnx.data_files import DataFiles
from lstmdump.readers.onnx.model_file import ModelFile, Span, as_number, as_span, signed
from lstmdump.readers.protobuf import varints
from lstmdump.readers.raw_array import StoredArray, from_bfloat16

if TYPE_CHECKING:
    import numpy as np

_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
           10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128",
           16: "bfloat16", 17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz",
           21: "uint4", 22: "int4", 23: "float4_e2m1fn", 24: "float8_e8m0fnu"}  # fmt: skip
WIDTHS = {"float16": 2, "float32": 4, "float64": 8, "bfloat16": 2, "int32": 4, "int64": 8, "bool": 1, "uint8": 1,
          "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "uint64": 8}  # fmt: skip
"""The bytes of an element of each type that is known."""

FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
"""The types of the numbers that are weights."""

_FIXED_FIELDS = {4: "float32", 10: "float64"}
_VARINT_FIELDS = {5: ("int32", "float16", "bfloat16", "int8", "uint8", "int16", "uint16", "bool"), 7: ("int64",),
                  11: ("uint32", "uint64")}  # fmt: skip
_LISTS = (*_FIXED_FIELDS, *_VARINT_FIELDS)
_DIMS, _TYPE, _NAME, _RAW, _EXTERNAL, _PLACE = 1, 2, 8, 9, 13, 14
_MAX_RANK = 32
_MAX_EXTENT = 1 << 62
_FEW = 64  # numbers
_MAX_COMPARED = 1 << 20  # bytes of an array that is compared with 0
_LETTERS = {"float32": "f", "float64": "d", "float16": "e", "int32": "i", "int64": "q"}


class StoredTensor:
    """A `TensorProto`: its shape and type, and where its numbers are.

    Attributes:
        name: Its name.
        shape: Its shape.
        dtype: The type of its elements, as named by numpy.

    Raises:
        CorruptModel: The stored bytes do not match the shape.
    """

    __slots__ = ("_beside", "_content", "_external", "_file", "_listed", "dtype", "name", "shape")

    def __init__(
        self, file: ModelFile, span: Span, beside: DataFiles, name: str = "", *, keeps_name: bool = True
    ) -> None:
        self._file, self._beside = file, beside
        fields: dict[int, list[int | Span]] = {}
        for number, value in file.fields(span):
            fields.setdefault(number, []).append(value)
        stated = file.text(fields[_NAME][-1]) if _NAME in fields and keeps_name else name
        dtype = as_number(fields[_TYPE][-1]) if _TYPE in fields else 0
        self.name = stated
        self.dtype = name_of_type(dtype)
        self.shape = require_shape(stated, _read_extents(file, fields.get(_DIMS, ())))
        self._content = as_span(fields[_RAW][-1]) if _RAW in fields else None
        self._listed = [(number, value) for number in _LISTS for value in fields.get(number, ())]
        self._external: tuple[str, int] | None = None
        if _PLACE in fields and as_number(fields[_PLACE][-1]) == 1:
            self._external = self._read_place([as_span(value) for value in fields.get(_EXTERNAL, ())])
        elif self._content is not None and self._width is not None:
            self._require_size(self._content[1] - self._content[0])
        elif self.is_float:
            self._require_listed()

    @property
    def is_float(self) -> bool:
        """Whether it holds floating-point numbers of a type that numpy and the other formats have."""
        return self.dtype in FLOATS

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def _width(self) -> int | None:
        return WIDTHS.get(self.dtype)

    @property
    def stored_size(self) -> int:
        """How many bytes its numbers take, in the model or beside it; 0 for numbers of unknown width."""
        return self.size * (self._width or 0)

    def tensor(self) -> Tensor:
        """Return the tensor, whose numbers are read on request."""
        name, shape, dtype = self.name, self.shape, self.dtype

        def fetch(cuts: Cuts) -> Array:
            return self._fetch(cuts)

        def rows() -> Iterator[memoryview]:
            return self._locate().rows()

        is_as_written = self._is_contiguous and dtype != "bfloat16"
        return Tensor(name, shape, dtype, fetch, rows if is_as_written else None)

    def integers(self) -> tuple[int, ...] | None:
        """Return the numbers of a short vector or a scalar of integers, without numpy; None if it is anything else."""
        if self.dtype not in ("int32", "int64") or len(self.shape) > 1 or self.size > _FEW:
            return None
        values = self._read_few()
        return None if values is None else tuple(map(int, values))

    def number(self) -> float | None:
        """Return the only number, without numpy; None if there are several, or it is not a number."""
        if self.dtype not in _LETTERS or self.size != 1:
            return None
        values = self._read_few()
        return None if values is None else float(values[0])

    def is_zero(self) -> bool:
        """Return whether all its numbers are 0; those of a large array, or of one beside the model, are not read."""
        if self._external is not None or self.stored_size > _MAX_COMPARED:
            return False
        if self._content is not None:
            return not any(self._file.content(self._content))
        values = [value for _, value in self._listed]
        return not any(value if isinstance(value, int) else any(self._file.content(value)) for value in values)

    def _read_few(self) -> tuple[float, ...] | None:
        """Return the numbers, which are few; None if they are not as many as the shape has."""
        data = None
        if self._content is not None:
            data = self._file.content(self._content)
        elif self._external is not None:
            data = bytes(self._locate().block(tuple(slice(0, length) for length in self.shape)))
        elif self._listed and self._listed[0][0] in _VARINT_FIELDS:
            values = self._list_varints()
            if self.dtype == "float16":
                data = b"".join((value & 0xFFFF).to_bytes(2, "little") for value in values)
            else:
                return tuple(values) if len(values) == self.size else None
        else:
            data = b"".join(self._list_fixed())
        form = f"<{self.size}{_LETTERS[self.dtype]}"
        return struct.unpack(form, data) if struct.calcsize(form) == len(data) else None

    @property
    def _is_contiguous(self) -> bool:
        return self._external is not None or self._content is not None or self._find_packed() is not None

    def _find_packed(self) -> Span | None:
        """Return where the numbers are if they are in one field, which holds them as they are in memory."""
        if len(self._listed) == 1 and _FIXED_FIELDS.get(self._listed[0][0]) == self.dtype:
            return as_span(self._listed[0][1])
        return None

    def _locate(self) -> StoredArray:
        """Return the array in its file."""
        width = self._width or 0
        if self._external is not None:
            name, offset = self._external
            return StoredArray(lambda: self._beside.open(name), name, offset, self.shape, width)
        start, _ = self._content or self._find_packed() or (0, 0)
        return StoredArray(self._beside.open, "it", start, self.shape, width)

    def _fetch(self, cuts: Cuts) -> Array:
        import numpy as np  # when the first number is read: describing a model takes none

        if self._width is None:
            raise CorruptModel(f"{self.name} holds {self.dtype} values, which cannot be read as numbers")
        stored = np.dtype("uint16" if self.dtype == "bfloat16" else self.dtype).newbyteorder("<")
        try:
            if self._is_contiguous:
                lengths = tuple(cut.stop - cut.start for cut in cuts)
                values: Array = np.frombuffer(self._locate().block(cuts), stored).reshape(lengths)
            else:
                values = self._fetch_listed(stored).reshape(self.shape)[cuts]
        except ValueError as error:
            raise RefusedModel(f"an array of shape {self.shape} is too large for numpy") from error
        return from_bfloat16(values) if self.dtype == "bfloat16" else values.astype(stored.newbyteorder("="))

    def _fetch_listed(self, stored: np.dtype[np.generic]) -> Array:
        """Return the numbers that have a field each, or are in several fields."""
        import numpy as np

        self._beside.open()
        budget.allow(self.stored_size, copies=4)
        if self._listed and self._listed[0][0] in _VARINT_FIELDS:
            numbers = np.array(self._list_varints(), np.int64)
            halves = self.dtype in ("float16", "bfloat16")
            found = numbers.astype(np.uint16).view(stored) if halves else numbers.astype(stored)
        else:
            found = np.frombuffer(b"".join(self._list_fixed()), stored)
        if found.size != self.size:
            raise CorruptModel(f"{self.name} has the shape {self.shape}, but {found.size} numbers are stored")
        return found

    def _list_varints(self) -> list[int]:
        return self._read_integers([value for _, value in self._listed])

    def _read_integers(self, values: Iterable[int | Span]) -> list[int]:
        """Return the int64 in `values`, fields of which each holds one, or several packed."""
        found: list[int] = []
        for value in values:
            found += [value] if isinstance(value, int) else varints(self._read_whole(value))
        return [signed(value) for value in found]

    def _list_fixed(self) -> list[bytes]:
        return [self._read_whole(as_span(value)) for _, value in self._listed]

    def _read_whole(self, span: Span) -> bytes:
        start, stop = span
        whole = StoredArray(self._beside.open, "it", start, (stop - start,), 1)
        return bytes(whole.block((slice(0, stop - start),)))

    def _require_size(self, stored: int) -> None:
        if stored != self.stored_size:
            raise CorruptModel(
                f"{self.name} is {self.dtype} {self.shape}, {self.stored_size:,} bytes, but {stored:,} are stored"
            )

    def _require_listed(self) -> None:
        """Check that as many numbers are stored, in the fields of their type, as the shape has."""
        fields = {number for number, _ in self._listed}
        sizes = [1 if isinstance(value, int) else value[1] - value[0] for _, value in self._listed]
        fitting = {number for number, dtype in _FIXED_FIELDS.items() if dtype == self.dtype}
        fitting |= {number for number, dtypes in _VARINT_FIELDS.items() if self.dtype in dtypes}
        if self.size and not (len(fields) == 1 and fields <= fitting):
            raise CorruptModel(f"{self.name} is {self.dtype} {self.shape}, but its numbers are not stored")
        if fields <= set(_FIXED_FIELDS):
            self._require_size(sum(sizes))
        elif not self.size <= sum(sizes) <= 10 * self.size:
            raise CorruptModel(f"{self.name} has {self.size:,} numbers, but {sum(sizes):,} bytes are stored")

    def _read_place(self, entries: list[Span]) -> tuple[str, int]:
        """Return the file beside the model that holds the numbers, and where they begin.

        Raises:
            CorruptModel: They reach beyond the end of the file.
            RefusedModel: The file is not beside the model.
        """
        told = dict(self._read_entry(entry) for entry in entries[:_FEW])
        place = told.get("location", "")
        if not is_plain_file_name(place):
            raise RefusedModel(f"{self.name} is in the file {place!r}; only files beside the model are opened, by a "
                               "plain name")  # fmt: skip
        offset, length = (_parse_number(told.get(key, "")) for key in ("offset", "length"))
        if length is not None and self._width is not None:
            self._require_size(length)
        size = self._beside.size(place)
        if size is not None and (offset or 0) + self.stored_size > size:
            raise CorruptModel(f"{self.name} reaches beyond the end of {place}: the file is cut short")
        return place, offset or 0

    def _read_entry(self, span: Span) -> tuple[str, str]:
        found = {number: self._file.text(value) for number, value in self._file.fields(span)}
        return found.get(1, ""), found.get(2, "")


def _read_extents(file: ModelFile, values: Iterable[int | Span]) -> list[int]:
    found: list[int] = []
    for value in values:
        found += [signed(value)] if isinstance(value, int) else file.integers(value)
    return found


def _parse_number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise CorruptModel(f"external data at {text[:_FEW]!r}, which is not a number of bytes")
    return int(text)


def name_of_type(number: int) -> str:
    """Return the type of elements with this number in `onnx.proto`, as named by numpy."""
    return _DTYPES.get(number, f"type {number}")


def require_shape(name: str, dims: list[int]) -> tuple[int, ...]:
    """Return the shape with the extents `dims`, of the tensor `name`.

    Raises:
        CorruptModel: It is not valid.
    """
    if len(dims) > _MAX_RANK or any(length < 0 for length in dims) or math.prod(dims) > _MAX_EXTENT:
        raise CorruptModel(f"{name} has the shape {tuple(dims[:_MAX_RANK])}, which is not valid")
    return tuple(dims)


def too_large_to_compute(name: str, size: int, stored: int) -> RefusedModel:
    """Return the error for an array `name` that is computed, and has more bytes than all that the model stores."""
    return limit_exceeded("unfolding", f"{name} is computed, and has {size:,} bytes, but {stored:,} are stored",
                          needed=-(-size // max(1, stored)))  # fmt: skip
