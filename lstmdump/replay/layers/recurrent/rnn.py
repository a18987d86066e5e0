"""RNN layers, which run a cell, or a stack of cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from lstmdump.errors import CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.replay.layers.base import RunnableLayer
from lstmdump.replay.layers.reading import LayerReader
from lstmdump.replay.layers.recurrent.base import MaskedOutput, RecurrentCell, RecurrentLayer, read_settings
from lstmdump.replay.layers.recurrent.gru import read_gru_cell
from lstmdump.replay.layers.recurrent.lstm import LSTMEquations, read_lstm_cell
from lstmdump.replay.layers.recurrent.simple_rnn import read_simple_rnn_cell

_CellBuilder: TypeAlias = Callable[[NetworkLayer, LayerReader], RecurrentCell]

_CELLS: Mapping[str, _CellBuilder] = {
    "GRUCell": read_gru_cell,
    "LSTMCell": read_lstm_cell,
    "PeepholeLSTMCell": read_lstm_cell,
    "SimpleRNNCell": read_simple_rnn_cell,
}


def _read_rnn(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    settings = read_settings(layer, reader)
    if not layer.inner:
        raise CannotReplay(f"{layer.name}: its cell is not known")
    if len(layer.inner) > 1 and _reverses_states(layer):
        raise CannotReplay(f"{layer.name}: its cells give their states in reverse order, which cannot be computed")
    cells = [_read_cell(cell, reader) for cell in layer.inner.values()]
    if isinstance(cells[0], LSTMEquations):
        behaviour = cells[0].numbers.behaviour
        masked = MaskedOutput.ZERO if behaviour.zero_output_for_mask else settings.masked_output
        settings = replace(settings, go_backwards=behaviour.go_backwards, masked_output=masked)
    return RecurrentLayer(layer.name, cells, settings)


def _read_cell(cell: NetworkLayer, reader: LayerReader) -> RecurrentCell:
    if not cell.is_of_keras:
        raise CannotReplay(f"{cell.name} is a {cell.kind}, a class of its own, which cannot be computed")
    if cell.kind not in _CELLS:
        raise CannotReplay(f"{cell.name} is a {cell.kind}, which cannot be computed")
    return _CELLS[cell.kind](cell, reader)


def _reverses_states(layer: NetworkLayer) -> bool:
    cell = layer.config.get("cell")
    config = cell.get("config") if isinstance(cell, Mapping) else None
    return isinstance(config, Mapping) and bool(config.get("reverse_state_order"))


BUILDERS = {"RNN": _read_rnn}
