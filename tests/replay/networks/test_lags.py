from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import builders, networks
from support.descriptions import dense, lstm, network, take, unknown
from support.layer_reading import describe

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkDescription
from lstmdump.replay import trace
from lstmdump.replay.lags import LayerLags
from lstmdump.replay.matching import GivenArray
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks import influences
from lstmdump.replay.networks import lags as network_lags
from lstmdump.replay.networks.lags import Asked
from lstmdump.replay.networks.plan import NetworkPlan

SETTINGS = {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False}
OPENED = networks.opened({"a": (3, 4)}, settings={("a",): SETTINGS})
A = lstm("a", sequences=False)
LINEAR = network([take("x", (None, 2))], [(dense("d", [[3.0], [4.0]]), ["x"])])
"""y_t = 3·x_t0 + 4·x_t1 at every step."""


def read(described: NetworkDescription, *given: np.ndarray, **asked: Any) -> NetworkPlan:
    options = RunOptions("float64")
    arrays = [GivenArray(None, array.shape, array.dtype.kind == "i") for array in given]
    return network_lags.read(OPENED, described, arrays, Asked(**{"layers": (), **asked}), options)


def lags(
    described: NetworkDescription, *given: np.ndarray, asked: dict[str, Any] | None = None, **how: Any
) -> list[LayerLags]:
    plan = read(described, *given, **(asked or {}))
    return network_lags.lags(plan, trace.give(plan, given), **how)


def test_only_the_last_step_influences_the_last_step_of_a_dense_layer() -> None:
    (found,) = lags(LINEAR, np.ones((1, 3, 2)))
    assert found.norms == (5.0, 0.0, 0.0)  # √(3² + 4²)


def test_each_feature_has_its_own_influence() -> None:
    (found,) = lags(LINEAR, np.ones((1, 3, 2)))
    assert found.by_feature[0] == (3.0, 4.0)


def test_the_entry_names_the_output_and_the_input() -> None:
    (found,) = lags(LINEAR, np.ones((1, 3, 2)))
    assert (found.name, found.symbol, found.input, found.input_dim, found.units) == ("d", "y", "x", 2, 1)


def test_all_units_count_together() -> None:
    (found,) = lags(network([take("x", (None, 1))], [(dense("d", [[3.0, 4.0]]), ["x"])]), np.ones((1, 2, 1)))
    assert found.norms == (5.0, 0.0)


def test_a_unit_counts_alone() -> None:
    described = network([take("x", (None, 1))], [(dense("d", [[3.0, 4.0]]), ["x"])])
    (found,) = lags(described, np.ones((1, 2, 1)), unit=1)
    assert (found.norms, found.unit, found.units) == ((4.0, 0.0), 1, 2)


def test_a_unit_out_of_range_is_refused() -> None:
    with pytest.raises(BadInput, match="d has no unit 1; its 1 are numbered from 0 to 0"):
        lags(LINEAR, np.ones((1, 3, 2)), unit=1)


def test_a_mean_over_the_steps_has_equal_shares() -> None:
    pooling = describe("GlobalAveragePooling1D", name="mean")
    (found,) = lags(network([take("x", (None, 1))], [(pooling, ["x"])]), np.ones((1, 4, 1)))
    assert found.shares == (0.25,) * 4


def test_the_norm_is_the_mean_over_the_sequences_and_has_a_deviation() -> None:
    square = describe("Multiply", name="square")
    described = network([take("x", (None, 1))], [(square, ["x", "x"])])
    (found,) = lags(described, np.array([[[1.0]], [[3.0]]]))  # d(x²) = 2x: 2 and 6
    assert (found.norms, found.deviations) == ((4.0,), (2.0,))


def test_many_sequences_give_what_they_give_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).standard_normal((5, 6, 3))
    described = network([take("x")], [(A, ["x"])])
    (whole,) = lags(described, x)
    monkeypatch.setattr(network_lags, "_KEPT", 1)
    monkeypatch.setattr(influences, "_AT_ONCE", 1)
    (parts,) = lags(described, x)
    assert parts.norms == pytest.approx(whole.norms)


def test_the_norms_are_those_of_difference_quotients() -> None:
    x = np.random.default_rng(0).standard_normal((1, 4, 3))
    described = network([take("x")], [(A, ["x"]), (dense("d", [[1.0], [-2.0], [0.5], [1.5]]), ["a"])])
    plan = read(described, x)

    def y(values: np.ndarray) -> float:
        return float(trace.run_plan(plan, trace.give(plan, [values]))["d"].item())

    moved = np.zeros((4, 3))
    for place in np.ndindex(4, 3):
        change = np.zeros((1, 4, 3))
        change[(0, *place)] = 1e-6
        moved[place] = (y(x + change) - y(x - change)) / 2e-6
    (found,) = network_lags.lags(plan, trace.give(plan, [x]))
    assert found.norms == pytest.approx(np.sqrt((moved**2).sum(1))[::-1], rel=1e-6)


