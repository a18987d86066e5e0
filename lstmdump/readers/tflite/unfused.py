"""LSTMs that are operators of their own for products, sums and activations: in the body of a loop, or step by step.

Steps that share their kernels are one layer. Which kernel is that of h, and that the state is kept, is shown by the
loop, which hands a value that the body returns to its next turn; by the step before; or, in a model of a single step,
by the widths alone: the recurrent kernel has as many columns as there are units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lstmdump.model.settings import LayerSettings
from lstmdump.model.tensor import Tensor
from lstmdump.readers.tflite import loops, schema, steps
from lstmdump.readers.tflite.cell import LiteCell
from lstmdump.readers.tflite.constants import StoredConstants, TensorPlace
from lstmdump.readers.tflite.expressions import GateSource, KernelProduct, SubgraphExpressions
from lstmdump.readers.tflite.schema import Subgraph
from lstmdump.readers.tflite.steps import CellStep

_LETTERS = "ifco"
_OF_GATE = {"i": "input", "f": "forget", "c": "cell", "o": "output"}
_SELECTING = frozenset({schema.SELECT, schema.SELECT_V2})
_FLOATS = ("float32", "float16", "bfloat16", "float64")


class _KernelUse:
    """How a gate, or all of them, take x and h.

    Attributes:
        kernels: The kernels, that of x first; or one over both.
        taken: The tensors that are x and h.
        is_known: Whether the graph shows which one is h.
    """

    __slots__ = ("is_known", "kernels", "taken")

    def __init__(self, kernels: tuple[int, ...], taken: tuple[int, int], *, is_known: bool) -> None:
        self.kernels = kernels
        self.taken = taken
        self.is_known = is_known


def cells(graph: Subgraph, constants: StoredConstants) -> list[LiteCell]:
    """Return the LSTMs in a subgraph that no operator of their own computes, in the order of their first steps."""
    if not any(operator.code == schema.MUL for operator in graph.operators):
        return []
    found = SubgraphExpressions(graph, constants)
    described = (_describe(found, group) for group in _group(found, list(steps.find(found))))
    return [cell for cell in described if cell is not None]


def unproven(graph: Subgraph, cells_of_graph: Sequence[LiteCell], constants: StoredConstants) -> Iterator[str]:
    """Yield the tensors in a subgraph that are cut in four, as the sum of an LSTM is, and belong to none of its cells.

    A name stands for all tensors that are sums of products with the same kernels.
    """
    found = SubgraphExpressions(graph, constants)
    known = {id(tensor) for cell in cells_of_graph for tensor in cell.arrays.values()}
    for operator in graph.operators:
        place = {schema.SPLIT: 1, schema.SPLIT_V: 0}.get(operator.code)
        if place is None or len(operator.outputs) != len(_LETTERS) or operator.input(place) == schema.MISSING:
            continue
        total = found.sum(operator.inputs[place])
        kernels = [] if total is None else [TensorPlace(graph, product.weights) for product in total.products]
        tensors = [tensor for kernel in kernels if (tensor := constants.tensor(kernel)) is not None]
        if tensors and not any(id(tensor) in known for tensor in tensors):
            known.update(map(id, tensors))
            yield graph.tensor(operator.inputs[place]).name or f"tensor {operator.inputs[place]}"


def _group(found: SubgraphExpressions, known: Sequence[CellStep]) -> list[list[CellStep]]:
    """Return the steps of each layer: those with the same kernels, of which the first step may use fewer."""
    groups: dict[frozenset[TensorPlace], list[CellStep]] = {}
    keys = [_list_kernels(found, step) for step in known]
    different = list(dict.fromkeys(keys))
    largest = [key for key in different if not any(key < other for other in different)]
    for step, key in zip(known, keys, strict=True):
        whole = next(other for other in largest if key <= other)
        groups.setdefault(whole, []).append(step)
    return list(groups.values())


def _list_kernels(found: SubgraphExpressions, step: CellStep) -> frozenset[TensorPlace]:
    """Return the constants that the kernels of a step come from."""
    weights = [product.weights for total in step.sums for product in total.products]
    places = [TensorPlace(found.graph, index) for index in weights]
    return frozenset(found.constants.find(place) or place for place in places)


def _describe(found: SubgraphExpressions, group: Sequence[CellStep]) -> LiteCell | None:
    """Return the cell with these steps, or None if the graph does not show that it is one."""
    step = _choose_step(found, group)
    order = step.order
    if order is None or not _has_usual_biases(step) or not _are_alike(group):
        return None
    uses = [_assign(found, gate, group) for gate in ([step.gates["o"]] if order else step.gates.values())]
    known = [use for use in uses if use is not None and use.is_known]
    if len(known) != len(uses) or len({use.taken for use in known}) != 1:
        return None
    if step.before is not None and not _keeps_state(found, step, group):
        return None
    arrays = _read_arrays(found, step, known, order)
    if arrays is None:
        return None
    return LiteCell(
        None,
        arrays,
        _read_settings(found, step, group, known[0]),
        order=order,
        forget_bias=step.gates["f"].added if "f" in step.gates else None,
        sequence=_find_sequence(found, known[0].taken[0]),
        outputs=tuple(_find_outputs(found, group)),
        names=_list_names(found, step, arrays),
        first_states=tuple(_find_first_states(found, group[0], _find_h(found, group[0], known[0]))),
        in_loop=(known[0].taken[0], step.output) if found.graph.number in found.constants.loops else None,
    )


def _choose_step(found: SubgraphExpressions, group: Sequence[CellStep]) -> CellStep:
    """Return the step that shows most: one with all gates, and whose state is that of the step before."""
    whole = [step for step in group if len(step.gates) == len(_LETTERS)]
    return next((step for step in whole if _keeps_state(found, step, group)), (whole or group)[0])


def _are_alike(group: Sequence[CellStep]) -> bool:
    """Return whether all steps compute the same; a first step may leave out the forget gate."""
    whole = [step for step in group if len(step.gates) == len(_LETTERS)]
    kinds = {(str(step.activation), str(step.recurrent_activation), step.clip) for step in group}
    return len(kinds) == 1 and len({(step.order, step.gates["f"].added) for step in whole}) <= 1


def _find_h(found: SubgraphExpressions, step: CellStep, use: _KernelUse) -> int:
    """Return what is multiplied by the recurrent kernel in a step; `MISSING` if that is left out, h being 0."""
    recurrent = found.constants.find(TensorPlace(found.graph, use.kernels[-1]))
    for product in step.gates["o"].total.products:
        if found.constants.find(TensorPlace(found.graph, product.weights)) == recurrent:
            joined = found.producer(product.taken) if len(use.kernels) == 1 else None
            return product.taken if joined is None else found.origin(joined.input(1))
    return schema.MISSING


def _has_usual_biases(step: CellStep) -> bool:
    """Return whether each gate has one bias at most, and no number is added but to f."""
    if len({len(total.biases) for total in step.sums}) > 1:
        return False
    if any(len(total.biases) > 1 or total.added for total in step.sums):
        return False
    return all(not gate.added for letter, gate in step.gates.items() if letter != "f")


def _assign(found: SubgraphExpressions, gate: GateSource, group: Sequence[CellStep]) -> _KernelUse | None:
    """Return which kernel of a gate is that of x, and which is that of h."""
    products = gate.total.products
    if len(products) == 1:
        return _assign_joined(found, products[0], group)
    if len(products) != 2:
        return None
    fed_back = [product for product in products if _is_fed_back(found, product.taken, group)]
    if len(fed_back) == 1:
        other = products[1] if fed_back[0] is products[0] else products[0]
        return _KernelUse((other.weights, fed_back[0].weights), (other.taken, fed_back[0].taken), is_known=True)
    if fed_back or not _is_single(found, group):
        return None
    units = _count_units(found, gate)
    square = [product for product in products if _columns(found, product.weights) == units]
    if len(square) != 1:
        return None
    other = products[1] if square[0] is products[0] else products[0]
    return _KernelUse((other.weights, square[0].weights), (other.taken, square[0].taken), is_known=True)


def _assign_joined(found: SubgraphExpressions, product: KernelProduct, group: Sequence[CellStep]) -> _KernelUse | None:
    """Return the use of one kernel over x and h side by side, in this order."""
    joined = found.producer(product.taken)
    inputs = () if joined is None or joined.code != schema.CONCATENATION else joined.inputs
    if len(inputs) != 2 or schema.MISSING in inputs or joined is None or joined.option(1):
        return None
    x, h = (found.origin(index) for index in inputs)
    is_known = _is_fed_back(found, h, group) or (_is_single(found, group) and _is_initial(found, h))
    return _KernelUse((product.weights,), (x, h), is_known=is_known and not _is_fed_back(found, x, group))


def _is_initial(found: SubgraphExpressions, index: int) -> bool:
    """Return whether a tensor can be the state before the first step: zeros, or an input of the model."""
    place = TensorPlace(found.graph, index)
    return found.constants.is_zero(place) or index in found.graph.inputs


def _is_single(found: SubgraphExpressions, group: Sequence[CellStep]) -> bool:
    """Return whether a layer has one step only, and is not in a loop."""
    return len(group) == 1 and found.graph.number not in found.constants.loops


def _is_fed_back(found: SubgraphExpressions, index: int, group: Sequence[CellStep]) -> bool:
    """Return whether a tensor is the output of the step before."""
    return _is_previous(found, index, {found.origin(step.output) for step in group})


def _keeps_state(found: SubgraphExpressions, step: CellStep, group: Sequence[CellStep]) -> bool:
    """Return whether the state that a step multiplies by f is the one that the step before computed."""
    states = {found.origin(step.state) for step in group}
    before = found.origin(step.before) if step.before is not None else schema.MISSING
    return _is_previous(found, before, states) or (_is_single(found, group) and _is_initial(found, before))


def _is_previous(found: SubgraphExpressions, index: int, values: set[int]) -> bool:
    """Return whether a tensor is one of `values` of the step before, or of the turn before of a loop."""
    index = found.origin(index)
    if index in values:
        return True
    graph = found.graph
    if graph.number not in found.constants.loops or index not in graph.inputs:
        return False
    returned = graph.outputs[graph.inputs.index(index) :][:1]
    return any(_behind_mask(found, one) in values for one in returned)


def _behind_mask(found: SubgraphExpressions, index: int) -> int:
    """Return the tensor that is taken at steps that no mask skips; `index` comes from it."""
    index = found.origin(index)
    operator = found.producer(index)
    is_masked = operator is not None and operator.code in _SELECTING and operator.input(1) != schema.MISSING
    return found.origin(operator.input(1)) if is_masked and operator is not None else index


def _read_arrays(
    found: SubgraphExpressions, step: CellStep, uses: Sequence[_KernelUse], order: str
) -> dict[str, Tensor] | None:
    """Return the arrays of a cell by their names in its layout; None if one of them holds no numbers."""
    places: dict[str, int] = {}
    if order:
        bias = step.gates["o"].total.biases
        leaves = ("weights",) if len(uses[0].kernels) == 1 else ("input_weights", "recurrent_weights")
        places = dict(zip(leaves, uses[0].kernels, strict=True)) | ({"bias": bias[0]} if bias else {})
    elif any(len(use.kernels) != 2 for use in uses):
        return None
    for (letter, gate), use in zip(step.gates.items(), uses, strict=False) if not order else ():
        name = _OF_GATE[letter]
        places |= {f"input_to_{name}": use.kernels[0], f"recurrent_to_{name}": use.kernels[1]}
        places |= {f"{name}_gate_bias": gate.total.biases[0]} if gate.total.biases else {}
    arrays = {leaf: found.constants.tensor(TensorPlace(found.graph, index)) for leaf, index in places.items()}
    return {leaf: tensor for leaf, tensor in arrays.items() if tensor is not None} if all(
        tensor is not None for tensor in arrays.values()
    ) else None  # fmt: skip


def _count_units(found: SubgraphExpressions, gate: GateSource) -> int:
    width = found.graph.tensor(gate.tensor).shape[-1:]
    return 0 if not width else width[0] // (1 if gate.part is None else len(_LETTERS))


def _columns(found: SubgraphExpressions, index: int) -> int | None:
    shape = found.graph.tensor(index).shape
    return shape[1] if len(shape) == 2 else None


def _read_settings(
    found: SubgraphExpressions, step: CellStep, group: Sequence[CellStep], use: _KernelUse
) -> LayerSettings:
    x = use.taken[0]
    is_given = _find_sequence(found, x) is not None or x in found.graph.inputs
    return LayerSettings(
        is_described=True,
        activation=step.activation,
        recurrent_activation=step.recurrent_activation,
        go_backwards=_goes_backwards(found, group, x),
        cell_clip=step.clip,
        input_from=None if is_given else found.graph.tensor(x).name or f"tensor {x}",
        is_masked=any(taker.code in _SELECTING for taker in found.graph.takers.get(step.output, [])) or None,
        computes_in_integers=any(found.graph.tensor(index).dtype not in _FLOATS for index in (x, use.kernels[0])),
    )


def _goes_backwards(found: SubgraphExpressions, group: Sequence[CellStep], x: int) -> bool | None:
    """Return whether the steps take the parts of one tensor, cut at each step, from the last to the first.

    None if they are not parts of one tensor. A loop is another matter: its tensor may be reversed outside.
    """
    if found.graph.number in found.constants.loops:
        return None if _find_sequence(found, x) is None else False
    if len(group) < 2:
        return False
    places = []
    for step in group:
        inputs = [product.taken for total in step.sums for product in total.products]
        cut = [(operator, index) for index in map(found.origin, _spread(found, inputs))
               if (operator := found.producer(index)) is not None and operator.code == schema.UNPACK]  # fmt: skip
        if len(cut) != 1:
            return None
        places.append((cut[0][0], cut[0][0].outputs.index(cut[0][1])))
    numbers = [number for _, number in places]
    if len({id(operator) for operator, _ in places}) != 1 or numbers not in (sorted(numbers), sorted(numbers)[::-1]):
        return None
    return numbers[0] > numbers[-1]


def _spread(found: SubgraphExpressions, inputs: Sequence[int]) -> Iterator[int]:
    """Yield tensors, and the parts of those that are put together of several."""
    for index in inputs:
        operator = found.producer(index)
        yield from operator.inputs if operator is not None and operator.code == schema.CONCATENATION else (index,)


def _find_sequence(found: SubgraphExpressions, index: int) -> TensorPlace | None:
    """Return the tensor that holds x of all steps, where each step takes its own part of it."""
    operator = found.producer(index)
    if operator is None or operator.input(0) == schema.MISSING:
        return None
    graph, source = found.graph, found.origin(operator.input(0))
    loop = found.constants.loops.get(graph.number)
    if loop is None:
        return TensorPlace(graph, source) if operator.code == schema.UNPACK else None
    if operator.code != schema.GATHER or source not in graph.inputs or not loops.counts_up(found, operator.input(1)):
        return None
    place = graph.inputs.index(source)
    given = loop.operator.input(place)
    return None if given == schema.MISSING else TensorPlace(loop.outer, given)


def _find_outputs(found: SubgraphExpressions, group: Sequence[CellStep]) -> Iterator[TensorPlace]:
    """Yield what holds the outputs of all steps, or of the last one."""
    graph = found.graph
    loop = found.constants.loops.get(graph.number)
    if loop is None:
        for step in group:
            yield TensorPlace(graph, step.output)
            takers = graph.takers.get(step.output, [])
            yield from (TensorPlace(graph, taker.outputs[0]) for taker in takers if taker.code == schema.PACK)
        return
    states = {found.origin(step.state) for step in group}
    for place, returned in enumerate(graph.outputs):
        is_kept = returned in graph.inputs or _behind_mask(found, returned) in states
        if not is_kept and place < len(loop.operator.outputs):
            yield TensorPlace(loop.outer, loop.operator.outputs[place])


def _find_first_states(found: SubgraphExpressions, step: CellStep, h: int) -> Iterator[TensorPlace]:
    """Yield what gives h and c before the first turn of a loop, or before the first step."""
    graph = found.graph
    loop = found.constants.loops.get(graph.number)
    for index in (found.origin(h), found.origin(step.before) if step.before is not None else schema.MISSING):
        if loop is None and index != schema.MISSING:
            yield TensorPlace(graph, index)
        elif loop is not None and index in graph.inputs:
            given = loop.operator.input(graph.inputs.index(index))
            if given != schema.MISSING:
                yield TensorPlace(loop.outer, given)


def _list_names(found: SubgraphExpressions, step: CellStep, arrays: dict[str, Tensor]) -> tuple[str, ...]:
    """Return the names that may contain that of the layer: those of the arrays, the sums and the steps."""
    computed = [step.gates["o"].tensor, step.output, step.state]
    return (*(tensor.name for tensor in arrays.values()), *(found.graph.tensor(index).name for index in computed))
