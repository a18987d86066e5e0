"""The architecture JSON that Keras stores with the weights: classes and names, in the order of the model.

The JSON differs by release: the config of a Sequential is a list of layers up to 2.2.2, a dict with `layers` later; the
class of a functional model is `Model` up to TensorFlow 2.2, `Functional` later; wrappers hold their layer under
`layer`, an `RNN` its cell under `cell`, stacked cells theirs under `cells`; Keras 3 adds `module` and
`registered_name` to each object.

Wrappers affect what the layers within them compute. Up to Keras 2 a Bidirectional states one layer, whose copy runs
backwards; with Keras 3, or a `backward_layer` of the user, both are stated. The direction of a cell is that of the RNN
around it. Of several cells in an RNN only the first reads the input: each of the others reads the outputs of the
previous cell, in the order in which it returns them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS, Limits, limit_exceeded
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import DeferredSettings, LayerSettings, finite_number, from_config
from lstmdump.readers import json_text

# Keys whose objects are not layers, although they have a class, and some of them a name.
_NO_LAYERS = frozenset({"dtype", "inbound_nodes", "build_config", "compile_config", "optimizer", "loss", "metrics"})
_NO_LAYER_ENDINGS = ("_initializer", "_regularizer", "_constraint", "_activation")
_NO_LAYER_CLASSES = frozenset({"InputLayer", "DTypePolicy", "Policy", "__keras_tensor__", "__lambda__", "__tuple__"})

# Keys whose objects are layers even without a name: a class of the user may omit it in its configuration.
_LAYER_KEYS = frozenset({"layers", "layer", "backward_layer", "cell", "cells"})

# Classes that contain layers and have no weights of their own: all layers that they list must have their arrays.
CONTAINERS = frozenset({"Sequential", "Model", "Functional", "Merge", "Bidirectional", "TimeDistributed", "RNN",
                        "StackedRNNCells"})  # fmt: skip

_MODULES_OF_KERAS = frozenset({"keras", "keras_core", "tensorflow", "tf_keras"})

_SEQUENCES = ("__tuple__", "TensorShape")

Config = Mapping[str, Any]
"""The configuration of a layer, parsed from JSON."""

# What an RNN states for its cell.
_OF_THE_RNN = ("go_backwards", "return_sequences", "stateful", "time_major", "unroll", "zero_output_for_mask")


class ConfigLayer(NamedTuple):
    """One layer, wrapper or model of the architecture.

    Attributes:
        name: the name that the user or Keras chose; None for an inner Sequential up to 2.2.2, which has none.
        kind: the class without the package that registered it: `MyLSTM` for `demo>MyLSTM`.
        settings: the configuration, including the layers within.
        children: the layers within, in order, each with the key that holds it.
        shared_id: the number that Keras 2.5 and later give to an object that is in the model more than once.
        inbound_nodes: its calls in a functional model, as they are stored.
        module: the module of the class, which files of Keras 3 and `.keras` files state.
        package: the package of the user that registered the class: `demo` for `demo>MyLSTM`; empty for other classes.
    """

    name: str | None
    kind: str
    settings: Config
    children: tuple[tuple[str, ConfigLayer], ...]
    shared_id: int | None = None
    inbound_nodes: object = None
    module: str | None = None
    package: str = ""

    @property
    def is_of_keras(self) -> bool:
        """Whether the class is one of Keras, as far as the file states its module and package."""
        return not self.package and (self.module is None or self.module.partition(".")[0] in _MODULES_OF_KERAS)

    def walk(self) -> Iterator[ConfigLayer]:
        """Yield this layer and all layers within it."""
        yield self
        for _, child in self.children:
            yield from child.walk()

    def halves(self) -> tuple[tuple[str, ConfigLayer], ...]:
        """Return the halves of a Bidirectional, each with its direction, or an empty tuple for any other layer.

        A class of the user is a Bidirectional if it states how to merge its halves.
        """
        inner = dict(self.children)
        if "layer" not in inner or (self.kind != "Bidirectional" and "merge_mode" not in self.settings):
            return ()
        return ("forward", inner["layer"]), ("backward", inner.get("backward_layer", inner["layer"]))


def plain_lists(value: Any) -> Any:
    """Return `value`, from JSON, with lists in place of the objects that stand for tuples and shapes in SavedModels."""
    if isinstance(value, list):
        return [plain_lists(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") in _SEQUENCES and isinstance(value.get("items"), list):
        return plain_lists(value["items"])
    return {key: plain_lists(one) for key, one in value.items()}


def parse_architecture(text: str, called: str = "model_config", limits: Limits = DEFAULTS) -> ConfigLayer:
    """Parse a `model_config` or a `config.json`, which has additional keys.

    Args:
        text: the JSON.
        called: the name of the text in error messages.
        limits: the limits on the length and the depth of the text.

    Raises:
        CorruptModel: The text is not JSON, or not an architecture.
        RefusedModel: The text exceeds one of the limits.
    """
    layer = describe_architecture(json_text.parse(text, called, limits), limits)
    if layer is None:
        raise CorruptModel(f"{called} is valid JSON, but not a Keras configuration")
    return layer


def describe_architecture(value: object, limits: Limits = DEFAULTS) -> ConfigLayer | None:
    """Return the architecture in `value`, parsed from JSON, or None if it is not an architecture.

    Raises:
        RefusedModel: The layers are nested more deeply than `limits` allows.
    """
    return _parse_layer(value, 0, limits.nesting, nameless=True)


def _parse_layer(value: object, depth: int, most: int, *, nameless: bool) -> ConfigLayer | None:
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        return None
    if depth > most:
        raise limit_exceeded("nesting", f"the configuration nests layers more than {most} deep", needed=2 * most)
    package, _, kind = value["class_name"].rpartition(">")
    config = value.get("config")
    if kind in _NO_LAYER_CLASSES or not isinstance(config, (dict, list)):
        return None
    settings: Config = config if isinstance(config, dict) else {"layers": config}
    name = settings.get("name", value.get("name"))
    if name is None and "layers" not in settings and not nameless:
        return None
    shared_id, module = value.get("shared_object_id"), value.get("module")
    return ConfigLayer(
        name if isinstance(name, str) else None,
        kind,
        settings,
        tuple(_parse_children(settings, depth, most)),
        shared_id if isinstance(shared_id, int) else None,
        value.get("inbound_nodes"),
        module if isinstance(module, str) else None,
        package,
    )


def _parse_children(settings: Config, depth: int, most: int) -> Iterator[tuple[str, ConfigLayer]]:
    for key, value in settings.items():
        items = value if isinstance(value, list) else [value] if isinstance(value, dict) else ()
        if not items or key in _NO_LAYERS or key.endswith(_NO_LAYER_ENDINGS):
            continue
        for item in items:
            child = _parse_layer(item, depth + 1, most, nameless=key in _LAYER_KEYS)
            if child is not None:
                yield key, child


class WrapperContext(NamedTuple):
    """The wrappers around a layer, as far as they affect what it computes.

    Attributes:
        direction: the half of a Bidirectional that the layer is: `forward`, `backward`, or empty.
        is_turned: whether the layer has the configuration of the other half, which runs in the other direction.
        rnn: the configuration of the layer around a cell.
        follows: whether the layer is a cell that reads the outputs of another cell of the same stack.
        feeds: the next cell of the same stack.
        last: the last cell of that stack.
        repeats: the number of TimeDistributed around the layer.
        called: the wrapper that the model calls: an RNN or a Bidirectional.
    """

    direction: str = ""
    is_turned: bool = False
    rnn: Config | None = None
    follows: bool = False
    feeds: ConfigLayer | None = None
    last: ConfigLayer | None = None
    repeats: int = 0
    called: ConfigLayer | None = None


NO_WRAPPERS = WrapperContext()


def context_within(
    layer: ConfigLayer, child: ConfigLayer, around: WrapperContext, direction: str = ""
) -> WrapperContext:
    """Return the context of `child`, a layer directly within `layer`.

    Args:
        layer: the wrapper.
        child: one of its layers.
        around: the context of the wrapper itself.
        direction: the half of a Bidirectional that the child is: `forward`, `backward`, or empty.
    """
    if direction:
        stated = any(key == f"{direction}_layer" for key, _ in layer.children)
        turned = direction == "backward" and not stated
        return WrapperContext(direction, turned, repeats=around.repeats, called=layer)
    if layer.kind == "StackedRNNCells":
        cells = [cell for _, cell in layer.children]
        place = next((place for place, cell in enumerate(cells) if cell is child), 0)
        following = cells[place + 1] if place + 1 < len(cells) else around.feeds
        return around._replace(follows=around.follows or place > 0, feeds=following, last=around.last or cells[-1])
    if "cell" in layer.settings and any(key == "cell" for key, _ in layer.children):  # not for each of many layers
        return around._replace(rnn=layer.settings, called=around.called or layer)
    repeats = around.repeats + (layer.kind == "TimeDistributed")
    return WrapperContext(repeats=repeats) if repeats else NO_WRAPPERS


def layer_settings(
    config: Config, around: WrapperContext, inbound_nodes: object = None, *, is_called_by_keras: bool = False
) -> DeferredSettings:
    """Return the settings of a layer with the configuration `config`, with what the wrappers around it add or change.

    Args:
        config: the configuration of the layer.
        around: the wrappers around it.
        inbound_nodes: the calls of the layer itself, as they are stored.
        is_called_by_keras: whether the configuration states all calls, as no class of the user is around the layer.

    A key `direction` in a configuration was added by the user and is ignored: Keras does not have this key.
    """

    def work_out() -> LayerSettings:
        nodes = inbound_nodes if around.called is None else around.called.inbound_nodes
        states = tuple(find_first_states(nodes, around.called.settings if around.called else config))
        return _effective_settings(config, around)._replace(
            first_states_from=states or (() if is_called_by_keras else None),
            feeds=None if around.feeds is None else _first_cell(around.feeds).name,
            returned_units=None if around.feeds is None or around.last is None else _read_units(around.last),
            time_distributed=around.repeats or None,
        )

    return DeferredSettings(work_out, finite_number(config.get("forget_bias")))


def _first_cell(layer: ConfigLayer) -> ConfigLayer:
    return layer if layer.kind != "StackedRNNCells" else _first_cell(layer.children[0][1])


def _read_units(layer: ConfigLayer) -> int | None:
    """Return the units of a cell, or of the last cell of a stack."""
    if layer.kind == "StackedRNNCells":
        return _read_units(layer.children[-1][1])
    units = layer.settings.get("units")
    return units if type(units) is int else None


def _effective_settings(config: Config, around: WrapperContext) -> LayerSettings:
    if around is NO_WRAPPERS:
        return from_config(config)
    merged = {
        **config,
        **{key: around.rnn[key] for key in _OF_THE_RNN if around.rnn is not None and key in around.rnn},
    }
    if around.direction:
        if around.is_turned and isinstance(backwards := merged.get("go_backwards", False), bool):
            merged["go_backwards"] = not backwards
    elif around.follows:
        merged["go_backwards"] = False
    return from_config(merged, around.direction or None)


def find_first_states(inbound_nodes: object, config: Config) -> Iterator[str]:
    """Yield the names of the layers and inputs that give a recurrent layer its first states, each once.

    In Keras 1 and 2, the states follow the input in the list of tensors, and before the constants, if there are any;
    in Keras 3, they are the argument `initial_state`.
    """
    names: dict[str, None] = {}
    constants = config.get("num_constants")
    for node in inbound_nodes if isinstance(inbound_nodes, list) else []:
        tensors = node.get("args") if isinstance(node, dict) else node
        tensors = tensors if isinstance(tensors, list) else []
        if isinstance(node, dict):
            states, keywords = tensors[1:2], [node.get("kwargs")]
        else:
            nested = [tensor for tensor in tensors if isinstance(tensor, list)]
            states = nested[1 : len(nested) - (constants if type(constants) is int else 0)]
            keywords = [tensor[3] for tensor in nested if len(tensor) > len(("layer", "call", "output"))]
        given = [one.get("initial_state") for one in keywords if isinstance(one, dict)]
        names.update(dict.fromkeys(_find_tensor_layers([states, given])))
    yield from names


def _find_tensor_layers(value: object) -> Iterator[str]:
    """Yield the names of the layers whose outputs are in `value`: `["lstm", 0, 1]`, or a tensor of Keras 3."""
    if isinstance(value, dict):
        config = value.get("config")
        if value.get("class_name") == "__keras_tensor__" and isinstance(config, dict):
            yield from _find_tensor_layers(config.get("keras_history"))
    elif isinstance(value, list) and len(value) > 2 and isinstance(value[0], str) and type(value[1]) is int:
        yield value[0]
    elif isinstance(value, list):
        for one in value:
            yield from _find_tensor_layers(one)
