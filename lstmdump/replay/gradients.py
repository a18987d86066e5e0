"""The chain rule through one step of an LSTM, for whole batches and several outputs at once.

::

    h' = clip((o∘a(c'))·P)      c' = clip(f∘c + i∘candidate)      i, f, o, candidate = σ(z_i), σ(z_f), σ(z_o), a(z_c)

as in `replay`. For r outputs, the gradients with respect to an array (batch, m) are (batch, r, m). Those of the four z
are adjacent, (batch, r, 4m), so that one product with the transposed kernels propagates them all to h and x.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lstmdump.lstm import GATES
from lstmdump.model.tensor import Array
from lstmdump.replay import activations
from lstmdump.replay.activations.elementwise import Activation
from lstmdump.replay.equations import CellNumbers, State

_Pull: TypeAlias = Callable[[Array], Array]


@dataclass
class Adjoint:
    """The gradients of r outputs with respect to a state: h is (batch, r, m), or (batch, r, p), c (batch, r, m)."""

    h: Array
    c: Array

    @classmethod
    def of(cls, rows: Array, batch: int, units: int) -> Adjoint:
        """Return the gradients of the outputs that `rows`, (r, width of h), compute from h itself."""
        return cls(np.tile(rows, (batch, 1, 1)), np.zeros((batch, len(rows), units)))

    def sizes(self) -> Array:
        """Return the sum of squares of each sequence, (batch,)."""
        sizes: Array = np.einsum("brm,brm->b", self.h, self.h) + np.einsum("brm,brm->b", self.c, self.c)
        return sizes

    def forget_below(self, least: float) -> bool:
        """Set gradients to 0 in sequences whose sum of squares is less than `least`; return whether all are 0."""
        small = self.sizes() < least
        if small.any():
            self.h[small] = 0
            self.c[small] = 0
        return bool(small.all())


class Backward:
    """The backward pass of a cell: what all its steps share.

    Attributes:
        activation, recurrent_activation: The activations, whose gradients `through` and `through_recurrent` compute.
        kernels: The U of all gates above their W, side by side, (h+d, 4m).
        transposed: The same, (4m, h+d), contiguous in memory.
        bias: The b of all gates, (4m,).

    Raises:
        CannotReplay: The cell's activations are unknown.
    """

    def __init__(self, cell: CellNumbers) -> None:
        behaviour = cell.behaviour
        self.cell = cell
        self.activation = activations.named(behaviour.activation, behaviour.keras)
        self.recurrent_activation = activations.named(behaviour.recurrent_activation, behaviour.keras)
        self.through = ActivationPullBack(self.activation)
        self.through_recurrent = ActivationPullBack(self.recurrent_activation)
        gates = [cell.gates[letter] for letter in GATES]
        self.kernels = np.concatenate([np.concatenate([gate.U, gate.W]) for gate in gates], axis=1)
        self.bias = np.concatenate([gate.b for gate in gates])
        self.transposed = np.ascontiguousarray(self.kernels.T)

    def step(self, x: Array, before: State) -> Step:
        """Return the step that takes `x`, (batch, d), in the state `before` it."""
        return Step(self, x, before)


class Step:
    """The backward pass of one step of a batch."""

    def __init__(self, backward: Backward, x: Array, before: State) -> None:
        self._backward = backward
        self._cell = cell = backward.cell
        activation, recurrent = backward.activation, backward.recurrent_activation
        through, through_recurrent = backward.through, backward.through_recurrent
        z_i, z_f, z_c, z_o = np.split(np.concatenate([before.h, x], 1) @ backward.kernels + backward.bias, 4, axis=1)
        z_i, z_f = z_i + self._apply_peephole("i", before.c), z_f + self._apply_peephole("f", before.c)
        i, self._f, candidate = recurrent(z_i), recurrent(z_f), activation(z_c)
        unclipped = self._f * before.c + i * candidate
        self._c_passes, c = _clip(unclipped, cell.behaviour.cell_clip)
        z_o = z_o + self._apply_peephole("o", c)
        o, shown = recurrent(z_o), activation(c)
        self._to_z = {
            "i": through_recurrent(z_i, candidate),
            "f": through_recurrent(z_f, before.c),
            "c": through(z_c, i),
            "o": through_recurrent(z_o, shown),
        }
        self._to_c = through(c, o)
        self._h_passes = None
        if cell.projection is not None:
            self._h_passes, _ = _clip((o * shown) @ cell.projection, cell.behaviour.projection_clip)

    def back(self, after: Adjoint) -> tuple[Adjoint, Array]:
        """Return the adjoint of the state before this step, and the gradients of x, (batch, r, d)."""
        cell, m = self._cell, self._cell.units
        of_output = _apply_mask(after.h, self._h_passes)
        if cell.projection is not None:
            of_output = of_output @ cell.projection.T
        of_z = np.empty((*of_output.shape[:2], 4 * m))
        parts = {letter: of_z[..., k * m : (k + 1) * m] for k, letter in enumerate(GATES)}
        parts["o"][...] = self._to_z["o"](of_output)
        of_c = _apply_mask(after.c + self._to_c(of_output) + self._apply_peephole("o", parts["o"]), self._c_passes)
        for letter in "ifc":
            parts[letter][...] = self._to_z[letter](of_c)
        of_earlier_c = (
            of_c * self._f[:, None] + self._apply_peephole("i", parts["i"]) + self._apply_peephole("f", parts["f"])
        )
        both = (of_z.reshape(-1, 4 * m) @ self._backward.transposed).reshape(*of_z.shape[:2], -1)
        return Adjoint(both[..., : cell.width], of_earlier_c), both[..., cell.width :]

    def _apply_peephole(self, letter: str, values: Array) -> Array | float:
        """Multiply by the peephole of a gate: c on its way to z, or the gradient of z on its way back to c."""
        peephole = self._cell.gates[letter].V
        return 0.0 if peephole is None else values * peephole


class ActivationPullBack:
    """The pull-back of gradients through an activation."""

    def __init__(self, activation: Activation) -> None:
        self._activation = activation

    def __call__(self, z: Array, factor: Array) -> _Pull:
        """Return the map from the gradient of activation(z)∘factor to that of z.

        `z` and `factor` are (batch, m), the gradients (batch, r, m).
        """
        if self._activation.mixes_units:
            return lambda gradient: self._activation.pull_back(
                np.broadcast_to(z[:, None], gradient.shape), gradient * factor[:, None]
            )
        slope = self._activation.pull_back(z, factor)[:, None]
        return lambda gradient: gradient * slope


def pull_back_through(activation: Activation, z: Array, gradient: Array) -> Array:
    """Return the gradients of z, (batch, r, …), from those of activation(z); `z` is (batch, …)."""
    if activation.mixes_units:
        return activation.pull_back(np.broadcast_to(z[:, None], gradient.shape), gradient)
    return gradient * activation.pull_back(z, np.ones_like(z))[:, None]


def _clip(values: Array, bound: float | None) -> tuple[Array | None, Array]:
    """Clip to ± `bound`; return where gradients pass, (batch, 1, m), or None without a bound, and the result."""
    if bound is None:
        return None, values
    return (np.abs(values) <= bound)[:, None], np.clip(values, -bound, bound)


def _apply_mask(gradient: Array, passes: Array | None) -> Array:
    return gradient if passes is None else gradient * passes
