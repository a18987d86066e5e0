"""Rows of comma-separated values: one for each stored array."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO

from lstmdump.model.escape import visible
from lstmdump.report.facts import Report

COLUMNS = ("model", "layer", "class", "array", "tensor", "shape", "dtype", "parameters", "formula")


def head() -> str:
    """Return the first line, the names of the columns."""
    return _write([COLUMNS])


def rows(report: Report, *, with_others: bool = False) -> str:
    """Return a line for each array of the LSTM layers; with `with_others`, then one for each of the model's others.

    Layer, class, array and formula of the others are empty.
    """
    lines = list(_list_arrays(report))
    if with_others:
        lines += [
            (report.model, "", "", "", other.tensor, str(other.shape), other.dtype, str(other.parameters), "")
            for other in report.others
        ]
    return _write(lines)


def _list_arrays(report: Report) -> Iterator[tuple[str, ...]]:
    for layer in report.layers:
        for weight in layer.weights:
            yield (
                report.model, layer.name, layer.kind, weight.name, weight.tensor, str(weight.shape), weight.dtype,
                str(weight.parameters), weight.formula,
            )  # fmt: skip


def _write(lines: list[tuple[str, ...]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([visible(cell) for cell in line] for line in lines)
    return text.getvalue()
