"""What operators compute around a tensor: activations, clipping, and the sums that gates are made of.

All is found by what the operators take, backwards from a tensor. Each search is bounded in steps.
"""

from __future__ import annotations

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import ActivationName
from lstmdump.readers.tflite import schema
from lstmdump.readers.tflite.constants import StoredConstants, TensorPlace
from lstmdump.readers.tflite.schema import LiteOperator, Subgraph

PASSING = frozenset({schema.RESHAPE, schema.SQUEEZE, schema.EXPAND_DIMS, schema.QUANTIZE, schema.DEQUANTIZE})
"""Operators that pass their first input on, in another shape or type."""
_SIMPLE = {schema.LOGISTIC: "sigmoid", schema.TANH: "tanh", schema.RELU: "relu", schema.RELU6: "relu6",
           schema.ELU: "elu"}  # fmt: skip
_NO_ACTIVATION, _RELU6_FUSED = 0, 3
_FUSED_AT = {schema.ADD: 0, schema.MUL: 0, schema.SUB: 0, schema.DIV: 0, schema.FULLY_CONNECTED: 0,
             schema.CONCATENATION: 1}  # fmt: skip
"""The field of the options that states which activation an operator applies to its result."""
_MOST_STEPS = 100
_MOST_TERMS = 8
_GATES = 4
_EXACT = 1e-6
_SLOPE_OF_KERAS_2 = 0.2


class KernelProduct(NamedTuple):
    """A product in a sum: the tensors that are multiplied, of which the second one is a kernel, a row for each unit."""

    taken: int
    weights: int


class KernelSum(NamedTuple):
    """A sum of products and biases.

    Attributes:
        products: The products.
        biases: The tensors that are added as they are.
        added: The single number that is added to all units.
    """

    products: tuple[KernelProduct, ...]
    biases: tuple[int, ...]
    added: float = 0.0


class GateSource(NamedTuple):
    """What a gate applies its activation to: a sum, or a part of a sum that is cut in four.

    Attributes:
        total: The sum.
        part: Which of the four parts it is; None for a sum of its own.
        added: The number that is added to this gate alone.
        tensor: The tensor that is cut in four, or is the sum.
    """

    total: KernelSum
    part: int | None
    added: float
    tensor: int


