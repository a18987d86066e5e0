"""Every file in `sample_models/` against its answers in `samples.json` and against the framework's recorded outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import replay

import lstmdump
from lstmdump import record
from lstmdump.report import describe

SAMPLES = Path(__file__).parents[1] / "sample_models"
ANSWERS: dict[str, Any] = json.loads((SAMPLES / "samples.json").read_text("utf-8"))


def record_of(name: str) -> dict[str, Any]:
    with lstmdump.open(SAMPLES / name) as model:
        return record.of(describe(model))


def test_every_sample_has_its_answers() -> None:
    recorded = {answer["recorded"] for answer in ANSWERS.values() if "recorded" in answer}
    assert {path.name for path in SAMPLES.iterdir()} == {"samples.json", *ANSWERS, *recorded}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("key", ["producer", "format"])
def test_a_sample_is_known_for_what_it_is(name: str, key: str) -> None:
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


def test_the_weather_models_have_one_count_from_twelve_arrays_and_from_three() -> None:
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


@pytest.mark.parametrize("name", [name for name, answer in ANSWERS.items() if "recorded" in answer])
def test_the_gates_give_the_outputs_that_keras_recorded(name: str) -> None:
    recorded = np.load(SAMPLES / ANSWERS[name]["recorded"])
    with lstmdump.open(SAMPLES / name) as model:
        states = replay.states(model.lstms[0], recorded["lstm_1|x"], replay.hard_sigmoid)
    np.testing.assert_allclose(states[:, -1], recorded["lstm_1|y"], atol=1e-6)
