"""Rows of comma-separated values: one for each stored array."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

from lstmdump.model.escape import visible
from lstmdump.report import rows as table_rows
from lstmdump.report.facts import Report


def head() -> str:
    """Return the first line, the names of the columns."""
    return _write([table_rows.COLUMNS])


def rows(report: Report, *, with_others: bool = False) -> str:
    """Return a line for each array of the LSTM layers; with `with_others`, then one for each of the model's others.

    Layer, class, array and formula of the others are empty.
    """
    return _write(row.values() for row in table_rows.of(report, with_others=with_others))


def _write(lines: Iterable[Iterable[object]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([visible(str(cell)) for cell in line] for line in lines)
    return text.getvalue()
