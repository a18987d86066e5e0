"""The layers of a `.weights.h5`, with the names and classes of the architecture or, without one, of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lstmdump.errors import CorruptModel
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath
from lstmdump.readers.keras.architecture.config import (
    CONTAINERS,
    NO_WRAPPERS,
    ConfigLayer,
    WrapperContext,
    context_within,
)
from lstmdump.readers.keras.architecture.expected_layers import (
    LeafLayer,
    expected_but_missing,
    find_leaf_layers,
    is_recurrent,
    stated_units,
)
from lstmdump.readers.keras.architecture.match import Bucket, find_disagreement
from lstmdump.readers.keras.architecture.names import is_automatic_cell, tell_apart
from lstmdump.readers.keras.architecture.placement import PlacedLayer, drop_names_of_keras
from lstmdump.readers.keras.weights_h5.groups import LISTS, VariableGroup
from lstmdump.readers.keras.weights_h5.match_groups import GroupMatch, match_groups

_RECURRENT = ("kernel", "recurrent_kernel", "bias")


class _GroupContext(NamedTuple):
    """The context of the layer in a group, from the layers around it.

    Attributes:
        path: the names of the layers around it; once the layer is known, including its own.
        certain: whether all layers around it are of Keras's own classes, so that its arrays must be stored.
        in_stack: the number of cells in the same stack.
        wrappers: the wrappers around it.
    """

    path: LayerPath = ()
    certain: bool = True
    in_stack: int = 0
    wrappers: WrapperContext = NO_WRAPPERS


class _GroupWalk:
    """A pass over the groups of the file and the layers of the architecture in parallel.

    The name of a group identifies a layer only within its parent (class and number), so groups and layers are matched
    level by level, from the root down. A shared layer is stored once, under the model that Keras visited first. The
    walk visits layers in the same order and remembers them, as the later copies have no group; layers without a group
    are collected in `absent`, to be checked when all groups have been visited.
    """

    def __init__(self, *, is_keras_2: bool, has_names: bool) -> None:
        self._is_keras_2 = is_keras_2
        self._has_names = has_names
        self._met: set[object] = set()
        self.absent: list[tuple[ConfigLayer, _GroupContext]] = []

    def known(self, layer: ConfigLayer) -> bool:
        """Return whether a layer with this name, class and content was visited before."""
        return layer.shared_id in self._met or _shared_key(layer) in self._met

    def place_group(
        self, stored: VariableGroup, layer: ConfigLayer | None, around: _GroupContext
    ) -> Iterator[PlacedLayer]:
        """Yield the places of all arrays in a group and in the groups below it.

        Args:
            stored: the group.
            layer: the layer it belongs to, if the architecture lists it.
            around: the context of the layer, with its own path.
        """
        cell = _find_own_cell(stored, layer) if around.path else None
        if stored.arrays or cell is not None:
            yield _place_arrays(stored, cell, layer, around)
        if layer is None or not layer.children:
            for child in stored.in_order():
                for one in child.in_order() if child is cell else [child]:
                    yield from self._place_unlisted(one, around)
            return
        inner = _GroupContext(around.path, around.certain and layer.kind in CONTAINERS, _count_stacked(layer))
        for pair in list(match_groups(stored, layer, is_keras_2=self._is_keras_2, known=self.known)):
            wrappers = pair.layer and context_within(layer, pair.layer, around.wrappers, pair.direction)
            yield from self._place_match(pair, inner._replace(wrappers=wrappers or NO_WRAPPERS))

    def _place_match(self, pair: GroupMatch, around: _GroupContext) -> Iterator[PlacedLayer]:
        if pair.layer is None:
            if pair.stored is not None:
                yield from self._place_unlisted(pair.stored, around)
        elif pair.stored is None:
            self.absent.append((pair.layer, around))
        else:
            name = pair.stored.name or (pair.layer.name and pair.prefix + pair.layer.name) or pair.stored.key
            yield from self.place_group(pair.stored, pair.layer, around._replace(path=(*around.path, name)))
            if not any(stored.arrays for stored in pair.stored.walk()):
                self.absent.append((pair.layer, around))
            self._met.update(_list_keys(pair.layer))

    def _place_unlisted(self, stored: VariableGroup, around: _GroupContext) -> Iterator[PlacedLayer]:
        """Yield the places of the arrays in a group that the architecture does not list, with the names of the file."""
        silent = stored.key in LISTS or (self._has_names and not stored.is_layer)
        silent = silent or (stored.key in ("cell", "cells") and bool(around.path))
        path = around.path if silent and stored.name is None else (*around.path, stored.name or stored.key)
        yield from self.place_group(stored, None, _GroupContext(path, certain=False))


def place_groups(
    root: VariableGroup, architecture: ConfigLayer | None, *, is_keras_2: bool, has_names: bool
) -> list[PlacedLayer]:
    """Return the place of every array below `root`, in the order of the model.

    Args:
        root: the groups of the file.
        architecture: the configuration of the model, if there is one.
        is_keras_2: whether Keras 2 wrote the file.
        has_names: whether the file stores the names of the layers.

    Raises:
        CorruptModel: The architecture names an LSTM layer that has no arrays, or arrays of another size.
    """
    walk = _GroupWalk(is_keras_2=is_keras_2, has_names=has_names)
    found = list(walk.place_group(root, architecture, _GroupContext()))
    for place in found:
        if place.leaf is not None and (words := find_disagreement(place.bucket, place.leaf)) is not None:
            raise CorruptModel(words)
    if found:
        _require_arrays(walk, found)
    return _tell_places_apart(drop_names_of_keras(found))


def _find_own_cell(stored: VariableGroup, layer: ConfigLayer | None) -> VariableGroup | None:
    """Return the cell in `stored` if it is part of the layer, as in an LSTM; the cell of an RNN is a layer itself."""
    cell = stored.children.get("cell")
    if cell is None or not cell.arrays or (layer is not None and layer.children):
        return None
    automatic = cell.name is None or is_automatic_cell(cell.name)
    return cell if automatic or (layer is not None and is_recurrent(layer)) else None


def _place_arrays(
    stored: VariableGroup, cell: VariableGroup | None, layer: ConfigLayer | None, around: _GroupContext
) -> PlacedLayer:
    path = around.path or tuple(stored.path.split("/")) if stored.path else ("vars",)
    holder = stored if cell is None else cell
    leaf = None
    if layer is not None:
        steps = tuple((name,) for name in around.path)
        leaf = LeafLayer(steps, layer, around.certain, False, around.in_stack, None, around.wrappers)
    arrays = _name_arrays(holder, is_lstm=leaf is not None and leaf.is_lstm)
    has_class = leaf is not None and (leaf.is_recurrent or (holder is stored and _RECURRENT[0] in arrays))
    if holder is cell:
        arrays |= {f"vars/{key}": tensor for key, tensor in stored.arrays.items()}
    bucket = Bucket("", holder.path, 0, arrays)
    return PlacedLayer(path, leaf.layer.kind if leaf is not None and has_class else None, bucket, leaf)


def _name_arrays(holder: VariableGroup, *, is_lstm: bool) -> dict[str, Tensor]:
    """Return the arrays of `holder`, under the names of an LSTM's arrays if it is one by class or by shapes."""
    tensors = list(holder.arrays.values())
    count = min(len(tensors), 3) if is_lstm else _count_lstm_arrays([tensor.shape for tensor in tensors])
    names = [*_RECURRENT[:count], *(f"{holder.key}/vars/{key}" for key in list(holder.arrays)[count:])]
    return dict(zip(names, tensors, strict=True))


