"""Layers whose input has the channels before the steps, or before rows and columns."""

from __future__ import annotations

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import DropsMask, OneToOne, Signal
from lstmdump.replay.layers.reading import setting

_CHANNELS_FIRST = {"channels_first": True, "channels_last": False, "th": True, "tf": False, None: False}


class ChannelsFirst(DropsMask):
    """A layer of values (batch, channels, …), computed by one that takes (batch, …, channels)."""

    def __init__(self, inner: OneToOne) -> None:
        super().__init__(inner.name)
        self._inner = inner

    def compute(self, given: Signal) -> Array:
        """Return the output with the channels first; without other axes, there is only one order."""
        return np.moveaxis(self._inner.compute(_put_last(given)), -1, 1)

    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:
        """Return the gradient with the channels first."""
        last = np.moveaxis(output, 1, -1), np.moveaxis(gradient, 2, -1)
        return np.moveaxis(self._inner.pull_back(_put_last(given), *last), -1, 2)


def arrange(layer: NetworkLayer, channels_last: OneToOne) -> OneToOne:
    """Return `channels_last`, that is `layer`, for the order of axes that its configuration states.

    Raises:
        CannotReplay: The configuration states another order.
    """
    stated = setting(layer, "data_format", "dim_ordering")
    if not isinstance(stated, (str, type(None))) or stated not in _CHANNELS_FIRST:
        raise CannotReplay(f"{layer.name}: its data_format {stated!r} cannot be used")
    return ChannelsFirst(channels_last) if _CHANNELS_FIRST[stated] else channels_last


def _put_last(given: Signal) -> Signal:
    return given._replace(values=np.moveaxis(given.values, 1, -1))
