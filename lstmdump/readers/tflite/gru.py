"""GRUs in the body of a loop, recognised by the equations of Keras.

::

    z = σ(x·W_z + b_z + h·U_z + d_z), and r in the same way
    candidate = a(x·W_h + b_h + r∘(h·U_h + d_h))    if the gate is applied after the product (`reset_after`)
    candidate = a(x·W_h + b_h + (r∘h)·U_h)          if it is applied before
    h' = z∘h + (1 - z)∘candidate

The products of x with all three kernels are one, cut into the parts z, r and h; that of h is cut into as many parts, or
into those of z and r. Everything has to be there: the loop hands h' to its next turn, begins with h = 0, and takes each
step of one tensor in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import ActivationName
from lstmdump.model.tensor import Array, Tensor, derived, transposed
from lstmdump.readers.tflite import loops, schema
from lstmdump.readers.tflite.constants import StoredConstants, TensorPlace
from lstmdump.readers.tflite.expressions import KernelProduct, KernelSum, SubgraphExpressions
from lstmdump.readers.tflite.schema import LiteOperator, Subgraph

_Z, _R, _H = range(3)  # the parts of the products, in this order in Keras
_GATES = 3
_ROWS, _COLUMNS = 1, 2  # bits for the axes of which an operator takes everything from the first, or to the last
_FLOATS = ("float32", "float16", "bfloat16", "float64")


class LoopGRU(NamedTuple):
    """A GRU that a loop computes.

    Attributes:
        config: Its configuration, as Keras has it.
        weights: Its arrays, as Keras has them.
        sequence: The tensor of (steps, batch, d) that it takes.
        output: The tensor of (steps, batch, m) with h after each step.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    sequence: TensorPlace
    output: TensorPlace


class _Part(NamedTuple):
    """A part of a tensor that is cut along its last axis: the tensor, the place of the part, and how many there are."""

    whole: int
    place: int
    parts: int


class _GRUStep(NamedTuple):
    """What a step consists of.

    Attributes:
        of_x: The tensor that is cut into the parts of x·W + b.
        of_h: The tensor that is cut into those of h·U.
        of_reset_h: The tensor (r∘h)·U_h, if the gate is applied before the product.
        reset_h: The tensor r∘h, if so.
        activation: The activation of the candidate.
        recurrent_activation: That of z and r.
    """

    of_x: int
    of_h: int
    of_reset_h: int | None
    reset_h: int | None
    activation: ActivationName
    recurrent_activation: ActivationName


def find(graph: Subgraph, constants: StoredConstants) -> LoopGRU | None:
    """Return the GRU that the loop with the body `graph` is; None if the operators do not show that it is one."""
    loop = constants.loops.get(graph.number)
    if loop is None:
        return None
    found = SubgraphExpressions(graph, constants)
    for place, (h, after) in enumerate(zip(graph.inputs, graph.outputs, strict=False)):
        steps = list(_match_step(found, h, after))
        first = loop.operator.input(place)
        if len(steps) == 1 and first != schema.MISSING and constants.is_zero(TensorPlace(loop.outer, first)):
            return _describe(found, steps[0], h, after)
    return None


def _match_step(found: SubgraphExpressions, h: int, after: int) -> Iterator[_GRUStep]:
    """Yield the ways to take `after` for z∘h + (1 - z)∘candidate."""
    for kept, added in _both_ways(found, after, schema.ADD):
        for update, state in _both_ways(found, kept, schema.MUL):
            for rest, candidate in _both_ways(found, added, schema.MUL):
                if found.origin(state) == h and _is_rest(found, rest, update):
                    yield from _match_gates(found, h, update, candidate)


def _match_gates(found: SubgraphExpressions, h: int, update: int, candidate: int) -> Iterator[_GRUStep]:
    """Yield the ways to take two tensors for the gate z and for the candidate."""
    z, new = found.activated(update), found.activated(candidate)
    sums = None if z is None else _read_gate(found, z[1], _Z)
    if z is None or new is None or sums is None:
        return
    for of_x, of_h in _both_ways(found, new[1], schema.ADD):
        if _read_part(found, of_x) != _Part(sums[0].whole, _H, _GATES):
            continue
        for reset, taken in _both_ways(found, of_h, schema.MUL):
            if _is_reset(found, reset, sums, z[0]) and _read_part(found, taken) == _Part(sums[1].whole, _H, _GATES):
                yield _GRUStep(sums[0].whole, sums[1].whole, None, None, new[0], z[0])
        product = _find_product(found, of_h)
        for reset, taken in _both_ways(found, product.taken, schema.MUL) if product is not None else ():
            is_before = found.origin(taken) == h and sums[1].parts == _GATES - 1
            if product is not None and is_before and _is_reset(found, reset, sums, z[0]):
                yield _GRUStep(sums[0].whole, sums[1].whole, of_h, product.taken, new[0], z[0])


