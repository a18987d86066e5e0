"""Read the network of an open model, with its LSTM layers, so that it can be run from the model's own inputs."""

from __future__ import annotations

from collections.abc import Sequence

from lstmdump.errors import CannotReplay
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.lstm.release import release_of
from lstmdump.model.network import NetworkDescription, NetworkLayer, NetworkTensor
from lstmdump.model.sentences import shared
from lstmdump.replay import network as lstm_network
from lstmdump.replay.equations import CellNumbers
from lstmdump.replay.layers import registry
from lstmdump.replay.layers.reading import LayerReader
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks import propagation
from lstmdump.replay.networks.propagation import RunnableNetwork


class NetworkReader(LayerReader):
    """The reader of the layers of an open model. An LSTM layer is the one of the same name, so it may have any layout.

    Attributes:
        cells: The LSTM layers read so far.
        notes: Remarks on how they are run.

    Args:
        opened: The model.
        described: Its network.
        options: How the LSTM layers are run.
    """

    def __init__(self, opened: LoadedModel, described: NetworkDescription, options: RunOptions) -> None:
        super().__init__(
            release_of(opened.producer), options.dtype, self._read_cell, registry.build, propagation.read_as_layer,
            has_fixed_batch=described.has_fixed_batch,
        )  # fmt: skip
        self._lstms = {lstm.name: lstm for lstm in opened.lstms}
        self._producer = opened.producer
        self._options = options
        self._notes: dict[str, list[str]] = {}
        self.cells: list[CellNumbers] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on how the LSTM layers are run."""
        return tuple(shared(((name, note) for name, notes in self._notes.items() for note in notes), len(self.cells)))

    def _read_cell(self, layer: NetworkLayer) -> CellNumbers:
        if layer.name not in self._lstms:
            raise CannotReplay(f"{layer.name} is a {layer.kind}, but its arrays are not those of an LSTM")
        cell, notes = lstm_network.read_one(self._lstms[layer.name], self._producer, self._options)
        self._notes[layer.name] = notes
        self.cells.append(cell)
        return cell


def read(
    opened: LoadedModel, described: NetworkDescription, targets: Sequence[NetworkTensor], options: RunOptions
) -> RunnableNetwork:
    """Read the part of the network `described` of `opened` that `targets` need.

    Raises:
        CannotReplay: A layer among them cannot be computed; the message names it.
        NoForgetBias, UnreadableModel: See `lstmdump.replay.network.read_each`.
    """
    return propagation.read(described, targets, NetworkReader(opened, described, options))
