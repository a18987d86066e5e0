"""Dense layers: y = a(x·W + b) along the last axis."""

from __future__ import annotations

import numpy as np

from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.activations.elementwise import Activation
from lstmdump.replay.gradients import pull_back_through
from lstmdump.replay.layers.base import OneToOne, RunnableLayer, Signal
from lstmdump.replay.layers.reading import ExpectedArray, LayerReader, setting


class Dense(OneToOne):
    """A Dense layer.

    Args:
        name: Its name.
        kernel: W, (d, units).
        bias: b, (units,), or None.
        activation: a.
    """

    def __init__(self, name: str, kernel: Array, bias: Array | None, activation: Activation) -> None:
        super().__init__(name)
        self._kernel = kernel
        self._bias = bias
        self._activation = activation

    def compute(self, given: Signal) -> Array:
        """Return (batch, …, units) for values (batch, …, d)."""
        z = self._multiply(given)
        return self._activation(z, out=z)

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient of x, (batch, r, …, d)."""
        of_z = pull_back_through(self._activation, self._multiply(given), gradient)
        result: Array = of_z @ self._kernel.T
        return result

    def _multiply(self, given: Signal) -> Array:
        z: Array = np.matmul(given.values, self._kernel)
        if self._bias is not None:
            z += self._bias
        return z


def _read_dense(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    units = setting(layer, "units", "output_dim")
    expected = [ExpectedArray("kernel", (None, units), ("W",))]
    if setting(layer, "use_bias", "bias", default=True):
        expected.append(ExpectedArray("bias", (units,), ("b",)))
    arrays = reader.arrays(layer, expected)
    return Dense(layer.name, arrays["kernel"], arrays.get("bias"), reader.activation(layer))


BUILDERS = {"Dense": _read_dense, "TimeDistributedDense": _read_dense}
