"""Recurrent layers that are not LSTMs, named by what their files hold of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from support import builders
from support.tensorflow_builders import constant, meta_graph, node, variable, write_bundle

import lstmdump
from lstmdump.report.facts import without_lstm

D, U = 3, 4
Shapes = Mapping[str, tuple[int, ...]]


def sentence(path: Path) -> str:
    with lstmdump.open(path) as model:
        assert model.lstms == ()
        return without_lstm(model)


def of_checkpoint(tmp_path: Path, shapes: Shapes, *, graph: bool = False) -> str:
    path = write_bundle(tmp_path / "x", {name: np.zeros(shape, "f4") for name, shape in shapes.items()})
    if graph:
        nodes = b"".join(variable(name, shape) for name, shape in shapes.items())
        path.with_name("x.meta").write_bytes(meta_graph(graph=nodes))
    return sentence(path)


def gru(scope: str, gates: str, candidate: str, bias: str) -> dict[str, tuple[int, ...]]:
    return {
        f"{scope}/{gates}": (D + U, 2 * U),
        f"{scope}/{gates.rpartition('/')[0]}/{bias}": (2 * U,),
        f"{scope}/{candidate}": (D + U, U),
        f"{scope}/{candidate.rpartition('/')[0]}/{bias}": (U,),
    }


NEW = ("gates/kernel", "candidate/kernel", "bias")
TF_1_0 = ("gates/weights", "candidate/weights", "biases")
TF_0_12 = ("Gates/Linear/Matrix", "Candidate/Linear/Matrix", "Bias")


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    ("scope", "names"), [("rnn/gru_cell", NEW), ("rnn/gru_cell_1", TF_1_0), ("RNN/GRUCell", TF_0_12)]
)
def test_a_gru_cell_of_any_release_is_named(
    scope: str, names: tuple[str, str, str], graph: bool, tmp_path: Path
) -> None:
    assert of_checkpoint(tmp_path, gru(scope, *names), graph=graph) == f"no LSTM layer; it has GRUCell {scope}"


@pytest.mark.parametrize("names", [NEW, TF_1_0, TF_0_12])
def test_a_gru_cell_of_another_name_is_known_by_its_arrays(names: tuple[str, str, str], tmp_path: Path) -> None:
    told = of_checkpoint(tmp_path, gru("encoder/mine", *names))
    assert told == "no LSTM layer; it has encoder/mine (arrays of a GRUCell)"


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("rnn/basic_rnn_cell/kernel", (7, 4), "BasicRNNCell rnn/basic_rnn_cell"),
        ("rnn/basic_rnn_cell/kernel", (7, 5), "BasicRNNCell rnn/basic_rnn_cell"),
        ("RNN/BasicRNNCell/Linear/Matrix", (7, 4), "BasicRNNCell RNN/BasicRNNCell"),
        ("rnn/ugrnn_cell/kernel", (7, 8), "UGRNNCell rnn/ugrnn_cell"),
        ("rnn/gru_block_cell/w_ru", (7, 8), "GRUBlockCell rnn/gru_block_cell"),
        ("rnn/conv_2d_lstm_cell/kernel", (3, 3, 5, 16), "Conv2DLSTMCell rnn/conv_2d_lstm_cell"),
        (
            "rnn/multi_rnn_cell/cell_0/cudnn_compatible_gru_cell/candidate/input_projection/kernel",
            (3, 4),
            "CudnnCompatibleGRUCell rnn/multi_rnn_cell/cell_0/cudnn_compatible_gru_cell",
        ),
    ],
)
def test_a_cell_of_tensorflow_1_is_named_after_its_scope(
    name: str, shape: tuple[int, ...], kind: str, tmp_path: Path
) -> None:
    assert of_checkpoint(tmp_path, {name: shape}) == f"no LSTM layer; it has {kind}"


def test_several_cells_are_named_in_order(tmp_path: Path) -> None:
    shapes = gru("encoder/gru_cell", *NEW) | {"top/basic_rnn_cell/kernel": (7, 4)}
    told = "no LSTM layer; it has GRUCell encoder/gru_cell, BasicRNNCell top/basic_rnn_cell"
    assert of_checkpoint(tmp_path, shapes) == told


@pytest.mark.parametrize(
    "shapes",
    [
        {"gru/dense/kernel": (3, 4), "gru/dense/bias": (4,)},  # a scope that is only called so
        {"rnn/gru_cell/step": ()},  # no matrix
        {"mixture/gates/kernel": (7, 8), "mixture/candidate/kernel": (7, 8)},  # shapes of another kind
        {"mixture/gates/kernel": (3, 8), "mixture/candidate/kernel": (3, 4)},  # no row for a state
        {"a/kernel": (3, 8), "a/recurrent_kernel": (4, 8)},  # two gates
    ],
)
def test_without_ground_nothing_is_named(shapes: Shapes, tmp_path: Path) -> None:
    assert of_checkpoint(tmp_path, shapes | {"dense/w": (3, 4)}) == "no LSTM layer in this model"


def test_an_lstm_in_a_scope_that_is_called_gru_stays_an_lstm(tmp_path: Path) -> None:
    shapes = {"gru_cell/basic_lstm_cell/kernel": (7, 16), "gru_cell/basic_lstm_cell/bias": (16,)}
    path = write_bundle(tmp_path / "x", {name: np.zeros(shape, "f4") for name, shape in shapes.items()})
    with lstmdump.open(path) as model:
        assert [lstm.name for lstm in model.lstms] == ["gru_cell/basic_lstm_cell"]


def test_the_cell_of_a_frozen_graph_is_named(tmp_path: Path) -> None:
    shapes = gru("rnn/gru_cell", *NEW)
    nodes = b"".join(
        constant(name, np.zeros(shape, "f4")) + node(f"{name}/read", "Identity", name) for name, shape in shapes.items()
    )
    (tmp_path / "frozen.pb").write_bytes(nodes)
    assert sentence(tmp_path / "frozen.pb") == "no LSTM layer; it has GRUCell rnn/gru_cell"


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        ({"kernel": (3, 12), "recurrent_kernel": (4, 12), "bias": (12,)}, "GRU"),
        ({"kernel": (3, 12), "recurrent_kernel": (4, 12), "bias": (2, 12)}, "GRU"),  # reset_after
        ({"kernel": (3, 4), "recurrent_kernel": (4, 4)}, "SimpleRNN"),
        ({"kernel": (3, 3, 2, 16), "recurrent_kernel": (3, 3, 4, 16)}, "ConvLSTM2D"),
        ({"kernel": (3, 2, 16), "recurrent_kernel": (3, 4, 16)}, "ConvLSTM1D"),
        ({f"x_{w}_{g}": s for g in "zrh" for w, s in zip("WUb", ((3, 4), (4, 4), (4,)), strict=True)}, "GRU"),
        ({f"x_{w}": s for w, s in zip("WUb", ((3, 4), (4, 4), (4,)), strict=True)}, "SimpleRNN"),
    ],
)
def test_a_layer_of_keras_is_known_by_its_arrays_where_the_file_states_no_class(
    shapes: Shapes, kind: str, tmp_path: Path
) -> None:
    weights = [(f"x/{leaf}", np.zeros(shape, "f4")) for leaf, shape in shapes.items()]
    assert sentence(builders.write(tmp_path / "a.h5", {"x": weights})) == (
        f"no LSTM layer; it has x (arrays of a {kind})"
    )


def test_a_gru_of_keras_0_is_known_by_its_arrays(root: Path) -> None:
    # Keras 0.3.1 wrote it
    told = sentence(root / "tests" / "genuine" / "keras-0.3.1-th0.8.2-py27-gru.weights.h5")
    assert told == "no LSTM layer; it has layer_0 (arrays of a GRU)"


def test_a_genuine_gru_cell_is_named(root: Path) -> None:
    # TensorFlow 2.12 wrote it with `tf.compat.v1`
    told = sentence(next((root / "tests" / "genuine" / "keras-2.12.0-tf1_ckpt-gru_negative").glob("*.index")))
    assert told == "no LSTM layer; it has GRUCell rnn/gru_cell"