def _is_reset(found: SubgraphExpressions, index: int, of_z: tuple[_Part, _Part], activation: ActivationName) -> bool:
    """Return whether a tensor is the gate r of the same products as z, with the same activation."""
    gate = found.activated(index)
    sums = None if gate is None else _read_gate(found, gate[1], _R)
    return (
        gate is not None
        and gate[0] == activation
        and sums is not None
        and all(
            one.whole == other.whole and one.parts == other.parts for one, other in zip(sums, of_z, strict=True)
        )
    )  # fmt: skip


def _read_gate(found: SubgraphExpressions, index: int, place: int) -> tuple[_Part, _Part] | None:
    """Return the parts of x·W + b and of h·U, of this place, whose sum a tensor is."""
    operands = next(_both_ways(found, index, schema.ADD), ())
    parts = [part for one in operands if (part := _read_part(found, one)) is not None and part.place == place]
    if len(parts) != 2 or parts[0].whole == parts[1].whole:
        return None
    products = [_find_product(found, part.whole) for part in parts]
    of_state = [product is not None and product.taken in found.graph.inputs for product in products]
    if of_state.count(True) != 1:
        return None
    of_h, of_x = parts if of_state[0] else parts[::-1]
    return (of_x, of_h) if of_x.parts == _GATES and of_h.parts in (_GATES, _GATES - 1) else None


def _read_part(found: SubgraphExpressions, index: int) -> _Part | None:
    """Return the part of a tensor, which is cut along its last axis into equal parts, that `index` is."""
    index = found.origin(index)
    operator = found.producer(index)
    if operator is not None and operator.code == schema.STRIDED_SLICE:
        return _read_columns(found, operator, index)
    if operator is None or operator.code not in (schema.SPLIT, schema.SPLIT_V) or schema.MISSING in operator.outputs:
        return None
    whole = operator.input(1 if operator.code == schema.SPLIT else 0)
    shapes = [found.graph.tensor(one).shape for one in operator.outputs]
    count, shape = sum(0 not in one for one in shapes), shapes[0]  # Keras cuts off the rest behind the last part
    if whole == schema.MISSING or len(shape) != 2 or set(shapes[:count]) != {shape}:
        return None
    if found.graph.tensor(whole).shape != (shape[0], count * shape[1]):
        return None
    return _Part(found.origin(whole), operator.outputs.index(index), count) if count > 1 else None


