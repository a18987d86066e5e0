"""The layers that cells spread over many nodes are: their arrays in a form that a layout knows, and their settings.

==========================  ===================================================================================
in the graph                arrays of the layer
==========================  ===================================================================================
one sum, cut in four        `kernel` (d, 4m), `recurrent_kernel` (m, 4m), `bias`; with rows in place of columns, as
                            `Gemm` takes them from torch, `weight_ih` (4m, d), `weight_hh` (4m, m), `bias_ih`, `bias_hh`
the same, x and h joined    `kernel` (d+m, 4m), `bias`
four sums                   `W_i` (d, m), `U_i` (m, m), `b_i` (m,), and so for f, c and o
==========================  ===================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import DeferredSettings, LayerSettings
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.onnx.cells.direction import goes_backwards, returns_reversed
from lstmdump.readers.onnx.cells.steps import Cell, biases_of
from lstmdump.readers.onnx.cells.sums import WeightProduct
from lstmdump.readers.onnx.constants import Value
from lstmdump.readers.onnx.surroundings import is_zero
from lstmdump.readers.onnx.tensors import StoredTensor

_GATES = "ifco"
_OF_STEPS = ("Add", "Clip", "Mul")  # the operators that give c' and h'


class CellLayer(NamedTuple):
    """A cell as a layer.

    Attributes:
        arrays: Its arrays by the names of a layout.
        sources: The stored tensors that they are made of.
        settings: What the graph states of it.
    """

    arrays: dict[str, Tensor]
    sources: tuple[StoredTensor, ...]
    settings: DeferredSettings


def make(cell: Cell) -> CellLayer | None:
    """Return the layer that `cell` is, or None if its arrays do not have the shapes of one."""
    arrays = _make_arrays(cell)
    if arrays is None:
        return None
    values = [product.matrix for product in (*cell.of_input, *cell.of_state)]
    values += [bias for several in biases_of(cell) for bias in several]
    sources = tuple({id(one): one for value in values for one in value.sources}.values())
    added = cell.first.sums["f"].added
    is_as_in_keras = cell.order == "ifco" and not added and "recurrent_kernel" in arrays
    return CellLayer(arrays, sources, DeferredSettings(
        lambda: _describe(cell),
        forget_bias=added,
        gate_order=None if is_as_in_keras else cell.order,
        shows_equations=True,
    ))  # fmt: skip


def _describe(cell: Cell) -> LayerSettings:
    first, goes_back = cell.first, goes_backwards(cell)
    return LayerSettings(
        is_described=True,
        activation=first.activation,
        recurrent_activation=first.gate_activation,
        output_activation=first.output_activation,
        go_backwards=goes_back,
        is_aligned=bool(goes_back) and returns_reversed(cell),
        cell_clip=first.clip,
        first_states_from=tuple(dict.fromkeys(_name_first_states(cell))),
    )


def _name_first_states(cell: Cell) -> Iterator[str]:
    """Yield what gives the states before the first step, unless they are 0.

    The first step of an unrolled cell may be folded into constants; then the next one is the first that is known, and
    its states are sums and products.
    """
    for at in cell.first_states:
        maker = at.maker
        is_of_step = maker is not None and maker.operation in _OF_STEPS
        if not is_of_step and not is_zero(at.graph, at.name):
            yield at.name


def _make_arrays(cell: Cell) -> dict[str, Tensor] | None:
    """Return the arrays of the layer by the names in the table above; None if they do not have the right shapes."""
    if not cell.order:
        return _make_gate_arrays(cell)
    (biases,) = biases_of(cell)
    if cell.is_joined:
        return None if cell.state_first or len(biases) > 1 else _require_fused(
            {"kernel": _turn(cell.of_input[0], rows=False), **_name_biases(biases, ["bias"])}
        )  # fmt: skip
    products = cell.of_input[0], cell.of_state[0]
    has_rows = len(biases) == 2 or (not biases and all(product.is_turned for product in products))
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] if has_rows else ["kernel", "recurrent_kernel", "bias"]
    if len(biases) > len(names) - 2:
        return None
    kernels = [_turn(product, rows=has_rows) for product in products]
    arrays = dict(zip(names, kernels, strict=False)) | _name_biases(biases, names[2:])
    units = kernels[1].shape[1 if has_rows else 0]
    shapes = [kernel.shape if has_rows else kernel.shape[::-1] for kernel in kernels]
    is_fitting = shapes == [(4 * units, shapes[0][1]), (4 * units, units)]
    return arrays if is_fitting and _fit(biases, 4 * units) and _has_width(cell, units) else None


def _require_fused(arrays: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """Return the arrays of a cell with one kernel, (d+m, 4m), if they have such shapes."""
    rows, columns = arrays["kernel"].shape
    is_fitting = columns % len(_GATES) == 0 and rows > columns // len(_GATES) > 0
    return arrays if is_fitting and ("bias" not in arrays or arrays["bias"].shape == (columns,)) else None


def _make_gate_arrays(cell: Cell) -> dict[str, Tensor] | None:
    """Return the arrays of a cell with four sums, by the letter of the gate."""
    arrays: dict[str, Tensor] = {}
    for place, (letter, biases) in enumerate(zip(_GATES, biases_of(cell), strict=True)):
        kernel = _turn(cell.of_input[place], rows=False)
        units = kernel.shape[1]
        if len(biases) > 1 or not _fit(biases, units):
            return None
        if cell.is_joined:
            kernel, recurrent = _cut_rows(kernel, units, state_first=cell.state_first)
        else:
            recurrent = _turn(cell.of_state[place], rows=False)
        if recurrent.shape != (units, units) or 0 in kernel.shape:
            return None
        arrays |= {f"W_{letter}": kernel, f"U_{letter}": recurrent, **_name_biases(biases, [f"b_{letter}"])}
    return arrays if len({tensor.shape for leaf, tensor in arrays.items() if leaf[0] == "W"}) == 1 else None


def _cut_rows(kernel: Tensor, units: int, *, state_first: bool) -> tuple[Tensor, Tensor]:
    """Return the rows of x and those of h, arrays of their own, of a kernel over both."""
    first = units if state_first else kernel.shape[0] - units
    blocks = _take_rows(kernel, 0, first), _take_rows(kernel, first, kernel.shape[0])
    return blocks[::-1] if state_first else blocks


def _take_rows(tensor: Tensor, first: int, last: int) -> Tensor:
    def fetch(cuts: Cuts) -> Array:
        rows, columns = cuts
        return tensor.fetch((slice(first + rows.start, first + rows.stop), columns))

    return Tensor(f"{tensor.name}[{first}:{last}]", (max(0, last - first), tensor.shape[1]), tensor.dtype, fetch)


def _turn(product: WeightProduct, *, rows: bool) -> Tensor:
    """Return the matrix of `product` with the gates in its rows, or in its columns."""
    tensor = product.matrix.tensor
    if product.is_turned == rows:
        return tensor

    def fetch(cuts: Cuts) -> Array:
        turned: Array = tensor.fetch(cuts[::-1]).T
        return turned

    return Tensor(f"{tensor.name}.T", tensor.shape[::-1], tensor.dtype, fetch)


def _name_biases(biases: Sequence[Value], names: Sequence[str]) -> dict[str, Tensor]:
    return {name: bias.tensor for name, bias in zip(names, biases, strict=False)}


def _fit(biases: Sequence[Value], length: int) -> bool:
    return all(bias.tensor.shape == (length,) for bias in biases)


def _has_width(cell: Cell, units: int) -> bool:
    """Return whether the parts of the sum have the width of a gate, as far as the graph states it."""
    parts = [one.part for one in cell.first.sums.values()]
    return all(part is None or part.width in (None, units) for part in parts)
