from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support import tensorflow_builders as tf
from support.tensorflow_builders import meta_graph, node, split_cell, variable, write_bundle

import lstmdump
from lstmdump.errors import CorruptModel
from lstmdump.model.tensor import Tensor
from lstmdump.readers.tensorflow.tf1 import cells as tf1_cells
from lstmdump.readers.tensorflow.tf1 import variables as tf1_variables

D, M = 3, 4


def fused(seed: int = 0, d: int = D, m: int = M) -> tuple[np.ndarray, np.ndarray]:
    made = builders.gates(d, m, seed)
    rows = [np.concatenate([made[f"W_{g}"], made[f"U_{g}"]]) for g in "icfo"]
    return np.concatenate(rows, axis=1), np.concatenate([made[f"b_{g}"] for g in "icfo"])


KERNEL, BIAS = fused()


def opened(tmp_path: Path, tensors: Mapping[str, np.ndarray], graph: bytes = b"") -> lstmdump.LoadedModel:
    path = write_bundle(tmp_path / "x", tensors)
    if graph:
        path.with_name("x.meta").write_bytes(meta_graph(graph=graph))
    return lstmdump.open(path)


def names(tmp_path: Path, tensors: Mapping[str, np.ndarray], graph: bytes = b"") -> list[str]:
    with opened(tmp_path, tensors, graph) as model:
        return [lstm.name for lstm in model.lstms]


# --- three generations of names


@pytest.mark.parametrize(
    ("kernel", "bias", "scope", "kind"),
    [
        ("RNN/BasicLSTMCell/Linear/Matrix", "RNN/BasicLSTMCell/Linear/Bias", "RNN/BasicLSTMCell", "BasicLSTMCell"),
        ("RNN/LSTMCell/W_0", "RNN/LSTMCell/B", "RNN/LSTMCell", "LSTMCell"),
        ("RNN/LSTMBlockCell/W", "RNN/LSTMBlockCell/b", "RNN/LSTMBlockCell", "LSTMBlockCell"),
        ("LSTMBlockFusedCell/W_0", "LSTMBlockFusedCell/B", "LSTMBlockFusedCell", "LSTMBlockFusedCell"),
        ("rnn/basic_lstm_cell/weights", "rnn/basic_lstm_cell/biases", "rnn/basic_lstm_cell", "BasicLSTMCell"),
        ("rnn/lstm_cell/weights", "rnn/lstm_cell/biases", "rnn/lstm_cell", "LSTMCell"),
        ("rnn/basic_lstm_cell/kernel", "rnn/basic_lstm_cell/bias", "rnn/basic_lstm_cell", "BasicLSTMCell"),
        ("rnn/lstm_cell_1/kernel", "rnn/lstm_cell_1/bias", "rnn/lstm_cell_1", "LSTMCell"),
        ("lstm_block_wrapper/kernel", "lstm_block_wrapper/bias", "lstm_block_wrapper", "LSTMBlockFusedCell"),
        ("lstm_fused_cell/kernel", "lstm_fused_cell/bias", "lstm_fused_cell", "LSTMBlockFusedCell"),
    ],
)
def test_cells_of_all_generations_are_read(kernel: str, bias: str, scope: str, kind: str, tmp_path: Path) -> None:
    with opened(tmp_path, {kernel: KERNEL, bias: BIAS}) as model:
        assert [(lstm.name, lstm.kind) for lstm in model.lstms] == [(scope, kind)]
        assert model.lstms[0].gates["f"].W.read().tolist() == builders.gates(D, M)["W_f"].tolist()
        assert model.model.parameters == (D + M + 1) * 4 * M


