"""Embedding layers: each id is replaced by its row of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstmdump.errors import BadInput
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import NO_CONTEXT, Gradient, RunContext, RunnableLayer, Signal
from lstmdump.replay.layers.reading import ExpectedArray, LayerReader, setting


class Embedding(RunnableLayer):
    """An Embedding layer.

    Args:
        name: Its name.
        table: The vectors of all ids, (ids, d).
        mask_zero: Whether 0 stands for padding, so that such steps are masked.
    """

    takes_ids = True

    def __init__(self, name: str, table: Array, mask_zero: bool = False) -> None:
        super().__init__(name)
        self._table = table
        self.makes_mask = mask_zero

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:  # noqa: ARG002
        """Return (batch, …, d) for ids (batch, …), of which the fractions are cut off.

        The mask is that of the ids as they are given: 0.4 stands for row 0, but is not masked.
        """
        (given,) = inputs
        mask = given.values != 0 if self.makes_mask else None
        return (Signal(np.take(self._table, self._to_rows(given.values), axis=0), mask),)

    def backward(
        self,
        inputs: Sequence[Signal],  # noqa: ARG002
        outputs: Sequence[Signal],  # noqa: ARG002
        gradients: Sequence[Gradient],  # noqa: ARG002
        context: RunContext = NO_CONTEXT,  # noqa: ARG002
    ) -> tuple[Gradient, ...]:
        """Return no gradient: ids are whole numbers."""
        return (None,)

    def _to_rows(self, ids: Array) -> Array:
        valid = (ids > -1) & (ids < len(self._table))
        if not valid.all():
            wrong = ids[~valid].flat[0]
            raise BadInput(
                f"{self.name} has {len(self._table)} vectors, for the ids 0 to {len(self._table) - 1}; "
                f"the input holds the id {wrong}"
            )
        return ids.astype(np.intp, copy=False)


def _read_embedding(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    shape = (setting(layer, "input_dim"), setting(layer, "output_dim"))
    arrays = reader.arrays(layer, [ExpectedArray("embeddings", shape, ("W",))])
    return Embedding(layer.name, arrays["embeddings"], bool(setting(layer, "mask_zero")))


BUILDERS = {"Embedding": _read_embedding}
