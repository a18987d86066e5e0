"""Minimisation of the input of a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hostile.fuzz import sections

_MOST_TRIES = 2000


def minimised(data: bytes, does_the_same: Callable[[bytes], bool], most_tries: int = _MOST_TRIES) -> bytes:
    """Return `data` without the parts and runs of bytes that are not needed to keep `does_the_same` true."""
    tries = 0
    shrinks = True
    while shrinks:
        shrinks = False
        for smaller in _smaller(data):
            tries += 1
            if tries > most_tries:
                return data
            if does_the_same(smaller):
                data, shrinks = smaller, True
                break
    return data


def _smaller(data: bytes) -> Iterator[bytes]:
    """Yield `data` with parts or bytes removed, most of them first."""
    parts = sections.unpacked(data)
    for place in reversed(range(len(parts))):
        yield sections.packed(parts[:place] + parts[place + 1 :])
    longest = max(map(len, parts), default=0)
    length = 1 << max(0, longest - 1).bit_length()
    while length:
        for place, part in enumerate(parts):
            for start in range(0, len(part) if length <= len(part) or length == 1 else 0, length):
                cut = part[:start] + part[start + length :]
                yield sections.packed([*parts[:place], cut, *parts[place + 1 :]])
        length >>= 1
