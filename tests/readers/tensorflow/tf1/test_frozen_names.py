from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import builders
from support.tensorflow_builders import constant

import lstmdump

MADE = builders.gates(3, 4)
KERNEL = np.concatenate([MADE[f"W_{gate}"] for gate in "ifco"], axis=1)
RECURRENT = np.concatenate([MADE[f"U_{gate}"] for gate in "ifco"], axis=1)
BIAS = np.concatenate([MADE[f"b_{gate}"] for gate in "ifco"])


def read_by(scope: str, *readers: str, arrays: tuple[np.ndarray, ...] = (KERNEL, RECURRENT, BIAS)) -> bytes:
    names = (f"{scope}/{reader}/ReadVariableOp/resource".replace("//", "/") for reader in readers)
    return b"".join(constant(name, values) for name, values in zip(names, arrays, strict=True))


def write(tmp_path: Path, *parts: bytes) -> Path:
    path = tmp_path / "frozen.pb"
    path.write_bytes(b"".join(parts))
    return path


def dense(scope: str) -> bytes:
    return read_by(scope, "MatMul", "BiasAdd", arrays=(np.zeros((4, 2), "f4"), np.zeros(2, "f4")))


@pytest.mark.parametrize(
    "readers",
    [("Read", "Read_1", "Read_2"), ("MatMul", "MatMul_1", "BiasAdd"), ("split", "", "split_1"),
     ("Cast", "Cast_1", "BiasAdd_1")],
)  # fmt: skip
def test_arrays_are_identified_by_the_nodes_that_read_them(readers: tuple[str, ...], tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path, read_by("model/reader/lstm_cell", *readers), dense("model/out"))) as model:
        (lstm,) = model.lstms
        assert (lstm.name, lstm.kind, lstm.forget_bias) == ("reader", "LSTM", 0.0)
        assert [lstm.gates[gate].W.read().tolist() for gate in "ifco"] == [
            MADE[f"W_{gate}"].tolist() for gate in "ifco"
        ]
        assert [lstm.gates[gate].U.read().tolist() for gate in "ifco"] == [
            MADE[f"U_{gate}"].tolist() for gate in "ifco"
        ]


def test_a_dense_layer_is_not_an_lstm(tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path, dense("model/a"), dense("model/b"))) as model:
        assert model.lstms == ()


def test_the_total_is_unknown_if_names_are_lost(tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path, read_by("model/reader", "Read", "Read_1", "Read_2"))) as model:
        assert model.model.parameters is None


def test_a_lone_scope_keeps_its_names(tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path, read_by("model/reader", "Read", "Read_1", "Read_2"))) as model:
        assert [lstm.name for lstm in model.lstms] == ["model/reader"]


def test_cells_of_a_stack_keep_their_names(tmp_path: Path) -> None:
    cells = [read_by(f"model/rnn/stacked_rnn_cells/{cell}", "MatMul", "MatMul_1", "BiasAdd") for cell in ("a", "b")]
    with lstmdump.open(write(tmp_path, *cells)) as model:
        assert [lstm.name for lstm in model.lstms] == ["rnn/a", "rnn/b"]
