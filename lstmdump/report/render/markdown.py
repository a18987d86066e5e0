"""Markdown for a terminal: paragraphs and lists folded to its width, code as it is written."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from itertools import groupby

_FENCE = "```"
_INDENT = 4  # columns before code, if there is room for them
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_ITEM = re.compile(r"(?:-|\d+\.) ")
_SPAN = re.compile(r"`[^`]+`")
_JOINT = "\xa0"  # between words that stay on one line
_LINK = re.compile(r"\[([^]]*)\]\(([^)]*)\)")


def fold(text: str, *, width: int, colour: bool) -> str:
    """Return the Markdown `text` in lines of at most `width` columns; code and tables keep their lines.

    Headings are bold with `colour`.
    """
    blocks = [_fold_block(lines, width, colour=colour) for lines in _split_blocks(text)]
    return "\n\n".join(blocks) + "\n"


def _split_blocks(text: str) -> Iterator[list[str]]:
    """Yield the lines of each block of `text`: what blank lines separate, and fenced code whole, with its fence."""
    for is_code, lines in _split_fences(text):
        if is_code:
            yield lines
        else:
            yield from (list(block) for is_text, block in groupby(lines, lambda line: bool(line.strip())) if is_text)


def _split_fences(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Yield the lines within fences, with the first fence, and those between them, each with whether it is code."""
    is_code = False
    lines: list[str] = []
    for line in text.splitlines():
        if not line.startswith(_FENCE):
            lines.append(line)
            continue
        if lines:
            yield is_code, lines
        is_code = not is_code
        lines = [line] if is_code else []
    if lines:
        yield is_code, lines


def _fold_block(lines: list[str], width: int, *, colour: bool) -> str:
    first = lines[0]
    if first.startswith(_FENCE):
        return _indent_code(lines[1:], width)
    if first.startswith("#"):
        return f"{_BOLD}{first}{_PLAIN}" if colour else first
    if first.startswith((" " * _INDENT, "|")):
        return "\n".join(lines)
    return "\n".join(_fill(" ".join(item), width) for item in _split_items(lines))


def _indent_code(lines: list[str], width: int) -> str:
    """Return the `lines` of a block of code, indented as far as the longest of them fits into `width`."""
    indent = max(0, min(_INDENT, width - max(map(len, lines), default=0)))
    return textwrap.indent("\n".join(lines), " " * indent)


def _split_items(lines: list[str]) -> Iterator[list[str]]:
    """Yield the lines of each item of a list, or of the one paragraph that they are."""
    item: list[str] = []
    for line in lines:
        if item and _ITEM.match(line):
            yield item
            item = []
        item.append(line.strip())
    yield item


def _fill(text: str, width: int) -> str:
    mark = _ITEM.match(text)
    hanging = " " * len(mark[0]) if mark else ""
    plain = _SPAN.sub(lambda span: _join(span[0], width), _LINK.sub(r"\1 <\2>", text))
    lines = textwrap.fill(plain, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
    return lines.replace(_JOINT, " ")


def _join(span: str, width: int) -> str:
    """Return the code `span` as one word, unless it takes more than half of the `width`."""
    return span.replace(" ", _JOINT) if len(span) <= width // 2 else span
