from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.networks import opened, read

import lstmdump
from lstmdump.errors import BadInput, CannotReplay, CorruptModel, NoForgetBias
from lstmdump.model.settings import LayerSettings
from lstmdump.model.tree import Source
from lstmdump.replay import network

FIVE = {"a": (3, 4), "b": (4, 4), "c": (8, 2)}


def behaviour(settings: dict[str, Any], **options: Any) -> Any:
    return read(opened({"a": (3, 4)}, settings={("a",): settings}), **options).cells[0].behaviour


def test_layers_of_one_width_all_take_the_input() -> None:
    found = read(opened({"a": (3, 4), "b": (3, 5)}))
    assert [(cell.name, found.taken(cell.name)) for cell in found.cells] == [("a", ()), ("b", ())]


def test_an_input_of_another_width_is_refused_naming_the_layer() -> None:
    with pytest.raises(BadInput, match=r"^the input has 12 numbers at each step, but a takes 3$"):
        read(opened({"a": (3, 4)}), 12)


def test_layers_of_different_widths_are_refused_with_advice() -> None:
    words = r"^its layers take inputs of different widths \(3: a; 4: b\), and this one has 3; choose layers with -l, or feed each the output of the one before with --chain$"
    with pytest.raises(BadInput, match=words):
        read(opened({"a": (3, 4), "b": (4, 4)}, {("b",): Source((("a",),))}))


def test_chaining_is_not_suggested_for_layers_that_cannot_be_chained() -> None:
    with pytest.raises(BadInput, match=r"choose layers with -l$"):
        read(opened({"a": (3, 4), "b": (4, 4)}))


def test_all_layers_that_do_not_fit_the_input_are_named() -> None:
    with pytest.raises(BadInput, match=r"^the input has 12 numbers at each step, but a, b take 3$"):
        read(opened({"a": (3, 4), "b": (3, 4)}), 12)


def test_a_layer_that_is_chosen_need_not_fit_the_others() -> None:
    assert [cell.name for cell in read(opened({"a": (3, 4), "b": (4, 4)}), 4, "b").cells] == ["b"]


def test_a_chain_follows_the_sources_in_the_model() -> None:
    sources = {("b",): Source((("a",),)), ("c",): Source((("a",), ("b",)))}
    found = read(opened(FIVE, sources), chain=True)
    assert [(cell.name, found.taken(cell.name)) for cell in found.cells] == [
        ("a", ()),
        ("b", ("a",)),
        ("c", ("a", "b")),
    ]


def test_a_layer_comes_after_its_sources() -> None:
    found = read(opened({"b": (4, 4), "a": (3, 4)}, {("b",): Source((("a",),))}), chain=True)
    assert [cell.name for cell in found.cells] == ["a", "b"]


def test_both_halves_of_a_bidirectional_may_be_first() -> None:
    directions = {("x", word): word for word in ("forward", "backward")}
    found = read(opened({"x/forward": (3, 4), "x/backward": (3, 4)}, directions=directions), chain=True)
    assert [found.taken(cell.name) for cell in found.cells] == [(), ()]


def test_both_halves_recognised_by_name_may_be_first() -> None:
    found = read(opened({"x/forward_a": (3, 4), "x/backward_a": (3, 4)}), chain=True)
    assert [found.taken(cell.name) for cell in found.cells] == [(), ()]


def test_a_direction_in_a_configuration_is_ignored() -> None:
    settings = {("x", name): {"direction": name} for name in ("forward", "backward")}
    with pytest.raises(CannotReplay, match=r"^the file does not state that x/backward directly follows another LSTM"):
        read(opened({"x/forward": (3, 4), "x/backward": (3, 4)}, settings=settings), chain=True)


def test_halves_of_two_bidirectionals_are_not_both_first() -> None:
    with pytest.raises(CannotReplay, match=r"^the file does not state that y/backward_a directly follows another LSTM"):
        read(opened({"x/forward_a": (3, 4), "y/backward_a": (3, 4)}), chain=True)


