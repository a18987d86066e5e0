"""The sums that the gates of a cell of the user's own take: products with variables, biases, peepholes and numbers.

The sum of all gates may be cut into four, by `split` or by slices of columns, as a whole or term by term.
"""

from __future__ import annotations

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.gate_sums import PARTS, GatePart, find_part, read_terms
from lstmdump.readers.tensorflow.graph.cell_walk import CellWalk
from lstmdump.readers.tensorflow.graph.cells import ADDING, JOINING, SPLIT, VARIABLES, are_pieces, variables_behind
from lstmdump.readers.tensorflow.graph.graph_def import Node, Nodes, constant, integers, scalar

_SUMMING = (*ADDING, "BiasAdd")
_TRANSPOSING = ("transpose_a", "transpose_b")
_SLICING = {"Slice": 3, "StridedSlice": 4}
"""How many inputs each operation that takes a slice has."""

_OTHER_MASKS = ("shrink_axis_mask", "new_axis_mask")


class Product(NamedTuple):
    """A product of `taken`, the name of an output, with a variable; `joined` are the outputs that it concatenates."""

    taken: str
    variable: str
    joined: tuple[str, ...] = ()


class Peephole(NamedTuple):
    """A product, unit by unit, of a variable with `state`, the name of an output."""

    variable: str
    state: str


