"""TimeDistributed layers, which apply a layer, or a whole model, to each step by itself.

All steps of all sequences are one batch, (batch·steps, …). What becomes of masks depends on the release, and in some on
whether the model states the size of its batch, because Keras then used to run the layer within in a loop:

=========================================  ==================  ================  =========================
release                                    size of the batch   the layer within  handed on is the mask
=========================================  ==================  ================  =========================
Keras 1 to 2.1, TensorFlow to 1.9          any                 gets no mask      of the input
Keras 2.2 and 2.3, TensorFlow 1.10 to 2.1  not stated          gets its steps    of the layer within
Keras 2.2 and 2.3, TensorFlow 1.10 to 1.13 stated              gets no mask      of the input
TensorFlow 1.14 to 2.1                     stated              gets its steps    of the input
TensorFlow 2.2 and later                   any                 gets its steps    of the layer within
Keras 3                                    any                 gets its steps    of the input
=========================================  ==================  ================  =========================

A layer within gets its steps of a mask (batch, steps, …), but not of one of (batch, steps). If it gives no mask, that
of the input is handed on in its place: which steps have anything that is not masked.

Source: `TimeDistributed` in these releases, run in Keras 2.1.6, 2.2.2, 2.2.4 and 3, TensorFlow 1.12, 1.13 and 1.14, and
tf_keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import NO_CONTEXT, Gradient, RunContext, RunnableLayer, Signal
from lstmdump.replay.layers.reading import LayerReader


class MaskUse(NamedTuple):
    """What becomes of masks; None where the file does not settle it.

    Attributes:
        is_given: Whether the layer within gets its steps of a mask (batch, steps, …).
        is_made: Whether the mask of the layer within is handed on, and not that of the input.
    """

    is_given: bool | None
    is_made: bool | None


_IGNORED, _OF_LAYER, _OF_INPUT, _UNKNOWN = (
    MaskUse(False, False), MaskUse(True, True), MaskUse(True, False), MaskUse(None, None)
)  # fmt: skip
_FIRST_WITH_MASKS = (2, 0)  # Keras 2.2
_TENSORFLOW_1_9 = (1, 6)  # up to 1.12
_TENSORFLOW_1_13 = (2, 4)  # up to 2.1
_TENSORFLOW_2_2 = (3, 0)


def find_mask_use(release: KerasRelease, has_fixed_batch: bool | None) -> MaskUse:
    """Return what becomes of masks in `release`, in a model that states the size of its batch, or does not.

    Args:
        release: The release.
        has_fixed_batch: Whether the model states the size of its batch; None if not known.
    """
    if release.keras == 2 and release.is_tensorflow_keras:
        return _find_use_of_tensorflow(release, has_fixed_batch)
    if release.keras == 3:
        return _OF_INPUT
    if release.keras == 1 or release.within_generation < _FIRST_WITH_MASKS or has_fixed_batch:
        return _IGNORED
    return _UNKNOWN if has_fixed_batch is None else _OF_LAYER


def _find_use_of_tensorflow(release: KerasRelease, has_fixed_batch: bool | None) -> MaskUse:
    version = release.within_generation
    if version >= _TENSORFLOW_2_2:
        return _OF_LAYER
    if version >= _TENSORFLOW_1_13:
        if has_fixed_batch is None:
            return _UNKNOWN
        return MaskUse(None, False) if has_fixed_batch else _OF_LAYER
    return _UNKNOWN if version == _TENSORFLOW_1_9 and not has_fixed_batch else _IGNORED


class TimeDistributed(RunnableLayer):
    """A TimeDistributed layer.

    Args:
        name: Its name.
        layer: The layer within, of one input.
        use: What becomes of masks.
    """

    def __init__(self, name: str, layer: RunnableLayer, use: MaskUse) -> None:
        super().__init__(name)
        self.takes_ids = layer.takes_ids
        self._layer = layer
        self._use = use

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
        if mask is not None:
            mask = mask.reshape(-1, *mask.shape[2:]) if mask.ndim > 2 and self._require(self._use.is_given) else None
        return Signal(values.reshape(-1, *values.shape[2:]), mask)

    def _hand_on(self, given: Signal, made: Array | None) -> Array | None:
        """Return the mask of an output, for which the layer within made the mask `made`, (batch·steps, …)."""
        if made is None and (given.mask is None or given.mask.ndim == 2):
            return given.mask
        if not self._require(self._use.is_made):
            return given.mask
        if made is not None:
            return np.reshape(made, (*given.values.shape[:2], *made.shape[1:]))
        return None if given.mask is None else np.asarray(given.mask.any(axis=tuple(range(2, given.mask.ndim))))

    def _require(self, use: bool | None) -> bool:
        """Return `use`.

        Raises:
            CannotReplay: The file does not settle it.
        """
        if use is None:
            raise CannotReplay(f"{self.name}: what becomes of its mask depends on the release of TensorFlow, or on the "
                               "size of the batch, and the file does not settle it")  # fmt: skip
        return use


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
    use = find_mask_use(reader.release, reader.has_fixed_batch)
    if layer.network is not None:
        return TimeDistributed(layer.name, reader.build_network(layer.name, layer.network), use)
    if "layer" not in layer.inner:
        raise CannotReplay(f"{layer.name}: the layer within is not known")
    return TimeDistributed(layer.name, reader.build(layer.inner["layer"]), use)


BUILDERS = {"TimeDistributed": _read_time_distributed}
