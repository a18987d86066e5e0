"""The LSTM equations in numpy: the states and gates of a layer at every step of an input.

::

    i = σ(x·W_i + h·U_i + b_i + c·V_i)                  the input gate
    f = σ(x·W_f + h·U_f + b_f + forget_bias + c·V_f)    the forget gate
    candidate = tanh(x·W_c + h·U_c + b_c)
    c' = f∘c + i∘candidate                              the cell state
    o = σ(x·W_o + h·U_o + b_o + c'·V_o)                 the output gate
    h' = (o∘tanh(c'))·P                                 the output

h and c are those of the previous step; before the first step they are 0, or the initial state. Only some cells have V,
the peepholes, and P, the projection; some layers replace tanh and σ by other activations, and some cells clip c' and
h'. Source: the cells of Keras 2 and 3 and of TensorFlow 1, each reproduced from the numbers that it gave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from lstmdump.errors import BadInput
from lstmdump.lstm import LSTM, behaviour
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.model.tensor import Array
from lstmdump.replay import activations
from lstmdump.replay.cell import CellNumbers, GateNumbers, read

__all__ = ["CellNumbers", "GateNumbers", "State", "States", "read", "replay", "run"]

_SEQUENCES = 256  # run together; their steps are run in blocks of
_BYTES = 1 << 19  # which fit in a processor's cache, and are few compared with the result


class State(NamedTuple):
    """The state that one step passes to the next: h, (batch, m), or (batch, p) if projected, and c, (batch, m)."""

    h: Array
    c: Array


@dataclass(frozen=True)
class States:
    """The states and gates at every step: each array is (batch, length, m), and h is (batch, length, p) if projected.

    The gates i, f and o and the candidate are those that the c and h of the same step are computed from.
    """

    h: Array
    c: Array
    i: Array
    f: Array
    o: Array
    candidate: Array


def run(
    lstm: LSTM,
    x: Array,
    *,
    initial: State | None = None,
    mask: Array | None = None,
    dtype: str = "float32",
    forget_bias: float | None = None,
) -> States:
    """Run `lstm`, a layer of an open model, as its file describes it: return its states and gates at every step of `x`.

    What the file does not describe is taken as in `lstmdump.behaviour.of`.

    ::

        with lstmdump.open("weather.h5") as model:
            states = lstmdump.replay.run(model.lstms[0], x)

    Args:
        lstm: The layer.
        x: The input, (length, d) or (batch, length, d).
        initial: The states before the first step, (m,) or (batch, m); h is (p,) or (batch, p) where it is projected. 0
            if not given.
        mask: True where there is a step, (length,) or (batch, length). No step is masked if not given.
        dtype: `float32`, in which frameworks compute, or `float64`.
        forget_bias: Replaces one that the file does not hold.

    Returns:
        Arrays of (length, m) or (batch, length, m), as `x` is; see `replay`.

    Raises:
        BadInput: `x`, `initial` or `mask` has another shape.
        CannotReplay: The layer computes something else than the equations of an LSTM.
        NoForgetBias: The file does not hold the forget bias, and none is given.
        UnreadableModel: The numbers cannot be read.
    """
    cell = read(lstm, behaviour.of(lstm, lstm.producer), dtype=dtype, forget_bias=forget_bias)
    if x.ndim != 2:
        return replay(cell, x, initial=initial, mask=mask)
    first = None if initial is None else State(initial.h[None], initial.c[None])
    states = replay(cell, x[None], initial=first, mask=None if mask is None else mask[None])
    return States(**{field.name: getattr(states, field.name)[0] for field in fields(States)})


def replay(cell: CellNumbers, x: Array, *, initial: State | None = None, mask: Array | None = None) -> States:
    """Return the states and gates of `cell` at every step of `x`, (batch, length, d), from h = c = 0 or from `initial`.

    A step where `mask`, (batch, length), is false is skipped: h and c stay, and the gates are NaN. Its output is that
    of the previous step, and 0 before the first one; or the initial one before the first one, or 0 at every skipped
    step, where the behaviour requires it.

    The steps are in the order in which the layer gives them, as in Keras: a layer that goes backwards gives the last
    step of `x` first, except the backward half of a Bidirectional, whose outputs are put in the order of `x` again.

    Numbers too large for the dtype become infinite or NaN, as in the frameworks, without a warning. Apart from the
    result, the memory used is that of the cell's numbers, and 1 MiB or one step of 256 sequences.

    Raises:
        BadInput: `x`, `initial` or `mask` has another shape.
        CannotReplay: The layer's activations are unknown.
    """
    require_shapes(cell, x, initial, mask)
    equations, how = _CellEquations(cell), cell.behaviour
    states = States(*(np.empty((*x.shape[:2], width), cell.dtype) for width in (cell.width, *[cell.units] * 5)))
    arrays = (states.i, states.f, states.o, states.candidate, states.h, states.c)
    given = [_reverse_steps(array, how.go_backwards and how.is_aligned) for array in arrays]
    taken = _reverse_steps(x, how.go_backwards)
    skipped = None if mask is None else ~_reverse_steps(mask.astype(bool, copy=False), how.go_backwards)
    with np.errstate(all="ignore"):
        for start in range(0, len(x), _SEQUENCES):
            part = slice(start, start + _SEQUENCES)
            first = zero_state(cell, len(x[part])) if initial is None else State(initial.h[part], initial.c[part])
            for steps, made in _run_in_blocks(
                equations, taken[part], first, None if skipped is None else skipped[part]
            ):
                for array, values in zip(given, made, strict=True):
                    array[part, steps] = values.swapaxes(0, 1)
    return states


def require_shapes(cell: CellNumbers, x: Array, initial: State | None, mask: Array | None) -> None:
    """Check that `cell` can be run on `x`, (batch, length, d), from `initial`, with `mask`, (batch, length).

    Raises:
        BadInput: One of them has another shape.
    """
    if x.ndim != 3 or x.shape[2] != cell.input_dim:
        raise BadInput(f"the input is {x.shape}, but {cell.name} takes (batch, length, {cell.input_dim})")
    if mask is not None and mask.shape != x.shape[:2]:
        raise BadInput(f"the mask is {mask.shape}, but the input has (batch, length) = {x.shape[:2]}")
    for letter, width in (("h", cell.width), ("c", cell.units)) if initial is not None else ():
        shape = getattr(initial, letter).shape
        if shape != (len(x), width):
            raise BadInput(f"the initial {letter} is {shape}, but {cell.name} takes {len(x), width}")


def zero_state(cell: CellNumbers, batch: int) -> State:
    """Return the state before the first step if no other is given: 0 for each of `batch` sequences."""
    return State(np.zeros((batch, cell.width), cell.dtype), np.zeros((batch, cell.units), cell.dtype))


def _reverse_steps(array: Array, backwards: bool) -> Array:
    return array[:, ::-1] if backwards else array


def _run_in_blocks(
    equations: _CellEquations, x: Array, state: State, skipped: Array | None
) -> Iterator[tuple[slice, tuple[Array, ...]]]:
    """Run a few steps of `x` at a time, from `state`; yield which steps, and their i, f, o, candidate, output and c.

    The arrays are (steps, batch, ·), and are overwritten by the next block.
    """
    batch, length = x.shape[:2]
    how = equations.behaviour
    size = max(1, min(length, _BYTES // (batch * equations.bytes)))
    z, gates, h, c = equations.allocate(size, batch)
    begun = np.zeros((batch, 1), bool)
    for start in range(0, length, size):
        steps = slice(start, min(start + size, length))
        count = steps.stop - start
        none = None if skipped is None else skipped[:, steps].T[:, :, None]
        equations.multiply_input(x[:, steps], z[:count])
        for index in range(count):
            after = State(h[index], c[index])
            equations.step(z[index], state, gates[index], after)
            if none is not None:
                _keep_state(none[index], state, after)
            state = after
        state = State(state.h.copy(), state.c.copy())
        if none is not None:
            _blank_skipped(none, begun, gates[:count], h[:count], how)
        yield steps, (*(gates[:count, place] for place in range(4)), h[:count], c[:count])


def _keep_state(skipped: Array, before: State, after: State) -> None:
    for old, new in zip(before, after, strict=True):
        np.copyto(new, old, where=skipped)


def _blank_skipped(skipped: Array, begun: Array, gates: Array, output: Array, how: Behaviour) -> None:
    """Fill `gates` with NaN where steps were skipped, and `output` with 0 where `how` requires it.

    `begun`, (batch, 1), tells which sequences have had a step, and is updated.
    """
    np.copyto(gates, np.nan, where=skipped[:, None])
    seen = np.logical_or.accumulate(~skipped) | begun
    if how.zero_output_for_mask:
        np.copyto(output, 0, where=skipped)
    elif not how.repeats_state:
        np.copyto(output, 0, where=~seen)
    begun[:] = seen[-1]


class _CellEquations:
    """The equations of one cell, with its gates in the order i, f, o, c, so that gates of one activation are adjacent.

    The gates are computed as (4, batch, m), where each gate is contiguous: numpy is twice as fast as with (batch, 4m).
    """

    def __init__(self, cell: CellNumbers) -> None:
        gates = [cell.gates[letter] for letter in "ifoc"]
        self._kernel = np.concatenate([gate.W for gate in gates], axis=1)
        self._recurrent_kernel = np.concatenate([gate.U for gate in gates], axis=1)
        self._bias = np.concatenate([gate.b for gate in gates])
        self._peepholes = _stack_peepholes([gate.V for gate in gates[:3]])
        self._cell, self.behaviour = cell, cell.behaviour
        self._activations = activations.of_cell(cell.behaviour)
        self.bytes = (11 * cell.units + cell.input_dim) * self._bias.itemsize  # of one step of one sequence

    def allocate(self, steps: int, batch: int) -> tuple[Array, Array, Array, Array]:
        """Allocate arrays for so many steps: z, (steps, batch, 4m), gates, (steps, 4, batch, m), h and c."""
        m, dtype = self._cell.units, self._cell.dtype
        shapes = (batch, 4 * m), (4, batch, m), (batch, self._cell.width), (batch, m)
        z, gates, h, c = (np.empty((steps, *shape), dtype) for shape in shapes)
        return z, gates, h, c

    def multiply_input(self, x: Array, z: Array) -> None:
        """Write x·W + b to `z`, (steps, batch, 4m)."""
        values = x.swapaxes(0, 1).astype(z.dtype, order="C").reshape(-1, x.shape[2])
        np.matmul(values, self._kernel, out=z.reshape(-1, z.shape[2]))
        z += self._bias

    def step(self, z: Array, before: State, gates: Array, after: State) -> None:
        """Compute one step from the state `before` it and `z` = x·W + b; write to `gates` and `after`."""
        by_gate = (len(z), 4, -1)
        recurrent = before.h @ self._recurrent_kernel
        np.add(z.reshape(by_gate).swapaxes(0, 1), recurrent.reshape(by_gate).swapaxes(0, 1), out=gates)
        i, f, o, candidate = gates
        squash, sigma = self._activations.candidate, self._activations.gates
        squash(candidate, out=candidate)
        if self._peepholes is None:
            sigma(gates[:3], out=gates[:3])
        else:
            gates[:2] += before.c * self._peepholes[:2]
            sigma(gates[:2], out=gates[:2])
        c = np.multiply(f, before.c, out=after.c)
        c += i * candidate
        _clip(c, self.behaviour.cell_clip)
        if self._peepholes is not None:
            o += c * self._peepholes[2]
            sigma(o, out=o)
        self._write_output(o, after)

    def _write_output(self, o: Array, after: State) -> None:
        if self._cell.projection is None:
            h = self._activations.output(after.c, out=after.h)
            h *= o
        else:
            np.matmul(o * self._activations.output(after.c), self._cell.projection, out=after.h)
            _clip(after.h, self.behaviour.projection_clip)


def _stack_peepholes(peepholes: list[Array | None]) -> Array | None:
    """Return (3, 1, m), 0 for a gate without a peephole; None for a cell without peepholes."""
    known = [peephole for peephole in peepholes if peephole is not None]
    if not known:
        return None
    return np.stack([np.zeros_like(known[0]) if one is None else one for one in peepholes])[:, None]


def _clip(values: Array, bound: float | None) -> None:
    if bound is not None:
        np.clip(values, -bound, bound, out=values)
