"""The graph of a functional model: its inputs, the calls of its layers in the order of their dependence, its outputs.

The layers are not listed in the order of their calls, and a call may be numbered among more calls than the model has:
Keras 1 and 2 count those that another model made, such as that of a nested model on its own inputs. The numbers of the
calls of one layer are consecutive, so the highest shows how many of them are not listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from lstmdump.errors import CorruptModel
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.keras.architecture.calls import StatedCall, TensorReference, read_calls, read_references
from lstmdump.readers.keras.architecture.config import Config, ConfigLayer

INPUT = "InputLayer"

_Key: TypeAlias = "tuple[str, int]"
"""A call: the name of the layer and the index of the call."""


class ListedLayer(NamedTuple):
    """An entry of the list of layers: a layer, or an InputLayer with its configuration."""

    name: str | None
    layer: ConfigLayer | None
    config: Config


class GraphCall(NamedTuple):
    """A call of `layer`, the one with that `number` among its calls."""

    layer: ConfigLayer
    number: int
    stated: StatedCall


class FunctionalGraph(NamedTuple):
    """The graph of a functional model.

    Attributes:
        inputs: the inputs in the order of the model, each by its name and its configuration.
        calls: the calls, each after those whose outputs it takes, by the name of the layer and their number.
        outputs: the outputs in the order in which calls of the model number them, that of their keys in a dict.
        stated_outputs: the outputs in the order of the file.
        first_numbers: for each layer, the number under which references mention its first call.
    """

    inputs: Mapping[str, Config]
    calls: Mapping[_Key, GraphCall]
    outputs: tuple[TensorReference, ...]
    stated_outputs: tuple[TensorReference, ...]
    first_numbers: Mapping[str, int]

    def key(self, reference: TensorReference) -> _Key:
        """Return the key of the call whose output `reference` is; that of an input is 0."""
        if reference.layer in self.inputs:
            return reference.layer, 0
        return reference.layer, reference.call - self.first_numbers.get(reference.layer, 0)


def list_layers(model: ConfigLayer) -> list[ListedLayer]:
    """Return the layers that the configuration of `model` lists, with its InputLayers.

    Raises:
        CorruptModel: An entry is not a layer.
    """
    parsed: dict[int, ConfigLayer] = {}
    for key, child in model.children:
        if key == "layers":
            parsed[id(child.settings)] = child
            if (inner := child.settings.get("layers")) is not None:
                parsed[id(inner)] = child  # the configuration of a Sequential up to 2.2.2 is the list of its layers
    return [_read_entry(entry, parsed) for entry in model.settings["layers"]]


def _read_entry(entry: object, parsed: Mapping[int, ConfigLayer]) -> ListedLayer:
    config = entry.get("config") if isinstance(entry, dict) else None
    if isinstance(entry, dict) and isinstance(config, dict) and entry.get("class_name") == INPUT:
        name = config.get("name", entry.get("name"))
        return ListedLayer(name if isinstance(name, str) else None, None, config)
    layer = parsed.get(id(config))
    if layer is None:
        raise CorruptModel("the architecture lists something among its layers that is not a layer")
    return ListedLayer(layer.name, layer, layer.settings)


def read_graph(model: ConfigLayer) -> FunctionalGraph:
    """Return the graph of `model`, a functional model.

    Raises:
        CorruptModel: It contradicts itself.
    """
    layers, inputs = _index_layers(model)
    names = {*layers, *inputs}
    calls = {name: read_calls(layer.inbound_nodes, names) for name, layer in layers.items()}
    listed = model.settings.get("output_layers")
    outputs = read_references(listed)
    entrances = [one.layer for one in read_references(model.settings.get("input_layers"))]
    if not outputs or not set(entrances) <= inputs.keys():
        raise CorruptModel(f"the architecture does not state the inputs and outputs of {model.name or 'the model'}")
    mentioned = (one for listed in calls.values() for call in listed for one in call.references())
    found = FunctionalGraph(
        {name: inputs[name] for name in entrances},
        {(name, number): GraphCall(layers[name], number, call) for name, listed in calls.items()
         for number, call in enumerate(listed)},
        tuple(outputs),
        tuple(read_references(list(listed.values()) if isinstance(listed, dict) else listed)),
        _find_first_numbers({name: len(listed) for name, listed in calls.items()}, (*mentioned, *outputs)),
    )  # fmt: skip
    for one in outputs:
        _require_listed(found, found.key(one))
    ordered = {key: found.calls[key] for key in _sort_calls(found)}
    return found._replace(calls=ordered)


def _index_layers(model: ConfigLayer) -> tuple[dict[str, ConfigLayer], dict[str, Config]]:
    """Return the layers of `model`, and the configurations of its inputs, by name."""
    layers: dict[str, ConfigLayer] = {}
    inputs: dict[str, Config] = {}
    for name, layer, config in list_layers(model):
        if name is None or name in layers or name in inputs:
            raise CorruptModel(f"the architecture lists two layers called {name}" if name else
                               "the architecture does not name a layer that others are connected with")  # fmt: skip
        if layer is None:
            inputs[name] = config
        else:
            layers[name] = layer
    return layers, inputs


def _find_first_numbers(counts: Mapping[str, int], mentioned: tuple[TensorReference, ...]) -> dict[str, int]:
    highest: dict[str, int] = {}
    for one in mentioned:
        highest[one.layer] = max(one.call, highest.get(one.layer, 0))
    return {name: max(0, highest.get(name, 0) - (count - 1)) for name, count in counts.items() if count}


def _sort_calls(graph: FunctionalGraph) -> list[_Key]:
    """Return the keys of the calls, each after those that it depends on, otherwise in the order of the file.

    Raises:
        CorruptModel: A call depends on itself, or on one that is not listed.
    """
    done: dict[_Key, None] = {}
    waiting: set[_Key] = set()
    for start in graph.calls:
        # A stack of calls that each wait for the one above, with the tensors that are still to be looked at.
        way = [] if start in done else [(start, _references(graph, start))]
        while way:
            key, rest = way[-1]
            waiting.add(key)
            needed = next((one for one in map(graph.key, rest) if one not in done and one[0] not in graph.inputs), None)
            if needed is None:
                done[key] = None
                way.pop()
            elif needed in waiting:
                raise CorruptModel(f"the architecture connects {needed[0]} with itself")
            else:
                way.append((needed, _references(graph, needed)))
    return list(done)


def _references(graph: FunctionalGraph, key: _Key) -> Iterator[TensorReference]:
    _require_listed(graph, key)
    return graph.calls[key].stated.references()


def _require_listed(graph: FunctionalGraph, key: _Key) -> None:
    name, number = key
    if key not in graph.calls and name not in graph.inputs:
        raise CorruptModel(f"the architecture refers to call {number} of {name}, which it does not list")
