"""What all layers have in common: what flows between them, and how they are run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np

from lstmdump.model.tensor import Array
from lstmdump.replay.equations import CellNumbers, State, States


class Signal(NamedTuple):
    """What flows between layers.

    Attributes:
        values: The numbers, (batch, …).
        mask: True where there is a step, (batch, steps); None if no step is masked.
        is_mask_stated: Whether the call of the layer names the mask, which does not come with the values.
    """

    values: Array
    mask: Array | None = None
    is_mask_stated: bool = False


Gradient: TypeAlias = "Array | None"
"""The derivatives of r numbers with respect to an array (batch, …), as (batch, r, …); None if all of them are 0."""


def add_gradients(one: Gradient, other: Gradient) -> Gradient:
    """Return the sum of the gradients of one array that came in two ways."""
    if one is None or other is None:
        return other if one is None else one
    return np.add(one, other)


StateWatch: TypeAlias = "Callable[[CellNumbers, States, Array | None], None]"
"""Is called with each LSTM that has been run, its states, and its mask, (batch, steps) in the order of the input.

The mask is the one that the LSTM heeds: None if it skips no step.
"""


@dataclass(frozen=True)
class RunContext:
    """What applies to a whole run of a network.

    Attributes:
        initial: The states before the first step that the user gives, by the name of the LSTM; they replace those of
            the network.
        watch: Is called with the states of each LSTM; None if nobody asks for them.
        begins: The states with which a recurrent layer begins that the model gives none, by its name; else 0.
        ends: Takes the last states of each such layer, for each of its calls; None if nobody asks for them.
    """

    initial: Mapping[str, State] = field(default_factory=dict)
    watch: StateWatch | None = None
    begins: Mapping[str, Sequence[Array]] = field(default_factory=dict)
    ends: dict[str, list[Sequence[Array]]] | None = None


NO_CONTEXT = RunContext()


class RunnableLayer(ABC):
    """A layer that has been read and can be run on any number of inputs.

    Attributes:
        name: Its name.
        takes_ids: Whether its first input consists of whole numbers, which are not converted.
        takes_any_numbers: Whether it computes the same from whole numbers as from others, which need no conversion.
        makes_mask: Whether it determines a mask by itself, which a mask given by the user replaces.
    """

    takes_ids = False
    takes_any_numbers = False
    makes_mask = False

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def embedding(self) -> str:
        """The name of the layer that takes the ids: this one, or the one that it wraps."""
        return self.name

    @abstractmethod
    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:
        """Return the outputs for `inputs`, each with its mask.

        Raises:
            BadInput: An input has another shape than the layer takes.
        """

    @abstractmethod
    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,
    ) -> tuple[Gradient, ...]:
        """Apply the chain rule: return the gradient of each input from those of the outputs.

        Args:
            inputs: The inputs of the forward pass.
            outputs: What `forward` returned for them.
            gradients: For each output, the derivatives of r numbers with respect to it, (batch, r, …), or None for 0.
            context: That of the forward pass.

        Returns:
            For each input, the derivatives of the same r numbers with respect to it; None for 0.
        """


class OneToOne(RunnableLayer):
    """A layer of one input and one output. The mask is passed on, unless `pass_mask` is overridden."""

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:  # noqa: ARG002
        """Return the output of the only input."""
        (given,) = inputs
        return (Signal(self.compute(given), self.pass_mask(given)),)

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,  # noqa: ARG002
    ) -> tuple[Gradient, ...]:
        """Return the gradient of the only input."""
        (given,), (made,), (gradient,) = inputs, outputs, gradients
        return (None if gradient is None else self.pull_back(given, made.values, gradient),)

    @abstractmethod
    def compute(self, given: Signal) -> Array:
        """Return the values of the output, (batch, …)."""

    @abstractmethod
    def pull_back(self, given: Signal, output: Array, gradient: Array) -> Array:
        """Return the gradient of the input, (batch, r, …), from that of `output`, (batch, r, …)."""

    def pass_mask(self, given: Signal) -> Array | None:
        """Return the mask of the output."""
        return given.mask


class DropsMask(OneToOne):
    """A layer of one input and one output behind which no step is masked."""

    def pass_mask(self, given: Signal) -> Array | None:  # noqa: ARG002
        """Return None."""
        return None
