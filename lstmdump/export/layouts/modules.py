"""The modules of a target: a layer each, or both halves of a Bidirectional."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lstmdump.errors import CannotReplay
from lstmdump.lstm import LSTM, behaviour
from lstmdump.lstm.activation_names import word_with_slope
from lstmdump.lstm.behaviour import Behaviour

PLAIN = ("tanh", "sigmoid")
"""The activation, and that of the gates, of an LSTM as most runtimes have it."""

_OF_A_STACK = re.compile(r"(?P<module>.*?)/?l(?P<layer>\d{1,9})(?P<reverse>_reverse)?")


class Computed(NamedTuple):
    """A layer, with what it computes beside its arrays.

    Attributes:
        lstm: the layer.
        activations: the activation of the candidate and of the cell state, and that of the gates; a hard sigmoid with
            its slope.
        behaviour: all that it computes; None if the file states that it is not an LSTM as the equations have it.
        problem: why it is not; empty if it is.
    """

    lstm: LSTM
    activations: tuple[str, str]
    behaviour: Behaviour | None
    problem: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether its activations are tanh and sigmoid."""
        return self.activations == PLAIN


class LayerModule(NamedTuple):
    """What a target holds as one module.

    Attributes:
        name: the name: of a layer, or of the Bidirectional around two.
        layers: one layer, or the forward and the backward one.
        suffix: what distinguishes it from other layers of one stack: `l0`; empty if the source has no such name.
    """

    name: str
    layers: tuple[Computed, ...]
    suffix: str = ""

    @property
    def is_bidirectional(self) -> bool:
        """Whether it has two layers, one for each direction."""
        return len(self.layers) > 1

    @property
    def lstms(self) -> list[LSTM]:
        """The layers, the forward one first."""
        return [layer.lstm for layer in self.layers]

    @property
    def first(self) -> LSTM:
        """The layer, or the forward one."""
        return self.layers[0].lstm


def compute(lstm: LSTM, producer: str) -> Computed:
    """Return `lstm`, in a model that `producer` wrote, with what it computes beside its arrays."""
    try:
        found = behaviour.of(lstm, producer)
    except CannotReplay as error:
        return Computed(lstm, PLAIN, None, str(error))
    return Computed(
        lstm,
        (word_with_slope(found.activation, found.keras), word_with_slope(found.recurrent_activation, found.keras)),
        found,
    )


def group(lstms: Sequence[LSTM], producer: str, *, joins_halves: bool, keeps_stacks: bool) -> list[LayerModule]:
    """Return the modules for `lstms`, in their order.

    Args:
        lstms: the layers.
        producer: the program that wrote the model.
        joins_halves: whether both halves of a Bidirectional are one module.
        keeps_stacks: whether layers that are called `l0`, `l1`, as those of a stack in PyTorch, stay one.
    """
    computed = {lstm.name: compute(lstm, producer) for lstm in lstms}
    partners = _find_partners(lstms) if joins_halves else {}
    found = []
    for lstm in lstms:
        if lstm.name in partners.values():
            continue
        other = partners.get(lstm.name)
        layers = (computed[lstm.name],) if other is None else (computed[lstm.name], computed[other])
        found.append(_name_module(lstm.name, layers, keeps_stacks=keeps_stacks))
    return found


def _name_module(name: str, layers: tuple[Computed, ...], *, keeps_stacks: bool) -> LayerModule:
    stack = _OF_A_STACK.fullmatch(name)
    if stack is not None and (keeps_stacks or len(layers) > 1):
        module, suffix = stack["module"], f"l{stack['layer']}"
        return LayerModule(module if keeps_stacks else name, layers, suffix if keeps_stacks else "")
    return LayerModule(name.rpartition("/")[0] or name if len(layers) > 1 else name, layers)


def _find_partners(lstms: Sequence[LSTM]) -> Mapping[str, str]:
    """Return the name of the backward half of each forward one that has the same sizes."""
    forward: dict[str, LSTM] = {}
    backward: dict[str, LSTM] = {}
    for lstm in lstms:
        place = _find_place(lstm)
        if place is not None:
            (backward if place[1] else forward).setdefault(place[0], lstm)
    return {
        one.name: backward[place].name
        for place, one in forward.items()
        if place in backward and one.sizes == backward[place].sizes and one.use_bias == backward[place].use_bias
    }


def _find_place(lstm: LSTM) -> tuple[str, bool] | None:
    """Return what the two halves of a Bidirectional have in common, and whether `lstm` is the backward one."""
    stack = _OF_A_STACK.fullmatch(lstm.name)
    if stack is not None:
        return f"{stack['module']}/l{stack['layer']}", stack["reverse"] is not None
    half = behaviour.half(lstm)
    return None if half is None else (lstm.name.rpartition("/")[0], half == "backward")
