"""The connections between recurrent layers: the order of a Sequential, the nodes of a functional model.

The nodes of a layer are stored next to its configuration under `inbound_nodes`, one for each call:

==================  ===================================================================================================
Keras 1             `[["lstm_1", 0, 0]]`: for each tensor the layer, the index of its call, and that of the output
Keras 2, tf.keras   `[["lstm_1", 0, 0, {}]]`: with keywords
Keras 3             `{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["lstm", 0, 0]}}],
                    "kwargs": {}}`
==================  ===================================================================================================

Connections that are not understood are left out: those of a layer that is called several times, of one with a given
initial state, or of an inconsistent graph. None of this is an error, as reading a layer does not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.tree import Layer, LayerPath, Source
from lstmdump.readers.keras.architecture.config import ConfigLayer
from lstmdump.readers.keras.architecture.expected_layers import LeafLayer

Paths: TypeAlias = "Mapping[tuple[int, str], LayerPath]"
"""The path of a layer, by the id of its place in the architecture and its direction in a Bidirectional."""

_NOTHING_AT_INFERENCE = frozenset({
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity",
    "SpatialDropout1D",
})  # fmt: skip
_JOINS = ("concat", "sum", "mul", "ave")
_HIDDEN, _TENSOR = "InputLayer", "__keras_tensor__"


class _LayerOutput(NamedTuple):
    """An output of a layer in a functional model: the number of the model, the layer's name and the output's index."""

    scope: int
    layer: str
    number: int


_Signal: TypeAlias = "Source | _LayerOutput | None"
"""A value between layers: the outputs of recurrent layers, an output that is resolved later, or None for the rest."""

_Tensor: TypeAlias = "tuple[str, int]"
"""The name of a layer and the index of one of its outputs."""


class _LayerCall(NamedTuple):
    """The tensors that a layer is called with, and whether no other argument affects its input."""

    tensors: Sequence[_Tensor]
    is_plain: bool


def find_sources(
    architecture: ConfigLayer, described: Iterable[tuple[LayerPath, LeafLayer]], root: Layer
) -> dict[LayerPath, Source]:
    """Return the sources of each LSTM whose input is exactly the output of other LSTMs.

    Args:
        architecture: the configuration of the model.
        described: the layers that the architecture describes, by path.
        root: the tree of all layers.
    """
    lstms = {layer.path for layer in root.walk() if _is_lstm(layer)}
    flow = _SignalFlow({(id(leaf.layer), leaf.around.direction): path for path, leaf in described if path in lstms})
    flow.pass_layer(architecture, [None])
    return flow.sources()


def _is_lstm(layer: Layer) -> bool:
    """Return whether the arrays of `layer`, a gated layer by its configuration, are those of an LSTM, not a GRU."""
    recurrent = layer.weights.get("recurrent_kernel", layer.weights.get("U"))
    if recurrent is None:
        return "U_f" in layer.weights
    return len(recurrent.shape) == 2 and recurrent.shape[1] == 4 * recurrent.shape[0]


class _SignalFlow:
    """A pass over the layers of a model that follows the signals from the input on.

    The layers of a functional model are not listed in the order of their calls. So each output is recorded under its
    name, inputs refer to these names, and they are resolved at the end.

    Args:
        paths: the paths of the LSTM layers.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._taken: list[tuple[LayerPath, ConfigLayer, _Signal]] = []
        self._given: dict[_LayerOutput, _Signal] = {}
        self._scopes = 0
        self._elsewhere: set[tuple[str, str | None]] = set()

    def sources(self) -> dict[LayerPath, Source]:
        """Return the sources, except of a layer that the architecture lists twice and the file once: it is shared."""
        resolved = ((path, cell, self._resolve(signal)) for path, cell, signal in self._taken)
        return {
            path: source
            for path, cell, source in resolved
            if source is not None and (cell.kind, cell.name) not in self._elsewhere
        }

    def _resolve(self, signal: _Signal) -> Source | None:
        """Return the source of `signal`, and store it for all outputs passed, so that no path is followed twice."""
        way: dict[_LayerOutput, None] = {}
        while isinstance(signal, _LayerOutput) and signal not in way:
            way[signal] = None
            signal = self._given.get(signal)
        source = signal if isinstance(signal, Source) else None
        self._given.update(dict.fromkeys(way, source))
        return source

    def pass_layer(self, layer: ConfigLayer, inputs: Sequence[_Signal]) -> Sequence[_Signal]:
        """Return the known outputs of `layer` for these `inputs`."""
        only = inputs[0] if len(inputs) == 1 else None
        listed = layer.settings.get("layers")
        if layer.kind == "Sequential" and isinstance(listed, list):
            return [self._pass_sequential(layer, listed, only)]
        if isinstance(listed, list) and {"input_layers", "output_layers"} <= layer.settings.keys():
            return self._pass_functional(layer, listed, inputs)
        if _does_nothing(layer):
            return [only]
        if halves := layer.halves():
            return self._pass_halves(layer, [half for _, half in halves], only)
        if not layer.children or any(key == "cell" for key, _ in layer.children):
            return [self._pass_cells(layer, "", only)]
        for _, child in layer.children:  # an unknown wrapper: the connections within each of its layers still hold
            self.pass_layer(child, [None])
        return []

    def _pass_sequential(self, model: ConfigLayer, listed: list[Any], signal: _Signal) -> _Signal:
        hidden = sum(_read_text(one, "class_name") == _HIDDEN for one in listed)
        is_understood = len(model.children) + hidden == len(listed)
        for _, layer in model.children:
            given = self.pass_layer(layer, [signal if is_understood else None])
            signal = given[0] if given else None
        return signal if is_understood else None

    def _pass_functional(self, model: ConfigLayer, listed: list[Any], inputs: Sequence[_Signal]) -> Sequence[_Signal]:
        self._scopes += 1
        scope = self._scopes
        entrances = [_LayerOutput(scope, *tensor) for tensor in _read_tensors(model.settings["input_layers"])]
        if len(entrances) == len(inputs):
            self._given.update(zip(entrances, inputs, strict=True))
        calls = _read_calls(listed)
        for _, layer in model.children:
            call = calls.get(layer.name or "")
            plain = call is not None and call.is_plain
            given = self.pass_layer(
                layer, [_LayerOutput(scope, *one) for one in call.tensors] if call and plain else [None]
            )
            if call is not None and layer.name is not None:
                self._given.update((_LayerOutput(scope, layer.name, k), signal) for k, signal in enumerate(given))
        return [_LayerOutput(scope, *tensor) for tensor in _read_tensors(model.settings["output_layers"])]

    def _pass_halves(self, layer: ConfigLayer, halves: Sequence[ConfigLayer], signal: _Signal) -> Sequence[_Signal]:
        forward, backward = halves
        one = self._pass_cells(forward, "forward", signal)
        other = self._pass_cells(backward, "backward", signal)
        join = layer.settings.get("merge_mode", "concat")
        if forward.settings.get("go_backwards") is True:
            return []  # both halves are reversed
        if join is None:
            return [one, other]
        if one is None or other is None or join not in _JOINS:
            return []
        return [Source((*one.layers, *other.layers), join)]

    def _pass_cells(self, layer: ConfigLayer, direction: str, signal: _Signal) -> Source | None:
        """Return the output of a recurrent layer at every step; each of its cells reads the output of the previous."""
        for cell in _list_cells(layer):
            path = self._paths.get((id(cell), direction))
            if path is None:
                self._elsewhere.add((cell.kind, cell.name))
                signal = None
            else:
                self._taken.append((path, cell, signal))
                signal = Source((path,))
        gives_all = layer.settings.get("return_sequences") is True
        return signal if gives_all and isinstance(signal, Source) else None


