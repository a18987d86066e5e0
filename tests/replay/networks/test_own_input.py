from __future__ import annotations

import pytest
from support.descriptions import lstm, network, take
from support.layer_reading import describe

from lstmdump.model.network import NetworkDescription, NetworkLayer
from lstmdump.replay.networks import own_input

EMBEDDING = describe("Embedding", {"mask_zero": True}, name="words")
MASKING = describe("Masking", {"mask_value": -1.0}, name="skip")
A, B = lstm("a"), lstm("b")


def cut(described: NetworkDescription, name: str, **given: bool) -> own_input.LayerByItself:
    layer = described.find_layer(name)
    assert layer is not None
    return own_input.cut(described, layer, (None, 3), **{"has_mask": False, "has_states": False, **given})


def behind(*layers: NetworkLayer) -> NetworkDescription:
    """Return a network of layers in a row."""
    names = ["x", *(layer.name for layer in layers)]
    return network([take("x")], [(layer, [names[index]]) for index, layer in enumerate(layers)])


def test_the_new_input_has_the_name_of_the_layer() -> None:
    found = cut(behind(A, B), "b")
    assert (found.name, [(one.name, one.shape) for one in found.network.inputs]) == (
        "b", [("b", (None, 3)), ("x", (None, 3))],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("maker", "words"),
    [(EMBEDDING, "words (Embedding, mask_zero=True)"), (MASKING, "skip (Masking, mask_value=-1.0)")],
)
def test_a_mask_of_the_layer_is_noted(maker: NetworkLayer, words: str) -> None:
    assert cut(behind(maker, A), "a").notes == (
        f"a: in the model, its mask comes from {words}; without --mask, no step is masked",
    )


def test_an_embedding_without_a_mask_is_not_noted() -> None:
    assert cut(behind(describe("Embedding", {"mask_zero": False}, name="words"), A), "a").notes == ()


def test_a_mask_goes_through_layers_that_pass_it_on() -> None:
    between = [describe("Dropout", name="drop"), A, describe("BatchNormalization", name="norm")]
    assert len(cut(behind(MASKING, *between, B), "b").notes) == 1


@pytest.mark.parametrize("kind", ["Flatten", "RepeatVector", "Conv1D", "Lambda"])
def test_a_mask_ends_at_layers_that_drop_it(kind: str) -> None:
    assert cut(behind(MASKING, describe(kind, name="it"), B), "b").notes == ()


def test_a_mask_ends_at_a_layer_that_gives_its_last_step_only() -> None:
    assert cut(behind(MASKING, lstm("a", sequences=False), B), "b").notes == ()


def test_a_mask_that_the_user_gives_is_not_noted() -> None:
    assert cut(behind(MASKING, A), "a", has_mask=True).notes == ()


def test_masks_of_several_layers_are_noted_together() -> None:
    joined = network(
        [take("x"), take("z")],
        [(EMBEDDING, ["x"]), (MASKING, ["z"]), (describe("Add", name="sum"), ["words", "skip"]), (A, ["sum"])],
    )
    (note,) = cut(joined, "a").notes
    assert "skip (Masking, mask_value=-1.0)" in note
    assert "words (Embedding, mask_zero=True)" in note


def test_first_states_of_the_layer_are_noted() -> None:
    following = network([take("x"), take("z")], [(A, ["x"]), (B, ["z", "a", "a"])])
    assert cut(following, "b").notes == (
        "b: in the model, its first states come from a; here they are 0, unless --initial-state gives them",
    )


def test_first_states_that_the_user_gives_are_not_noted() -> None:
    following = network([take("x"), take("z")], [(A, ["x"]), (B, ["z", "a", "a"])])
    assert cut(following, "b", has_states=True).notes == ()


def bidirectional() -> NetworkDescription:
    """Return a Bidirectional `both` with two first states for each half."""
    halves = {side: describe("LSTM", name=f"both/{side}") for side in ("forward", "backward")}
    both = describe("Bidirectional", name="both", inner=halves)
    states = [f"s{number}" for number in range(4)]
    return network([take("x"), *(take(name, (4,)) for name in states)], [(both, ["x", *states])])


