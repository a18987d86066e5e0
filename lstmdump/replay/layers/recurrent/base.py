"""What all recurrent layers have in common: states, masks, and what they return.

A layer is one cell, or a stack of cells, each of which takes the outputs of the one before. Cells are run one after
another over all steps, which gives the same numbers as running all of them step by step, and is faster.

At a masked step the states stay. What the layer returns there depends on the release; see `MaskedOutput`. In Keras 3, a
layer that is called with initial states does not get the mask that comes with its input, although it hands this mask
on: only for a single tensor among the arguments, Keras adds the mask.

The states of a stack are in the order of the cells; in old releases, those of the last cell come first.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.equations import CellNumbers, States
from lstmdump.replay.gradients import Sequences
from lstmdump.replay.layers.base import NO_CONTEXT, Gradient, RunContext, RunnableLayer, Signal
from lstmdump.replay.layers.reading import LayerReader, setting
from lstmdump.replay.principal_rows import StepBack, sum_squares

CellState: TypeAlias = "tuple[Array, ...]"
"""The states of a cell, each (batch, width); the first is its output."""

_T = TypeVar("_T")

_UNDERFLOW = 1e-280  # a sum of squares; arithmetic with smaller numbers is slow, and they change no result
_SEQUENCES = 256  # run together; their steps are run in blocks of
_BYTES = 1 << 21
_AT_ONCE = 1 << 19  # numbers of the gradients of the states, of the sequences that are gone back together


class CellBackward(Protocol):
    """The chain rule for the steps of one input of a cell."""

    def __call__(self, step: int, after: CellState, sequences: Sequences = ..., /) -> tuple[CellState, Array]:
        """Apply the chain rule to one step.

        Args:
            step: The step.
            after: The gradients of the states after it, each (batch, r, width).
            sequences: The sequences whose gradients these are.

        Returns:
            The gradients of the states before the step, and of its input, (batch, r, d).
        """


class MaskedOutput(enum.Enum):
    """What a layer returns at a masked step."""

    ZERO = "0"
    PREVIOUS = "the output of the step before, and 0 before the first step that is not masked"
    STATE = "the state, which is the initial one before the first step that is not masked"


@dataclass(frozen=True)
class SequenceSettings:
    """How a layer goes through a sequence, and what it returns.

    Attributes:
        return_sequences: Whether it returns the output of every step, and not only of the last one.
        return_state: Whether it also returns its last states.
        go_backwards: Whether it takes the last step first; it returns the steps in the order in which it takes them.
        masked_output: What it returns at masked steps.
        ignores_mask_with_states: Whether a layer that is given initial states heeds only a mask that the call states.
        reverses_cells: Whether the states of a stack begin with those of the last cell; None if not known.
    """

    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    masked_output: MaskedOutput = MaskedOutput.PREVIOUS
    ignores_mask_with_states: bool = False
    reverses_cells: bool | None = False


class CellRun(NamedTuple):
    """The states of a cell that has been run.

    Attributes:
        h: The output after every step, (batch, steps, width). At a masked step it is that of the step before, or the
            initial one.
        last: The states after the last step.
        states: All states and gates of an LSTM, with the same h; None for other cells.
    """

    h: Array
    last: CellState
    states: States | None = None


class WatchedStates(NamedTuple):
    """An LSTM and its states, in the order of `lstmdump.replay.equations.replay`."""

    cell: CellNumbers
    states: States


class RecurrentCell(ABC):
    """The equations of a cell. Steps are always in the order in which it takes them.

    Attributes:
        name: The name of the cell, or of its layer.
        dtype: The dtype of its numbers.
        input_dim: The width of its input.
        widths: The widths of its states.
    """

    name: str
    dtype: str
    input_dim: int
    widths: tuple[int, ...]

    @abstractmethod
    def forward(self, x: Array, initial: CellState, mask: Array | None) -> CellRun:
        """Run the cell on `x`, (batch, steps, d), from the states `initial`; `mask` is (batch, steps)."""

    @abstractmethod
    def prepare_backward(self, x: Array, initial: CellState, mask: Array | None) -> CellBackward:
        """Return the chain rule for the steps of `x`, run as in `forward`."""

    def initial_given(self, context: RunContext) -> CellState | None:  # noqa: ARG002
        """Return the initial states that the user gives; None if there are none."""
        return None

    def list_watched(self, run: CellRun, shown: Array | None) -> WatchedStates | None:  # noqa: ARG002
        """Return the states for whoever watches the run; None for a cell that is not an LSTM.

        Args:
            run: The states.
            shown: Where the output is not 0, (batch, steps); None if everywhere.
        """
        return None

    def backward(
        self, x: Array, initial: CellState, mask: Array | None, of_h: Gradient, of_last: Sequence[Gradient]
    ) -> tuple[Gradient, tuple[Gradient, ...]]:
        """Return the gradients of `x`, (batch, r, steps, d), and of the initial states, each (batch, r, width).

        Args:
            x: The input, (batch, steps, d).
            initial: The initial states.
            mask: The mask, (batch, steps).
            of_h: The gradient of the output after every step, (batch, r, steps, width).
            of_last: The gradients of the states after the last step.
        """
        if of_h is None and all(gradient is None for gradient in of_last):
            return None, (None,) * len(self.widths)
        rows = next(gradient.shape[:2] for gradient in (of_h, *of_last) if gradient is not None)
        after = self._fill(of_last, rows)
        with np.errstate(all="ignore"):
            return self._go_back(x, initial, mask, of_h, after)

    def sum_squares(self, x: Array, initial: CellState, mask: Array | None, of_last: Sequence[Gradient]) -> Array:
        """Return the sums over the rows of the squared gradients of `x`, (batch, steps, d).

        Args:
            x: The input, (batch, steps, d).
            initial: The initial states.
            mask: The mask, (batch, steps).
            of_last: The gradients of the states after the last step, not all of them None.
        """
        batch, rows, _ = next(gradient.shape for gradient in of_last if gradient is not None)
        after = self._fill(of_last, (batch, rows))
        at_once = max(1, _AT_ONCE // (rows * sum(self.widths)))
        parts = [slice(start, start + at_once) for start in range(0, batch, at_once)]
        with np.errstate(all="ignore"):
            return np.concatenate([
                self._sum_squares(x[part], _pick(initial, part), None if mask is None else mask[part],
                                  _pick(after, part)) for part in parts
            ])  # fmt: skip

    def _sum_squares(self, x: Array, initial: CellState, mask: Array | None, after: CellState) -> Array:
        squares = np.zeros(x.shape)
        back = _where(self.prepare_backward(x, initial, mask), mask, x.shape[2])
        found = sum_squares(after, range(x.shape[1])[::-1], back).squares[:, ::-1]
        squares[:, x.shape[1] - found.shape[1] :] = found
        return squares

    def _fill(self, gradients: Sequence[Gradient], shape: tuple[int, ...]) -> CellState:
        """Return the gradients of all states; those that are None are 0, (batch, r) = `shape` of them."""
        return tuple(
            np.zeros((*shape, width)) if gradient is None else gradient
            for gradient, width in zip(gradients, self.widths, strict=True)
        )

    def _go_back(
        self, x: Array, initial: CellState, mask: Array | None, of_h: Gradient, after: CellState
    ) -> tuple[Array, CellState]:
        back = _where(self.prepare_backward(x, initial, mask), mask, x.shape[2])
        of_x = np.zeros((*after[0].shape[:2], *x.shape[1:]))
        for step in range(x.shape[1] - 1, -1, -1):
            if of_h is not None:
                after = (after[0] + of_h[:, :, step], *after[1:])
            after, is_zero = _drop_underflow(after)
            if is_zero and of_h is None:
                break
            after, of_x[:, :, step] = back(step, after)
        return of_x, after


def _where(back: CellBackward, mask: Array | None, width: int) -> StepBack:
    """Return the chain rule that leaves alone the sequences in which a step is masked; `width` is that of x."""

    def back_where(step: int, after: CellState) -> tuple[CellState, Array]:
        sequences = None if mask is None else np.flatnonzero(mask[:, step])
        if sequences is None or len(sequences) == len(after[0]):
            return back(step, after)
        of_x = np.zeros((*after[0].shape[:2], width))
        if not len(sequences):
            return after, of_x
        before, of_x[sequences] = back(step, _pick(after, sequences), sequences)
        return tuple(_replace_rows(old, sequences, new) for old, new in zip(after, before, strict=True)), of_x

    return back_where


def _pick(arrays: CellState, rows: Sequences) -> CellState:
    return tuple(values[rows] for values in arrays)


def _replace_rows(values: Array, rows: Array, new: Array) -> Array:
    values = values.copy()
    values[rows] = new
    return values


def _drop_underflow(gradients: CellState) -> tuple[CellState, bool]:
    """Set gradients to 0 in sequences where they are negligible; return them, and whether all are 0."""
    small = sum(np.einsum("brm,brm->b", values, values) for values in gradients) < _UNDERFLOW
    if not small.any():
        return gradients, False
    keep = ~small[:, None, None]
    return tuple(np.where(keep, values, 0) for values in gradients), bool(small.all())


class OneStateCell(RecurrentCell):
    """A cell whose only state is its output, and whose input is multiplied by a kernel for many steps at once.

    Args:
        name: Its name.
        kernel: The kernels of all gates, side by side, (d, gates·m).
        bias: Their biases, (gates·m,); None for 0.
        units: m.
    """

    def __init__(self, name: str, kernel: Array, bias: Array | None, units: int) -> None:
        self.name = name
        self.dtype = str(kernel.dtype)
        self.input_dim = int(kernel.shape[0])
        self.widths = (units,)
        self.kernel = kernel
        self.bias = np.zeros(kernel.shape[1], kernel.dtype) if bias is None else bias

    @abstractmethod
    def step(self, z: Array, h: Array) -> Array:
        """Return the output of a step, (batch, m), from `z` = x·W + b, (batch, gates·m), and the output before it."""

    def forward(self, x: Array, initial: CellState, mask: Array | None) -> CellRun:
        """Run the cell on `x`, (batch, steps, d)."""
        h = np.empty((*x.shape[:2], self.widths[0]), self.dtype)
        skipped = None if mask is None else ~mask
        with np.errstate(all="ignore"):
            for start in range(0, len(x), _SEQUENCES):
                part = slice(start, start + _SEQUENCES)
                self._run(x[part], initial[0][part], None if skipped is None else skipped[part], h[part])
        return CellRun(h, (h[:, -1],))

    @abstractmethod
    def step_back(self, x: Array, h: Array, of_after: Array) -> tuple[Array, Array]:
        """Apply the chain rule to one step.

        Args:
            x: The input, (batch, d).
            h: The output of the step before, (batch, m).
            of_after: The gradients of the output, (batch, r, m).

        Returns:
            The gradients of `h`, and of `x`, (batch, r, d).
        """

    def prepare_backward(self, x: Array, initial: CellState, mask: Array | None) -> CellBackward:
        """Return the chain rule for the steps of `x`."""
        before = np.concatenate([initial[0][:, None], self.forward(x, initial, mask).h[:, :-1]], axis=1)

        def back(step: int, after: CellState, sequences: Sequences = slice(None)) -> tuple[CellState, Array]:
            of_h, of_x = self.step_back(x[sequences, step], before[sequences, step], *after)
            return (of_h,), of_x

        return back

    def multiply_input(self, x: Array) -> Array:
        """Return x·W + b, (…, gates·m), for `x`, (…, d)."""
        z: Array = np.matmul(x.astype(self.dtype, copy=False), self.kernel)
        z += self.bias
        return z

    def _run(self, x: Array, h: Array, skipped: Array | None, outputs: Array) -> None:
        batch, length, _ = x.shape
        size = max(1, _BYTES // (batch * (self.kernel.shape[1] + self.input_dim) * self.kernel.itemsize))
        for start in range(0, length, size):
            z = self.multiply_input(np.ascontiguousarray(x[:, start : start + size].swapaxes(0, 1)))
            for step, values in enumerate(z, start):
                after = self.step(values, h)
                if skipped is not None:
                    np.copyto(after, h, where=skipped[:, step, None])
                outputs[:, step] = after
                h = after


class _Taken(NamedTuple):
    """What a layer is run on, in the order in which it takes the steps.

    Attributes:
        x: The input, (batch, steps, d).
        mask: The mask; None if no step is masked.
        initial: The initial states of each cell.
    """

    x: Array
    mask: Array | None
    initial: tuple[CellState, ...]


class RecurrentLayer(RunnableLayer):
    """A recurrent layer: one cell, or several, each of which takes the outputs of the one before.

    Its inputs are x, and the initial states of all cells or none; its outputs are the output, and the last states. The
    states of a stack are in the order that the settings state.

    Attributes:
        settings: How it goes through a sequence.

    Args:
        name: Its name.
        cells: The cells.
        settings: How it goes through a sequence.
    """

    def __init__(self, name: str, cells: Sequence[RecurrentCell], settings: SequenceSettings) -> None:
        super().__init__(name)
        self.settings = settings
        self._cells = tuple(cells)

    @property
    def width(self) -> int:
        """The width of the output."""
        return self._cells[-1].widths[0]

    @property
    def states(self) -> int:
        """The number of states of all cells."""
        return sum(len(cell.widths) for cell in self._cells)

    def with_settings(self, settings: SequenceSettings) -> RecurrentLayer:
        """Return this layer with other settings."""
        return RecurrentLayer(self.name, self._cells, settings)

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:
        """Return the output of the last step or of all, then the last states if the layer returns them."""
        taken = self._take(inputs, context)
        shown, values = self._find_shown(taken.mask), taken.x
        heeded = None if taken.mask is None else _reverse(taken.mask, self.settings.go_backwards)
        last: list[Array] = []
        for cell, initial in zip(self._cells, taken.initial, strict=True):
            run = cell.forward(values, initial, taken.mask)
            if context.watch is not None and (watched := cell.list_watched(run, shown)) is not None:
                context.watch(*watched, heeded)
            values = run.h
            last.extend(run.last)
        if context.ends is not None and len(inputs) == 1:
            context.ends.setdefault(self.name, []).append(last)
        returned = [Signal(state) for state in self._to_file_order(last)] if self.settings.return_state else []
        if self.settings.return_sequences:
            return Signal(_blank(values, shown), inputs[0].mask), *returned
        return Signal(_blank(values[:, -1], None if shown is None else shown[:, -1])), *returned

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],  # noqa: ARG002
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,
    ) -> tuple[Gradient, ...]:
        """Return the gradients of x, and of the initial states if they are inputs."""
        taken = self._take(inputs, context)
        of_h, of_last = self._distribute(gradients, self._find_shown(taken.mask))
        of_initial: list[Gradient] = []
        given = self._list_inputs(taken)
        for cell, x, initial in zip(self._cells[::-1], given[::-1], taken.initial[::-1], strict=True):
            mine = [of_last.pop() for _ in cell.widths][::-1]
            of_h, found = cell.backward(x, initial, taken.mask, of_h, mine)
            of_initial[:0] = found if cell.initial_given(context) is None else [None] * len(found)
        of_x = of_h[:, :, ::-1] if of_h is not None and self.settings.go_backwards else of_h
        return (of_x, *self._to_file_order(of_initial)) if len(inputs) > 1 else (of_x,)

    @property
    def can_sum_squares(self) -> bool:
        """Whether `sum_squares` applies: a stack of cells needs all gradients."""
        return len(self._cells) == 1

    def sum_squares(self, inputs: Sequence[Signal], of_last: Array, context: RunContext = NO_CONTEXT) -> Array:
        """Return the sums over r of the squared gradients of x, (batch, steps, d).

        Args:
            inputs: x alone.
            of_last: The gradients of the output after the last step, (batch, r, width).
            context: That of the forward pass.
        """
        taken, (cell,) = self._take(inputs, context), self._cells
        shown = self._find_shown(taken.mask)
        if shown is not None:
            of_last = of_last * shown[:, -1, None, None]
        of_states = [of_last, *[None] * (len(cell.widths) - 1)]
        return _reverse(cell.sum_squares(taken.x, taken.initial[0], taken.mask, of_states), self.settings.go_backwards)

    def _take(self, inputs: Sequence[Signal], context: RunContext) -> _Taken:
        (x, mask, is_stated), *states = inputs
        first = self._cells[0]
        if x.ndim != 3 or x.shape[2] != first.input_dim or not x.shape[1]:
            raise BadInput(f"the input of {self.name} is {x.shape}, but it takes (batch, length, {first.input_dim})")
        if mask is not None and mask.shape != x.shape[:2]:
            raise BadInput(f"the mask of {self.name} is {mask.shape}, but its input has (batch, length) = "
                           f"{x.shape[:2]}")  # fmt: skip
        is_ignored = self.settings.ignores_mask_with_states and bool(states) and not is_stated
        mask = None if mask is None or is_ignored or mask.all() else mask.astype(bool, copy=False)
        if (
            mask is not None
            and self._is_stack
            and not self.settings.reverses_cells
            and (self.settings.masked_output is MaskedOutput.STATE)
        ):
            raise CannotReplay(f"{self.name}: at masked steps this release of Keras returns a state of the first cell "
                               "of a stack, which is not computed")  # fmt: skip
        initial = tuple(self._find_initial([state.values for state in states], len(x), context))
        backwards = self.settings.go_backwards
        return _Taken(_reverse(x, backwards), None if mask is None else _reverse(mask, backwards), initial)

    def _find_initial(self, states: list[Array], batch: int, context: RunContext) -> list[CellState]:
        """Return the initial states of each cell: those of the user, or of the model, or those to begin with, or 0."""
        if len(states) not in (0, self.states):
            raise CannotReplay(
                f"{self.name}: the model gives it {len(states)} initial states, but it has {self.states}"
            )
        found: list[CellState] = []
        states = self._to_cell_order(states) or list(context.begins.get(self.name, ()))
        for cell in self._cells:
            own, states = states[: len(cell.widths)], states[len(cell.widths) :]
            zero = tuple(np.zeros((batch, width), cell.dtype) for width in cell.widths)
            initial = cell.initial_given(context) or tuple(own) or zero
            for state, width in zip(initial, cell.widths, strict=True):
                if state.shape != (batch, width):
                    raise BadInput(f"an initial state of {cell.name} is {state.shape}, but it takes {(batch, width)}")
            found.append(tuple(state.astype(cell.dtype, copy=False) for state in initial))
        return found

    def _find_shown(self, mask: Array | None) -> Array | None:
        """Return where the output is not 0 for the sake of `mask`, (batch, steps); None if everywhere."""
        if mask is None or self.settings.masked_output is MaskedOutput.STATE:
            return None
        if self.settings.masked_output is MaskedOutput.ZERO:
            return mask
        shown: Array = np.logical_or.accumulate(mask, axis=1)
        return shown

    def _distribute(self, gradients: Sequence[Gradient], shown: Array | None) -> tuple[Gradient, list[Gradient]]:
        """Return the gradients of the output after every step, and of the last states of all cells."""
        of_output, *of_states = gradients
        of_last: list[Gradient] = self._to_cell_order(of_states) or [None] * self.states
        if of_output is None:
            return None, of_last
        if self.settings.return_sequences:
            return (of_output if shown is None else of_output * shown[:, None, :, None]), of_last
        of_output = of_output if shown is None else of_output * shown[:, -1, None, None]
        place = self.states - len(self._cells[-1].widths)
        before = of_last[place]
        of_last[place] = of_output if before is None else before + of_output
        return None, of_last

    @property
    def _is_stack(self) -> bool:
        return len(self._cells) > 1

    def _to_file_order(self, states: list[_T]) -> list[_T]:
        """Return the states, which are in the order of the cells, in that of the file."""
        return _reverse_groups(states, self._count_states()) if self._require_order() else states

    def _to_cell_order(self, states: list[_T]) -> list[_T]:
        """Return the states, which are none or in the order of the file, in that of the cells."""
        return _reverse_groups(states, self._count_states()[::-1]) if states and self._require_order() else states

    def _require_order(self) -> bool:
        """Return whether the file has the states of the last cell first.

        Raises:
            CannotReplay: The version in the file does not settle it.
        """
        if self._is_stack and self.settings.reverses_cells is None:
            raise CannotReplay(f"{self.name}: the version in the file, of tf.keras in TensorFlow 1.9 to 1.12, does not "
                               "settle whether the states of its first or of its last cell come first")  # fmt: skip
        return self._is_stack and bool(self.settings.reverses_cells)

    def _count_states(self) -> list[int]:
        return [len(cell.widths) for cell in self._cells]

    def _list_inputs(self, taken: _Taken) -> list[Array]:
        """Return the input of each cell."""
        given = [taken.x]
        for cell, initial in zip(self._cells[:-1], taken.initial[:-1], strict=True):
            given.append(cell.forward(given[-1], initial, taken.mask).h)
        return given


def _reverse_groups(values: Sequence[_T], sizes: Sequence[int]) -> list[_T]:
    """Return `values`, which are in groups of `sizes`, with the last group first."""
    rest = iter(values)
    groups = [list(islice(rest, size)) for size in sizes]
    return [value for group in groups[::-1] for value in group]


def _reverse(values: Array, backwards: bool) -> Array:
    return values[:, ::-1] if backwards else values


def _blank(values: Array, shown: Array | None) -> Array:
    """Return `values`, (batch, …, width), with 0 where `shown`, (batch, …), is false."""
    return values if shown is None else np.where(shown[..., None], values, values.dtype.type(0))


def read_settings(layer: NetworkLayer, reader: LayerReader) -> SequenceSettings:
    """Return how a recurrent layer goes through a sequence, according to its configuration.

    Raises:
        CannotReplay: The configuration states what cannot be computed.
    """
    if read_flag(layer, "time_major"):
        raise CannotReplay(f"{layer.name} takes the steps as the first axis (time_major), which cannot be computed")
    if layer.config.get("num_constants"):
        raise CannotReplay(f"{layer.name} takes constants beside its input, which cannot be computed")
    return SequenceSettings(
        read_flag(layer, "return_sequences"),
        read_flag(layer, "return_state"),
        read_flag(layer, "go_backwards"),
        _find_masked_output(layer, reader),
        ignores_mask_with_states=reader.release.keras == 3,
        reverses_cells=reader.release.reverses_cells,
    )


def _find_masked_output(layer: NetworkLayer, reader: LayerReader) -> MaskedOutput:
    if read_flag(layer, "zero_output_for_mask"):
        return MaskedOutput.ZERO
    repeats_state = reader.release.repeats_state and not read_flag(layer, "unroll")
    return MaskedOutput.STATE if repeats_state else MaskedOutput.PREVIOUS


def read_flag(layer: NetworkLayer, key: str) -> bool:
    """Return a setting of `layer` that is false if not stated.

    Raises:
        CannotReplay: It is neither true nor false.
    """
    value = layer.config.get(key)
    if value is not None and not isinstance(value, bool):
        raise CannotReplay(f"{layer.name}: its {key} is neither true nor false")
    return bool(value)


def read_units(layer: NetworkLayer) -> int:
    """Return the number of units of `layer`.

    Raises:
        CannotReplay: Its configuration does not state a positive number.
    """
    units = setting(layer, "units", "output_dim")
    if type(units) is not int or units < 1:
        raise CannotReplay(f"{layer.name}: its configuration does not state how many units it has")
    return units
