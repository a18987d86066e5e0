"""Which stored arrays belong to which layer of the architecture, and so what the layer is called.

Keras stores all arrays below a top-level layer in one group, flattened, with names that lost some of the layers around
them and in an order that puts frozen layers last. A layer is found by its own name in the arrays' scope, and where no
name is kept, by order among those of its size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from lstmdump.errors import CorruptModel
from lstmdump.model.cell_classes import class_named
from lstmdump.model.tensor import Tensor
from lstmdump.readers.keras.architecture.expected_layers import LeafLayer, session_numbers, without_session_number
from lstmdump.readers.keras.architecture.names import names_in

_RECURRENT_LEAVES = ("recurrent_kernel", "U_i", "U")


class Bucket:
    """The arrays of one layer, as an HDF5 file groups them.

    Attributes:
        group: the name of the top-level layer they are stored under.
        scope: the part of their names that they share.
        number: which of several layers of this very scope.
    """

    __slots__ = ("arrays", "group", "number", "scope")

    def __init__(self, group: str, scope: str, number: int, arrays: dict[str, Tensor] | None = None) -> None:
        self.group = group
        self.scope = scope
        self.number = number
        self.arrays: dict[str, Tensor] = {} if arrays is None else arrays

    @property
    def units(self) -> int | None:
        """The rows of its recurrent kernel, if it has one."""
        for leaf in _RECURRENT_LEAVES:
            if leaf in self.arrays and len(self.arrays[leaf].shape) == 2:
                return self.arrays[leaf].shape[0]
        return None


def match_buckets(
    buckets: Sequence[Bucket], leaves: Sequence[LeafLayer], *, hides_frozen: bool
) -> dict[int, LeafLayer]:
    """Match the arrays in one group of the file to layers of the architecture.

    Three passes, from the surest evidence to the weakest: the scope of the arrays names one layer, and one only; it
    names a layer but for the number that a TensorFlow session adds; it names none, and the first layer left that fits
    in kind and size is taken. An LSTM layer is matched once.

    Args:
        buckets: the arrays, by layer, in the order of the file.
        leaves: the layers of the architecture that may be in this group, in the order of the model.
        hides_frozen: whether a model frozen as a whole leaves no mark in the architecture. Keras stores frozen layers
            last, so the order in the file is then no guide among layers of one name; the numbers of the session are, as
            they count layers in the order in which they were made.

    Returns:
        The layer for each bucket, by the index of the bucket; buckets without a layer are left out.

    Raises:
        CorruptModel: the name of a layer stands in the file, but its arrays are of another size than it has.
    """
    found: dict[int, LeafLayer] = {}
    taken: set[int] = set()
    as_stored = sorted(leaves, key=lambda leaf: leaf.frozen)
    numbered = Counter(bucket.scope for bucket in buckets)  # layers that share a scope have no names in it
    by_name = _list_by_name(as_stored)
    by_number = hides_frozen and not any(leaf.frozen for leaf in leaves)
    in_file = range(len(buckets))
    counted = sorted(in_file, key=lambda index: session_numbers(buckets[index].scope)) if by_number else in_file
    for form, order in ((str, in_file), (without_session_number, counted)):
        for index in order:
            bucket = buckets[index]
            if index in found or numbered[bucket.scope] > 1:
                continue
            best = _find_best(bucket.scope, by_name, form, taken)
            if best is None or (form is str and len(best) > 1):  # ambiguous: others in the group may take some of these
                continue
            if (words := find_disagreement(bucket, best[0])) is not None:
                raise CorruptModel(words)
            found[index] = best[0]
            if best[0].is_lstm:  # any other may be a class of the user's, with several layers of its own in it
                taken.add(id(best[0]))
    for index, bucket in enumerate(buckets):
        if index in found or bucket.units is None:
            continue
        rest = leaves if numbered[bucket.scope] > 1 else as_stored
        fitting = next((leaf for leaf in rest if id(leaf) not in taken and _fits(bucket, leaf)), None)
        if fitting is not None:
            found[index] = fitting
            taken.add(id(fitting))
    return found


def _list_by_name(leaves: Sequence[LeafLayer]) -> dict[str, list[LeafLayer]]:
    by_name: dict[str, list[LeafLayer]] = {}
    for leaf in leaves:
        for form in leaf.steps[-1] if leaf.steps else ():
            by_name.setdefault(form, []).append(leaf)
    return by_name


def _find_best(
    scope: str, by_name: dict[str, list[LeafLayer]], form: Callable[[str], str], taken: set[int]
) -> list[LeafLayer] | None:
    """Return the layers that `scope` names best; None where it names none that is free.

    Names are looked up in an index, since every run of steps in the scope may be a name: 528 lookups for a scope of 32
    steps, instead of a comparison with every layer. Of layers of one name, the one wins of whose wrappers more stand in
    the scope as well.

    Args:
        scope: the scope of some arrays.
        by_name: the layers by each form of their own names.
        form: changes each step of the scope before it is compared.
        taken: the ids of the layers that have arrays already.
    """
    shown = "/".join(form(step) for step in scope.split("/"))
    named = {id(leaf): leaf for name in names_in(shown) for leaf in by_name.get(name, ()) if id(leaf) not in taken}
    ranks = [(rank, leaf) for leaf in named.values() if (rank := leaf.rank_in(shown)) is not None]
    best = max((rank for rank, _ in ranks), default=None)
    return [leaf for rank, leaf in ranks if rank == best] or None


def _fits(bucket: Bucket, leaf: LeafLayer) -> bool:
    return (
        leaf.is_gated
        and bucket.units is not None
        and leaf.may_have(bucket.units)
        and find_disagreement(bucket, leaf) is None
    )


def find_disagreement(bucket: Bucket, leaf: LeafLayer) -> str | None:
    """Return how the arrays of `bucket` differ from what the configuration of `leaf` states; None where they agree."""
    gates = class_named(leaf.layer.kind).gates
    if not leaf.certain or gates is None or bucket.units is None:
        return None
    kernel = bucket.arrays.get("kernel")  # Keras 1 stores an array per gate, so that there is less to disagree on
    rows, columns = kernel.shape if kernel is not None and len(kernel.shape) == 2 else (None, None)
    for what, by_config, by_arrays in (
        ("units", leaf.units, bucket.units),
        ("columns", gates * bucket.units, columns),
        ("input", leaf.input_dim if len(leaf.steps) == 1 else None, rows),
        ("bias", leaf.use_bias, None if kernel is None else "bias" in bucket.arrays),
    ):
        if None not in (by_config, by_arrays) and by_config != by_arrays:
            name = "/".join(leaf.path_in(bucket.scope))
            sides = f"{_describe_side(by_config)} by the configuration, {_describe_side(by_arrays)} by the arrays"
            return f"config and arrays disagree on the {what} of {name}: {sides}"
    return None


def _describe_side(value: int | bool | None) -> str:
    return str(value) if not isinstance(value, bool) else "one" if value else "none"