@pytest.mark.parametrize(
    "leaves",
    [("W_I_diag", "W_F_diag", "W_O_diag"), ("w_i_diag", "w_f_diag", "w_o_diag"), ("wci", "wcf", "wco")],
)
def test_peepholes_of_all_generations_are_read(leaves: tuple[str, ...], tmp_path: Path) -> None:
    peepholes = {f"rnn/lstm_cell/{leaf}": builders.numbers(M, seed=k) for k, leaf in enumerate(leaves)}
    with opened(tmp_path, {"rnn/lstm_cell/kernel": KERNEL, "rnn/lstm_cell/bias": BIAS, **peepholes}) as model:
        for letter, values in zip("ifo", peepholes.values(), strict=True):
            peephole = model.lstms[0].gates[letter].V
            assert peephole is not None
            assert peephole.read().tolist() == values.tolist()


@pytest.mark.parametrize("leaf", ["W_P_0", "projection/weights", "projection/kernel"])
def test_projections_of_all_generations_are_read(leaf: str, tmp_path: Path) -> None:
    tensors = {"rnn/lstm_cell/kernel": builders.numbers(D + 2, 4 * M), f"rnn/lstm_cell/{leaf}": builders.numbers(M, 2)}
    with opened(tmp_path, tensors) as model:
        assert [(lstm.input_dim, lstm.units, lstm.projection) for lstm in model.lstms] == [(D, M, 2)]


def test_the_compatible_cell_of_cudnn_adds_no_forget_bias(tmp_path: Path) -> None:
    scope = "rnn/cudnn_compatible_lstm_cell"
    with opened(tmp_path, {f"{scope}/kernel": KERNEL, f"{scope}/bias": BIAS}) as model:
        assert [(lstm.kind, lstm.forget_bias) for lstm in model.lstms] == [("CudnnCompatibleLSTMCell", 0.0)]


# --- pieces


def test_rows_in_pieces_are_joined(tmp_path: Path) -> None:
    tensors = {"RNN/LSTMCell/W_0": KERNEL[:4], "RNN/LSTMCell/W_1": KERNEL[4:], "RNN/LSTMCell/B": BIAS}
    with opened(tmp_path, tensors) as model:
        assert model.lstms[0].gates["o"].U.read().tolist() == builders.gates(D, M)["U_o"].tolist()


def test_eleven_pieces_are_joined_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    kernel, bias = fused(d=7)
    pieces = {f"RNN/LSTMCell/W_{k}": kernel[k : k + 1] for k in range(11)}
    with opened(tmp_path, {**pieces, "RNN/LSTMCell/B": bias}) as model:
        assert model.lstms[0].gates["c"].W.read().tolist() == builders.gates(7, M)["W_c"].tolist()


@pytest.mark.parametrize(("axis", "cuts"), [(0, [(0, 2), (2, 7)]), (1, [(0, 9), (9, 16)])], ids=["rows", "columns"])
def test_pieces_are_joined_as_in_the_graph(axis: int, cuts: list[tuple[int, int]], tmp_path: Path) -> None:
    scope = "rnn/lstm_cell"
    cut = [KERNEL[a:b] if axis == 0 else KERNEL[:, a:b] for a, b in cuts]
    tensors = {f"{scope}/kernel/part_{k}": values for k, values in enumerate(cut)} | {f"{scope}/bias": BIAS}
    graph = b"".join(variable(name, values.shape) for name, values in tensors.items())
    graph += tf.constant("axis", np.array(axis, "i4"))
    graph += node("whole", "ConcatV2", *(f"{scope}/kernel/part_{k}/read" for k in range(2)), "axis")
    with opened(tmp_path, tensors, graph + split_cell(scope, 0.7, kernel="whole")) as model:
        (lstm,) = model.lstms
        assert (lstm.name, lstm.forget_bias) == (scope, 0.7)
        assert lstm.gates["f"].W.read().tolist() == builders.gates(D, M)["W_f"].tolist()
        assert lstm.gates["f"].U.read().tolist() == builders.gates(D, M)["U_f"].tolist()


def lazily(name: str, *shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype, lambda _: np.zeros(shape))


