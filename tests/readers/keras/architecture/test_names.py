from __future__ import annotations

import pytest

from lstmdump.readers.keras.architecture.names import (
    WeightName,
    drop_automatic_names,
    drop_cell_name,
    drop_stack_names,
    is_automatic_cell,
    names_below,
    names_in,
    split_weight_name,
    tell_apart,
)


@pytest.mark.parametrize(
    ("name", "major", "scope", "leaf", "number"),
    [
        ("lstm_1_W_i:0", 1, "lstm_1", "W_i", 0),
        ("lstm_1_W_i", 1, "lstm_1", "W_i", 0),
        ("lstm_U_c_1:0", 1, "lstm", "U_c", 1),
        ("lstm_1_W:0", 1, "lstm_1", "W", 0),
        ("enc/lstm_b_o:0", 1, "enc/lstm", "b_o", 0),
        ("gru_1_W_z:0", 1, "", "gru_1_W_z", 0),
        ("lstm_1/kernel:0", 2, "lstm_1", "kernel", 0),
        ("rnn_1/recurrent_kernel_1:0", 2, "rnn_1", "recurrent_kernel", 1),
        ("lstm/lstm_cell_3/bias:0", 2, "lstm/lstm_cell_3", "bias", 0),
        ("attention/attention_W:0", 2, "attention", "attention_W", 0),
        ("kernel", 3, "", "kernel", 0),
        ("sequential/a:0/lstm_cell/kernel", 3, "sequential/a:0/lstm_cell", "kernel", 0),
    ],
)
def test_names_are_split_by_the_rules_of_their_release(
    name: str, major: int, scope: str, leaf: str, number: int
) -> None:
    assert split_weight_name(name, major) == WeightName(scope, leaf, number)


@pytest.mark.parametrize(
    ("scope", "group", "alone", "expected"),
    [
        ("lstm_1", "lstm_1", True, ()),
        ("lstm/lstm_cell", "lstm", True, ("lstm_cell",)),
        ("sequential/lstm/lstm_cell", "lstm", True, ("lstm_cell",)),
        ("bidirectional/forward_lstm", "bidirectional", False, ("forward_lstm",)),
        ("deep/lstm_cell", "middle", False, ("deep", "lstm_cell")),
        ("lstm_1", "lstm", True, ()),
        ("lstm_1", "lstm", False, ("lstm_1",)),
        ("action_lstm_43/lstm_cell_87", "action_lstm", True, ("lstm_cell_87",)),
        ("enc/lstm/deep", "enc/lstm", True, ("deep",)),
        ("", "lstm", True, ()),
    ],
)
def test_names_below_a_layer_omit_its_own_name_and_that_of_the_model(
    scope: str, group: str, alone: bool, expected: tuple[str, ...]
) -> None:
    assert names_below(scope, group, alone=alone) == expected


def test_every_run_of_steps_may_be_a_name() -> None:
    assert list(names_in("a/b/c")) == ["a", "a/b", "a/b/c", "b", "b/c", "c"]


def test_automatic_cells_are_those_that_keras_counts() -> None:
    names = ["lstm_cell", "lstm_cell_12", "conv_lstm_cell", "my_cell"]
    assert [is_automatic_cell(name) for name in names] == [True, True, False, False]


def test_the_name_of_a_stack_is_dropped_unless_it_is_the_last() -> None:
    assert drop_stack_names(("rnn", "stacked_rnn_cells_2", "a")) == ("rnn", "a")
    assert drop_stack_names(("rnn", "stacked_rnn_cells")) == ("rnn", "stacked_rnn_cells")


def test_the_automatic_name_of_a_cell_is_dropped_at_the_end_only() -> None:
    assert drop_cell_name(("rnn", "lstm_cell_2")) == ("rnn",)
    assert drop_cell_name(("lstm_cell", "dense")) == ("lstm_cell", "dense")
    assert drop_cell_name(("lstm_cell",)) == ()


def shortened(*paths: str, may_be_cell: bool = True, **options: bool) -> list[str]:
    split = [tuple(path.split("/")) for path in paths]
    return ["/".join(path) for path in drop_automatic_names(split, [may_be_cell] * len(paths), **options)]


def test_the_only_cell_of_a_layer_gets_the_name_of_the_layer() -> None:
    assert shortened("a/lstm_cell_1", "b/lstm_cell_2") == ["a", "b"]


def test_a_cell_keeps_its_name_beside_another_layer() -> None:
    assert shortened("a/lstm_cell", "a/dense") == ["a/lstm_cell", "a/dense"]


def test_a_cell_keeps_its_name_if_the_layer_has_arrays_unless_they_may_be_merged() -> None:
    assert shortened("a", "a/lstm_cell") == ["a", "a/lstm_cell"]
    assert shortened("a", "a/lstm_cell", may_merge=True) == ["a", "a"]


def test_a_layer_that_is_not_a_cell_keeps_the_name_of_one() -> None:
    assert shortened("a/lstm_cell", may_be_cell=False) == ["a/lstm_cell"]


def test_a_cell_without_a_layer_keeps_its_name() -> None:
    assert shortened("lstm_cell") == ["lstm_cell"]


def test_the_only_cell_of_a_stack_gets_the_name_of_the_layer_if_stacks_are_dropped() -> None:
    assert shortened("rnn/stacked_rnn_cells/lstm_cell") == ["rnn"]
    assert shortened("rnn/stacked_rnn_cells/lstm_cell", stacks=False) == ["rnn/stacked_rnn_cells"]


def apart(*layers: tuple[str, str], keep_first: bool = False) -> list[str]:
    """Return the names of layers, given as name and names of arrays; renamed ones are `new` and their index."""
    paths = tell_apart(
        [(name,) for name, _ in layers],
        [arrays.split() for _, arrays in layers],
        lambda _, clashing: [(f"new {index}",) for index in clashing],
        keep_first=keep_first,
    )
    return ["/".join(path) for path in paths]


def test_layers_with_one_path_and_no_common_array_keep_the_path() -> None:
    assert apart(("a", "kernel"), ("a", "bias")) == ["a", "a"]


def test_all_layers_of_a_path_are_renamed_if_two_of_them_clash() -> None:
    layers = (("a", "kernel"), ("b", "kernel"), ("a", "kernel bias"), ("a", "gamma"))
    assert apart(*layers) == ["new 0", "b", "new 2", "new 3"]


def test_the_first_layer_of_a_path_may_keep_it() -> None:
    layers = (("a", "kernel"), ("a", "bias"), ("a", "bias gamma"), ("a", "gamma"))
    assert apart(*layers, keep_first=True) == ["a", "a", "new 2", "new 3"]