class SubgraphExpressions:
    """The operators of one subgraph.

    What is found of a tensor is kept: each is asked for several times, as an operand of several steps and gates.
    """

    def __init__(self, graph: Subgraph, constants: StoredConstants) -> None:
        self.graph = graph
        self.constants = constants
        self._producers = graph.producers
        self._sums: dict[int, KernelSum | None] = {}
        self._origins: dict[int, int] = {}
        self._gates: dict[int, GateSource | None] = {}
        self._activated: dict[int, tuple[ActivationName, int] | None] = {}
        self._numbers: dict[int, float | None] = {}
        self._whole: dict[int, int | None] = {}

    def producer(self, index: int) -> LiteOperator | None:
        """Return the operator that computes a tensor."""
        return self._producers.get(index)

    def origin(self, index: int) -> int:
        """Return the tensor that `index` comes from, behind operators that pass it on."""
        known = self._origins.get(index)
        if known is None:
            known = self._origins[index] = self._find_origin(index)
        return known

    def _find_origin(self, index: int) -> int:
        for _ in range(_MOST_STEPS):
            operator = self._producers.get(index)
            if operator is None or operator.code not in PASSING or operator.input(0) == schema.MISSING:
                return index
            index = operator.input(0)
        return index

    def is_constant(self, index: int) -> bool:
        """Return whether a tensor has numbers in the file."""
        return index != schema.MISSING and self.constants.find(TensorPlace(self.graph, index)) is not None

    def scalar(self, index: int) -> float | None:
        """Return the number that a tensor is, or None."""
        if index not in self._numbers:
            place = TensorPlace(self.graph, index)
            self._numbers[index] = None if index == schema.MISSING else self.constants.scalar(place)
        return self._numbers[index]

    def plain(self, index: int, *codes: int) -> LiteOperator | None:
        """Return the operator of one of `codes` behind `index` that applies no activation to its result."""
        operator = self.producer(self.origin(index))
        is_plain = operator is not None and operator.code in codes and self._fused(operator) == _NO_ACTIVATION
        return operator if is_plain and schema.MISSING not in operator.inputs[:2] else None  # type: ignore[union-attr]

    def operands(self, operator: LiteOperator | None) -> tuple[int, int] | None:
        """Return the two operands of an operator that has two; None for others."""
        if operator is None or len(operator.inputs) != 2 or schema.MISSING in operator.inputs:
            return None
        return operator.inputs[0], operator.inputs[1]

    def activated(self, index: int) -> tuple[ActivationName, int] | None:
        """Return the activation whose result a tensor is, by Keras's name, and what it is applied to; None for none."""
        if index not in self._activated:
            self._activated[index] = self._match_activation(index)
        return self._activated[index]

    def _match_activation(self, index: int) -> tuple[ActivationName, int] | None:
        hard = self._match_hard_sigmoid(index)
        if hard is not None:
            return hard
        operator = self.producer(self.origin(index))
        if operator is None or operator.input(0) == schema.MISSING:
            return None
        if operator.code in _SIMPLE:
            return _SIMPLE[operator.code], operator.input(0)
        return self._match_softsign(operator)

    def clipped(self, index: int) -> tuple[int, float | None]:
        """Return what a tensor is before it is kept within ± a bound, and that bound; itself and None if it is not."""
        for outer, inner in ((schema.MAXIMUM, schema.MINIMUM), (schema.MINIMUM, schema.MAXIMUM)):
            first = self._with_number(index, outer)
            second = None if first is None else self._with_number(first[0], inner)
            if first is not None and second is not None:
                bounds = {outer: first[1], inner: second[1]}
                if bounds[schema.MINIMUM] == -bounds[schema.MAXIMUM] > 0:
                    return self.origin(second[0]), bounds[schema.MINIMUM]
        return self.origin(index), None

    def gate(self, index: int) -> GateSource | None:
        """Return what a gate is made of, whose activation is applied to `index`; None for anything else."""
        if index not in self._gates:
            self._gates[index] = self._find_gate(index)
        return self._gates[index]

    def _find_gate(self, index: int) -> GateSource | None:
        added = 0.0
        for _ in range(_MOST_TERMS):
            with_number = self._with_number(index, schema.ADD)
            if with_number is None:
                break
            index, number = with_number
            added += number
        index = self.origin(index)
        operator = self.producer(index)
        if operator is not None and operator.code in (schema.SPLIT, schema.SPLIT_V):
            return self._read_part(operator, index, added)
        total = self.sum(index)
        return None if total is None or not total.products else GateSource(total, None, added, index)

    def _read_part(self, operator: LiteOperator, index: int, added: float) -> GateSource | None:
        key = id(operator)
        if key not in self._whole:
            self._whole[key] = self._find_whole(operator)
        cut = self._whole[key]
        total = None if cut is None else self.sum(cut)
        if cut is None or total is None or not total.products:
            return None
        return GateSource(total, operator.outputs.index(index), added, cut)

    def _find_whole(self, operator: LiteOperator) -> int | None:
        """Return the tensor that an operator cuts in four along its last axis; None if it is cut otherwise."""
        cut = operator.input(1 if operator.code == schema.SPLIT else 0)
        parts = [self.graph.tensor(one).shape[-1:] for one in operator.outputs if one != schema.MISSING]
        if cut == schema.MISSING or len(operator.outputs) != _GATES or len(parts) != _GATES or len(set(parts)) != 1:
            return None
        is_last_axis = self.graph.tensor(cut).shape[-1:] == tuple([_GATES * width for width in parts[0]])
        return cut if is_last_axis else None

    def sum(self, index: int) -> KernelSum | None:
        """Return the products and biases that a tensor is the sum of; None if it is something else."""
        index = self.origin(index)
        if index not in self._sums:
            self._sums[index] = self._add_up(index)
        return self._sums[index]

    def _add_up(self, index: int) -> KernelSum | None:
        waiting, added = [index], 0.0
        products: list[KernelProduct] = []
        biases: list[int] = []
        for _ in range(2 * _MOST_TERMS):
            if not waiting:
                return KernelSum(tuple(products), tuple(biases), added)
            one = self.origin(waiting.pop())
            operator = self.producer(one)
            number = self.scalar(one)
            if number is not None and self.graph.tensor(one).shape in ((), (1,)):
                added += number
            elif self.is_constant(one):
                biases.append(one)
            elif operator is None or self._fused(operator) != _NO_ACTIVATION:
                return None
            elif operator.code == schema.ADD and (operands := self.operands(operator)) is not None:
                waiting.extend(reversed(operands))
            elif operator.code == schema.FULLY_CONNECTED and not operator.option(1):
                if schema.MISSING in operator.inputs[:2] or len(operator.inputs) < 2:
                    return None
                products.append(KernelProduct(self.origin(operator.inputs[0]), operator.inputs[1]))
                if operator.input(2) != schema.MISSING:
                    biases.append(operator.input(2))
            else:
                return None
        return None

    def _fused(self, operator: LiteOperator) -> int:
        field = _FUSED_AT.get(operator.code)
        return _NO_ACTIVATION if field is None else operator.option(field)

    def _with_number(self, index: int, code: int, *, fused: int = _NO_ACTIVATION) -> tuple[int, float] | None:
        """Return the operand and the number of an operator `code` of a tensor and a single number."""
        operator = self.producer(self.origin(index))
        operands = self.operands(operator)
        if operator is None or operator.code != code or operands is None or self._fused(operator) != fused:
            return None
        for one, other in (operands, operands[::-1]):
            number = self.scalar(other)
            if number is not None and not self.is_constant(one):
                return one, number
        return None

    def _match_hard_sigmoid(self, index: int) -> tuple[ActivationName, int] | None:
        """Return a·z + b, kept between 0 and 1, as Keras 2 has it, or that of Keras 3: relu6(z + 3) / 6."""
        scaled = self._with_number(index, schema.MUL)
        if scaled is not None:
            shifted = self._with_number(scaled[0], schema.ADD, fused=_RELU6_FUSED)
            if shifted is None and (inner := self._behind(scaled[0], schema.RELU6)) is not None:
                shifted = self._with_number(inner, schema.ADD)
            if shifted is None or not _equal(6 * scaled[1], 1.0):
                return None
            return _name_hard_sigmoid(scaled[1], scaled[1] * shifted[1]), shifted[0]
        inside = self._match_kept_in_unit(index)
        moved = None if inside is None else self._with_number(inside, schema.ADD)
        slope = None if moved is None else self._with_number(moved[0], schema.MUL)
        if moved is None or slope is None:
            return None
        return _name_hard_sigmoid(slope[1], moved[1]), slope[0]

    def _match_kept_in_unit(self, index: int) -> int | None:
        """Return what a tensor is before it is kept between 0 and 1."""
        inner = self._behind(index, schema.RELU_0_TO_1)
        if inner is not None:
            return inner
        positive = self._behind(index, schema.RELU)
        if positive is None:
            low = self._with_number(index, schema.MAXIMUM)
            positive = low[0] if low is not None and low[1] == 0 else None
        high = None if positive is None else self._with_number(positive, schema.MINIMUM)
        return high[0] if high is not None and high[1] == 1 else None

    def _match_softsign(self, operator: LiteOperator) -> tuple[ActivationName, int] | None:
        """Return z / (|z| + 1)."""
        operands = self.operands(operator)
        if operator.code != schema.DIV or operands is None or self._fused(operator) != _NO_ACTIVATION:
            return None
        below = self._with_number(operands[1], schema.ADD)
        size = None if below is None or below[1] != 1 else self._behind(below[0], schema.ABS)
        return ("softsign", operands[0]) if size is not None and self.origin(size) == self.origin(operands[0]) else None

    def _behind(self, index: int, code: int) -> int | None:
        """Return the input of the operator `code` whose result a tensor is."""
        operator = self.producer(self.origin(index))
        is_it = operator is not None and operator.code == code and operator.input(0) != schema.MISSING
        return operator.input(0) if is_it and operator is not None else None


def _name_hard_sigmoid(slope: float, offset: float) -> ActivationName:
    """Return the hard sigmoid of Keras 2 by its name, and others with their numbers."""
    if _equal(slope, _SLOPE_OF_KERAS_2) and _equal(offset, 0.5):
        return "hard_sigmoid"
    return {"class_name": "HardSigmoid", "config": {"alpha": slope, "beta": offset}}


def _equal(one: float, other: float) -> bool:
    return abs(one - other) <= _EXACT * abs(other)
