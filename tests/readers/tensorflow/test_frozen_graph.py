from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support import builders
from support import tensorflow_builders as tf
from support.tensorflow_builders import constant, counted, integer, node, split_cell

import lstmdump
from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel, UnreadableModel
from lstmdump.model.limits import Limits

MADE = builders.gates(3, 4)
KERNEL = np.concatenate([np.concatenate([MADE[f"W_{g}"], MADE[f"U_{g}"]]) for g in "icfo"], axis=1)
BIAS = np.concatenate([MADE[f"b_{g}"] for g in "icfo"])


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "graph.pb"
    path.write_bytes(data)
    return path


def frozen(scope: str = "rnn/lstm_cell", kernel: np.ndarray = KERNEL) -> bytes:
    read = node(f"{scope}/kernel/read", "Identity", f"{scope}/kernel") + node(
        f"{scope}/bias/read", "Identity", f"{scope}/bias"
    )
    return constant(f"{scope}/kernel", kernel) + constant(f"{scope}/bias", BIAS) + read


@pytest.mark.parametrize("letter", "ifco")
def test_constants_that_were_variables_are_the_weights(letter: str, tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path, frozen() + split_cell("rnn/lstm_cell", 0.3))) as model:
        (lstm,) = model.lstms
        assert (lstm.name, lstm.kind, lstm.forget_bias, model.format) == ("rnn/lstm_cell", "LSTMCell", 0.3, "tf-graph")
        assert lstm.gates[letter].W.read().tolist() == MADE[f"W_{letter}"].tolist()
        assert lstm.gates[letter].U.read().tolist() == MADE[f"U_{letter}"].tolist()


def test_a_cell_with_another_name_is_identified_by_its_equations(tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path, frozen("my/own") + split_cell("my/own"))) as model:
        assert [(lstm.name, lstm.forget_bias) for lstm in model.lstms] == [("my/own", 1.0)]


def test_constants_that_were_never_variables_are_not_weights(tmp_path: Path) -> None:
    other = constant("table", np.zeros((5, 5), "f4")) + node("use", "MatMul", "x", "table")
    with lstmdump.open(write(tmp_path, frozen() + split_cell("rnn/lstm_cell") + other)) as model:
        assert model.model.parameters == 7 * 16 + 16


def total(tmp_path: Path, data: bytes) -> int | None:
    with lstmdump.open(write(tmp_path, frozen() + data)) as model:
        return model.model.parameters


def test_a_constant_that_nothing_reads_is_an_output_and_counts(tmp_path: Path) -> None:
    # the transitions of a CRF, which is decoded outside of the graph
    transitions = constant("crf/transitions", np.zeros((5, 5), "f4"))
    assert total(tmp_path, transitions) == KERNEL.size + BIAS.size + 25


@pytest.mark.parametrize("operation", ["MatMul", "BiasAdd", "Add", "AddV2", "Conv2D", "GatherV2"])
def test_a_constant_that_an_operation_takes_as_its_weights_counts(operation: str, tmp_path: Path) -> None:
    # a later step has removed all nodes called /read
    data = constant("model/w1", np.zeros((4, 10), "f4")) + node("model/out", operation, "x", "model/w1")
    with lstmdump.open(write(tmp_path, data)) as model:
        assert model.model.parameters == 40


@pytest.mark.parametrize(
    "name", ["add/y", "Const", "Const_3", "model/zeros", "mul/x", "concat_1/values_0", "strided/stack"]
)
@pytest.mark.parametrize("read", [True, False])
def test_a_constant_named_as_tensorflow_names_them_does_not_count(name: str, read: bool, tmp_path: Path) -> None:
    data = constant(name, np.zeros(3, "f4")) + (node("sum", "Add", "x", name) if read else b"")
    with lstmdump.open(write(tmp_path, data)) as model:
        assert model.model.parameters == 0


def test_a_constant_that_is_only_multiplied_does_not_count(tmp_path: Path) -> None:
    data = constant("model/scales", np.zeros(3, "f4")) + node("scaled", "Mul", "x", "model/scales")
    with lstmdump.open(write(tmp_path, data)) as model:
        assert model.model.parameters == 0


def test_numbers_cannot_be_read_after_the_model_is_closed(tmp_path: Path) -> None:
    model = lstmdump.open(write(tmp_path, frozen() + split_cell("rnn/lstm_cell")))
    model.close()
    with pytest.raises(ModelClosed, match="after the model had been closed"):
        model.lstms[0].gates["f"].W.read()


def test_a_graph_that_is_not_frozen_has_shapes_only(tmp_path: Path) -> None:
    declared = tf.variable("rnn/lstm_cell/kernel", (7, 16)) + tf.variable("rnn/lstm_cell/bias", (16,))
    with lstmdump.open(write(tmp_path, declared + split_cell("rnn/lstm_cell"))) as model:
        assert [(lstm.input_dim, lstm.units) for lstm in model.lstms] == [(3, 4)]
        assert "the graph is not frozen" in model.model.notes[0]
        with pytest.raises(UnreadableModel, match="cannot be read: the file with the variables is missing"):
            model.lstms[0].gates["i"].b.read()  # type: ignore[union-attr]


def abbreviated(name: str, *extents: int) -> bytes:
    """Return a constant with one stored number."""
    one = integer(1, 1) + counted(2, tf.shape(extents)) + counted(5, bytes(4))
    return node(name, "Const", dtype=integer(6, 1), value=counted(8, one)) + node(f"{name}/read", "Identity", name)


