from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders

import lstmdump
from lstmdump.lstm import behaviour
from lstmdump.replay import equations, lags

Run = Callable[..., Any]
X = builders.numbers(2, 6, 3)
TWO = {"one": builders.keras_2_weights("one"), "two": builders.keras_2_weights("two", d=4)}


@pytest.fixture
def x(tmp_path: Path) -> Path:
    """An input of 2 sequences of 6 steps of 3 numbers."""
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A model of two LSTM layers, on 3 inputs and on 4, of which the second follows the first."""
    config = builders.sequential(builders.lstm_config("one", return_sequences=True), builders.lstm_config("two"))
    return builders.write(tmp_path / "two.h5", TWO, config=config)


@pytest.fixture
def apart(tmp_path: Path) -> Path:
    """The weights of the layers of `two`, without a network."""
    return builders.write(tmp_path / "apart.h5", TWO)


def norms(path: Path, values: np.ndarray = X, **options: Any) -> list[float]:
    """The norms of the first layer of a model, from Python."""
    with lstmdump.open(path) as model:
        lstm = model.lstms[0]
        cell = equations.read(lstm, behaviour.of(lstm, model.producer), dtype="float64")
    return list(lags.lags(cell, values.astype("f8"), **options).norms)


def record(run: Run, *arguments: object) -> dict[str, Any]:
    outcome = run("lags", "--json", *arguments)
    assert (outcome.status, outcome.err) == (0, "")
    made: dict[str, Any] = json.loads(outcome.out)
    return made


def layer(run: Run, *arguments: object) -> dict[str, Any]:
    (only,) = record(run, *arguments)["layers"]
    made: dict[str, Any] = only
    return made


def read_norms(run: Run, *arguments: object) -> list[float]:
    return [lag["norm"] for lag in layer(run, *arguments)["lags"]]


def test_the_norms_are_those_of_the_input_given(run: Run, model: Path, x: Path) -> None:
    made = layer(run, model, "-i", x, "--of", "lstm_1")
    assert [lag["norm"] for lag in made["lags"]] == pytest.approx(norms(model))
    assert (made["length"], made["batch"], made["operating_point"]) == (6, 2, "the inputs given")


def test_one_sequence_is_a_batch_of_one(run: Run, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", X[0])
    found = read_norms(run, model, "-i", tmp_path / "one.npy", "--of", "lstm_1")
    assert found == pytest.approx(norms(model, X[:1]))


def test_the_text_has_bars_and_the_answer(run: Run, model: Path, x: Path) -> None:
    outcome = run("lags", model, "-i", x)
    assert outcome.out.startswith(f"{model}\n\ndense_1 · ‖∂y/∂x_{{T-k}}‖ of 1 unit, 3 inputs")
    assert "\n  t-0 " in outcome.out
    assert "95 % of the influence on y comes from the last " in outcome.out
    assert (outcome.status, outcome.err) == (0, "")


def test_without_input_the_operating_point_and_its_limits_are_reported(run: Run, model: Path) -> None:
    outcome = run("lags", model)
    assert "  at x = 0, from the state reached there\n" in outcome.out
    assert "note: dense_1: the weights alone do not determine the influence: " in outcome.out
    made = record(run, model)
    assert made["layers"][0]["operating_point"] == "x = 0, from the state reached there"
    assert any("the weights alone do not determine the influence" in note for note in made["notes"])


def test_without_input_each_layer_has_its_own_width(run: Run, apart: Path) -> None:
    assert [(each["name"], each["input_dim"]) for each in record(run, apart)["layers"]] == [("one", 3), ("two", 4)]


def test_a_layer_that_takes_another_width_than_the_input_is_an_error(run: Run, apart: Path, x: Path) -> None:
    outcome = run("lags", apart, "-i", x)
    assert (outcome.status, outcome.out, outcome.err) == (
        2,
        "",
        f"lstmdump: {apart}: its layers take inputs of different widths (3: one; 4: two), and this one has 3; choose layers with -l\n",
    )


def test_choosing_layers_is_not_suggested_for_a_single_layer(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"lstm_1": builders.keras_2_weights("lstm_1")})
    np.save(tmp_path / "wide.npy", np.ones((6, 5)))
    outcome = run("lags", path, "-i", tmp_path / "wide.npy")
    assert outcome.err == f"lstmdump: {path}: the input has 5 numbers at each step, but lstm_1 takes 3\n"


def test_a_direction_is_noted_once(run: Run, apart: Path, x: Path) -> None:
    notes = record(run, apart, "-i", x, "--go-backwards", "-l", "one")["notes"]
    assert [note for note in notes if "backwards" in note] == [
        "one: it goes backwards: t-k is step k of the input, counted from 0"
    ]


def test_a_note_on_the_weights_of_several_layers_comes_once(run: Run, apart: Path) -> None:
    notes = record(run, apart)["notes"]
    assert [note.partition(": ")[0] for note in notes if "weights alone" in note] == ["one, two"]


def test_only_matching_layers_are_computed(run: Run, two: Path, x: Path) -> None:
    assert layer(run, two, "-i", x, "-l", "one")["name"] == "one"


def test_a_pattern_without_a_match_is_an_error(run: Run, model: Path) -> None:
    outcome = run("lags", model, "-l", "x")
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {model}: no layer matches x; it has lstm_1\n")


def test_one_unit_can_be_chosen(run: Run, model: Path, x: Path) -> None:
    made = layer(run, model, "-i", x, "--unit", "2", "--of", "lstm_1")
    assert made["unit"] == 2
    assert [lag["norm"] for lag in made["lags"]] == pytest.approx(norms(model, unit=2))


def test_a_missing_unit_is_an_error(run: Run, model: Path, x: Path) -> None:
    outcome = run("lags", model, "-i", x, "--unit", "4", "--of", "lstm_1")
    assert (outcome.status, outcome.err) == (
        2, f"lstmdump: {model}: lstm_1 has no unit 4; its 4 are numbered from 0 to 3\n",
    )  # fmt: skip


def test_features_are_shown_on_request(run: Run, model: Path, x: Path) -> None:
    assert "\n  feature " in run("lags", model, "-i", x, "--by-feature").out
    assert len(layer(run, model, "-i", x, "--by-feature")["by_feature"]) == 3


def test_lags_can_be_bounded(run: Run, model: Path, x: Path) -> None:
    made = record(run, model, "-i", x, "--lags", "2")
    assert [lag["lag"] for lag in made["layers"][0]["lags"]] == [0, 1]
    assert "dense_1: steps before t-1 are not counted: the shares are of the other steps" in made["notes"]


def test_steps_can_be_masked(run: Run, x: Path, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"lstm_1": builders.keras_2_weights("lstm_1")})
    mask = np.array([[1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 1, 1]])
    np.save(tmp_path / "mask.npy", mask)
    expected = norms(path, mask=mask.astype(bool))
    assert read_norms(run, path, "-i", x, "--mask", tmp_path / "mask.npy") == pytest.approx(expected)


def test_a_masked_step_of_a_network_is_a_lag_without_influence(run: Run, model: Path, x: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.array([1, 1, 1, 1, 0, 0]))
    found = read_norms(run, model, "-i", x, "--mask", tmp_path / "mask.npy", "--of", "lstm_1")
    assert found == pytest.approx([0, 0, *norms(model, X[:, :4])])


def test_a_mask_without_an_input_is_a_usage_error(run: Run, model: Path, x: Path) -> None:
    outcome = run("lags", model, "--mask", x)
    assert (outcome.status, outcome.err) == (2, "lstmdump: --mask goes with --input; see `lstmdump lags --help`\n")


@pytest.mark.parametrize(
    "options", [["--activation", "sigmoid"], ["--recurrent-activation", "tanh"], ["--go-backwards"]]
)
def test_settings_of_the_file_can_be_overridden(run: Run, model: Path, x: Path, options: list[str]) -> None:
    assert read_norms(run, model, "-i", x, *options) != pytest.approx(norms(model))


def test_an_unknown_activation_is_an_error_that_names_the_option(run: Run, model: Path, x: Path) -> None:
    outcome = run("lags", model, "-i", x, "--activation", "x")
    assert (outcome.status, "--activation" in outcome.err, outcome.err.count("\n")) == (2, True, 1)


def test_a_model_that_cannot_be_read_does_not_stop_the_rest(run: Run, model: Path, x: Path) -> None:
    outcome = run("lags", "--json", "no.h5", model, "-i", x)
    first, second = map(json.loads, outcome.out.splitlines())
    assert (outcome.status, first["model"], list(first), second["model"]) == (
        2, "no.h5", ["model", "error"], str(model),
    )  # fmt: skip


def test_models_are_separated_by_an_empty_line(run: Run, model: Path, x: Path) -> None:
    once = run("lags", model, "-i", x).out
    assert run("lags", model, model, "-i", x).out == f"{once}\n{once}"


def test_a_single_model_without_lstm_is_a_failure(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})
    outcome = run("lags", path)
    assert (outcome.status, outcome.out, outcome.err) == (
        2,
        "",
        f"lstmdump: {path}: no LSTM layer in this model\n",
    )
    assert run("lags", path, "-q").err == "lstmdump: no LSTM layer found\n"


def test_other_recurrent_layers_are_named(run: Run, root: Path) -> None:
    path = root / "tests" / "cases" / "convlstm2d-tfkeras2.21.keras"
    outcome = run("lags", path)
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {path}: no LSTM layer; it has ConvLSTM2D conv\n")


def test_an_empty_directory_is_reported(run: Run, tmp_path: Path) -> None:
    outcome = run("lags", "-r", tmp_path)
    assert (outcome.status, outcome.err) == (2, "lstmdump: no model found\n")


def test_an_invalid_input_is_reported_once_before_any_model(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_text("1,2,3\n")
    outcome = run("lags", model, model, "-i", tmp_path / "x.npy")
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert outcome.err.startswith(f"lstmdump: {tmp_path / 'x.npy'}: it is text")


@pytest.mark.parametrize("number", ["nan", "inf", "x"])
def test_a_forget_bias_that_is_not_a_number_is_a_usage_error(run: Run, model: Path, number: str) -> None:
    outcome = run("lags", model, "--forget-bias", number)
    assert (outcome.status, f"'{number}' is not a finite number" in outcome.err) == (2, True)


def test_a_note_names_the_layer_that_the_input_replaces(run: Run, two: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", builders.numbers(2, 6, 4))
    made = record(run, two, "-i", tmp_path / "wide.npy", "-l", "two")
    assert made["notes"][0] == (
        "the input is taken as that of two itself, because it does not fit the model, which takes one_input (batch, any, 3)"
    )


def test_a_note_on_several_layers_comes_once(run: Run, apart: Path) -> None:
    notes = record(run, apart)["notes"]
    assert [note[:10] for note in notes if "the file does not state" in note] == ["one, two: "]


def test_there_is_no_empty_line_before_the_first_output(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_bytes(b"")
    assert run("lags", tmp_path / "bad.h5", model).out == run("lags", model).out


def test_all_layers_are_drawn(run: Run, apart: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    outcome = run("lags", apart, "--plot", tmp_path / "a.pdf")
    assert (outcome.status, outcome.err) == (0, "")
    assert (tmp_path / "a.pdf").read_bytes().count(b"/Type /Page ") == 2


def test_an_existing_picture_is_kept_without_force(run: Run, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "a.svg"
    path.write_text("mine")
    refused = run("lags", model, "--plot", path)
    assert (refused.status, refused.out, path.read_text()) == (2, "", "mine")
    assert refused.err == f"lstmdump: {path} already exists; use --force\n"
    assert (run("lags", model, "--plot", path, "-f").status, path.read_text() != "mine") == (0, True)


def test_a_picture_does_not_overwrite_a_model(run: Run, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = model.rename(tmp_path / "model.png")
    outcome = run("lags", path, "--plot", path, "--force")
    assert (outcome.status, "is itself one of the models to be read" in outcome.err) == (2, True)


@pytest.mark.parametrize("option", ["-i", "--mask"])
def test_a_picture_does_not_overwrite_an_input(run: Run, model: Path, x: Path, option: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    np.save(tmp_path / "mask.npy", np.ones((2, 6)))
    same = (x if option == "-i" else tmp_path / "mask.npy").rename(tmp_path / "same.png")
    before = same.read_bytes()
    outcome = run("lags", model, *([] if option == "-i" else ["-i", x]), option, same, "--plot", same, "--force")
    assert (outcome.status, outcome.out, same.read_bytes() == before) == (2, "", True)
    assert "is itself one of the files to be read" in outcome.err


def test_a_picture_does_not_overwrite_a_directory(run: Run, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "a.png").mkdir()
    outcome = run("lags", model, "--plot", tmp_path / "a.png", "--force")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == f"lstmdump: {tmp_path / 'a.png'} is a directory\n"


def test_force_without_a_picture_is_a_usage_error(run: Run, model: Path) -> None:
    assert run("lags", model, "--force").err == "lstmdump: --force goes with --plot; see `lstmdump lags --help`\n"


@pytest.fixture
def wandering(tmp_path: Path) -> Path:
    """A model whose state grows with every step of x = 0: f = 1, and each step adds tanh(1)/2 to c."""
    weights = [
        (name, np.array([0, 1e9, 1, 0], "f4") if "bias" in name else np.zeros_like(values))
        for name, values in builders.keras_2_weights("lstm", d=1, m=1)
    ]
    return builders.write(tmp_path / "wandering.h5", {"lstm": weights})


def test_a_state_that_does_not_settle_gives_no_numbers_and_status_2(run: Run, wandering: Path) -> None:
    reason = "no numbers: the state does not settle in 10,000 steps of x = 0 from h = c = 0"
    outcome = run("lags", wandering)
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {wandering}: lstm: {reason}; give real inputs with -i\n")
    assert f"\n  {reason}\n" in outcome.out
    assert "%" not in outcome.out
    made = json.loads(run("lags", "--json", wandering).out)
    assert made["layers"][0]["lags"] == []
    assert made["notes"][0] == f"lstm: {reason}; give real inputs with -i"


def test_a_model_without_numbers_has_failed(run: Run, wandering: Path, model: Path) -> None:
    outcome = run("lags", wandering, model)
    assert (outcome.status, outcome.err.splitlines()[-1]) == (2, "lstmdump: 1 computed, 1 failed, 0 passed over")


def test_with_inputs_a_state_need_not_settle(run: Run, wandering: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((5, 1)))
    assert run("lags", wandering, "-i", tmp_path / "x.npy").status == 0


@pytest.fixture
def cases(root: Path) -> Path:
    return root / "tests" / "cases"


def test_what_a_cell_of_tensorflow_1_is_given_is_in_the_notes(run: Run, cases: Path) -> None:
    made = json.loads(run("lags", cases / "seqlen-tf1.12", "-i", cases / "s2s-tf1.12.x.npy", "--json").out)
    assert [note for note in made["notes"] if "sequence_length, [5, 3]" in note and "--mask" in note]


def test_a_mask_replaces_the_note_on_the_lengths(run: Run, cases: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.arange(5) < np.array([[5], [3]]))
    x = cases / "s2s-tf1.12.x.npy"
    made = json.loads(run("lags", cases / "seqlen-tf1.12", "-i", x, "--mask", tmp_path / "mask.npy", "--json").out)
    assert [note for note in made["notes"] if "sequence_length" in note] == []


def test_without_an_input_there_are_no_notes_on_what_is_given(run: Run, cases: Path) -> None:
    made = json.loads(run("lags", cases / "seqlen-tf1.12", "--json").out)
    assert [note for note in made["notes"] if "sequence_length" in note] == []


def test_first_states_replace_the_note_and_those_of_the_model(run: Run, cases: Path, tmp_path: Path) -> None:
    recorded = np.load(cases / "s2s-tf1.12.io.npz")
    np.savez(tmp_path / "first.npz", h=recorded["h"], c=recorded["c"])
    options = ["-i", cases / "s2s-tf1.12.y.npy", "--of", "decoder*", "--json"]
    from_0 = json.loads(run("lags", cases / "s2s-tf1.12", *options).out)
    given = json.loads(run("lags", cases / "s2s-tf1.12", *options, "--initial-state", tmp_path / "first.npz").out)
    assert any("its first states come from encoder/basic_lstm_cell" in note for note in from_0["notes"])
    assert not any("first states" in note for note in given["notes"])
    assert from_0["layers"][0]["lags"] != given["layers"][0]["lags"]


def test_in_a_network_first_states_stand_for_those_of_the_encoder(run: Run, cases: Path, tmp_path: Path) -> None:
    random, model = np.random.default_rng(3), cases / "s2s-keras2.15.keras"
    np.save(tmp_path / "before.npy", random.standard_normal((2, 6, 3)))
    np.save(tmp_path / "after.npy", random.standard_normal((2, 5, 2)))
    inputs = ["-i", f"enc_in={tmp_path / 'before.npy'}", "-i", f"dec_in={tmp_path / 'after.npy'}"]
    assert run("trace", model, *inputs, "-o", tmp_path / "states.npz", "--dtype", "float64").status == 0
    states = np.load(tmp_path / "states.npz")
    np.savez(tmp_path / "first.npz", **{f"dec/{part}": states[f"enc/{part}"][:, -1] for part in "hc"})
    made = {}
    for key, options in (("own", []), ("given", ["--initial-state", tmp_path / "first.npz"])):
        found = json.loads(run("lags", model, *inputs, *options, "--json").out)
        made[key] = {one["input"]: [lag["norm"] for lag in one["lags"]] for one in found["layers"]}
    np.testing.assert_allclose(made["given"]["dec_in"], made["own"]["dec_in"], rtol=1e-9)
    assert (max(made["given"]["enc_in"]), min(made["own"]["enc_in"]) > 0) == (0, True)


def test_first_states_go_with_an_input(run: Run, cases: Path, tmp_path: Path) -> None:
    outcome = run("lags", cases / "s2s-tf1.12", "--initial-state", tmp_path / "first.npz")
    assert (outcome.status, "--initial-state goes with --input" in outcome.err) == (2, True)
