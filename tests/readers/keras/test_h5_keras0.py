from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import builders
from support.builders import keras_0_lstm, numbers, write_keras_0

import lstmdump
from lstmdump.errors import CorruptModel

GRU = [numbers(3, 4), numbers(4, 4), numbers(4)] * 3


def names(path: Path) -> list[str]:
    with lstmdump.open(path) as model:
        return [lstm.name for lstm in model.lstms]


def test_twelve_arrays_are_an_lstm_named_after_the_group(tmp_path: Path) -> None:
    assert names(write_keras_0(tmp_path / "a.h5", [[numbers(9, 3)], keras_0_lstm(), []])) == ["layer_1"]


@pytest.mark.parametrize(("place", "letter"), list(enumerate("icfo")))
def test_the_arrays_are_in_the_order_i_c_f_o(place: int, letter: str, tmp_path: Path) -> None:
    arrays = keras_0_lstm()
    with lstmdump.open(write_keras_0(tmp_path / "a.h5", [arrays])) as model:
        assert model.lstms[0].gates[letter].U.read().tolist() == arrays[3 * place + 1].tolist()


def test_arrays_are_sorted_by_number_not_alphabetically(tmp_path: Path) -> None:
    with lstmdump.open(write_keras_0(tmp_path / "a.h5", [keras_0_lstm()])) as model:
        tensors = [weight.tensor.name for weight in model.lstms[0].weights]
    assert tensors == [f"layer_0/param_{n}" for n in range(12)]


def test_nine_arrays_are_a_gru(tmp_path: Path) -> None:
    assert names(write_keras_0(tmp_path / "a.h5", [GRU])) == []


def test_a_graph_is_one_list_of_arrays(tmp_path: Path) -> None:
    arrays = [numbers(9, 3), *keras_0_lstm(), *keras_0_lstm(4, 5), numbers(5, 1), numbers(1)]
    assert names(write_keras_0(tmp_path / "a.h5", [arrays], graph=True)) == ["graph/param_1", "graph/param_13"]


def test_two_consecutive_lstms_of_one_size_are_two_layers(tmp_path: Path) -> None:
    arrays = [*keras_0_lstm(4, 4), *keras_0_lstm(4, 4, 1), numbers(4, 1)]
    path = write_keras_0(tmp_path / "a.h5", [arrays], graph=True)
    assert names(path) == ["graph/param_0", "graph/param_12"]


def test_three_grus_of_one_size_are_not_read_as_lstms(tmp_path: Path) -> None:
    path = write_keras_0(tmp_path / "a.h5", [[*GRU, *GRU, *GRU]], graph=True)
    assert names(path) == []


def test_an_ambiguous_run_of_arrays_belongs_to_no_layer_and_has_a_note(tmp_path: Path) -> None:
    arrays = [*keras_0_lstm(4, 4), *keras_0_lstm(4, 4, 1), *keras_0_lstm(4, 4, 2)]  # or four GRUs: 36 = 3·12 = 4·9
    with lstmdump.open(write_keras_0(tmp_path / "a.h5", [arrays], graph=True)) as model:
        assert "graph/param_0 and the 35 arrays after it may be LSTM or GRU layers" in model.model.notes[0]


def test_all_arrays_are_counted(tmp_path: Path) -> None:
    with lstmdump.open(write_keras_0(tmp_path / "a.h5", [[numbers(9, 3)], keras_0_lstm()])) as model:
        assert model.model.parameters == 9 * 3 + 4 * ((3 + 4) * 4 + 4)


def test_the_producer_is_keras_0(tmp_path: Path) -> None:
    with lstmdump.open(write_keras_0(tmp_path / "a.h5", [keras_0_lstm()])) as model:
        assert model.producer == "keras 0.x"


def test_an_array_that_is_counted_but_missing_is_refused(tmp_path: Path) -> None:
    path = write_keras_0(tmp_path / "a.h5", [keras_0_lstm()])
    builders.change(path, lambda file: file["layer_0"].attrs.modify("nb_params", 13))
    with pytest.raises(CorruptModel, match="layer_0 counts an array param_12"), lstmdump.open(path):
        pass


@pytest.mark.parametrize("count", [-1, 10**9, "many", np.zeros(2)])
def test_an_invalid_count_is_refused(count: object, tmp_path: Path) -> None:
    path = write_keras_0(tmp_path / "a.h5", [keras_0_lstm()])
    builders.change(path, lambda file: file.attrs.__setitem__("nb_layers", count))
    with pytest.raises(CorruptModel, match="is not a valid count"), lstmdump.open(path):
        pass


def test_twelve_arrays_of_a_graph_that_may_be_other_layers_have_a_note(tmp_path: Path) -> None:
    with lstmdump.open(write_keras_0(tmp_path / "a.h5", [keras_0_lstm(4, 4)], graph=True)) as model:
        assert model.model.notes[0] == (
            "graph: twelve arrays of one size, read as an LSTM; four SimpleRNN layers, or a GRU and a SimpleRNN, "
            "would look the same"
        )


def test_twelve_arrays_of_a_graph_with_another_input_width_are_an_lstm(tmp_path: Path) -> None:
    with lstmdump.open(write_keras_0(tmp_path / "a.h5", [keras_0_lstm(3, 4)], graph=True)) as model:
        assert model.model.notes == ("found by shape: the file holds no layer classes",)
