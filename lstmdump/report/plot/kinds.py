"""The kinds of pictures of a layer, and what is read for each: little of it crosses to the process that draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from lstmdump.lstm import GATES, LSTM
from lstmdump.report.plot import arrays, counts, eigenvalues
from lstmdump.report.plot.arrays import LayerNumbers
from lstmdump.report.plot.counts import LayerCounts
from lstmdump.report.plot.eigenvalues import LayerEigenvalues

DrawnLayer: TypeAlias = LayerNumbers | LayerCounts | LayerEigenvalues

_READERS: dict[str, Callable[[LSTM, str, str], DrawnLayer]] = {
    "heat": arrays.read,
    "hist": counts.read,
    "spectrum": eigenvalues.read,
}
KINDS = tuple(_READERS)
"""Heat maps, histograms, and eigenvalues."""


def read(kind: str, lstm: LSTM, model: str, gates: str = GATES) -> DrawnLayer:
    """Return what a picture of `kind` shows of `gates` of a layer of the model at the path `model`.

    Raises:
        UnreadableModel: The numbers cannot be read.
    """
    return _READERS[kind](lstm, model, gates)
