"""Partitioned tensors, which a bundle stores in pieces: the keys of the pieces, and a check that they are complete.

The key of a piece is written in TensorFlow's order-preserving code: a zero, the name of the tensor, its rank, and the
start and length of each dimension. Sources: `saved_tensor_slice_util.cc` and `ordered_code.cc`; checked with genuine
partitioned checkpoints.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.readers.protobuf import Message

_ESCAPES = {b"\x00": b"\x00\xff", b"\xff": b"\xff\x00"}
_MAX_AXES = 4
_ESCAPED = re.compile(b"[\x00\xff]")

Span = tuple[int, int]
"""Start and length; a length of -1 is the whole dimension."""


def spans_of(slice_message: Message, rank: int) -> tuple[Span, ...]:
    """Return the spans in a TensorSliceProto, one per dimension.

    Raises:
        CorruptModel: The number of dimensions is not `rank`.
    """
    spans = tuple((extent.signed(1), extent.signed(2) if 2 in extent else -1) for extent in slice_message.messages(1))
    if len(spans) != rank:
        raise CorruptModel(f"a piece has {len(spans)} dimensions, but its tensor has {rank}")
    return spans


def key_of(name: str, spans: Sequence[Span]) -> bytes:
    """Return the key under which the piece at `spans` of the tensor `name` is stored."""
    text = _ESCAPED.sub(lambda found: _ESCAPES[found[0]], name.encode("utf-8", "surrogateescape"))
    numbers = b"".join(_encode_signed(number) for span in spans for number in span)
    return b"\x00" + text + b"\x00\x01" + _encode_unsigned(len(spans)) + numbers


def resolved(spans: Sequence[Span], shape: Sequence[int]) -> tuple[Span, ...]:
    """Return `spans` with the lengths of whole dimensions filled in.

    Raises:
        CorruptModel: A span reaches outside `shape`.
    """
    found = tuple(
        (start, extent if length == -1 else length) for (start, length), extent in zip(spans, shape, strict=True)
    )
    if any(
        start < 0 or length < 0 or start + length > extent for (start, length), extent in zip(found, shape, strict=True)
    ):
        raise CorruptModel(f"a piece at {found} is outside its tensor of shape {tuple(shape)}")
    return found


def require_whole(pieces: Sequence[Sequence[Span]], shape: Sequence[int]) -> None:
    """Check that `pieces` cover each element of `shape` exactly once.

    They do if and only if their corners, counted as +1 and -1 in turn, add up to the corners of the whole tensor: a
    corner that two pieces share cancels out. This takes time proportional to the number of pieces; comparing all pairs
    would take the square of it.

    Raises:
        CorruptModel: An element is missing or covered twice.
        RefusedModel: The tensor is partitioned along too many dimensions to check; TensorFlow partitions one.
    """
    axes = [axis for axis, extent in enumerate(shape) if any(piece[axis] != (0, extent) for piece in pieces)]
    if len(axes) > _MAX_AXES:
        raise RefusedModel(f"a tensor is partitioned along {len(axes)} dimensions; at most {_MAX_AXES} are supported")
    left = Counter({corner: -sign for corner, sign in _iterate_corners([(0, extent) for extent in shape], axes)})
    for piece in pieces:
        for corner, sign in _iterate_corners(piece, axes):
            left[corner] += sign
    has_empty = len(pieces) > 1 and any(length == 0 for piece in pieces for _, length in piece)
    if any(left.values()) or has_empty or not pieces or (not axes and len(pieces) > 1):
        raise CorruptModel(f"its {len(pieces)} pieces do not make up a tensor of shape {tuple(shape)}")


def _iterate_corners(piece: Sequence[Span], axes: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the corners of `piece` along `axes`, with -1 for an odd number of ends and +1 for an even one."""
    for ends in product((False, True), repeat=len(axes)):
        corner = tuple(piece[axis][0] + piece[axis][1] * end for axis, end in zip(axes, ends, strict=True))
        yield corner, -1 if sum(ends) % 2 else 1


def _encode_unsigned(number: int) -> bytes:
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(body)]) + body


def _encode_signed(number: int) -> bytes:
    """Encode `number` after as many one bits as the code has bytes, so that codes sort like numbers."""
    magnitude = ~number if number < 0 else number
    length = next(count for count in range(1, 11) if magnitude < 1 << (7 * count - 1))
    head = ((1 << length) - 1) << (7 * length)  # `length` ones, then a zero, then the number
    code = (magnitude | head).to_bytes(length, "big")
    return bytes(byte ^ 0xFF for byte in code) if number < 0 else code
