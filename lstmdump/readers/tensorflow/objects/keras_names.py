"""What the layers in an object graph are called, and their classes, from what Keras left of them in the file.

Keras 2 stores JSON for each object of a SavedModel (and TensorFlow 1.13 for each in a checkpoint), with class and name.
Elsewhere the variables' full names must do, or the way from the root.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lstmdump.model.kinds import kind_named
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.tree import LayerPath
from lstmdump.readers import json_text
from lstmdump.readers.keras.architecture import automatic_names
from lstmdump.readers.keras.architecture import settings as keras_settings
from lstmdump.readers.keras.architecture.settings import Around, Settings
from lstmdump.readers.tensorflow.objects import scope_names
from lstmdump.readers.tensorflow.objects.graph import ObjectGraph
from lstmdump.readers.tensorflow.objects.weights import Holder, Way

Metadata = Mapping[int, Mapping[str, Any]]
"""Keras's JSON by the number of the node that it is about."""

_MODELS = frozenset({"Sequential", "Functional", "Model"})


class Named(NamedTuple):
    """A holder of variables with its path of names and, where the file tells them, its class and configuration."""

    holder: Holder
    path: LayerPath
    kind: str | None
    settings: Settings = {}  # noqa: RUF012 - the field of a tuple, which nothing writes to


def name(graph: ObjectGraph, found: Sequence[Holder], metadata: Metadata) -> list[Named]:
    """A path for each holder in FOUND, no two with the same."""
    described = [_described(holder, graph, metadata) for holder in found]
    named = [
        _without_own_cell(told or Named(holder, path, None))
        for holder, told, path in zip(found, described, scope_names.paths(graph, found), strict=True)
    ]
    return without_automatic_names(_told_apart(named))


def metadata_in(text: str | bytes, called: str, trusted: Limits = DEFAULTS) -> dict[str, Any] | None:
    """Keras's JSON in TEXT, which the message calls what it is CALLED; None where it describes nothing.

    Raises:
        CorruptModel: it is no JSON.
        RefusedModel: it goes past one of the limits.
    """
    value = json_text.parse(text, called, trusted)
    return value if isinstance(value, dict) else None


def _described(holder: Holder, graph: ObjectGraph, metadata: Metadata) -> Named | None:
    """HOLDER as the JSON of the objects on the way to it tells; None where it has none itself."""
    numbers = [0, *(number for _, number in holder.way)] if holder.way else []
    told = [metadata[number] for number in numbers if number in metadata]
    if not numbers or numbers[-1] not in metadata or not told:
        return None
    outermost_is_model = len(told) > 1 and _is_model(told[0], graph, numbers)
    names = [_text(value, "name") for value in (told[1:] if outermost_is_model else told)]
    path = tuple(step for step in names if step)
    return Named(holder, path, _kind(holder.way, told), _settings(holder.way, graph, metadata)) if path else None


def _is_model(told: Mapping[str, Any], graph: ObjectGraph, numbers: Sequence[int]) -> bool:
    """Whether the outermost object is a model, not a wrapper or a layer with a cell."""
    if _text(told, "class_name") in _MODELS:
        return True
    identifiers = [graph.nodes[number].identifier for number in numbers[:2]]
    return any(identifier.startswith(("_tf_keras_model", "_tf_keras_network", "_tf_keras_sequential"))
               for identifier in identifiers) or not isinstance(told.get("config"), dict)  # fmt: skip


def _kind(way: Way, told: Sequence[Mapping[str, Any]]) -> str | None:
    """Its class; for the one cell of a layer, the layer's, unless that is a plain RNN."""
    own = _text(told[-1], "class_name")
    if len(told) > 1 and way[-1][0] == "cell":
        around = _text(told[-2], "class_name")
        own = own if around == "RNN" else around
    return None if own is None else own.rpartition(">")[2]