@pytest.mark.parametrize("other", [lazily("b", 3, 5), lazily("b", 3, 4, dtype="float64"), lazily("b", 3), lazily("b")])
def test_pieces_that_do_not_fit_together_are_corrupt(other: Tensor) -> None:
    with pytest.raises(CorruptModel, match="do not fit together"):
        tf1_variables.joined([lazily("a", 3, 4), other], 0)


def test_a_joined_array_is_named_after_all_its_pieces() -> None:
    assert tf1_variables.joined([lazily("W_0", 3, 4), lazily("W_1", 2, 4)], 0).name == "W_{0,1}"
    assert tf1_variables.joined([lazily("W_0", 3, 4), lazily("W_1", 2, 4)], 0).shape == (5, 4)


# --- variables that are not weights


def test_optimizer_slots_and_counters_are_not_weights(tmp_path: Path) -> None:
    scope = "rnn/lstm_cell"
    tensors: dict[str, Any] = {f"{scope}/kernel": KERNEL, f"{scope}/bias": BIAS}
    for name, values in list(tensors.items()):
        tensors |= {f"{name}/{slot}": values for slot in ("Adam", "Adam_1", "RMSProp", "Momentum")}
        tensors[f"optimize/{name}/ExponentialMovingAverage"] = values
    tensors |= {"beta1_power": np.array(0.9, "f4"), "optimize/beta2_power": np.array(0.9, "f4")}
    tensors |= {"global_step": np.array(5, "i8"), "training/Adam/Variable_1": KERNEL, "Adam/lr": np.array(1, "f4")}
    with opened(tmp_path, tensors) as model:
        assert [lstm.name for lstm in model.lstms] == [scope]
        assert model.model.parameters == KERNEL.size + BIAS.size


def count(tmp_path: Path, others: Mapping[str, Any], trainable: list[str] | None = None) -> int | None:
    """Return the total of a model of a cell, of 128 numbers, and of `others`."""
    path = write_bundle(tmp_path / "x", {"rnn/lstm_cell/kernel": KERNEL, "rnn/lstm_cell/bias": BIAS, **others})
    if trainable is not None:
        path.with_name("x.meta").write_bytes(meta_graph(trainable=["rnn/lstm_cell/kernel", *trainable]))
    with lstmdump.open(path) as model:
        return model.model.parameters


@pytest.mark.parametrize(
    "name",
    ["global_step", "train/global_step", "step", "Model/lr", "learning_rate", "eval/loss_monitor/count",
     "eval/loss_monitor/sum_mean_loss", "train/metrics/total", "epoch", "save_counter", "global_step_1"],
)  # fmt: skip
def test_a_counter_is_not_a_parameter_whatever_its_type(name: str, tmp_path: Path) -> None:
    assert count(tmp_path, {name: np.array(70280.0, "f4")}) == 128


@pytest.mark.parametrize("name", ["temperature", "stepwise", "account", "gamma"])
def test_a_single_number_of_another_name_is_a_parameter(name: str, tmp_path: Path) -> None:
    assert count(tmp_path, {name: np.array(0.5, "f4")}) == 129


def test_a_vector_named_like_a_counter_is_a_parameter(tmp_path: Path) -> None:
    assert count(tmp_path, {"model/step": np.zeros(3, "f4")}) == 131


def test_a_single_number_that_a_graph_does_not_train_is_not_a_parameter(tmp_path: Path) -> None:
    others = {"temperature": np.array(0.5, "f4"), "watched": np.array(2.5, "f4")}
    assert count(tmp_path, others, ["temperature"]) == 129


def test_a_counter_is_not_a_parameter_although_its_graph_calls_it_trainable(tmp_path: Path) -> None:
    assert (
        count(tmp_path, {"evaluation/loss_monitor/count": np.array(2.5, "f4")}, ["evaluation/loss_monitor/count"])
        == 128
    )


def test_a_dense_layer_is_not_a_cell(tmp_path: Path) -> None:
    assert names(tmp_path, {"dense/kernel": KERNEL, "dense/bias": BIAS}) == []


