"""A network at x = 0: where the derivatives are taken if the user gives no input.

Ids cannot be 0 in this sense: the vectors that an Embedding makes of them are. No step is masked, although Masking
would mask them all. Recurrent layers begin with the states that x = 0 leads to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.network import NetworkDescription, NetworkInput, NetworkLayer, NetworkTensor
from lstmdump.model.tensor import Array
from lstmdump.replay.equations import CellNumbers, States
from lstmdump.replay.lags import NOT_FINITE, SETTLED, SETTLING, UNSETTLED
from lstmdump.replay.layers.base import RunContext, Signal
from lstmdump.replay.matching import MatchedInput
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks import input_shapes, propagation
from lstmdump.replay.networks import plan as plans
from lstmdump.replay.networks.plan import ChosenInputs, NetworkPlan, Purpose


def read(opened: LoadedModel, described: NetworkDescription, purpose: Purpose, options: RunOptions) -> NetworkPlan:
    """Read the part of the network `described` of `opened` that `purpose` needs, to be run at x = 0.

    Raises:
        CannotReplay: A layer that is needed cannot be computed, or not at x = 0; the message names it.
    """
    notes: tuple[str, ...] = ()
    described = input_shapes.infer(described, opened.lstms)
    if purpose.into is not None:
        alone = plans.cut(described, plans.find_into(described, purpose.into), purpose)
        described, notes = alone.network, alone.notes
    found = without_ids_and_masks(described)
    targets = [one.tensor.call for one in found.outputs] if purpose.with_outputs else []
    targets += plans.find_calls(found, purpose.chosen).values()
    needed = found.needed_for(targets)
    inputs = [one for one in found.inputs if one.tensor.call in needed]
    matched = [MatchedInput(one, number, is_single=False) for number, one in enumerate(inputs)]
    return plans.read_chosen(
        opened, ChosenInputs(found, matched, notes, is_cut=purpose.into is not None), purpose, options
    )


def without_ids_and_masks(described: NetworkDescription) -> NetworkDescription:
    """Return `described` with the vectors of each Embedding as an input, and without masks.

    Raises:
        CannotReplay: An Embedding is within a model that another layer wraps.
    """
    found, replaced = described, 0
    for index in reversed(range(len(described.calls))):  # so that the new inputs are in the order of the calls
        layer = described.layer_of(index)
        if (width := _find_width(layer)) is not None:
            shape = (*_find_shape(described, index), width)
            found = found.with_stand_in(NetworkTensor(index + replaced), layer.name, shape)
            replaced += 1
    return replace(
        found,
        layers=tuple(_without_masking(layer) for layer in found.layers),
        calls=tuple(replace(call, mask=None) for call in found.calls),
    )


def _find_width(layer: NetworkLayer) -> int | None:
    """Return the width of the vectors that an Embedding, alone or in TimeDistributed, makes; None for other layers."""
    inner = layer.inner.get("layer") if layer.kind == "TimeDistributed" else None
    if inner is not None:
        return _find_width(inner)
    if layer.network is not None and any(within.kind == "Embedding" for within in layer.walk()):
        raise CannotReplay(f"{layer.name} has an Embedding within, for which x = 0 has no meaning; give -i")
    width = layer.config.get("output_dim")
    return width if layer.kind == "Embedding" and type(width) is int else None


def _find_shape(described: NetworkDescription, index: int) -> tuple[int | None, ...]:
    """Return the shape of the ids that a call takes, without the batch, as far as it is known."""
    taken = described.calls[index].inputs[:1]
    inputs = (one for one in described.inputs if one.tensor in taken)
    shape = next((one.shape for one in inputs), None)
    return (None,) if shape is None else shape


def _without_masking(layer: NetworkLayer) -> NetworkLayer:
    inner = {key: _without_masking(within) for key, within in layer.inner.items()}
    network = None
    if layer.network is not None:
        network = replace(layer.network, layers=tuple(map(_without_masking, layer.network.layers)))
    if layer.kind == "Masking":
        return replace(layer, kind="Activation", config={"name": layer.name, "activation": "linear"})
    return replace(layer, inner=inner, network=network)


def make(plan: NetworkPlan, steps: int) -> dict[str, Signal]:
    """Return one sequence of zeros for each input of `plan`, by name; `steps` where the model states no length.

    Raises:
        CannotReplay: The file does not state the shape of an input.
    """
    return {one.input.name: Signal(np.zeros((1, *_find_lengths(one.input, steps)), plan.options.dtype))
            for one in plan.inputs}  # fmt: skip


def _find_lengths(given: NetworkInput, steps: int) -> list[int]:
    if given.shape is None:
        raise CannotReplay(f"the file does not state the shape of the input {given.name}, which x = 0 needs; give -i")
    return [steps if length is None else length for length in given.shape]


def has_stated_length(plan: NetworkPlan) -> bool:
    """Return whether the model states the number of steps of all its inputs."""
    return all(one.input.shape is not None and None not in one.input.shape for one in plan.inputs)


@dataclass
class _Path:
    """What the recurrent layers of a network go through in one run.

    Attributes:
        ends: The last states of each layer that the model gives no initial states, for each of its calls.
        changes: By the name of an LSTM, the least change of its states from one step to the next, relative to their
            size: not 0 where they wander.
    """

    ends: dict[str, list[Sequence[Array]]] = field(default_factory=dict)
    changes: dict[str, float] = field(default_factory=dict)

    def watch(self, cell: CellNumbers, states: States, _mask: Array | None) -> None:
        """Note how much the states of an LSTM change."""
        both = np.concatenate([states.h, states.c], axis=2)
        if both.shape[1] > 1:
            change = np.abs(np.diff(both, axis=1)).max((0, 2)).min()
            self.changes[cell.name] = float(change / max(1.0, np.abs(both).max()))

    def begins(self) -> dict[str, Sequence[Array]]:
        """Return the states to begin the next run with; those of a layer that is called twice are left out."""
        return {name: calls[0] for name, calls in self.ends.items() if len(calls) == 1}


def settle(plan: NetworkPlan, given: Mapping[str, Signal]) -> tuple[RunContext, str | None]:
    """Return the context of a run that begins with the states that `given`, an input of zeros, leads to.

    The network is run on the input again and again, each time from the states in which it was left.

    Returns:
        The context, and the reason why there is none, or None: the states of a layer do not settle.
    """
    steps = max((signal.values.shape[1] for signal in given.values() if signal.values.ndim > 2), default=1)
    before: dict[str, Sequence[Array]] = {}
    path = _Path()
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(0, SETTLING, steps):
            path = _Path()
            propagation.forward(plan.network, given, context=RunContext({}, path.watch, before, path.ends))
            after = path.begins()
            if not all(np.isfinite(state).all() for states in after.values() for state in states):
                return RunContext(), NOT_FINITE
            moved = [name for name in after if not _is_same(before.get(name), after[name])]
            if not moved:
                break
            before = after
    wandering = [name for name, change in path.changes.items() if change > SETTLED and name in before]
    if moved or wandering:
        return RunContext(), f"{(moved or wandering)[0]}: {UNSETTLED}"
    return RunContext(begins=before), None


def _is_same(before: Sequence[Array] | None, after: Sequence[Array]) -> bool:
    """Return whether the states of a layer have not moved; at first they are 0."""
    pairs = zip(before, after, strict=True) if before is not None else ((np.zeros_like(one), one) for one in after)
    return all(np.abs(new - old).max() <= SETTLED * max(1.0, np.abs(new).max()) for old, new in pairs)
