from __future__ import annotations

from lstmdump.readers.keras.architecture.automatic_names import is_cell, without_stack


def test_automatic_cells_are_those_that_keras_counts() -> None:
    names = ["lstm_cell", "lstm_cell_12", "conv_lstm_cell", "my_cell"]
    assert [is_cell(name) for name in names] == [True, True, False, False]


def test_the_name_of_a_stack_is_left_out_unless_it_is_the_last() -> None:
    assert without_stack(("rnn", "stacked_rnn_cells_2", "a")) == ("rnn", "a")
    assert without_stack(("rnn", "stacked_rnn_cells")) == ("rnn", "stacked_rnn_cells")
