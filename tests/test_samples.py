"""The files in `sample_models/`, compared with `samples.json` and with outputs recorded in the frameworks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmdump
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.replay import equations
from lstmdump.report import record
from lstmdump.report.facts import describe

SAMPLES = Path(__file__).parents[1] / "sample_models"
ANSWERS: dict[str, Any] = json.loads((SAMPLES / "samples.json").read_text("utf-8"))


def record_of(name: str) -> dict[str, Any]:
    with lstmdump.open(SAMPLES / name) as model:
        return record.of(describe(model))


def test_every_sample_has_its_answers() -> None:
    files = [answer.get(key, []) for answer in ANSWERS.values() for key in ("recorded", "input", "pictures")]
    others = {name for names in files for name in ([names] if isinstance(names, str) else names)}
    folders = {name.partition("/")[0] for name in ANSWERS}
    assert {path.name for path in SAMPLES.iterdir()} == {"README.md", "samples.json", *folders, *others}


@pytest.mark.parametrize("name", [name for name, answer in ANSWERS.items() if {"input", "recorded"} <= answer.keys()])
def test_the_input_of_a_sample_is_that_of_the_recorded_outputs(name: str) -> None:
    recorded = np.load(SAMPLES / ANSWERS[name]["recorded"])
    x = recorded["x" if "x" in recorded else "lstm_1|x"]
    np.testing.assert_array_equal(np.load(SAMPLES / ANSWERS[name]["input"]), x)


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("key", ["producer", "format"])
def test_a_sample_has_the_format_and_producer_of_its_answer(name: str, key: str) -> None:
    assert record_of(name)[key] == ANSWERS[name][key]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_sample_has_the_layers_of_its_answer(name: str) -> None:
    layers = [
        {key: layer[key] for key in ("name", "class", "input_dim", "units", "parameters", "gate_order")}
        | {"arrays": len(layer["weights"])}
        for layer in record_of(name)["layers"]
    ]
    assert layers == ANSWERS[name]["layers"]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_sample_has_the_counts_of_its_answer(name: str) -> None:
    assert record_of(name)["parameters"] == {"lstm": ANSWERS[name]["lstm"], "total": ANSWERS[name]["total"]}


def test_both_weather_models_have_the_same_count() -> None:
    # 4 gates, each with a kernel of 3 rows, a recurrent kernel of 6 rows, and a bias, for 6 units
    assert [record_of(f"keras-{release}-weather.h5")["parameters"]["lstm"] for release in ("1.2.2", "2.2.0")] == [
        4 * (3 * 6 + 6 * 6 + 6)
    ] * 2


def test_the_weather_models_have_the_same_gates() -> None:
    shapes = []
    for release in ("1.2.2", "2.2.0"):
        with lstmdump.open(SAMPLES / f"keras-{release}-weather.h5") as model:
            gates = model.lstms[0].gates.values()
            shapes.append([(tensor.name, tensor.shape) for gate in gates for tensor in gate.arrays()])
    assert shapes[0] == shapes[1]


def test_the_first_network_has_its_counts() -> None:
    # a kernel over 12 inputs and 64 units for 4 gates, a bias, and a dense layer of 2
    assert (12 + 64) * 4 * 64 == 19456
    assert record_of("tf-1.12-basic-lstm-cell")["parameters"] == {"lstm": 19456 + 256, "total": 19456 + 256 + 128 + 2}


@pytest.mark.parametrize("name", ["tf-1.12-basic-lstm-cell", "tf-1.12-basic-lstm-cell-checkpoint"])
def test_the_first_network_adds_a_forget_bias_at_run_time(name: str) -> None:
    assert record_of(name)["layers"][0]["forget_bias"] == 1.0  # the default of BasicLSTMCell


@pytest.mark.parametrize("name", ["tf-1.12-basic-lstm-cell", "tf-1.12-basic-lstm-cell-checkpoint"])
def test_the_first_network_gives_the_states_recorded_in_tensorflow(name: str) -> None:
    recorded = np.load(SAMPLES / ANSWERS[name]["recorded"])
    with lstmdump.open(SAMPLES / name) as model:
        states = equations.replay(equations.read(model.lstms[0]), recorded["x"])
    np.testing.assert_allclose(states.h[:, -1], recorded["h"], atol=1e-5)
    np.testing.assert_allclose(states.c[:, -1], recorded["states_c"], atol=1e-5)


@pytest.mark.parametrize("name", [name for name, answer in ANSWERS.items() if "weather" in answer.get("recorded", "")])
def test_the_gates_give_the_outputs_recorded_in_keras(name: str) -> None:
    recorded = np.load(SAMPLES / ANSWERS[name]["recorded"])
    with lstmdump.open(SAMPLES / name) as model:
        cell = equations.read(model.lstms[0], Behaviour(recurrent_activation="hard_sigmoid", keras=2))
    states = equations.replay(cell, recorded["lstm_1|x"])
    np.testing.assert_allclose(states.h[:, -1], recorded["lstm_1|y"], atol=1e-6)


def test_the_network_of_torch_gives_the_outputs_recorded_there() -> None:
    recorded = np.load(SAMPLES / "torch-2.13-net.io.npz")
    with lstmdump.open(SAMPLES / "torch-2.13-net.onnx") as model:
        states = equations.replay(equations.read(model.lstms[0]), recorded["x"])
    np.testing.assert_allclose(states.h, recorded["y"], atol=1e-6)
    np.testing.assert_allclose(states.c[:, -1], recorded["c"][0], atol=1e-6)


def test_the_network_of_torch_has_its_counts() -> None:
    # 4 gates, each of 4 inputs and 6 units, with two biases, and a linear layer of 2
    expected = {"lstm": 4 * 6 * (4 + 6 + 2), "total": 4 * 6 * (4 + 6 + 2) + 6 * 2 + 2}
    assert record_of("torch-2.13-net.onnx")["parameters"] == expected
