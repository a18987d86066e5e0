"""What the layers in an object graph are called, and their classes, from what Keras left of them in the file.

Keras 2 stores JSON for each object of a SavedModel (and TensorFlow 1.13 for each in a checkpoint), with class and name.
Elsewhere the variables' full names tell: `bidirectional/forward_lstm/lstm_cell/kernel`, before which Keras 3 puts the
name of a Sequential, and both put that of a subclassed model. Where these tell nothing, the way from the root must do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lstmdump.model import LayerPath
from lstmdump.readers import keras_leaves, keras_names
from lstmdump.readers.keras_config import ConfigLayer
from lstmdump.readers.object_graph import ObjectGraph
from lstmdump.readers.saved_objects import Holder, Way

Metadata = Mapping[int, Mapping[str, Any]]
"""Keras's JSON by the number of the node that it is about."""

_LAYER_LISTS = frozenset({"_operations", "_layers", "layers", "_functional"})
_CHECKPOINTED = "model"  # what most people call the model in `tf.train.Checkpoint(model=model)`
_MODELS = frozenset({"Sequential", "Functional", "Model"})


@dataclass(frozen=True)
class Named:
    """A holder of variables with its path of names and, where the file tells it, its class."""

    holder: Holder
    path: LayerPath
    kind: str | None


def name(graph: ObjectGraph, found: Sequence[Holder], metadata: Metadata) -> list[Named]:
    """A path for each holder in FOUND, no two with the same."""
    described = [_described(holder, graph, metadata) for holder in found]
    scopes = [_scope(holder, graph) for holder in found]
    named = [
        told or Named(holder, _scope_or_edges(scope, holder.way), None)
        for holder, told, scope in zip(found, described, _without_model_names(graph, found, scopes), strict=True)
    ]
    return _without_automatic_names(_told_apart(named))


def with_architecture(named: Sequence[Named], architecture: ConfigLayer) -> list[Named]:
    """NAMED with the classes, and the names of the models around, that ARCHITECTURE has for layers so called."""
    found = [leaf for _, child in architecture.children for leaf in keras_leaves.leaves(child)]
    taken = {one.path for one in named}

    def told(one: Named) -> Named:
        fitting = [leaf for leaf in found if len(leaf.steps) >= len(one.path) and all(
            step in forms for step, forms in zip(reversed(one.path), reversed(leaf.steps), strict=False))]  # fmt: skip
        if len(fitting) != 1:
            return one
        steps = fitting[0].steps
        around = tuple(forms[0] for forms in steps[: len(steps) - len(one.path)])
        path = one.path if (*around, *one.path) in taken else (*around, *one.path)
        return replace(one, path=path, kind=fitting[0].layer.kind if fitting[0].is_gated else one.kind)

    return [told(one) for one in named]


def _described(holder: Holder, graph: ObjectGraph, metadata: Metadata) -> Named | None:
    """HOLDER as the JSON of the objects on the way to it tells; None where it has none itself."""
    numbers = [0, *(number for _, number in holder.way)] if holder.way else []
    told = [metadata[number] for number in numbers if number in metadata]
    if not numbers or numbers[-1] not in metadata or not told:
        return None
    outermost_is_model = len(told) > 1 and _is_model(told[0], graph, numbers)
    names = [_text(value, "name") for value in (told[1:] if outermost_is_model else told)]
    path = tuple(step for step in names if step)
    return Named(holder, path, _kind(holder.way, told)) if path else None


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


