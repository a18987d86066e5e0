"""The names of recurrent layers: those of the user where an exporter kept them, else those of the nodes.

==================  ===========================================================================================
exporter            where the name of the layer is
==================  ===========================================================================================
torch, TorchScript  the node: `/encoder/LSTM`, and `/encoder/LSTM_1` for the next of its layers
torch, dynamo       what is noted of the node: `name_scopes`, `['', 'encoder', 'lstm']`
tf2onnx             the value that gives X or the first h: `model/enc/PartitionedCall/transpose:0`, `model/enc/zeros:0`
==================  ===========================================================================================

Written for and measured on torch 2.13 and tf2onnx 1.17.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lstmdump.model.tree import LayerPath
from lstmdump.readers.onnx.graph import OnnxNode

if TYPE_CHECKING:
    from lstmdump.readers.onnx.cells import Cell

_SCOPES = "pkg.torch.onnx.name_scopes"
_QUOTED = re.compile(r"'([^']*)'")
_INNER = frozenset({"PartitionedCall", "StatefulPartitionedCall", "while"})
_OWN_VALUES = re.compile(r"(?:transpose|zeros|ReverseV2|strided_slice)(?:_\d{1,6})?(?::0)?")
_MAX_STEPS = 8  # from the first h to the zeros that it is expanded from
_CELL = "lstm_cell"
_OF_CELL = re.compile(r"lstm_cell|while|MatMul|BiasAdd|Cast|ReadVariableOp|PartitionedCall|split")
_HALVES = ("forward", "backward")


def name_layers(nodes: Sequence[tuple[OnnxNode, int]], taken: set[LayerPath]) -> list[list[LayerPath]]:
    """Return the path of each direction of the recurrent `nodes`, each given with the number of its directions.

    All paths are different from each other and from those already `taken`, to which they are added.
    """
    found = []
    for node, directions in nodes:
        whole, halves = _find_path(node, directions)
        if not halves:
            whole = _make_unique(whole, taken)
            halves = [whole] if directions == 1 else [(*whole, half) for half in _HALVES]
        paths = [_make_unique(path, taken) for path in halves]
        taken.update(paths, [whole])
        found.append(paths)
    return found


def name_cell(cell: Cell, sources: Sequence[str], taken: set[LayerPath]) -> LayerPath:
    """Return the path of a cell, by the names of its stored arrays, `sources`, and take it.

    In the files of tf2onnx these are below the scope of the layer, in those of torch behind the name of the module.
    Else the path is that of the scope of the output.
    """
    found = {_find_scope(name) for name in sources}
    path = found.pop() if len(found) == 1 else ()
    outer = tuple(filter(None, cell.first.output.name.split("/")))[:-1]
    path = _make_unique(path or outer or (_CELL,), taken)
    taken.add(path)
    return path


def _find_scope(name: str) -> LayerPath:
    """Return the layer to which a stored array belongs, by its name."""
    if "/" not in name:
        return tuple(filter(None, name.split(".")[:-1]))
    scopes = name.split("/")[1:-1]
    inner = next((place for place, scope in enumerate(scopes) if _OF_CELL.match(scope)), len(scopes))
    return tuple(filter(None, scopes[:inner]))


def _make_unique(path: LayerPath, taken: set[LayerPath]) -> LayerPath:
    """Return `path` with a number behind it if it is already `taken`."""
    names = (path, *((*path[:-1], f"{path[-1]}_{number}") for number in range(1, len(taken) + 1)))
    return next(name for name in names if name not in taken)


def _find_path(node: OnnxNode, directions: int) -> tuple[LayerPath, list[LayerPath]]:
    """Return the path of a node, and those of its directions where the file has them."""
    if scopes := _QUOTED.findall(node.metadata().get(_SCOPES, "")):
        *_, module, call = ["", "", *scopes]
        path = tuple(filter(None, module.split(".")))
        return path or (call or node.operation,), []
    if "/" not in node.name.strip("/"):
        scopes_of_keras = list(dict.fromkeys(_find_keras_scopes(node)))
        if len(scopes_of_keras) == directions == 2 and scopes_of_keras[0][:-1] == scopes_of_keras[1][:-1]:
            return scopes_of_keras[0][:-1], scopes_of_keras
        if len(scopes_of_keras) == 1:
            first = scopes_of_keras[0]
            is_half = directions == 2 and first[-1].startswith(_HALVES[0]) and len(first) > 1
            return first[:-1] if is_half else first, []
    path = tuple(filter(None, node.name.split("/")))
    return path or (node.operation,), []


def _find_keras_scopes(node: OnnxNode) -> Iterator[LayerPath]:
    """Yield the layers in whose scopes X and the first h of `node` are made, without the name of the model."""
    for value in (node.input(0), *_list_first_states(node)):
        *scopes, last = value.split("/")
        inner = next((place for place, scope in enumerate(scopes) if scope in _INNER), len(scopes))
        if len(path := tuple(scopes[1:inner])) and all(path) and _OWN_VALUES.fullmatch(last):
            yield path


def _list_first_states(node: OnnxNode) -> Iterator[str]:
    """Yield the values that the first h of `node` is made of: for two directions, two that are concatenated."""
    waiting = [node.input(5)]
    for _ in range(_MAX_STEPS):
        if not waiting:
            return
        name = waiting.pop(0)
        maker = node.home.maker(name)
        yield name
        if maker is not None and maker.operation in ("Concat", "Unsqueeze"):
            waiting += maker.inputs if maker.operation == "Concat" else maker.inputs[:1]
