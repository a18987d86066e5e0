"""Exports in the style of TensorFlow 1, which hold Keras's architecture beside a checkpoint of objects."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from lstmdump.errors import CorruptModel
from lstmdump.locations import Location
from lstmdump.model import LayerPath
from lstmdump.readers import json_text, keras_config, keras_leaves
from lstmdump.readers.keras_leaves import Leaf
from lstmdump.readers.keras_objects import Named, without_automatic_names

_STACKED = re.compile(r"cell_(\d{1,9})")


def with_architecture(named: Sequence[Named], file: Location) -> Sequence[Named]:
    """NAMED with the classes, and the names around and below, that the architecture in FILE has for layers so called.

    Raises:
        CorruptModel: the file cannot be read, or holds no architecture.
        RefusedModel: it goes past one of the limits.
    """
    if not file.is_file():
        return named
    try:
        architecture = keras_config.parse(json_text.content(file).decode("utf-8"), f"assets/{file.name}", file.limits)
    except (OSError, ValueError) as error:
        raise CorruptModel(f"assets/{file.name} cannot be read: {error}") from error
    found = [leaf for _, child in architecture.children for leaf in keras_leaves.leaves(child)]
    told = [_as_described(one, found) for one in named]
    clashing = {path for path, times in Counter(one.path for one in told).items() if times > 1}
    return without_automatic_names(
        [before if after.path in clashing else after for before, after in zip(named, told, strict=True)]
    )


def _as_described(one: Named, leaves: Sequence[Leaf]) -> Named:
    """ONE as the only leaf of the architecture describes it that has all its names, in their order."""
    path, turn = one.path, None
    if (number := _STACKED.fullmatch(path[-1])) and len(one.holder.way) > 1 and one.holder.way[-2][0] == "cells":
        path, turn = path[:-1], int(number[1])
    fitting = [leaf for leaf in leaves if _names_all(leaf, path)]
    if turn is not None:
        fitting = fitting[turn : turn + 1]
    if len(fitting) != 1:
        return one
    steps = tuple(forms[0] for forms in fitting[0].steps)
    if not fitting[0].is_gated:
        return one._replace(path=steps)
    return one._replace(path=steps, kind=fitting[0].layer.kind, settings=fitting[0].settings)


def _names_all(leaf: Leaf, path: LayerPath) -> bool:
    steps = iter(leaf.steps)
    return all(any(name in forms for forms in steps) for name in path)
