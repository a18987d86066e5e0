"""An LSTM as the operators of a model compute it: what `fused` and `unfused` find, and the reader makes a layer of."""

from __future__ import annotations

from collections.abc import Mapping

from lstmdump.model.settings import LayerSettings
from lstmdump.model.tensor import Tensor
from lstmdump.readers.tflite.constants import TensorPlace


class LiteCell:
    """An LSTM, or another recurrent cell, in a subgraph.

    Attributes:
        kind: The class: `LSTM`, or that of a cell that is not one; None if only the operators show what it is.
        arrays: Its arrays, by what they are called in the operator or in the layer.
        order: The order of the gates in the rows of shared arrays; empty if each gate has arrays of its own.
        forget_bias: What is added to b_f beside the stored bias; None if the operators do not show it.
        settings: How it computes, as far as its own operators state it.
        sequence: What gives the inputs of all steps; None for a cell of a single step.
        outputs: What takes the outputs: of all steps, or of the last one.
        names: The names in the file that may contain that of the layer, the best first.
        half: The half of a Bidirectional that it is, if one operator computes both.
        first_states: What gives h and c before the first step.
        in_loop: The tensors that are x and h' in each turn of the loop; None for a cell that is not in one.
    """

    __slots__ = ("arrays", "first_states", "forget_bias", "half", "in_loop", "kind", "names", "order", "outputs",
                 "sequence", "settings")  # fmt: skip

    def __init__(
        self,
        kind: str | None,
        arrays: Mapping[str, Tensor],
        settings: LayerSettings,
        *,
        order: str = "",
        forget_bias: float | None = 0.0,
        sequence: TensorPlace | None = None,
        outputs: tuple[TensorPlace, ...] = (),
        names: tuple[str, ...] = (),
        half: str | None = None,
        first_states: tuple[TensorPlace, ...] = (),
        in_loop: tuple[int, int] | None = None,
    ) -> None:
        self.kind = kind
        self.arrays = arrays
        self.settings = settings
        self.order = order
        self.forget_bias = forget_bias
        self.sequence = sequence
        self.outputs = outputs
        self.names = names
        self.half = half
        self.first_states = first_states
        self.in_loop = in_loop

    @property
    def identity(self) -> tuple[object, ...]:
        """What is equal for two uses of one layer."""
        return tuple([(leaf, id(tensor)) for leaf, tensor in self.arrays.items()])