def test_a_half_that_is_asked_for_has_a_call_of_its_own() -> None:
    found = own_input.isolate(bidirectional(), ["both/backward"])
    assert [found.layer_of(index).name for index in range(len(found.calls))][-1] == "both/backward"


def test_a_half_takes_the_input_and_its_own_share_of_the_first_states() -> None:
    found = own_input.isolate(bidirectional(), ["both/backward"])
    assert [found.layer_of(tensor.call).name for tensor in found.calls[-1].inputs] == ["x", "s2", "s3"]


def test_a_bidirectional_whose_halves_are_not_asked_for_stays() -> None:
    assert own_input.isolate(bidirectional(), ["a"]) == bidirectional()


def cell(name: str, kind: str = "LSTMCell") -> NetworkLayer:
    return describe(kind, name=name)


def stack(name: str = "rnn") -> NetworkLayer:
    """Return an RNN of three cells."""
    cells = {"cell_0": cell(f"{name}/a"), "cell_1": cell(f"{name}/g", "GRUCell"), "cell_2": cell(f"{name}/b")}
    return describe("RNN", name=name, inner=cells)


def stacked() -> NetworkDescription:
    """Return an RNN of three cells with five first states."""
    states = [f"s{number}" for number in range(5)]
    return network([take("x"), *(take(name, (4,)) for name in states)], [(stack(), ["x", *states])])


def test_a_cell_of_a_stack_has_a_call_of_the_stack_up_to_it() -> None:
    found = own_input.isolate(stacked(), ["rnn/a"])
    alone = found.layer_of(len(found.calls) - 1)
    assert (alone.name, alone.kind, list(alone.inner)) == ("rnn/a", "RNN", ["cell_0"])
    assert [found.layer_of(tensor.call).name for tensor in found.calls[-1].inputs] == ["x", "s0", "s1"]


def test_a_cell_behind_another_has_the_states_of_both() -> None:
    found = own_input.isolate(stacked(), ["rnn/g"])
    assert [found.layer_of(tensor.call).name for tensor in found.calls[-1].inputs] == ["x", "s0", "s1", "s2"]


def test_the_last_cell_of_a_stack_gives_its_output() -> None:
    assert own_input.isolate(stacked(), ["rnn/b"]) == stacked()


@pytest.mark.parametrize(("name", "cells"), [("both/backward/a", 1), ("both/backward/b", 3)])
def test_a_cell_in_a_half_is_taken_out_of_both(name: str, cells: int) -> None:
    halves = {side: stack(f"both/{side}") for side in ("forward", "backward")}
    both = network([take("x")], [(describe("Bidirectional", name="both", inner=halves), ["x"])])
    found = own_input.isolate(both, [name])
    alone = found.layer_of(len(found.calls) - 1)
    assert (alone.name, alone.kind, len(alone.inner)) == (name, "RNN", cells)


def test_a_half_within_each_step_is_taken_out_of_its_bidirectional() -> None:
    halves = {side: describe("LSTM", name=f"td/both/{side}") for side in ("forward", "backward")}
    both = describe("Bidirectional", name="td/both", inner=halves)
    found = own_input.isolate(
        network([take("x")], [(describe("TimeDistributed", name="td", inner={"layer": both}), ["x"])]),
        ["td/both/forward"],
    )
    alone = found.layer_of(len(found.calls) - 1)
    assert (alone.name, alone.kind, alone.inner["layer"].kind) == ("td/both/forward", "TimeDistributed", "LSTM")


@pytest.mark.parametrize(("name", "is_first"), [("rnn/a", True), ("rnn/g", False), ("rnn/b", False), ("rnn", True)])
def test_only_the_first_cell_of_a_stack_takes_its_input(name: str, is_first: bool) -> None:
    assert own_input.comes_first(stack(), name) is is_first


def test_an_lstm_within_each_step_takes_an_input_of_four_axes() -> None:
    each = describe("TimeDistributed", name="td", inner={"layer": describe("LSTM", name="td/a")})
    described = network([take("x")], [(each, ["x"])])
    assert [own_input.is_input_of(described, "td/a", axes) for axes in (3, 4)] == [False, True]
