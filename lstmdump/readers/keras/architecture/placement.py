"""The name and class of every layer whose arrays a Keras HDF5 file holds, from the architecture where it has one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from lstmdump.errors import CorruptModel
from lstmdump.model.kinds import kind_named
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer, LayerPath, Sources
from lstmdump.readers.keras.architecture import automatic_names, expected_layers, match
from lstmdump.readers.keras.architecture import names as keras_names
from lstmdump.readers.keras.architecture.config import ConfigLayer
from lstmdump.readers.keras.architecture.expected_layers import Leaf, Steps
from lstmdump.readers.keras.architecture.match import Bucket
from lstmdump.readers.keras.architecture.settings import Settings


class Place(NamedTuple):
    """Where the arrays of one bucket belong in the model."""

    path: LayerPath
    kind: str | None
    bucket: Bucket
    leaf: Leaf | None

    @property
    def arrays(self) -> Mapping[str, Tensor]:
        """The arrays by their own names."""
        return self.bucket.arrays


class Places(NamedTuple):
    """All of them, in the model's order, and what a careful reader would say about them.

    COUNTABLE is false where layers may be stored more than once without a mark.
    """

    found: tuple[Place, ...]
    notes: tuple[str, ...]
    countable: bool

    @property
    def kinds(self) -> dict[LayerPath, str]:
        """The classes that the file names."""
        return {place.path: place.kind for place in self.found if place.kind is not None}

    @property
    def described(self) -> list[tuple[LayerPath, Leaf]]:
        """The layers whose classes the file names, each with the leaf of the architecture that describes it."""
        return described(self.found)

    @property
    def settings(self) -> dict[LayerPath, Settings]:
        """What the configurations say of these layers."""
        return settings(self.found)


def described(found: Iterable[Place]) -> list[tuple[LayerPath, Leaf]]:
    """The layers of FOUND whose classes the file names, each with the leaf of the architecture that describes it."""
    return [(place.path, place.leaf) for place in found if place.kind is not None and place.leaf is not None]


def sources(
    architecture: ConfigLayer | None, told: Sequence[tuple[LayerPath, Leaf]], root: Layer
) -> Callable[[], Sources]:
    """Which of the layers below ROOT directly follow which, worked out when it is called, the file closed or not.

    TOLD are those that ARCHITECTURE describes, each with its leaf.
    """

    def work_out() -> Sources:
        from lstmdump.readers.keras.architecture import topology as keras_topology

        return {} if architecture is None else keras_topology.of(architecture, told, root)

    return work_out


def settings(found: Iterable[Place]) -> dict[LayerPath, Settings]:
    """What the configurations say of these layers."""
    return {path: leaf.settings for path, leaf in described(found)}


def place(
    groups: Mapping[str, list[Bucket]],
    architecture: ConfigLayer | None,
    *,
    numbers_directions: bool,
    hides_frozen: bool,
) -> Places:
    """Names for all buckets in GROUPS, which are keyed by top-level layer.

    NUMBERS_DIRECTIONS: whether `kernel_1` is the backward half of a Bidirectional rather than a second stacked cell.
    HIDES_FROZEN: whether a model frozen as a whole leaves no mark in the architecture.

    Raises:
        CorruptModel: the architecture names an LSTM layer that has no arrays, or arrays of another size.
    """
    found: list[Place] = []
    leaves_by_group = _leaves_by_group(groups, architecture)
    for group, buckets in groups.items():
        leaves = leaves_by_group.get(group, [])
        matched = match.match(buckets, leaves, hides_frozen=hides_frozen)
        rank = {id(leaf): index for index, leaf in enumerate(leaves)}
        in_order = sorted(range(len(buckets)), key=lambda i: rank[id(matched[i])] if i in matched else len(rank))
        naming = _Naming(buckets, numbers_directions=numbers_directions)
        found.extend(naming.place(buckets[index], matched.get(index)) for index in in_order)
    if architecture is not None and found:
        _insist_on_arrays(architecture, found)
    once, repeats = _without_repeats(found, groups)
    named = _told_apart(without_automatic_names(once))
    suspected = tuple(_suspected_repeats(named))
    return Places(tuple(named), (*repeats, *suspected), countable=not suspected)


def _leaves_by_group(groups: Mapping[str, list[Bucket]], architecture: ConfigLayer | None) -> dict[str, list[Leaf]]:
    """The leaves of the architecture whose arrays lie in each group."""
    if architecture is None:
        return {}
    found: dict[str, list[Leaf]] = {}
    placed = _places_by_name(architecture)
    nameless = (child for _, child in architecture.children if child.name is None)
    for group in groups:
        if group in placed:
            node, around = placed[group]
            found[group] = list(expected_layers.leaves(node, around))
        elif (inner := next(nameless, None)) is not None:
            found[group] = list(expected_layers.leaves(inner, ((group,),)))
    return found


def _places_by_name(architecture: ConfigLayer) -> dict[str, tuple[ConfigLayer, Steps]]:
    """Each layer by its name, those at the top first, with the names around it.

    A group's layer is not always at the top: a Merge of Keras 1 is stored as the layers within it.
    """
    placed: dict[str, tuple[ConfigLayer, Steps]] = {}
    waiting: list[tuple[ConfigLayer, Steps]] = [(child, ()) for _, child in architecture.children]
    for layer, around in waiting:  # outer before inner: the list grows while it is gone through
        if layer.name is not None:
            placed.setdefault(layer.name, (layer, around))
        inner = around if layer.name is None else (*around, (layer.name,))
        waiting.extend((child, inner) for _, child in layer.children)
    return placed


class _Naming:
    """The names of the layers in one group, whose BUCKETS these are."""

    def __init__(self, buckets: list[Bucket], *, numbers_directions: bool) -> None:
        self._alone = len({bucket.scope.partition("/")[0] for bucket in buckets}) == 1
        self._numbers_directions = numbers_directions
        self._turns: dict[str, list[int]] = {}
        for bucket in buckets:
            if bucket.units is not None:
                self._turns.setdefault(bucket.scope, []).append(bucket.number)

    def place(self, bucket: Bucket, leaf: Leaf | None) -> Place:
        """The place of BUCKET, which LEAF of the architecture describes, if there is one."""
        if leaf is None:
            return Place(self._path(bucket), None, bucket, None)
        path = leaf.path_in(bucket.scope)
        if leaf.is_lstm:
            return Place(path, leaf.layer.kind, bucket, leaf)
        rest = keras_names.below(bucket.scope, path[-1], alone=self._alone) if leaf.kept_in(bucket.scope) else ()
        own = not rest or (len(rest) == 1 and automatic_names.is_cell(rest[0]) and leaf.is_gated)
        return Place(path if own else (*path, *rest), leaf.layer.kind if own and leaf.is_gated else None, bucket, leaf)

    def _path(self, bucket: Bucket) -> LayerPath:
        path = (bucket.group, *keras_names.below(bucket.scope, bucket.group, alone=self._alone))
        turns = self._turns.get(bucket.scope, [])
        if bucket.units is None or len(turns) < 2:
            return path
        turn = turns.index(bucket.number)
        directions = self._numbers_directions and len(turns) == 2
        return (*path, ("forward", "backward")[turn] if directions else f"cell_{turn}")


def _insist_on_arrays(architecture: ConfigLayer, found: list[Place]) -> None:
    """Every LSTM layer that the architecture names for certain has arrays, once if it is shared."""
    taken = {(id(place.leaf.layer), place.leaf.steps[-1:]) for place in found if place.leaf}
    shared = {place.leaf.shared for place in found if place.leaf and place.leaf.shared}
    for _, child in architecture.children:
        for leaf in expected_layers.leaves(child):
            if not leaf.is_lstm or not leaf.certain or leaf.shared in shared:
                continue
            if (id(leaf.layer), leaf.steps[-1:]) not in taken:
                name = "/".join(forms[0] for forms in leaf.steps) or "without a name"
                raise CorruptModel(f"config and arrays disagree: the configuration names an LSTM layer {name}, "
                                   "but no arrays are stored for it")  # fmt: skip


def _without_repeats(found: list[Place], groups: Collection[str]) -> tuple[list[Place], list[str]]:
    """FOUND with each shared layer once, where the file shows that it is one."""
    once: list[Place] = []
    notes: list[str] = []
    seen: dict[object, Place] = {}
    for candidate in found:
        mark = _shared_mark(candidate, groups)
        first = candidate if mark is None else seen.setdefault(mark, candidate)
        if first is candidate:
            once.append(candidate)
        else:
            notes.append(f"{'/'.join(candidate.path)} is the layer {'/'.join(first.path)} once more: counted once")
    return once, notes


def _shared_mark(candidate: Place, groups: Collection[str]) -> object:
    """What two copies of a shared layer have in common, or None where nothing shows that it is shared.

    Keras 2.5 and later number shared objects. Keras 3 names a variable by the model in which it was built: a scope that
    starts with the name of a top-level model is that model's, also where another model's group repeats it.
    """
    if candidate.leaf is None:
        return None
    if candidate.leaf.shared is not None:
        return candidate.leaf.shared
    builder = candidate.bucket.scope.partition("/")[0]
    return (candidate.bucket.scope, candidate.bucket.number) if builder in groups and len(candidate.path) > 1 else None


def _suspected_repeats(found: list[Place]) -> Iterator[str]:
    """Arrays of one full name in two groups are one variable, or two of models whose layers are named alike."""
    seen: dict[object, Place] = {}
    for candidate in found:
        bucket = candidate.bucket
        name = bucket.scope or candidate.path[-1]  # Keras 3.0 stores no scope
        if bucket.units is None:
            continue
        shapes = tuple(tensor.shape for tensor in candidate.arrays.values())
        first = seen.setdefault((name, bucket.number, shapes), candidate)
        if first.bucket.group != bucket.group:
            both = f"{'/'.join(first.path)} and {'/'.join(candidate.path)}"
            yield f"{both} have one name and one shape: they may be one shared layer, stored twice and not marked"


def _told_apart(found: list[Place]) -> list[Place]:
    """FOUND with no two arrays in one place: layers of one path whose arrays would clash go by their scopes."""
    leaves = Counter((candidate.path, leaf) for candidate in found for leaf in candidate.arrays)
    clashing = {path for (path, _), times in leaves.items() if times > 1}

    def apart(candidate: Place) -> Place:
        bucket = candidate.bucket
        if candidate.path not in clashing:
            return candidate
        return candidate._replace(path=(bucket.group, *bucket.scope.split("/"), str(bucket.number)))

    return [apart(candidate) for candidate in found]


def without_automatic_names(found: list[Place]) -> list[Place]:
    """FOUND without the names that Keras chose for a stack of cells, and for a cell that is its layer's only one."""
    unstacked = [candidate._replace(path=automatic_names.without_stack(candidate.path)) for candidate in found]
    beside = Counter(candidate.path[:-1] for candidate in unstacked)
    taken = {candidate.path for candidate in unstacked}

    def bare(candidate: Place) -> Place:
        *parent, last = candidate.path
        only = beside[tuple(parent)] == 1 and tuple(parent) not in taken
        if parent and only and automatic_names.is_cell(last) and _may_be_unnamed(candidate.leaf):
            return candidate._replace(path=tuple(parent))
        return candidate

    return [bare(candidate) for candidate in unstacked]


def _may_be_unnamed(leaf: Leaf | None) -> bool:
    """Whether what LEAF holds may be a cell that is its layer's only one: an LSTM layer keeps the name it was given."""
    return leaf is None or (not kind_named(leaf.layer.kind).is_layer and leaf.in_stack < 2)
