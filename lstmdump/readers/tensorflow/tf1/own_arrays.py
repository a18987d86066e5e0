"""The arrays of cells of the user's own: which kernel is that of x, by the graph or by the shapes, and which rows.

With u units and an input of width d, a kernel over all gates is (d, 4u), a recurrent kernel (u, 4u), a kernel over
both (d+u, 4u), and a bias (4u,). Where each gate has arrays of its own, u takes the place of 4u.
"""

from __future__ import annotations

from collections.abc import Mapping

from lstmdump.model.tensor import Tensor
from lstmdump.readers.tensorflow.tf1.cells import TF1Cell

_GATES = "icfo"
_ALL_GATES = 4


def fits(cell: TF1Cell, tensors: Mapping[str, Tensor]) -> bool:
    """Return whether the variables of `cell` have the shapes of an LSTM, and it is certain which kernel takes x."""
    if cell.order is None:
        return False
    found = [_read_gate(cell, letter, tensors) for letter in _list_letters(cell)]
    sizes = {(kernel.shape, units) for kernel, _, units in filter(None, found)}
    if None in found or len(sizes) != 1:
        return False
    ((_, units),) = sizes
    peepholes = [names for leaf, names in cell.variables.items() if leaf.endswith("_diag")]
    own = None if cell.computed is None else cell.computed.own
    is_cut_between_gates = own is None or own.units in (None, units)
    return is_cut_between_gates and all(tensors[name].shape == (units,) for names in peepholes for name in names)


def arrays(cell: TF1Cell, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the arrays of `cell`, which fits, by the names that layouts know: `recurrent_kernel`, or `W_i`."""
    whole: dict[str, Tensor] = {}
    used: set[str] = set()
    for letter in _list_letters(cell):
        gate, ending = _read_gate(cell, letter, tensors), f"_{letter}" if letter else ""
        if gate is None:
            continue
        names = ("W", "U", "b") if letter else ("kernel", "recurrent_kernel", "bias")
        is_fused_in_order = not letter and "recurrent_kernel" not in cell.variables and not _has_state_first(cell)
        if is_fused_in_order:
            whole["kernel"] = tensors[cell.variables["kernel"][0]]
        else:
            whole |= {names[0] + ending: gate[0], names[1] + ending: gate[1]}
        bias = cell.variables.get(names[2] + ending)
        if bias:
            whole[names[2] + ending] = tensors[bias[0]]
        used |= {f"{name}{ending}" for name in (*names, "WU")}
    return whole | {leaf: tensors[pieces[0]] for leaf, pieces in cell.variables.items() if leaf not in used}


def sizes(cell: TF1Cell, tensors: Mapping[str, Tensor]) -> tuple[int, int]:
    """Return the width of the input of `cell`, which fits, and its units."""
    gate = _read_gate(cell, _list_letters(cell)[0], tensors)
    return (0, 0) if gate is None else (gate[0].shape[0], gate[2])


def _list_letters(cell: TF1Cell) -> str | tuple[str, ...]:
    """Return the letters of the gates that have arrays of their own, or one empty text."""
    return ("",) if cell.order else _GATES


def _has_state_first(cell: TF1Cell) -> bool:
    return cell.computed is not None and cell.computed.own is not None and cell.computed.own.state_first


def _read_gate(cell: TF1Cell, letter: str, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, int] | None:
    """Return the kernel, the recurrent kernel and the units of one gate, or of all; None if the shapes do not fit."""

    def get(leaf: str) -> Tensor | None:
        pieces = cell.variables.get(leaf, [])
        return tensors[pieces[0]] if len(pieces) == 1 else None

    one, other = (get(f"W_{letter}"), get(f"U_{letter}")) if letter else (get("kernel"), get("recurrent_kernel"))
    fused, bias = get(f"WU_{letter}") if letter else one, get(f"b_{letter}" if letter else "bias")
    gates = 1 if letter else _ALL_GATES
    first = fused if other is None else one
    if first is None or len(first.shape) != 2 or first.shape[1] % gates or not first.shape[1]:
        return None
    units = first.shape[1] // gates
    if bias is not None and bias.shape != first.shape[1:]:
        return None
    if other is None:
        return _cut_rows(first, units, state_first=_has_state_first(cell))
    if len(other.shape) != 2 or other.shape[1] != first.shape[1]:
        return None
    is_known = cell.computed is None or (cell.computed.own is not None and cell.computed.own.is_known)
    return _order_kernels(first, other, units, is_known=is_known)


def _order_kernels(one: Tensor, other: Tensor, units: int, *, is_known: bool) -> tuple[Tensor, Tensor, int] | None:
    """Return the two kernels, that of x first; None if neither has a row for each unit, or it is uncertain which."""
    if not is_known and one.shape[0] == other.shape[0]:
        return None
    if not is_known and one.shape[0] == units:
        one, other = other, one
    return (one, other, units) if other.shape[0] == units and one.shape[0] > 0 else None


def _cut_rows(kernel: Tensor, units: int, *, state_first: bool) -> tuple[Tensor, Tensor, int] | None:
    """Return the rows of x and of h in a kernel over both."""
    width = kernel.shape[0] - units
    if width < 1:
        return None
    of_input, of_state = (slice(units, None), slice(0, units)) if state_first else (slice(0, width), slice(width, None))
    return _cut(kernel, of_input), _cut(kernel, of_state), units


def _cut(tensor: Tensor, rows: slice) -> Tensor:
    """Return some rows of `tensor` as an array of their own, named as in numpy: `kernel[4:7]`."""
    start, stop, _ = rows.indices(tensor.shape[0])
    part = tensor.part(rows)
    return Tensor(f"{tensor.name}[{start}:{stop}]", part.shape, part.dtype, part.fetch)
