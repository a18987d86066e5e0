"""Text that comes from a file, made safe to show or to use as a key."""

from __future__ import annotations

import re
from collections.abc import Callable

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # controls, bidi and zero-width marks, lone surrogates
_WITHOUT_WIDTH = frozenset(
    chr(sign)
    for first, last in ((0x34F, 0x34F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x3164, 0x3164),
                        (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF))
    for sign in range(first, last + 1)
)  # fmt: skip
"""Fillers, joiners and variation selectors: what Unicode has no sign for, though their categories do not say so.

Source: Default_Ignorable_Code_Point in DerivedCoreProperties.txt of Unicode 16.
"""
_NO_PART_OF_A_PATH = re.compile(r'[%\\:*?"<>|]|[. ](?=/|\Z)|/(?=/|\Z)|\A/')
"""What leads out of a directory, what Windows takes for something else or refuses, and the sign of what is escaped."""
_SHOWN = 2000
_REMARK = 40  # characters at most, of that some were left out


def visible(text: str) -> str:
    """TEXT with every character escaped that a terminal would act on, hide or stumble over."""
    if text.isascii() and text.isprintable():
        return text
    return with_unseen(text, _escaped)


def with_unseen(text: str, escape: Callable[[str], str]) -> str:
    """TEXT with ESCAPE in the place of every character that cannot be seen; others are left as they are."""
    if text.isprintable() and _is_latin(text):
        return text
    return text.translate({ord(sign): escape(sign) for sign in set(text) if _is_unseen(sign)})


def key(name: str) -> str:
    """NAME as a key of an archive, and so as a path below the directory where somebody unpacks it.

    What cannot be seen, and what is no part of a path on every system, is escaped by percent signs and the numbers of
    its bytes, as in URLs: `urllib.parse.unquote` gives NAME back, so that no two names have one key.
    """
    return with_unseen(_NO_PART_OF_A_PATH.sub(lambda found: _percent(found[0]), name), _percent)


def shortened(text: str, most: int = _SHOWN) -> str:
    """TEXT, of MOST characters at most: a longer one loses its middle, and says so."""
    if len(text) <= most:
        return text
    half = (most - _REMARK) // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} characters … {text[-half:]}"


def _is_latin(text: str) -> bool:
    """Whether TEXT has no characters but ASCII and those of western Europe, of which none lacks a width unseen."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _is_unseen(sign: str) -> bool:
    if sign.isascii():
        return not sign.isprintable()
    import unicodedata

    return unicodedata.category(sign) in _UNSEEN or sign in _WITHOUT_WIDTH


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def _percent(signs: str) -> str:
    return "".join(f"%{byte:02X}" for byte in signs.encode("utf-8", "surrogatepass"))
