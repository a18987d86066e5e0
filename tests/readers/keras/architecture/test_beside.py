"""The architecture of `to_json()` beside the weights of `save_weights()`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import builders

import lstmdump

USED = "names, classes and activations are from model.json, which lies beside the file"
CONFIG = builders.sequential(
    builders.lstm_config("lstm_1", recurrent_activation="hard_sigmoid"),
    {"class_name": "Dense", "config": {"name": "dense_1", "units": 1}},
)


def write_weights(path: Path, name: str = "lstm_1") -> Path:
    return builders.write(path, {name: builders.keras_2_weights(name), "dense_1": builders.dense("dense_1")})


def pair(folder: Path, config: Any = CONFIG, weights: str = "model.h5") -> Path:
    (folder / "model.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return write_weights(folder / weights)


def facts(path: Path) -> tuple[list[tuple[str, str, bool]], tuple[str, ...]]:
    with lstmdump.open(path) as model:
        return [(lstm.name, lstm.kind, lstm.kind_stated) for lstm in model.lstms], model.model.notes


@pytest.mark.parametrize("weights", ["model.h5", "model.weights.h5", "model_weights.h5", "model.hdf5"])
def test_the_architecture_beside_weights_states_classes(weights: str, tmp_path: Path) -> None:
    assert facts(pair(tmp_path, weights=weights)) == ([("lstm_1", "LSTM", True)], (USED,))


def test_the_architecture_beside_weights_states_activations(run: Callable[..., Any], tmp_path: Path) -> None:
    layer = json.loads(run("--json", pair(tmp_path)).out)["layers"][0]
    assert layer["recurrent_activation"] == "hard_sigmoid(0.2x+0.5)"


def test_weights_of_keras_3_get_the_names_of_the_architecture_beside(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(builders.sequential(builders.lstm_config("mine"))))
    builders.saved(tmp_path / "model.weights.h5", {"layers/lstm/cell": builders.cell()})
    assert facts(tmp_path / "model.weights.h5") == ([("mine", "LSTM", True)], (USED,))


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        '{"class_name": 3}',
        '{"class_name": "LSTM", "config": {"name": "a"}}',
        '{"modelTopology": {"class_name": "Sequential"}}',
    ],
)
def test_json_that_is_not_an_architecture_is_ignored(config: str, tmp_path: Path) -> None:
    assert facts(pair(tmp_path, config)) == (
        [("lstm_1", "LSTM", False)],
        ("found by shape: the file holds no layer classes",),
    )


def test_an_architecture_of_other_sizes_is_not_used(tmp_path: Path) -> None:
    config = builders.sequential(builders.lstm_config("lstm_1", units=6), CONFIG["config"]["layers"][1])
    layers, notes = facts(pair(tmp_path, config))
    assert layers == [("lstm_1", "LSTM", False)]
    assert notes[0] == (
        "model.json, which lies beside the file, is not used: config and arrays disagree on the units of lstm_1: "
        "6 by the configuration, 4 by the arrays"
    )


def test_an_architecture_of_other_layers_is_not_used(tmp_path: Path) -> None:
    config = builders.sequential(builders.lstm_config("other"), CONFIG["config"]["layers"][1])
    assert facts(pair(tmp_path, config))[1][0] == (
        "model.json, which lies beside the file, is not used: it has no layer lstm_1"
    )


def test_an_architecture_of_other_layers_is_not_used_for_weights_of_keras_3(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(builders.sequential(builders.lstm_config("mine"))))
    builders.saved(tmp_path / "model.weights.h5", {"layers/gru/cell": [builders.numbers(3, 12)]})
    assert "is not used" in facts(tmp_path / "model.weights.h5")[1][0]


def test_a_whole_model_uses_its_own_architecture(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(CONFIG))
    assert facts(builders.one_lstm(tmp_path / "model.h5")) == ([("lstm_1", "LSTM", True)], ())


def test_an_architecture_of_another_name_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps(CONFIG))
    assert facts(write_weights(tmp_path / "model.h5"))[0] == [("lstm_1", "LSTM", False)]


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "secret.json").write_text(json.dumps(CONFIG))
    (tmp_path / "models" / "model.json").symlink_to(tmp_path / "secret.json")
    assert facts(write_weights(tmp_path / "models" / "model.h5"))[0] == [("lstm_1", "LSTM", False)]
