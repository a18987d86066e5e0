"""Bidirectional layers: two recurrent layers that take the steps in opposite order, and how their outputs are merged.

The outputs of the half that goes backwards are put in the order of the other half before they are merged. The mask is
handed on as it is. Up to Keras 2.3 the halves do at masked steps what they would do alone; in tf.keras and Keras 3,
halves that return sequences return 0 there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.base import NO_CONTEXT, Gradient, RunContext, RunnableLayer, Signal, add_gradients
from lstmdump.replay.layers.reading import LayerReader, setting
from lstmdump.replay.layers.recurrent.base import MaskedOutput, RecurrentLayer


class HalfMerge(ABC):
    """How the outputs of both halves, (batch, …, m), become one."""

    @abstractmethod
    def merge(self, forward: Array, backward: Array) -> Array:
        """Return the merged output."""

    @abstractmethod
    def pull_back(self, forward: Array, backward: Array, gradient: Array) -> tuple[Array, Array]:
        """Return the gradients of both outputs, (batch, r, …, m), from that of the merged one."""


class _ConcatenateHalves(HalfMerge):
    def merge(self, forward: Array, backward: Array) -> Array:
        return np.concatenate([forward, backward], axis=-1)

    def pull_back(self, forward: Array, backward: Array, gradient: Array) -> tuple[Array, Array]:  # noqa: ARG002
        width = forward.shape[-1]
        return gradient[..., :width], gradient[..., width:]


class _MultiplyHalves(HalfMerge):
    def merge(self, forward: Array, backward: Array) -> Array:
        return np.multiply(forward, backward)

    def pull_back(self, forward: Array, backward: Array, gradient: Array) -> tuple[Array, Array]:
        return gradient * backward[:, None], gradient * forward[:, None]


class _WeighHalves(HalfMerge):
    """The sum of both, times `weight`."""

    def __init__(self, weight: float) -> None:
        self._weight = weight

    def merge(self, forward: Array, backward: Array) -> Array:
        merged: Array = np.multiply(forward + backward, forward.dtype.type(self._weight))
        return merged

    def pull_back(self, forward: Array, backward: Array, gradient: Array) -> tuple[Array, Array]:  # noqa: ARG002
        both: Array = gradient * self._weight
        return both, both


_MERGES: Mapping[str | None, HalfMerge | None] = {
    "ave": _WeighHalves(0.5),
    "concat": _ConcatenateHalves(),
    "mul": _MultiplyHalves(),
    "sum": _WeighHalves(1),
    None: None,
}


class _HalfRun(NamedTuple):
    """The outputs of a half, in the order of the input: the output itself, and its last states."""

    output: Signal
    states: tuple[Signal, ...]


class Bidirectional(RunnableLayer):
    """A Bidirectional layer.

    Its inputs are x, and the initial states of the forward half, then of the backward half, or none. Its outputs are
    the merged output, or those of both halves, and the last states in the same order.

    Args:
        name: Its name.
        forward: The forward half.
        backward: The backward half.
        merge: How the outputs become one; None if they are returned side by side.
    """

    def __init__(self, name: str, forward: RecurrentLayer, backward: RecurrentLayer, merge: HalfMerge | None) -> None:
        super().__init__(name)
        self._forward = forward
        self._backward = backward
        self._merge = merge

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:
        """Return the merged output, or both, and the last states if the halves return them."""
        one, other = self._run_halves(inputs, context)
        states = (*one.states, *other.states)
        if self._merge is None:
            return one.output, other.output, *states
        merged = self._merge.merge(one.output.values, other.output.values)
        return Signal(merged, one.output.mask), *states

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,
    ) -> tuple[Gradient, ...]:
        """Return the gradients of x, and of the initial states if they are inputs."""
        (of_one, of_other), of_states = self._split_gradients(inputs, gradients, context)
        if of_other is not None and self._backward.settings.return_sequences:
            of_other = of_other[:, :, ::-1]
        (for_one, for_other), middle = self._split_inputs(inputs), len(of_states) // 2
        of_x, *of_initial = self._forward.backward(for_one, outputs, [of_one, *of_states[:middle]], context)
        of_same_x, *others = self._backward.backward(for_other, outputs, [of_other, *of_states[middle:]], context)
        return add_gradients(of_x, of_same_x), *of_initial, *others

    def _run_halves(self, inputs: Sequence[Signal], context: RunContext) -> tuple[_HalfRun, _HalfRun]:
        for_one, for_other = self._split_inputs(inputs)
        one, *states = self._forward.forward(for_one, context)
        other, *other_states = self._backward.forward(for_other, context)
        if self._backward.settings.return_sequences:
            other = other._replace(values=other.values[:, ::-1])
        return _HalfRun(one, tuple(states)), _HalfRun(other, tuple(other_states))

    def _split_inputs(self, inputs: Sequence[Signal]) -> tuple[list[Signal], list[Signal]]:
        """Return the inputs of both halves."""
        x, *states = inputs
        if len(states) not in (0, self._forward.states + self._backward.states):
            raise CannotReplay(f"{self.name}: the model gives it {len(states)} initial states, but its halves have "
                               f"{self._forward.states} and {self._backward.states}")  # fmt: skip
        middle = len(states) // 2
        return [x, *states[:middle]], [x, *states[middle:]]

    def _split_gradients(
        self, inputs: Sequence[Signal], gradients: Sequence[Gradient], context: RunContext
    ) -> tuple[tuple[Gradient, Gradient], list[Gradient]]:
        """Return the gradients of the outputs of both halves, and those of the last states."""
        if self._merge is None:
            one, other, *of_states = gradients
            return (one, other), of_states
        of_merged, *of_states = gradients
        if of_merged is None:
            return (None, None), of_states
        run, other_run = self._run_halves(inputs, replace(context, watch=None))
        return self._merge.pull_back(run.output.values, other_run.output.values, of_merged), of_states


def _read_bidirectional(layer: NetworkLayer, reader: LayerReader) -> RunnableLayer:
    mode = setting(layer, "merge_mode", default="concat")
    if not (mode is None or isinstance(mode, str)) or mode not in _MERGES:
        raise CannotReplay(f"{layer.name}: its merge mode {mode!r} is not known")
    if layer.config.get("num_constants"):
        raise CannotReplay(f"{layer.name} takes constants beside its input, which cannot be computed")
    forward, backward = (_read_half(layer, key, reader) for key in ("forward", "backward"))
    if forward.settings.return_state != backward.settings.return_state or (
        forward.settings.return_sequences != backward.settings.return_sequences
    ):
        raise CannotReplay(f"{layer.name}: its halves return different outputs")
    turned = replace(backward.settings, go_backwards=not forward.settings.go_backwards)
    return Bidirectional(layer.name, forward, backward.with_settings(turned), _MERGES[mode])


def _read_half(layer: NetworkLayer, key: str, reader: LayerReader) -> RecurrentLayer:
    half = layer.inner.get(key)
    built = None if half is None else reader.build(half)
    if half is None or not isinstance(built, RecurrentLayer):
        raise CannotReplay(f"{layer.name}: its {key} layer is not a recurrent layer that can be computed")
    settings = built.settings
    if not reader.release.masks_halves:
        return built
    if settings.return_sequences:
        return built.with_settings(replace(settings, masked_output=MaskedOutput.ZERO))
    if settings.masked_output is MaskedOutput.ZERO:
        return built.with_settings(replace(settings, masked_output=MaskedOutput.PREVIOUS))
    return built


BUILDERS = {"Bidirectional": _read_bidirectional}
