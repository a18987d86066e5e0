"""Layers that do something in training only, and return their input otherwise."""

from __future__ import annotations

from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import OneToOne, RunnableLayer, Signal
from lstmdump.replay.layers.reading import LayerReader


class Unchanged(OneToOne):
    """A layer that returns its input.

    Args:
        name: Its name.
        keeps_mask: Whether the mask is passed on.
    """

    def __init__(self, name: str, keeps_mask: bool = True) -> None:
        super().__init__(name)
        self._keeps_mask = keeps_mask

    def compute(self, given: Signal) -> Array:
        """Return the values, (batch, …)."""
        return given.values

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient as it is."""
        return gradient

    def pass_mask(self, given: Signal) -> Array | None:
        """Return the mask, unless the layer drops it."""
        return given.mask if self._keeps_mask else None


def _read_unchanged(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    reader.arrays(layer, [])
    return Unchanged(layer.name)


def _read_identity(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    reader.arrays(layer, [])
    return Unchanged(layer.name, keeps_mask=reader.release.keras > 2)  # that of tf_keras does not support masks


BUILDERS = {
    **dict.fromkeys(
        (
            "ActivityRegularization",
            "AlphaDropout",
            "Dropout",
            "GaussianDropout",
            "GaussianNoise",
            "SpatialDropout1D",
            "SpatialDropout2D",
            "SpatialDropout3D",
        ),
        _read_unchanged,
    ),
    "Identity": _read_identity,
}
