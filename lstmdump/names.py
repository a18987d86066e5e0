"""Text that comes from a file, made safe to show or to use as a key."""

from __future__ import annotations

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # controls, bidi and zero-width marks, lone surrogates


def visible(text: str) -> str:
    """TEXT with every character escaped that a terminal would act on, hide or stumble over."""
    if text.isascii() and text.isprintable():
        return text
    import unicodedata

    return "".join(_escaped(sign) if unicodedata.category(sign) in _UNSEEN else sign for sign in text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
