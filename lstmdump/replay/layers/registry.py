"""The classes of layers that can be run: one table from their names to the functions that read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from lstmdump.errors import CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.replay.layers import (
    activation,
    attention,
    dense,
    embedding,
    identity,
    masking,
    merging,
    normalization,
    reshaping,
)
from lstmdump.replay.layers.base import RunnableLayer
from lstmdump.replay.layers.operations.operation import read_operation
from lstmdump.replay.layers.reading import LayerReader
from lstmdump.replay.layers.recurrent import bidirectional, gru, lstm, rnn, simple_rnn, time_distributed
from lstmdump.replay.layers.spatial import convolution, padding, pooling

Builder: TypeAlias = Callable[[NetworkLayer, LayerReader], RunnableLayer]

BUILDERS: Mapping[str, Builder] = {
    **activation.BUILDERS,
    **attention.BUILDERS,
    **bidirectional.BUILDERS,
    **convolution.BUILDERS,
    **dense.BUILDERS,
    **gru.BUILDERS,
    **lstm.BUILDERS,
    **merging.BUILDERS,
    **padding.BUILDERS,
    **pooling.BUILDERS,
    **reshaping.BUILDERS,
    **rnn.BUILDERS,
    **simple_rnn.BUILDERS,
    **time_distributed.BUILDERS,
    **activation.BUILDERS,
    **embedding.BUILDERS,
    **identity.BUILDERS,
    **masking.BUILDERS,
    **normalization.BUILDERS,
}
"""The function that reads a layer, by the name of its class in any release."""


def build(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    """Return the layer that `layer` describes, read.

    Raises:
        CannotReplay: It is of a class that cannot be computed, or has settings that cannot; the message names it.
    """
    if not layer.is_of_keras:
        raise CannotReplay(f"{layer.name} is a {layer.kind}, a class of its own, which cannot be computed")
    if layer.kind == "Lambda":
        raise CannotReplay(f"{layer.name} is a Lambda layer: Python code, which is never run")
    if layer.config.get("is_operation") is True:
        return read_operation(layer, reader)
    builder = BUILDERS.get(layer.kind)
    if builder is None:
        raise CannotReplay(f"{layer.name} is a {layer.kind} layer, which cannot be computed")
    return builder(layer, reader)
