"""Dense layers: y = a(x·W + b) along the last axis; and those of Keras 1 that are made of several of them."""

from __future__ import annotations

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.activations.elementwise import Activation, sigmoid
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
        if given.values.ndim < 2 or given.values.shape[-1] != len(self._kernel):
            raise BadInput(f"{self.name} takes {len(self._kernel)} features; its input is {given.values.shape}")
        z: Array = np.matmul(given.values, self._kernel)
        if self._bias is not None:
            z += self._bias
        return z


class Highway(OneToOne):
    """A Highway layer: y = t·a(x) + (1 - t)·x, with the gate t = σ(x·W_carry + b_carry).

    Args:
        name: Its name.
        transform: a, a Dense layer that keeps the number of features.
        gate: t, likewise.
    """

    def __init__(self, name: str, transform: Dense, gate: Dense) -> None:
        super().__init__(name)
        self._transform, self._gate = transform, gate

    def compute(self, given: Signal) -> Array:
        """Return (batch, d) for values (batch, d)."""
        gate = self._gate.compute(given)
        result: Array = gate * self._transform.compute(given) + (1 - gate) * given.values
        return result

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:  # noqa: ARG002
        """Return the gradient of x, (batch, r, d)."""
        gate, transformed = self._gate.compute(given), self._transform.compute(given)
        through_transform = self._transform.pull_back(given, transformed, gradient * gate[:, None])
        through_gate = self._gate.pull_back(given, gate, gradient * (transformed - given.values)[:, None])
        result: Array = through_transform + through_gate + gradient * (1 - gate)[:, None]
        return result


class MaxoutDense(OneToOne):
    """A MaxoutDense layer: the largest of several products x·W + b, for each unit.

    Args:
        name: Its name.
        kernel: W, (products, d, units).
        bias: b, (products, units), or None.
    """

    def __init__(self, name: str, kernel: Array, bias: Array | None) -> None:
        super().__init__(name)
        self._kernel = kernel
        self._bias = np.zeros_like(kernel[:, 0]) if bias is None else bias

    def compute(self, given: Signal) -> Array:
        """Return (batch, units) for values (batch, d)."""
        result: Array = self._multiply(given).max(axis=1)
        return result

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:
        """Return the gradient of x, (batch, r, d), to which equally large products contribute equally."""
        reached = (self._multiply(given) == output[:, None]).astype(output.dtype)
        reached /= reached.sum(axis=1, keepdims=True)
        result: Array = np.einsum("bru,bpu,pdu->brd", gradient, reached, self._kernel, optimize=True)
        return result

    def _multiply(self, given: Signal) -> Array:
        if given.values.ndim != 2 or given.values.shape[-1] != self._kernel.shape[1]:
            raise BadInput(f"{self.name} takes (batch, {self._kernel.shape[1]}); its input is {given.values.shape}")
        z: Array = np.einsum("bd,pdu->bpu", given.values, self._kernel, optimize=True) + self._bias
        return z


def _read_dense(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    units = setting(layer, "units", "output_dim")
    expected = [ExpectedArray("kernel", (None, units), ("W",))]
    if setting(layer, "use_bias", "bias", default=True):
        expected.append(ExpectedArray("bias", (units,), ("b",)))
    arrays = reader.arrays(layer, expected)
    return Dense(layer.name, arrays["kernel"], arrays.get("bias"), reader.activation(layer))


def _read_highway(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    has_bias = setting(layer, "bias", default=True)
    expected = [ExpectedArray("W", (None, None)), ExpectedArray("W_carry", (None, None))]
    if has_bias:
        expected[1:1] = [ExpectedArray("b", (None,))]
        expected.append(ExpectedArray("b_carry", (None,)))
    arrays = reader.arrays(layer, expected)
    features = len(arrays["W"])
    if any(length != features for values in arrays.values() for length in values.shape):
        raise CannotReplay(f"{layer.name}: its arrays are not those of a Highway layer")
    transform = Dense(layer.name, arrays["W"], arrays.get("b"), reader.activation(layer))
    gate = Dense(layer.name, arrays["W_carry"], arrays.get("b_carry"), sigmoid())
    return Highway(layer.name, transform, gate)


def _read_maxout_dense(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    products, units = setting(layer, "nb_feature"), setting(layer, "output_dim")
    expected = [ExpectedArray("W", (products, None, units))]
    if setting(layer, "bias", default=True):
        expected.append(ExpectedArray("b", (products, units)))
    arrays = reader.arrays(layer, expected)
    return MaxoutDense(layer.name, arrays["W"], arrays.get("b"))


BUILDERS = {
    "Dense": _read_dense,
    "Highway": _read_highway,
    "MaxoutDense": _read_maxout_dense,
    "TimeDistributedDense": _read_dense,
}
