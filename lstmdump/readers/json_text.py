"""JSON that a model file holds, read only where it is not larger, deeper or of more values than may be.

A decoder makes some 200 bytes of three, and goes one level deeper into the stack for each level of the text. So a text
is looked at before it is decoded, which takes a quarter of the time that decoding does.
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
    """The value of the JSON in TEXT, which a message calls what it is CALLED.

    Raises:
        CorruptModel: it is none.
        RefusedModel: it goes past one of the limits.
    """
    if len(text) > limits.json_size:
        raise too_long(called, len(text))
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        _insist_on_limits(text, called, limits)
        return json.loads(text)
    except RecursionError as error:
        raise _too_deep(called, limits) from error
    except ValueError as error:
        raise CorruptModel(f"{called} is no JSON that can be read") from error


def content(location: Location) -> bytes:
    """What is in the file at LOCATION, if it is no longer than a text may be. What the system raises is left as it is.

    Raises:
        RefusedModel: it is longer.
    """
    with location.open() as file:
        size = file.seek(0, os.SEEK_END)
        if size > location.limits.json_size:
            raise too_long(location.name, size)
        file.seek(0)
        return file.read(size)


def too_long(called: str, length: int) -> RefusedModel:
    """That the text CALLED so has more bytes than may be: LENGTH, or more."""
    return limit_exceeded("json_size", f"{called} has {length:,} bytes", needed=length)


def _too_deep(called: str, limits: Limits) -> RefusedModel:
    words = f"{called} nests lists and objects more than {limits.json_depth} deep"
    return limit_exceeded("json_depth", words, needed=2 * limits.json_depth)


def _insist_on_limits(text: str, called: str, limits: Limits) -> None:
    opened = text.count("[") + text.count("{")
    values = opened + text.count(",")
    if values > limits.nodes:
        raise limit_exceeded("nodes", f"{called} holds up to {values:,} values", needed=values)
    if opened > limits.json_depth and _is_deeper(text, limits.json_depth):
        raise _too_deep(called, limits)


def _is_deeper(text: str, most: int) -> bool:
    """Whether lists and objects in TEXT, which is JSON, are nested more than MOST deep.

    The innermost brackets, which stand side by side, are taken away as long as that leaves much less: as a rule nothing
    is left soon.
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
