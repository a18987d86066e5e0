"""One model in every format of Keras 3.15.1: the names and numbers must be the same in all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmdump
from lstmdump.lstm.behaviour import Stated
from lstmdump.report import record
from lstmdump.report.facts import describe

FOLDER = Path(__file__).parents[1] / "sample_models" / "keras-3.15-every-format"
FORMATS = sorted(path.name for path in FOLDER.iterdir())
FIRST = "model.h5"
OTHERS = [name for name in FORMATS if name != FIRST]


def layers_of(name: str) -> list[dict[str, Any]]:
    """Return the layers of the record without the keys that differ by format."""
    with lstmdump.open(FOLDER / name) as model:
        layers: list[dict[str, Any]] = record.of(describe(model))["layers"]
    for layer in layers:
        del layer["class_from"]
        for key in Stated._fields:
            del layer[key]
        for weight in layer["weights"]:
            del weight["tensor"]
    return layers


def arrays_of(name: str) -> dict[str, np.ndarray]:
    with lstmdump.open(FOLDER / name) as model:
        tensors = [tensor for lstm in model.lstms for gate in lstm.gates.values() for tensor in gate.arrays()]
        return {tensor.name: tensor.read() for tensor in tensors}


def test_every_format_is_tested() -> None:
    assert FORMATS == [
        "checkpoint",
        "exported",
        "model.h5",
        "model.keras",
        "model.weights.h5",
        "saved_model",
        "unzipped",
    ]


@pytest.mark.parametrize("name", OTHERS)
def test_every_format_has_the_same_layers(name: str) -> None:
    assert layers_of(name) == layers_of(FIRST)


@pytest.mark.parametrize("name", ["model.keras", "unzipped"])
def test_what_a_layer_computes_is_the_same_in_every_format_that_states_it(name: str) -> None:
    with lstmdump.open(FOLDER / name) as model, lstmdump.open(FOLDER / FIRST) as first:
        stated = [layer.computes for layer in describe(model).layers]
        assert stated == [layer.computes for layer in describe(first).layers]
        assert None not in {one.recurrent_activation for one in stated}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_the_same_count(name: str) -> None:
    # two of 4·((3+4)·4 + 4), one of 4·((8+5)·5) without bias, and a dense layer of 5·2 + 2
    with lstmdump.open(FOLDER / name) as model:
        assert model.model.parameters == 2 * 128 + 260 + 12


@pytest.mark.parametrize("name", OTHERS)
def test_every_format_has_the_same_gates(name: str) -> None:
    ours, first = arrays_of(name), arrays_of(FIRST)
    assert list(ours) == list(first)
    assert all(np.array_equal(ours[key], first[key]) for key in ours)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("recorded", FORMATS)
def test_every_format_agrees_with_the_record_of_any_other(
    recorded: str, name: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    against = tmp_path / "record.jsonl"
    against.write_text(run("show", "--json", FOLDER / recorded).out, "utf-8")
    assert run("check", FOLDER / name, "--against", against).status == 0
