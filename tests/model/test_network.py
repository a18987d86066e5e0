from __future__ import annotations

from support.descriptions import dense, lstm, network, take

from lstmdump.model.network import NetworkCall, NetworkLayer, NetworkTensor

A, B, D = lstm("a"), lstm("b"), dense("d", [[1.0]])
BRANCHES = network([take("x"), take("z")], [(A, ["x"]), (B, ["z"]), (D, ["a"])], ["d", "b"])
"""Calls: 0 x, 1 z, 2 a, 3 b, 4 d."""


def test_the_name_of_a_layer_is_its_path() -> None:
    assert NetworkLayer(("outer", "inner"), "LSTM", {}).name == "outer/inner"


def test_all_layers_that_a_layer_wraps_are_walked() -> None:
    inner = NetworkLayer(("it",), "TimeDistributed", {}, inner={"layer": A})
    model = NetworkLayer(("model",), "TimeDistributed", {}, network=network([take("x")], [(inner, ["x"])]))
    assert [layer.name for layer in model.walk()] == ["model", "x", "it", "a"]


def test_a_layer_is_found_by_its_name() -> None:
    assert BRANCHES.find_layer("b") == 3


def test_a_wrapped_layer_is_found_by_the_layer_around_it() -> None:
    both = NetworkLayer(("both",), "Bidirectional", {}, inner={"forward": NetworkLayer(("both", "f"), "LSTM", {})})
    assert network([take("x")], [(both, ["x"])]).find_layer("both/f") == 1


def test_an_unknown_layer_is_not_found() -> None:
    assert BRANCHES.find_layer("c") is None


def test_only_the_calls_before_a_call_are_needed_for_it() -> None:
    assert BRANCHES.needed_for([4]) == {0, 2, 4}


def test_a_mask_of_a_call_is_needed_for_it() -> None:
    assert NetworkCall(0, (NetworkTensor(1),), mask=NetworkTensor(2)).tensors == (NetworkTensor(1), NetworkTensor(2))


def test_the_calls_of_a_layer_are_listed() -> None:
    twice = network([take("x"), take("z")], [(A, ["x"]), (A, ["z"])])
    assert (twice.calls_of(2), [call.number for call in twice.calls]) == ([2, 3], [0, 0, 0, 1])


def test_a_new_input_is_taken_in_place_of_a_tensor() -> None:
    found = BRANCHES.with_stand_in(NetworkTensor(2), "instead", (None, 4))
    assert [found.layer_of(tensor.call).name for tensor in found.calls[5].inputs] == ["instead"]
    assert [(one.name, one.shape) for one in found.inputs] == [
        ("instead", (None, 4)),
        ("x", (None, 3)),
        ("z", (None, 3)),
    ]


def test_the_other_calls_keep_their_inputs_beside_a_new_one() -> None:
    found = BRANCHES.with_stand_in(NetworkTensor(2), "instead", None)
    assert [[found.layer_of(tensor.call).name for tensor in call.inputs] for call in found.calls] == [
        [], [], [], ["x"], ["z"], ["instead"],
    ]  # fmt: skip
    assert [found.layer_of(one.tensor.call).name for one in found.outputs] == ["d", "b"]


def test_an_output_that_is_replaced_is_the_new_input() -> None:
    found = BRANCHES.with_stand_in(NetworkTensor(3), "instead", None)
    assert [found.layer_of(one.tensor.call).name for one in found.outputs] == ["d", "instead"]


def test_a_layer_with_a_new_input_is_given_no_first_states() -> None:
    following = network([take("x"), take("z")], [(A, ["x"]), (B, ["z", "a"])])
    found = following.with_input_at(3, "b", (None, 3))
    assert [[found.layer_of(tensor.call).name for tensor in call.inputs] for call in found.calls] == [
        [], [], [], ["x"], ["b"],
    ]  # fmt: skip
