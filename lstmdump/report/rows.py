"""The arrays of a model as rows of a table: one for each stored array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lstmdump.report.facts import Report

COLUMNS = ("model", "layer", "class", "array", "tensor", "shape", "dtype", "parameters", "formula")


def of(report: Report, *, with_others: bool = False) -> Iterator[dict[str, Any]]:
    """Yield a row for each array of the LSTM layers; with `with_others`, then one for each of the model's others.

    `parameters` is a number, `shape` a tuple, the rest is text. Layer, class, array and formula of the others are
    empty.
    """
    for layer in report.layers:
        for weight in layer.weights:
            values = (
                report.model, layer.name, layer.kind, weight.name, weight.tensor, weight.shape, weight.dtype,
                weight.parameters, weight.formula,
            )  # fmt: skip
            yield dict(zip(COLUMNS, values, strict=True))
    for other in report.others if with_others else ():
        values = (report.model, "", "", "", other.tensor, other.shape, other.dtype, other.parameters, "")
        yield dict(zip(COLUMNS, values, strict=True))
