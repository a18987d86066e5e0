"""JSON in model files, decoded only within the limits on its size, depth and number of values.

A decoder turns three bytes into some 200, and recurses once for each level of nesting. So a text is scanned before it
is decoded, which takes a third of the time of decoding at most.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.location import Location

_ESCAPE = re.compile(r"\\.", re.DOTALL)
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}",'))
_OPENING = ord("[")
_SQUARE = bytes.maketrans(b"{}", b"[]")


def parse(text: str | bytes, called: str, limits: Limits) -> Any:
    """Return the value of the JSON in `text`, which error messages name `called`.

    Raises:
        CorruptModel: The text is not valid JSON.
        RefusedModel: The text exceeds a limit.
    """
    if len(text) > limits.json_size:
        raise too_long(called, len(text))
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        _check_limits(text, called, limits)
        return json.loads(text)
    except RecursionError as error:
        raise _too_deep(called, limits) from error
    except ValueError as error:
        raise CorruptModel(f"{called} is not valid JSON") from error


def content(location: Location) -> bytes:
    """Return the content of the file at `location`.

    Raises:
        OSError: The file cannot be read.
        RefusedModel: The file is longer than the limit for a text.
    """
    with location.open() as file:
        size = file.seek(0, os.SEEK_END)
        if size > location.limits.json_size:
            raise too_long(location.name, size)
        file.seek(0)
        return file.read(size)


def too_long(called: str, length: int) -> RefusedModel:
    """Return the error for a text named `called` that has at least `length` bytes, which is too long."""
    return limit_exceeded("json_size", f"{called} has {length:,} bytes", needed=length)


def _too_deep(called: str, limits: Limits) -> RefusedModel:
    words = f"{called} nests lists and objects more than {limits.json_depth} deep"
    return limit_exceeded("json_depth", words, needed=2 * limits.json_depth)


def _check_limits(text: str, called: str, limits: Limits) -> None:
    marks = _keep_marks(text)
    opened = _count(marks, b"[")
    values = opened + _count(marks, b",")
    if values > limits.nodes:
        raise limit_exceeded("nodes", f"{called} holds up to {values:,} values", needed=values)
    if opened > limits.json_depth:
        if "\\" in text:
            marks = _keep_marks(_ESCAPE.sub("", text))
        if _is_deeper(marks, limits.json_depth):
            raise _too_deep(called, limits)


def _keep_marks(text: str) -> bytes:
    """Return the brackets of `text`, all as if they were square, its commas and its quotation marks."""
    return text.encode("utf-8", "replace").translate(_SQUARE, _NO_MARKS)


def _count(marks: bytes, sign: bytes) -> int:
    """Return how often `sign` is among `marks`; `count` takes ten times as long where it is frequent."""
    return len(marks) - len(marks.translate(None, sign))


def _is_deeper(marks: bytes, most: int) -> bool:
    """Return whether lists and objects in a JSON text with these `marks` are nested more than `most` deep.

    Two adjacent quotation marks are removed, which changes neither what is within a text nor what is outside; then the
    rest of the texts. A pass removes the innermost pairs of brackets, which are adjacent, as long as that is an eighth
    of all; usually few passes leave nothing. What remains is counted bracket by bracket.
    """
    brackets = marks.translate(None, b",").replace(b'""', b"")
    if b'"' in brackets:
        brackets = b"".join(brackets.split(b'"')[::2])
    taken = 0
    while brackets and taken <= most:
        fewer = brackets.replace(b"[]", b"")
        if 8 * len(fewer) > 7 * len(brackets):
            break
        brackets, taken = fewer, taken + 1
    if taken > most:
        return True
    depth = taken
    for sign in brackets:
        depth += 1 if sign == _OPENING else -1
        if depth > most:
            return True
    return False
