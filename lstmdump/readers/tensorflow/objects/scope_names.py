"""Names for the layers of an object graph, from the full names of their variables, or else the edges to them.

Keras names a variable `bidirectional/forward_lstm/lstm_cell/kernel`. The name of the model precedes it if the model is
subclassed, a Sequential of Keras 3, or a model of Keras 2 that was built when it was first called.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from lstmdump.model.tree import LayerPath
from lstmdump.readers.keras.architecture.names import drop_cell_name, is_automatic_cell
from lstmdump.readers.tensorflow.objects.graph import ObjectGraph
from lstmdump.readers.tensorflow.objects.weights import Holder, Way

_LAYER_LISTS = frozenset({"_operations", "_layers", "layers", "_functional"})
_CHECKPOINTED = "model"  # the usual name of the model in `tf.train.Checkpoint(model=model)`
_KERAS_2_LAYERS = frozenset({"layer-0", "layer_with_weights-0"})
_MODEL_EDGES = _KERAS_2_LAYERS | {"_functional", "_operations"}
_AUTOMATIC_MODEL = re.compile(r"(sequential|model|functional)(_\d+)?")


def name_by_scopes(graph: ObjectGraph, found: Sequence[Holder]) -> list[LayerPath]:
    """Return a path for each of `found`, from the full names of its variables; several may have the same path."""
    scopes = [_find_scope(holder, graph) for holder in found]
    cells_have_names = len(found) == 1 or any(
        len(scope) > 1 and is_automatic_cell(scope[-1]) and leads_to_cell(holder.way)
        for holder, scope in zip(found, scopes, strict=True)
    )
    named: list[LayerPath] = []
    for holder, scope in zip(found, _drop_model_names(graph, found, scopes), strict=True):
        # If the other cells have the names of their layers in their scopes, the automatic name of a cell alone does
        # not name a layer.
        own = drop_cell_name(scope) if cells_have_names and leads_to_cell(holder.way) else scope
        named.append(scope if own else name_by_edges(holder.way))
    return named


def name_by_edges(way: Way, start: int = 0) -> LayerPath:
    """Return a path from the edges of `way` from `start` on, with numbered layers as in Keras 2, and without cells."""
    names: list[str] = []
    steps = [edge for edge, _ in way]
    for place, edge in list(enumerate(steps))[start:]:
        if edge.isdigit() and place and steps[place - 1] in _LAYER_LISTS:
            names.append(f"layer-{edge}")
        elif edge not in _LAYER_LISTS and not (edge == "cell" and names) and not (edge == _CHECKPOINTED and not place):
            names.append(edge)
    return tuple(names) or (steps[-1] if steps else "model",)


def leads_to_cell(way: Way) -> bool:
    """Return whether the last edge of `way` holds the cell of a layer."""
    return bool(way) and way[-1][0] == "cell"


def _find_scope(holder: Holder, graph: ObjectGraph) -> LayerPath:
    """Return the scope of the variables of `holder`; if they differ, that of most of them."""
    variables = [graph.nodes[number].variable for number in holder.variables.values()]
    scopes = [variable.full_name.rpartition("/")[0] for variable in variables if variable is not None]
    scope = scopes[0] if len(set(scopes)) == 1 else Counter(scopes).most_common(1)[0][0]
    return tuple(filter(None, scope.split("/")))


def _drop_model_names(graph: ObjectGraph, found: Sequence[Holder], scopes: Sequence[LayerPath]) -> list[LayerPath]:
    """Return `scopes` without the names of models; in one model, either all scopes begin with its name or none."""
    groups: dict[int, list[int]] = {}
    for index, holder in enumerate(found):
        groups.setdefault(_find_model(holder.way, graph), []).append(index)
    stripped = list(scopes)
    for model, members in groups.items():
        ways = [found[index].way for index in members]
        if _begins_with_model(graph, model, ways, [scopes[index] for index in members]):
            for index in members:
                stripped[index] = scopes[index][1:]
    return stripped


def _find_model(way: Way, graph: ObjectGraph) -> int:
    """Return the node of the outermost model on `way`: the root, or one of the objects in a checkpoint."""
    root = _list_edges(graph, 0)
    if not way or root & {"_functional", "_operations", "layer-0"}:
        return 0
    number = way[0][1]
    is_model = bool(_list_edges(graph, number) & _MODEL_EDGES)
    return number if is_model or ("save_counter" in root and len(way) > 1) else 0


def _list_edges(graph: ObjectGraph, number: int) -> AbstractSet[str]:
    return graph.edges(number).keys()


def _begins_with_model(graph: ObjectGraph, model: int, ways: Sequence[Way], scopes: Sequence[LayerPath]) -> bool:
    """Return whether the first name in `scopes` is that of their `model`.

    All scopes must begin with it, and each layer must keep a name without it.
    """
    if len({scope[:1] for scope in scopes}) != 1 or not scopes[0]:
        return False
    names = _list_edges(graph, model)
    if "_operations" in names and "_functional" not in names:
        return False  # a functional model of Keras 3, whose name is not in the scopes
    if len(set(scopes)) == 1 < len(scopes) and len(scopes[0]) == 1:
        return True  # the scopes consist of the name of the model
    own = [len(drop_cell_name(scope)) for scope in scopes]
    if min(map(len, scopes)) < 2 or max(own) < 2:
        return False
    if names & _KERAS_2_LAYERS:
        several = len({way[0 if model == 0 else 1] for way in ways}) > 1
        return min(own) > 1 and (several or _AUTOMATIC_MODEL.fullmatch(scopes[0][0]) is not None)
    return True