def test_layers_with_another_layer_between_them_are_not_chained() -> None:
    words = (
        r"^c does not directly follow another LSTM layer: the layers between b and it cannot be replayed; choose layers"
    )
    with pytest.raises(CannotReplay, match=words):
        read(opened({"a": (3, 4), "b": (4, 3), "c": (3, 4)}, {("b",): Source((("a",),))}), chain=True)


def test_a_layer_left_out_of_a_chain_is_named() -> None:
    sources = {("b",): Source((("a",),)), ("c",): Source((("b",),))}
    with pytest.raises(CannotReplay, match=r"^c takes the output of b, which -l leaves out$"):
        read(opened({"a": (3, 4), "b": (4, 4), "c": (4, 4)}, sources), layers="ac", chain=True)


def test_a_chain_may_begin_within_the_model() -> None:
    sources = {("b",): Source((("a",),)), ("c",): Source((("b",),))}
    found = read(opened({"a": (3, 4), "b": (4, 4), "c": (4, 4)}, sources), 4, "bc", chain=True)
    assert [(cell.name, found.taken(cell.name)) for cell in found.cells] == [("b", ()), ("c", ("b",))]


def test_layers_in_a_cycle_are_refused() -> None:
    sources = {("b",): Source((("c",),)), ("c",): Source((("b",),))}
    with pytest.raises(CorruptModel, match=r"^b takes its own output as input, through other layers$"):
        read(opened({"a": (3, 4), "b": (4, 4), "c": (4, 4)}, sources), chain=True)


def test_a_layer_must_take_as_many_numbers_as_its_sources_give() -> None:
    with pytest.raises(CannotReplay, match=r"^b takes 5 numbers at each step, but the layers before it give 4$"):
        read(opened({"a": (3, 4), "b": (5, 4)}, {("b",): Source((("a",),))}), chain=True)


@pytest.mark.parametrize("settings", [{}, {"activation": "sigmoid"}, {"activation": "nonsense"}])
def test_an_activation_of_the_file_can_be_overridden(settings: dict[str, Any]) -> None:
    assert behaviour(settings, activation="hard_sigmoid").activation == "hard_sigmoid"


@pytest.mark.parametrize("word", ["recurrent_activation", "inner_activation"])
def test_a_recurrent_activation_of_the_file_can_be_overridden(word: str) -> None:
    assert behaviour({word: "sigmoid"}, recurrent_activation="tanh").recurrent_activation == "tanh"


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_the_direction_of_the_file_can_be_overridden(stated: bool, given: bool) -> None:
    assert behaviour({"go_backwards": stated}, go_backwards=given).go_backwards is given


def test_settings_that_are_not_overridden_are_those_of_the_file() -> None:
    found = behaviour({"go_backwards": True, "activation": "sigmoid"}, recurrent_activation="tanh")
    assert (found.go_backwards, found.activation) == (True, "sigmoid")


def test_a_half_of_a_bidirectional_keeps_its_direction() -> None:
    with pytest.raises(CannotReplay, match=r"^a: it is one half of a Bidirectional, which determines its direction$"):
        read(opened({"a": (3, 4)}, directions={("a",): "forward"}), go_backwards=True)


def test_the_settings_of_a_layer_are_not_modified() -> None:
    model = opened({"a": (3, 4)}, settings={("a",): {"activation": "sigmoid"}})
    read(model, activation="tanh")
    assert model.lstms[0].settings == LayerSettings(is_described=True, activation="sigmoid")


def test_an_unknown_activation_is_refused_naming_the_layer() -> None:
    with pytest.raises(CannotReplay, match=r"^a: .*nonsense"):
        behaviour({"activation": "nonsense"})


def test_a_layer_that_goes_backwards_is_noted() -> None:
    model = opened({"a": (3, 4)}, settings={("a",): {"go_backwards": True}})
    assert read(model).notes_on_states[-1] == "a: it goes backwards: its first step is the last step of the input"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mixed_policy_is_noted_with_the_type_of_the_replay(dtype: str) -> None:
    stated = {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False, "dtype": "mixed_float16"}
    found = read(opened({"a": (3, 4)}, settings={("a",): stated}), dtype=dtype)
    assert found.notes == (f"a: the policy is mixed_float16: Keras computes in float16, the replay in {dtype}",)


