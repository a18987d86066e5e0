from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from support import builders

Run = Callable[..., Any]
EVERY_FORMAT = ("model.keras", "unzipped", "model.weights.h5", "saved_model", "exported", "checkpoint")


def write(path: Path, *names: str, seed: int = 0, m: int = 4, config: Any = None) -> Path:
    layers = {name: builders.keras_2_weights(name, m=m, seed=seed + place) for place, name in enumerate(names)}
    return builders.write(path, layers, config=config)


@pytest.mark.parametrize("name", EVERY_FORMAT)
def test_one_model_is_the_same_in_every_format(name: str, run: Run, samples: Path) -> None:
    folder = samples / "keras-3.15-every-format"
    outcome = run("diff", folder / "model.h5", folder / name)
    assert (outcome.status, outcome.out.splitlines()[-1]) == (0, "the same")


def test_integers_hold_the_numbers_within_half_of_the_step_that_their_file_states(run: Run, root: Path) -> None:
    """Of W_c, 24 numbers, no two are one step apart, so that the step cannot be seen in them."""
    models = root / "tests" / "readers" / "tflite" / "models"
    outcome = run("diff", models / "fused.tflite", models / "fused-int8.tflite", "--format", "json")
    (layer,) = json.loads(outcome.out)["layers"]
    assert (outcome.status, {array["verdict"] for array in layer["arrays"]}) == (0, {"quantised"})


@pytest.mark.parametrize("arguments", [["--help"], ["keras-2.2.0-weather.h5", "keras-2.2.0-weather.h5"]])
def test_numpy_is_imported_only_for_numbers_that_are_compared(arguments: list[str], samples: Path) -> None:
    code = "import sys; from lstmdump.cli import main; sys.argv[1:1] = ['diff']\ntry: main()\nfinally: print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=samples, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("False\n")


