"""Decide what the arrays that the user gives are, the model's own inputs or that of one layer, and read what is needed.

The network in the file decides: arrays that fit the inputs of the model are these. One that fits only an LSTM layer
takes the place of the tensor that this layer takes in the model, and what follows the layer is still computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lstmdump.errors import BadInput, CannotReplay, NoSuchLayer
from lstmdump.lstm import LSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.network import INPUT, NetworkDescription, NetworkInput, NetworkOutput, NetworkTensor
from lstmdump.model.sentences import listed
from lstmdump.replay import matching
from lstmdump.replay.equations import CellNumbers
from lstmdump.replay.matching import GivenArray, MatchedInput
from lstmdump.replay.network import RunOptions, note_backwards
from lstmdump.replay.networks import input_shapes, own_input, propagation
from lstmdump.replay.networks import reading as whole_network
from lstmdump.replay.networks.own_input import LayerByItself
from lstmdump.replay.networks.propagation import ReachableLayers, RunnableNetwork


class Purpose(NamedTuple):
    """What the user asks for.

    Attributes:
        chosen: The LSTM layers that are asked for.
        with_outputs: Whether the outputs of the model are asked for as well.
        into: The name of the layer whose own input the only array is; None if the user does not say.
        has_mask: Whether the user gives a mask.
        has_states: Whether the user gives states before the first step.
        any_layer: Whether some of the LSTM layers are enough, as far as they can be computed.
        others: LSTM layers that are not asked for, but that an array may be the own input of.
    """

    chosen: Sequence[LSTM]
    with_outputs: bool = True
    into: str | None = None
    has_mask: bool = False
    has_states: bool = False
    any_layer: bool = False
    others: Sequence[LSTM] = ()

    @property
    def heads(self) -> Sequence[LSTM]:
        """The LSTM layers that an array may be the own input of."""
        return (*self.chosen, *self.others)


@dataclass(frozen=True)
class NetworkPlan:
    """A network that has been read, and what the given arrays are in it. It can be pickled.

    Attributes:
        network: The network.
        inputs: Which array is which input.
        lstms: By the name of each LSTM layer that is asked for, the call that runs it first.
        takes: By the name of such a layer, the names of the layers whose outputs it takes; empty for an input.
        notes: Remarks on what is computed, and on what is not.
        options: How the layers are run.
        cells: All LSTM layers of the network.
    """

    network: RunnableNetwork
    inputs: tuple[MatchedInput, ...]
    lstms: Mapping[str, int]
    takes: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    options: RunOptions
    cells: tuple[CellNumbers, ...]

    @property
    def chosen(self) -> tuple[CellNumbers, ...]:
        """The LSTM layers that are asked for."""
        return tuple(cell for cell in self.cells if cell.name in self.lstms)

    @property
    def calls_of_chosen(self) -> int:
        """The number of calls of the LSTM layers that are asked for, each of which has states of its own."""
        layers = [self.network.calls[call].layer for call in self.lstms.values()]
        return sum(layers.count(call.layer) for call in self.network.calls.values())

    @property
    def notes_on_states(self) -> tuple[str, ...]:
        """The notes, and one on layers whose steps are not in the order of the input."""
        return (*self.notes, *note_backwards(self.chosen))


class ChosenInputs(NamedTuple):
    """The network to run, with its inputs.

    Attributes:
        described: The network; with a new input, if an array is that of one layer.
        matched: Which array is which input.
        notes: Remarks on what a layer is not given.
        is_cut: Whether an array is the input of one layer.
    """

    described: NetworkDescription
    matched: Sequence[MatchedInput]
    notes: tuple[str, ...] = ()
    is_cut: bool = False


def read(
    opened: LoadedModel,
    described: NetworkDescription,
    given: Sequence[GivenArray],
    purpose: Purpose,
    options: RunOptions,
) -> NetworkPlan:
    """Read the part of the network of `opened` that `purpose` needs, for the arrays `given`.

    Args:
        opened: The model.
        described: Its network.
        given: The arrays that the user gives.
        purpose: What the user asks for.
        options: How the layers are run.

    Raises:
        BadInput: The arrays fit neither the inputs of the model nor a chosen layer.
        CannotReplay: A layer that is needed cannot be computed; the message names it, and what to do.
        NoSuchLayer: There is no layer to give the array to.
    """
    described = input_shapes.infer(described, opened.lstms)
    return read_chosen(opened, choose_inputs(described, given, purpose), purpose, options)


def read_chosen(opened: LoadedModel, inputs: ChosenInputs, purpose: Purpose, options: RunOptions) -> NetworkPlan:
    """Read what `purpose` needs of the network in `inputs`, as `read` does."""
    calls = find_calls(inputs.described, purpose.chosen)
    outputs = inputs.described.outputs if purpose.with_outputs else ()
    reader = whole_network.NetworkReader(opened, inputs.described, options)
    absent = {one.tensor for one in inputs.described.inputs} - {one.input.tensor for one in inputs.matched}
    wanted = [*(NetworkTensor(call) for call in calls.values()), *(one.tensor for one in outputs)]
    reachable = propagation.read_reachable(inputs.described, wanted, reader, absent)
    lstms = {name: call for name, call in calls.items() if call not in reachable.blocked}
    made = [one for one in outputs if one.tensor.call not in reachable.blocked]
    if (refusal := _explain_refusal(calls, outputs, reachable, some=inputs.is_cut or purpose.any_layer)) is not None:
        raise CannotReplay(refusal)
    targets = [*(NetworkTensor(call) for call in lstms.values()), *(one.tensor for one in made)]
    return NetworkPlan(
        propagation.select(inputs.described, targets, reachable.layers, options.dtype),
        tuple(inputs.matched),
        lstms,
        {name: _list_givers(inputs.described, call) for name, call in lstms.items()},
        (*inputs.notes, *(one.note for one in inputs.matched if one.note is not None), *reader.notes,
         *_note_unreachable(calls, outputs, reachable)),
        options,
        tuple(reader.cells),
    )  # fmt: skip


def choose_inputs(described: NetworkDescription, given: Sequence[GivenArray], purpose: Purpose) -> ChosenInputs:
    """Return what `given` are in the network `described`; see `read`."""
    if purpose.into is not None:
        return _cut(described, find_into(described, purpose.into), given, purpose)
    for inputs in _list_candidates(described, purpose):
        matched = matching.match(given, inputs)
        if matched is not None:
            return ChosenInputs(described, matched)
    fitting = next((lstm for lstm in purpose.heads if len(given) == 1 and _fits(given[0], lstm)), None)
    layer = None if fitting is None else described.find_layer(fitting.name)
    if fitting is None or layer is None:
        raise BadInput(_explain_misfit(described, given, purpose.heads))
    found = _cut(described, layer, given, purpose)
    note = (f"the input is taken as that of {described.layers[layer].name} itself, because it does not fit the model, "
            f"which takes {matching.describe_inputs(described.inputs)}")  # fmt: skip
    return found._replace(notes=(note, *found.notes))


def find_into(described: NetworkDescription, name: str) -> int:
    """Return the index of the layer called `name`, which is to have an input of its own.

    Raises:
        BadInput: Another cell or layer comes before it within the layer that wraps both.
        NoSuchLayer: There is no such layer.
    """
    layer = described.find_layer(name)
    if layer is None:
        names = listed([one.name for one in described.layers if one.kind != INPUT])
        raise NoSuchLayer(f"no layer is called {name}; the model has {names}")
    if not own_input.comes_first(described.layers[layer], name):
        around = described.layers[layer].name
        raise BadInput(f"{name} takes what comes before it within {around}: only {around} can be given an input")
    return layer


def _list_candidates(described: NetworkDescription, purpose: Purpose) -> Iterator[tuple[NetworkInput, ...]]:
    """Yield the inputs that the whole purpose needs, and those that the LSTM layers alone need."""
    lstms = list(find_calls(described, purpose.chosen).values())
    outputs = [one.tensor.call for one in described.outputs] if purpose.with_outputs else []
    for calls in ([*lstms, *outputs], lstms):
        needed = described.needed_for(calls)
        yield tuple(one for one in described.inputs if one.tensor.call in needed)


def _cut(described: NetworkDescription, layer: int, given: Sequence[GivenArray], purpose: Purpose) -> ChosenInputs:
    """Return the network with the only array as the input of the layer with the index `layer`."""
    name = described.layers[layer].name
    if len(given) != 1:
        raise BadInput(f"{name} takes one input, and {len(given)} are given")
    first = _find_first(described, layer, purpose)
    outer = 0 if first is None else own_input.count_outer_steps(described.layers[layer], first.name)
    alone = cut(described, layer, purpose, steps=max(1 + outer, len(given[0].shape) - 2))
    array = given[0]._replace(name=None)
    matched = matching.match([array], alone.network.inputs[:1])
    if matched is None:
        takes = matching.describe_inputs(alone.network.inputs[:1])
        raise BadInput(f"the input is {array.shape}, but the model takes {takes} there")
    return ChosenInputs(alone.network, matched, alone.notes, is_cut=True)


def cut(described: NetworkDescription, layer: int, purpose: Purpose, *, steps: int = 1) -> LayerByItself:
    """Return the network with an input of its own for the layer with the index `layer`.

    Args:
        described: The network.
        layer: The index of the layer.
        purpose: What the user asks for.
        steps: The number of axes of the input that are not of fixed length, without the batch.

    Raises:
        BadInput: The layer takes no input.
    """
    name = described.layers[layer].name
    if not described.calls_of(layer) or not described.calls[described.calls_of(layer)[0]].inputs:
        raise BadInput(f"{name} takes no input in the network of the model")
    first = _find_first(described, layer, purpose)
    shape = None if first is None else (*[None] * steps, first.input_dim)
    return own_input.cut(described, layer, shape, has_mask=purpose.has_mask, has_states=purpose.has_states)


def _find_first(described: NetworkDescription, layer: int, purpose: Purpose) -> LSTM | None:
    """Return the LSTM of `purpose` that takes what the layer with the index `layer` is given; None if none does."""
    within = (lstm for lstm in purpose.heads if described.find_layer(lstm.name) == layer)
    return next((one for one in within if own_input.comes_first(described.layers[layer], one.name)), None)


def _fits(array: GivenArray, lstm: LSTM) -> bool:
    """Return whether `array` may be the own input of `lstm`."""
    return array.name is None and len(array.shape) in (2, 3) and array.shape[-1] == lstm.input_dim


def _explain_misfit(described: NetworkDescription, given: Sequence[GivenArray], chosen: Sequence[LSTM]) -> str:
    shapes = " and ".join(str(array.shape) for array in given)
    own = listed([f"{lstm.name} (batch, steps, {lstm.input_dim})" for lstm in chosen])
    return (f"the model takes {matching.describe_inputs(described.inputs)}, and what is given is {shapes}; "
            f"--into LAYER gives a layer its own input: {own}")  # fmt: skip


def find_calls(described: NetworkDescription, chosen: Sequence[LSTM]) -> dict[str, int]:
    """Return the first call of each LSTM layer, or of the layer that wraps it, by the name of the LSTM.

    Raises:
        CannotReplay: An LSTM is not a layer of the network.
    """
    found = {}
    for lstm in chosen:
        layer = described.find_layer(lstm.name)
        calls = [] if layer is None else described.calls_of(layer)
        if not calls:
            raise CannotReplay(f"the file does not describe which layer of the network calls {lstm.name}")
        found[lstm.name] = calls[0]
    return found


def _list_givers(described: NetworkDescription, call: int) -> tuple[str, ...]:
    """Return the names of the layers that give a call its input; empty for an input of the model."""
    givers = [described.layer_of(tensor.call) for tensor in described.calls[call].inputs[:1]]
    return tuple(layer.name for layer in givers if layer.kind != INPUT)


def _explain_refusal(
    calls: Mapping[str, int], outputs: Sequence[NetworkOutput], reachable: ReachableLayers, *, some: bool
) -> str | None:
    """Return why nothing is run, with what to do: an LSTM layer or all outputs cannot be computed; None if they can.

    With `some`, one of the layers or outputs is enough.
    """
    blocked = [name for name, call in calls.items() if call in reachable.blocked]
    reached = [name for name in calls if name not in blocked]
    reasons = [reachable.blocked[calls[name]] for name in blocked]
    lost = [reachable.blocked[one.tensor.call] for one in outputs if one.tensor.call in reachable.blocked]
    has_output = len(lost) < len(outputs)
    if (reached or has_output) if some else not blocked and (has_output or not outputs):
        return None
    hints = [f"-l chooses layers before it: {listed(reached)}"] if reached else []
    hints += [f"--into LAYER gives a layer its own input: {listed(blocked)}"] if blocked else []
    return "; ".join([(reasons or lost)[0], *hints])


def _note_unreachable(
    calls: Mapping[str, int], outputs: Sequence[NetworkOutput], reachable: ReachableLayers
) -> Iterator[str]:
    named = [
        *((name, call) for name, call in calls.items()),
        *((f"y of {one.name}", one.tensor.call) for one in outputs),
    ]
    for name, call in named:
        if call in reachable.blocked:
            yield f"{name} is not computed: {reachable.blocked[call]}"
