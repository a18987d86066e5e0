"""Lines and columns of text at the width of a terminal.

Text that fits is laid out here. Text that must be folded, or has characters that may be two columns wide, is left to
rich, which takes 40 ms to import and 1.5 ms for a table of three columns, of which a model may have a thousand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.console import RenderableType

INDENT = 2
_GAP = 2
_UNBOUNDED = 10_000
_NARROWEST = 40
_SHORTEST = 12  # columns of the reason, if it has to be folded
_CODES = {"bold": "1", "dim": "2", "bold cyan": "1;36", "yellow": "33"}
_BETWEEN = " · "
_NARROW = re.compile(r"[ -~×·±]*")  # ASCII, and those of our other characters that are certain to be one column wide


class Piece(NamedTuple):
    """Text in one style: `bold`, `dim`, `bold cyan`, `yellow`, or empty for none."""

    text: str
    style: str = ""


class Row(NamedTuple):
    """A row of three columns: a name, a reason, and a number, which is aligned right and has its own style."""

    name: str
    reason: str
    number: Piece


class Folding:
    """A layout by rich in lines of `width` columns; rich is imported when the first one is created."""

    def __init__(self, width: int, *, colour: bool) -> None:
        from rich.console import Console

        self._console = Console(
            file=StringIO(),
            width=width,
            force_terminal=colour,
            color_system="standard" if colour else None,
            no_color=not colour,
            legacy_windows=False,
            highlight=False,
        )

    def line(self, pieces: Sequence[Piece], indent: int) -> str:
        """Return `pieces` in sequence, folded at the width."""
        from rich.padding import Padding
        from rich.text import Text

        joined = Text.assemble(*pieces, overflow="fold")
        return self._render(Padding(joined, (0, 0, 0, indent)) if indent else joined)

    def hanging(self, label: Piece, text: str) -> str:
        """Return `label` and `text` next to it; all lines of the text begin in one column."""
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=0)
        grid.add_row(Text(label.text, label.style), Text(text, overflow="fold"))
        return self._render(grid)

    def columns(
        self, rows: Sequence[Row], widths: Sequence[int], *, folds: int, spare: int, gap: int, indent: int
    ) -> str:
        """Return `rows` in columns of `widths`; the column with the index `folds` is folded to `spare`."""
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=0)  # releases of rich count padding differently: gaps are columns instead
        fitting = [min(width, max(spare, _SHORTEST)) if index == folds else width for index, width in enumerate(widths)]
        for index, width in enumerate(fitting):
            if index:
                grid.add_column(width=gap)
            grid.add_column(width=width, justify="right" if index == len(widths) - 1 else "left")
        for row in rows:
            reason = row.reason if folds == 0 else _break_well(row.reason, fitting[1])
            grid.add_row(
                Text(row.name, overflow="fold"),
                "",
                Text(reason, overflow="fold"),
                "",
                Text(row.number.text, row.number.style),
            )
        return self._render(Padding(grid, (0, 0, 0, indent)))

    def _render(self, block: RenderableType) -> str:
        with self._console.capture() as captured:
            self._console.print(block)
        return captured.get()


class Page:
    """A text that is built line by line.

    Args:
        width: The width of the terminal in columns; with None, nothing is folded.
        colour: Whether to use colours.
    """

    def __init__(self, width: int | None, *, colour: bool) -> None:
        self.width = _UNBOUNDED if width is None else max(width, _NARROWEST)
        self.colour = colour
        self._blocks: list[str] = []

    @cached_property
    def _folding(self) -> Folding:
        return Folding(self.width, colour=self.colour)

    def line(self, *pieces: Piece, indent: int = 0) -> None:
        """Add `pieces` next to each other, on one line if they fit."""
        if _is_narrow(*(piece.text for piece in pieces)) and indent + length(*pieces) <= self.width:
            self._add(" " * indent + "".join(map(self._apply_style, pieces)))
        else:
            self._add(self._folding.line(pieces, indent))

    def hanging(self, label: Piece, text: str) -> None:
        """Add `label` and `text`; further lines of the text begin in the column of its first line."""
        if _is_narrow(text) and length(label, Piece(text)) <= self.width:
            self._add(self._apply_style(label) + text)
        else:
            self._add(self._folding.hanging(label, text))

    def columns(self, rows: Sequence[Row], widths: Sequence[int], *, folds: int) -> None:
        """Add `rows` in columns of `widths`; the column with the index `folds` is folded if they do not fit."""
        name, reason, number = widths
        spare = self.width - INDENT - 2 * _GAP - sum(widths) + widths[folds]
        narrow = spare >= widths[folds] and _is_narrow(*(row.name + row.reason for row in rows))
        if not narrow:
            self._add(self._folding.columns(rows, widths, folds=folds, spare=spare, gap=_GAP, indent=INDENT))
            return
        for row in rows:
            text, style = row.number
            last = self._apply_style(Piece(text.rjust(number), style)) if text else ""
            self._add(" " * INDENT + row.name.ljust(name + _GAP) + row.reason.ljust(reason + _GAP) + last)

    def blank(self) -> None:
        """Add an empty line."""
        self._add("")

    def text(self) -> str:
        """Return the whole text, without spaces at the ends of lines."""
        return "\n".join(line.rstrip() for block in self._blocks for line in block.splitlines() or [""]) + "\n"

    def _add(self, block: str) -> None:
        self._blocks.append(block)

    def _apply_style(self, piece: Piece) -> str:
        code = _CODES.get(piece.style) if self.colour else None
        return f"\x1b[{code}m{piece.text}\x1b[0m" if code and piece.text else piece.text


def _break_well(text: str, width: int) -> str:
    """Return `text` with new lines where it is best read, if it does not fit: between items, or before `=`."""
    if _count_columns(text) <= width:
        return text
    return _break_between_items(text, width) if _BETWEEN in text else _break_at_equals_sign(text, width)


def _break_between_items(text: str, width: int) -> str:
    """Return `text` with as many of its items on a line as fit; an item that is longer has a line of its own."""
    first, *items = text.split(_BETWEEN)
    lines = [first]
    end = _BETWEEN.rstrip()
    for place, item in enumerate(items, start=1):
        longer = f"{lines[-1]}{_BETWEEN}{item}"
        if _count_columns(longer + end * (place < len(items))) <= width:
            lines[-1] = longer
        else:
            lines[-1] += end
            lines.append(item)
    return "\n".join(lines)


def _break_at_equals_sign(text: str, width: int) -> str:
    """Return `text` with a new line before its last equals sign, if what follows fits."""
    left, _, right = text.rpartition(" = ")
    if not left or _count_columns(f"= {right}") > width:
        return text
    return f"{left}\n= {right}"


def length(*pieces: Piece) -> int:
    """Return the number of columns of a terminal that `pieces` take."""
    return sum(_count_columns(piece.text) for piece in pieces)


def widths(rows: Sequence[Row]) -> tuple[int, ...]:
    """Return the width that `rows` need of each column."""
    columns = zip(*((row.name, row.reason, row.number.text) for row in rows), strict=True)
    return tuple(max(map(_count_columns, set(column))) for column in columns) or (0, 0, 0)


def _count_columns(text: str) -> int:
    if _is_narrow(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _is_narrow(*texts: str) -> bool:
    """Return whether each character in `texts` is certain to take one column."""
    return _NARROW.fullmatch("".join(texts)) is not None
