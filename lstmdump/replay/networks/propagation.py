"""Run a network of layers from the model's own inputs, and propagate derivatives back through it.

Only the calls that the chosen tensors need are part of a network that has been read. The forward pass keeps a value
until its last use; the backward pass needs them all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import INPUT, NetworkCall, NetworkDescription, NetworkInput, NetworkOutput, NetworkTensor
from lstmdump.model.tensor import Array
from lstmdump.replay.layers import registry
from lstmdump.replay.layers.base import NO_CONTEXT, Gradient, RunContext, RunnableLayer, Signal
from lstmdump.replay.layers.reading import LayerReader

_LARGEST_WHOLE = 2  # how many times as large as a part of it an array may be that is kept for the sake of this part


@dataclass(frozen=True)
class RunnableNetwork:
    """A network that has been read. It can be pickled.

    Attributes:
        layers: The layers, by their index in the description; only those that are needed.
        calls: The calls, by their index in the description; only those that are needed, each after those whose outputs
            it takes.
        inputs: The inputs that are needed.
        targets: The tensors that are asked for.
        outputs: The outputs of the model among them.
        dtype: The dtype of all numbers.
    """

    layers: Mapping[int, RunnableLayer]
    calls: Mapping[int, NetworkCall]
    inputs: tuple[NetworkInput, ...]
    targets: tuple[NetworkTensor, ...]
    outputs: tuple[NetworkOutput, ...]
    dtype: str

    def layer_of(self, call: int) -> RunnableLayer:
        """Return the layer that the call with this index uses."""
        return self.layers[self.calls[call].layer]

    def takes_ids(self, given: NetworkInput) -> bool:
        """Return whether all layers that take an input take whole numbers, apart from those that take any."""
        takers = [self.layer_of(index) for index, call in self.calls.items() if given.tensor in call.inputs]
        takers = [layer for layer in takers if not layer.takes_any_numbers]
        return bool(takers) and all(layer.takes_ids for layer in takers)


class ReachableLayers(NamedTuple):
    """The layers of a network that have been read, and the calls that cannot be computed.

    Attributes:
        layers: The layers, by their index in the description.
        blocked: By the index of a call that cannot be computed, the reason, which names a layer or an input.
    """

    layers: Mapping[int, RunnableLayer]
    blocked: Mapping[int, str]

    def require(self, targets: Iterable[NetworkTensor]) -> None:
        """Check that `targets` can be computed.

        Raises:
            CannotReplay: One of them cannot; the message says why.
        """
        for target in targets:
            if target.call in self.blocked:
                raise CannotReplay(self.blocked[target.call])


def read_reachable(
    network: NetworkDescription,
    targets: Iterable[NetworkTensor],
    reader: LayerReader,
    absent: Collection[NetworkTensor] = (),
) -> ReachableLayers:
    """Read the layers that `targets` need, as far as they can be computed without the inputs `absent`."""
    layers: dict[int, RunnableLayer] = {}
    blocked: dict[int, str] = {}
    reasons: dict[int, str] = {}
    names = {one.tensor.call: one.name for one in network.inputs if one.tensor in absent}
    for index in sorted(network.needed_for(target.call for target in targets)):
        call = network.calls[index]
        before = next((tensor.call for tensor in call.tensors if tensor.call in blocked), None)
        if before is not None:
            blocked[index] = blocked[before]
        elif index in names:
            blocked[index] = f"the input {names[index]} is not given; give it with -i {names[index]}=FILE.npy"
        elif call.cannot_replay is not None:
            blocked[index] = f"{network.layers[call.layer].name}: {call.cannot_replay}"
        elif network.layers[call.layer].kind != INPUT and call.layer not in layers:
            if call.layer not in reasons:
                try:
                    layers[call.layer] = registry.build(network.layers[call.layer], reader)
                    continue
                except CannotReplay as error:
                    reasons[call.layer] = str(error)
            blocked[index] = reasons[call.layer]
    return ReachableLayers(layers, blocked)


def select(
    network: NetworkDescription, targets: Sequence[NetworkTensor], layers: Mapping[int, RunnableLayer], dtype: str
) -> RunnableNetwork:
    """Return the part of `network` that `targets` need, with its `layers`, which have been read as `dtype`."""
    needed = sorted(network.needed_for(target.call for target in targets))
    used = {network.calls[index].layer for index in needed}
    return RunnableNetwork(
        {index: layer for index, layer in layers.items() if index in used},
        {index: network.calls[index] for index in needed},
        tuple(one for one in network.inputs if one.tensor.call in needed),
        tuple(dict.fromkeys(targets)),
        tuple(one for one in network.outputs if one.tensor in targets),
        dtype,
    )


class WrappedNetwork(RunnableLayer):
    """A network that is run as a layer: its inputs and outputs are those of the layer.

    Args:
        name: The name of the layer.
        network: The network, of which all outputs are targets.
    """

    def __init__(self, name: str, network: RunnableNetwork) -> None:
        super().__init__(name)
        self.takes_ids = all(network.takes_ids(one) for one in network.inputs)
        self._network = network

    def forward(self, inputs: Sequence[Signal], context: RunContext = NO_CONTEXT) -> tuple[Signal, ...]:
        """Return the outputs of the network."""
        tape = forward(self._network, self._name_inputs(inputs), context=context)
        return tuple(tape[target] for target in self._network.targets)

    def backward(
        self,
        inputs: Sequence[Signal],
        outputs: Sequence[Signal],  # noqa: ARG002
        gradients: Sequence[Gradient],
        context: RunContext = NO_CONTEXT,
    ) -> tuple[Gradient, ...]:
        """Return the gradients of the inputs of the network, which is run once more for them."""
        tape = forward(self._network, self._name_inputs(inputs), context=replace(context, watch=None), keep=True)
        seeds: dict[NetworkTensor, Array] = {}
        for target, gradient in zip(self._network.targets, gradients, strict=True):
            if gradient is not None:
                seeds[target] = seeds[target] + gradient if target in seeds else gradient
        wanted = [one.tensor for one in self._network.inputs]
        found = backward(self._network, tape, seeds, wanted)
        return tuple(found[tensor] for tensor in wanted)

    def _name_inputs(self, inputs: Sequence[Signal]) -> dict[str, Signal]:
        return {one.name: given for one, given in zip(self._network.inputs, inputs, strict=True)}


def read_as_layer(name: str, network: NetworkDescription, reader: LayerReader) -> WrappedNetwork:
    """Read `network` as the layer `name`.

    Raises:
        CannotReplay: A layer in it cannot be computed; the message names it.
    """
    return WrappedNetwork(name, read(network, [one.tensor for one in network.outputs], reader))


def read(network: NetworkDescription, targets: Sequence[NetworkTensor], reader: LayerReader) -> RunnableNetwork:
    """Read the part of `network` that `targets` need.

    Raises:
        CannotReplay: A layer among them cannot be computed; the message names it.
    """
    reachable = read_reachable(network, targets, reader)
    reachable.require(targets)
    return select(network, targets, reachable.layers, reader.dtype)


@dataclass
class Tape:
    """A forward pass, from which a backward pass starts.

    Attributes:
        signals: The signals, by the index of the call.
        context: What applies to the whole run.
        mask: The mask that is given in place of those of the network, (batch, steps).
    """

    signals: dict[int, tuple[Signal, ...]]
    context: RunContext
    mask: Array | None = None

    def __getitem__(self, tensor: NetworkTensor) -> Signal:
        return self.signals[tensor.call][tensor.output]


def forward(
    network: RunnableNetwork,
    given: Mapping[str, Signal],
    *,
    mask: Array | None = None,
    context: RunContext = NO_CONTEXT,
    keep: bool = False,
    wanted: Collection[NetworkTensor] | None = None,
) -> Tape:
    """Run `network`; return the signals of `wanted`, or of all calls if `keep`.

    Args:
        network: The network.
        given: The values of its inputs, by name.
        mask: A mask, (batch, steps), in place of those that layers determine; without such layers, that of the inputs.
        context: What applies to the whole run.
        keep: Whether to keep the signals for a backward pass.
        wanted: The tensors to return; the targets of the network if not given.

    Raises:
        BadInput: An input is missing, or has another shape than a layer takes.
    """
    tape = Tape({}, context, mask)
    last_use = {} if keep else _find_last_uses(network, network.targets if wanted is None else wanted)
    for index, call in network.calls.items():
        if call.layer in network.layers:
            tape.signals[index] = _run_call(network.layers[call.layer], call, tape, mask)
        else:
            tape.signals[index] = (_take_input(network, index, given, mask),)
        for done in last_use.get(index, ()):
            del tape.signals[done]
    return tape


def _run_call(layer: RunnableLayer, call: NetworkCall, tape: Tape, mask: Array | None) -> tuple[Signal, ...]:
    made = tuple(_detach(one) for one in layer.forward(list_inputs(call, tape), tape.context))
    if not layer.makes_mask or mask is None:
        return made
    return tuple(one._replace(mask=mask) if one.values.shape[:2] == mask.shape else one for one in made)


def _detach(signal: Signal) -> Signal:
    """Copy values that are a small part of an array, such as its last step, which would keep all of it in memory."""
    whole = signal.values.base
    if isinstance(whole, np.ndarray) and whole.nbytes > _LARGEST_WHOLE * signal.values.nbytes:
        return signal._replace(values=signal.values.copy())
    return signal


def list_inputs(call: NetworkCall, tape: Tape) -> list[Signal]:
    """Return the inputs of a call, the first with the mask that the call itself names."""
    inputs = [tape[tensor] for tensor in call.inputs]
    if call.mask is not None and inputs:
        mask = tape[call.mask].values.astype(bool)
        if tape.mask is not None and tape.mask.shape == mask.shape:
            mask = tape.mask
        inputs[0] = inputs[0]._replace(mask=mask, is_mask_stated=True)
    elif inputs and tape.mask is not None and inputs[0].mask is not None:
        inputs[0] = inputs[0]._replace(is_mask_stated=True)  # the user states it
    return inputs


def _take_input(network: RunnableNetwork, index: int, given: Mapping[str, Signal], mask: Array | None) -> Signal:
    described = next(one for one in network.inputs if one.tensor.call == index)
    if described.name not in given:
        raise BadInput(f"the model also takes the input {described.name}; give it with -i {described.name}=FILE.npy")
    signal = given[described.name]
    if not (network.takes_ids(described) and signal.values.dtype.kind in "iu"):
        signal = signal._replace(values=signal.values.astype(network.dtype, copy=False))
    if mask is not None and signal.values.shape[:2] == mask.shape:
        signal = signal._replace(mask=mask)
    return signal


def _find_last_uses(network: RunnableNetwork, wanted: Collection[NetworkTensor]) -> dict[int, list[int]]:
    """Return, by the index of a call, the calls whose outputs nobody takes after it; `wanted` are kept."""
    last = {index: index for index in network.calls}
    for index, call in network.calls.items():
        for tensor in call.tensors:
            last[tensor.call] = index
    kept = {tensor.call for tensor in wanted}
    uses: dict[int, list[int]] = {}
    for index, at in last.items():
        if index not in kept:
            uses.setdefault(at, []).append(index)
    return uses


def backward(
    network: RunnableNetwork, tape: Tape, seeds: Mapping[NetworkTensor, Array], wanted: Sequence[NetworkTensor]
) -> dict[NetworkTensor, Gradient]:
    """Return the derivatives of r numbers with respect to the tensors `wanted`, each (batch, r, …), or None for 0.

    Args:
        network: The network.
        tape: The signals of all calls, from a forward pass with `keep`.
        seeds: The derivatives of the r numbers with respect to the tensors that they are computed from, (batch, r, …).
        wanted: The tensors; no call before all of them is propagated through.
    """
    gradients: dict[NetworkTensor, Gradient] = dict(seeds)
    open_calls = find_calls_between(network, seeds, wanted)
    for index in sorted(open_calls, reverse=True):
        call, made = network.calls[index], tape.signals[index]
        given = [gradients.get(NetworkTensor(index, number)) for number in range(len(made))]
        if call.layer not in network.layers or all(one is None for one in given):
            continue
        found = network.layers[call.layer].backward(list_inputs(call, tape), made, given, tape.context)
        for tensor, gradient in zip(call.inputs, found, strict=False):
            if gradient is not None:
                before = gradients.get(tensor)
                gradients[tensor] = gradient if before is None else before + gradient
        for number in range(len(made)):
            if (done := NetworkTensor(index, number)) not in wanted:
                gradients.pop(done, None)
    return {tensor: gradients.get(tensor) for tensor in wanted}


def find_calls_between(
    network: RunnableNetwork, seeds: Iterable[NetworkTensor], wanted: Sequence[NetworkTensor]
) -> set[int]:
    """Return the calls that depend on a tensor of `wanted`, and on which one of `seeds` depends."""
    behind = {tensor.call for tensor in wanted}
    for index, call in network.calls.items():
        if any(tensor.call in behind for tensor in call.inputs):
            behind.add(index)
    behind -= {tensor.call for tensor in wanted} - _find_calls_behind(network, wanted)
    before: set[int] = set()
    waiting = [tensor.call for tensor in seeds]
    while waiting:
        index = waiting.pop()
        if index not in before:
            before.add(index)
            waiting.extend(tensor.call for tensor in network.calls[index].inputs)
    return behind & before


def _find_calls_behind(network: RunnableNetwork, wanted: Sequence[NetworkTensor]) -> set[int]:
    """Return the calls of `wanted` that take, directly or not, another tensor of `wanted`."""
    behind: set[int] = set()
    starts = {tensor.call for tensor in wanted}
    for index, call in network.calls.items():
        if any(tensor.call in starts | behind for tensor in call.inputs):
            behind.add(index)
    return behind & starts