def _settings(way: Way, graph: ObjectGraph, metadata: Metadata) -> Settings:
    """The configuration of what WAY leads to, as it is at work in what stands around it."""
    names, numbers = [edge for edge, _ in way], [0, *(number for _, number in way)]
    place = next(
        (place for place in (-1, -3) if names[place:][:1] == ["cell"] and names[place + 1 :][:1] != ["cell"]), None
    )
    layer = numbers[-1] if place is None else numbers[place - 1]
    around = Around(
        _direction(layer, numbers, graph),
        rnn=None if place is None else _config(metadata.get(layer, {})),
        follows=place == -3 and names[-1] != "0",
    )
    own = _config(metadata[numbers[-1]])
    return keras_settings.effective(own, around) if own else own


def _direction(layer: int, numbers: Sequence[int], graph: ObjectGraph) -> str:
    """Which half of a Bidirectional among the NUMBERS the node LAYER is: each has a configuration of its own."""
    for number in numbers:
        edges = graph.edges(number)
        for direction in ("forward", "backward"):
            if edges.get(f"{direction}_layer") == layer:
                return direction
    return ""


def _config(value: Mapping[str, Any]) -> Settings:
    found = value.get("config")
    return found if isinstance(found, dict) else {}


def _text(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    if found is None and isinstance(value.get("config"), dict):
        found = value["config"].get(key)
    return found if isinstance(found, str) else None


def _without_own_cell(one: Named) -> Named:
    """ONE without the name that Keras gave to the only cell of its layer."""
    *around, last = one.path
    is_cell = bool(one.holder.way) and one.holder.way[-1][0] == "cell"
    return one._replace(path=tuple(around)) if around and is_cell and automatic_names.is_cell(last) else one


def without_automatic_names(named: Sequence[Named]) -> list[Named]:
    """NAMED without the names that Keras chose for a stack of cells, and for a cell that is its layer's only one."""
    unstacked = [one._replace(path=automatic_names.without_stack(one.path)) for one in named]
    beside = Counter(one.path[:-1] for one in unstacked)
    taken = {one.path for one in unstacked}

    def bare(one: Named) -> Named:
        around = one.path[:-1]
        is_layer = bool(one.holder.way) and one.holder.way[-1][0] != "cell" and kind_named(one.kind).is_layer
        only = around and beside[around] == 1 and around not in taken
        return one._replace(path=around) if only and automatic_names.is_cell(one.path[-1]) and not is_layer else one

    return [bare(one) for one in unstacked]


def _told_apart(named: Sequence[Named]) -> list[Named]:
    """NAMED with no path twice: cells of a stack by number, layers of several models by the names of these."""
    groups: dict[LayerPath, list[int]] = {}
    for index, one in enumerate(named):
        groups.setdefault(one.path, []).append(index)
    apart = list(named)
    for path, members in groups.items():
        if len(members) > 1:
            for index, distinct in zip(
                members, _distinct(path, [named[index].holder.way for index in members]), strict=True
            ):
                apart[index] = named[index]._replace(path=distinct)
    return apart


def _distinct(path: LayerPath, ways: Sequence[Way]) -> list[LayerPath]:
    """As many different paths as there are WAYS, which lead to holders that are all called PATH."""
    if all(len(way) > 1 and way[-2][0] == "cells" for way in ways) and len({way[:-1] for way in ways}) == 1:
        return [(*path, f"cell_{way[-1][0]}") for way in ways]
    shared = next((place for place, edges in enumerate(zip(*ways, strict=False)) if len(set(edges)) > 1), 0)
    prefixes = [scope_names.edges(way, shared)[:1] for way in ways if len(way) > shared]
    if len(set(prefixes)) == len(ways):
        return [(*prefix, *path) for prefix in prefixes]
    if all(ways):
        return [scope_names.edges(way) for way in ways]
    bare = path[:-1] if len(path) > 1 and automatic_names.is_cell(path[-1]) else path
    return [(*bare, f"cell_{turn}") for turn in range(len(ways))]
