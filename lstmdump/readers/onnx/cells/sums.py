"""The sums that the gates of a cell take, and the activations between these and the products of the cell.

The sum of all gates may be cut into four, by `Split` or by slices of columns, as a whole or term by term.
"""

from __future__ import annotations

import math
import operator

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import ActivationName
from lstmdump.readers.gate_sums import PARTS, GatePart, find_part, read_terms
from lstmdump.readers.onnx.activations import DEFAULTS, name_in_keras
from lstmdump.readers.onnx.constants import Constants, Value
from lstmdump.readers.onnx.graph import OnnxNode
from lstmdump.readers.onnx.values import At, OnnxValues

_MAX_COUNTED = 100_000  # sums that are read in a graph; a genuine one has fewer around its activations
_MAX_RAMP = 6  # operators of a hard sigmoid that is put together
_ACTIVATIONS = frozenset({"Elu", "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Softplus", "Softsign", "Tanh",
                          "ThresholdedRelu"})  # fmt: skip
_ADDING = ("Add", "Sum")
_ARITHMETIC = {"Add": operator.add, "Div": operator.floordiv, "Mul": operator.mul, "Sub": operator.sub}
_SAME_NUMBERS = frozenset({"Cast", "Reshape", "Squeeze", "Unsqueeze"})
_MAX_PLACE = 8  # operators that compute the beginning or the end of a slice
_ROUNDING = 1e-6
_TO_THE_END = 1 << 30  # columns; more than that, as the end of a slice, are all that there are
_MATRIX = 2


class WeightProduct(NamedTuple):
    """A product of the value `taken` with a constant matrix, (rows, columns), or the other way round if `is_turned`."""

    taken: At
    matrix: Value
    is_turned: bool


class SumOfGate(NamedTuple):
    """The sum of a gate: its terms, the number added, and which part of the columns of all gates it is, if any."""

    products: tuple[WeightProduct, ...]
    biases: tuple[Value, ...]
    added: float
    part: GatePart | None

    @property
    def key(self) -> tuple[str, ...]:
        """The names of its arrays, which all steps of a cell have in common, in alphabetical order."""
        names = [product.matrix.tensor.name for product in self.products]
        return tuple(sorted([*names, *(bias.tensor.name for bias in self.biases)]))


class _SumTerms:
    """The terms of a sum that were found so far."""

    def __init__(self) -> None:
        self.products: list[WeightProduct] = []
        self.biases: list[Value] = []
        self.added = 0.0
        self.parts: set[GatePart | None] = set()

    def make_sum(self) -> SumOfGate | None:
        """Return the sum, or None if it has no product, or its terms are cut at different columns."""
        if len(self.parts) != 1 or not self.products:
            return None
        products = sorted(self.products, key=lambda product: product.matrix.tensor.name)
        biases = sorted(self.biases, key=lambda bias: bias.tensor.name)
        return SumOfGate(tuple(products), tuple(biases), self.added, *self.parts)


