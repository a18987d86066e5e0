"""The matching of stored arrays to the layers of the architecture.

Keras stores all arrays below a top-level layer in one flat group. Their names omit some of the layers around them, and
frozen layers come last. Arrays are matched by the name of the layer in their scope or, if names are not stored, by
their order among the layers of the same size.
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
        group: the name of the top-level layer under which they are stored.
        scope: the part of their names that they share.
        number: the index of the layer among those of the same scope.
        arrays: the arrays by the rest of their names.
    """

    __slots__ = ("arrays", "group", "number", "scope")

    def __init__(self, group: str, scope: str, number: int, arrays: dict[str, Tensor] | None = None) -> None:
        self.group = group
        self.scope = scope
        self.number = number
        self.arrays: dict[str, Tensor] = {} if arrays is None else arrays

    @property
    def units(self) -> int | None:
        """The number of rows of the recurrent kernel, if there is one."""
        for leaf in _RECURRENT_LEAVES:
            if leaf in self.arrays and len(self.arrays[leaf].shape) == 2:
                return self.arrays[leaf].shape[0]
        return None


def match_buckets(
    buckets: Sequence[Bucket], leaves: Sequence[LeafLayer], *, hides_frozen: bool
) -> dict[int, LeafLayer]:
    """Match the arrays in one group of the file to layers of the architecture.

    There are three passes, from the strongest evidence to the weakest:

    1. The scope of the arrays names exactly one layer.
    2. The scope names a layer if the numbers that a TensorFlow session adds are ignored.
    3. The scope names no layer, and the first unmatched layer of a fitting kind and size is taken.

    An LSTM layer is matched once.

    Args:
        buckets: the arrays, by layer, in the order of the file.
        leaves: the layers of the architecture that may be in this group, in the order of the model.
        hides_frozen: whether the architecture does not record that a whole model is frozen. Keras stores frozen layers
            last, so the order of the file is then meaningless for layers of one name. The session numbers are used
            instead, as they count layers in the order in which they were created.

    Returns:
        The layer for each bucket, by the index of the bucket; buckets without a layer are left out.

    Raises:
        CorruptModel: The arrays under the name of a layer have another size than the layer.
    """
    found: dict[int, LeafLayer] = {}
    taken: set[int] = set()
    as_stored = sorted(leaves, key=lambda leaf: leaf.frozen)
    numbered = Counter(bucket.scope for bucket in buckets)  # a scope of several layers names none of them
    by_name = _list_by_name(as_stored)
    by_number = hides_frozen and len(buckets) > 1 and not any(leaf.frozen for leaf in leaves)
    in_file = range(len(buckets))
    counted = sorted(in_file, key=lambda index: session_numbers(buckets[index].scope)) if by_number else in_file
    for form, order in ((str, in_file), (without_session_number, counted)):
        for index in order:
            bucket = buckets[index]
            if index in found or numbered[bucket.scope] > 1:
                continue
            best = _find_best(bucket.scope, by_name, form, taken)
            if best is None or (form is str and len(best) > 1):  # ambiguous until others have taken some
                continue
            if (words := find_disagreement(bucket, best[0])) is not None:
                raise CorruptModel(words)
            found[index] = best[0]
            if best[0].is_lstm:  # another class may be defined by the user, and contain several layers
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
    """Return the layers that `scope` names best, or None if it names none that is unmatched.

    Every run of steps in the scope may be the name of a layer, as names may contain slashes. These runs are looked up
    in an index: 528 lookups for a scope of 32 steps, instead of a comparison with every layer. Among layers of one
    name, those win that have the most wrappers named in the scope.

    Args:
        scope: the scope of some arrays.
        by_name: the layers by each form of their own names.
        form: converts each step of the scope before it is compared.
        taken: the ids of the layers that are matched already.
    """
    shown = "/".join(form(step) for step in scope.split("/"))
    named = {id(leaf): leaf for name in names_in(shown) for leaf in by_name.get(name, ()) if id(leaf) not in taken}
    ranks = [(rank, leaf) for leaf in named.values() if (rank := leaf.rank_in(shown)) is not None]
    best = max((rank for rank, _ in ranks), default=None)
    return [leaf for rank, leaf in ranks if rank == best] or None


def _fits(bucket: Bucket, leaf: LeafLayer) -> bool:
    return (
        (leaf.is_gated or leaf.is_own_cell)
        and bucket.units is not None
        and leaf.may_have(bucket.units)
        and find_disagreement(bucket, leaf) is None
    )


def find_disagreement(bucket: Bucket, leaf: LeafLayer) -> str | None:
    """Return how the arrays of `bucket` differ from the configuration of `leaf`, or None if they agree."""
    gates = class_named(leaf.layer.kind).gates
    if not leaf.certain or gates is None or bucket.units is None:
        return None
    kernel = bucket.arrays.get("kernel")  # None for Keras 1, which has one per gate: units are compared
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
