"""Text that does not fit a terminal, or whose signs differ in width: rich folds it."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lstmdump.report.render.page import Piece, Row

_SHORTEST = 12


class Folding:
    """Blocks of text, of lines of WIDTH columns."""

    def __init__(self, width: int, *, colour: bool) -> None:
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
        """PIECES one after the other, cut where they must be."""
        joined = Text.assemble(*pieces, overflow="fold")
        return self._set(Padding(joined, (0, 0, 0, indent)) if indent else joined)

    def hanging(self, label: Piece, text: str) -> str:
        """LABEL, and TEXT beside it, all lines of which begin in one column."""
        grid = Table.grid(padding=0)
        grid.add_row(Text(label.text, label.style), Text(text, overflow="fold"))
        return self._set(grid)

    def columns(
        self, rows: Sequence[Row], widths: Sequence[int], *, folds: int, spare: int, gap: int, indent: int
    ) -> str:
        """ROWS in columns of WIDTHS, of which the column FOLDS takes what the others SPARE."""
        grid = Table.grid(
            padding=0
        )  # the gap is part of the columns' width: releases of rich count padding differently
        for index, width in enumerate(widths):
            fitting = min(width, max(spare, _SHORTEST)) if index == folds else width
            last = index == len(widths) - 1
            grid.add_column(width=fitting + (0 if last else gap), justify="right" if last else "left")
        for row in rows:
            grid.add_row(
                Text(row.name, overflow="fold"),
                Text(row.reason, overflow="fold"),
                Text(row.number.text, row.number.style),
            )
        return self._set(Padding(grid, (0, 0, 0, indent)))

    def _set(self, block: RenderableType) -> str:
        with self._console.capture() as captured:
            self._console.print(block)
        return captured.get()
