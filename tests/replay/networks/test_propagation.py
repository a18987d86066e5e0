from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from support.descriptions import dense, network, take, unknown
from support.layer_reading import KERAS_2, describe

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkDescription, NetworkTensor
from lstmdump.replay.layers import registry
from lstmdump.replay.layers.base import Signal
from lstmdump.replay.layers.reading import LayerReader
from lstmdump.replay.networks import propagation
from lstmdump.replay.networks.propagation import RunnableNetwork

TWICE, THRICE = dense("twice", [[2.0]]), dense("thrice", [[3.0]])
ADD = describe("Add", name="sum")
FORKED = network([take("x", (1,))], [(TWICE, ["x"]), (THRICE, ["x"]), (ADD, ["twice", "thrice"])])
"""y = 2x + 3x. Calls: 0 x, 1 twice, 2 thrice, 3 sum."""


def make_reader() -> LayerReader:
    def refuse(_layer: object) -> object:
        raise AssertionError

    return LayerReader(KERAS_2, "float64", refuse, registry.build, propagation.read_as_layer)  # type: ignore[arg-type]


def read(described: NetworkDescription, *calls: int) -> RunnableNetwork:
    targets = [NetworkTensor(call) for call in calls] or [one.tensor for one in described.outputs]
    return propagation.read(described, targets, make_reader())


def run(network: RunnableNetwork, **given: Sequence[Sequence[float]]) -> list[list[list[float]]]:
    tape = propagation.forward(network, _signals(given))
    return [tape[target].values.tolist() for target in network.targets]


def _signals(given: Mapping[str, object]) -> dict[str, Signal]:
    return {name: Signal(np.array(values, "float64")) for name, values in given.items()}


def test_a_value_goes_to_all_calls_that_take_it() -> None:
    assert run(read(FORKED), x=[[1.0], [4.0]]) == [[[5.0], [20.0]]]


def test_only_what_the_targets_need_is_read() -> None:
    assert list(read(FORKED, 1).calls) == [0, 1]


def test_a_target_that_others_take_is_kept() -> None:
    assert run(read(FORKED, 1, 3), x=[[1.0]]) == [[[2.0]], [[5.0]]]


def test_other_values_are_let_go_after_their_last_use() -> None:
    tape = propagation.forward(read(FORKED), _signals({"x": [[1.0]]}))
    assert list(tape.signals) == [3]


def test_all_values_are_kept_for_a_backward_pass() -> None:
    tape = propagation.forward(read(FORKED), _signals({"x": [[1.0]]}), keep=True)
    assert list(tape.signals) == [0, 1, 2, 3]


def test_a_layer_that_is_called_twice_is_read_once() -> None:
    again = network([take("x", (1,))], [(TWICE, ["x"]), (TWICE, ["twice"])])
    found = read(again)
    assert (len(found.layers), run(found, x=[[1.0]])) == (1, [[[4.0]]])


def test_a_missing_input_is_an_error_that_names_it() -> None:
    with pytest.raises(BadInput, match=r"the model also takes the input x; give it with -i x=FILE\.npy"):
        propagation.forward(read(FORKED), {})


def test_numbers_are_converted_to_the_type_of_the_network() -> None:
    tape = propagation.forward(read(FORKED), {"x": Signal(np.ones((1, 1), "float32"))})
    assert tape[NetworkTensor(3)].values.dtype == np.float64


def test_a_layer_that_cannot_be_computed_blocks_what_follows_it() -> None:
    blocked = network([take("x", (1,))], [(TWICE, ["x"]), (unknown("code"), ["twice"]), (THRICE, ["code"])])
    found = propagation.read_reachable(blocked, [NetworkTensor(3)], make_reader())
    assert (list(found.blocked), [layer.name for layer in found.layers.values()]) == ([2, 3], ["twice"])
    with pytest.raises(CannotReplay, match="code is a Lambda layer"):
        found.require([NetworkTensor(3)])