def _text(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    if found is None and isinstance(value.get("config"), dict):
        found = value["config"].get(key)
    return found if isinstance(found, str) else None


def _scope(holder: Holder, graph: ObjectGraph) -> LayerPath:
    """The names that the full names of HOLDER's variables begin with."""
    scopes = Counter(graph.nodes[number].variable.full_name.rpartition("/")[0]  # type: ignore[union-attr]
                     for number in holder.variables.values())  # fmt: skip
    scope, _ = scopes.most_common(1)[0]
    return tuple(step for step in scope.split("/") if step)


def _without_model_names(graph: ObjectGraph, found: Sequence[Holder], scopes: Sequence[LayerPath]) -> list[LayerPath]:
    """SCOPES without the names of the models around, which stand before all names of a model or before none."""
    groups: dict[int, list[int]] = {}
    for index, holder in enumerate(found):
        groups.setdefault(_model_of(holder.way, graph), []).append(index)
    stripped = list(scopes)
    for model, members in groups.items():
        if _puts_its_name_first(graph, model) and _share_a_model([scopes[index] for index in members]):
            for index in members:
                stripped[index] = scopes[index][1:]
    return stripped


def _model_of(way: Way, graph: ObjectGraph) -> int:
    """The outermost model on WAY: the root, or what a checkpoint holds as one of its objects."""
    if not way or any(edge in _edge_names(graph, 0) for edge in ("_functional", "_operations", "layer-0")):
        return 0
    number = way[0][1]
    marks = _edge_names(graph, number)
    is_model = any(edge in marks for edge in ("_functional", "_operations", "layer-0", "layer_with_weights-0"))
    return number if is_model or ("save_counter" in _edge_names(graph, 0) and len(way) > 2) else 0


def _edge_names(graph: ObjectGraph, number: int) -> set[str]:
    return {edge for edge, _ in graph.nodes[number].children}


def _puts_its_name_first(graph: ObjectGraph, model: int) -> bool:
    """Functional models and those of Keras 2 do not put their names before the layers'; all others may."""
    edges = _edge_names(graph, model)
    return "_functional" in edges or not edges & {"_operations", "layer-0", "layer_with_weights-0"}


def _share_a_model(scopes: Sequence[LayerPath]) -> bool:
    """Whether all SCOPES begin with one name that is not that of the layer itself."""
    if len({scope[:1] for scope in scopes}) != 1:
        return False
    if len(set(scopes)) == 1 < len(scopes) and len(scopes[0]) == 1:  # names that tell nothing but the model
        return True
    named = [len(scope) - (not scope or keras_names.is_automatic_cell(scope[-1])) for scope in scopes]
    return min(map(len, scopes)) > 1 and max(named) > 1


def _scope_or_edges(scope: LayerPath, way: Way) -> LayerPath:
    """SCOPE, unless it is no more than the name that Keras gives to the cell of a layer."""
    lost = not scope or (len(scope) == 1 and keras_names.is_automatic_cell(scope[0]) and _edge_at(way, -1) == "cell")
    return _edges(way) if lost and way else scope or ("model",)


def _edge_at(way: Way, place: int) -> str | None:
    return way[place][0] if way else None


def _edges(way: Way, start: int = 0) -> LayerPath:
    """Names out of the edges of WAY from START: the layers of a model by number, as Keras 2 calls them; no cell's."""
    names: list[str] = []
    edges = [edge for edge, _ in way]
    for place, edge in list(enumerate(edges))[start:]:
        if edge.isdigit() and place and edges[place - 1] in _LAYER_LISTS:
            names.append(f"layer-{edge}")
        elif edge not in _LAYER_LISTS and not (edge == "cell" and names) and not (edge == _CHECKPOINTED and not place):
            names.append(edge)
    return tuple(names) or (edges[-1] if edges else "model",)


def _without_automatic_names(named: Sequence[Named]) -> list[Named]:
    """NAMED without the names that Keras chose for a stack of cells, and for a cell that is its layer's only one."""
    unstacked = [replace(one, path=keras_names.without_stack(one.path)) for one in named]
    beside = Counter(one.path[:-1] for one in unstacked)
    taken = {one.path for one in unstacked}

    def bare(one: Named) -> Named:
        around = one.path[:-1]
        is_layer = bool(one.holder.way) and one.holder.way[-1][0] != "cell" and one.kind in ("LSTM", "CuDNNLSTM")
        only = around and beside[around] == 1 and around not in taken
        return (
            replace(one, path=around) if only and keras_names.is_automatic_cell(one.path[-1]) and not is_layer else one
        )

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
                apart[index] = replace(named[index], path=distinct)
    return apart


def _distinct(path: LayerPath, ways: Sequence[Way]) -> list[LayerPath]:
    """As many different paths as there are WAYS, which lead to holders that are all called PATH."""
    if all(len(way) > 1 and way[-2][0] == "cells" for way in ways) and len({way[:-1] for way in ways}) == 1:
        return [(*path, f"cell_{way[-1][0]}") for way in ways]
    shared = next((place for place, edges in enumerate(zip(*ways, strict=False)) if len(set(edges)) > 1), 0)
    prefixes = [_edges(way, shared)[:1] for way in ways if len(way) > shared]
    if len(set(prefixes)) == len(ways):
        return [(*prefix, *path) for prefix in prefixes]
    if all(ways):
        return [_edges(way) for way in ways]
    bare = path[:-1] if len(path) > 1 and keras_names.is_automatic_cell(path[-1]) else path
    return [(*bare, f"cell_{turn}") for turn in range(len(ways))]
