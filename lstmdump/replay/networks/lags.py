"""Measure how much of the output of a network comes from each step of its inputs: ‖∂y/∂x_{T-k}‖ for every lag k.

The derivatives are exact: from the signals of a forward pass, the chain rule is applied backwards through every call,
for many numbers of y at once. Of an output that has steps, y is the last step. Computed in float64.

T is the last step of the input, and T-k the k-th one before, whatever is masked: a masked step has no influence. The
steps of an input of ids are those of the vectors that an Embedding makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm import LSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.network import NetworkDescription, NetworkTensor
from lstmdump.model.tensor import Array
from lstmdump.replay.equations import State
from lstmdump.replay.lags import (
    NOT_BY_WEIGHTS,
    WITHOUT_INPUT,
    LagSubject,
    LayerLags,
    mark_incomplete,
    summarise,
)
from lstmdump.replay.layers.base import RunContext, Signal
from lstmdump.replay.matching import GivenArray
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks import own_input, propagation, zero_input
from lstmdump.replay.networks import plan as plans
from lstmdump.replay.networks.influences import InfluencePass
from lstmdump.replay.networks.plan import NetworkPlan, Purpose
from lstmdump.replay.networks.propagation import RunnableNetwork, Tape

_KEPT = 1 << 23  # numbers of all signals of the sequences that are computed together
_LENGTHS = (100, 1_000)  # steps of x = 0, where the model states none
_FADED = 1e-6  # of the largest norm: earlier steps change no digit of any figure that is shown


class LagSource(NamedTuple):
    """What the influence comes from: an input of the model, or the vectors of an Embedding.

    Attributes:
        name: The name of the input, or of the Embedding.
        tensor: Its tensor.
        is_fixed: Whether the model states the number of its steps.
    """

    name: str
    tensor: NetworkTensor
    is_fixed: bool = False


class LagTarget(NamedTuple):
    """What is influenced: the last step of an output of the model, or of an LSTM layer.

    Attributes:
        name: The name of the output, or of the layer.
        tensor: Its tensor.
        symbol: What the last step is called: `y` or `h_T`.
    """

    name: str
    tensor: NetworkTensor
    symbol: str


class Asked(NamedTuple):
    """What the user asks for.

    Attributes:
        layers: The LSTM layers of the model, or those whose last output counts.
        only_layers: Whether these are asked for, and not the output of the model.
        into: The name of the layer whose own input the only array is.
        has_mask: Whether a mask is given.
        has_states: Whether first states are given.
    """

    layers: Sequence[LSTM]
    only_layers: bool = False
    into: str | None = None
    has_mask: bool = False
    has_states: bool = False


def read(
    opened: LoadedModel,
    described: NetworkDescription,
    given: Sequence[GivenArray],
    asked: Asked,
    options: RunOptions,
) -> NetworkPlan:
    """Read the network up to the output of the model, or up to LSTM layers if they are asked for, or all there is.

    Args:
        opened: The model.
        described: Its network.
        given: The arrays that the user gives; empty for x = 0.
        asked: What the user asks for.
        options: How the LSTM layers are run, as `float64`.

    Raises:
        BadInput: The arrays fit neither the inputs of the model nor a layer.
        CannotReplay: A layer that is needed cannot be computed; the message names it.
        NoSuchLayer: There is no layer to give the array to.
    """
    to_output = Purpose((), True, asked.into, asked.has_mask, asked.has_states, others=asked.layers)
    to_layers = to_output._replace(chosen=asked.layers, others=(), with_outputs=False)

    def read_for(purpose: Purpose) -> NetworkPlan:
        whole = described
        if purpose.chosen:
            whole = own_input.isolate(described, [lstm.name for lstm in purpose.chosen])
        if not given:
            return zero_input.read(opened, whole, purpose, options)
        return plans.read(opened, whole, given, purpose, options)

    if asked.only_layers:
        return read_for(to_layers)
    try:
        return read_for(to_output)
    except CannotReplay as error:
        found = read_for(to_layers._replace(any_layer=True))
        reason = str(error).partition(";")[0]
        return replace(found, notes=(f"the output of the model is not computed: {reason}", *found.notes))


def list_targets(plan: NetworkPlan) -> list[LagTarget]:
    """Return the outputs of the model that `plan` computes or, if it computes none, its LSTM layers."""
    outputs = [LagTarget(one.name, one.tensor, "y") for one in plan.network.outputs]
    return outputs or [LagTarget(name, NetworkTensor(call), "h_T") for name, call in plan.lstms.items()]


def find_sources(network: RunnableNetwork, signals: Mapping[str, Signal]) -> list[LagSource]:
    """Return the sources of `network` that have steps, in the order of its inputs.

    Args:
        network: The network.
        signals: The values of its inputs, by name.
    """
    found: list[LagSource] = []
    for one in network.inputs:
        is_fixed = one.shape is not None and one.shape[:1] == signals[one.name].values.shape[1:2]
        if network.takes_ids(one):
            takers = [index for index, call in network.calls.items()
                      if one.tensor in call.inputs and network.layer_of(index).takes_ids]  # fmt: skip
            found += [LagSource(network.layer_of(index).embedding, NetworkTensor(index), is_fixed) for index in takers]
        elif signals[one.name].values.ndim > 2:
            found.append(LagSource(one.name, one.tensor, is_fixed))
    return _number_repeated(found)


def _number_repeated(sources: Sequence[LagSource]) -> list[LagSource]:
    """Return `sources` with `#1`, … behind the name of an Embedding that is called again."""
    seen: dict[str, int] = {}
    numbered = []
    for source in sources:
        number = seen[source.name] = seen.get(source.name, -1) + 1
        numbered.append(source._replace(name=f"{source.name}#{number}") if number else source)
    return numbered


def lags(
    plan: NetworkPlan,
    given: Mapping[str, Signal],
    *,
    unit: int | None = None,
    most: int | None = None,
    mask: Array | None = None,
    initial: Mapping[str, State] | None = None,
) -> list[LayerLags]:
    """Return the influence of each step of each input on each target of `plan`.

    Args:
        plan: The network, read as `float64`.
        given: Its inputs, by name.
        unit: The only number of each target to consider.
        most: The number of lags to return.
        mask: A mask in place of those of the network, (batch, steps).
        initial: First states in place of those of the network, by the name of the LSTM layer.

    Raises:
        BadInput: An input has another shape than a layer takes, or a target has no such unit.
        CannotReplay: No input has steps.
    """
    return _compute(plan, given, unit, most, mask, "the inputs given", RunContext(initial or {}))


def lags_without_input(plan: NetworkPlan, *, unit: int | None = None, most: int | None = None) -> list[LayerLags]:
    """Return the influence of each lag at x = 0, in the states that this input leads to.

    An input whose length the model does not state has as many steps as matter, up to 1,000. If the states of a layer
    do not settle, there are no norms.

    Args:
        plan: The network, as `zero_input.read` returns it, read as `float64`.
        unit: The only number of each target to consider.
        most: The number of lags to return.

    Raises:
        BadInput: A target has no such unit.
        CannotReplay: No input has steps.
    """
    found: list[LayerLags] = []
    for steps in _LENGTHS:
        given = zero_input.make(plan, steps)
        context, no_point = zero_input.settle(plan, given)
        if no_point is not None:
            return _compute_nothing(plan, given, no_point)
        found = _compute(plan, given, unit, None, None, WITHOUT_INPUT, context)
        if zero_input.has_stated_length(plan) or all(_has_faded(one, min(one.norms)) for one in found):
            break
    notes: tuple[str, ...] = (NOT_BY_WEIGHTS,)
    has_one_input = len({one.input for one in found}) == 1
    is_short = has_one_input and all(_has_faded(one, one.norms[-1]) for one in found)
    if not zero_input.has_stated_length(plan) and not is_short:
        length = found[0].length
        note = f"the model states no number of steps: each input has {length:,} of x = 0, on which the shares depend"
        notes = (note, *notes)
    if most is not None:
        found = _compute(plan, given, unit, most, None, WITHOUT_INPUT, context)
    return [replace(one, length=None, notes=(*one.notes, *notes)) for one in found]


def _has_faded(found: LayerLags, norm: float) -> bool:
    """Return whether `norm` is next to none of the largest.

    If the earliest lag has faded, so have those before it. Where a layer goes backwards, lags in the middle fade.
    """
    largest = max(found.norms)
    return not largest or norm <= _FADED * largest


def _compute_nothing(plan: NetworkPlan, given: Mapping[str, Signal], no_point: str) -> list[LayerLags]:
    """Return influences without norms, with the reason."""
    tape = propagation.forward(plan.network, given, keep=True)
    pairs = ((target, source) for target in list_targets(plan) for source in find_sources(plan.network, given))
    found = []
    for target, source in pairs:
        features = math.prod(tape[source.tensor].values.shape[2:])
        units = _count_units(tape[target.tensor].values)
        subject = LagSubject(target.name, features, units, None, target.symbol, source.name)
        nothing = summarise(subject, np.zeros((1, 0, features)), None, WITHOUT_INPUT)
        found.append(replace(nothing, notes=(), is_complete=False, no_point=no_point))
    return found


def _compute(
    plan: NetworkPlan,
    given: Mapping[str, Signal],
    unit: int | None,
    most: int | None,
    mask: Array | None,
    point: str,
    context: RunContext,
) -> list[LayerLags]:
    sources = find_sources(plan.network, given)
    if not sources:
        raise CannotReplay("no input of the model has steps, so there are no lags")
    squares = _Squares()
    for members in _divide(plan.network, given, mask):
        part = {name: Signal(signal.values[members]) for name, signal in given.items()}
        its_mask = None if mask is None else mask[members]
        tape = propagation.forward(plan.network, part, mask=its_mask, context=_take(context, members), keep=True)
        for target in list_targets(plan):
            _go_back(plan.network, tape, target, sources, unit, squares)
    return [
        _summarise(target, source, squares, unit, most, point) for target in list_targets(plan) for source in sources
    ]


def _take(context: RunContext, members: slice) -> RunContext:
    """Return `context` for some of the sequences."""
    initial = {name: State(state.h[members], state.c[members]) for name, state in context.initial.items()}
    return replace(context, initial=initial)


def _divide(network: RunnableNetwork, given: Mapping[str, Signal], mask: Array | None) -> Iterator[slice]:
    """Yield the sequences of a batch in parts whose signals fit in memory."""
    batch = len(next(iter(given.values())).values)
    if batch == 1:
        yield slice(0, 1)
        return
    first = {name: Signal(signal.values[:1]) for name, signal in given.items()}
    tape = propagation.forward(network, first, mask=None if mask is None else mask[:1], keep=True)
    numbers = sum(signal.values.size for made in tape.signals.values() for signal in made)
    step = max(1, _KEPT // numbers)
    yield from (slice(start, start + step) for start in range(0, batch, step))


def _count_units(values: Array) -> int:
    """Return the numbers of the last step of `values`, (batch, steps, …), or of `values`, (batch, …)."""
    return math.prod(values.shape[2:] if values.ndim > 2 else values.shape[1:])


class _Squares:
    """The sums of squares of the derivatives by target and source: (batch, steps, features), and what they are of."""

    def __init__(self) -> None:
        self.found: dict[tuple[LagTarget, LagSource], list[Array]] = {}
        self.units: dict[LagTarget, int] = {}

    def of(self, target: LagTarget, source: LagSource) -> Array:
        """Return the squares of all sequences, (batch, steps, features)."""
        result: Array = np.concatenate(self.found[target, source])
        return result


def _go_back(
    network: RunnableNetwork,
    tape: Tape,
    target: LagTarget,
    sources: Sequence[LagSource],
    unit: int | None,
    squares: _Squares,
) -> None:
    values = tape[target.tensor].values
    units = squares.units[target] = _count_units(values)
    if unit is not None and not 0 <= unit < units:
        raise BadInput(f"{target.name} has no unit {unit}; its {units} are numbered from 0 to {units - 1}")
    chosen = np.arange(units) if unit is None else np.array([unit])
    with np.errstate(over="ignore", invalid="ignore"):
        sums = InfluencePass(network, tape, [source.tensor for source in sources]).sum_squares(target.tensor, chosen)
    for source in sources:
        squares.found.setdefault((target, source), []).append(sums[source.tensor])


def _summarise(
    target: LagTarget,
    source: LagSource,
    squares: _Squares,
    unit: int | None,
    most: int | None,
    point: str,
) -> LayerLags:
    by_lag = squares.of(target, source)[:, ::-1]
    steps, features = by_lag.shape[1:]
    subject = LagSubject(target.name, features, squares.units[target], unit, target.symbol, source.name)
    found = replace(summarise(subject, by_lag[:, :most], steps, point), is_fixed_length=source.is_fixed)
    return found if most is None or most >= steps else mark_incomplete(found)
