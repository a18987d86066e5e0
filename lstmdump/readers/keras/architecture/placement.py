"""The placement of the arrays of a Keras HDF5 file: the path and the class of the layer that each belongs to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from lstmdump.errors import CorruptModel
from lstmdump.model.cell_classes import class_named
from lstmdump.model.limits import Limits
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import DeferredSettings
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer, LayerPath, Sources
from lstmdump.readers.keras.architecture.config import ConfigLayer
from lstmdump.readers.keras.architecture.expected_layers import LeafLayer, Steps, expected_but_missing, find_leaf_layers
from lstmdump.readers.keras.architecture.match import Bucket, match_buckets
from lstmdump.readers.keras.architecture.names import drop_automatic_names, is_automatic_cell, names_below, tell_apart

if TYPE_CHECKING:
    from lstmdump.model.network import NetworkDescription


class PlacedLayer(NamedTuple):
    """The arrays of one layer, with the place of the layer in the model.

    Attributes:
        path: the names of the layers around it and its own.
        kind: its class, if the file states it.
        bucket: the arrays.
        leaf: the layer of the architecture that describes it, if there is one.
    """

    path: LayerPath
    kind: str | None
    bucket: Bucket
    leaf: LeafLayer | None

    @property
    def arrays(self) -> Mapping[str, Tensor]:
        """The arrays by their names within the layer."""
        return self.bucket.arrays


class Placement(NamedTuple):
    """All layers with arrays, in the order of the model.

    Attributes:
        found: the layers.
        notes: notes on the layers.
        countable: whether the parameters can be counted, as no layer may be stored twice without a mark.
    """

    found: tuple[PlacedLayer, ...]
    notes: tuple[str, ...]
    countable: bool

    @property
    def kinds(self) -> dict[LayerPath, str]:
        """The classes that the file states, by path."""
        return {place.path: place.kind for place in self.found if place.kind is not None}

    @property
    def described(self) -> list[tuple[LayerPath, LeafLayer]]:
        """The layers whose classes the file states, each with the layer of the architecture that describes it."""
        return collect_described(self.found)

    @property
    def settings(self) -> dict[LayerPath, DeferredSettings]:
        """The settings that the configurations state, by path."""
        return collect_settings(self.found)


def collect_placed(found: Iterable[PlacedLayer]) -> list[tuple[LayerPath, LeafLayer]]:
    """Return all layers of `found` that the architecture describes, each with the layer that describes it."""
    return [(place.path, place.leaf) for place in found if place.leaf is not None]


def collect_described(found: Iterable[PlacedLayer]) -> list[tuple[LayerPath, LeafLayer]]:
    """Return the layers of `found` whose classes the file states, each with the layer that describes it."""
    return [(place.path, place.leaf) for place in found if place.kind is not None and place.leaf is not None]


def find_sources_later(
    architecture: ConfigLayer | None, described: Sequence[tuple[LayerPath, LeafLayer]], root: Layer
) -> Callable[[], Sources]:
    """Return a function that returns the sources of all layers; it can be called after the file is closed.

    Args:
        architecture: the configuration of the model, if there is one.
        described: the layers that the architecture describes, by path.
        root: the tree of all layers.
    """

    def work_out() -> Sources:
        from lstmdump.readers.keras.architecture.topology import find_sources

        return {} if architecture is None else find_sources(architecture, described, root)

    return work_out


def describe_network_later(
    architecture: ConfigLayer | None,
    described: Sequence[tuple[LayerPath, LeafLayer]],
    root: Layer,
    producer: str,
    limits: Limits,
) -> Callable[[], NetworkDescription | None]:
    """Return a function that returns the network of a model.

    Args:
        architecture: the configuration of the model, if there is one.
        described: the layers that hold arrays, by path, with their places in the architecture.
        root: the tree of all layers.
        producer: the program that wrote the model.
        limits: the limits of the model.
    """

    def work_out() -> NetworkDescription | None:
        from lstmdump.readers.keras.architecture.network import describe_network

        return None if architecture is None else describe_network(architecture, described, root, producer, limits)

    return work_out


def collect_settings(found: Iterable[PlacedLayer]) -> dict[LayerPath, DeferredSettings]:
    """Return the settings that the configurations state for the layers in `found`, by path."""
    return {path: leaf.settings for path, leaf in collect_described(found)}


def place_layers(
    groups: Mapping[str, list[Bucket]],
    architecture: ConfigLayer | None,
    *,
    numbers_directions: bool,
    hides_frozen: bool,
) -> Placement:
    """Return the place in the model of all arrays of a file.

    For each group, arrays are matched to layers of the architecture (`match.py`): matched arrays get the names of the
    architecture, the others those of the file. Then, for all groups together, copies of shared layers and automatic
    names are dropped, and layers that would get the same path are named after their scopes.

    Args:
        groups: the arrays of each layer, by the top-level layer under which they are stored.
        architecture: the configuration of the model, if the file has one.
        numbers_directions: whether `kernel_1` is the backward half of a Bidirectional and not a second stacked cell.
        hides_frozen: whether the architecture does not record that a whole model is frozen.

    Raises:
        CorruptModel: The architecture names an LSTM layer that has no arrays, or arrays of another size.
    """
    found: list[PlacedLayer] = []
    leaves_by_group = _find_leaves_by_group(groups, architecture)
    for group, buckets in groups.items():
        if not buckets:
            continue
        leaves = leaves_by_group.get(group, [])
        matched = match_buckets(buckets, leaves, hides_frozen=hides_frozen)
        rank = {id(leaf): index for index, leaf in enumerate(leaves)}
        in_order = sorted(range(len(buckets)), key=lambda i: rank[id(matched[i])] if i in matched else len(rank))
        naming = _GroupNaming(buckets, numbers_directions=numbers_directions)
        found.extend(naming.place_bucket(buckets[index], matched.get(index)) for index in in_order)
    if architecture is not None and found:
        _require_arrays(architecture, found)
    once, repeats = _drop_repeats(found, groups)
    named = _tell_places_apart(drop_names_of_keras(once))
    suspected = tuple(_note_suspected_repeats(named))
    return Placement(tuple(named), (*repeats, *suspected), countable=not suspected)


def _find_leaves_by_group(
    groups: Mapping[str, list[Bucket]], architecture: ConfigLayer | None
) -> dict[str, list[LeafLayer]]:
    """Return the layers of the architecture that may have arrays in each group.

    A group has the name of its layer. A Sequential up to Keras 2.2.2 has no name: such layers are assigned in order to
    the groups that no layer is named after.
    """
    if architecture is None:
        return {}
    found: dict[str, list[LeafLayer]] = {}
    placed = _find_by_name(architecture)
    nameless = (child for _, child in architecture.children if child.name is None)
    for group in groups:
        if group in placed:
            node, around = placed[group]
            found[group] = list(find_leaf_layers(node, around))
        elif (inner := next(nameless, None)) is not None:
            found[group] = list(find_leaf_layers(inner, ((group,),)))
    return found


def _find_by_name(architecture: ConfigLayer) -> dict[str, tuple[ConfigLayer, Steps]]:
    """Return each layer by its name, with the names around it; of two layers of one name, the outer one.

    The layer of a group is not always at the top level: a Merge of Keras 1 is stored as the layers within it.
    """
    placed: dict[str, tuple[ConfigLayer, Steps]] = {}
    waiting: list[tuple[ConfigLayer, Steps]] = [(child, ()) for _, child in architecture.children]
    for layer, around in waiting:  # breadth first, outer before inner: the list grows in the loop
        if layer.name is not None:
            placed.setdefault(layer.name, (layer, around))
        inner = around if layer.name is None else (*around, (layer.name,))
        waiting.extend((child, inner) for _, child in layer.children)
    return placed


class _GroupNaming:
    """Names the layers whose arrays are in one group."""

    def __init__(self, buckets: list[Bucket], *, numbers_directions: bool) -> None:
        self._alone = len({bucket.scope.partition("/")[0] for bucket in buckets}) == 1
        self._numbers_directions = numbers_directions
        self._turns: dict[str, list[int]] = {}
        for bucket in buckets:
            if bucket.units is not None:
                self._turns.setdefault(bucket.scope, []).append(bucket.number)

    def place_bucket(self, bucket: Bucket, leaf: LeafLayer | None) -> PlacedLayer:
        """Return the place of `bucket`, which matches `leaf` of the architecture, if that is given.

        A layer that is not an LSTM may be of a class of the user that contains layers which the architecture does not
        list. Then the rest of the scope, after the name of the layer, is the path within it.
        """
        if leaf is None:
            return PlacedLayer(self._build_path(bucket), None, bucket, None)
        path = leaf.path_in(bucket.scope)
        if leaf.is_lstm:
            return PlacedLayer(path, leaf.layer.kind, bucket, leaf)
        # Names may repeat, as in `hand/hand`, the cell `hand` of the layer `hand`: the scope begins with the second.
        named = leaf.scope_from(bucket.scope)
        rest = () if named is None else names_below(named, path[-1], alone=self._alone)
        is_only_cell = len(rest) == 1 and is_automatic_cell(rest[0]) and leaf.is_gated
        own = not rest or is_only_cell or class_named(leaf.layer.kind).is_other  # a GRU contains no other layers
        is_recurrent = leaf.is_recurrent or (named is not None and bucket.units is not None)
        return PlacedLayer(
            path if own else (*path, *rest), leaf.layer.kind if own and is_recurrent else None, bucket, leaf
        )

    def _build_path(self, bucket: Bucket) -> LayerPath:
        path = (bucket.group, *names_below(bucket.scope, bucket.group, alone=self._alone))
        turns = self._turns.get(bucket.scope, [])
        if bucket.units is None or len(turns) < 2:
            return path
        turn = turns.index(bucket.number)
        directions = self._numbers_directions and len(turns) == 2
        return (*path, ("forward", "backward")[turn] if directions else f"cell_{turn}")


def _require_arrays(architecture: ConfigLayer, found: list[PlacedLayer]) -> None:
    """Check that every LSTM layer that must have arrays is in `found`; a shared layer is stored once."""
    taken = {(id(place.leaf.layer), place.leaf.steps[-1:]) for place in found if place.leaf}
    shared = {place.leaf.shared for place in found if place.leaf and place.leaf.shared}
    expected = (leaf for _, child in architecture.children for leaf in find_leaf_layers(child))

    def is_stored(leaf: LeafLayer) -> bool:
        return leaf.shared in shared or (id(leaf.layer), leaf.steps[-1:]) in taken

    if (words := expected_but_missing(expected, is_stored)) is not None:
        raise CorruptModel(words)


def _drop_repeats(found: list[PlacedLayer], groups: Collection[str]) -> tuple[list[PlacedLayer], list[str]]:
    """Return `found` with each layer that is marked as shared only once, and notes on the dropped copies."""
    once: list[PlacedLayer] = []
    notes: list[str] = []
    seen: dict[object, PlacedLayer] = {}
    for candidate in found:
        mark = _find_shared_mark(candidate, groups)
        first = candidate if mark is None else seen.setdefault(mark, candidate)
        if first is candidate:
            once.append(candidate)
        else:
            notes.append(f"{'/'.join(candidate.path)} is the same layer as {'/'.join(first.path)}: counted once")
    return once, notes


def _find_shared_mark(candidate: PlacedLayer, groups: Collection[str]) -> object:
    """Return a key that is equal for all copies of a shared layer, or None if nothing shows that it is shared.

    Keras 2.5 and later number shared objects. Keras 3 names a variable after the model in which it was built: a scope
    that starts with the name of a top-level model belongs to that model, even if the group of another model repeats it.
    """
    if candidate.leaf is None:
        return None
    if candidate.leaf.shared is not None:
        return candidate.leaf.shared
    builder = candidate.bucket.scope.partition("/")[0]
    return (candidate.bucket.scope, candidate.bucket.number) if builder in groups and len(candidate.path) > 1 else None


def _note_suspected_repeats(found: list[PlacedLayer]) -> Iterator[str]:
    """Yield a note for each two layers with the same full name in two groups, as they may be one shared layer."""
    seen: dict[object, PlacedLayer] = {}
    for candidate in found:
        bucket = candidate.bucket
        name = bucket.scope or candidate.path[-1]  # Keras 3.0 stores no scope
        if bucket.units is None:
            continue
        shapes = tuple(tensor.shape for tensor in candidate.arrays.values())
        first = seen.setdefault((name, bucket.number, shapes), candidate)
        if first.bucket.group != bucket.group:
            both = f"{'/'.join(first.path)} and {'/'.join(candidate.path)}"
            yield f"{both} have the same name and shape: they may be one shared layer, stored twice and not marked"


def _tell_places_apart(found: list[PlacedLayer]) -> list[PlacedLayer]:
    """Return `found` with unique names of arrays: layers that would clash are named after their scopes in the file."""

    def by_scope(_: LayerPath, clashing: Sequence[int]) -> Iterator[LayerPath]:
        buckets = (found[index].bucket for index in clashing)
        return ((bucket.group, *bucket.scope.split("/"), str(bucket.number)) for bucket in buckets)

    paths = tell_apart([one.path for one in found], [one.arrays.keys() for one in found], by_scope)
    return _with_paths(found, paths)


def _with_paths(found: list[PlacedLayer], paths: Sequence[LayerPath]) -> list[PlacedLayer]:
    return [one if path == one.path else one._replace(path=path) for one, path in zip(found, paths, strict=True)]


def drop_names_of_keras(found: list[PlacedLayer]) -> list[PlacedLayer]:
    """Return `found` without automatic names in the paths."""
    paths = drop_automatic_names([one.path for one in found], [_may_be_only_cell(one.leaf) for one in found])
    return _with_paths(found, paths)


def _may_be_only_cell(leaf: LeafLayer | None) -> bool:
    """Return whether `leaf` may be the only cell of a layer, and not a whole layer, which keeps its name."""
    return leaf is None or (not class_named(leaf.layer.kind).is_layer and leaf.in_stack < 2)
