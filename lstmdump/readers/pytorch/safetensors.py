"""safetensors: the length of a JSON text, the text, and the arrays one after the other, row by row.

The text names each array with its type, its shape, and where it begins and ends behind the text. Source: the format's
description in github.com/huggingface/safetensors, which also says that the arrays neither overlap nor leave a byte out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.location import Location
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import NO_ARRAYS, NO_CLASSES, Model
from lstmdump.readers import json_text
from lstmdump.readers.detect import Format
from lstmdump.readers.pytorch import layers
from lstmdump.readers.pytorch.arrays import ITEM_SIZES, ByteBuffer, View, require_usual_shape, tensor_in
from lstmdump.readers.pytorch.open_file import OpenFile

_LENGTH = 8  # bytes of the length, little-endian
_HEADER = "the header"
_METADATA = "__metadata__"
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
           "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
           "BOOL": "bool", "C64": "complex64"}  # fmt: skip
_PRODUCERS = {"pt": "pytorch", "tf": "tensorflow", "np": "numpy"}
_UNKNOWN = "an unknown program"
_MAX_WORD = 40  # characters of the name of a type or a framework


class _Entry(NamedTuple):
    """An array in the header: its type, its shape, and its first and last byte, the latter exclusive."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def read(location: Location) -> Model:
    """Return the model in the safetensors file at `location`.

    Raises:
        UnreadableModel: The file cannot be read, is damaged, or exceeds a limit.
    """
    file = OpenFile(location)
    try:
        header, begin = _read_header(file, location.limits)
        entries = _parse_entries(header, location.limits)
        _require_contiguous(entries, file.size - begin)
        found = layers.place([(one.name, _open_tensor(one, file, begin)) for one in entries], location.limits)
    except BaseException:
        file.close()
        raise
    return Model(
        Format.SAFETENSORS.value,
        _read_producer(header),
        found.root,
        notes=(NO_CLASSES, *found.notes) if entries else (NO_ARRAYS,),
        release=file.close,
        sources=found.sources,
        network=found.network,
    )


def _read_header(file: OpenFile, limits: Limits) -> tuple[Mapping[str, Any], int]:
    """Return the header, and the offset of the first array in the file."""
    length = int.from_bytes(file.read(0, _LENGTH), "little")
    if length > file.size - _LENGTH:
        raise CorruptModel(f"{file.name} is cut short: its header has {length:,} bytes, and {file.size:,} are there")
    if length > limits.json_size:
        raise json_text.too_long(_HEADER, length)
    header = json_text.parse(file.read(_LENGTH, length), _HEADER, limits)
    if not isinstance(header, dict):
        raise CorruptModel(f"{_HEADER} is not a JSON object")
    return header, _LENGTH + length


def _parse_entries(header: Mapping[str, Any], limits: Limits) -> list[_Entry]:
    if len(header) > limits.objects:
        raise limit_exceeded("objects", f"{_HEADER} names {len(header):,} arrays", needed=len(header))
    return [_parse_entry(name, value) for name, value in header.items() if name != _METADATA]


def _parse_entry(name: str, value: Any) -> _Entry:
    described = value if isinstance(value, dict) else {}
    dtype, shape, places = described.get("dtype"), described.get("shape"), described.get("data_offsets")
    if not isinstance(dtype, str) or not _are_sizes(shape) or not _are_sizes(places) or len(places) != 2:
        raise CorruptModel(f"{_HEADER} does not describe {name} by dtype, shape and data_offsets")
    entry = _Entry(name, _DTYPES.get(dtype, dtype[:_MAX_WORD]), tuple(shape), *places)
    require_usual_shape(name, entry.shape)
    width = ITEM_SIZES.get(entry.dtype)
    size = entry.stop - entry.start
    if size < 0 or (width is not None and width * math.prod(entry.shape) != size):
        raise CorruptModel(f"{name} is {dtype} {entry.shape}, but has the bytes from {entry.start} to {entry.stop}")
    return entry


def _are_sizes(value: Any) -> TypeGuard[list[int]]:
    if not isinstance(value, list):
        return False
    for one in value:  # noqa: SIM110 - `all` takes twice as long for the two or three numbers of each array
        if type(one) is not int or one < 0:
            return False
    return True


def _require_contiguous(entries: list[_Entry], size: int) -> None:
    """Check that each of the `size` bytes behind the header belongs to one array.

    The text can name two arrays alike, of which a decoder keeps one; then the bytes of the other are left over.
    """
    end = 0
    for entry in sorted(entries, key=lambda one: (one.start, one.stop)):
        if entry.start != end:
            how = "overlaps the array before it" if entry.start < end else "leaves bytes before it that are no array's"
            raise CorruptModel(f"{entry.name} {how}")
        end = entry.stop
    if end > size:
        raise CorruptModel(f"the file is cut short: its arrays have {end:,} bytes, and {size:,} are there")
    if end < size:
        raise CorruptModel(f"{size - end:,} bytes at the end of the file are no array's")


def _open_tensor(entry: _Entry, file: OpenFile, begin: int) -> Tensor:
    buffer = ByteBuffer(file.name, entry.stop - entry.start, lambda name: (file.get(name), begin + entry.start))
    return tensor_in(entry.name, View(entry.dtype, entry.shape), buffer)


def _read_producer(header: Mapping[str, Any]) -> str:
    """Return the framework that the header states, as `safetensors.torch` does: `pytorch`."""
    metadata = header.get(_METADATA)
    word = metadata.get("format") if isinstance(metadata, dict) else None
    return _PRODUCERS.get(word, word[:_MAX_WORD]) if isinstance(word, str) and word else _UNKNOWN
