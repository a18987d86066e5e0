"""TimeDistributed layers, which apply a layer, or a whole model, to each step by itself.

All steps of all sequences are one batch, (batch·steps, …). What becomes of masks depends on the release:

============  ==============================================  ====================================================
release       what the layer within gets                      what is handed on
============  ==============================================  ====================================================
Keras 1       no mask                                         the mask of the input
Keras 2       its steps of a mask (batch, steps, …)           that of the layer within, if it gives one; else which
                                                              steps of the input have anything that is not masked
Keras 3       its steps of a mask (batch, steps, …)           the mask of the input
============  ==============================================  ====================================================
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import NO_CONTEXT, Gradient, RunContext, RunnableLayer, Signal
from lstmdump.replay.layers.reading import LayerReader


class TimeDistributed(RunnableLayer):
    """A TimeDistributed layer.

    Args:
        name: Its name.
        layer: The layer within, of one input.
        keras: The generation of Keras, which decides on masks.
    """

    def __init__(self, name: str, layer: RunnableLayer, keras: int) -> None:
        super().__init__(name)
        self.takes_ids = layer.takes_ids
        self._layer = layer
        self._keras = keras

    @property
    def embedding(self) -> str:
        """The name of the layer within that takes the ids."""
        return self._layer.embedding

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:
        """Return the outputs of all steps, (batch, steps, …)."""
        given = self._take_only(inputs)
        made = self._layer.forward([self._flatten(given)], context)
        batch_and_steps = given.values.shape[:2]
        return tuple(
            Signal(one.values.reshape(*batch_and_steps, *one.values.shape[1:]), self._hand_on(given, one.mask))
            for one in made
        )

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,
    ) -> tuple[Gradient, ...]:
        """Return the gradient of the only input."""
        given = self._take_only(inputs)
        made = [Signal(one.values.reshape(-1, *one.values.shape[2:])) for one in outputs]
        flat = [None if gradient is None else _merge_steps(gradient) for gradient in gradients]
        (found,) = self._layer.backward([self._flatten(given)], made, flat, context)
        return (None if found is None else _part_steps(found, given.values.shape[:2]),)

    def _take_only(self, inputs: Sequence[Signal]) -> Signal:
        if len(inputs) != 1:
            raise CannotReplay(f"{self.name}: the model gives it {len(inputs)} inputs, but only one can be computed")
        if inputs[0].values.ndim < 3:
            raise BadInput(f"the input of {self.name} is {inputs[0].values.shape}, but it takes (batch, length, …)")
        return inputs[0]

    def _flatten(self, given: Signal) -> Signal:
        """Return the input of the layer within, (batch·steps, …)."""
        values, mask = given.values, given.mask
        inner = None if mask is None or mask.ndim < 3 or self._keras == 1 else mask.reshape(-1, *mask.shape[2:])
        return Signal(values.reshape(-1, *values.shape[2:]), inner)

    def _hand_on(self, given: Signal, made: Array | None) -> Array | None:
        """Return the mask of an output, for which the layer within made the mask `made`, (batch·steps, …)."""
        if self._keras != 2:
            return given.mask
        if made is not None:
            return np.reshape(made, (*given.values.shape[:2], *made.shape[1:]))
        return None if given.mask is None else np.asarray(given.mask.any(axis=tuple(range(2, given.mask.ndim))))


def _merge_steps(gradient: Array) -> Array:
    """Return (batch·steps, r, …) for (batch, r, steps, …)."""
    by_step: Array = gradient.swapaxes(1, 2)
    merged: Array = by_step.reshape(-1, *by_step.shape[2:])
    return merged


def _part_steps(gradient: Array, batch_and_steps: tuple[int, ...]) -> Array:
    """Return (batch, r, steps, …) for (batch·steps, r, …)."""
    by_step: Array = gradient.reshape(*batch_and_steps, *gradient.shape[1:]).swapaxes(1, 2)
    return by_step


def _read_time_distributed(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    if any(within.config.get("stateful") for within in layer.walk()):
        raise CannotReplay(f"{layer.name}: its layer is stateful, and goes on from step to step, which cannot be "
                           "computed")  # fmt: skip
    if layer.network is not None:
        return TimeDistributed(layer.name, reader.build_network(layer.name, layer.network), reader.release.keras)
    if "layer" not in layer.inner:
        raise CannotReplay(f"{layer.name}: the layer within is not known")
    return TimeDistributed(layer.name, reader.build(layer.inner["layer"]), reader.release.keras)


BUILDERS = {"TimeDistributed": _read_time_distributed}