def _does_nothing(layer: ConfigLayer) -> bool:
    """Return whether `layer` returns its input unchanged at inference."""
    if layer.kind == "Activation":
        return layer.settings.get("activation") == "linear"
    if layer.kind == "TimeDistributed":
        return len(layer.children) == 1 and _does_nothing(layer.children[0][1])
    return layer.kind in _NOTHING_AT_INFERENCE


def _list_cells(layer: ConfigLayer) -> list[ConfigLayer]:
    """Return what `layer` runs in sequence at each step: itself, its cell, or the stacked cells."""
    cell = dict(layer.children).get("cell")
    if cell is None:
        return [layer]
    return [one for _, one in cell.children] if cell.kind == "StackedRNNCells" else [cell]


def _read_calls(listed: list[Any]) -> dict[str, _LayerCall]:
    """Return the call of each of the `listed` layers that is called once, by the name of the layer."""
    found: dict[str, list[Any]] = {}
    for one in listed:
        name = _read_text(one, "name")
        if name is not None:
            nodes = one.get("inbound_nodes")
            found.setdefault(name, []).extend(nodes if isinstance(nodes, list) else [])
    calls = ((name, _read_call(nodes[0])) for name, nodes in found.items() if len(nodes) == 1)
    return {name: call for name, call in calls if call is not None}


def _read_call(node: object) -> _LayerCall | None:
    if isinstance(node, dict):  # Keras 3
        tensors = list(_find_histories(node.get("args")))
        keywords = [node.get("kwargs")]
    else:
        tensors = _read_tensors(node)
        nodes = node if isinstance(node, list) and node and isinstance(node[0], list) else [node]
        keywords = [one[3] for one in nodes if isinstance(one, list) and len(one) > 3]
    return _LayerCall(tensors, all(map(_change_nothing, keywords))) if tensors else None


def _change_nothing(keywords: object) -> bool:
    """Return whether `keywords` do not affect the input of a layer; each layer applies a mask by itself."""
    if not isinstance(keywords, dict):
        return keywords is None
    return all(key == "mask" or value is None or value is False for key, value in keywords.items())


def _find_histories(value: object) -> Iterator[_Tensor]:
    """Yield the tensors in the arguments of a call of Keras 3."""
    if isinstance(value, list):
        for one in value:
            yield from _find_histories(one)
    elif isinstance(value, dict) and value.get("class_name") == _TENSOR and isinstance(value.get("config"), dict):
        yield from _read_tensors(value["config"].get("keras_history"))


def _read_tensors(value: object) -> list[_Tensor]:
    """Return the tensors that `value` lists by layer, call and output; empty if it lists anything else."""
    if not isinstance(value, list) or not value:
        return []
    listed = value if isinstance(value[0], list) else [value]
    found = [(one[0], one[2]) for one in listed if isinstance(one, list) and len(one) > 2 and isinstance(one[0], str)
             and isinstance(one[2], int)]  # fmt: skip
    return found if len(found) == len(listed) else []


def _read_text(value: object, key: str) -> str | None:
    """Return the text under `key` in the entry of a layer, or else in the `config` of the entry."""
    if not isinstance(value, dict):
        return None
    found, config = value.get(key), value.get("config")
    if found is None and isinstance(config, dict):
        found = config.get(key)
    return found if isinstance(found, str) else None
