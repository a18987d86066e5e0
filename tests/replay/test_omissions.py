from __future__ import annotations

from typing import Any

import pytest
from support.networks import opened

from lstmdump.lstm import LSTM
from lstmdump.model.settings import LayerSettings
from lstmdump.model.tree import Source
from lstmdump.replay import omissions
from lstmdump.replay.omissions import CHAIN, INITIAL_STATE, MASK, Omission


def layer(**settings: Any) -> LSTM:
    (found,) = opened({"a": (3, 4)}, given={("a",): LayerSettings(**settings)}).lstms
    return found


def test_a_layer_that_is_given_nothing_has_no_omission() -> None:
    assert list(omissions.of_layer(layer(first_states_from=(), stateful=False, sequence_lengths_from=""))) == []


def test_what_gives_first_states_is_named_with_the_option() -> None:
    note = "in the model, its first states come from enc and h_in; here they are 0, unless --initial-state gives them"
    assert list(omissions.of_layer(layer(first_states_from=("enc", "h_in")))) == [Omission("a", INITIAL_STATE, note)]


@pytest.mark.parametrize(
    ("settings", "lengths"),
    [
        ({"sequence_lengths_from": "lengths"}, "from lengths"),
        ({"sequence_lengths_from": "Const", "sequence_lengths": (5, 3)}, "[5, 3]"),
        ({"sequence_lengths_from": "Const", "sequence_lengths": tuple(range(9))}, "[0, 1, 2, 3, 4, 5, 6, 7, …]"),
    ],
)
def test_lengths_of_sequences_are_named_with_the_option(settings: dict[str, Any], lengths: str) -> None:
    note = (f"in the model, the steps behind the length of a sequence are skipped (sequence_length, {lengths}); here all "
            "steps count, unless --mask skips some")  # fmt: skip
    assert list(omissions.of_layer(layer(**settings))) == [Omission("a", MASK, note)]


def test_a_stateful_layer_starts_at_0() -> None:
    note = "the layer is stateful; here its first states are 0, unless --initial-state gives others"
    assert list(omissions.of_layer(layer(stateful=True))) == [Omission("a", INITIAL_STATE, note)]


def test_the_arrays_with_the_last_states_are_named() -> None:
    (found,) = omissions.of_layer(layer(stored_states=("states/0", "states/1")))
    assert found.note.endswith("gives others; the file holds the last ones of the model, in states/0, states/1")


def test_a_layer_that_cannot_be_chained_has_no_hint() -> None:
    note = "takes the input given, although in the model it takes the output of a and c"
    assert omissions.of_source("b", Source((("a",), ("c",)))) == Omission("b", CHAIN, note)


ALL = (
    Omission("a", MASK, "m"),
    Omission("a", INITIAL_STATE, "i"),
    Omission("b", INITIAL_STATE, "i"),
    Omission("b", CHAIN, "c"),
)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"has_mask": False}, ALL),
        ({"has_mask": True}, ALL[1:]),
        ({"has_mask": False, "with_states": ("a",)}, (ALL[0], *ALL[2:])),
        ({"has_mask": True, "with_states": ("a", "b")}, ALL[3:]),
    ],
)
def test_what_the_user_gives_is_not_left_out(given: dict[str, Any], left: tuple[Omission, ...]) -> None:
    assert tuple(omissions.without(ALL, **given)) == left


def test_a_note_names_all_its_layers() -> None:
    assert list(omissions.notes(ALL, 2)) == ["a: m", "a, b: i", "b: c"]
