"""The architecture JSON that Keras stores beside the weights: classes and names, in the model's own order.

Its shape by release: a Sequential's config is a bare list of layers up to 2.2.2, a dict with `layers` after; a
functional model is `Model` up to TensorFlow 2.2, `Functional` after; wrappers hold their layer under `layer`, `RNN` its
cell under `cell`, stacked cells under `cells`; Keras 3 adds `module` and `registered_name` to each object.

Wrappers bear on what the layers within them compute. Up to Keras 2 a Bidirectional states one layer, whose copy runs
backwards; Keras 3, and a user who gives a `backward_layer`, state both. The direction of a cell is that of the RNN
around it. Of several cells in an RNN only the first reads the input: those after it read its outputs in the order in
which it gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS, Limits, limit_exceeded
from lstmdump.model.settings import DeferredSettings, LayerSettings, finite_number, from_config
from lstmdump.readers import json_text

# Keys whose objects are no layers, though they have a class and some of them a name.
_NO_LAYERS = frozenset({"dtype", "inbound_nodes", "build_config", "compile_config", "optimizer", "loss", "metrics"})
_NO_LAYER_ENDINGS = ("_initializer", "_regularizer", "_constraint", "_activation")
_NO_LAYER_CLASSES = frozenset({"InputLayer", "DTypePolicy", "Policy", "__keras_tensor__", "__lambda__", "__tuple__"})

# Keys whose objects are layers even without a name: a class of the user's may leave it out of its configuration.
_LAYER_KEYS = frozenset({"layers", "layer", "backward_layer", "cell", "cells"})

# Classes that hold layers and have no weights of their own: what they say of their layers can be relied on.
CONTAINERS = frozenset({"Sequential", "Model", "Functional", "Merge", "Bidirectional", "TimeDistributed", "RNN",
                        "StackedRNNCells"})  # fmt: skip

Config = Mapping[str, Any]
"""The configuration of a layer, out of JSON."""

# What an RNN states for its cell.
_OF_THE_RNN = ("go_backwards", "return_sequences", "stateful", "time_major", "zero_output_for_mask")


class ConfigLayer(NamedTuple):
    """One layer, wrapper or model of the architecture.

    Attributes:
        name: as the user or Keras named it; None where a release stored none (an inner Sequential up to 2.2.2).
        kind: its class without the package that registered it: `demo>MyLSTM` is `MyLSTM`.
        settings: its configuration, layers within included.
        children: the layers within, in order, each under the key that holds it.
        shared_id: the number that Keras 2.5 and later give to an object that stands in the model more than once.
    """

    name: str | None
    kind: str
    settings: Config
    children: tuple[tuple[str, ConfigLayer], ...]
    shared_id: int | None = None

    def walk(self) -> Iterator[ConfigLayer]:
        """This layer and all within."""
        yield self
        for _, child in self.children:
            yield from child.walk()

    def halves(self) -> tuple[tuple[str, ConfigLayer], ...]:
        """Return the halves of a Bidirectional, each with its direction; empty for any other layer.

        A class of the user's is a Bidirectional if it states how to merge its halves.
        """
        inner = dict(self.children)
        if "layer" not in inner or (self.kind != "Bidirectional" and "merge_mode" not in self.settings):
            return ()
        return ("forward", inner["layer"]), ("backward", inner.get("backward_layer", inner["layer"]))


def parse_architecture(text: str, called: str = "model_config", limits: Limits = DEFAULTS) -> ConfigLayer:
    """Parse a `model_config`, or a `config.json`, which is the same with more around it.

    Args:
        text: the JSON.
        called: what messages call the text.
        limits: how long and how deep it may be.

    Raises:
        CorruptModel: the text is not JSON, or not an architecture.
        RefusedModel: the text exceeds one of the limits.
    """
    layer = describe_architecture(json_text.parse(text, called, limits), limits)
    if layer is None:
        raise CorruptModel(f"{called} is JSON, but describes no model")
    return layer


def describe_architecture(value: object, limits: Limits = DEFAULTS) -> ConfigLayer | None:
    """Return the architecture in `value`, parsed from JSON; None where it is not an architecture.

    Raises:
        RefusedModel: the layers are nested more deeply than `limits` allows.
    """
    return _parse_layer(value, 0, limits.nesting, nameless=True)


def _parse_layer(value: object, depth: int, most: int, *, nameless: bool) -> ConfigLayer | None:
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        return None
    if depth > most:
        raise limit_exceeded("nesting", f"the configuration nests layers more than {most} deep", needed=2 * most)
    kind = value["class_name"].rpartition(">")[2]
    config = value.get("config")
    if kind in _NO_LAYER_CLASSES or not isinstance(config, (dict, list)):
        return None
    settings: Config = config if isinstance(config, dict) else {"layers": config}
    name = settings.get("name", value.get("name"))
    if name is None and "layers" not in settings and not nameless:
        return None
    shared_id = value.get("shared_object_id")
    return ConfigLayer(
        name if isinstance(name, str) else None,
        kind,
        settings,
        tuple(_parse_children(settings, depth, most)),
        shared_id if isinstance(shared_id, int) else None,
    )


def _parse_children(settings: Config, depth: int, most: int) -> Iterator[tuple[str, ConfigLayer]]:
    for key, value in settings.items():
        if key in _NO_LAYERS or key.endswith(_NO_LAYER_ENDINGS):
            continue
        for item in value if isinstance(value, list) else [value]:
            child = _parse_layer(item, depth + 1, most, nameless=key in _LAYER_KEYS)
            if child is not None:
                yield key, child


class WrapperContext(NamedTuple):
    """The wrappers around a layer, as far as they bear on what it computes.

    Attributes:
        direction: which half of a Bidirectional it is: `forward`, `backward`, or empty.
        is_turned: whether its configuration is that of the other half.
        rnn: the configuration of the layer whose cell it is.
        follows: whether another cell of the same layer comes before it.
    """

    direction: str = ""
    is_turned: bool = False
    rnn: Config | None = None
    follows: bool = False


NO_WRAPPERS = WrapperContext()


def context_within(
    layer: ConfigLayer, child: ConfigLayer, around: WrapperContext, direction: str = ""
) -> WrapperContext:
    """Return the context of `child`, a layer directly within `layer`.

    Args:
        layer: the wrapper.
        child: one of its layers.
        around: the context of the wrapper itself.
        direction: which half of a Bidirectional the child is: `forward`, `backward`, or empty.
    """
    if direction:
        stated = any(key == f"{direction}_layer" for key, _ in layer.children)
        return WrapperContext(direction, direction == "backward" and not stated)
    if layer.kind == "StackedRNNCells":
        return around._replace(follows=around.follows or child is not layer.children[0][1])
    if any(key == "cell" for key, _ in layer.children):
        return around._replace(rnn=layer.settings)
    return NO_WRAPPERS


def layer_settings(config: Config, around: WrapperContext) -> DeferredSettings:
    """Return the settings of a layer with the configuration `config`, with what the wrappers around it add or change.

    The word `direction` in a configuration is one of the user's own: Keras has none.
    """
    return DeferredSettings(partial(_effective_settings, config, around), finite_number(config.get("forget_bias")))


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