def _count_lstm_arrays(shapes: list[tuple[int, ...]]) -> int:
    """Return how many of the leading `shapes` form an LSTM: (d, 4m), (m, 4m) and optionally a bias (4m,) or (8m,)."""
    if len(shapes) < 2 or len(shapes[0]) != 2 or len(shapes[1]) != 2:
        return 0
    units = shapes[1][0]
    if not units or shapes[1][1] != 4 * units or shapes[0][1] != 4 * units:
        return 0
    return 3 if shapes[2:3] in ([(4 * units,)], [(8 * units,)]) else 2


def _require_arrays(walk: _GroupWalk, found: list[PlacedLayer]) -> None:
    """Check that every LSTM layer that must have arrays, but has no group, is a copy of a layer in `found`."""
    stored = {_shared_key(place.leaf.layer) for place in found if place.leaf is not None}
    expected = (
        leaf
        for layer, around in walk.absent
        if around.certain
        for leaf in find_leaf_layers(layer, tuple((name,) for name in around.path))
    )
    words = expected_but_missing(expected, lambda leaf: _shared_key(leaf.layer) in stored)
    if words is not None:
        raise CorruptModel(words)


def _tell_places_apart(found: list[PlacedLayer]) -> list[PlacedLayer]:
    """Return `found` with unique names of arrays: of layers with one path, all but the first are named by groups."""

    def by_group(_: LayerPath, clashing: Sequence[int]) -> Iterator[LayerPath]:
        return (tuple(found[index].bucket.scope.split("/")) for index in clashing)

    names = [one.arrays.keys() for one in found]
    paths = tell_apart([one.path for one in found], names, by_group, keep_first=True)
    return [one._replace(path=path) for one, path in zip(found, paths, strict=True)]


def _count_stacked(layer: ConfigLayer) -> int:
    return len(layer.children) if layer.kind == "StackedRNNCells" else 0


def _list_keys(layer: ConfigLayer) -> Iterator[object]:
    for one in layer.walk():
        yield _shared_key(one)
        if one.shared_id is not None:
            yield one.shared_id


def _shared_key(layer: ConfigLayer) -> tuple[object, ...]:
    """Return a key that is equal for all copies of a shared layer."""
    inner = tuple(_shared_key(child) for _, child in layer.children)
    return (layer.kind, layer.name, stated_units(layer), inner)


def collect_kinds(found: list[PlacedLayer]) -> Mapping[LayerPath, str]:
    """Return the classes that the architecture states, by the path of the layer."""
    return {place.path: place.kind for place in found if place.kind is not None}