def test_an_absent_input_blocks_what_follows_it() -> None:
    found = propagation.read_reachable(FORKED, [NetworkTensor(3)], make_reader(), [NetworkTensor(0)])
    assert found.blocked == dict.fromkeys(range(4), "the input x is not given; give it with -i x=FILE.npy")


def test_the_gradients_of_all_ways_add_up() -> None:
    found = read(FORKED)
    tape = propagation.forward(found, _signals({"x": [[1.0]]}), keep=True)
    gradients = propagation.backward(found, tape, {NetworkTensor(3): np.ones((1, 1, 1))}, [NetworkTensor(0)])
    assert gradients[NetworkTensor(0)].tolist() == [[[5.0]]]  # type: ignore[union-attr]


def test_the_gradient_of_a_tensor_on_the_way_is_that_of_what_follows_it() -> None:
    found = read(FORKED)
    tape = propagation.forward(found, _signals({"x": [[1.0]]}), keep=True)
    wanted = [NetworkTensor(0), NetworkTensor(2)]
    gradients = propagation.backward(found, tape, {NetworkTensor(3): np.ones((1, 1, 1))}, wanted)
    assert [gradients[tensor].item() for tensor in wanted] == [5.0, 1.0]  # type: ignore[union-attr]


def test_a_tensor_without_influence_has_no_gradient() -> None:
    apart = network([take("x", (1,)), take("z", (1,))], [(TWICE, ["x"]), (THRICE, ["z"])], ["twice", "thrice"])
    found = read(apart)
    tape = propagation.forward(found, _signals({"x": [[1.0]], "z": [[1.0]]}), keep=True)
    gradients = propagation.backward(found, tape, {NetworkTensor(2): np.ones((1, 1, 1))}, [NetworkTensor(1)])
    assert gradients == {NetworkTensor(1): None}


STEPS = np.array([[[1.0], [0.0], [3.0]]])
MASKED = network(
    [take("x", (None, 1))],
    [(describe("Masking", {"mask_value": 0.0}, name="skip"), ["x"]),
     (describe("GlobalAveragePooling1D", name="mean"), ["skip"])],
)  # fmt: skip


def test_a_mask_goes_with_the_values() -> None:
    tape = propagation.forward(read(MASKED), {"x": Signal(STEPS)})
    assert tape[NetworkTensor(2)].values.tolist() == [[2.0]]  # (1 + 3) / 2


def test_a_given_mask_replaces_that_of_a_layer() -> None:
    tape = propagation.forward(read(MASKED), {"x": Signal(STEPS)}, mask=np.array([[False, True, True]]))
    assert tape[NetworkTensor(2)].values.tolist() == [[1.5]]  # (0 + 3) / 2


def test_a_given_mask_is_that_of_the_input_without_such_a_layer() -> None:
    bare = network([take("x", (None, 1))], [(MASKED.layers[2], ["x"])])
    tape = propagation.forward(read(bare), {"x": Signal(STEPS)}, mask=np.array([[True, True, False]]))
    assert tape[NetworkTensor(1)].values.tolist() == [[0.5]]  # (1 + 0) / 2


def test_whole_numbers_for_an_embedding_are_not_converted() -> None:
    table = describe("Embedding", {"input_dim": 2, "output_dim": 1}, {"embeddings": [[7.0], [8.0]]}, name="words")
    found = read(network([take("ids", (None,))], [(table, ["ids"])]))
    assert found.takes_ids(found.inputs[0])
    assert run(found, ids=np.array([[1, 0]])) == [[[[8.0], [7.0]]]]  # type: ignore[arg-type]


def test_an_input_that_another_layer_takes_as_well_is_converted() -> None:
    table = describe("Embedding", {"input_dim": 2, "output_dim": 1}, {"embeddings": [[7.0], [8.0]]}, name="words")
    both = read(network([take("x", (1,))], [(table, ["x"]), (TWICE, ["x"])], ["words", "twice"]))
    assert not both.takes_ids(both.inputs[0])
