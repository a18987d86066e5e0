"""LSTM layers and cells, computed by `lstmdump.replay.equations` and `lstmdump.replay.gradients`."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cached_property

import numpy as np

from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.equations import CellNumbers, State, States
from lstmdump.replay.equations import replay as replay_steps
from lstmdump.replay.gradients import Backward
from lstmdump.replay.layers.base import RunContext, RunnableLayer
from lstmdump.replay.layers.reading import LayerReader
from lstmdump.replay.layers.recurrent.base import (
    CellBackward,
    CellRun,
    CellState,
    MaskedOutput,
    RecurrentCell,
    RecurrentLayer,
    WatchedStates,
    read_settings,
)


class LSTMEquations(RecurrentCell):
    """The equations of an LSTM. Its states are h and c.

    Attributes:
        numbers: Its numbers.
    """

    def __init__(self, numbers: CellNumbers) -> None:
        self.name = numbers.name
        self.dtype = numbers.dtype
        self.input_dim = numbers.input_dim
        self.widths = (numbers.width, numbers.units)
        self.numbers = numbers
        plain = numbers.behaviour._replace(
            go_backwards=False, is_aligned=False, zero_output_for_mask=False, repeats_state=True
        )
        self._in_order = replace(numbers, behaviour=plain)

    @cached_property
    def _backward(self) -> Backward:
        return Backward(self._in_order)

    def forward(self, x: Array, initial: CellState, mask: Array | None) -> CellRun:
        """Run the LSTM on `x`, (batch, steps, d)."""
        states = replay_steps(self._in_order, x, initial=State(*initial), mask=mask)
        return CellRun(states.h, (states.h[:, -1], states.c[:, -1]), states)

    def prepare_backward(self, x: Array, initial: CellState, mask: Array | None) -> CellBackward:
        """Return the chain rule for the steps of `x`."""
        return self._backward.over(x, State(*initial), self.forward(x, initial, mask).states).back

    def initial_given(self, context: RunContext) -> CellState | None:
        """Return the initial states that the user gives for this LSTM."""
        given = context.initial.get(self.name)
        return None if given is None else (given.h, given.c)

    def list_watched(self, run: CellRun, shown: Array | None) -> WatchedStates | None:
        """Return the states, of a backward half in the order of the input."""
        states = run.states
        if states is None:
            return None
        if shown is not None:
            states = replace(states, h=np.where(shown[..., None], states.h, states.h.dtype.type(0)))
        behaviour = self.numbers.behaviour
        if behaviour.go_backwards and behaviour.is_aligned:
            states = States(**{field.name: getattr(states, field.name)[:, ::-1] for field in fields(States)})
        return WatchedStates(self.numbers, states)


def read_lstm_cell(layer: NetworkLayer, reader: LayerReader) -> LSTMEquations:
    """Return the equations of the LSTM layer or cell `layer`."""
    return LSTMEquations(reader.read_lstm(layer))


def _read_lstm(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    settings, cell = read_settings(layer, reader), read_lstm_cell(layer, reader)
    behaviour = cell.numbers.behaviour
    masked = MaskedOutput.ZERO if behaviour.zero_output_for_mask else settings.masked_output
    settings = replace(settings, go_backwards=behaviour.go_backwards, masked_output=masked)
    return RecurrentLayer(layer.name, [cell], settings)


BUILDERS = {"CuDNNLSTM": _read_lstm, "LSTM": _read_lstm}
