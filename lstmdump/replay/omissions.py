"""What a layer is given in its model besides its input, which is left out where the layer is run by itself.

Each is a note that names the option that gives it, and is dropped where the user has given it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from lstmdump.lstm import LSTM, behaviour
from lstmdump.model.sentences import conjoined, listed, shared
from lstmdump.model.tree import Source

MASK = "--mask"
INITIAL_STATE = "--initial-state"
CHAIN = "--chain"


class Omission(NamedTuple):
    """Something that a layer is given in its model.

    Attributes:
        layer: The name of the layer.
        option: The option that gives it.
        note: The note on it.
    """

    layer: str
    option: str
    note: str


def of_layer(lstm: LSTM) -> Iterator[Omission]:
    """Yield what the file states that `lstm` is given: first states, and the lengths of the sequences."""
    settings = lstm.settings
    if settings.first_states_from:
        givers = conjoined(settings.first_states_from)
        note = f"in the model, its first states come from {givers}; here they are 0, unless {INITIAL_STATE} gives them"
        yield Omission(lstm.name, INITIAL_STATE, note)
    yield from of_stateful_layer(lstm)
    if settings.input_from is not None:
        words = f"takes the input given, although in the model other operators compute it ({settings.input_from})"
        yield Omission(lstm.name, CHAIN, words)
    if settings.is_masked:
        yield Omission(lstm.name, MASK, f"in the model, a mask skips steps; here all count, unless {MASK} skips some")
    lengths = behaviour.describe_lengths(lstm)
    if lengths is not None:
        note = (f"in the model, the steps behind the length of a sequence are skipped (sequence_length, {lengths}); "
                f"here all steps count, unless {MASK} skips some")  # fmt: skip
        yield Omission(lstm.name, MASK, note)


def of_stateful_layer(lstm: LSTM) -> Iterator[Omission]:
    """Yield the states that `lstm` keeps from one batch to the next, if it is stateful."""
    stored = lstm.settings.stored_states or ()
    if lstm.settings.stateful is True or stored:
        held = f"; the file holds the last ones of the model, in {listed(stored)}" if stored else ""
        note = f"the layer is stateful; here its first states are 0, unless {INITIAL_STATE} gives others{held}"
        yield Omission(lstm.name, INITIAL_STATE, note)


def of_source(name: str, source: Source, chosen: Collection[str] | None = None) -> Omission:
    """Return the omission of the outputs that the layer `name` takes in the model.

    Args:
        name: The layer.
        source: The layers whose outputs it takes.
        chosen: The layers that are run and may be chained; None if none may be.
    """
    note = f"takes the input given, although in the model it takes the output of {conjoined(source.names)}"
    if chosen is not None:
        left_out = [layer for layer in source.names if layer not in chosen]
        with_others = f", with {conjoined(left_out)} chosen as well," if left_out else ""
        note += f"; {CHAIN}{with_others} gives it that"
    return Omission(name, CHAIN, note)


def without(omissions: Iterable[Omission], *, has_mask: bool, with_states: Collection[str] = ()) -> Iterator[Omission]:
    """Yield those of `omissions` that remain if the user gives a mask, and first states to the layers `with_states`."""
    for one in omissions:
        is_given = has_mask if one.option == MASK else one.option == INITIAL_STATE and one.layer in with_states
        if not is_given:
            yield one


def notes(omissions: Iterable[Omission], layers: int) -> Iterator[str]:
    """Yield the notes on `omissions`, each with the names of its layers, of as many as are run."""
    yield from shared(((one.layer, one.note) for one in omissions), layers)