def test_layers_with_one_note_share_it() -> None:
    settings = {(name,): {"go_backwards": True} for name in "ab"}
    model = opened({"a": (3, 4), "b": (3, 4)}, settings=settings)
    assert read(model).notes_on_states[-1] == "a, b: it goes backwards: its first step is the last step of the input"


def test_a_given_forget_bias_is_ignored_if_the_file_holds_one() -> None:
    assert (
        "a: --forget-bias is ignored: the file holds a forget bias of 0.0"
        in read(opened({"a": (3, 4)}), forget_bias=1.0).notes
    )


def test_a_forget_bias_that_is_not_in_the_file_is_required() -> None:
    model = opened({"a": (3, 4)})
    model.lstms[0].forget_bias = None
    with pytest.raises(
        NoForgetBias, match=r"^a: the file does not hold its forget bias; give it with --forget-bias N: "
    ):
        read(model)


def test_a_forget_bias_that_is_given_is_noted() -> None:
    model = opened({"a": (3, 4)})
    model.lstms[0].forget_bias = None
    found = read(model, forget_bias=1.5)
    assert "a: a forget bias of 1.5 is added to b_f, as given: the file does not hold it" in found.notes


def test_the_numbers_have_the_requested_dtype() -> None:
    assert read(opened({"a": (3, 4)}), dtype="float64").cells[0].gates["i"].W.dtype == np.float64


def test_a_network_can_be_pickled(model: Path) -> None:
    with lstmdump.open(model) as found:
        net = network.read(found, found.lstms, 3)
    assert pickle.loads(pickle.dumps(net)).cells[0].name == "lstm_1"  # noqa: S301 - our own


def test_an_activation_that_the_release_lacks_is_noted() -> None:
    settings = {("a",): {"activation": "hard_tanh", "recurrent_activation": "sigmoid", "go_backwards": False}}
    notes = read(opened({"a": (3, 4)}, settings=settings, producer="keras 2.2.4")).notes
    assert [note.partition(";")[0] for note in notes] == ["a: Keras 2 has no activation hard_tanh of its own"]


def test_a_half_recognised_by_name_keeps_its_direction_when_an_activation_is_overridden() -> None:
    found = read(opened({"x/backward_a": (3, 4)}), activation="relu").cells[0].behaviour
    assert (found.go_backwards, found.is_aligned) == (True, True)


def test_the_direction_of_a_half_recognised_by_name_can_be_overridden() -> None:
    found = read(opened({"x/backward_a": (3, 4)}), go_backwards=False).cells[0].behaviour
    assert (found.go_backwards, found.is_aligned) == (False, False)


def test_a_layer_behind_another_one_takes_the_input_with_a_note() -> None:
    made = opened({"a": (3, 4), "b": (3, 4)}, {("b",): Source((("a",),))})
    note = "b: takes the input given, although in the model it takes the output of a; --chain gives it that"
    assert read(made).notes_on_states[-1] == note
    assert read(opened({"a": (3, 3), "b": (3, 4)}, {("b",): Source((("a",),))}), chain=True).omissions == ()


def test_the_note_names_the_layers_that_must_be_chosen_as_well() -> None:
    made = opened({"a": (3, 4), "b": (3, 4)}, {("b",): Source((("a",),))})
    assert (
        read(made, layers="b", chain=True)
        .notes_on_states[-1]
        .endswith("in the model it takes the output of a; --chain, with a chosen as well, gives it that")
    )


def test_the_halves_of_a_network_of_tensorflow_1_may_both_be_first() -> None:
    directions = {("r", half, "cell"): word for half, word in (("fw", "forward"), ("bw", "backward"))}
    made = opened({"r/fw/cell": (3, 4), "r/bw/cell": (3, 4)}, directions=directions)
    assert [cell.name for cell in read(made, chain=True).cells] == ["r/fw/cell", "r/bw/cell"]


def test_the_halves_of_two_networks_are_not_both_first() -> None:
    directions = {("r", "fw", "cell"): "forward", ("s", "bw", "cell"): "backward"}
    made = opened({"r/fw/cell": (3, 4), "s/bw/cell": (3, 4)}, directions=directions)
    with pytest.raises(CannotReplay, match="s/bw/cell directly follows another"):
        read(made, chain=True)
