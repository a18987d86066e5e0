"""What the table of classes says, against what Keras and TensorFlow 1 say of the same classes."""

from __future__ import annotations

from collections import Counter

import pytest

from lstmdump.model.cell_classes import BLOCK_OPERATIONS, CELL_CLASSES, CellClass, class_named


@pytest.mark.parametrize("kind", CELL_CLASSES.values(), ids=CELL_CLASSES)
def test_a_class_is_an_lstm_or_another_but_not_both(kind: CellClass) -> None:
    assert not (kind.is_other and (kind.must_fit or kind.is_keras_lstm or kind.fused_order))


@pytest.mark.parametrize("kind", CELL_CLASSES.values(), ids=CELL_CLASSES)
def test_an_order_has_each_gate_once(kind: CellClass) -> None:
    assert sorted(kind.fused_order) in ([], sorted("ifco"))


@pytest.mark.parametrize("kind", CELL_CLASSES.values(), ids=CELL_CLASSES)
def test_a_scope_is_in_lower_case_without_underscores(kind: CellClass) -> None:
    assert all(scope == scope.lower().replace("_", "") for scope in kind.scopes)


def test_a_scope_is_that_of_one_class() -> None:
    times = Counter(scope for kind in CELL_CLASSES.values() for scope in kind.scopes)
    assert set(times.values()) == {1}


@pytest.mark.parametrize("name", [None, "", "MyLSTM"])
def test_nothing_is_known_of_a_class_outside_of_the_table(name: str | None) -> None:
    kind = class_named(name)
    assert not any((kind.must_fit, kind.is_other, kind.is_keras_lstm, kind.gates, kind.fused_order, kind.scopes))


@pytest.mark.parametrize("name", ["LSTMBlockCell", "BlockLSTM", "BlockLSTMV2"])
def test_an_operation_that_is_a_cell_has_a_class_of_its_name_with_an_order(name: str) -> None:
    assert CELL_CLASSES[BLOCK_OPERATIONS[name].name].fused_order


def test_operations_have_the_defaults_of_tensorflow() -> None:
    """Of the attributes `forget_bias` and `cell_clip` in `tensorflow/core/ops/rnn_ops.cc`; V2 has no forget bias."""
    defaults = {name: (operation.forget_bias, operation.cell_clip) for name, operation in BLOCK_OPERATIONS.items()}
    assert defaults == {"LSTMBlockCell": (1.0, 3.0), "BlockLSTM": (1.0, 3.0), "BlockLSTMV2": (0.0, 0.0)}
