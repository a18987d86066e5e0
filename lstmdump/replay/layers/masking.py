"""Masking layers: steps of nothing but one value are skipped."""

from __future__ import annotations

import numpy as np

from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import OneToOne, RunnableLayer, Signal
from lstmdump.replay.layers.reading import LayerReader, number_setting


class Masking(OneToOne):
    """A Masking layer.

    Args:
        name: Its name.
        mask_value: The value that all features of a masked step have. It is compared in float32, in which models
            compute, so that an input of float32 numbers has the same mask in a run in float64.
    """

    makes_mask = True

    def __init__(self, name: str, mask_value: float = 0.0) -> None:
        super().__init__(name)
        self._mask_value = np.float32(mask_value)

    def compute(self, given: Signal) -> Array:
        """Return values (batch, steps, d), with zeros at the masked steps."""
        result: Array = given.values * self._find_steps(given.values)[..., None]
        return result

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient, which is 0 at masked steps: they stay 0 however they change."""
        result: Array = gradient * self._find_steps(given.values)[:, None, ..., None]
        return result

    def pass_mask(self, given: Signal) -> Array:
        """Return the mask of this layer, which replaces that of the input."""
        return self._find_steps(given.values)

    def _find_steps(self, values: Array) -> Array:
        steps: Array = (values.astype(np.float32, copy=False) != self._mask_value).any(axis=-1)
        return steps


def _read_masking(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:  # noqa: ARG001
    return Masking(layer.name, number_setting(layer, "mask_value", default=0.0))


BUILDERS = {"Masking": _read_masking}
