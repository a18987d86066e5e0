"""Tensors that a bundle keeps in pieces: the keys of the pieces, and whether they make up the whole.

A piece's key is built of TensorFlow's order-preserving codes: a zero, the tensor's name, its rank, and each dimension's
start and length. Source: `saved_tensor_slice_util.cc` and `ordered_code.cc`; measured on partitioned checkpoints.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.readers.tensorflow.wire.protobuf import Message

_ESCAPES = {b"\x00": b"\x00\xff", b"\xff": b"\xff\x00"}
_MOST_CUT = 4
_ESCAPED = re.compile(b"[\x00\xff]")

Span = tuple[int, int]
"""Start and length; a length of -1 is the whole dimension."""


def spans_of(slice_message: Message, rank: int) -> tuple[Span, ...]:
    """The spans in a TensorSliceProto, one per dimension.

    Raises:
        CorruptModel: it has another number of dimensions than RANK.
    """
    spans = tuple((extent.signed(1), extent.signed(2) if 2 in extent else -1) for extent in slice_message.messages(1))
    if len(spans) != rank:
        raise CorruptModel(f"a piece with {len(spans)} dimensions in a tensor with {rank}")
    return spans


def key_of(name: str, spans: Sequence[Span]) -> bytes:
    """The key under which the piece of the tensor NAME at SPANS is stored."""
    text = _ESCAPED.sub(lambda found: _ESCAPES[found[0]], name.encode("utf-8", "surrogateescape"))
    numbers = b"".join(_signed(number) for span in spans for number in span)
    return b"\x00" + text + b"\x00\x01" + _unsigned(len(spans)) + numbers


def resolved(spans: Sequence[Span], shape: Sequence[int]) -> tuple[Span, ...]:
    """SPANS with the lengths of whole dimensions put in.

    Raises:
        CorruptModel: a span reaches outside SHAPE.
    """
    found = tuple(
        (start, extent if length == -1 else length) for (start, length), extent in zip(spans, shape, strict=True)
    )
    if any(
        start < 0 or length < 0 or start + length > extent for (start, length), extent in zip(found, shape, strict=True)
    ):
        raise CorruptModel(f"a piece at {found} lies outside its tensor of shape {tuple(shape)}")
    return found


def insist_on_whole(pieces: Sequence[Sequence[Span]], shape: Sequence[int]) -> None:
    """PIECES cover SHAPE, no element twice.

    They do if and only if their corners add up to those of the whole, each counted as +1 or -1 in turn: a corner that
    two pieces share cancels out. That takes time in proportion to the pieces, where comparing each with each would not.

    Raises:
        CorruptModel: they do not.
        RefusedModel: they are cut through more dimensions than can be checked; TensorFlow cuts one.
    """
    axes = [axis for axis, extent in enumerate(shape) if any(piece[axis] != (0, extent) for piece in pieces)]
    if len(axes) > _MOST_CUT:
        raise RefusedModel(f"a tensor that is cut through {len(axes)} dimensions; at most {_MOST_CUT} are read")
    left = Counter({corner: -sign for corner, sign in _corners([(0, extent) for extent in shape], axes)})
    for piece in pieces:
        for corner, sign in _corners(piece, axes):
            left[corner] += sign
    has_empty = len(pieces) > 1 and any(length == 0 for piece in pieces for _, length in piece)
    if any(left.values()) or has_empty or not pieces or (not axes and len(pieces) > 1):
        raise CorruptModel(f"its {len(pieces)} pieces do not make up a tensor of shape {tuple(shape)}")


def _corners(piece: Sequence[Span], axes: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """The corners of PIECE along AXES, those with an odd number of ends as -1, the others as +1."""
    for ends in product((False, True), repeat=len(axes)):
        corner = tuple(piece[axis][0] + piece[axis][1] * end for axis, end in zip(axes, ends, strict=True))
        yield corner, -1 if sum(ends) % 2 else 1


def _unsigned(number: int) -> bytes:
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(body)]) + body


def _signed(number: int) -> bytes:
    """NUMBER with a head of as many ones as it takes bytes, so that the bytes sort as the numbers do."""
    magnitude = ~number if number < 0 else number
    length = next(count for count in range(1, 11) if magnitude < 1 << (7 * count - 1))
    head = ((1 << length) - 1) << (7 * length)  # LENGTH ones, then a zero, then the number
    code = (magnitude | head).to_bytes(length, "big")
    return bytes(byte ^ 0xFF for byte in code) if number < 0 else code
