"""The names of recurrent layers: those of the user where an exporter kept them, else those of the nodes.

==================  =============================================================================================
exporter            where the name of the layer is
==================  =============================================================================================
torch, TorchScript  the node: `/encoder/LSTM`, and `/encoder/LSTM_1` for the next of its layers: `encoder/l0` and `l1`
torch, dynamo       what is noted of the node: `name_scopes`, `['', 'encoder', 'lstm']`: `encoder/l0`
tf2onnx             the value that gives X or the first h: `model/enc/PartitionedCall/transpose:0`, `model/enc/zeros:0`
==================  =============================================================================================

Written for and measured on torch 2.13 and tf2onnx 1.17.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from lstmdump.model.tree import LayerPath
from lstmdump.readers.onnx.graph import OnnxNode
from lstmdump.readers.onnx.surroundings import walk_back

if TYPE_CHECKING:
    from lstmdump.readers.onnx.cells.steps import Cell

_SCOPES = "pkg.torch.onnx.name_scopes"
_QUOTED = re.compile(r"'([^']*)'")
_INNER = frozenset({"PartitionedCall", "StatefulPartitionedCall", "while"})
_OF_TORCH = re.compile(r"LSTM(?:_\d{1,6})?")
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
    of_torch = _number_layers([node for node, _ in nodes])
    for node, directions in nodes:
        whole, halves = _find_path(node, directions)
        if (path := of_torch.get(id(node))) is not None:
            whole, halves = path, [path, (*path[:-1], f"{path[-1]}_reverse")][:directions]
        if not halves:
            whole = _make_unique(whole, taken)
            halves = [whole] if directions == 1 else [(*whole, half) for half in _HALVES]
        paths = [_make_unique(path, taken) for path in halves]
        taken.update(paths, [whole])
        found.append(paths)
    return found


def _number_layers(nodes: Sequence[OnnxNode]) -> dict[int, LayerPath]:
    """Return the paths that torch gives to the LSTM layers of its modules, `encoder/l0`, by the identity of the node.

    The nodes of one module are its layers if each takes the output of the one before; a module may also be called
    several times.
    """
    modules: dict[LayerPath, list[OnnxNode]] = {}
    for node in nodes:
        if node.operation == "LSTM" and (module := _find_module(node)) is not None:
            modules.setdefault(module, []).append(node)
    return {
        id(node): (*module, f"l{number}")
        for module, layers in modules.items()
        if all(walk_back(later)[1] is before for before, later in pairwise(layers))
        for number, node in enumerate(layers)
    }


def _find_module(node: OnnxNode) -> LayerPath | None:
    """Return the path of the module of torch that a node is a part of, or None if no exporter of torch stated it."""
    if scopes := _QUOTED.findall(node.metadata().get(_SCOPES, "")):
        return tuple(filter(None, scopes[-2].split("."))) if len(scopes) > 1 else ()
    *path, last = node.name.split("/")
    return tuple(path[1:]) if path and not path[0] and all(path[1:]) and _OF_TORCH.fullmatch(last) else None


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
