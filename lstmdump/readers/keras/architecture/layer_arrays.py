"""The arrays of the layers of an architecture: where they stand in the tree of the model, by layer.

Most arrays have been matched to layers when the file was read. Keras 1 names the arrays of layers that are not
recurrent after the layer alone (`batchnormalization_1_gamma`), so these are found by their names. A layer that the
architecture lists in several models is stored once if it is one layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from lstmdump.model.cell_classes import class_named
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer, LayerPath
from lstmdump.readers.keras.architecture.config import ConfigLayer
from lstmdump.readers.keras.architecture.expected_layers import LeafLayer

_MAX_WORDS = 32  # the words in the name of a layer
_OF_ANOTHER = re.compile(r"\d{1,9}_.*", re.DOTALL)


class LayerArrays:
    """The arrays of a model by the layers of its architecture.

    Args:
        architecture: the configuration of the model.
        described: the layers that hold arrays, by path, with their places in the architecture.
        root: the tree of all layers.
    """

    def __init__(
        self, architecture: ConfigLayer, described: Iterable[tuple[LayerPath, LeafLayer]], root: Layer
    ) -> None:
        self._nodes = {layer.path: layer for layer in root.walk()}
        self._paths: dict[tuple[int, str], list[LayerPath]] = {}
        for path, leaf in described:
            self._paths.setdefault((id(leaf.layer), leaf.around.direction), []).append(path)
        self._claimed = {path for paths in self._paths.values() for path in paths}
        stored = {number for number, _ in self._paths}
        with_arrays = [layer for layer in architecture.walk() if any(id(one) in stored for one in layer.walk())]
        self._with_arrays = set(map(id, with_arrays))
        self._originals: dict[object, ConfigLayer] = {}
        for layer in with_arrays:
            for key in _list_shared_keys(layer):
                self._originals.setdefault(key, layer)
        self._by_prefix: dict[LayerPath, dict[str, dict[str, Tensor]]] = {}

    def original(self, layer: ConfigLayer) -> ConfigLayer:
        """Return the layer under which the arrays of `layer` are stored: itself, unless it is listed several times."""
        if id(layer) in self._with_arrays:
            return layer
        found = (self._originals.get(key) for key in _list_shared_keys(layer))
        return next((one for one in found if one is not None and _is_same(one, layer)), layer)

    def path(self, layer: ConfigLayer, direction: str, expected: LayerPath) -> LayerPath:
        """Return the path of the arrays of `layer`, the half of a Bidirectional in `direction`, or `expected`."""
        paths = self._paths.get((id(layer), direction))
        if not paths:
            return expected
        path = _common_start(paths)
        if class_named(layer.kind).must_fit or layer.name not in path:
            return path or expected
        return path[: len(path) - path[::-1].index(layer.name)]

    def weights(self, layer: ConfigLayer, direction: str, path: LayerPath) -> dict[str, Tensor]:
        """Return the arrays of `layer` by their names, in the order of the file.

        Args:
            layer: the layer.
            direction: the half of a Bidirectional that it is: `forward`, `backward`, or empty.
            path: its path.
        """
        paths = self._paths.get((id(layer), direction), [])
        found = {name: tensor for one in paths for name, tensor in self._list_below(one, path)}
        if not found and path not in self._claimed and path in self._nodes:
            found = dict(self._list_below(path, path))
        return found or self._find_by_prefix(path)

    def _list_below(self, start: LayerPath, path: LayerPath) -> Iterator[tuple[str, Tensor]]:
        """Yield the arrays at `start` and below, except those of other layers, with their names relative to `path`."""
        waiting = [self._nodes[start]] if start in self._nodes else []
        while waiting:
            node = waiting.pop()
            inner = node.path[len(path) :] if node.path[: len(path)] == path else ()
            for leaf, tensor in node.weights.items():
                yield "/".join((*inner, leaf)), tensor
            waiting.extend(child for child in reversed(node.children.values()) if child.path not in self._claimed)

    def _find_by_prefix(self, path: LayerPath) -> dict[str, Tensor]:
        """Return the arrays of a layer around that begin with the name of the layer at `path`."""
        for length in range(len(path) - 1, -1, -1):
            around = path[:length]
            if around not in self._nodes:
                continue
            if around not in self._by_prefix:
                self._by_prefix[around] = _split_by_prefix(self._nodes[around].weights)
            if path[-1] in self._by_prefix[around]:
                return self._by_prefix[around][path[-1]]
        return {}


def _split_by_prefix(weights: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the arrays by the names of layers that theirs may begin with: `dense_1_W` is `W` of `dense_1`."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in weights.items():
        for place in islice((match.start() for match in re.finditer("_", name)), _MAX_WORDS):
            rest = name[place + 1 :]
            if not _OF_ANOTHER.fullmatch(rest):
                found.setdefault(name[:place], {})[rest] = tensor
    return found


def _common_start(paths: list[LayerPath]) -> LayerPath:
    if len(paths) == 1:
        return paths[0]
    same = [names[0] for names in zip(*paths, strict=False) if len(set(names)) == 1]
    start = paths[0][: len(same)]
    return start if all(path[: len(start)] == start for path in paths) else ()


def _list_shared_keys(layer: ConfigLayer) -> Iterator[object]:
    if layer.shared_id is not None:
        yield layer.shared_id
    if layer.name is not None:
        yield layer.kind, layer.name


def _is_same(one: ConfigLayer, other: ConfigLayer) -> bool:
    """Return whether two entries of an architecture describe one layer."""
    same_number = one.shared_id is not None and one.shared_id == other.shared_id
    return same_number or (one.kind == other.kind and one.settings == other.settings)
