"""Sum the squares of the derivatives of an output with respect to the inputs of a network.

Where all influence passes through one tensor, the derivatives of no more numbers than it has are propagated further. A
recurrent layer that takes the input itself need not keep all of them; see `lstmdump.replay.principal_rows`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lstmdump.model.network import NetworkTensor
from lstmdump.model.tensor import Array
from lstmdump.replay.networks import bottlenecks, propagation
from lstmdump.replay.networks.propagation import RunnableNetwork, Tape

_AT_ONCE = 1 << 22  # numbers of the largest gradient


class _Seeds(NamedTuple):
    """The gradients of r numbers with respect to a tensor.

    Attributes:
        tensor: The tensor.
        rows: r.
        make: Returns some of them, (batch, ·, …).
    """

    tensor: NetworkTensor
    rows: int
    make: Callable[[slice], Array]


class InfluencePass:
    """The backward pass from one target to all sources.

    Args:
        network: The network.
        tape: A forward pass, with all signals.
        sources: The sources.
    """

    def __init__(self, network: RunnableNetwork, tape: Tape, sources: Sequence[NetworkTensor]) -> None:
        self._network, self._tape, self._sources = network, tape, sources
        largest = max(signal.values.size for made in tape.signals.values() for signal in made)
        self._at_once = max(1, _AT_ONCE // largest)

    def sum_squares(self, target: NetworkTensor, units: Array) -> dict[NetworkTensor, Array]:
        """Return the sums over `units` of the last step of `target` of squared derivatives, (batch, steps, features).

        Args:
            target: The target, (batch, steps, …) or (batch, …).
            units: The indices of numbers of its last step.
        """
        values = self._tape[target].values
        seeds = _Seeds(target, len(units), lambda part: _seed_last_step(values, units[part]))
        for tensor in bottlenecks.find(self._network, target, self._sources):
            layer = bottlenecks.find_last_layer(self._network, tensor, self._sources)
            is_last_output = layer is not None and (tensor == target or not layer.settings.return_sequences)
            if tensor != target and (is_last_output or self._count(tensor) < seeds.rows):
                seeds = self._move(seeds, tensor)
            if layer is not None and is_last_output:
                of_last = _seed(values, units) if tensor == target else seeds.make(slice(None))
                inputs = propagation.list_inputs(self._network.calls[tensor.call], self._tape)
                return {self._sources[0]: layer.sum_squares(inputs, of_last, self._tape.context)}
        return self._sum_directly(seeds)

    def _count(self, tensor: NetworkTensor) -> int:
        """Return how many numbers of a tensor one sequence has."""
        return math.prod(self._tape[tensor].values.shape[1:])

    def _move(self, seeds: _Seeds, tensor: NetworkTensor) -> _Seeds:
        """Return the gradients of `tensor`, from those of a tensor that depends on it."""
        found = (gradients[0] for gradients in self._go_back(seeds, [tensor]))
        rows = bottlenecks.reduce_rows(found)
        return _Seeds(tensor, rows.shape[1], lambda part: rows[:, part])

    def _sum_directly(self, seeds: _Seeds) -> dict[NetworkTensor, Array]:
        shapes = {source: self._tape[source].values.shape for source in self._sources}
        sums = {source: np.zeros((*shape[:2], math.prod(shape[2:]))) for source, shape in shapes.items()}
        for gradients in self._go_back(seeds, self._sources):
            for source, gradient in zip(self._sources, gradients, strict=True):
                flat = gradient.reshape(*gradient.shape[:3], -1)
                sums[source] += np.einsum("brtf,brtf->btf", flat, flat)
        return sums

    def _go_back(self, seeds: _Seeds, wanted: Sequence[NetworkTensor]) -> Iterator[list[Array]]:
        """Yield the gradients of some of the numbers with respect to all tensors `wanted`, (batch, ·, …)."""
        for start in range(0, seeds.rows, self._at_once):
            part = seeds.make(slice(start, start + self._at_once))
            found = propagation.backward(self._network, self._tape, {seeds.tensor: part}, wanted)
            yield [self._or_zero(found[tensor], tensor, part.shape[1]) for tensor in wanted]

    def _or_zero(self, gradient: Array | None, tensor: NetworkTensor, rows: int) -> Array:
        values = self._tape[tensor].values
        return np.zeros((len(values), rows, *values.shape[1:])) if gradient is None else gradient


def _seed(values: Array, units: Array) -> Array:
    """Return the derivatives of `units` of the last step of `values` by that step, (batch, r, numbers)."""
    rows = np.eye(math.prod(values.shape[2:] if values.ndim > 2 else values.shape[1:]))[units]
    return np.broadcast_to(rows, (len(values), *rows.shape))


def _seed_last_step(values: Array, units: Array) -> Array:
    """Return the derivatives of the chosen `units` of the last step of `values` by `values`, (batch, r, …)."""
    seed = np.zeros((len(values), len(units), *values.shape[1:]))
    last = seed[:, :, -1] if values.ndim > 2 else seed
    last[...] = _seed(values, units).reshape(last.shape)
    return seed
