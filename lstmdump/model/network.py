"""The network that a file describes: its layers, which calls feed which, and the inputs and outputs of the model.

Nested models are resolved: their layers and calls are those of the one network. A layer that is called several times is
listed once, with a call for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath


@dataclass(frozen=True)
class NetworkLayer:
    """A layer as the file describes it.

    Attributes:
        path: The names of the layers around it and its own, as in the tree of the model.
        kind: Its class, without the package that registered it: `LSTM`, `Dense`, `MyLayer`.
        config: Its configuration, in the words of the release that wrote it.
        weights: Its own arrays in the order of the file, by the names that the file gives them.
        inner: The layers that it wraps, by what they are to it: `layer`, `forward`, `backward`, `cell`, or `cell_0`, ….
        network: The network of a model that is wrapped, as in TimeDistributed; its one input and output are those of
            the layer. None for other layers.
        is_of_keras: Whether it is of a class of Keras, and not of one that the user defined.
    """

    path: LayerPath
    kind: str
    config: Mapping[str, Any]
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    inner: Mapping[str, NetworkLayer] = field(default_factory=dict)
    network: NetworkDescription | None = None
    is_of_keras: bool = True

    @property
    def name(self) -> str:
        """The path, joined by slashes."""
        return "/".join(self.path)

    def walk(self) -> Iterator[NetworkLayer]:
        """Yield this layer and all layers that it wraps."""
        yield self
        for layer in self.inner.values():
            yield from layer.walk()
        for layer in self.network.layers if self.network is not None else ():
            yield from layer.walk()


@dataclass(frozen=True)
class NetworkTensor:
    """One output of a call: the index of the call in the network, and that of the output."""

    call: int
    output: int = 0


@dataclass(frozen=True)
class NetworkCall:
    """One use of a layer.

    Attributes:
        layer: The index of the layer in the network.
        inputs: The tensors that the layer is called with; the states before the first step of a recurrent layer follow
            its input.
        mask: The tensor that the call itself names as the mask of its first input; None where the mask comes with the
            input.
        number: The number of this call among those of the layer, from 0.
        cannot_replay: Why the call does something else than the layer does by itself: it was made with
            `training=True`; None if it does not.
    """

    layer: int
    inputs: tuple[NetworkTensor, ...] = ()
    mask: NetworkTensor | None = None
    number: int = 0
    cannot_replay: str | None = None


@dataclass(frozen=True)
class NetworkInput:
    """An input of the model.

    Attributes:
        name: Its name.
        tensor: The call that stands for it.
        shape: Its shape without the batch, None for a length that is not fixed; None if the file does not state it.
        is_integer: Whether the file states that it consists of whole numbers.
        batch: The size of the batch that the file states, as for stateful layers.
    """

    name: str
    tensor: NetworkTensor
    shape: tuple[int | None, ...] | None = None
    is_integer: bool = False
    batch: int | None = None


@dataclass(frozen=True)
class NetworkOutput:
    """An output of the model: its name, that of the layer that gives it, and the tensor."""

    name: str
    tensor: NetworkTensor


@dataclass(frozen=True)
class NetworkDescription:
    """The network of a model.

    Attributes:
        layers: The layers, each once.
        calls: The calls, each after those whose outputs it takes. A call of an `InputLayer` has no inputs.
        inputs: The inputs, in the order of the model.
        outputs: The outputs, in the order of the model.
    """

    layers: tuple[NetworkLayer, ...]
    calls: tuple[NetworkCall, ...]
    inputs: tuple[NetworkInput, ...]
    outputs: tuple[NetworkOutput, ...]

    def layer_of(self, call: int) -> NetworkLayer:
        """Return the layer that the call with this index uses."""
        return self.layers[self.calls[call].layer]

    def needed_for(self, targets: Iterator[int] | list[int]) -> set[int]:
        """Return the indices of all calls whose outputs the calls `targets` need, directly or not, with `targets`."""
        needed: set[int] = set()
        waiting = list(targets)
        while waiting:
            index = waiting.pop()
            if index not in needed:
                needed.add(index)
                call = self.calls[index]
                waiting.extend(tensor.call for tensor in (*call.inputs, *([call.mask] if call.mask else [])))
        return needed
