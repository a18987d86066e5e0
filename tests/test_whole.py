"""Whole models, with the inputs and outputs that the frameworks recorded: `tests/whole/manifest.json`.

A row names a model and its producer, the inputs and outputs as `[name, shape, dtype]` in the order of the model, and a
`.npz` with `x/<input>` and `y/<output>`, which the framework computed in float32.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmdump
from lstmdump.replay import propagation, whole_network
from lstmdump.replay.layers.base import Signal
from lstmdump.replay.network import RunOptions

HERE = Path(__file__).parent / "whole"
ROWS: list[dict[str, Any]] = json.loads((HERE / "manifest.json").read_text("utf-8"))


@pytest.fixture(params=ROWS, ids=lambda row: str(row["file"]))
def row(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def test_inputs_and_outputs_are_those_of_the_framework(row: dict[str, Any]) -> None:
    with lstmdump.open(HERE / row["file"]) as opened:
        described = opened.model.network()
    assert described is not None
    assert [one.name for one in described.inputs] == [name for name, *_ in row["inputs"]]
    assert [one.shape for one in described.inputs] == [tuple(shape[1:]) for _, shape, _ in row["inputs"]]
    assert [one.name for one in described.outputs] == [name for name, *_ in row["outputs"]]


def test_each_lstm_is_a_layer_of_the_network(row: dict[str, Any]) -> None:
    with lstmdump.open(HERE / row["file"]) as opened:
        described = opened.model.network()
        assert described is not None
        names = {layer.name for outer in described.layers for layer in outer.walk()}
        assert {lstm.name for lstm in opened.lstms} <= names


def test_outputs_are_computed_as_the_framework_does(row: dict[str, Any]) -> None:
    recorded = np.load(HERE / row["io"])
    with lstmdump.open(HERE / row["file"]) as opened:
        described = opened.model.network()
        assert described is not None
        targets = [one.tensor for one in described.outputs]
        network = whole_network.read(opened, described, targets, RunOptions())
    tape = propagation.forward(network, {one.name: Signal(recorded[f"x/{one.name}"]) for one in described.inputs})
    for one in described.outputs:
        np.testing.assert_allclose(tape[one.tensor].values, recorded[f"y/{one.name}"], rtol=1e-5, atol=1e-5)
