from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from benchmarks import keras_inputs, runtime_cases, runtime_inputs
from benchmarks.workspace import QUICK, Workspace

import lstmdump


@pytest.mark.parametrize("kind", runtime_cases._LARGE)
def test_every_runtime_holds_the_same_arrays(kind: str, tmp_path: Path) -> None:
    expected = keras_inputs.weights(3, 4)
    with lstmdump.open(runtime_cases._LARGE[kind](tmp_path / "model", 3, 4)) as model:
        (lstm,) = model.lstms
        for k, gate in enumerate("ifco"):
            columns = slice(4 * k, 4 * k + 4)
            np.testing.assert_array_equal(lstm.gates[gate].W.read(), expected["kernel"][:, columns])
            np.testing.assert_array_equal(lstm.gates[gate].U.read(), expected["recurrent_kernel"][:, columns])


@pytest.mark.parametrize("write", [runtime_inputs.write_pt, runtime_inputs.write_safetensors])
def test_arrays_beside_the_lstm_are_stored(write: Callable[..., Path], tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path / "model", 3, 4, 1_000)) as model:
        assert model.model.parameters == 4 * 4 * (3 + 4 + 2) + 1_000 * 4 * 4


@pytest.mark.parametrize("write", [runtime_inputs.write_many_nodes, runtime_inputs.write_unrolled])
def test_graphs_hold_an_lstm(write: Callable[[Path, int], Path], tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path / "model", 40)) as model:
        assert [lstm.units for lstm in model.lstms] == [4]


def test_graph_models_of_two_layers_hold_the_arrays_of_one_twice(tmp_path: Path) -> None:
    written = runtime_inputs.write_graph_models(tmp_path / "model", runtime_cases._GRAPH_MODEL, 2)
    with lstmdump.open(runtime_cases._GRAPH_MODEL) as one, lstmdump.open(written) as two:
        (expected,) = one.lstms
        assert [lstm.name for lstm in two.lstms] == ["enc", "enc1"]
        for lstm in two.lstms:
            np.testing.assert_array_equal(lstm.gates["f"].U.read(), expected.gates["f"].U.read())


def test_every_model_that_is_judged_or_shown_is_measured(tmp_path: Path) -> None:
    commands = runtime_cases._prepare(Workspace(tmp_path, QUICK, ExitStack(), str))
    (goal,) = runtime_cases._goals(QUICK)
    assert {command.name for command in commands[1:]} == {*goal.figures, *goal.beside}
