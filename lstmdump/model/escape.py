"""Escaping of text from files, to make it safe to print or to use as a key."""

from __future__ import annotations

import re
from collections.abc import Callable

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of controls, bidirectional and zero-width marks, and lone surrogates."""
_WITHOUT_WIDTH = frozenset(
    chr(character)
    for first, last in ((0x34F, 0x34F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x3164, 0x3164),
                        (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0100, 0xE01EF))
    for character in range(first, last + 1)
)  # fmt: skip
"""Fillers, joiners and variation selectors: characters without a glyph that their category does not identify.

Source: Default_Ignorable_Code_Point in DerivedCoreProperties.txt of Unicode 16.
"""
_NOT_PORTABLE = r'[%\\:*?"<>|]|[. ](?=/|\Z)|/(?=/|\Z)|\A/'  # not compiled in commands that write no archive
"""What leads out of a directory, what Windows forbids or treats specially, and the percent sign of escapes."""
_MARKED_COMMAND = r"#(?=#[\w-]*\[)"
"""The beginning of `##[error]`, `##vso[…]` or `##teamcity[…]`, which runners obey anywhere in a line."""
_LINE_COMMAND = r"(?m)^(\s*):(?=:)"
"""The beginning of `::error::`, which GitHub's runner obeys at the beginning of a line."""
_SHOWN = 2000
_NOTE_LENGTH = 40  # characters at most, of the note that some are left out


def visible(text: str) -> str:
    """Escape the characters in `text` that a terminal would interpret, hide or fail to print."""
    if text.isascii() and text.isprintable():
        return text
    return with_unseen(text, _escape_unicode)


def without_commands(text: str, marked: str = "\\x23", *, in_lines: bool = True) -> str:
    """Escape what a runner of continuous integration would obey in lines of output.

    Args:
        text: The lines.
        marked: What takes the place of the `#` of a command.
        in_lines: Whether to escape also what is a command at the beginning of a line only.
    """
    if "##" in text:
        text = re.sub(_MARKED_COMMAND, lambda _: marked, text)
    if in_lines and "::" in text:
        text = re.sub(_LINE_COMMAND, lambda found: f"{found[1]}\\x3a", text)
    return text


def with_unseen(text: str, escape: Callable[[str], str]) -> str:
    """Replace every invisible character in `text` by what `escape` returns for it."""
    if text.isprintable() and _is_latin(text):
        return text
    return text.translate({ord(character): escape(character) for character in set(text) if _is_invisible(character)})


def key(name: str) -> str:
    """Return `name` as a key of an archive, which is also a path below the directory where it is unpacked.

    Invisible characters, and what is not part of a path on every system, are percent-encoded as in URLs.
    `urllib.parse.unquote` restores `name`, so no two names have the same key.
    """
    return with_unseen(re.sub(_NOT_PORTABLE, lambda found: _percent_encode(found[0]), name), _percent_encode)


def shortened(text: str, most: int = _SHOWN) -> str:
    """Shorten `text` to at most `most` characters, with a note in place of the middle."""
    if len(text) <= most:
        return text
    half = (most - _NOTE_LENGTH) // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} characters … {text[-half:]}"


def _is_latin(text: str) -> bool:
    """Return whether `text` is Latin-1, whose printable characters all have a width."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _is_invisible(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    import unicodedata

    return unicodedata.category(character) in _INVISIBLE or character in _WITHOUT_WIDTH


def _escape_unicode(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _percent_encode(characters: str) -> str:
    return "".join(f"%{byte:02X}" for byte in characters.encode("utf-8", "surrogatepass"))
