from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import networks
from support.descriptions import dense, lstm, network, take
from support.layer_reading import describe

from lstmdump.errors import CannotReplay
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.network import NetworkDescription
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks import propagation, zero_input
from lstmdump.replay.networks.plan import NetworkPlan, Purpose

EMBEDDING = describe("Embedding", {"input_dim": 9, "output_dim": 3, "mask_zero": True}, name="words")
MASKING = describe("Masking", {"mask_value": 0.0}, name="skip")
SETTINGS = {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False}
OPENED = networks.opened({"a": (3, 4)}, settings={("a",): SETTINGS})
A = lstm("a")


def read(described: NetworkDescription, opened: LoadedModel = OPENED, **purpose: Any) -> NetworkPlan:
    return zero_input.read(opened, described, Purpose(opened.lstms, **purpose), RunOptions("float64"))


def shapes(plan: NetworkPlan, steps: int = 7) -> dict[str, tuple[int, ...]]:
    return {name: signal.values.shape for name, signal in zero_input.make(plan, steps).items()}


def test_an_input_is_one_sequence_of_zeros() -> None:
    given = zero_input.make(read(network([take("x")], [(A, ["x"])])), 7)
    assert (given["x"].values.shape, given["x"].values.any()) == ((1, 7, 3), False)


def test_the_length_that_the_model_states_is_kept() -> None:
    assert shapes(read(network([take("x", (9, 3))], [(A, ["x"])]))) == {"x": (1, 9, 3)}


def test_the_vectors_of_an_embedding_are_the_input() -> None:
    assert shapes(read(network([take("ids", (None,))], [(EMBEDDING, ["ids"]), (A, ["words"])]))) == {"words": (1, 7, 3)}


def test_an_embedding_keeps_the_length_of_its_ids() -> None:
    assert shapes(read(network([take("ids", (5,))], [(EMBEDDING, ["ids"]), (A, ["words"])]))) == {"words": (1, 5, 3)}


def test_several_embeddings_are_in_the_order_of_their_calls() -> None:
    other = describe("Embedding", {"input_dim": 9, "output_dim": 2}, name="signs")
    add = describe("Concatenate", name="both")
    opened = networks.opened({"a": (5, 4)}, settings={("a",): SETTINGS})
    described = network(
        [take("ids", (None,)), take("more", (None,))],
        [(EMBEDDING, ["ids"]), (other, ["more"]), (add, ["words", "signs"]), (A, ["both"])],
    )
    assert shapes(read(described, opened)) == {"words": (1, 7, 3), "signs": (1, 7, 2)}


def test_an_embedding_in_time_distributed_is_replaced() -> None:
    wrapped = describe("TimeDistributed", name="each", inner={"layer": EMBEDDING})
    found = zero_input.without_ids_and_masks(network([take("ids", (4, 6))], [(wrapped, ["ids"])]))
    assert found.inputs[0].shape == (4, 6, 3)


def test_an_embedding_in_a_model_that_is_wrapped_is_refused() -> None:
    inside = network([take("ids", (None,))], [(EMBEDDING, ["ids"])])
    wrapped = describe("TimeDistributed", name="each", inner={}, network=inside)
    with pytest.raises(CannotReplay, match="each has an Embedding within, for which x = 0 has no meaning; give -i"):
        zero_input.without_ids_and_masks(network([take("ids", (4, 6))], [(wrapped, ["ids"])]))


def test_no_step_is_masked() -> None:
    plan = read(network([take("x")], [(MASKING, ["x"]), (A, ["skip"])]))
    tape = propagation.forward(plan.network, zero_input.make(plan, 2), keep=True)
    assert [signal.mask for made in tape.signals.values() for signal in made] == [None] * 3


def test_a_shape_that_is_not_known_is_refused() -> None:
    plan = read(network([take("x", None)], [(dense("d", [[1.0] * 3]), ["x"]), (A, ["d"])]))
    with pytest.raises(
        CannotReplay, match="the file does not state the shape of the input x, which x = 0 needs; give -i"
    ):
        zero_input.make(plan, 7)


def test_the_width_of_an_lstm_makes_a_shape_known() -> None:
    assert shapes(read(network([take("x", None)], [(A, ["x"])]))) == {"x": (1, 7, 3)}


def test_a_layer_may_have_an_input_of_its_own() -> None:
    described = network([take("x", (2,))], [(dense("d", [[1.0] * 3] * 2), ["x"]), (A, ["d"])])
    assert shapes(read(described, into="a")) == {"a": (1, 7, 3)}


@pytest.mark.parametrize(("shape", "is_stated"), [((9, 3), True), ((None, 3), False), ((3,), True)])
def test_a_length_may_be_stated(shape: tuple[int | None, ...], is_stated: bool) -> None:
    described = network([take("x", shape)], [(dense("d", [[1.0] * 3] * 3), ["x"])])
    plan = zero_input.read(OPENED, described, Purpose(()), RunOptions("float64"))
    assert zero_input.has_stated_length(plan) is is_stated


def test_the_settled_states_are_those_that_one_more_step_leaves_as_they_are() -> None:
    plan = read(network([take("x")], [(A, ["x"])]))
    context, no_point = zero_input.settle(plan, zero_input.make(plan, 50))
    assert no_point is None
    h, c = context.begins["a"]
    i, f, o, candidate = (h @ gate.U + gate.b for gate in (plan.cells[0].gates[letter] for letter in "ifoc"))
    after = c / (1 + np.exp(-f)) + np.tanh(candidate) / (1 + np.exp(-i))
    np.testing.assert_allclose(after, c, atol=1e-8)
    np.testing.assert_allclose(np.tanh(after) / (1 + np.exp(-o)), h, atol=1e-8)