@pytest.mark.parametrize("cell", ["gru_cell", "basic_rnn_cell", "conv_lstm_cell", "glstm_cell", "grid_lstm_cell"])
def test_other_cells_are_not_lstms(cell: str, tmp_path: Path) -> None:
    assert names(tmp_path, {f"rnn/{cell}/kernel": KERNEL, f"rnn/{cell}/bias": BIAS}) == []


# --- order


def test_cells_are_sorted_by_number_and_forward_first(tmp_path: Path) -> None:
    scopes = [f"rnn/multi_rnn_cell/cell_{k}/lstm_cell" for k in (10, 9, 1)]
    scopes += [f"bidirectional_rnn/{way}/lstm_cell" for way in ("bw", "fw")]
    assert names(tmp_path, {f"{scope}/kernel": KERNEL for scope in scopes}) == [
        "bidirectional_rnn/fw/lstm_cell",
        "bidirectional_rnn/bw/lstm_cell",
        *(f"rnn/multi_rnn_cell/cell_{k}/lstm_cell" for k in (1, 9, 10)),
    ]


def test_a_graph_gives_the_order_in_which_variables_were_created(tmp_path: Path) -> None:
    graph = b"".join(variable(f"{scope}/lstm_cell/kernel", (7, 16)) for scope in ("zeta", "alpha"))
    assert names(tmp_path, {f"{scope}/lstm_cell/kernel": KERNEL for scope in ("alpha", "zeta")}, graph) == [
        "zeta/lstm_cell",
        "alpha/lstm_cell",
    ]


@pytest.mark.parametrize("name", ["²", "1²", "a/³", "١٢", "1" * 5000, "a_" + "9" * 5000])
def test_unusual_digits_in_names_can_be_sorted(name: str) -> None:
    placed = tf1_variables.place({name: lazily(name, 2), "rnn/lstm_cell/kernel": lazily("kernel", 7, 16)}, None)
    assert sorted(found.tensor.size for found in placed.weights) == [2, 7 * 16]


@pytest.mark.parametrize("name", ["a/" * 200_000 + "kernel", "/" * 400_000, "x" * 400_000 + "/lstm_cell/kernel"])
def test_a_name_of_very_many_steps_is_read_in_less_than_five_seconds(name: str) -> None:
    started = time.process_time()
    placed = tf1_variables.place({name: lazily(name, 7, 16), "b": lazily("b", 2)}, None)
    assert len(placed.weights) == 2
    assert time.process_time() - started < 5


# --- with a graph


def test_a_cell_that_a_graph_computes_can_have_any_name(tmp_path: Path) -> None:
    graph = variable("my/own/kernel", (7, 16)) + variable("my/own/bias", (16,)) + split_cell("my/own", 0.5)
    with opened(tmp_path, {"my/own/kernel": KERNEL, "my/own/bias": BIAS}, graph) as model:
        assert [(lstm.name, lstm.kind, lstm.forget_bias) for lstm in model.lstms] == [("my/own", "LSTMCell", 0.5)]


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        ("rnn/basic_lstm_cell", "BasicLSTMCell"),
        ("LSTMCell_3", "LSTMCell"),
        ("a/gru_cell", "GRUCell"),
        ("dense", None),
        ("", None),
    ],
)
def test_the_last_name_of_a_scope_gives_the_class(scope: str, kind: str | None) -> None:
    assert tf1_cells.kind_of(scope) == kind


@pytest.mark.parametrize(("axis", "whole"), [(0, b"ab"), (1, None)])
def test_pieces_joined_along_the_first_axis_have_rows(axis: int, whole: bytes | None) -> None:
    pieces = [Tensor(text, (1, 1), "uint8", lambda _: np.zeros((1, 1)), lambda text=text: iter([text.encode()]))
              for text in "ab"]  # fmt: skip
    rows = tf1_variables.joined(pieces, axis).rows
    assert (None if rows is None else b"".join(rows())) == whole
