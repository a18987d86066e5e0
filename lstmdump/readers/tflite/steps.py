"""A step of an LSTM in operators: the product that is h, and back from it the gates, the state, and their activations.

::

    c' = i∘activation(z_c) + f∘c          without f∘c in a first step, where c is 0
    h' = o∘activation(c')

A gate is known by what is done with it, not by its place: i is multiplied by the activated candidate, f by the state
before, o by the activated new state. Where i and the candidate have the same activation, nothing tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lstmdump.model.settings import ActivationName
from lstmdump.readers.tflite import schema
from lstmdump.readers.tflite.expressions import GateSource, KernelSum, SubgraphExpressions
from lstmdump.readers.tflite.schema import LiteOperator

_LETTERS = "ifco"


class CellStep:
    """One step of an LSTM.

    Attributes:
        gates: By letter, what each gate is made of; without f in a first step.
        activation: The activation of the candidate and of the state.
        recurrent_activation: That of i, f and o.
        before: The state before the step; None in a first step.
        state: The state after it.
        output: The tensor that is h'.
        clip: The bound of the state.
    """

    __slots__ = ("activation", "before", "clip", "gates", "output", "recurrent_activation", "state")

    def __init__(
        self,
        gates: Mapping[str, GateSource],
        activations: tuple[ActivationName, ActivationName],
        before: int | None,
        state: int,
        output: int,
        clip: float | None,
    ) -> None:
        self.gates = gates
        self.activation, self.recurrent_activation = activations
        self.before = before
        self.state = state
        self.output = output
        self.clip = clip

    @property
    def sums(self) -> tuple[KernelSum, ...]:
        """The sums that the gates are made of: one for all, or one for each."""
        return tuple(dict.fromkeys(gate.total for gate in self.gates.values()))

    @property
    def order(self) -> str | None:
        """The letters of the gates in the order of the parts of their sum; empty for four sums, None for neither.

        The gate of a first step that is not computed is the part that is left.
        """
        parts = {gate.part: letter for letter, gate in self.gates.items()}
        if set(parts) == {None} or (None in parts and len(self.gates) == len(_LETTERS)):
            return "" if len(self.sums) == len(_LETTERS) == len(self.gates) else None
        if None in parts or len(parts) != len(self.gates) or len(self.sums) != 1:
            return None
        missing = [letter for letter in _LETTERS if letter not in self.gates]
        return "".join(parts.get(part, missing[0] if missing else "") for part in range(len(_LETTERS)))


def find(found: SubgraphExpressions) -> Iterator[CellStep]:
    """Yield the steps of LSTMs in a subgraph, in the order in which they are computed."""
    for operator in found.graph.operators:
        if operator.code == schema.MUL and operator.outputs:
            steps = list(_match_output(found, operator))
            if len(steps) == 1:  # two where i and the candidate are alike
                yield steps[0]


def _match_output(found: SubgraphExpressions, product: LiteOperator) -> Iterator[CellStep]:
    """Yield the ways to take `product` for h' = o∘activation(c')."""
    operands = found.operands(found.plain(product.outputs[0], schema.MUL))
    for one, other in (operands, operands[::-1]) if operands is not None else ():
        output = _read_gate(found, one)
        if output is None:
            continue
        squashed = found.activated(other)
        for activation, index in [*([squashed] if squashed is not None else []), ("linear", other)]:
            state, clip = found.clipped(index)
            for step in _match_state(found, state, activation, output):
                yield CellStep(
                    step.gates, (activation, output[0]), step.before, found.origin(index), product.outputs[0], clip
                )


def _match_state(
    found: SubgraphExpressions, state: int, activation: ActivationName, output: tuple[ActivationName, GateSource]
) -> Iterator[CellStep]:
    """Yield the ways to take the tensor `state` for c', with the gate o and the activation known."""
    total = found.operands(found.plain(state, schema.ADD))
    sums = [(None, state)] if total is None else [(total[0], total[1]), (total[1], total[0])]
    for kept, added in sums:
        forget = None if kept is None else _match_kept(found, kept)
        if kept is not None and (forget is None or forget[0][0] != output[0]):
            continue
        for gate, candidate in _match_added(found, added):
            if gate[0] == output[0] and candidate[0] == activation:
                gates = {"i": gate[1], **({} if forget is None else {"f": forget[0][1]}), "c": candidate[1],
                         "o": output[1]}  # fmt: skip
                before = None if forget is None else forget[1]
                yield CellStep(gates, (activation, output[0]), before, state, state, None)


def _match_kept(found: SubgraphExpressions, index: int) -> tuple[tuple[ActivationName, GateSource], int] | None:
    """Return the gate f and the state before, if the tensor is f∘c."""
    operands = found.operands(found.plain(index, schema.MUL))
    for one, other in (operands, operands[::-1]) if operands is not None else ():
        gate = _read_gate(found, one)
        if gate is not None and _read_gate(found, other) is None:
            return gate, found.origin(other)
    return None


def _match_added(
    found: SubgraphExpressions, index: int
) -> Iterator[tuple[tuple[ActivationName, GateSource], tuple[ActivationName, GateSource]]]:
    """Yield the ways to take a tensor for i∘activation(candidate)."""
    operands = found.operands(found.plain(index, schema.MUL))
    for one, other in (operands, operands[::-1]) if operands is not None else ():
        gate, candidate = _read_gate(found, one), _read_gate(found, other)
        if gate is not None and candidate is not None:
            yield gate, candidate
        linear = found.gate(other)
        if gate is not None and candidate is None and linear is not None:
            yield gate, ("linear", linear)


def _read_gate(found: SubgraphExpressions, index: int) -> tuple[ActivationName, GateSource] | None:
    """Return the activation of a gate and what it is applied to; None if the tensor is not an activated sum."""
    activated = found.activated(index)
    gate = None if activated is None else found.gate(activated[1])
    return None if activated is None or gate is None else (activated[0], gate)
