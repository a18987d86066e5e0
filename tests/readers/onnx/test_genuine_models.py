"""Models that torch 2.13 and tf2onnx 1.17 exported, with the arrays of the live layers, an input and its output.

The `.npz` beside each has `x`, `y` and `layer|array`, the gates in the form of lstmdump. `y` is the output of the last
layer; where that has two directions, theirs side by side.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.replay import run
from lstmdump.report import record
from lstmdump.report.facts import describe

FILES = Path(__file__).parent / "files"
NAMES = sorted(path.stem for path in FILES.glob("*.onnx"))


def read_gates(name: str) -> dict[str, dict[str, np.ndarray]]:
    """Return the gates of the live layers, by the names that lstmdump gives them."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, values in np.load(FILES / f"{name}.npz").items():
        layer, bar, array = key.partition("|")
        if bar:
            found.setdefault(layer, {})[array] = values
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_gates_are_those_of_the_live_layers(name: str) -> None:
    with lstmdump.open(FILES / f"{name}.onnx") as model:
        ours = {
            lstm.name: {
                tensor.name.rpartition("/")[2]: tensor.read()
                for gate in lstm.gates.values()
                for tensor in gate.arrays()
            }
            for lstm in model.lstms
        }
    expected = read_gates(name)
    assert list(ours) == list(expected)
    for layer, gates in expected.items():
        extra = {array: values for array, values in ours[layer].items() if array not in gates}
        assert not any(values.any() for values in extra.values())  # tf2onnx adds biases of 0
        for array, values in gates.items():
            np.testing.assert_array_equal(ours[layer][array], values)


@pytest.mark.parametrize("name", NAMES)
def test_the_layers_give_the_recorded_output(name: str) -> None:
    recorded = np.load(FILES / f"{name}.npz")
    values = recorded["x"]
    with lstmdump.open(FILES / f"{name}.onnx") as model:
        lstms = list(model.lstms)
        while lstms:
            outputs = [run(lstms.pop(0), values).h]
            if lstms and outputs[0].shape[2] * 2 == recorded["y"].shape[2]:
                outputs.append(run(lstms.pop(0), values).h)
            values = np.concatenate(outputs, axis=2)
    np.testing.assert_allclose(values, recorded["y"], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "activations", "go_backwards"),
    [
        ("tf2onnx-1.17-relu", ("relu", "sigmoid"), False),
        ("tf2onnx-1.17-go_backwards", ("tanh", "sigmoid"), True),
        ("tf2onnx-1.17-hard_sigmoid", ("tanh", "hard_sigmoid(0.2x+0.5)"), True),  # of Keras 2
        ("tf2onnx-1.17-keras_3_loop", ("tanh", "hard_sigmoid(x/6+0.5)"), False),
        ("tf2onnx-1.17-softsign_loop", ("softsign", "sigmoid"), False),
        ("torch-2.13-cell_unrolled", ("tanh", "sigmoid"), False),
    ],
)
def test_what_a_layer_computes_is_stated(name: str, activations: tuple[str, str], go_backwards: bool) -> None:
    with lstmdump.open(FILES / f"{name}.onnx") as model:
        (layer,) = record.of(describe(model))["layers"]
    assert (layer["activation"], layer["recurrent_activation"]) == activations
    assert layer["go_backwards"] is go_backwards


def test_the_two_biases_of_torch_are_counted_as_they_are_stored() -> None:
    with lstmdump.open(FILES / "torch-2.13-stacked.onnx") as model:
        # two layers of two directions: 4 gates of 5 units on 4 and on 10 inputs, with two biases
        assert [lstm.parameters for lstm in model.lstms] == [4 * 5 * (4 + 5 + 2)] * 2 + [4 * 5 * (10 + 5 + 2)] * 2
        assert model.model.parameters == sum(lstm.parameters for lstm in model.lstms)


def test_arrays_that_the_graph_computes_are_counted_once() -> None:
    with lstmdump.open(FILES / "torch-2.13-computed_arrays.onnx") as model:
        # two layers of two directions: 4 gates of 4 units on 3 and on 8 inputs, with two biases
        assert model.model.parameters == 2 * 4 * 4 * (3 + 4 + 2) + 2 * 4 * 4 * (8 + 4 + 2)


def test_the_layers_of_one_module_follow_each_other() -> None:
    with lstmdump.open(FILES / "torch-2.13-stacked.onnx") as model:
        sources = {"/".join(path): source for path, source in model.model.sources().items()}
    assert {name: source.names for name, source in sources.items()} == dict.fromkeys(
        ["l1", "l1_reverse"], ("l0", "l0_reverse")
    )


def test_without_the_file_of_external_data_shapes_are_known(tmp_path: Path) -> None:
    shutil.copy(FILES / "lstm-dyn.onnx", tmp_path)
    with lstmdump.open(tmp_path / "lstm-dyn.onnx") as model:
        assert [(lstm.input_dim, lstm.units) for lstm in model.lstms] == [(3, 4)] * 2 + [(8, 4)] * 2
        assert any("lstm-dyn.onnx.data is missing" in note for note in describe(model).notes)
        with pytest.raises(UnreadableModel, match=r"lstm-dyn\.onnx\.data is missing"):
            model.lstms[0].gates["i"].W.read()


def test_a_file_of_external_data_that_is_cut_short_is_damaged(tmp_path: Path) -> None:
    shutil.copy(FILES / "lstm-dyn.onnx", tmp_path)
    data = (FILES / "lstm-dyn.onnx.data").read_bytes()
    (tmp_path / "lstm-dyn.onnx.data").write_bytes(data[:-1])
    with pytest.raises(CorruptModel, match=r"reaches beyond the end of lstm-dyn\.onnx\.data"):
        lstmdump.open(tmp_path / "lstm-dyn.onnx")
