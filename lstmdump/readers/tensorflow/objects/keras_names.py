"""The names and classes of the layers in an object graph.

Keras 2 stores JSON for each object of a SavedModel (TensorFlow 1.13 also for each in a checkpoint), with class and
name. Otherwise, names are derived from the full names of the variables, or from the edges that lead to the layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lstmdump.model.cell_classes import class_named
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import NOT_DESCRIBED, DeferredSettings
from lstmdump.model.tree import LayerPath
from lstmdump.readers import json_text
from lstmdump.readers.keras.architecture.config import Config, ConfigLayer, WrapperContext, layer_settings
from lstmdump.readers.keras.architecture.names import drop_automatic_names, drop_cell_name, tell_apart
from lstmdump.readers.tensorflow.objects.graph import ObjectGraph
from lstmdump.readers.tensorflow.objects.scope_names import leads_to_cell, name_by_edges, name_by_scopes
from lstmdump.readers.tensorflow.objects.weights import Holder, Way

Metadata = Mapping[int, Mapping[str, Any]]
"""Keras's JSON by the number of the node that it describes."""

_MODELS = frozenset({"Sequential", "Functional", "Model"})


class Named(NamedTuple):
    """A holder of variables with its path of names and, if the file states them, its class and settings."""

    holder: Holder
    path: LayerPath
    kind: str | None
    settings: DeferredSettings = NOT_DESCRIBED


def name_holders(graph: ObjectGraph, found: Sequence[Holder], metadata: Metadata) -> list[Named]:
    """Return each holder in `found` with a path, which no other holder has."""
    described = [_name_by_metadata(holder, graph, metadata) for holder in found]
    named = [
        _drop_own_cell(known or Named(holder, path, None))
        for holder, known, path in zip(found, described, name_by_scopes(graph, found), strict=True)
    ]
    return drop_names_of_keras(_tell_holders_apart(named))


def metadata_in(text: str | bytes, called: str, limits: Limits = DEFAULTS) -> dict[str, Any] | None:
    """Return the Keras JSON in `text`, or None if it is not an object.

    Args:
        text: the JSON.
        called: the name of the text in error messages.
        limits: the limits on the length and the depth of the text.

    Raises:
        CorruptModel: The text is not JSON.
        RefusedModel: The text exceeds one of the limits.
    """
    value = json_text.parse(text, called, limits)
    return value if isinstance(value, dict) else None


def _name_by_metadata(holder: Holder, graph: ObjectGraph, metadata: Metadata) -> Named | None:
    """Return `holder` as the JSON of the objects on the way to it describes it, or None if it has no JSON itself."""
    numbers = [0, *(number for _, number in holder.way)] if holder.way else []
    objects = [metadata[number] for number in numbers if number in metadata]
    if not numbers or numbers[-1] not in metadata or not objects:
        return None
    outermost_is_model = len(objects) > 1 and _is_model(objects[0], graph, numbers)
    names = [_read_text(value, "name") for value in (objects[1:] if outermost_is_model else objects)]
    path = tuple(step for step in names if step)
    return (
        Named(holder, path, _find_kind(holder.way, objects), _find_settings(holder.way, graph, metadata))
        if path
        else None
    )


def _is_model(outermost: Mapping[str, Any], graph: ObjectGraph, numbers: Sequence[int]) -> bool:
    """Return whether `outermost` is a model, not a wrapper or a layer with a cell."""
    if _read_text(outermost, "class_name") in _MODELS:
        return True
    identifiers = [graph.nodes[number].identifier for number in numbers[:2]]
    return any(identifier.startswith(("_tf_keras_model", "_tf_keras_network", "_tf_keras_sequential"))
               for identifier in identifiers) or not isinstance(outermost.get("config"), dict)  # fmt: skip


