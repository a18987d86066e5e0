"""Dtypes and shapes in TensorFlow's messages. Sources: `types.proto`, `tensor_shape.proto`."""

from __future__ import annotations

import math
from functools import lru_cache

from lstmdump.errors import CorruptModel
from lstmdump.readers.protobuf import Buffer, Message

STRING = 7
_NAMES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", STRING: "string", 8: "complex64",
          9: "int64", 10: "bool", 11: "qint8", 12: "quint8", 13: "qint32", 14: "bfloat16", 15: "qint16", 16: "quint16",
          17: "uint16", 18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32",
          23: "uint64"}  # fmt: skip
_ITEM_SIZES = {"float32": 4, "float64": 8, "int32": 4, "uint8": 1, "int16": 2, "int8": 1, "complex64": 8, "int64": 8,
               "bool": 1, "bfloat16": 2, "uint16": 2, "complex128": 16, "float16": 2, "uint32": 4,
               "uint64": 8}  # fmt: skip
_MAX_RANK = 254  # TensorFlow's limit
_LONGEST_KEPT = 64  # bytes of a shape that is cached
_FIRST_REFERENCE = 100  # is added to the dtype of a reference variable


def dtype_name(number: int) -> str:
    """Return the name of TensorFlow's dtype `number`: numpy's name, if numpy has the dtype."""
    plain = number - _FIRST_REFERENCE if number > _FIRST_REFERENCE else number
    return _NAMES.get(plain, f"type {number}")


def stored_dtype_name(number: int) -> str:
    """Return the name of the dtype `number` of a stored tensor.

    Raises:
        CorruptModel: The dtype is a reference, which files never hold.
    """
    if number > _FIRST_REFERENCE:
        raise CorruptModel(f"a stored tensor has type {number}, which is a reference")
    return _NAMES.get(number, f"type {number}")


def item_size(dtype: str) -> int | None:
    """Return the bytes per element of `dtype`, or None if its numbers cannot be read."""
    return _ITEM_SIZES.get(dtype)


def byte_size(dtype: str, shape: tuple[int, ...]) -> int | None:
    """Return the size of an array in bytes, or None if its numbers cannot be read."""
    size = item_size(dtype)
    return None if size is None else size * math.prod(shape)


def shape_in(data: Buffer) -> tuple[int, ...]:
    """Return the shape in `data`, a TensorShapeProto.

    Short messages are cached: a model has few different shapes and repeats each many times.

    Raises:
        CorruptModel: As in `shape_of`.
    """
    return _parse_shape(bytes(data)) if len(data) <= _LONGEST_KEPT else shape_of(Message(data))


def known_shape_in(data: Buffer) -> tuple[int, ...] | None:
    """Return the shape in `data` as `known_shape` does, with the cache of `shape_in`.

    Raises:
        CorruptModel: As in `known_shape`.
    """
    return _parse_known_shape(bytes(data)) if len(data) <= _LONGEST_KEPT else known_shape(Message(data))


@lru_cache(maxsize=256)
def _parse_shape(data: bytes) -> tuple[int, ...]:
    return shape_of(Message(data))


@lru_cache(maxsize=256)
def _parse_known_shape(data: bytes) -> tuple[int, ...] | None:
    return known_shape(Message(data))


def shape_of(message: Message) -> tuple[int, ...]:
    """Return the shape in a TensorShapeProto.

    Raises:
        CorruptModel: The rank is unknown or too large, or an extent is negative.
    """
    extents = tuple(extent.signed(1) for extent in message.messages(2))
    if message.integer(3) or any(extent < 0 for extent in extents) or len(extents) > _MAX_RANK:
        raise CorruptModel(f"a stored tensor has the shape {extents}, which is not valid")
    return extents


def known_shape(message: Message) -> tuple[int, ...] | None:
    """Return the shape in the TensorShapeProto of a declared variable, or None if it is partly unknown.

    Raises:
        CorruptModel: The shape has more dimensions than TensorFlow allows.
    """
    open_ended = message.integer(3) or any(extent.signed(1) < 0 for extent in message.messages(2))
    return None if open_ended else shape_of(message)
