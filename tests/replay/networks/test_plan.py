from __future__ import annotations

from typing import Any

import pytest
from support import networks
from support.descriptions import dense, lstm, network, take, unknown

from lstmdump.errors import BadInput, CannotReplay, NoSuchLayer
from lstmdump.model.network import NetworkDescription
from lstmdump.replay.matching import GivenArray
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks import plan as plans
from lstmdump.replay.networks.plan import NetworkPlan, Purpose

SETTINGS = {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False}
OPENED = networks.opened({"a": (3, 4), "b": (4, 5)}, settings={("a",): SETTINGS, ("b",): SETTINGS})
A, B = lstm("a"), lstm("b")
STACK = network([take("x")], [(A, ["x"]), (B, ["a"]), (dense("d", [[1.0]] * 5), ["b"])])
CUT_OFF = network([take("x")], [(A, ["x"]), (unknown("code"), ["a"]), (B, ["code"])])
"""`b` is behind a layer that cannot be computed."""
X, OF_B = GivenArray(None, (2, 6, 3)), GivenArray(None, (2, 6, 4))


def read(described: NetworkDescription, *given: GivenArray, layers: str = "ab", **purpose: Any) -> NetworkPlan:
    chosen = [one for one in OPENED.lstms if one.name in layers]
    return plans.read(OPENED, described, given, Purpose(chosen, **purpose), RunOptions())


def test_all_layers_and_outputs_are_read() -> None:
    found = read(STACK, X)
    assert (list(found.lstms), [one.name for one in found.network.outputs]) == (["a", "b"], ["d"])


def test_only_what_the_chosen_layers_need_is_read() -> None:
    found = read(STACK, X, layers="a", with_outputs=False)
    assert [layer.name for layer in found.network.layers.values()] == ["a"]


def test_the_layers_that_give_a_layer_its_input_are_known() -> None:
    assert read(STACK, X).takes == {"a": (), "b": ("a",)}


def test_an_array_that_fits_the_model_is_its_input() -> None:
    (given,) = read(STACK, X).inputs
    assert given.input.name == "x"


def test_an_array_that_fits_a_layer_only_is_its_own_input_with_a_note() -> None:
    found = read(STACK, OF_B)
    assert ([one.input.name for one in found.inputs], list(found.lstms)) == (["b"], ["b"])
    assert found.notes[0] == (
        "the input is taken as that of b itself, because it does not fit the model, which takes x (batch, any, 3)"
    )


def test_a_layer_that_is_not_chosen_may_have_its_own_input() -> None:
    found = read(STACK, OF_B, layers="", others=OPENED.lstms)
    assert ([one.input.name for one in found.inputs], found.lstms) == (["b"], {})


def test_into_a_layer_what_is_before_it_is_not_run_and_named() -> None:
    found = read(STACK, OF_B, into="b")
    assert [layer.name for layer in found.network.layers.values()] == ["b", "d"]
    assert found.notes == ("a is not computed: the input x is not given; give it with -i x=FILE.npy",)


def test_into_a_layer_of_another_width_is_refused() -> None:
    with pytest.raises(BadInput, match=r"the input is \(2, 6, 3\), but the model takes b \(batch, any, 4\) there"):
        read(STACK, X, into="b")


def test_into_an_unknown_layer_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NoSuchLayer, match="no layer is called e; the model has a, b, d"):
        read(STACK, X, into="e")


def test_an_array_that_fits_nothing_is_refused_with_what_would() -> None:
    with pytest.raises(BadInput) as caught:
        read(STACK, GivenArray(None, (2, 6, 7)))
    assert str(caught.value) == (
        "the model takes x (batch, any, 3), and what is given is (2, 6, 7); --into LAYER gives a layer its own input: "
        "a (batch, steps, 3), b (batch, steps, 4)"
    )


TWO_INPUTS = network(
    [take("x"), take("z", (5,))],
    [(A, ["x"]), (dense("d", [[1.0]] * 5), ["z"]), (dense("e", [[1.0]] * 4), ["a"])],
    ["d", "e"],
)


def test_the_inputs_that_the_layers_need_are_enough_for_one_of_the_outputs() -> None:
    found = read(TWO_INPUTS, X, layers="a")
    assert [one.name for one in found.network.outputs] == ["e"]
    assert found.notes == ("y of d is not computed: the input z is not given; give it with -i z=FILE.npy",)


def test_a_layer_behind_one_that_cannot_be_computed_is_refused_with_the_ways_around() -> None:
    with pytest.raises(CannotReplay) as caught:
        read(CUT_OFF, X)
    assert str(caught.value) == (
        "code is a Lambda layer: Python code, which is never run; -l chooses layers before it: a; --into LAYER gives "
        "a layer its own input: b"
    )


def test_a_layer_before_one_that_cannot_be_computed_is_read() -> None:
    assert list(read(CUT_OFF, X, layers="a", with_outputs=False).lstms) == ["a"]


def test_some_layers_are_enough_if_the_purpose_says_so() -> None:
    found = read(CUT_OFF, X, with_outputs=False, any_layer=True)
    assert list(found.lstms) == ["a"]
    assert found.notes == ("b is not computed: code is a Lambda layer: Python code, which is never run",)


def test_all_outputs_behind_a_layer_that_cannot_be_computed_are_refused() -> None:
    with pytest.raises(CannotReplay, match="code is a Lambda layer"):
        read(CUT_OFF, X, layers="a")


def test_one_of_several_outputs_is_enough() -> None:
    forked = network(
        [take("x")], [(A, ["x"]), (dense("d", [[1.0]] * 4), ["a"]), (unknown("code"), ["a"])], ["d", "code"]
    )
    found = read(forked, X, layers="a")
    assert [one.name for one in found.network.outputs] == ["d"]
    assert found.notes == ("y of code is not computed: code is a Lambda layer: Python code, which is never run",)


def test_an_lstm_that_no_call_of_the_network_uses_is_refused() -> None:
    with pytest.raises(CannotReplay, match="the file does not describe which layer of the network calls b"):
        read(network([take("x")], [(A, ["x"])]), X)


def test_a_name_decides_over_the_own_input_of_a_layer() -> None:
    with pytest.raises(BadInput, match=r"x is \(2, 6, 4\), but the model takes x \(batch, any, 3\)"):
        read(STACK, GivenArray("x", (2, 6, 4)))


def test_the_width_of_an_input_of_unknown_shape_is_that_of_the_layer() -> None:
    unstated = network([take("x", None)], [(A, ["x"])])
    with pytest.raises(BadInput, match=r"the model takes x \(batch, any, 3\)"):
        read(unstated, GivenArray(None, (2, 6, 7)), layers="a")


def test_a_layer_that_goes_backwards_is_noted() -> None:
    opened = networks.opened({"a": (3, 4)}, settings={("a",): {"go_backwards": True}})
    described = network([take("x")], [(lstm("a", go_backwards=True), ["x"])])
    found = plans.read(opened, described, [X], Purpose(opened.lstms), RunOptions())
    assert "a: it goes backwards: its first step is the last step of the input" in found.notes_on_states
