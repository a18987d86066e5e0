"""Damage to inputs that keeps the rest valid, so that they reach deep into a parser."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hostile.fuzz import sections
from hostile.fuzz.messages import damaged_message
from hostile.fuzz.target import JSON, KEPT, MESSAGE, Parts, Target

ByteDamage = Callable[[bytes], bytes]

_NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 2**31 - 1, 2**31, 2**32, 2**53, 2**63, 2**64, 1e308, float("nan"), 0.5)
_OTHERS = (None, True, "", "lstm", "LSTM", "a/b", "..", "\ud800", [], {}, [[]], {"class_name": "LSTM", "config": {}})
_LONGEST = 64  # bytes inserted at once
_DEEPEST = 400


class Damage:
    """Damage to inputs of a target.

    Args:
        target: The target.
        others: Inputs whose parts may replace those of the damaged one.
        bytes_damage: Damages the bytes of a part.
    """

    def __init__(self, target: Target, others: Sequence[Parts], bytes_damage: ByteDamage | None = None) -> None:
        self._target = target
        self._others = others
        self._bytes_damage = bytes_damage

    def apply(self, data: bytes, seed: int, longest: int = 1 << 20) -> bytes:
        """Return `data` with damage that depends on `seed`, in at most `longest` bytes."""
        random = Random(seed)  # noqa: S311 - not for cryptography
        parts = self._target.padded(sections.unpacked(data))
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            self._damage_one(parts, random)
        found = sections.packed(self._target.padded(parts))
        return found if len(found) <= longest else data

    def _damage_one(self, parts: Parts, random: Random) -> None:
        place = random.randrange(len(parts))
        start = len(self._target.kinds)
        if place >= start and random.random() < 0.2:
            self._damage_list(parts, place, random)
            return
        other = self._other(place, random)
        if other and random.random() < 0.05:
            parts[place] = other
            return
        kind = self._target.kind(place)
        if kind == KEPT:
            return

        def damaged_bytes(data: bytes) -> bytes:
            return self._bytes_damage(data) if self._bytes_damage is not None else damaged(data, random)

        if kind == MESSAGE and random.random() < 0.9:
            parts[place] = damaged_message(parts[place], other, random, damaged_bytes)
        elif kind == JSON and random.random() < 0.8:
            parts[place] = damaged_json(parts[place], other, random)
        else:
            parts[place] = damaged_bytes(parts[place])

    def _damage_list(self, parts: Parts, place: int, random: Random) -> None:
        """Remove, repeat or exchange a whole group of the repeated parts."""
        start, step = len(self._target.kinds), len(self._target.repeated)
        first = start + (place - start) // step * step
        group = parts[first : first + step]
        choice = random.randrange(3)
        if choice == 0:
            del parts[first : first + step]
        elif choice == 1:
            parts[first:first] = group
        elif other := random.choice(self._others)[start:]:
            at = random.randrange(0, len(other), step)
            parts[first : first + step] = other[at : at + step]

    def _other(self, place: int, random: Random) -> bytes:
        """Return a part of another input, of the same kind as the one at `place`."""
        other = random.choice(self._others)
        start, step = len(self._target.kinds), len(self._target.repeated)
        if place >= start and len(other) > start:
            place = start + (place - start) % step + step * random.randrange(max(1, (len(other) - start) // step))
        return other[place] if place < len(other) else b""


def damaged(data: bytes, random: Random) -> bytes:
    """Return `data` with a few bytes changed, inserted, removed or repeated."""
    at = random.randrange(len(data) + 1)
    stop = min(len(data), at + random.choice((1, 1, 2, 4, 8, random.randrange(1, _LONGEST))))
    choice = random.randrange(6)
    if choice == 0 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
    if choice == 1:
        return data[:at] + data[stop:]
    if choice == 2:
        return data[:stop] + data[at:stop] + data[stop:]
    if choice == 3:
        return data[:at] + random.choice((b"\0", b"\xff")) * random.choice((1, 4, 8)) + data[stop:]
    if choice == 4:
        source = random.randrange(len(data) + 1)
        return data[:at] + data[source : source + stop - at] + data[stop:]
    return data[:at] + random.randbytes(random.choice((1, 1, 2, 4, 8))) + data[stop if random.random() < 0.5 else at :]


def damaged_json(data: bytes, other: bytes, random: Random) -> bytes:
    """Return the JSON `data` with a value changed, removed, wrapped, or replaced by one from the JSON `other`."""
    try:
        value, spare = json.loads(data), json.loads(other or b"0")
    except (ValueError, RecursionError):
        return damaged(data, random)
    holder = {"": value}
    at, key = _place(holder, random)
    choice = random.randrange(6)
    if choice == 0 and at is not holder:
        del at[key]
    elif choice == 1:
        at[key] = random.choice(_NUMBERS)
    elif choice == 2:
        at[key] = random.choice(_OTHERS)
    elif choice == 3:
        inner, name = _place({"": spare}, random)
        at[key] = inner[name]
    elif choice == 4:
        for _ in range(random.choice((1, 2, _DEEPEST))):
            at[key] = [at[key]] if random.random() < 0.5 else {"class_name": "Model", "config": {"layers": [at[key]]}}
    elif isinstance(at, list):
        at.insert(key, at[key])
    else:
        at[random.choice(("name", "class_name", "config", "layers", "cell", "layer", "units"))] = at[key]
    try:
        return json.dumps(holder[""]).encode()
    except (ValueError, RecursionError):
        return data


def _place(holder: Any, random: Random) -> tuple[Any, Any]:
    """Return a random place within `holder`: the list or object, and the index or key."""
    at, key = holder, ""
    while isinstance(at[key], (dict, list)) and at[key] and random.random() < 0.8:
        at = at[key]
        key = random.choice(list(at)) if isinstance(at, dict) else random.randrange(len(at))
    return at, key
