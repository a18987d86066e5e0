"""The layers of a network from their configurations: with their arrays, and with the layers that wrappers hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lstmdump.model.network import NetworkDescription, NetworkLayer
from lstmdump.model.tree import LayerPath
from lstmdump.readers.keras.architecture.config import Config, ConfigLayer
from lstmdump.readers.keras.architecture.layer_arrays import LayerArrays

DescribeModel = Callable[[ConfigLayer, LayerPath], NetworkDescription]
_MODELS = frozenset({"Functional", "Model", "Sequential"})
_OPERATIONS = ("keras.ops", "keras.src.ops")
_OPERATION_CLASSES = frozenset({"SlicingOpLambda", "TFOpLambda"})


def is_model(layer: ConfigLayer) -> bool:
    """Return whether `layer` is a Sequential or functional model, whose configuration lists its layers."""
    return layer.kind in _MODELS and layer.is_of_keras and isinstance(layer.settings.get("layers"), list)


def is_operation(layer: ConfigLayer) -> bool:
    """Return whether `layer` is an operation on tensors in a functional model, such as `x * 2`, and not a layer.

    A `.h5` of Keras 3 does not state the modules of classes, but an operation cannot be trained.
    """
    if layer.module is not None and layer.module.startswith(_OPERATIONS):
        return True
    nodes = layer.inbound_nodes
    of_keras_3 = isinstance(nodes, list) and bool(nodes) and isinstance(nodes[0], dict) and "args" in nodes[0]
    is_bare = layer.module is None and "trainable" not in layer.settings and not layer.children
    return layer.kind in _OPERATION_CLASSES or (of_keras_3 and is_bare)


class LayerDescriber:
    """Describes the layers of one model.

    Args:
        arrays: their arrays.
        describe_model: describes a model that is wrapped, given the names around it.
    """

    def __init__(self, arrays: LayerArrays, describe_model: DescribeModel) -> None:
        self._arrays = arrays
        self._describe_model = describe_model

    def describe(self, layer: ConfigLayer, expected: LayerPath, direction: str = "") -> NetworkLayer:
        """Return the description of `layer`, which is not a model.

        Args:
            layer: the layer.
            expected: its path by the architecture.
            direction: the half of a Bidirectional that it is: `forward`, `backward`, or empty.
        """
        if layer.is_of_keras:
            inner = dict(layer.children)
            if layer.kind == "Bidirectional" and layer.halves():
                return _wrap(layer, expected, self._describe_halves(layer, expected))
            if layer.kind == "TimeDistributed" and "layer" in inner:
                return self._describe_time_distributed(layer, inner["layer"], expected)
            if layer.kind == "RNN" and "cell" in inner:
                return _wrap(layer, expected, self._describe_cells(inner["cell"], expected, direction))
        path = self._arrays.path(layer, direction, expected)
        weights = self._arrays.weights(layer, direction, path)
        return NetworkLayer(path, layer.kind, layer.settings, weights, is_of_keras=layer.is_of_keras)

    def _describe_time_distributed(self, layer: ConfigLayer, inner: ConfigLayer, expected: LayerPath) -> NetworkLayer:
        if is_model(inner):
            network = self._describe_model(inner, expected)
            return NetworkLayer(expected, layer.kind, layer.settings, network=network)
        return _wrap(layer, expected, {"layer": self._describe_inner(inner, expected, "")})

    def _describe_halves(self, layer: ConfigLayer, expected: LayerPath) -> dict[str, NetworkLayer]:
        is_stated = any(key == "backward_layer" for key, _ in layer.children)
        halves = {direction: self._describe_inner(half, expected, direction) for direction, half in layer.halves()}
        if not is_stated:
            backward = halves["backward"]
            halves["backward"] = _replace_config(backward, _turn(backward.config))
        return halves

    def _describe_cells(self, cell: ConfigLayer, expected: LayerPath, direction: str) -> dict[str, NetworkLayer]:
        cells = list(_flatten_cells(cell))
        keys = ["cell"] if cells == [cell] else [f"cell_{number}" for number in range(len(cells))]
        return {key: self._describe_inner(one, expected, direction) for key, one in zip(keys, cells, strict=True)}

    def _describe_inner(self, layer: ConfigLayer, around: LayerPath, direction: str) -> NetworkLayer:
        prefix = f"{direction}_" if direction and layer.name and not layer.name.startswith(direction) else ""
        name = f"{prefix}{layer.name or layer.kind.lower()}"
        described = self.describe(layer, (*around, name), direction)
        if described.weights or described.inner or described.network or not layer.is_of_keras:
            return described
        return _replace_weights(described, self._arrays.weights(layer, direction, around))


def _flatten_cells(cell: ConfigLayer) -> Iterator[ConfigLayer]:
    """Yield the cells in a stack, also those of stacks within it; a cell by itself."""
    if cell.kind != "StackedRNNCells":
        yield cell
        return
    for _, one in cell.children:
        yield from _flatten_cells(one)


def _wrap(layer: ConfigLayer, path: LayerPath, inner: Mapping[str, NetworkLayer]) -> NetworkLayer:
    return NetworkLayer(path, layer.kind, layer.settings, inner=inner)


def _turn(config: Config) -> dict[str, Any]:
    """Return the configuration of a layer that runs in the other direction."""
    return {**config, "go_backwards": config.get("go_backwards") is not True}


def _replace_config(layer: NetworkLayer, config: Mapping[str, Any]) -> NetworkLayer:
    return NetworkLayer(layer.path, layer.kind, config, layer.weights, layer.inner, layer.network, layer.is_of_keras)


def _replace_weights(layer: NetworkLayer, weights: Mapping[str, Any]) -> NetworkLayer:
    return NetworkLayer(layer.path, layer.kind, layer.config, weights, layer.inner, layer.network, layer.is_of_keras)
