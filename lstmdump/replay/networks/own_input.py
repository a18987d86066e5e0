"""Run a layer of a network on an input of its own: what it is given in the model besides, which is then left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from lstmdump.model.network import INPUT, NetworkDescription, NetworkLayer, NetworkTensor
from lstmdump.model.sentences import conjoined
from lstmdump.model.tree import LayerPath

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


def is_input_of(described: NetworkDescription, name: str, axes: int) -> bool:
    """Return whether the LSTM `name` takes as its own input what its layer in the network is given.

    That is not so where another cell or layer comes before it within its layer, or where the layer takes each step of
    an input of more than the usual three axes by itself, and `axes` are not as many.
    """
    index = described.find_layer(name)
    calls = [] if index is None else described.calls_of(index)
    if index is None or not calls or not described.calls[calls[0]].inputs:
        return False
    return comes_first(described.layers[index], name) and axes >= 3 + count_outer_steps(described.layers[index], name)


def is_cell_of_several(described: NetworkDescription, name: str) -> bool:
    """Return whether the LSTM `name` is one of several cells of its layer, which are run together."""
    index = described.find_layer(name)
    around = () if index is None else described.layers[index].walk()
    return any(one.name == name for layer in around if len(layer.inner) > 1
               for key, cell in layer.inner.items() if key.startswith("cell") for one in cell.walk())  # fmt: skip


def comes_first(layer: NetworkLayer, name: str) -> bool:
    """Return whether no other cell or layer comes before the LSTM `name` within `layer`."""
    if layer.network is not None and (index := layer.network.find_layer(name)) is not None:
        before = layer.network.calls[layer.network.calls_of(index)[0]].inputs[0].call
        return layer.network.layer_of(before).kind == INPUT and comes_first(layer.network.layers[index], name)
    for number, (key, one) in enumerate(layer.inner.items()):
        if _find_within(one, name) is not None:
            return (number == 0 or not key.startswith("cell")) and comes_first(one, name)
    return True


def count_outer_steps(layer: NetworkLayer, name: str) -> int:
    """Return how many TimeDistributed are around the LSTM `name` within `layer`."""
    inner = [*layer.inner.values(), *(layer.network.layers if layer.network is not None else ())]
    within = next((one for one in inner if _find_within(one, name) is not None), None)
    return 0 if within is None else (layer.kind == "TimeDistributed") + count_outer_steps(within, name)


def isolate(described: NetworkDescription, names: Sequence[str]) -> NetworkDescription:
    """Return `described` with a call of its own for each LSTM in `names` whose output that of its layer does not show.

    The merged output of a Bidirectional does not show what one half gives, nor that of a stack of cells what a cell
    gives to the next one. The half alone, or the stack up to the cell, takes the same input, and its share of the
    initial states.
    """
    layers, calls = list(described.layers), list(described.calls)
    for call in described.calls:
        if call.number:
            continue
        for name in names:
            found = _find_alone(described.layers[call.layer], call.inputs[1:], name)
            if found is not None:
                calls.append(replace(call, layer=len(layers), inputs=(*call.inputs[:1], *found.states)))
                layers.append(found.layer)
    return replace(described, layers=tuple(layers), calls=tuple(calls))


class _PartOfLayer(NamedTuple):
    """What of a layer gives the output of one LSTM, called as this, with its share of the initial states."""

    layer: NetworkLayer
    states: tuple[NetworkTensor, ...]


def _find_alone(layer: NetworkLayer, states: tuple[NetworkTensor, ...], name: str) -> _PartOfLayer | None:
    """Return the part of `layer` that gives the output of the LSTM `name`.

    None if it is the whole layer, or the LSTM is not in it.
    """
    if layer.network is not None and layer.network.find_layer(name) is not None:
        return _PartOfLayer(replace(layer, path=tuple(name.split("/")), network=_end_at(layer.network, name)), states)
    inner = list(layer.inner.items())
    number = next((number for number, (_, one) in enumerate(inner) if _find_within(one, name) is not None), None)
    if layer.name == name or number is None:
        return None
    key, one = inner[number]
    path = _find_within(one, name)
    if key in ("forward", "backward"):
        share = len(states) // len(inner)
        own = states[number * share : (number + 1) * share]
        found = _find_alone(one, own, name) or _PartOfLayer(one, own)
    elif key == "layer":
        within = _find_alone(one, (), name)
        if within is None:
            return None
        found = _PartOfLayer(replace(layer, inner={key: within.layer}), states)
    elif number + 1 < len(inner):
        kept = dict(inner[: number + 1])
        found = _PartOfLayer(replace(layer, inner=kept), states[: sum(map(_count_states, kept.values()))])
    else:
        return None
    return found._replace(layer=replace(found.layer, path=path or found.layer.path))


def _end_at(network: NetworkDescription, name: str) -> NetworkDescription:
    """Return the network within a layer with the output of the LSTM `name` in place of its own."""
    found = isolate(network, [name])
    layer = found.find_layer(name)
    call = found.calls_of(layer)[0] if layer is not None else 0
    return replace(found, outputs=(replace(found.outputs[0], tensor=NetworkTensor(call)),))


def _find_within(layer: NetworkLayer, name: str) -> LayerPath | None:
    return next((one.path for one in layer.walk() if one.name == name), None)


def _count_states(cell: NetworkLayer) -> int:
    return 2 if "LSTM" in cell.kind else 1


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
