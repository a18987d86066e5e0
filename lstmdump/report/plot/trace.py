"""Heat maps of the states and gates of a layer at every step of a sequence, on one page.

Each state is on the left, and on its right the gate that it passes: o lets h out of c, f keeps c, and i takes the
candidate in. Steps are in the order of the input, so that the pages of a model can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstmdump.report.plot import style
from lstmdump.report.plot.heads import count
from lstmdump.report.plot.sequences import HIGHEST, WIDEST, DrawnSequence, SequenceMatrix
from lstmdump.report.plot.sheet import Sheet, choose_ticks, draw, head_height

_ROWS = (("h", "o"), ("c", "f"), ("candidate", "i"))
_TITLES = {
    "h": "h: output", "c": "c: cell state", "candidate": "candidate",
    "o": "o: output gate", "f": "f: forget gate", "i": "i: input gate",
}  # fmt: skip
_LEFT, _BOTTOM = 0.55, 0.42  # margins, in inches as all that follow
_GAP, _TITLE, _BETWEEN = 0.8, 0.29, 0.06  # between columns, with a scale; for titles; below a row
_SCALE = 0.6  # for the scale on the right
_NARROWEST, _LOWEST = 1.4, 0.5  # size of a matrix
_SMALLEST, _LARGEST = 0.03, 0.22  # height of a unit, as far as the page can hold them


def page(sequence: DrawnSequence) -> Figure:
    """Return the heat maps of the states of a layer."""
    lines = list(_write_head(sequence))
    width = min(max(sequence.steps * _LARGEST, _NARROWEST), WIDEST)
    heights = [max(_find_height(sequence.matrices[name], width) for name in row) for row in _ROWS]
    filled = sum(heights) + len(_ROWS) * (_TITLE + _BETWEEN)
    sheet = Sheet(_LEFT + 2 * width + _GAP + _SCALE, head_height(lines) + filled + _BOTTOM, _LEFT)
    sheet.write(lines)
    for row, height in zip(_ROWS, heights, strict=True):
        sheet.top += _TITLE
        for place, name in enumerate(row):
            left = _LEFT + place * (width + _GAP)
            axes = sheet.add_axes(left, width, height)
            _add_matrix(axes, name, sequence, is_left=place == 0, is_last=row == _ROWS[-1])
            sheet.add_scale(left + width, height, sequence.matrices[name].limits)
        sheet.top += height + _BETWEEN
    return sheet.figure


def _find_height(matrix: SequenceMatrix, width: float) -> float:
    units, steps = matrix.shape
    unit = min(max(width / steps, _SMALLEST), _LARGEST)
    return min(max(units * unit, _LOWEST), HIGHEST)


def _write_head(sequence: DrawnSequence) -> Iterator[str]:
    yield sequence.name or "states of a layer"
    about = f"{count(sequence.steps, 'step')}, {count(sequence.units, 'unit')}"
    projected = "" if sequence.width == sequence.units else f", projected to {count(sequence.width, 'output')}"
    yield f"sequence {sequence.place + 1:,} of {sequence.batch:,} · {about}{projected}"
    if sequence.is_backwards:
        yield "the layer goes backwards: it takes the last step first"
    if sequence.skipped:
        yield f"hatched: {count(_count_skipped(sequence), 'masked step')}, which the layer skips"
    if any(matrix.has_gaps for matrix in sequence.matrices.values()):
        yield "plain grey: not a finite number"
    units, steps = (max(sizes) for sizes in zip(*(matrix.block for matrix in sequence.matrices.values()), strict=True))
    if (units, steps) != (1, 1):
        yield f"each point is one of {units} × {steps} numbers: that furthest from the middle of the scale"


def _count_skipped(sequence: DrawnSequence) -> int:
    return sum(after - first for first, after in sequence.skipped)


def _add_matrix(axes: Axes, name: str, sequence: DrawnSequence, *, is_left: bool, is_last: bool) -> None:
    matrix = sequence.matrices[name]
    units, steps = matrix.shape
    draw(axes, *matrix)
    runs = [(first - 0.5, after - first) for first, after in sequence.skipped]
    axes.broken_barh(runs, (-0.5, units), facecolor=style.SKIPPED, edgecolor=style.HATCHES, hatch="//////", linewidth=0)
    axes.set_title(_TITLES[name], pad=4.5)
    axes.set_xticks(choose_ticks(steps), labels=None if is_last else [])
    axes.set_yticks(choose_ticks(units), labels=None if is_left or units != sequence.width else [])
    if is_last:
        axes.set_xlabel("step")
    if is_left:
        axes.set_ylabel("output" if name == "h" and sequence.width != sequence.units else "unit")
