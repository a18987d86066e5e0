"""The network of a Sequential or functional model, from its architecture and the arrays that belong to its layers.

Nested models are resolved: each call of a model becomes calls of its layers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.network import (
    NetworkCall,
    NetworkDescription,
    NetworkInput,
    NetworkLayer,
    NetworkOutput,
    NetworkTensor,
)
from lstmdump.model.tree import Layer, LayerPath
from lstmdump.readers.keras.architecture.calls import TensorReference, find_inputs, heeds_training, number_tensors
from lstmdump.readers.keras.architecture.config import Config, ConfigLayer
from lstmdump.readers.keras.architecture.expected_layers import LeafLayer
from lstmdump.readers.keras.architecture.functional import (
    INPUT,
    FunctionalGraph,
    GraphCall,
    ListedLayer,
    list_layers,
    read_graph,
)
from lstmdump.readers.keras.architecture.layer_arrays import LayerArrays
from lstmdump.readers.keras.architecture.network_inputs import InputNames, describe_input, find_first_config
from lstmdump.readers.keras.architecture.network_layers import LayerDescriber, is_model, is_operation

_KERAS_1 = re.compile(r"keras [01]\b")
_TRAINING = "it is called with training=True, and gives something else than at inference"

_Outputs: TypeAlias = "int | list[tuple[str, NetworkTensor]]"
"""The outputs of a call: the index of the call of a layer, or the tensors that a model gives, with their names."""


def describe_network(
    architecture: ConfigLayer,
    described: Iterable[tuple[LayerPath, LeafLayer]],
    root: Layer,
    producer: str,
    limits: Limits,
) -> NetworkDescription | None:
    """Return the network of a model, or None if the architecture does not list layers and their connections.

    Args:
        architecture: the configuration of the model.
        described: the layers that hold arrays, by path, with their places in the architecture.
        root: the tree of all layers.
        producer: the program that wrote the model.
        limits: the limits of the model.

    Raises:
        CorruptModel: The architecture contradicts itself.
        RefusedModel: The network exceeds a limit.
    """
    if not is_model(architecture) or not architecture.children:
        return None
    keras = 1 if _KERAS_1.match(producer) else 3 if _has_calls_of_keras_3(architecture) else 2
    return _NetworkBuilder(LayerArrays(architecture, described, root), keras, limits).describe(architecture, ())


def _has_calls_of_keras_3(architecture: ConfigLayer) -> bool:
    """Return whether the calls of layers are objects with arguments, not lists of tensors."""
    nodes = (layer.inbound_nodes for _, layer in architecture.children)
    return any(isinstance(calls, list) and any(isinstance(call, dict) for call in calls) for calls in nodes)


class _CallTensors(NamedTuple):
    """What a layer is called with.

    Attributes:
        inputs: The tensors.
        masks: The masks that the call names, by the index of the input.
        cannot_replay: Why the call does something else than the layer does by itself.
        is_training: Whether it was made with `training=True`, by itself or by a model around.
        keys: The keys of the inputs, if they are a dict.
    """

    inputs: tuple[NetworkTensor, ...]
    masks: Mapping[int, NetworkTensor] = {}
    cannot_replay: str | None = None
    is_training: bool = False
    keys: tuple[str, ...] = ()


class _NetworkBuilder:
    """Builds the network of one model, call by call."""

    def __init__(self, arrays: LayerArrays, keras: int, limits: Limits) -> None:
        self._arrays = arrays
        self._keras = keras
        self._limits = limits
        self._names = InputNames(keras)
        self._describer = LayerDescriber(arrays, self._describe_wrapped)
        self._graphs: dict[int, FunctionalGraph] = {}
        self._layers: list[NetworkLayer] = []
        self._calls: list[NetworkCall] = []
        self._inputs: list[NetworkInput] = []
        self._indices: dict[object, int] = {}
        self._times: Counter[int] = Counter()
        self._steps = 0

    def describe(self, model: ConfigLayer, around: LayerPath) -> NetworkDescription:
        """Return the network of `model`, whose layers are in the models and wrappers `around`."""
        outputs = self._call_model(model, around, None)
        named = tuple(_name_outputs(list(outputs), self._keras))
        return NetworkDescription(tuple(self._layers), tuple(self._calls), tuple(self._inputs), named)

    def _describe_wrapped(self, model: ConfigLayer, around: LayerPath) -> NetworkDescription:
        return _NetworkBuilder(self._arrays, self._keras, self._limits).describe(model, around)

    def _call_model(
        self, model: ConfigLayer, around: LayerPath, given: _CallTensors | None
    ) -> list[tuple[str, NetworkTensor]]:
        """Add the calls of the layers of `model`; return its outputs, each with the name of the layer that gives it.

        Args:
            model: the model.
            around: the names of the models and wrappers around its layers.
            given: what it is called with; None for a model that takes inputs of the network.
        """
        if given is not None and given.masks:
            given = self._apply_masks(given, around)
        if model.kind == "Sequential":
            return [self._call_sequential(model, around, given)]
        return self._call_functional(model, around, given)

    def _apply_masks(self, given: _CallTensors, around: LayerPath) -> _CallTensors:
        """Return `given` with the masks that it names as those of its tensors: Keras masks the inputs of a model."""
        inputs = list(given.inputs)
        for place, mask in given.masks.items():
            inputs[place] = self._mask(inputs[place], mask, (*around, f"mask_{place}"))
        return given._replace(inputs=tuple(inputs), masks={})

    def _call_sequential(
        self, model: ConfigLayer, around: LayerPath, given: _CallTensors | None
    ) -> tuple[str, NetworkTensor]:
        listed = list_layers(model)
        layers = [one.layer for one in listed if one.layer is not None]
        if len(layers) < len(listed) - 1 or not layers:
            raise CorruptModel(f"the architecture does not list the layers of {model.name or 'a Sequential'}")
        if given is not None and len(given.inputs) != 1:
            raise CorruptModel(
                f"the architecture calls {model.name} with {len(given.inputs)} tensors, and not with one"
            )
        name = layers[-1].name or layers[-1].kind.lower()
        if given is None:
            given, layers = self._open_sequential(model, listed[0], layers, around)
        for layer in layers:
            given = given._replace(inputs=(_pick(self._call_layer(layer, given, around), 0, layer),))
        return name, given.inputs[0]

    def _open_sequential(
        self, model: ConfigLayer, first: ListedLayer, layers: list[ConfigLayer], around: LayerPath
    ) -> tuple[_CallTensors, list[ConfigLayer]]:
        """Return what the first of the `layers` of a Sequential takes from inputs of the network, and what follows."""
        built = model.settings.get("build_input_shape")
        if first.layer is None:
            return self._add_input(first.name or "input", first.config, INPUT, built), layers
        if self._keras == 1 and is_model(first.layer):  # its inputs are those of the model
            return _CallTensors((self._open_branch(first.layer, around),)), layers[1:]
        return self._open_layer(first.layer, around, built), layers

    def _open_layer(self, layer: ConfigLayer, around: LayerPath, built: object = None) -> _CallTensors:
        """Return what `layer` takes from inputs of the network that the architecture does not list."""
        branches = [child for key, child in layer.children if key == "layers"]
        if layer.kind == "Merge" and branches:
            within = _step_in(around, layer)
            return _CallTensors(tuple(self._open_branch(branch, within) for branch in branches))
        return self._add_input(self._names.name_for(layer), *find_first_config(layer), built)

    def _open_branch(self, layer: ConfigLayer, around: LayerPath) -> NetworkTensor:
        """Call a layer or model that takes inputs of the network, and return its output."""
        if is_model(layer):
            return self._call_model(layer, _step_in(around, layer), None)[0][1]
        return _pick(self._call_layer(layer, self._open_layer(layer, around), around), 0, layer)

    def _call_functional(
        self, model: ConfigLayer, around: LayerPath, given: _CallTensors | None
    ) -> list[tuple[str, NetworkTensor]]:
        graph = self._graphs.get(id(model))
        if graph is None:
            graph = self._graphs[id(model)] = read_graph(model)
        known: dict[tuple[str, int], _Outputs] = {
            (name, 0): [(name, tensor)] for name, tensor in self._enter(model, graph, given).items()
        }
        for key, call in graph.calls.items():
            known[key] = self._call_listed(call, known, graph, around, given)
        listed = graph.stated_outputs if given is None else graph.outputs
        return [(one.layer, _pick(known[graph.key(one)], one.output, one.layer)) for one in listed]

    def _enter(
        self, model: ConfigLayer, graph: FunctionalGraph, given: _CallTensors | None
    ) -> dict[str, NetworkTensor]:
        """Return the tensors of the inputs of a functional model, by name."""
        if given is None:
            return {name: self._add_input(name, config, INPUT).inputs[0] for name, config in graph.inputs.items()}
        by_key = dict(zip(given.keys, given.inputs, strict=False))
        inputs = [by_key[name] for name in graph.inputs] if by_key.keys() == graph.inputs.keys() else given.inputs
        if len(inputs) != len(graph.inputs):
            raise CorruptModel(f"the architecture calls {model.name} with {len(inputs)} tensors, but it has "
                               f"{len(graph.inputs)} inputs")  # fmt: skip
        return dict(zip(graph.inputs, inputs, strict=True))

    def _call_listed(
        self,
        call: GraphCall,
        known: Mapping[tuple[str, int], _Outputs],
        graph: FunctionalGraph,
        around: LayerPath,
        outer: _CallTensors | None,
    ) -> _Outputs:
        """Add a call that a functional model lists.

        Args:
            call: the call.
            known: the outputs of the calls before it.
            graph: the graph of the model.
            around: the names around it.
            outer: what the model itself is called with.
        """

        def tensor(reference: TensorReference) -> NetworkTensor:
            return _pick(known[graph.key(reference)], reference.output, reference.layer)

        if is_operation(call.layer):
            references, arguments, keywords = number_tensors(call.stated)
            config = {**call.layer.settings, "arguments": arguments, "keywords": keywords, "is_operation": True}
            expected = _step_in(around, call.layer)
            index = self._add_layer((id(call.layer), call.number), NetworkLayer(expected, call.layer.kind, config))
            return self._add_call(index, tuple(map(tensor, references)))
        found = find_inputs(call.layer, call.stated)
        given = _CallTensors(
            tuple(map(tensor, found.inputs)),
            {place: tensor(mask) for place, mask in found.masks.items()},
            found.cannot_replay or (outer.cannot_replay if outer else None),
            found.is_training or (outer is not None and outer.is_training),
            found.keys,
        )
        return self._call_layer(call.layer, given, around)

    def _call_layer(self, layer: ConfigLayer, given: _CallTensors, around: LayerPath) -> _Outputs:
        self._count_step()
        if is_model(layer):
            return self._call_model(layer, _step_in(around, layer), given)
        original = self._arrays.original(layer)
        index = self._indices.get(id(original))
        if index is None:
            index = self._add_layer(id(original), self._describer.describe(original, _step_in(around, layer)))
        problem = given.cannot_replay or (_TRAINING if given.is_training and heeds_training(layer) else None)
        inputs = list(given.inputs)
        for place, mask in given.masks.items():
            if place:
                inputs[place] = self._mask(inputs[place], mask, (*around, layer.name or "", f"mask_{place}"))
        return self._add_call(index, tuple(inputs), given.masks.get(0), problem)

    def _mask(self, tensor: NetworkTensor, mask: NetworkTensor, path: LayerPath) -> NetworkTensor:
        """Return `tensor` with `mask` as its mask."""
        index = self._add_layer(path, NetworkLayer(path, "Identity", {}))
        return NetworkTensor(self._add_call(index, (tensor,), mask))

    def _add_input(self, name: str, config: Config, kind: str, built: object = None) -> _CallTensors:
        index = self._add_layer(("input", len(self._inputs)), NetworkLayer((name,), INPUT, config))
        tensor = NetworkTensor(self._add_call(index, ()))
        self._inputs.append(describe_input(name, tensor, config, kind, built))
        return _CallTensors((tensor,))

    def _add_layer(self, key: object, layer: NetworkLayer) -> int:
        """Return the index of the layer with that `key`, which is `layer` if there is none yet."""
        if key not in self._indices:
            self._indices[key] = len(self._layers)
            self._layers.append(layer)
        return self._indices[key]

    def _add_call(
        self,
        layer: int,
        inputs: tuple[NetworkTensor, ...],
        mask: NetworkTensor | None = None,
        cannot_replay: str | None = None,
    ) -> int:
        """Add a call of the layer with that index, and return the index of the call."""
        self._calls.append(NetworkCall(layer, inputs, mask, self._times[layer], cannot_replay))
        self._times[layer] += 1
        return len(self._calls) - 1

    def _count_step(self) -> None:
        """Count a call of a layer or model: models that call each other twice would be called without end."""
        self._steps += 1
        if self._steps > self._limits.objects:
            words = f"the architecture amounts to more than {self._limits.objects:,} calls of layers"
            raise limit_exceeded("objects", words, needed=10 * self._limits.objects)


def _step_in(around: LayerPath, layer: ConfigLayer) -> LayerPath:
    return around if layer.name is None else (*around, layer.name)


def _pick(outputs: _Outputs, number: int, layer: ConfigLayer | str) -> NetworkTensor:
    """Return the output of `layer` with that number."""
    if number < 0 or (not isinstance(outputs, int) and number >= len(outputs)):
        name = layer if isinstance(layer, str) else layer.name
        raise CorruptModel(f"the architecture refers to output {number} of {name}, which it does not have")
    return NetworkTensor(outputs, number) if isinstance(outputs, int) else outputs[number][1]


def _name_outputs(outputs: Sequence[tuple[str, NetworkTensor]], keras: int) -> Iterator[NetworkOutput]:
    """Yield the outputs of a network, each named after its layer.

    Where one layer gives several, the second is `lstm_1#1`; in Keras 3 all outputs are then numbered, as in what it
    exports: `output_0`.
    """
    times: Counter[str] = Counter()
    are_numbered = keras > 2 and len({name for name, _ in outputs}) < len(outputs)
    for number, (name, tensor) in enumerate(outputs):
        repeated = f"{name}#{times[name]}" if times[name] else name
        yield NetworkOutput(f"output_{number}" if are_numbered else repeated, tensor)
        times[name] += 1
