"""Exports in the style of TensorFlow 1, which contain Keras's architecture and a checkpoint of objects."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from lstmdump.errors import CorruptModel
from lstmdump.model.location import Location
from lstmdump.model.tree import LayerPath
from lstmdump.readers import json_text
from lstmdump.readers.keras.architecture.config import ConfigLayer, parse_architecture
from lstmdump.readers.keras.architecture.expected_layers import LeafLayer, find_leaf_layers
from lstmdump.readers.tensorflow.objects.keras_names import Named, drop_names_of_keras

_STACKED = re.compile(r"cell_(\d{1,9})")


def architecture(file: Location) -> ConfigLayer | None:
    """Return the architecture in `file`, or None if the file does not exist.

    Raises:
        CorruptModel: The file cannot be read, or is not an architecture.
        RefusedModel: The file exceeds one of the limits.
    """
    if not file.is_file():
        return None
    try:
        return parse_architecture(json_text.content(file).decode("utf-8"), f"assets/{file.name}", file.limits)
    except (OSError, ValueError) as error:
        raise CorruptModel(f"assets/{file.name} cannot be read: {error}") from error


def add_architecture(named: Sequence[Named], known: ConfigLayer) -> Sequence[Named]:
    """Return `named` with the classes and paths that the architecture `known` states for layers of these names."""
    updated = [_describe(one, leaf) for one, leaf in _match_leaves(named, known)]
    clashing = {path for path, times in Counter(one.path for one in updated).items() if times > 1}
    return drop_names_of_keras(
        [before if after.path in clashing else after for before, after in zip(named, updated, strict=True)]
    )


def find_described(named: Sequence[Named], known: ConfigLayer) -> list[tuple[LayerPath, LeafLayer]]:
    """Return the path of each of `named` that the architecture `known` describes, with its layer there."""
    return [(one.path, leaf) for one, leaf in _match_leaves(named, known) if leaf is not None]


def _match_leaves(named: Sequence[Named], known: ConfigLayer) -> list[tuple[Named, LeafLayer | None]]:
    """Return each of `named` with the layer of the architecture `known` that has all its names, if it is the only one.

    The names must be in the same order, but the layer may have others between them.
    """
    leaves = [leaf for _, child in known.children for leaf in find_leaf_layers(child)]
    by_name: dict[str, list[LeafLayer]] = {}
    for leaf in leaves:
        for name in {form for forms in leaf.steps for form in forms}:
            by_name.setdefault(name, []).append(leaf)
    return [(one, _find_leaf(one, leaves, by_name)) for one in named]


def _find_leaf(one: Named, leaves: Sequence[LeafLayer], by_name: Mapping[str, Sequence[LeafLayer]]) -> LeafLayer | None:
    path, turn = one.path, None
    if (number := _STACKED.fullmatch(path[-1])) and len(one.holder.way) > 1 and one.holder.way[-2][0] == "cells":
        path, turn = path[:-1], int(number[1])
    fitting = [leaf for leaf in (by_name.get(path[-1], ()) if path else leaves) if _has_names(leaf, path)]
    if turn is not None:
        fitting = fitting[turn : turn + 1]
    return fitting[0] if len(fitting) == 1 else None


def _describe(one: Named, leaf: LeafLayer | None) -> Named:
    if leaf is None:
        return one
    steps = tuple(forms[0] for forms in leaf.steps)
    return (
        one._replace(path=steps, kind=leaf.layer.kind, settings=leaf.settings)
        if leaf.is_gated
        else one._replace(path=steps)
    )


def _has_names(leaf: LeafLayer, path: LayerPath) -> bool:
    steps = iter(leaf.steps)
    return all(any(name in forms for forms in steps) for name in path)