def _read_columns(found: SubgraphExpressions, operator: LiteOperator, index: int) -> _Part | None:
    """Return the part that an operator takes as the columns from one number up to another, as Keras 3 cuts h·U."""
    if len(operator.inputs) != 4 or schema.MISSING in operator.inputs:
        return None
    whole, *bounds = operator.inputs
    first, last, strides = (found.constants.integers(TensorPlace(found.graph, one)) for one in bounds)
    masks = [operator.option(field) for field in range(5)]
    if first is None or last is None or strides != (1, 1) or not masks[0] & masks[1] & _ROWS or any(masks[2:]):
        return None
    shape, of_whole = _shape(found, index), _shape(found, whole)
    if len(first) != 2 or len(last) != 2 or len(shape) != 2 or shape[:1] != of_whole[:1] or len(of_whole) != 2:
        return None
    start = 0 if masks[0] & _COLUMNS else first[1]
    stop = of_whole[1] if masks[1] & _COLUMNS else last[1]
    if not 0 <= start < stop <= of_whole[1] or stop - start != shape[1] or start % shape[1] or of_whole[1] % shape[1]:
        return None
    return _Part(found.origin(whole), start // shape[1], of_whole[1] // shape[1])


def _both_ways(found: SubgraphExpressions, index: int, code: int) -> Iterator[tuple[int, int]]:
    """Yield the operands of the operator `code` that makes a tensor, element by element, in both orders."""
    operands = found.operands(found.plain(index, code))
    if operands is not None and _shape(found, operands[0]) == _shape(found, operands[1]):
        yield operands
        yield operands[::-1]


def _shape(found: SubgraphExpressions, index: int) -> tuple[int, ...]:
    return found.graph.tensor(index).shape


def _is_rest(found: SubgraphExpressions, index: int, gate: int) -> bool:
    """Return whether a tensor is 1 - `gate`."""
    operands = found.operands(found.plain(index, schema.SUB))
    return operands is not None and found.scalar(operands[0]) == 1 and found.origin(operands[1]) == found.origin(gate)


def _find_product(found: SubgraphExpressions, index: int) -> KernelProduct | None:
    """Return the product that a tensor is, with a bias at most."""
    total = found.sum(index)
    return total.products[0] if _is_product(total) and total is not None else None


def _is_product(total: KernelSum | None) -> bool:
    return total is not None and len(total.products) == 1 and len(total.biases) <= 1 and not total.added


def _describe(found: SubgraphExpressions, step: _GRUStep, h: int, after: int) -> LoopGRU | None:
    """Return the GRU with this step, if its arrays fit, and the loop takes each step of a tensor."""
    of_x, of_h = _find_product(found, step.of_x), _find_product(found, step.of_h)
    arrays = _read_arrays(found, step)
    if of_x is None or of_h is None or of_h.taken != h or arrays is None or not _computes_in_floats(found):
        return None
    width, units = arrays["kernel"].shape[0], arrays["recurrent_kernel"].shape[0]
    shapes = [_shape(found, one) for one in (after, h, of_x.taken)]
    sequence = loops.find_sequence(found, of_x.taken)
    if len({shape[:1] for shape in shapes}) != 1 or [shape[1:] for shape in shapes] != [(units,), (units,), (width,)]:
        return None
    if sequence is None:
        return None
    output = loops.find_kept(found, after, sequence.facts.shape[0])
    config = {
        "units": units,
        "activation": step.activation,
        "recurrent_activation": step.recurrent_activation,
        "use_bias": "bias" in arrays,
        "reset_after": step.of_reset_h is None,
        "return_sequences": True,
    }
    return None if output is None else LoopGRU(config, arrays, sequence, output)


def _computes_in_floats(found: SubgraphExpressions) -> bool:
    """Return whether no operator of the loop rounds to integers or takes rounded numbers."""
    for operator in found.graph.operators:
        is_product = operator.code == schema.FULLY_CONNECTED
        if is_product and any(found.graph.tensor(one).dtype not in _FLOATS for one in operator.inputs if one >= 0):
            return False
        if operator.code == schema.QUANTIZE or _restores(found, operator):
            return False
    return True


def _restores(found: SubgraphExpressions, operator: LiteOperator) -> bool:
    """Return whether an operator makes numbers of integers that are computed."""
    return operator.code == schema.DEQUANTIZE and not all(found.is_constant(one) for one in operator.outputs)


def _read_arrays(found: SubgraphExpressions, step: _GRUStep) -> dict[str, Tensor] | None:
    """Return the arrays as Keras has them, from those with a row for each unit; None if their shapes do not fit."""
    indices = [step.of_x, step.of_h, *([] if step.of_reset_h is None else [step.of_reset_h])]
    totals = [total for index in indices if (total := found.sum(index)) is not None]

    def read(index: int) -> Tensor | None:
        return found.constants.tensor(TensorPlace(found.graph, index))

    biases = [read(total.biases[0]) if total.biases else None for total in totals]
    kernels = [one for total in totals for product in total.products if (one := read(product.weights)) is not None]
    if len(kernels) != len(indices) or any(len(one.shape) != 2 for one in kernels):
        return None
    if any(bias is not None and bias.shape != one.shape[:1] for bias, one in zip(biases, kernels, strict=True)):
        return None
    kernel, *recurrent = kernels
    units = recurrent[0].shape[1]
    if {one.shape[1] for one in recurrent} != {units} or len(kernel) != _GATES * units != sum(map(len, recurrent)):
        return None
    arrays = {"kernel": transposed(kernel, kernel.name), "recurrent_kernel": _join_columns(recurrent)}
    if step.of_reset_h is None:
        return arrays | (
            {"bias": _stack(biases[0], biases[1], len(kernel))} if any(bias is not None for bias in biases) else {}
        )
    if biases[1] is not None or biases[2] is not None:
        return None  # Keras has a bias of h·U only where the gate r is applied after the product
    return arrays | ({} if biases[0] is None else {"bias": biases[0]})


def _join_columns(recurrent: list[Tensor]) -> Tensor:
    """Return the transposes of `recurrent`, (rows, m), side by side."""
    first = recurrent[0]
    if len(recurrent) == 1:
        return transposed(first, first.name)

    def compute(start: int, stop: int) -> Array:
        import numpy as np

        whole: Array = np.concatenate([one.read().astype("float32") for one in recurrent]).T[start:stop]
        return whole

    return derived(first.name, (first.shape[1], sum(one.shape[0] for one in recurrent)), "float32", compute)


def _stack(bias: Tensor | None, recurrent_bias: Tensor | None, rows: int) -> Tensor:
    """Return both biases, each (rows,), as the rows of one array; zeros for one that is not there."""

    def compute(start: int, stop: int) -> Array:
        import numpy as np

        pair = [np.zeros(rows, "float32") if one is None else one.read().astype("float32")
                for one in (bias, recurrent_bias)]  # fmt: skip
        whole: Array = np.stack(pair)[start:stop]
        return whole

    return derived("bias", (2, rows), "float32", compute)
