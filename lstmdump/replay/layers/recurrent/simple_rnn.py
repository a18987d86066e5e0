"""SimpleRNN layers and cells: h' = a(x·W + b + h·U)."""

from __future__ import annotations

import numpy as np

from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.activations.elementwise import Activation
from lstmdump.replay.gradients import ActivationPullBack
from lstmdump.replay.layers.base import RunnableLayer
from lstmdump.replay.layers.reading import ExpectedArray, LayerReader, setting
from lstmdump.replay.layers.recurrent.base import (
    OneStateCell,
    RecurrentLayer,
    read_settings,
    read_units,
)


class SimpleRNNEquations(OneStateCell):
    """The equations of a SimpleRNN.

    Args:
        name: Its name.
        kernel: W, (d, m).
        recurrent_kernel: U, (m, m).
        bias: b, (m,); None for 0.
        activation: a.
    """

    def __init__(
        self, name: str, kernel: Array, recurrent_kernel: Array, bias: Array | None, activation: Activation
    ) -> None:
        super().__init__(name, kernel, bias, int(recurrent_kernel.shape[0]))
        self._recurrent_kernel = recurrent_kernel
        self._activation = activation

    def step(self, z: Array, h: Array) -> Array:
        """Return the output of a step, (batch, m)."""
        after: Array = h @ self._recurrent_kernel
        after += z
        return self._activation(after, out=after)

    def step_back(self, x: Array, h: Array, of_after: Array) -> tuple[Array, Array]:
        """Apply the chain rule to one step."""
        z = self.multiply_input(x) + h @ self._recurrent_kernel
        of_z = ActivationPullBack(self._activation)(z, np.ones_like(z))(of_after)
        return of_z @ self._recurrent_kernel.T, of_z @ self.kernel.T


def read_simple_rnn_cell(layer: NetworkLayer, reader: LayerReader) -> SimpleRNNEquations:
    """Return the equations of the SimpleRNN layer or cell `layer`."""
    units = read_units(layer)
    expected = [
        ExpectedArray("kernel", (None, units), ("W",)),
        ExpectedArray("recurrent_kernel", (units, units), ("U",)),
    ]
    if setting(layer, "use_bias", default=True):
        expected.append(ExpectedArray("bias", (units,), ("b",)))
    arrays = reader.arrays(layer, expected)
    activation = reader.activation(layer, default="tanh")
    return SimpleRNNEquations(layer.name, arrays["kernel"], arrays["recurrent_kernel"], arrays.get("bias"), activation)


def _read_simple_rnn(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    return RecurrentLayer(layer.name, [read_simple_rnn_cell(layer, reader)], read_settings(layer, reader))


BUILDERS = {"SimpleRNN": _read_simple_rnn}