def test_fewer_lags_are_marked() -> None:
    (found,) = lags(LINEAR, np.ones((1, 3, 2)), most=2)
    assert (len(found.norms), found.is_complete) == (2, False)
    assert "steps before t-1 are not counted: the shares are of the other steps" in found.notes


def test_the_output_of_a_layer_counts_if_it_is_asked_for() -> None:
    described = network([take("x")], [(A, ["x"]), (dense("d", [[1.0]] * 4), ["a"])])
    (found,) = lags(described, np.ones((1, 3, 3)), asked={"layers": OPENED.lstms, "only_layers": True})
    assert (found.name, found.symbol, found.units) == ("a", "h_T", 4)


def test_layers_count_if_the_output_cannot_be_computed() -> None:
    described = network([take("x")], [(A, ["x"]), (unknown("code"), ["a"])])
    plan = read(described, np.ones((1, 3, 3)), layers=OPENED.lstms)
    assert [one.name for one in network_lags.list_targets(plan)] == ["a"]
    assert plan.notes[0] == (
        "the output of the model is not computed: code is a Lambda layer: Python code, which is never run"
    )


def test_an_output_that_cannot_be_computed_is_refused_without_a_layer_that_can() -> None:
    described = network([take("x")], [(unknown("code"), ["x"]), (A, ["code"])])
    with pytest.raises(CannotReplay, match="code is a Lambda layer"):
        read(described, np.ones((1, 3, 3)), layers=OPENED.lstms)


def test_each_input_with_steps_has_an_entry() -> None:
    add = describe("Add", name="sum")
    described = network([take("x", (None, 1)), take("z", (None, 1))], [(dense("d", [[3.0]]), ["x"]), (add, ["d", "z"])])
    found = lags(described, np.ones((1, 2, 1)), np.ones((1, 2, 1)))
    assert [(one.input, one.norms) for one in found] == [("x", (3.0, 0.0)), ("z", (1.0, 0.0))]


def test_the_vectors_of_an_embedding_count_in_place_of_ids() -> None:
    table = describe(
        "Embedding", {"input_dim": 5, "output_dim": 2}, {"embeddings": builders.numbers(5, 2)}, name="words"
    )
    described = network([take("ids", (None,))], [(table, ["ids"]), (dense("d", [[3.0], [4.0]]), ["words"])])
    (found,) = lags(described, np.array([[1, 4, 2]]))
    assert (found.input, found.input_dim, found.norms) == ("words", 2, (5.0, 0.0, 0.0))


def test_without_steps_there_are_no_lags() -> None:
    with pytest.raises(CannotReplay, match="no input of the model has steps, so there are no lags"):
        lags(network([take("x", (2,))], [(dense("d", [[3.0], [4.0]]), ["x"])]), np.ones((1, 2)))


def test_of_an_input_of_frames_all_numbers_of_a_step_are_features() -> None:
    flat = describe("TimeDistributed", name="flat", inner={"layer": describe("Flatten", name="inside")})
    described = network([take("x", (None, 2, 1))], [(flat, ["x"]), (dense("d", [[3.0], [4.0]]), ["flat"])])
    (found,) = lags(described, np.ones((1, 3, 2, 1)))
    assert (found.input_dim, found.norms) == (2, (5.0, 0.0, 0.0))


def test_a_number_of_steps_that_the_model_states_is_known() -> None:
    described = network([take("x", (3, 2))], [(dense("d", [[3.0], [4.0]]), ["x"])])
    assert [one.is_fixed_length for one in lags(described, np.ones((1, 3, 2)))] == [True]
    assert [one.is_fixed_length for one in lags(LINEAR, np.ones((1, 3, 2)))] == [False]


def test_at_zero_as_many_steps_are_taken_as_matter() -> None:
    described = network([take("x")], [(A, ["x"])])
    (found,) = network_lags.lags_without_input(read(described, layers=OPENED.lstms))
    assert (found.length, len(found.norms)) == (None, 100)


def test_at_zero_a_mean_over_steps_depends_on_their_number_and_says_so() -> None:
    pooling = describe("GlobalAveragePooling1D", name="mean")
    plan = read(network([take("x", (None, 1))], [(pooling, ["x"])]))
    (found,) = network_lags.lags_without_input(plan)
    assert len(found.norms) == 1000
    assert found.notes[0] == (
        "the model states no number of steps: each input has 1,000 of x = 0, on which the shares depend"
    )


def test_at_zero_a_stated_number_of_steps_is_taken() -> None:
    plan = read(network([take("x", (3, 2))], [(dense("d", [[3.0], [4.0]]), ["x"])]))
    (found,) = network_lags.lags_without_input(plan)
    assert found.norms == (5.0, 0.0, 0.0)


def test_a_mask_given_takes_the_influence_of_a_step() -> None:
    described = network([take("x")], [(A, ["x"])])
    x = np.random.default_rng(0).standard_normal((1, 3, 3))
    (masked,) = lags(described, x, mask=np.array([[True, True, False]]))
    (shorter,) = lags(described, x[:, :2])
    assert masked.norms == pytest.approx((0.0, *shorter.norms))