def test_a_constant_with_one_stored_number_is_filled(tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path, abbreviated("l/lstm_cell/kernel", 7, 16))) as model:
        assert model.lstms[0].gates["f"].W.read().tolist() == np.zeros((3, 4)).tolist()


def test_a_constant_that_declares_far_more_than_it_stores_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, abbreviated("l/lstm_cell/kernel", 2**31, 2**20))
    with pytest.raises(RefusedModel, match="its arrays declare 9,007,199,254,740,992 bytes"), lstmdump.open(path):
        pass


def test_the_declared_sizes_of_constants_are_added_up(tmp_path: Path) -> None:
    path = write(tmp_path, b"".join(abbreviated(f"a{number}", 2**10, 2**12) for number in range(5)))
    with (
        pytest.raises(RefusedModel, match=r"its arrays declare 83,886,080 bytes, .*; .*unfolding=\d+"),
        lstmdump.open(path),
    ):
        pass
    with lstmdump.open(path, limits=Limits(unfolding=2**24 // path.stat().st_size + 1)) as model:
        assert model.model.parameters == 5 * 2**22


def test_a_constant_of_another_size_than_its_shape_is_corrupt(tmp_path: Path) -> None:
    short = integer(1, 1) + counted(2, tf.shape((7, 16))) + counted(4, bytes(12))
    with pytest.raises(CorruptModel, match="but 12 are stored"):
        lstmdump.open(write(tmp_path, node("l/kernel", "Const", value=counted(8, short))))


LARGE = np.arange(300 * 1024, dtype="<f4").reshape(-1, 1024)  # 1.2 MB


def large(tmp_path: Path, value: bytes) -> Path:
    """Write a graph whose variable `dense/kernel` has the attribute `value`."""
    held = counted(1, counted(1, "dense/kernel") + counted(2, "Const") + value)
    return write(
        tmp_path, frozen() + held + node("dense/kernel/read", "Identity", "dense/kernel") + split_cell("rnn/lstm_cell")
    )


def attribute(name: str, value: bytes) -> bytes:
    return counted(5, counted(1, name) + counted(2, value))


@pytest.mark.parametrize(
    "value",
    [
        attribute("value", counted(8, tf.tensor(LARGE))),
        attribute("value", counted(8, tf.tensor(-LARGE))) + attribute("value", counted(8, tf.tensor(LARGE))),
        attribute("value", counted(8, counted(4, (-LARGE).tobytes())) + counted(8, tf.tensor(LARGE))),
        counted(5, counted(1, "value") + counted(2, counted(8, tf.tensor(LARGE))) + counted(2, b"")),
        attribute("value", counted(8, counted(4, (-LARGE).tobytes()) + tf.tensor(LARGE))),
        attribute("value", counted(8, tf.tensor(LARGE))) + attribute("other", counted(8, tf.tensor(-LARGE))),
    ],
    ids=["once", "two attributes", "a tensor in parts", "a value in parts", "two contents", "another attribute"],
)
def test_the_rows_of_a_large_constant_are_its_numbers(value: bytes, tmp_path: Path) -> None:
    with lstmdump.open(large(tmp_path, value)) as model:
        (tensor,) = [one for one in model.model.tensors() if one.name == "dense/kernel"]
        assert tensor.rows is not None
        assert b"".join(map(bytes, tensor.rows())) == LARGE.tobytes() == tensor.read().tobytes()


def test_the_dimensions_of_a_tensor_in_parts_are_added_as_in_tensorflow(tmp_path: Path) -> None:
    twice = attribute("value", counted(8, tf.tensor(LARGE)) + counted(8, tf.tensor(LARGE)))
    with pytest.raises(CorruptModel, match=re.escape("(300, 1024, 300, 1024), 377487360000 bytes, but 1228800 are")):
        lstmdump.open(large(tmp_path, twice))


def test_a_constant_with_another_value_beside_its_tensor_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="two values where there may be one"):
        lstmdump.open(large(tmp_path, attribute("value", counted(8, tf.tensor(LARGE)) + integer(3, 1))))


def test_a_large_constant_stored_as_one_field_per_number_has_no_rows(tmp_path: Path) -> None:
    filled = integer(1, 1) + counted(2, tf.shape(LARGE.shape)) + tf.float32(5, 0.5)
    with lstmdump.open(large(tmp_path, attribute("value", counted(8, filled)))) as model:
        (tensor,) = [one for one in model.model.tensors() if one.name == "dense/kernel"]
        assert tensor.rows is None
        assert tensor.part(slice(7, 8), slice(3, 5)).read().tolist() == [[0.5, 0.5]]


def test_the_rows_of_a_large_constant_cannot_be_read_after_the_model_is_closed(tmp_path: Path) -> None:
    model = lstmdump.open(large(tmp_path, attribute("value", counted(8, tf.tensor(LARGE)))))
    model.close()
    (tensor,) = [one for one in model.model.tensors() if one.name == "dense/kernel"]
    assert tensor.rows is not None
    with pytest.raises(ModelClosed, match="after the model had been closed"):
        list(tensor.rows())


@pytest.mark.parametrize("kept", [1 / 3, 0.9, 0.999])
def test_a_graph_with_a_truncated_large_constant_is_corrupt(kept: float, tmp_path: Path) -> None:
    path = large(tmp_path, attribute("value", counted(8, tf.tensor(LARGE))))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(CorruptModel, match="cut short"):
        lstmdump.open(path)
