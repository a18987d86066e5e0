"""The page of a layer, of any kind."""

from __future__ import annotations

from matplotlib.figure import Figure

from lstmdump.report.plot import heat_maps, histograms, spectra
from lstmdump.report.plot.counts import LayerCounts
from lstmdump.report.plot.eigenvalues import LayerEigenvalues
from lstmdump.report.plot.kinds import DrawnLayer


def page(layer: DrawnLayer, *, with_model: bool = False) -> Figure:
    """Return the page of `layer`, headed by its name and, if `with_model`, the path of its model."""
    if isinstance(layer, LayerCounts):
        return histograms.page(layer, with_model=with_model)
    if isinstance(layer, LayerEigenvalues):
        return spectra.page(layer, with_model=with_model)
    return heat_maps.page(layer, with_model=with_model)
