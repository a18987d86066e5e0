"""Networks as a file would describe them, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lstmdump.model.network import (
    INPUT,
    NetworkCall,
    NetworkDescription,
    NetworkInput,
    NetworkLayer,
    NetworkOutput,
    NetworkTensor,
)
from support.layer_reading import describe

Calls = Sequence[tuple[NetworkLayer, Sequence[str]]]


def take(name: str, shape: tuple[int | None, ...] | None = (None, 3), **fields: Any) -> tuple[str, dict[str, Any]]:
    """Return an input of a network, for `network`."""
    return name, {"shape": shape, **fields}


def network(
    inputs: Sequence[tuple[str, Mapping[str, Any]]], calls: Calls, outputs: Sequence[str] = ()
) -> NetworkDescription:
    """Return a network.

    Args:
        inputs: Its inputs, as `take` returns them.
        calls: Each layer with the names of what it takes: inputs, or layers, of which the last call counts. A layer
            that is listed again is called again.
        outputs: The names of the layers that give the outputs; the last one if there are none.
    """
    layers = [NetworkLayer((name,), INPUT, {}) for name, _ in inputs]
    made = {name: NetworkTensor(index) for index, (name, _) in enumerate(inputs)}
    given = tuple(NetworkInput(name, made[name], **fields) for name, fields in inputs)
    found = [NetworkCall(index) for index in range(len(layers))]
    for layer, taken in calls:
        if layer not in layers:
            layers.append(layer)
        index = layers.index(layer)
        number = sum(call.layer == index for call in found)
        found.append(NetworkCall(index, tuple(made[name] for name in taken), number=number))
        made[layer.name] = NetworkTensor(len(found) - 1)
    last = outputs or (calls[-1][0].name,)
    return NetworkDescription(
        tuple(layers), tuple(found), given, tuple(NetworkOutput(name, made[name]) for name in last)
    )


def lstm(name: str, *, sequences: bool = True, **config: Any) -> NetworkLayer:
    """Return the LSTM layer `name`, whose arrays are those of a model from `networks.opened`."""
    return describe("LSTM", {"return_sequences": sequences, **config}, name=name)


def dense(name: str, kernel: Sequence[Sequence[float]]) -> NetworkLayer:
    """Return the linear Dense layer `name`, without a bias."""
    config = {"units": len(kernel[0]), "activation": "linear", "use_bias": False}
    return describe("Dense", config, {"kernel": kernel}, name=name)


def unknown(name: str) -> NetworkLayer:
    """Return the layer `name` of a class that cannot be computed."""
    return describe("Lambda", name=name)