def _find_kind(way: Way, objects: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the class of the last of `objects`; for the cell of a layer other than an RNN, that of the layer."""
    own = _read_text(objects[-1], "class_name")
    if len(objects) > 1 and way[-1][0] == "cell":
        around = _read_text(objects[-2], "class_name")
        own = own if around == "RNN" else around
    return None if own is None else own.rpartition(">")[2]


def _find_settings(way: Way, graph: ObjectGraph, metadata: Metadata) -> DeferredSettings:
    """Return the settings of the object at the end of `way`, with what the wrappers around it add or change."""
    names, numbers = [edge for edge, _ in way], [0, *(number for _, number in way)]
    place = next(
        (place for place in (-1, -3) if names[place:][:1] == ["cell"] and names[place + 1 :][:1] != ["cell"]), None
    )
    layer = numbers[-1] if place is None else numbers[place - 1]
    around = WrapperContext(
        _find_direction(layer, numbers, graph),
        rnn=None if place is None else _read_config(metadata.get(layer, {})),
        follows=place == -3 and names[-1] != "0",
        feeds=None if place != -3 else _find_cell(str(int(names[-1]) + 1), numbers[-2], graph, metadata),
        last=None if place != -3 else _find_last_cell(numbers[-2], graph, metadata),
        repeats=sum(_read_text(metadata.get(number, {}), "class_name") == "TimeDistributed" for number in numbers[:-1]),
    )
    own = _read_config(metadata[numbers[-1]])
    return layer_settings(own, around) if own else NOT_DESCRIBED


def _find_cell(edge: str, stack: int, graph: ObjectGraph, metadata: Metadata) -> ConfigLayer | None:
    """Return the cell behind `edge` of the list of cells at the node `stack`, if there is one."""
    number = graph.edges(stack).get(edge)
    value = None if number is None else metadata.get(number)
    return None if value is None else ConfigLayer(_read_text(value, "name"), "", _read_config(value), ())


def _find_last_cell(stack: int, graph: ObjectGraph, metadata: Metadata) -> ConfigLayer | None:
    last = max((int(edge) for edge in graph.edges(stack) if edge.isdecimal()), default=0)
    return _find_cell(str(last), stack, graph, metadata)


def _find_direction(layer: int, numbers: Sequence[int], graph: ObjectGraph) -> str:
    """Return the direction of the node `layer` in a Bidirectional among the nodes `numbers`, else an empty text."""
    for number in numbers:
        edges = graph.edges(number)
        for direction in ("forward", "backward"):
            if edges.get(f"{direction}_layer") == layer:
                return direction
    return ""


def _read_config(value: Mapping[str, Any]) -> Config:
    found = value.get("config")
    return found if isinstance(found, dict) else {}


def _read_text(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    if found is None and isinstance(value.get("config"), dict):
        found = value["config"].get(key)
    return found if isinstance(found, str) else None


def _drop_own_cell(one: Named) -> Named:
    """Return `one` without the name that Keras gave to the only cell of its layer."""
    path = drop_cell_name(one.path) if leads_to_cell(one.holder.way) else one.path
    return one._replace(path=path) if path else one


def drop_names_of_keras(named: Sequence[Named]) -> list[Named]:
    """Return `named` without automatic names in the paths."""
    paths = drop_automatic_names([one.path for one in named], [not _is_lstm_layer(one) for one in named])
    return [one._replace(path=path) for one, path in zip(named, paths, strict=True)]


def _is_lstm_layer(one: Named) -> bool:
    """Return whether `one` is a whole LSTM layer by its class, and not the cell of one."""
    way = one.holder.way
    return bool(way) and not leads_to_cell(way) and class_named(one.kind).is_layer


def _tell_holders_apart(named: Sequence[Named]) -> list[Named]:
    """Return `named` with unique paths, whatever the names of the arrays."""

    def by_ways(path: LayerPath, clashing: Sequence[int]) -> list[LayerPath]:
        return _distinct_paths(path, [named[index].holder.way for index in clashing])

    paths = tell_apart([one.path for one in named], [("",)] * len(named), by_ways)
    return [one._replace(path=path) for one, path in zip(named, paths, strict=True)]


def _distinct_paths(path: LayerPath, ways: Sequence[Way]) -> list[LayerPath]:
    """Return a different path for each of `ways`, all of which lead to layers or cells named `path`.

    Cells of a stack are numbered, layers of several models get the name of the model, and others that of their edges.
    """
    if all(len(way) > 1 and way[-2][0] == "cells" for way in ways) and len({way[:-1] for way in ways}) == 1:
        return [(*path, f"cell_{way[-1][0]}") for way in ways]
    shared = next((place for place, edges in enumerate(zip(*ways, strict=False)) if len(set(edges)) > 1), 0)
    prefixes = [name_by_edges(way, shared)[:1] for way in ways if len(way) > shared]
    if len(set(prefixes)) == len(ways):
        return [(*prefix, *path) for prefix in prefixes]
    if all(ways):
        return [name_by_edges(way) for way in ways]
    return [(*(drop_cell_name(path) or path), f"cell_{turn}") for turn in range(len(ways))]
