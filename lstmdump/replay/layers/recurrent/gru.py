"""GRU layers and cells.

::

    z = σ(x·W_z + b_z + h·U_z + d_z)    the update gate
    r = σ(x·W_r + b_r + h·U_r + d_r)    the reset gate
    candidate = a(x·W_h + b_h + r∘(h·U_h + d_h))    if the gate is applied after the product (`reset_after`)
    candidate = a(x·W_h + b_h + (r∘h)·U_h)          if it is applied before
    h' = z∘h + (1-z)∘candidate

Only layers with `reset_after` have the second bias d. Source: the cells of Keras 1 to 3, and CuDNN, whose layout of the
kernels is another one.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    read_flag,
    read_settings,
    read_units,
)

_GATES = "zrh"


@dataclass(frozen=True)
class GRUNumbers:
    """The numbers of a GRU, with its gates side by side in the order z, r, candidate.

    Attributes:
        kernel: W, (d, 3m).
        recurrent_kernel: U, (m, 3m).
        bias: b, (3m,); None for 0.
        recurrent_bias: d, (3m,); None for 0.
        reset_after: Whether the reset gate is applied to the product with U, and not to h.
    """

    kernel: Array
    recurrent_kernel: Array
    bias: Array | None = None
    recurrent_bias: Array | None = None
    reset_after: bool = False


class GRUEquations(OneStateCell):
    """The equations of a GRU.

    Args:
        name: Its name.
        numbers: Its numbers.
        activation: That of the candidate.
        recurrent_activation: That of the gates.
    """

    def __init__(
        self, name: str, numbers: GRUNumbers, activation: Activation, recurrent_activation: Activation
    ) -> None:
        units = int(numbers.recurrent_kernel.shape[0])
        super().__init__(name, numbers.kernel, numbers.bias, units)
        self._units = units
        self._recurrent_kernel = numbers.recurrent_kernel
        self._gates_kernel = np.ascontiguousarray(numbers.recurrent_kernel[:, : 2 * units])
        self._candidate_kernel = np.ascontiguousarray(numbers.recurrent_kernel[:, 2 * units :])
        self._recurrent_bias = numbers.recurrent_bias
        self._reset_after = numbers.reset_after
        self._activation = activation
        self._recurrent_activation = recurrent_activation

    def step(self, z: Array, h: Array) -> Array:
        """Return the output of a step, (batch, m)."""
        recurrent = self._multiply_state(h)
        gates = self._add_by_gate(z, recurrent)
        update, reset = self._recurrent_activation(gates, out=gates)
        after: Array = z[:, 2 * self._units :] + self._reset(reset, h, recurrent)
        after = self._activation(after, out=after)
        after -= update * (after - h)
        return after

    def _multiply_state(self, h: Array) -> Array:
        """Return h·U, of all gates if the reset gate is applied after the product, else without the candidate."""
        if not self._reset_after:
            of_gates: Array = np.matmul(h, self._gates_kernel)
            return of_gates
        product: Array = np.matmul(h, self._recurrent_kernel)
        if self._recurrent_bias is not None:
            product += self._recurrent_bias
        return product

    def _add_by_gate(self, z: Array, recurrent: Array) -> Array:
        """Return the arguments of the activations of both gates, (2, batch, m), each contiguous."""
        width = 2 * self._units
        one, other = (values[:, :width].reshape(len(z), 2, -1).swapaxes(0, 1) for values in (z, recurrent))
        both: Array = np.add(one, other, order="C")
        return both

    def _reset(self, reset: Array, h: Array, recurrent: Array) -> Array:
        """Return what the candidate takes from the state."""
        if self._reset_after:
            return np.multiply(reset, recurrent[:, 2 * self._units :])
        taken: Array = np.matmul(reset * h, self._candidate_kernel)
        return taken

    def step_back(self, x: Array, h: Array, of_after: Array) -> tuple[Array, Array]:
        """Apply the chain rule to one step."""
        m = self._units
        z, recurrent = self.multiply_input(x), self._multiply_state(h)
        gates = self._add_by_gate(z, recurrent)
        update, reset = self._recurrent_activation(gates)
        at_candidate = z[:, 2 * m :] + self._reset(reset, h, recurrent)
        through, through_recurrent = map(ActivationPullBack, (self._activation, self._recurrent_activation))
        of_z = np.empty((*of_after.shape[:2], 3 * m))
        of_z[..., :m] = through_recurrent(gates[0], h - self._activation(at_candidate))(of_after)
        of_z[..., 2 * m :] = through(at_candidate, 1 - update)(of_after)
        if self._reset_after:
            of_z[..., m : 2 * m] = through_recurrent(gates[1], recurrent[:, 2 * m :])(of_z[..., 2 * m :])
            of_product = of_z.copy()
            of_product[..., 2 * m :] *= reset[:, None]
            of_h = of_product @ self._recurrent_kernel.T
        else:
            of_reset_state = of_z[..., 2 * m :] @ self._candidate_kernel.T
            of_z[..., m : 2 * m] = through_recurrent(gates[1], h)(of_reset_state)
            of_h = of_z[..., : 2 * m] @ self._gates_kernel.T + of_reset_state * reset[:, None]
        return of_h + of_after * update[:, None], of_z @ self.kernel.T


def read_gru_cell(layer: NetworkLayer, reader: LayerReader) -> GRUEquations:
    """Return the equations of the GRU layer or cell `layer`."""
    units = read_units(layer)
    if layer.kind == "CuDNNGRU":
        numbers = _read_cudnn(layer, reader, units)
        return GRUEquations(
            layer.name, numbers, reader.activation_named(layer, "tanh"), reader.activation_named(layer, "sigmoid")
        )
    is_of_keras_1 = len(layer.weights) == 3 * len(_GATES)
    numbers = _read_nine(layer, reader, units) if is_of_keras_1 else _read_three(layer, reader, units)
    key = "inner_activation" if "inner_activation" in layer.config else "recurrent_activation"
    default = "sigmoid" if reader.release.keras == 3 or reader.release.is_tensorflow_keras else "hard_sigmoid"
    return GRUEquations(
        layer.name, numbers, reader.activation(layer, default="tanh"), reader.activation(layer, key, default)
    )


def _read_three(layer: NetworkLayer, reader: LayerReader, units: int) -> GRUNumbers:
    """Return the numbers of a GRU whose arrays hold all gates."""
    reset_after = read_flag(layer, "reset_after")
    expected = [
        ExpectedArray("kernel", (None, 3 * units), ("W",)),
        ExpectedArray("recurrent_kernel", (units, 3 * units), ("U",)),
    ]
    if setting(layer, "use_bias", default=True):
        expected.append(ExpectedArray("bias", (2, 3 * units) if reset_after else (3 * units,), ("b",)))
    arrays = reader.arrays(layer, expected)
    bias, recurrent_bias = arrays.get("bias"), None
    if bias is not None and reset_after:
        bias, recurrent_bias = bias
    return GRUNumbers(arrays["kernel"], arrays["recurrent_kernel"], bias, recurrent_bias, reset_after)


def _read_nine(layer: NetworkLayer, reader: LayerReader, units: int) -> GRUNumbers:
    """Return the numbers of a GRU of Keras 1, which has arrays for each gate."""
    shapes = {"W": (None, units), "U": (units, units), "b": (units,)}
    expected = [ExpectedArray(f"{kind}_{gate}", shape) for gate in _GATES for kind, shape in shapes.items()]
    arrays = reader.arrays(layer, expected)
    kernel, recurrent_kernel, bias = (
        np.concatenate([arrays[f"{kind}_{gate}"] for gate in _GATES], axis=-1) for kind in shapes
    )
    return GRUNumbers(kernel, recurrent_kernel, bias)


def _read_cudnn(layer: NetworkLayer, reader: LayerReader, units: int) -> GRUNumbers:
    """Return the numbers of a CuDNNGRU: each block of its kernels is stored row by row, but holds the transpose."""
    arrays = reader.arrays(
        layer,
        [
            ExpectedArray("kernel", (None, 3 * units)),
            ExpectedArray("recurrent_kernel", (units, 3 * units)),
            ExpectedArray("bias", (6 * units,)),
        ],
    )
    kernel, recurrent_kernel = (
        np.concatenate([block.reshape(units, -1).T for block in np.split(arrays[name], 3, axis=1)], axis=1)
        for name in ("kernel", "recurrent_kernel")
    )
    bias, recurrent_bias = np.split(arrays["bias"], 2)
    return GRUNumbers(kernel, recurrent_kernel, bias, recurrent_bias, reset_after=True)


def _read_gru(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    return RecurrentLayer(layer.name, [read_gru_cell(layer, reader)], read_settings(layer, reader))


BUILDERS = {"CuDNNGRU": _read_gru, "GRU": _read_gru}
