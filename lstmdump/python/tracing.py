"""Run a model on an input, as `lstmdump trace` and `OpenModel.trace` do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lstmdump.errors import NoLSTM
from lstmdump.lstm import LSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.lstm.precedence import unreadable_first
from lstmdump.report.facts import select, without_lstm

if TYPE_CHECKING:
    from lstmdump.model.network import NetworkDescription
    from lstmdump.model.tensor import Array
    from lstmdump.python.given import RunInputs
    from lstmdump.python.states import LayerStates, ModelStates
    from lstmdump.replay.equations import CellNumbers, State, States
    from lstmdump.replay.layers.base import Signal
    from lstmdump.replay.matching import GivenArray
    from lstmdump.replay.network import Network, RunOptions
    from lstmdump.replay.networks.plan import NetworkPlan


class TraceRequest(NamedTuple):
    """What is to be read of a model: see `lstmdump.replay.networks.plan.Purpose`.

    Attributes:
        layer: A pattern of names of the LSTM layers to run; None for all, and for the outputs of the model.
        into: The name of the layer whose own input the only array is.
        has_mask: Whether a mask is given.
        has_states: Whether first states are given.
        options: How the layers are run.
    """

    layer: str | None
    into: str | None
    has_mask: bool
    has_states: bool
    options: RunOptions


class PreparedRun(NamedTuple):
    """Layers with what they are given.

    Attributes:
        net: The network of the model, or LSTM layers alone.
        signals: The inputs of a network, by name; empty for layers alone.
        x: The input, the first of several.
        mask: The mask, (batch, length), if one is given.
        initial: The first states that are given, by the name of the layer.
    """

    net: Network | NetworkPlan
    signals: Mapping[str, Signal]
    x: Array
    mask: Array | None
    initial: Mapping[str, State]


def read(opened: LoadedModel, given: Sequence[GivenArray], wanted: TraceRequest) -> Network | NetworkPlan:
    """Read what is needed of a model: its network, or LSTM layers alone where the file describes none.

    Raises:
        NoLSTM: The model has no LSTM layer.
        NoSuchLayer: No layer has such a name.
        BadInput: The arrays fit neither the inputs of the model nor a chosen layer.
        CannotReplay: A layer that is needed cannot be computed.
        UnreadableModel: The numbers cannot be read.
    """
    from lstmdump.replay import network
    from lstmdump.replay.networks import plan

    if not opened.lstms:
        raise NoLSTM(without_lstm(opened))
    chosen = select(opened.lstms, wanted.layer)
    described = opened.model.network()
    with unreadable_first(chosen):
        if described is None:
            return network.read_given(opened, select(chosen, wanted.into), given, wanted.options)
        purpose = plan.Purpose(chosen, wanted.layer is None, wanted.into, wanted.has_mask, wanted.has_states)
        return plan.read(opened, described, given, purpose, wanted.options)


def prepare(net: Network | NetworkPlan, given: RunInputs) -> PreparedRun:
    """Return `net` with what it is `given`.

    Raises:
        BadInput: The mask or a first state does not fit.
    """
    from lstmdump.replay import trace
    from lstmdump.replay.networks.plan import NetworkPlan

    signals = trace.give(net, given.arrays) if isinstance(net, NetworkPlan) else {}
    x = next(iter(signals.values())).values if signals else given.sequences(net.options.dtype)
    mask = None if given.mask is None else given.read_mask((x.shape[0], x.shape[1]))
    initial = given.read_states(net, len(x))
    if not isinstance(net, NetworkPlan):
        net = net.supplied(has_mask=mask is not None, with_states=initial)
    return PreparedRun(net, signals, x, mask, initial)


def run(opened: LoadedModel, given: RunInputs, wanted: TraceRequest) -> ModelStates:
    """Read what is needed of `opened`, and run it.

    Raises:
        LstmdumpError: See `read` and `prepare`.
    """
    return _run(read(opened, given.describe(), wanted), given)


def run_layer(opened: LoadedModel, lstm: LSTM, given: RunInputs, options: RunOptions) -> ModelStates:
    """Run a layer of `opened` by itself: `given` is its own input.

    Raises:
        LstmdumpError: See `read` and `prepare`.
    """
    from lstmdump.replay import network
    from lstmdump.replay.networks import plan

    described = opened.model.network()
    with unreadable_first([lstm]):
        net: Network | NetworkPlan
        if described is None or must_be_alone(described, lstm, given):
            net = network.read_given(opened, [lstm], given.describe(), options)
            missing = list_what_is_missing(described, lstm, given)
            left_out = tuple(network.list_omissions(opened, [lstm]))  # without what chains layers, as there is one
            net = net._replace(notes=(*net.notes, *missing), omissions=left_out)
        else:
            purpose = plan.Purpose([lstm], False, lstm.name, given.mask is not None, given.initial is not None)
            net = plan.read(opened, described, given.describe(), purpose, options)
    return _run(net, given)


def must_be_alone(described: NetworkDescription, lstm: LSTM, given: RunInputs) -> bool:
    """Return whether `lstm` is run outside of its network on what is `given`, its own input.

    Within the network, it would take that input through other cells or layers, or not at all.
    """
    from lstmdump.replay.networks import own_input

    axes = max([3, *[array.ndim for array in given.arrays]])
    is_first = own_input.is_input_of(described, lstm.name, axes)
    return not is_first or own_input.is_cell_of_several(described, lstm.name)


def list_what_is_missing(described: NetworkDescription | None, lstm: LSTM, given: RunInputs) -> tuple[str, ...]:
    """Return notes on the mask and the first states that `lstm` has in its network, if it has one."""
    from lstmdump.replay.networks import own_input

    index = None if described is None else described.find_layer(lstm.name)
    if described is None or index is None or not described.calls_of(index):
        return ()
    if not described.calls[described.calls_of(index)[0]].inputs:
        return ()
    has_mask, has_states = given.mask is not None, given.initial is not None
    return own_input.cut(described, index, None, has_mask=has_mask, has_states=has_states).notes


def _run(net: Network | NetworkPlan, given: RunInputs) -> ModelStates:
    from lstmdump.replay.networks.plan import NetworkPlan

    prepared = prepare(net, given)
    if isinstance(prepared.net, NetworkPlan):
        return _run_network(prepared.net, prepared)
    return _run_layers(prepared.net, prepared, given)


def _run_network(plan: NetworkPlan, prepared: PreparedRun) -> ModelStates:
    from lstmdump.export.states import CallNames
    from lstmdump.python.states import ModelStates, without_batch
    from lstmdump.replay import trace

    names, layers = CallNames(), {}

    def keep(cell: CellNumbers, states: States, mask: Array | None) -> None:
        name = names.name(cell.name)
        layers[name] = _name_states(name, cell, states, mask)

    outputs = trace.run_plan(plan, prepared.signals, mask=prepared.mask, initial=prepared.initial, watch=keep)
    if all(one.is_single for one in plan.inputs):
        layers = {name: without_batch(states) for name, states in layers.items()}
        outputs = {name: values[0] for name, values in outputs.items()}
    return ModelStates(layers, outputs, plan.notes_on_states)


def _run_layers(net: Network, prepared: PreparedRun, given: RunInputs) -> ModelStates:
    from lstmdump.python.states import ModelStates, without_batch
    from lstmdump.replay import trace

    on = trace.Given(prepared.x, prepared.mask, prepared.initial)
    layers = {cell.name: _name_states(cell.name, cell, states, prepared.mask) for cell, states in trace.run(net, on)}
    if given.arrays[0].ndim == 2:
        layers = {name: without_batch(states) for name, states in layers.items()}
    return ModelStates(layers, {}, net.notes_on_states)


def _name_states(name: str, cell: CellNumbers, states: States, mask: Array | None) -> LayerStates:
    """Return the states with the mask in their order, in which a layer that goes backwards has turned the steps."""
    from lstmdump.python.states import LayerStates

    if mask is not None and cell.behaviour.go_backwards and not cell.behaviour.is_aligned:
        mask = mask[:, ::-1]
    return LayerStates(states.h, states.c, states.i, states.f, states.o, states.candidate, mask, name)
