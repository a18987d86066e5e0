from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks import keras_inputs, tensorflow_inputs
from benchmarks.sparse import SparseFile

import lstmdump


def test_a_sparse_file_holds_the_bytes_written(tmp_path: Path) -> None:
    pieces = [b"first", bytes(3 << 20), b"last", bytes(5)]
    with SparseFile(tmp_path / "x") as file:
        for piece in pieces:
            file.write(piece)
    assert (tmp_path / "x").read_bytes() == b"".join(pieces)


def test_a_sparse_file_is_as_long_as_its_last_hole(tmp_path: Path) -> None:
    with SparseFile(tmp_path / "x") as file:
        file.write(bytes(2 << 20))
    assert (tmp_path / "x").stat().st_size == 2 << 20


def test_units_give_the_requested_size() -> None:
    arrays = keras_inputs.weights(*[keras_inputs.units(1_000_000)] * 2)
    assert sum(values.nbytes for values in arrays.values()) == pytest.approx(1_000_000, rel=0.02)


@pytest.mark.parametrize(
    "write",
    [
        keras_inputs.write_h5,
        keras_inputs.write_keras,
        tensorflow_inputs.write_checkpoint,
        tensorflow_inputs.write_saved_model,
    ],
)
def test_every_format_holds_the_same_arrays(write: Callable[[Path, int, int], Path], tmp_path: Path) -> None:
    expected = keras_inputs.weights(3, 4)
    with lstmdump.open(write(tmp_path / "model", 3, 4)) as model:
        (lstm,) = model.lstms
        for k, gate in enumerate("ifco"):
            columns = slice(4 * k, 4 * k + 4)
            np.testing.assert_array_equal(lstm.gates[gate].W.read(), expected["kernel"][:, columns])
            np.testing.assert_array_equal(lstm.gates[gate].U.read(), expected["recurrent_kernel"][:, columns])


@pytest.mark.parametrize(
    "write",
    [
        keras_inputs.write_layers_h5,
        keras_inputs.write_layers_keras,
        keras_inputs.write_weights,
        tensorflow_inputs.write_layers_checkpoint,
        tensorflow_inputs.write_layers_saved_model,
        tensorflow_inputs.write_layers_tf1,
    ],
)
def test_every_format_holds_the_number_of_layers(write: Callable[[Path, int], Path], tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path / "model", 12)) as model:
        assert len(model.lstms) == 12
