"""The parts of an explanation: the layer, and sections of lines below a title."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lstmdump.lstm import GATES, LSTM, Role
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.lstm.gate_layouts import Layout
from lstmdump.report.explain.layout_words import LayoutWords, words_of
from lstmdump.report.render.page import Piece, length

TABLE_INDENT = 4
_GAP = 3
_GATE_WORDS = {"i": "i (input)", "f": "f (forget)", "c": 'c (candidate, "j" in TensorFlow)', "o": "o (output)"}


class Line(NamedTuple):
    """A line of prose, or, with `is_row`, a row of a table, which is indented further."""

    text: str
    is_row: bool = False


class Section(NamedTuple):
    """One question and its answer."""

    title: str
    lines: tuple[Line, ...]


class Subject(NamedTuple):
    """A layer to be explained.

    Attributes:
        lstm: The layer.
        behaviour: The settings it is run with.
        in_letters: Whether sizes are given as letters, so that the text is the same for layers of other sizes.
        width: The width of the page in columns.
        doubt: The reason why the layer may compute something else; empty if there is none.
    """

    lstm: LSTM
    behaviour: Behaviour
    in_letters: bool = False
    width: int = 80
    doubt: str = ""

    @property
    def layout(self) -> Layout:
        """The layout of the gates in the stored arrays."""
        return self.lstm.layout

    @property
    def words(self) -> LayoutWords:
        """The texts on that layout."""
        return words_of(self.layout.form)

    def fill(self, text: str) -> str:
        """Return `text`, one of the `LayoutWords`, with the sizes of the layer filled in."""
        return text.format(
            d=self.size("d"),
            h=self.size("h"),
            m=self.size("m"),
            dh=self.total("d", "h"),
            columns=self.columns(),
            bias=self.shape(self.layout.bias_role),
            order=", ".join(_GATE_WORDS[letter] for letter in self.layout.order),
        )

    def size(self, letter: str) -> str:
        """Return the size d, m or h: `12`, or a letter."""
        if not self.in_letters:
            return str(getattr(self.lstm.sizes, letter))
        return ("m" if self.lstm.projection is None else "p") if letter == "h" else letter

    def shape(self, role: Role) -> str:
        """Return the shape of an array of that role."""
        if self.in_letters:
            return role.letters.replace("h", self.size("h"))
        return str(role.shape(self.lstm.sizes))

    def total(self, *letters: str) -> str:
        """Return a sum of sizes and the result: `12+64 = 76`."""
        text = "+".join(map(self.size, letters))
        return text if self.in_letters else f"{text} = {sum(getattr(self.lstm.sizes, letter) for letter in letters)}"

    def columns(self) -> str:
        """Return the number of columns of all gates: `4·64 = 256`."""
        text = f"{len(GATES)}·{self.size('m')}"
        return text if self.in_letters else f"{text} = {len(GATES) * self.lstm.units}"


def table(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> list[Line]:
    """Return `rows`, all of the same length, as aligned lines; with `numbers`, the last column is aligned right."""
    widths = [max(length(Piece(cell)) for cell in column) for column in zip(*rows, strict=True)]
    return [Line(_format_row(row, widths, numbers=numbers), is_row=True) for row in rows]


def _format_row(row: Sequence[str], widths: Sequence[int], *, numbers: bool) -> str:
    free = [width - length(Piece(cell)) for cell, width in zip(row, widths, strict=True)]
    cells = [cell + " " * spaces for cell, spaces in zip(row, free, strict=True)]
    if numbers:
        cells[-1] = " " * free[-1] + row[-1]
    return (" " * _GAP).join(cells).rstrip()
