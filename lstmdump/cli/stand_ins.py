"""Plain text in place of signs that the encoding of a stream lacks: `x` for `×`, `#` for `█`."""

from __future__ import annotations

import codecs
from functools import lru_cache

_STAND_INS = {
    "×": ("x",),
    "·": ("*",),
    "∘": ("*",),
    "∂": ("d",),
    "‖": ("|",),
    "σ": ("sigma",),
    "∞": ("inf",),
    "±": ("+-",),
    "≤": ("<=",),
    "≥": (">=",),
    "−": ("-",),
    "—": ("-",),
    "…": ("...",),
    "⁵": ("^5",),
    "\N{NO-BREAK SPACE}": (" ",),
    **dict.fromkeys("█▌", ("#",)),
    **dict.fromkeys("▉▊▋", ("█", "#")),
    **dict.fromkeys("▍▎▏", ("▌", "#")),
}
"""What may stand for each sign, the best first; the last is ASCII."""


def plain(text: str, encoding: str | None) -> str:
    """Return `text` as the encoding of a stream can represent it; all but our own signs are escaped.

    Args:
        text: The text.
        encoding: The name of the encoding; None for UTF-8.
    """
    encoding = encoding or "utf-8"
    if text.isascii() or _is_utf_8(encoding):
        return text
    return text.translate(_missing_signs(encoding)).encode(encoding, "backslashreplace").decode(encoding)


@lru_cache
def _is_utf_8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"


@lru_cache
def _missing_signs(encoding: str) -> dict[int, str]:
    """Return what stands for each sign that `encoding` lacks."""
    return {
        ord(sign): next(one for one in candidates if _can_represent(encoding, one))
        for sign, candidates in _STAND_INS.items()
        if not _can_represent(encoding, sign)
    }


def _can_represent(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
