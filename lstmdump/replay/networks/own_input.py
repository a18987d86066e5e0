"""Run a layer of a network on an input of its own: what it is given in the model besides, which is then left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from lstmdump.model.network import INPUT, NetworkDescription, NetworkLayer, NetworkTensor
from lstmdump.model.sentences import conjoined

_STOP_MASKS = frozenset({
    "Flatten", "Reshape", "RepeatVector", "Permute", "Lambda", "Conv1D", "Convolution1D", "MaxPooling1D",
    "AveragePooling1D", "GlobalMaxPooling1D", "GlobalAveragePooling1D", "ZeroPadding1D", "Cropping1D", "UpSampling1D",
})  # fmt: skip
_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "CuDNNLSTM", "CuDNNGRU"})


class LayerByItself(NamedTuple):
    """A network in which one layer takes a new input.

    Attributes:
        network: The network.
        name: The name of the layer, which is also that of the new input.
        notes: What the layer is given in the model, and is not given now, with the options that give it.
    """

    network: NetworkDescription
    name: str
    notes: tuple[str, ...]


def cut(
    described: NetworkDescription, layer: int, shape: tuple[int | None, ...] | None, *, has_mask: bool, has_states: bool
) -> LayerByItself:
    """Return the network `described` with a new input for the layer with the index `layer`, at its first call.

    Args:
        described: The network.
        layer: The index of the layer.
        shape: The shape of the new input, without the batch.
        has_mask: Whether the user gives a mask, so that no note on it is needed.
        has_states: Whether the user gives first states.
    """
    index = described.calls_of(layer)[0]
    name = described.layers[layer].name
    notes = []
    if not has_mask and (makers := _find_mask_makers(described, index)):
        notes.append(
            f"{name}: in the model, its mask comes from {conjoined(makers)}; without --mask, no step is masked"
        )
    if not has_states and (layers := _find_state_givers(described, index)):
        notes.append(f"{name}: in the model, its first states come from {conjoined(layers)}; here they are 0, unless "
                     "--initial-state gives them")  # fmt: skip
    return LayerByItself(described.with_input_at(index, name, shape), name, tuple(notes))


def isolate_halves(described: NetworkDescription, names: Sequence[str]) -> NetworkDescription:
    """Return `described` with a call of its own for each half of a Bidirectional that is in `names`.

    The merged output of a Bidirectional does not show what one half gives. The half alone takes the same input, and
    its share of the initial states.
    """
    layers, calls = list(described.layers), list(described.calls)
    for index, call in enumerate(described.calls):
        halves = list(described.layers[call.layer].inner.items())
        for turn, (key, half) in enumerate(halves):
            if key in ("forward", "backward") and half.name in names and call.number == 0:
                share = (len(call.inputs) - 1) // len(halves)
                states = call.inputs[1 + turn * share : 1 + (turn + 1) * share]
                calls.append(replace(call, layer=len(layers), inputs=(*described.calls[index].inputs[:1], *states)))
                layers.append(half)
    return replace(described, layers=tuple(layers), calls=tuple(calls))


def _find_state_givers(described: NetworkDescription, index: int) -> list[str]:
    """Return the names of the layers and inputs that give a recurrent layer its first states."""
    return list(dict.fromkeys(described.layer_of(tensor.call).name for tensor in described.calls[index].inputs[1:]))


def _find_mask_makers(described: NetworkDescription, index: int) -> list[str]:
    """Return the layers whose mask reaches a call, in words."""
    found: dict[str, None] = {}
    seen: set[NetworkTensor] = set()
    waiting = list(described.calls[index].inputs[:1])
    while waiting:
        tensor = waiting.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        layer = described.layer_of(tensor.call)
        if (made := _describe_mask(layer)) is not None:
            found[made] = None
        elif not _stops_masks(layer):
            waiting.extend(described.calls[tensor.call].inputs)
    return list(found)


def _describe_mask(layer: NetworkLayer) -> str | None:
    """Return the layer in words if it makes a mask."""
    inner = layer.inner.get("layer") if layer.kind == "TimeDistributed" else None
    if inner is not None:
        return _describe_mask(inner)
    if layer.kind == "Masking":
        return f"{layer.name} (Masking, mask_value={layer.config.get('mask_value', 0.0)})"
    return f"{layer.name} (Embedding, mask_zero=True)" if layer.config.get("mask_zero") is True else None


def _stops_masks(layer: NetworkLayer) -> bool:
    if layer.kind in _RECURRENT:
        return not _returns_sequences(layer)
    return layer.kind in _STOP_MASKS or layer.kind == INPUT


def _returns_sequences(layer: NetworkLayer) -> bool:
    configs: Iterator[Mapping[str, object]] = (one.config for one in layer.walk())
    return any(config.get("return_sequences") is True for config in configs)
