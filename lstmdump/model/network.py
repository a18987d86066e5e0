"""The network that a file describes: its layers, which calls feed which, and the inputs and outputs of the model.

Nested models are resolved: their layers and calls are those of the one network. A layer that is called several times is
listed once, with a call for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import LayerPath

INPUT = "InputLayer"
"""The class of the layers that stand for the inputs of a model."""


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

    @property
    def tensors(self) -> tuple[NetworkTensor, ...]:
        """All tensors that the call takes: its inputs, and its mask."""
        return self.inputs if self.mask is None else (*self.inputs, self.mask)

    def renumbered(self, renumber: Callable[[NetworkTensor], NetworkTensor]) -> NetworkCall:
        """Return this call with `renumber` applied to all tensors that it takes."""
        return replace(
            self,
            inputs=tuple(map(renumber, self.inputs)),
            mask=None if self.mask is None else renumber(self.mask),
        )


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

    @property
    def has_fixed_batch(self) -> bool | None:
        """Whether the inputs state the size of the batch; None if only some of them do."""
        stated = {one.batch is not None for one in self.inputs}
        return None if len(stated) > 1 else stated == {True}

    def layer_of(self, call: int) -> NetworkLayer:
        """Return the layer that the call with this index uses."""
        return self.layers[self.calls[call].layer]

    def needed_for(self, targets: Iterable[int]) -> set[int]:
        """Return the indices of all calls whose outputs the calls `targets` need, directly or not, with `targets`."""
        needed: set[int] = set()
        waiting = list(targets)
        while waiting:
            index = waiting.pop()
            if index not in needed:
                needed.add(index)
                waiting.extend(tensor.call for tensor in self.calls[index].tensors)
        return needed

    def calls_of(self, layer: int) -> list[int]:
        """Return the indices of the calls of the layer with the index `layer`."""
        return [index for index, call in enumerate(self.calls) if call.layer == layer]

    def find_layer(self, name: str) -> int | None:
        """Return the index of the layer called `name`, or of the one that wraps it; None if there is no such layer."""
        layers = range(len(self.layers))
        named = (index for index in layers if self.layers[index].name == name)
        around = (index for index in layers if any(inner.name == name for inner in self.layers[index].walk()))
        return next(named, next(around, None))

    def with_stand_in(
        self, tensor: NetworkTensor, name: str, shape: tuple[int | None, ...] | None
    ) -> NetworkDescription:
        """Return this network with a new input in place of `tensor`, wherever that is taken.

        The new input is the first, and its call as well, so that the indices of all other calls grow by one.

        Args:
            tensor: The tensor that is no longer taken.
            name: The name of the new input.
            shape: Its shape without the batch.
        """

        def renumber(one: NetworkTensor) -> NetworkTensor:
            return NetworkTensor(0) if one == tensor else NetworkTensor(one.call + 1, one.output)

        return NetworkDescription(
            (*self.layers, NetworkLayer((name,), INPUT, {})),
            (NetworkCall(len(self.layers)), *(one.renumbered(renumber) for one in self.calls)),
            (NetworkInput(name, NetworkTensor(0), shape, batch=self.inputs[0].batch if self.has_fixed_batch else None),
             *(replace(one, tensor=NetworkTensor(one.tensor.call + 1)) for one in self.inputs)),
            tuple(replace(one, tensor=renumber(one.tensor)) for one in self.outputs),
        )  # fmt: skip

    def with_input_at(self, call: int, name: str, shape: tuple[int | None, ...] | None) -> NetworkDescription:
        """Return this network with a new input in place of the first tensor that a call takes, wherever it is taken.

        That call keeps no other tensors and no mask; the other inputs of the model remain. See `with_stand_in`.
        """
        found = self.with_stand_in(self.calls[call].inputs[0], name, shape)
        calls = list(found.calls)
        calls[call + 1] = replace(calls[call + 1], inputs=(NetworkTensor(0),), mask=None)
        return replace(found, calls=tuple(calls))