class OnnxSums(OnnxValues):
    """A walk around the nodes of a cell."""

    def __init__(self, constants: Constants) -> None:
        super().__init__(constants)
        self._counted = 0
        self._whole: dict[At, SumOfGate | None] = {}
        self._widths: dict[int, tuple[int, ...] | None] = {}  # by the identity of the node that splits
        self._is_measuring = False

    def read_gate(self, at: At) -> tuple[ActivationName, SumOfGate] | None:
        """Return the activation whose value `at` is, and the sum that it takes, if that is one of a gate."""
        found = self.read_activation(at)
        total = None if found is None else self.read_sum(found[1])
        return None if found is None or total is None else (found[0], total)

    def read_activation(self, at: At) -> tuple[ActivationName, At] | None:
        """Return the activation whose value `at` is, by Keras's name, and the value that it takes."""
        node = self.origin(at).maker
        if node is None:
            return None
        if node.operation in _ACTIVATIONS:
            alpha, beta = DEFAULTS.get(node.operation.lower(), (0.0, 0.0))
            attributes = node.attributes
            alpha = attributes["alpha"].number() if "alpha" in attributes else alpha
            beta = attributes["beta"].number() if "beta" in attributes else beta
            name = name_in_keras(node.operation.lower(), alpha, beta)
            return None if name is None else (name, self.source(node, 0))
        return self._read_softsign(node) or self._read_ramp(node)

    def _read_softsign(self, node: OnnxNode) -> tuple[ActivationName, At] | None:
        """Return the softsign that `node` computes as z/(1 + |z|)."""
        if node.operation != "Div":
            return None
        z, below = self.source(node, 0), self.source(node, 1).maker
        if below is None or below.operation != "Add" or len(below.inputs) != 2:
            return None
        for turn in (0, 1):
            size = self.source(below, turn).maker
            is_size = size is not None and size.operation == "Abs" and self.source(size, 0) == z
            if is_size and self.number(self.source(below, 1 - turn)) == 1:
                return "softsign", z
        return None

    def _read_ramp(self, node: OnnxNode) -> tuple[ActivationName, At] | None:
        """Return the hard sigmoid that is put together: z times a number plus a number, kept between 0 and 1."""
        steps = []
        taken: At | None = None
        for _ in range(_MAX_RAMP):
            found = self._read_linear(node)
            if found is None:
                break
            taken, step = found
            steps.append(step)
            maker = taken.maker
            if maker is None:
                break
            node = maker
        slope, middle, low, high = 1.0, 0.0, -math.inf, math.inf
        for factor, offset, least, most in reversed(steps):
            if factor <= 0:
                return None
            slope, middle = slope * factor, middle * factor + offset
            low, high = (min(max(one * factor + offset, least), most) for one in (low, high))
        is_between = abs(low) < _ROUNDING and abs(high - 1) < _ROUNDING
        name = name_in_keras("hardsigmoid", slope, middle)
        return None if taken is None or name is None or not is_between else (name, taken)

    def _read_linear(self, node: OnnxNode) -> tuple[At, tuple[float, float, float, float]] | None:
        """Return what `node` multiplies by a number, adds a number to and clips: the value and the four numbers."""
        operation, infinite = node.operation, (-math.inf, math.inf)
        if operation == "Relu":
            return self.source(node, 0), (1.0, 0.0, 0.0, math.inf)
        if operation == "Clip":
            low, high = (self._read_bound(node, place, word) for place, word in ((1, "min"), (2, "max")))
            return None if low is None or high is None else (self.source(node, 0), (1.0, 0.0, low, high))
        if len(node.inputs) != 2:
            return None
        numbers = [self.number(At(node.home, name)) for name in node.inputs]
        if (numbers[0] is None) == (numbers[1] is None):
            return None
        place = 0 if numbers[0] is None else 1
        number = numbers[1 - place] or 0.0
        steps = {"Add": (1.0, number, *infinite), "Mul": (number, 0.0, *infinite),
                 "Min": (1.0, 0.0, -math.inf, number), "Max": (1.0, 0.0, number, math.inf)}  # fmt: skip
        if place == 0:
            steps |= {"Sub": (1.0, -number, *infinite), "Div": (1 / number if number else 0.0, 0.0, *infinite)}
        return (self.source(node, place), steps[operation]) if operation in steps else None

    def _read_bound(self, node: OnnxNode, place: int, word: str) -> float | None:
        """Return a bound of a `Clip`, an attribute up to version 10 of the operators; infinity if it has none."""
        if word in node.attributes:
            return node.attributes[word].number()
        if not node.input(place):
            return -math.inf if word == "min" else math.inf
        return self.number(At(node.home, node.input(place)))

    def read_clipped(self, at: At) -> tuple[At, float | None] | None:
        """Return the value that is clipped to [-x, x] to give `at`, and x; `at` itself and None if it is not clipped.

        The result is None if it is clipped to anything else.
        """
        node = at.maker
        if node is None or node.operation != "Clip":
            return at, None
        low, high = (self._read_bound(node, place, word) for place, word in ((1, "min"), (2, "max")))
        return (self.source(node, 0), high) if low is not None and high is not None and low == -high < 0 else None

    def read_sum(self, at: At) -> SumOfGate | None:
        """Return the sum at `at`, if it consists of the terms of a gate and nothing else."""
        at = self.origin(at)
        node = at.maker
        cut = None if node is None else self._read_cut(node, at)
        if cut is None:
            return self._read_whole(at)
        whole = self._read_whole(cut[0])  # once for all gates
        return None if whole is None or whole.part is not None else whole._replace(part=cut[1])

    def _read_whole(self, at: At) -> SumOfGate | None:
        if self._is_measuring:
            return self._read_all_terms(at)
        if at not in self._whole:
            self._whole[at] = self._read_all_terms(at)
        return self._whole[at]

    def _read_all_terms(self, at: At) -> SumOfGate | None:
        self._counted += 1
        if self._counted > _MAX_COUNTED:
            return None
        terms = _SumTerms()
        is_whole = read_terms(at, lambda term, part: self._read_term(term, part, terms))
        return terms.make_sum() if is_whole else None

    def _read_term(self, at: At, part: GatePart | None, terms: _SumTerms) -> list[tuple[At, GatePart | None]] | None:
        """Return the terms that the one at `at` consists of; none after adding it to `terms`, if it is a single one.

        The result is None if it is not a term of a gate.
        """
        at = self.origin(at)
        node = at.maker
        if node is not None and node.operation in _ADDING:
            return [(At(at.graph, name), part) for name in node.inputs]
        cut = None if node is None else self._read_cut(node, at)
        if cut is not None:
            return [cut] if part is None else None
        if node is not None and node.operation in ("MatMul", "Gemm"):
            return self._read_product(node, part, terms)
        return [] if self._add_constant(at, part, terms) else None

    def _read_product(
        self, node: OnnxNode, part: GatePart | None, terms: _SumTerms
    ) -> list[tuple[At, GatePart | None]] | None:
        """Add the product that `node` is to `terms`; return the value that it adds besides, if there is one."""
        is_gemm = node.operation == "Gemm"
        matrix = self.constant(At(node.home, node.input(1)))
        if matrix is None or len(matrix.tensor.shape) != _MATRIX or node.integer("transA"):
            return None
        has_other_factors = any(
            word in node.attributes and node.attributes[word].number() != 1 for word in ("alpha", "beta")
        )
        if is_gemm and has_other_factors:
            return None
        terms.products.append(WeightProduct(self.source(node, 0), matrix, bool(is_gemm and node.integer("transB"))))
        terms.parts.add(part)
        return [(At(node.home, node.input(2)), part)] if is_gemm and node.input(2) else []

    def _add_constant(self, at: At, part: GatePart | None, terms: _SumTerms) -> bool:
        """Add a constant to `terms`: a bias, which has an axis, or a number; return whether it is one of these."""
        value = self.constant(at)
        if value is None:
            return False
        if not value.tensor.shape:
            terms.added += self.number(at) or 0.0
            return True
        if len(value.tensor.shape) != 1:
            return False
        terms.biases.append(value)
        terms.parts.add(part)
        return True

    def _read_cut(self, node: OnnxNode, at: At) -> tuple[At, GatePart] | None:
        """Return what `node` cuts in four, and which part its output `at` is; None if it does not do that."""
        if node.operation == "Split" and len(node.outputs) == PARTS and node.integer("axis") in (1, -1):
            if id(node) not in self._widths:
                self._widths[id(node)] = self._read_widths(node)
            widths = self._widths[id(node)]
            if widths is not None and (len(widths) != PARTS or len(set(widths)) != 1):
                return None
            width = None if widths is None else widths[0]
            return self.source(node, 0), GatePart(node.outputs.index(at.name), width)
        return self._read_slice(node) if node.operation == "Slice" else None

    @staticmethod
    def _read_widths(node: OnnxNode) -> tuple[int, ...] | None:
        """Return how many columns the parts that a `Split` makes have, where the graph states it."""
        if "split" in node.attributes:
            return node.attributes["split"].integers()
        return node.home.integers(node.input(1)) if node.input(1) else None

    def _read_place(self, at: At, depth: int = 0) -> tuple[int, ...] | None:
        """Return the beginning or the end of a slice, a constant or computed from the columns of what is cut.

        torch writes `chunk` so: (columns + 3)//4, times the place of the part.
        """
        at = self.origin(at)
        if (known := at.graph.integers(at.name)) is not None or depth > _MAX_PLACE:
            return known
        node = at.maker
        if node is None:
            return None
        if node.operation == "Gather":
            return self._read_columns(node)
        if node.operation in _SAME_NUMBERS and node.inputs:
            return self._read_place(At(node.home, node.input(0)), depth + 1)
        if node.operation not in _ARITHMETIC or len(node.inputs) != 2:
            return None
        sides = [self._read_place(At(node.home, name), depth + 1) for name in node.inputs]
        one, other = (side[0] if side is not None and len(side) == 1 else None for side in sides)
        if one is None or other is None or min(one, other) < 0 or (node.operation == "Div" and not other):
            return None
        return (_ARITHMETIC[node.operation](one, other),)

    def _read_columns(self, node: OnnxNode) -> tuple[int, ...] | None:
        """Return the number of columns of a sum whose shape `node` takes apart, if its products show that."""
        shape, index = self.source(node, 0).maker, node.home.integers(node.input(1))
        if shape is None or shape.operation != "Shape" or self._is_measuring:
            return None
        self._is_measuring = True  # not again for the terms of the sum, which may go in a circle
        total = self.read_sum(self.source(shape, 0))
        self._is_measuring = False
        if total is None or not (index == (-1,) or (index == (1,) and total.products[0].is_turned)):
            return None  # of `Gemm`, which multiplies matrices, the second axis is the last
        rows, columns = total.products[0].matrix.tensor.shape
        return (rows if total.products[0].is_turned else columns,)

    def _read_slice(self, node: OnnxNode) -> tuple[At, GatePart] | None:
        home = node.home
        if "starts" in node.attributes:
            starts, ends, axes = (
                node.attributes[word].integers() if word in node.attributes else None
                for word in ("starts", "ends", "axes")
            )
            steps: tuple[int, ...] | None = (1,)
        else:
            starts, ends = (self._read_place(At(home, node.input(place))) for place in (1, 2))
            axes = home.integers(node.input(3))
            steps = home.integers(node.input(4)) if node.input(4) else (1,)
        if starts is None or ends is None or {len(starts), len(ends)} != {1}:
            return None
        if axes not in ((1,), (-1,)) or steps != (1,):
            return None
        start, stop = starts[0], None if ends[0] >= _TO_THE_END else ends[0]
        if start < 0:  # counted from the end: the last of four parts
            start, stop = -start * (PARTS - 1), None
        part = find_part(start, stop)
        return None if part is None else (self.source(node, 0), part)
