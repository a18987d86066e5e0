"""Which LSTM nodes take the outputs of which, where nothing but the order of axes is between them.

Y is (steps, directions, batch, m), X is (steps, batch, d): exporters remove the axis of the directions, or join it with
that of the units, and exchange axes on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lstmdump.model.tree import LayerPath, Source
from lstmdump.readers.onnx.graph import OnnxNode
from lstmdump.readers.onnx.recurrent_nodes import RecurrentNode
from lstmdump.readers.onnx.surroundings import walk_back

_GIVEN = {0: "TDBM", 1: "BTDM"}
"""The axes of Y by `layout`: steps, directions, batch, units."""

_TAKEN = {0: "TBM", 1: "BTM"}


def find(layers: Sequence[RecurrentNode], paths: Sequence[Sequence[LayerPath]]) -> Mapping[LayerPath, Source]:
    """Return the source of each direction of `layers`, which have these paths, that takes the output of another one."""
    places = {id(layer.node): place for place, layer in enumerate(layers)}
    found: dict[LayerPath, Source] = {}
    for layer, halves in zip(layers, paths, strict=True):
        passing, maker = walk_back(layer.node)
        place = None if maker is None else places.get(id(maker))
        if place is None or layers[place].kind != "LSTM" or layer.kind != "LSTM":
            continue
        given = layers[place]
        if _follow(given, passing) == _TAKEN.get(layer.node.integer("layout")):
            found |= dict.fromkeys(halves, Source(tuple(paths[place])))
    return found


def _follow(layer: RecurrentNode, passing: Sequence[OnnxNode]) -> str | None:
    """Return the axes of the output of `layer` behind the nodes `passing`; None if they are not known."""
    axes: str | None = _GIVEN.get(layer.node.integer("layout"))
    for node in passing:
        if axes is None:
            return None
        if node.operation == "Transpose":
            order = node.attributes["perm"].integers() if "perm" in node.attributes else ()
            axes = "".join(axes[axis] for axis in order) if sorted(order) == list(range(len(axes))) else None
        elif node.operation == "Squeeze":
            axes = _squeeze(node, axes, layer.directions)
        elif node.operation == "Reshape":
            axes = _join_directions(node, axes, layer.directions * layer.units)
    return axes


def _squeeze(node: OnnxNode, axes: str, directions: int) -> str | None:
    removed = node.attributes["axes"].integers() if "axes" in node.attributes else node.home.integers(node.input(1))
    if directions != 1 or removed is None or len(removed) != 1 or not -len(axes) <= removed[0] < len(axes):
        return None
    return axes.replace("D", "") if axes[removed[0]] == "D" else None


def _join_directions(node: OnnxNode, axes: str, width: int) -> str | None:
    """Return the axes with those of the directions and of the units joined, if that is what `node` does."""
    shape = node.home.integers(node.input(1))
    is_joining = shape is not None and len(shape) == len(axes) - 1 and shape[-1] in (-1, width) and axes[-2:] == "DM"
    return axes.replace("D", "") if is_joining else None