class GateSum(NamedTuple):
    """The sum of a gate: its terms, the number added, and which part of the columns of all gates it is, if any."""

    products: tuple[Product, ...]
    biases: tuple[str, ...]
    peepholes: tuple[Peephole, ...]
    added: float
    part: GatePart | None

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables in the sum, which all steps of a cell have in common."""
        return (*(product.variable for product in self.products), *self.biases)


class _Terms:
    """The terms of a sum that were found so far."""

    def __init__(self) -> None:
        self.products: list[Product] = []
        self.biases: list[str] = []
        self.peepholes: list[Peephole] = []
        self.added = 0.0
        self.parts: set[GatePart | None] = set()

    def make_sum(self) -> GateSum | None:
        """Return the sum, or None if its terms are cut at different columns."""
        if len(self.parts) != 1:
            return None
        products = tuple(sorted(self.products, key=_get_variable))
        return GateSum(products, tuple(self.biases), tuple(self.peepholes), self.added, *self.parts)


class SumWalk(CellWalk):
    """A walk around the nodes of a cell that reads the sums of its gates."""

    def __init__(self, nodes: Nodes) -> None:
        super().__init__(nodes)
        self._cut: dict[str, GateSum | None] = {}

    def read_sum(self, name: str) -> GateSum | None:
        """Return the sum at `name`, if it consists of the terms of a gate and nothing else.

        One sum that is cut into those of all gates is read once.
        """
        at = self.origin(name)
        node = self.nodes.node(at)
        cut = None if node is None else self._read_cut(node, at)
        if cut is None:
            return self._read_whole(name, None)
        source, part = cut
        if source not in self._cut:
            self._cut[source] = self._read_whole(source, part)
        whole = self._cut[source]
        return None if whole is None else whole._replace(part=part)

    def _read_whole(self, name: str, part: GatePart | None) -> GateSum | None:
        terms = _Terms()
        is_whole = read_terms(name, lambda term, cut: self._read_term(term, cut, terms), part)
        return terms.make_sum() if is_whole else None

    def _read_term(self, name: str, part: GatePart | None, terms: _Terms) -> list[tuple[str, GatePart | None]] | None:
        """Return the terms that the one at `name` consists of; none after adding it to `terms`, if it is a single one.

        The result is None if it is not a term of a gate.
        """
        at = self.origin(name)
        node = self.nodes.node(at)
        if node is None:
            return None
        if node.operation in _SUMMING and len(node.inputs) == 2:
            return [(one, part) for one in node.inputs]
        cut = self._read_cut(node, at)
        if cut is not None:
            return [cut] if part is None else None
        return [] if self._add_single(node, part, terms) else None

    def _add_single(self, node: Node, part: GatePart | None, terms: _Terms) -> bool:
        """Add a term that is not a sum itself to `terms`; return whether it is that of a gate."""
        if node.operation == "MatMul" and (found := self._read_products(node)):
            terms.products += found
            terms.parts.add(part)
        elif (value := _read_number(node)) is not None:
            terms.added += value
        elif node.operation in VARIABLES:
            terms.biases.append(node.name)
            terms.parts.add(part)
        elif part is None and (peephole := self.match_peephole(node)) is not None and len(peephole[0]) == 1:
            terms.peepholes.append(Peephole(peephole[0][0], peephole[1]))
        else:
            return False
        return True

    def _read_cut(self, node: Node, at: str) -> tuple[str, GatePart] | None:
        """Return what `node` cuts in four, and which part its output `at` is; None if it does not do that."""
        place = at.partition(":")[2]
        number = int(place) if place.isdecimal() else 0
        if node.operation == SPLIT and len(node.inputs) == 2:
            return (node.inputs[1], GatePart(number)) if node.number("num_split") == PARTS else None
        if node.operation == "SplitV" and len(node.inputs) == 3:
            widths = self._read_integers(node.inputs[1]) or ()
            is_even = len(widths) == PARTS and len(set(widths[:-1])) == 1 and widths[-1] in (-1, widths[0])
            return (node.inputs[0], GatePart(number, widths[0])) if is_even else None
        columns = self.read_columns(node)
        if columns is None:
            return None
        part = find_part(*columns)
        return None if part is None else (node.inputs[0], part)

    def read_columns(self, node: Node) -> tuple[int, int | None] | None:
        """Return the columns that `node`, a slice, takes of all rows: the first, and the one after the last.

        The second is None if the slice goes to the end, and the result is None if `node` is not such a slice.
        """
        if node.operation not in _SLICING or len(node.inputs) != _SLICING[node.operation]:
            return None
        begin, size = map(self._read_integers, node.inputs[1:3])
        if begin is None or size is None or not 1 <= len(begin) == len(size) <= 2:
            return None
        whole = self.at(node.inputs[0])
        if len(begin) == 1 and (whole is None or whole.operation not in VARIABLES):
            return None  # rows of a matrix
        if node.operation == "Slice":
            has_all_rows = len(begin) == 1 or begin[0] == 0
            start, stop = begin[-1], None if size[-1] == -1 else begin[-1] + size[-1]
        else:
            has_all_rows, start, stop = self._read_strided(node, begin, size)
        return (start, stop) if has_all_rows and start >= 0 and (stop is None or stop > start) else None

    def _read_strided(self, node: Node, begin: tuple[int, ...], end: tuple[int, ...]) -> tuple[bool, int, int | None]:
        """Return whether a slice `[:, begin:end]` takes all rows, and its columns as `read_columns` does."""
        strides = self._read_integers(node.inputs[3])
        begins, ends, dots = (node.number(f"{word}_mask") for word in ("begin", "end", "ellipsis"))
        last = 1 << len(begin) - 1
        is_plain = strides == (1,) * len(begin) and not any(map(node.number, _OTHER_MASKS)) and not dots & last
        has_all_rows = len(begin) == 1 or dots & 1 or begins & ends & 1
        return bool(is_plain and has_all_rows), 0 if begins & last else begin[-1], None if ends & last else end[-1]

    def _read_integers(self, name: str) -> tuple[int, ...] | None:
        node = self.at(name)
        return None if node is None else integers(node)

    def _read_products(self, node: Node) -> list[Product]:
        """Return the products that a multiplication of matrices stands for: two if both sides are concatenated."""
        turned = any(node.attributes[key].integer(5) for key in _TRANSPOSING if key in node.attributes)
        names = variables_behind(self.nodes, node.inputs[1]) if len(node.inputs) == 2 and not turned else ()
        taken = self.origin(node.inputs[0]) if names else ""
        parts = self._list_joined(taken)
        if len(names) == 1:
            return [Product(taken, names[0], parts)]
        if len(names) == len(parts) == 2 and not are_pieces(names):
            return [Product(part, name) for part, name in zip(parts, names, strict=True)]
        return []

    def _list_joined(self, name: str) -> tuple[str, ...]:
        """Return the outputs that are concatenated to give `name`; none if it is no concatenation."""
        node = self.at(name)
        if node is None or node.operation not in JOINING:
            return ()
        inputs = node.inputs[1:] if node.operation == "Concat" else node.inputs[:-1]
        return tuple(map(self.origin, inputs))


def _get_variable(product: Product) -> str:
    return product.variable


def _read_number(node: Node) -> float | None:
    """Return the number of a constant without dimensions; a bias of one unit has one."""
    value = scalar(node)
    tensor = None if value is None else constant(node)
    return value if tensor is not None and not tensor.shape else None
