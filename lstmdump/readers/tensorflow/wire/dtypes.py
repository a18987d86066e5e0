"""TensorFlow's element types and shapes, as its messages hold them. Sources: `types.proto`, `tensor_shape.proto`."""

from __future__ import annotations

import math
from functools import lru_cache

from lstmdump.errors import CorruptModel
from lstmdump.readers.tensorflow.wire.protobuf import Buffer, Message

STRING = 7
_NAMES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", STRING: "string", 8: "complex64",
          9: "int64", 10: "bool", 11: "qint8", 12: "quint8", 13: "qint32", 14: "bfloat16", 15: "qint16", 16: "quint16",
          17: "uint16", 18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32",
          23: "uint64"}  # fmt: skip
_ITEM_SIZES = {"float32": 4, "float64": 8, "int32": 4, "uint8": 1, "int16": 2, "int8": 1, "complex64": 8, "int64": 8,
               "bool": 1, "bfloat16": 2, "uint16": 2, "complex128": 16, "float16": 2, "uint32": 4,
               "uint64": 8}  # fmt: skip
_MAX_RANK = 254  # TensorFlow's own limit
_LONGEST_KEPT = 64  # bytes
_FIRST_REFERENCE = 100  # added to the type of a reference variable


def dtype_name(number: int) -> str:
    """The name of the element type NUMBER, as numpy calls it where it has it."""
    plain = number - _FIRST_REFERENCE if number > _FIRST_REFERENCE else number
    return _NAMES.get(plain, f"type {number}")


def stored_dtype_name(number: int) -> str:
    """The name of the element type NUMBER of an array that is stored.

    Raises:
        CorruptModel: it is a reference, of which there are none in files.
    """
    if number > _FIRST_REFERENCE:
        raise CorruptModel(f"a stored tensor of type {number}, which is a reference")
    return _NAMES.get(number, f"type {number}")


def item_size(dtype: str) -> int | None:
    """Bytes per element of DTYPE; None where its numbers cannot be read here."""
    return _ITEM_SIZES.get(dtype)


def byte_size(dtype: str, shape: tuple[int, ...]) -> int | None:
    """Bytes of an array, or None where its numbers cannot be read here."""
    size = item_size(dtype)
    return None if size is None else size * math.prod(shape)


def shape_in(data: Buffer) -> tuple[int, ...]:
    """The shape in DATA, a TensorShapeProto; one of few bytes is kept, since a model has few shapes, each many times.

    Raises:
        CorruptModel: as in `shape_of`.
    """
    return _shape_in(bytes(data)) if len(data) <= _LONGEST_KEPT else shape_of(Message(data))


def known_shape_in(data: Buffer) -> tuple[int, ...] | None:
    """The shape in DATA as `known_shape` gives it, kept as above.

    Raises:
        CorruptModel: as in `known_shape`.
    """
    return _known_shape_in(bytes(data)) if len(data) <= _LONGEST_KEPT else known_shape(Message(data))


@lru_cache(maxsize=256)
def _shape_in(data: bytes) -> tuple[int, ...]:
    return shape_of(Message(data))


@lru_cache(maxsize=256)
def _known_shape_in(data: bytes) -> tuple[int, ...] | None:
    return known_shape(Message(data))


def shape_of(message: Message) -> tuple[int, ...]:
    """The shape in a TensorShapeProto.

    Raises:
        CorruptModel: it is not known, or has a negative extent.
    """
    extents = tuple(extent.signed(1) for extent in message.messages(2))
    if message.integer(3) or any(extent < 0 for extent in extents) or len(extents) > _MAX_RANK:
        raise CorruptModel(f"a stored tensor of shape {extents}, which none can have")
    return extents


def known_shape(message: Message) -> tuple[int, ...] | None:
    """The shape in a TensorShapeProto of a variable that was declared; None where not all of it is known.

    Raises:
        CorruptModel: it has more dimensions than any array of TensorFlow's.
    """
    open_ended = message.integer(3) or any(extent.signed(1) < 0 for extent in message.messages(2))
    return None if open_ended else shape_of(message)
