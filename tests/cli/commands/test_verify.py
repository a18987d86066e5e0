from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import builders
from support.reference import Standin

from lstmdump.cli.commands import verify as command

Run = Callable[..., Any]


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Standin:
    """A replacement of TensorFlow, whose `order` can be changed so that it reads other columns than we do."""
    made = Standin()
    monkeypatch.setattr(command, "TensorFlow", lambda *_, **__: made)
    return made


@pytest.mark.usefixtures("standin")
def test_a_layer_that_agrees_has_a_line_and_status_0(run: Run, model: Path) -> None:
    outcome = run("verify", model)
    assert outcome.out.startswith(f"{model}: lstm_1: agrees with a stand-in, largest difference ")
    assert (outcome.status, outcome.err) == (0, "")


def test_a_layer_that_differs_has_a_line_and_status_1(run: Run, standin: Standin, model: Path) -> None:
    standin.order = "icfo"
    outcome = run("verify", model)
    assert outcome.out.startswith(f"{model}: lstm_1: differs from a stand-in, largest difference ")
    assert (outcome.status, outcome.err) == (1, "")


def test_the_tolerance_can_be_given(run: Run, standin: Standin, model: Path) -> None:
    standin.order = "icfo"
    assert run("verify", model, "--tolerance", "10").status == 0


def test_a_model_that_cannot_be_read_is_worse_than_a_difference(run: Run, standin: Standin, model: Path) -> None:
    standin.order = "icfo"
    outcome = run("verify", "--json", "no.h5", model)
    first, second = map(json.loads, outcome.out.splitlines())
    assert (outcome.status, first["model"], list(first), second["ok"]) == (2, "no.h5", ["model", "error"], False)


@pytest.mark.usefixtures("standin")
def test_json_is_an_object_per_model(run: Run, model: Path) -> None:
    line = json.loads(run("verify", "--json", "--seed", "3", model).out)
    assert (line["model"], line["ok"], line["seed"], [layer["agrees"] for layer in line["layers"]]) == (
        str(model), True, 3, [True],
    )  # fmt: skip


def test_only_matching_layers_are_verified(run: Run, standin: Standin, tmp_path: Path) -> None:
    layers = {name: builders.keras_2_weights(name) for name in ("one", "two")}
    path = builders.write(tmp_path / "a.h5", layers)
    outcome = run("verify", path, "-l", "t*")
    assert (outcome.out.count("\n"), f"{path}: two: " in outcome.out, len(standin.requests)) == (1, True, 1)


@pytest.mark.usefixtures("standin")
def test_a_pattern_without_a_match_is_an_error(run: Run, model: Path) -> None:
    outcome = run("verify", model, "-l", "x")
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {model}: no layer matches x; it has lstm_1\n")


@pytest.mark.usefixtures("standin")
def test_a_single_model_without_lstm_is_a_failure(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})
    outcome = run("verify", path)
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {path}: no LSTM layer in this model\nlstmdump: nothing was verified\n",
    )


@pytest.mark.usefixtures("standin")
def test_other_recurrent_layers_are_named(run: Run, root: Path) -> None:
    path = root / "tests" / "cases" / "convlstm2d-tfkeras2.21.keras"
    outcome = run("verify", path)
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {path}: no LSTM layer; it has ConvLSTM2D conv\nlstmdump: nothing was verified\n",
    )


@pytest.mark.usefixtures("standin")
def test_a_model_without_lstm_among_others_is_not_a_failure(run: Run, model: Path, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})
    assert run("verify", path, model).status == 0


@pytest.mark.usefixtures("standin")
def test_an_empty_directory_verifies_nothing(run: Run, tmp_path: Path) -> None:
    outcome = run("verify", "-r", tmp_path)
    assert (outcome.status, outcome.err) == (2, "lstmdump: no model found, so nothing was verified\n")


@pytest.mark.parametrize("number", ["0", "-1", "nan", "inf", "x"])
@pytest.mark.parametrize("option", ["--tolerance", "--timeout"])
def test_an_invalid_number_is_a_usage_error(run: Run, option: str, number: str, model: Path) -> None:
    outcome = run("verify", model, option, number)
    assert (outcome.status, f"'{number}' is not a positive number" in outcome.err) == (2, True)


def test_without_tensorflow_each_model_gets_a_line_with_the_remedy(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "tensorflow.py").write_text("raise ModuleNotFoundError(\"No module named 'tensorflow'\")")
    monkeypatch.syspath_prepend(tmp_path / "none")
    outcome = run("verify", model)
    assert (outcome.status, outcome.out, outcome.err) == (
        2,
        "",
        f"lstmdump: {model}: TensorFlow is not installed; pip install tensorflow tf-keras\n",
    )


def test_a_hanging_tensorflow_is_stopped_after_the_time_limit(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "tensorflow.py").write_text("import time; time.sleep(600)")
    monkeypatch.syspath_prepend(tmp_path / "slow")
    outcome = run("verify", model, "--timeout", "1")
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {model}: TensorFlow hung at startup for 1 s; --timeout gives it more time\n",
    )