def test_layers_of_one_name_belong_together(run: Run, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.h5", "one", "two"), write(tmp_path / "b.h5", "two", "one", seed=5)
    found = json.loads(run("diff", first, second, "--json").out)
    assert [(layer["first"], layer["second"], layer["paired_by"]) for layer in found["layers"]] == [
        ("one", "one", "name"),
        ("two", "two", "name"),
    ]


def test_layers_without_a_common_name_are_paired_by_their_numbers(run: Run, tmp_path: Path) -> None:
    first = write(tmp_path / "a.h5", "one", "two")
    layers = {"x": builders.keras_2_weights("x", seed=1), "y": builders.keras_2_weights("y", seed=0)}
    second = builders.write(tmp_path / "b.h5", layers)
    found = json.loads(run("diff", first, second, "--json").out)
    assert found["same"]
    assert [(layer["first"], layer["second"], layer["paired_by"]) for layer in found["layers"]] == [
        ("one", "y", "nearest numbers"),
        ("two", "x", "nearest numbers"),
    ]


def test_the_only_layer_of_a_size_is_paired_by_it(run: Run, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.h5", "one"), write(tmp_path / "b.h5", "other")
    outcome = run("diff", first, second)
    assert outcome.out == "one and other (paired by sizes and order): identical\nthe same\n"


def test_a_layer_that_only_one_model_has_is_a_difference(run: Run, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.h5", "one", "two"), write(tmp_path / "b.h5", "one")
    outcome = run("diff", first, second)
    assert outcome.status == 1
    assert "two: only in the first model" in outcome.out


def test_layers_of_one_name_and_other_sizes_are_different(run: Run, tmp_path: Path) -> None:
    outcome = run("diff", write(tmp_path / "a.h5", "one"), write(tmp_path / "b.h5", "one", m=5))
    assert outcome.status == 1
    assert "3 inputs, 4 units against 3 inputs, 5 units" in outcome.out


def test_what_is_computed_otherwise_is_a_difference(run: Run, tmp_path: Path) -> None:
    models = [
        write(tmp_path / f"{word}.h5", "one", config=builders.sequential(
            builders.lstm_config("one", recurrent_activation=word)))
        for word in ("sigmoid", "hard_sigmoid")
    ]  # fmt: skip
    outcome = run("diff", *models)
    assert outcome.status == 1
    assert "recurrent_activation: sigmoid against hard_sigmoid(0.2x+0.5)" in outcome.out


def test_what_only_one_file_states_is_shown_and_is_no_difference(run: Run, tmp_path: Path) -> None:
    config = builders.sequential(builders.lstm_config("one", activation="relu", recurrent_activation="hard_sigmoid"))
    outcome = run("diff", write(tmp_path / "a.h5", "one"), write(tmp_path / "b.h5", "one", config=config))
    assert outcome.status == 0
    assert outcome.out == "one: identical\n  activation: tanh (not stated) against relu\nthe same\n"


def test_json_tells_what_is_stated(run: Run, tmp_path: Path) -> None:
    config = builders.sequential(builders.lstm_config("one", activation="relu", recurrent_activation="hard_sigmoid"))
    outcome = run("diff", write(tmp_path / "a.h5", "one"), write(tmp_path / "b.h5", "one", config=config), "--json")
    assert json.loads(outcome.out)["layers"][0]["computes"] == [
        {"what": "activation", "first": "tanh", "second": "relu", "stated": False}
    ]


def test_a_layer_that_computes_more_is_different_in_one_line(run: Run, tmp_path: Path) -> None:
    configs = [builders.sequential(builders.lstm_config("one", activation=value)) for value in ("tanh", 3)]
    models = [write(tmp_path / f"{place}.h5", "one", config=config) for place, config in enumerate(configs)]
    lines = run("diff", *models).out.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("  equations: those of an LSTM against ")


def test_what_has_moved_most_comes_first(run: Run, tmp_path: Path) -> None:
    made = builders.gates(3, 4)
    after = made | {"W_o": made["W_o"] * np.float32(3), "b_i": made["b_i"] + builders.numbers(4) / 100}
    paths = []
    for name, arrays in (("a.h5", made), ("b.h5", after)):
        weights = [(f"one/{leaf}:0", values) for leaf, values in builders.fused(arrays).items()]
        paths.append(builders.write(tmp_path / name, {"one": weights}))
    rows = [line.split()[0] for line in run("diff", *paths).out.splitlines()[2:-1]]
    assert rows == ["array", "W_o", "b_i"]


def test_the_tolerance_decides(run: Run, tmp_path: Path) -> None:
    made = builders.gates(3, 4)
    paths = []
    for name, arrays in (("a.h5", made), ("b.h5", made | {"U_c": made["U_c"] + builders.numbers(4, 4) / 1000})):
        weights = [(f"one/{leaf}:0", values) for leaf, values in builders.fused(arrays).items()]
        paths.append(builders.write(tmp_path / name, {"one": weights}))
    assert [run("diff", *paths, "--tolerance", limit).status for limit in ("1e-6", "0.1")] == [1, 0]


def test_a_layer_can_be_chosen(run: Run, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.h5", "one", "two"), write(tmp_path / "b.h5", "one")
    assert run("diff", first, second, "-l", "one").status == 0


@pytest.mark.parametrize("place", [0, 1])
def test_a_model_that_cannot_be_read_is_named(place: int, run: Run, tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.h5", "one")] * 2
    paths[place] = tmp_path / "none.h5"
    outcome = run("diff", *paths)
    assert (outcome.status, outcome.out) == (2, "")
    assert "none.h5: no such file" in outcome.err


def test_a_model_without_an_lstm_cannot_be_compared(run: Run, tmp_path: Path) -> None:
    other = builders.write(tmp_path / "b.h5", {"dense": builders.dense("dense")})
    outcome = run("diff", write(tmp_path / "a.h5", "one"), other)
    assert outcome.status == 2
    assert "no LSTM layer" in outcome.err


def test_github_has_an_annotation_for_each_layer_that_differs(run: Run, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.h5", "one", "two"), write(tmp_path / "b.h5", "one")
    lines = run("diff", first, second, "--format", "github").out.splitlines()
    assert [line.partition("::")[0] for line in lines] == [""]
    assert lines[0].endswith("::two: only in the first model")


def test_junit_has_a_case_for_each_layer(run: Run, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.h5", "one", "two"), write(tmp_path / "b.h5", "one")
    suite = ElementTree.fromstring(run("diff", first, second, "--format", "junit").out)[0]  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
