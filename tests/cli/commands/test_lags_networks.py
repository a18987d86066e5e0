"""`lstmdump lags` on models whose files describe the network; recordings are those of `tests/whole`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support.recorded import WHOLE, Recorded

Run = Callable[..., Any]
X = builders.numbers(2, 6, 3)


@pytest.fixture
def x(tmp_path: Path) -> Path:
    """An input of 2 sequences of 6 steps of 3 numbers."""
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"


def record(run: Run, *arguments: object) -> dict[str, Any]:
    outcome = run("lags", "--json", *arguments)
    assert (outcome.status, outcome.err) == (0, "")
    made: dict[str, Any] = json.loads(outcome.out)
    return made


def norms(layer: dict[str, Any]) -> list[float]:
    return [lag["norm"] for lag in layer["lags"]]


def error(run: Run, model: Path, *options: object) -> str:
    outcome = run("lags", model, *options)
    assert (outcome.status, outcome.out) == (2, "")
    message: str = outcome.err.removeprefix(f"lstmdump: {model}: ").removesuffix("\n")
    return message


# What is influenced


def test_the_influence_is_that_on_the_output_of_the_model(run: Run, model: Path, x: Path) -> None:
    (made,) = record(run, model, "-i", x)["layers"]
    assert [made[key] for key in ("name", "of", "input", "units", "length")] == ["dense_1", "y", "lstm_1_input", 1, 6]


def test_the_influence_on_the_output_goes_through_the_layers_behind_the_lstm(run: Run, tmp_path: Path) -> None:
    config = builders.sequential(
        builders.lstm_config("lstm", units=1, batch_input_shape=[None, None, 3]),
        {"class_name": "Dense", "config": {"name": "dense", "units": 1, "activation": "linear"}},
    )
    dense = [("dense/kernel:0", np.array([[-2.5]], "f4")), ("dense/bias:0", np.zeros(1, "f4"))]
    layers = {"lstm": builders.keras_2_weights("lstm", m=1), "dense": dense}
    path = builders.write(tmp_path / "a.h5", layers, config=config)
    np.save(tmp_path / "x.npy", X)
    (of_output,) = record(run, path, "-i", tmp_path / "x.npy")["layers"]
    (of_lstm,) = record(run, path, "-i", tmp_path / "x.npy", "--of", "lstm")["layers"]
    assert norms(of_output) == pytest.approx([2.5 * norm for norm in norms(of_lstm)])  # y = -2.5·h


def test_of_chooses_an_lstm_layer(run: Run, model: Path, x: Path) -> None:
    (made,) = record(run, model, "-i", x, "--of", "lstm_1")["layers"]
    assert [made[key] for key in ("name", "of", "input", "units")] == ["lstm_1", "h_T", "lstm_1_input", 4]


def test_the_squares_of_the_units_add_up_to_those_of_the_layer(run: Run, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X[:1])  # with one sequence, the mean is the norm itself
    options = (model, "-i", tmp_path / "x.npy", "--of", "lstm_1")
    units = [norms(record(run, *options, "--unit", unit)["layers"][0]) for unit in range(4)]
    (whole,) = record(run, *options)["layers"]
    assert np.sqrt(np.square(units).sum(0)) == pytest.approx(norms(whole))


def test_the_layers_of_a_stack_are_run_up_to_the_one_chosen(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("custom_branch-keras3.15", tmp_path)
    given = recorded.give("input_layer")
    (made,) = record(run, recorded.model, *given, "--of", "lstm_1")["layers"]
    assert [made[key] for key in ("name", "input", "input_dim", "units")] == ["lstm_1", "input_layer", 3, 3]


def test_a_half_of_a_bidirectional_has_its_output_after_its_last_step(run: Run, tmp_path: Path) -> None:
    config = builders.sequential({
        "class_name": "Bidirectional",
        "config": {"name": "both", "merge_mode": "concat", "batch_input_shape": [None, None, 3],
                   "layer": builders.lstm_config("lstm", return_sequences=True)},
    })  # fmt: skip
    arrays = builders.keras_2_weights("both/forward_lstm") + builders.keras_2_weights("both/backward_lstm", seed=1)
    path = builders.write(tmp_path / "a.h5", {"both": arrays}, config=config)
    alone = builders.write(tmp_path / "b.h5", {"lstm": builders.keras_2_weights("lstm", seed=1)})
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "turned.npy", X[:, ::-1])
    (half,) = record(run, path, "-i", tmp_path / "x.npy", "--of", "both/backward_lstm")["layers"]
    (turned,) = record(run, alone, "-i", tmp_path / "turned.npy", "--recurrent-activation", "sigmoid")["layers"]
    assert norms(half) == pytest.approx(norms(turned)[::-1])


def test_of_a_layer_that_is_not_there_is_an_error(run: Run, model: Path, x: Path) -> None:
    assert error(run, model, "-i", x, "--of", "lstm_7") == "no layer matches lstm_7; it has lstm_1"


def test_a_unit_that_the_output_does_not_have_is_an_error(run: Run, model: Path, x: Path) -> None:
    assert error(run, model, "-i", x, "--unit", "1") == "dense_1 has no unit 1; its 1 are numbered from 0 to 0"


# What influences


def test_each_of_several_inputs_has_an_entry_with_the_vectors_of_its_embedding(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("s2s_emb-keras2.2.4", tmp_path)
    made = record(run, recorded.model, *recorded.give("input_1", "input_2"))["layers"]
    assert [(each["name"], each["input"], each["input_dim"], each["length"]) for each in made] == [
        ("time_distributed_1", "embedding_1", 3, 6), ("time_distributed_1", "embedding_2", 3, 5),
    ]  # fmt: skip


def test_the_text_names_the_input_of_each_entry(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("s2s_emb-keras2.2.4", tmp_path)
    out = run("lags", recorded.model, *recorded.give("input_1", "input_2")).out
    assert [line for line in out.splitlines() if " by " in line] == [
        "time_distributed_1 by embedding_1", "time_distributed_1 by embedding_2",
    ]  # fmt: skip


def test_an_input_without_steps_has_no_lags(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("seq_and_static-keras2.2.4", tmp_path)
    made = record(run, recorded.model, *recorded.give("input_1", "input_2"))["layers"]
    assert [each["input"] for each in made] == ["input_1"]


def test_an_embedding_that_is_called_again_is_numbered(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("shared_twice-tfkeras2.21", tmp_path)
    made = record(run, recorded.model, *recorded.give("input_1", "input_2"))["layers"]
    assert [(each["input"], each["length"]) for each in made] == [("embedding", 6), ("embedding#1", 4)]


def test_a_masked_step_has_no_influence(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("emb_mask_stack-tfkeras2.21", tmp_path)
    ids = np.array([[3, 2, 1, 4, 0, 0]])
    np.save(tmp_path / "x.npy", ids)
    (made,) = record(run, recorded.model, "-i", tmp_path / "x.npy")["layers"]
    assert [norm > 0 for norm in norms(made)] == [False, False, True, True, True, True]


def test_the_features_of_a_step_add_up_to_its_norm(run: Run, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X[:1])
    (made,) = record(run, model, "-i", tmp_path / "x.npy", "--by-feature")["layers"]
    features = [each["lags"] for each in made["by_feature"]]
    assert np.sqrt(np.square(features).sum(0)) == pytest.approx(norms(made))


def test_an_input_that_fits_a_layer_only_is_taken_as_its_own_with_a_note(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("custom_branch-keras3.15", tmp_path)
    made = record(run, recorded.model, "-i", recorded.save("lstm/lstm_1#0/in"))
    assert [(each["name"], each["input"]) for each in made["layers"]] == [("plain", "lstm_1")]
    assert made["notes"][0].startswith("the input is taken as that of lstm_1 itself, because it does not fit the model")


def test_into_gives_a_layer_its_own_input(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("custom_branch-keras3.15", tmp_path)
    (made,) = record(run, recorded.model, "-i", recorded.save("lstm/lstm_1#0/in"), "--into", "lstm_1")["layers"]
    assert (made["name"], made["input"], made["input_dim"]) == ("plain", "lstm_1", 4)


# What cannot be computed


def test_without_the_output_the_influence_is_that_on_the_lstm_layers_that_can_be_run(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("lambda_between-tfkeras2.21", tmp_path)
    made = record(run, recorded.model, *recorded.give("input_1"))
    assert [(each["name"], each["of"]) for each in made["layers"]] == [("before", "h_T")]
    assert made["notes"][:2] == [
        "the output of the model is not computed: lambda_between is a Lambda layer: Python code, which is never run",
        "behind is not computed: lambda_between is a Lambda layer: Python code, which is never run",
    ]


def test_an_output_that_cannot_be_computed_is_noted_beside_the_others(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("custom_branch-keras3.15", tmp_path)
    made = record(run, recorded.model, *recorded.give("input_layer"))
    assert [each["name"] for each in made["layers"]] == ["plain"]
    assert made["notes"] == [
        "y of odd is not computed: my_scale is a MyScale, a class of its own, which cannot be computed"
    ]


def test_a_missing_input_is_an_error_that_names_it(run: Run, tmp_path: Path) -> None:
    recorded = Recorded("s2s_emb-keras2.2.4", tmp_path)
    outcome = run("lags", recorded.model, "-i", f"input_2={recorded.save('x/input_2')}")
    assert (outcome.status, "the input input_1 is not given; give it with -i input_1=FILE.npy" in outcome.err) == (
        2,
        True,
    )


# Without an input


def test_at_zero_the_vectors_of_an_embedding_are_zero(run: Run) -> None:
    made = record(run, WHOLE / "s2s_emb-keras2.2.4.h5")["layers"]
    assert [(each["input"], each["input_dim"]) for each in made] == [("embedding_1", 3), ("embedding_2", 3)]
    assert {each["operating_point"] for each in made} == {"x = 0, from the state reached there"}


def test_at_zero_no_step_is_masked(run: Run) -> None:
    (made,) = record(run, WHOLE / "k1_tdd-keras1.2.2.h5")["layers"]
    assert max(norms(made)) > 0  # its Masking would mask x = 0


def test_at_zero_an_input_has_the_length_that_the_model_states(run: Run) -> None:
    (made,) = record(run, WHOLE / "custom_branch-keras3.15.keras")["layers"]
    assert (made["length"], len(made["lags"])) == (None, 6)


def test_at_zero_the_lags_can_be_bounded(run: Run, model: Path) -> None:
    (made,) = record(run, model, "--lags", "3")["layers"]
    (whole,) = record(run, model)["layers"]
    assert norms(made) == norms(whole)[:3]
    assert made["complete"] is False


def test_at_zero_a_length_that_decides_is_noted(run: Run) -> None:
    path = WHOLE / "masking_bi_sum_mul-keras2.2.4.h5"
    made = record(run, path, "--of", "bidirectional_1/backward_lstm_1")
    assert len(made["layers"][0]["lags"]) == 100
    assert made["notes"][0] == (
        "bidirectional_1/backward_lstm_1: the model states no number of steps: each input has 100 of x = 0, on which "
        "the shares depend"
    )


def test_at_zero_the_norms_are_those_of_a_layer_by_itself(run: Run, model: Path, tmp_path: Path) -> None:
    alone = builders.write(tmp_path / "alone.h5", {"lstm_1": builders.keras_2_weights("lstm_1")})
    (of_network,) = record(run, model, "--of", "lstm_1", "--lags", "5")["layers"]
    (of_layer,) = record(run, alone, "--lags", "5", "--recurrent-activation", "sigmoid")["layers"]
    assert norms(of_network) == pytest.approx(norms(of_layer), rel=1e-6)


def test_states_that_do_not_settle_give_no_numbers_and_status_2(run: Run, tmp_path: Path) -> None:
    config = builders.sequential(
        builders.lstm_config("lstm", units=1, batch_input_shape=[None, None, 1]),
        {"class_name": "Dense", "config": {"name": "dense", "units": 1}},
    )
    arrays = [(name, np.array([0, 1e9, 1, 0], "f4") if "bias" in name else np.zeros_like(values))  # f = 1: c grows
              for name, values in builders.keras_2_weights("lstm", d=1, m=1)]  # fmt: skip
    path = builders.write(tmp_path / "a.h5", {"lstm": arrays, "dense": builders.dense("dense", 1)}, config=config)
    outcome = run("lags", "--json", path)
    made = json.loads(outcome.out)
    assert (outcome.status, made["layers"][0]["name"], made["layers"][0]["lags"]) == (2, "dense", [])
    assert made["notes"][0] == (
        "dense: no numbers: lstm: the state does not settle in 10,000 steps of x = 0 from h = c = 0; "
        "give real inputs with -i"
    )


def test_an_input_whose_shape_the_file_does_not_state_needs_an_input(run: Run, tmp_path: Path) -> None:
    dense = {"class_name": "Dense", "config": {"name": "dense", "units": 3}}
    config = builders.sequential(dense, builders.lstm_config("lstm"))
    layers = {"dense": builders.dense("dense", 2, 3), "lstm": builders.keras_2_weights("lstm")}
    path = builders.write(tmp_path / "a.h5", layers, config=config)
    assert error(run, path) == "the file does not state the shape of the input dense_input, which x = 0 needs; give -i"
