"""JSON in model files, decoded only within the limits on its size, depth and number of values.

A decoder turns three bytes into some 200, and recurses once for each level of nesting. So a text is scanned before it
is decoded, which takes a quarter of the time of decoding.
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
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


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
    opened = text.count("[") + text.count("{")
    values = opened + text.count(",")
    if values > limits.nodes:
        raise limit_exceeded("nodes", f"{called} holds up to {values:,} values", needed=values)
    if opened > limits.json_depth and _is_deeper(text, limits.json_depth):
        raise _too_deep(called, limits)


def _is_deeper(text: str, most: int) -> bool:
    """Return whether lists and objects in `text`, a JSON text, are nested more than `most` deep.

    The innermost pairs of brackets, which are adjacent, are removed as long as each pass removes at least half of the
    brackets; usually few passes leave nothing. What remains is counted bracket by bracket.
    """
    if "\\" in text:
        text = _ESCAPE.sub("", text)
    outside = "".join(text.split('"')[::2])
    brackets = outside.encode("utf-8", "replace").translate(None, _NO_BRACKETS)
    taken = 0
    while brackets and taken <= most:
        fewer = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if 2 * len(fewer) > len(brackets):
            break
        brackets, taken = fewer, taken + 1
    depth = taken
    for sign in brackets:
        depth += _STEPS[sign]
        if depth > most:
            return True
    return False
