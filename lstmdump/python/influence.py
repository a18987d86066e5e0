"""Measure how much of the output comes from each step of the input, as `lstmdump lags` and `OpenModel.lags` do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lstmdump.errors import NoLSTM
from lstmdump.lstm import LSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.lstm.precedence import unreadable_first
from lstmdump.python.tracing import list_what_is_missing, must_be_alone
from lstmdump.report.facts import select, without_lstm

if TYPE_CHECKING:
    from lstmdump.python.given import RunInputs
    from lstmdump.python.lags import LagsResult
    from lstmdump.replay.lags import LayerLags
    from lstmdump.replay.matching import GivenArray
    from lstmdump.replay.network import Network, RunOptions
    from lstmdump.replay.networks.plan import NetworkPlan

DTYPE = "float64"


class LagsRequest(NamedTuple):
    """What is to be read of a model.

    Attributes:
        layer: The pattern of the LSTM layers whose last output counts; None for the output of the model.
        into: The name of the layer whose own input the only array is.
        given: What is known of the arrays; empty for x = 0.
        has_mask: Whether a mask is given.
        has_states: Whether first states are given.
        options: How the layers are run, in float64.
    """

    layer: str | None
    into: str | None
    given: Sequence[GivenArray]
    has_mask: bool
    has_states: bool
    options: RunOptions


def read(opened: LoadedModel, wanted: LagsRequest) -> Network | NetworkPlan:
    """Read what is needed of a model: its network, or LSTM layers alone where it describes none.

    Of a model without LSTM layers, the only note says so.

    Raises:
        NoSuchLayer: No layer has such a name.
        BadInput: The arrays fit neither the inputs of the model nor a layer.
        CannotReplay: A layer that is needed cannot be computed.
        UnreadableModel: The numbers cannot be read.
    """
    from lstmdump.replay import network
    from lstmdump.replay.networks import lags as network_lags

    if not opened.lstms:
        return network.Network((), {}, wanted.options, (without_lstm(opened),))
    chosen = select(opened.lstms, wanted.layer)
    described = opened.model.network()
    with unreadable_first(chosen):
        if described is None:
            return _read_alone(opened, select(chosen, wanted.into), wanted)
        asked = network_lags.Asked(chosen, wanted.layer is not None, wanted.into, wanted.has_mask, wanted.has_states)
        return network_lags.read(opened, described, wanted.given, asked, wanted.options)


def run(
    opened: LoadedModel, given: RunInputs, wanted: LagsRequest, *, unit: int | None = None, most: int | None = None
) -> LagsResult:
    """Read what is needed of `opened`, and compute its lags.

    Raises:
        LstmdumpError: See `read` and `compute`.
        NoLSTM: The model has no LSTM layer.
    """
    if not opened.lstms:
        raise NoLSTM(without_lstm(opened))
    return compute(opened.path, read(opened, wanted), given, unit=unit, most=most)


def run_layer(
    opened: LoadedModel,
    lstm: LSTM,
    given: RunInputs,
    options: RunOptions,
    *,
    unit: int | None = None,
    most: int | None = None,
) -> LagsResult:
    """Compute the lags of a layer of `opened` by itself: `given` is its own input.

    Raises:
        LstmdumpError: See `read` and `compute`.
    """
    from lstmdump.replay.networks import lags as network_lags

    described = opened.model.network()
    has_mask, has_states = given.mask is not None, given.initial is not None
    wanted = LagsRequest(None, None, given.describe(), has_mask, has_states, options)
    with unreadable_first([lstm]):
        net: Network | NetworkPlan
        if described is None or not given.arrays:
            net = _read_alone(opened, [lstm], wanted)
        elif must_be_alone(described, lstm, given):
            alone = _read_alone(opened, [lstm], wanted)
            net = alone._replace(notes=(*alone.notes, *list_what_is_missing(described, lstm, given)))
        else:
            asked = network_lags.Asked([lstm], True, lstm.name, has_mask, has_states)
            net = network_lags.read(opened, described, wanted.given, asked, options)
    return compute(opened.path, net, given, unit=unit, most=most)


def _read_alone(opened: LoadedModel, chosen: Sequence[LSTM], wanted: LagsRequest) -> Network:
    """Read LSTM layers, each to be run by itself on the same input."""
    from lstmdump.replay import connections, matching, network

    if wanted.given:
        connections.require_width(opened, chosen, matching.require_one(wanted.given).shape[-1], may_chain=False)
    cells, notes = network.read_each(chosen, opened.producer, wanted.options)
    return network.Network(cells, {}, wanted.options, notes, tuple(network.list_omissions(opened, chosen)))


def compute(
    path: str, net: Network | NetworkPlan, given: RunInputs, *, unit: int | None = None, most: int | None = None
) -> LagsResult:
    """Return the influence of each step on what `net` was read for.

    Args:
        path: The path of the model.
        net: The network, or the layers.
        given: The inputs, mask and first states; without inputs, x = 0.
        unit: The only number of the output that counts, from 0; None for all.
        most: The number of lags to return; None for all.

    Raises:
        BadInput: The mask or a first state does not fit, or there is no such unit.
        CannotReplay: No input has steps.
    """
    from lstmdump.model.sentences import shared
    from lstmdump.python.lags import LagsResult
    from lstmdump.replay.networks.plan import NetworkPlan

    if isinstance(net, NetworkPlan):
        layers, notes = _compute_network(net, given, unit, most), net.notes
    else:
        layers, notes = _compute_alone(net, given, unit, most)
    own = shared(((layer.name, note) for layer in layers for note in layer.notes), len({one.name for one in layers}))
    return LagsResult(path, tuple(layers), (*notes, *own))


def _compute_alone(
    net: Network, given: RunInputs, unit: int | None, most: int | None
) -> tuple[list[LayerLags], tuple[str, ...]]:
    """Return the lags of layers that each take the input, with notes on how they are run."""
    from lstmdump.replay import lags, omissions

    if not given.arrays:
        return [lags.lags_without_input(cell, unit=unit, most=most) for cell in net.cells], net.notes
    x = given.sequences(DTYPE)
    mask = given.read_mask((len(x), x.shape[1]))
    first = given.read_states(net, len(x))
    left_out = net.supplied(has_mask=mask is not None, with_states=first).omissions
    layers = [lags.lags(cell, x, unit=unit, most=most, mask=mask, initial=first.get(cell.name)) for cell in net.cells]
    return layers, (*net.notes, *omissions.notes(left_out, len(net.cells)))


def _compute_network(plan: NetworkPlan, given: RunInputs, unit: int | None, most: int | None) -> list[LayerLags]:
    from lstmdump.replay import trace
    from lstmdump.replay.networks import lags as network_lags

    if not given.arrays:
        return network_lags.lags_without_input(plan, unit=unit, most=most)
    signals = trace.give(plan, given.arrays)
    shape = next(iter(signals.values())).values.shape
    mask = None if given.mask is None else given.read_mask((shape[0], shape[1]))
    first = given.read_states(plan, shape[0])
    return network_lags.lags(plan, signals, unit=unit, most=most, mask=mask, initial=first)
