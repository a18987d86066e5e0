"""The chain rule through the steps of an LSTM, for whole batches and several outputs at once.

::

    h' = clip((o∘a(c'))·P)      c' = clip(f∘c + i∘candidate)      i, f, o, candidate = σ(z_i), σ(z_f), σ(z_o), a(z_c)

as in `replay`. For r outputs, the gradients with respect to an array (batch, m) are (batch, r, m). Those of the four z
are adjacent, (batch, r, 4m), so that one product with the transposed kernels propagates them all to h and x.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from lstmdump.lstm import GATES
from lstmdump.model.tensor import Array
from lstmdump.replay import activations, equations
from lstmdump.replay.activations.elementwise import Activation
from lstmdump.replay.equations import CellNumbers, State, States

Gradients: TypeAlias = "tuple[Array, ...]"
"""The gradients of r numbers with respect to h, (batch, r, m) or (batch, r, p), and to c, (batch, r, m)."""

Sequences: TypeAlias = "slice | Array"
"""Which sequences of a batch: all, or those with these indices."""

_Pull: TypeAlias = Callable[[Array], Array]
_Place: TypeAlias = "tuple[Sequences, int]"
_COMBINED = 16  # rows that are worth combining kernels
_COMBINED_AT_ONCE = 1 << 17  # numbers


class Backward:
    """The backward pass of a cell: what all its inputs share.

    Attributes:
        cell: The cell, with steps in the order in which it takes them.
        activations: Its activations.
        transposed: The U of all gates beside their W, transposed, (4, m, h+d), contiguous in memory.
        by_unit: Those of the gates i, f and c, (m, 3, h+d), contiguous in memory.

    Raises:
        CannotReplay: The cell's activations are unknown.
    """

    def __init__(self, cell: CellNumbers) -> None:
        how = cell.behaviour
        in_order = how._replace(go_backwards=False, is_aligned=False, zero_output_for_mask=False)
        self.cell = replace(cell, behaviour=in_order)
        self.activations = activations.of_cell(how)
        gates = [cell.gates[letter] for letter in GATES]
        self.transposed = np.ascontiguousarray([np.concatenate([gate.U, gate.W]).T for gate in gates])
        self.by_unit = np.ascontiguousarray(self.transposed[:3].swapaxes(0, 1))

    def over(self, x: Array, first: State, states: States | None = None) -> BackwardSteps:
        """Return the backward pass of all steps of `x`.

        Args:
            x: The input, (batch, steps, d), in the order in which the steps are taken.
            first: The state before the first step.
            states: What `replay` returns for them, unless it is to be computed. Masked steps cannot be gone back.
        """
        return BackwardSteps(self, x, first, states or equations.replay(self.cell, x, initial=first))


class BackwardSteps:
    """The backward pass of all steps of a batch.

    Each step multiplies the gradients by factors that depend on its states only. They are computed for all steps at
    once.
    """

    def __init__(self, backward: Backward, x: Array, first: State, states: States) -> None:
        self._cell, self._transposed, self._by_unit = backward.cell, backward.transposed, backward.by_unit
        cell, how = backward.cell, backward.cell.behaviour
        self._width = cell.width
        c_before = _shift(states.c, first.c)
        sigma, squash, output = backward.activations
        shown = output(states.c)
        z = partial(_compute_z, cell, x, partial(_shift, states.h, first.h), c_before, states.c)
        through_recurrent = partial(_PullBackSteps, sigma)
        factors = np.empty((*states.c.shape[:2], 5, states.c.shape[2]), states.c.dtype)
        self._to_z = {
            "i": through_recurrent(partial(z, "i"), states.i, states.candidate, factors[:, :, 0]),
            "f": through_recurrent(partial(z, "f"), states.f, c_before, factors[:, :, 1]),
            "c": _PullBackSteps(squash, partial(z, "c"), states.candidate, states.i, factors[:, :, 2]),
            "o": through_recurrent(partial(z, "o"), states.o, shown, factors[:, :, 4]),
        }
        self._to_c = _PullBackSteps(output, lambda: states.c, shown, states.o, factors[:, :, 3])
        self._slopes, self._output_slopes = factors[:, :, :3], factors[:, :, 3:]
        has_peepholes = any(cell.gates[letter].V is not None for letter in "ifo")
        self._can_combine = not has_peepholes and not any(one.mixes_units for one in backward.activations)
        self._of_both = np.empty((0, 0, 0, 0))
        self._combined, self._combined_at = np.empty((0, 0, 0, 0)), 0
        self._f = states.f
        self._c_passes = self._h_passes = None
        if how.cell_clip is not None:
            self._c_passes = np.abs(states.f * c_before + states.i * states.candidate) <= how.cell_clip
        if cell.projection is not None and how.projection_clip is not None:
            self._h_passes = np.abs((states.o * shown) @ cell.projection) <= how.projection_clip

    def seed(self, rows: Array) -> Gradients:
        """Return the gradients of the numbers that `rows`, (r, width of h), compute from h after a step."""
        batch, _, units = self._f.shape
        return np.tile(rows, (batch, 1, 1)), np.zeros((batch, len(rows), units))

    def back(self, step: int, after: Gradients, sequences: Sequences = slice(None)) -> tuple[Gradients, Array]:
        """Return the gradients of h and c before a step, and of its input, (batch, r, d).

        Args:
            step: The step.
            after: The gradients of h and c after it.
            sequences: The sequences whose gradients these are.
        """
        at, (of_h, of_c) = (sequences, step), after
        of_output = _apply_mask(of_h, self._h_passes, at)
        if self._cell.projection is not None:
            of_output = of_output @ self._cell.projection.T
        if not self._can_combine or of_c.shape[1] < _COMBINED:
            of_earlier_c, both = self._multiply(at, of_output, of_c)
        else:
            of_earlier_c, both = self._multiply_combined(at, of_output, of_c, self._combine_kernels(step)[sequences])
        return (both[..., : self._width], of_earlier_c), both[..., self._width :]

    def _multiply(self, at: _Place, of_output: Array, of_c: Array) -> tuple[Array, Array]:
        """Return the gradients of the earlier c, and of h beside x, by way of those of the four z, side by side."""
        m, gates = self._cell.units, self._cell.gates
        of_z = np.empty((*of_c.shape[:2], len(GATES) * m))
        parts = {letter: of_z[..., place * m : (place + 1) * m] for place, letter in enumerate(GATES)}
        self._to_z["o"].at(at, of_output, parts["o"])
        of_c = self._to_c.at(at, of_output) + of_c
        if gates["o"].V is not None:
            of_c += parts["o"] * gates["o"].V
        of_c = _apply_mask(of_c, self._c_passes, at)
        for letter in "ifc":
            self._to_z[letter].at(at, of_c, parts[letter])
        of_earlier_c = of_c * self._f[at][:, None]
        for letter in "if":
            if (peephole := gates[letter].V) is not None:
                of_earlier_c += parts[letter] * peephole
        transposed = self._transposed.reshape(len(GATES) * m, -1)
        return of_earlier_c, (of_z.reshape(-1, len(GATES) * m) @ transposed).reshape(*of_z.shape[:2], -1)

    def _multiply_combined(self, at: _Place, of_output: Array, of_c: Array, kernels: Array) -> tuple[Array, Array]:
        """Return the same with half as many products.

        The gradients of z_i, z_f and z_c are that of c, each times a factor. So that of c need only be multiplied by
        the sum of the three transposed kernels, each with its rows times the factor: the first half of `kernels`.
        """
        if self._of_both.shape[:2] != of_c.shape[:2]:
            self._of_both = np.empty((*of_c.shape[:2], 2, of_c.shape[2]))
        np.multiply(of_output[:, :, None], self._output_slopes[at][:, None], out=self._of_both)
        middle = self._of_both[:, :, 0]
        middle += of_c
        if self._c_passes is not None:
            middle *= self._c_passes[at][:, None]
        return middle * self._f[at][:, None], self._of_both.reshape(*of_c.shape[:2], -1) @ kernels

    def _combine_kernels(self, step: int) -> Array:
        """Return the sums of the three kernels for a step, above the kernel of the output gate, (batch, 2m, h+d).

        They are computed for the given step and several before it at once, as one small product for each unit: with
        einsum, step by step, it takes five times as long.
        """
        if not 0 <= step - self._combined_at < len(self._combined):
            batch, m, width = len(self._slopes), self._cell.units, self._transposed.shape[2]
            count = min(step + 1, max(1, _COMBINED_AT_ONCE // (batch * 2 * m * width)))
            if len(self._combined) != count:
                self._combined = np.tile(self._transposed[GATES.index("o")], (count, batch, 2, 1))
            self._combined_at = step + 1 - count
            slopes = self._slopes[:, self._combined_at : step + 1].transpose(3, 1, 0, 2).reshape(m, -1, 3)
            sums = self._combined.reshape(-1, 2 * m, width)[:, :m].swapaxes(0, 1)
            np.matmul(slopes, self._by_unit, out=sums)
        combined: Array = self._combined[step - self._combined_at]
        return combined


class _PullBackSteps:
    """The pull-back of gradients through activation(z)∘factor at each step of a batch.

    Args:
        activation: The activation.
        z: Returns z, (batch, steps, m), if it is needed.
        value: The activation at z.
        factor: The factor, (batch, steps, m).
        out: An array for what gradients are multiplied by; not written to if the activation mixes units.
    """

    def __init__(self, activation: Activation, z: Callable[[], Array], value: Array, factor: Array, out: Array) -> None:
        self._activation = activation
        self._z: Array | None = None
        if activation.mixes_units:
            self._z, self._factor = z(), factor
            return
        slope = activation.slope_at(value)
        self._factor = out
        if slope is None:
            out[...] = activation.pull_back(z(), factor)
        else:
            np.multiply(slope, factor, out=out)

    def at(self, at: _Place, gradient: Array, out: Array | None = None) -> Array:
        """Return the gradient of z, (batch, r, m), from that of the product, written to `out` if given."""
        factor = self._factor[at][:, None]
        if self._z is None:
            product: Array = np.multiply(gradient, factor, out=out)
            return product
        z = self._z[at][:, None]
        result: Array = self._activation.pull_back(np.broadcast_to(z, gradient.shape), gradient * factor)
        if out is None:
            return result
        out[...] = result
        return out


def _compute_z(
    cell: CellNumbers, x: Array, h_before: Callable[[], Array], c_before: Array, c: Array, letter: str
) -> Array:
    """Return z of a gate at each step, (batch, steps, m); the peephole of the output gate sees the new `c`."""
    gate = cell.gates[letter]
    z: Array = x @ gate.W + h_before() @ gate.U + gate.b
    if gate.V is not None and letter != "c":
        z += (c if letter == "o" else c_before) * gate.V
    return z


def _shift(values: Array, first: Array) -> Array:
    """Return `values`, (batch, steps, m), one step later, beginning with `first`, (batch, m)."""
    return np.concatenate([first[:, None], values[:, :-1]], axis=1)


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


def _apply_mask(gradient: Array, passes: Array | None, at: _Place) -> Array:
    return gradient if passes is None else gradient * passes[at][:, None]
