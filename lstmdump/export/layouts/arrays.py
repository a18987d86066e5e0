"""Arrays of all gates, put together in a target's order, and computed in pieces when they are written.

Shapes have the letters d, m and h for the width of the input, the units, and the width of the state that is fed back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lstmdump.errors import NoForgetBias
from lstmdump.lstm import LSTM
from lstmdump.model.tensor import Array, Tensor, derived

Take = Callable[[LSTM, str], Tensor]


def stored_type(tensor: Tensor) -> str:
    """Return the type that an array is written in, numpy's name of it: bfloat16, which numpy lacks, is float32.

    So are integers that stand for other numbers, which are written.
    """
    return tensor.value_dtype


def take_kernel(lstm: LSTM, gate: str) -> Tensor:
    """Return W of a gate, (d, m)."""
    return lstm.gates[gate].W


def take_recurrent_kernel(lstm: LSTM, gate: str) -> Tensor:
    """Return U of a gate, (h, m)."""
    return lstm.gates[gate].U


def in_rows(name: str, lstms: Sequence[LSTM], order: str, take: Take) -> Tensor:
    """Return the transposed gates below each other, (4m, n) for each of `lstms`, those of one after the other.

    Args:
        name: the name of the array.
        lstms: the layers, of one size.
        order: the order of the gates.
        take: returns the array of a gate, (n, m).
    """
    blocks = [take(lstm, gate) for lstm in lstms for gate in order]
    rows, units = blocks[0].shape

    def read(first: int, last: int) -> Array:
        import numpy as np

        found = [block.part(slice(None), cut).read().T for block, cut in _find_blocks(blocks, units, first, last)]
        return np.concatenate(found) if len(found) != 1 else found[0]

    return derived(name, (len(blocks) * units, rows), stored_type(blocks[0]), read)


def in_columns(name: str, lstm: LSTM, order: str, take: Take) -> Tensor:
    """Return the gates side by side, (n, 4m)."""
    blocks = [take(lstm, gate) for gate in order]
    rows, units = blocks[0].shape

    def read(first: int, last: int) -> Array:
        import numpy as np

        return np.concatenate([block.part(slice(first, last)).read() for block in blocks], axis=1)

    return derived(name, (rows, len(blocks) * units), stored_type(blocks[0]), read)


def transposed(name: str, tensor: Tensor) -> Tensor:
    """Return a matrix with rows and columns exchanged."""
    rows, columns = tensor.shape

    def read(first: int, last: int) -> Array:
        turned: Array = tensor.part(slice(None), slice(first, last)).read().T
        return turned

    return derived(name, (columns, rows), stored_type(tensor), read)


def biases(name: str, lstms: Sequence[LSTM], order: str, *, twice: bool = False) -> Tensor:
    """Return the biases of all gates behind each other, (4m,) for each of `lstms`; zeros for a layer without bias.

    The forget bias that a cell adds at run time is included.

    Args:
        name: the name of the array.
        lstms: the layers, of one size.
        order: the order of the gates.
        twice: whether a second bias follows, for each layer, that adds nothing: -0.0, to which any number can be added
            and stays what it is, even -0.0.

    Raises:
        NoForgetBias: The file does not hold the forget bias of a cell.
    """
    for lstm in lstms:
        require_forget_bias(lstm)
    parts = [(lstm, gate) for lstm in lstms for gate in (*order, *(None,) * len(order) * twice)]
    units = lstms[0].units
    dtype = _find_bias_type(lstms[0])

    def read(first: int, last: int) -> Array:
        import numpy as np

        whole = [_read_bias(lstm, gate, dtype) for lstm, gate in parts]
        return np.concatenate(whole)[first:last]

    return derived(name, (len(parts) * units,), dtype, read)


def nothing_added(lstm: LSTM) -> Tensor:
    """Return a second bias, (4m,), that adds nothing to the first: see `biases`."""
    dtype = _find_bias_type(lstm)
    return derived(lstm.name, (4 * lstm.units,), dtype, lambda first, last: _make_nothing(last - first, dtype))


def bias(name: str, lstm: LSTM, gate: str) -> Tensor:
    """Return the bias of one gate, (m,), with the forget bias that the cell adds; zeros for a layer without bias.

    Raises:
        NoForgetBias: The file does not hold the forget bias of the cell.
    """
    require_forget_bias(lstm)
    dtype = _find_bias_type(lstm)
    return derived(name, (lstm.units,), dtype, lambda first, last: _read_bias(lstm, gate, dtype)[first:last])


def peepholes(name: str, lstms: Sequence[LSTM], order: str) -> Tensor:
    """Return the peepholes of the gates in `order` behind each other, (m,) each, of one layer after the other."""
    found = [vector for lstm in lstms for gate in order if (vector := lstm.gates[gate].V) is not None]

    def read(first: int, last: int) -> Array:
        import numpy as np

        return np.concatenate([vector.read() for vector in found])[first:last]

    return derived(name, (sum(vector.size for vector in found),), stored_type(found[0]), read)


def require_forget_bias(lstm: LSTM) -> None:
    """Check that the forget bias of a cell is known.

    Raises:
        NoForgetBias: The file does not hold it.
    """
    if lstm.forget_bias is None:
        words = f"{lstm.name}: the file does not hold its forget bias, which belongs to b_f in this layout"
        raise NoForgetBias(f"{words}; export with the graph (.meta) beside the checkpoint")


def has_bias(lstm: LSTM) -> bool:
    """Return whether a layer has a bias in a target: one of its own, or a forget bias that is folded into one."""
    return lstm.use_bias or bool(lstm.forget_bias)


def _find_bias_type(lstm: LSTM) -> str:
    stored = lstm.gates["f"].b
    return stored_type(lstm.gates["f"].W if stored is None else stored)


def _read_bias(lstm: LSTM, gate: str | None, dtype: str) -> Array:
    import numpy as np

    if gate is None:
        return _make_nothing(lstm.units, dtype)
    stored = lstm.gates[gate].b
    values = np.zeros(lstm.units, dtype) if stored is None else stored.read()
    added = lstm.forget_bias if gate == "f" else 0.0
    return (values + added).astype(values.dtype) if added else values


def _make_nothing(length: int, dtype: str) -> Array:
    import numpy as np

    return np.full(length, -0.0, dtype)


def _find_blocks(blocks: Sequence[Tensor], units: int, first: int, last: int) -> Iterator[tuple[Tensor, slice]]:
    """Yield the blocks of `units` rows each that lie between two rows of all of them, and which rows of each."""
    for number, block in enumerate(blocks):
        start = number * units
        low, high = max(first, start) - start, min(last, start + units) - start
        if low < high:
            yield block, slice(low, high)
