"""What the layers around an LSTM state: first states, the next cell of a stack, TimeDistributed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lstmdump
from lstmdump.readers.keras.architecture.config import find_first_states, parse_architecture

TESTS = Path(__file__).parents[3]


def settings_of(path: Path, layer: str) -> Any:
    with lstmdump.open(path) as model:
        return next(lstm.settings for lstm in model.lstms if lstm.name == layer)


def tensor(name: str, output: int) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": [name, 0, output]}}


@pytest.mark.parametrize(
    ("nodes", "config", "names"),
    [
        ([[["x", 0, 0, {}], ["enc", 0, 1, {}], ["enc", 0, 2, {}]]], {}, ["enc"]),
        ([[["x", 0, 0], ["h", 0, 0], ["c", 0, 0]]], {}, ["h", "c"]),
        ([[["x", 0, 0, {}], ["h", 0, 0, {}], ["c", 0, 0, {}], ["seen", 0, 0, {}]]], {"num_constants": 1}, ["h", "c"]),
        ([[["x", 0, 0, {"initial_state": [["h", 0, 0], ["c", 0, 0]]}]]], {}, ["h", "c"]),
        ([{"args": [tensor("x", 0)], "kwargs": {"initial_state": [tensor("enc", 1), tensor("enc", 2)]}}], {}, ["enc"]),
        ([{"args": [tensor("x", 0), [tensor("h", 0), tensor("c", 0)]], "kwargs": {"mask": None}}], {}, ["h", "c"]),
        ([{"args": [tensor("x", 0)], "kwargs": {"mask": tensor("m", 0), "initial_state": None}}], {}, []),
        ([[["x", 0, 0, {}]]], {}, []),
        ([["x", 0, 0]], {}, []),
        (None, {}, []),
        ("nonsense", {}, []),
        ([None, [7], [["x"]], {"args": 7, "kwargs": 7}], {}, []),
    ],
)
def test_first_states_are_found_in_the_calls_of_every_generation(
    nodes: object, config: dict[str, Any], names: list[str]
) -> None:
    assert list(find_first_states(nodes, config)) == names


def test_a_decoder_states_what_gives_its_first_states() -> None:
    assert settings_of(TESTS / "cases" / "s2s-keras2.15.keras", "dec").first_states_from == ("enc",)


def test_an_encoder_begins_with_0() -> None:
    assert settings_of(TESTS / "cases" / "s2s-keras2.15.keras", "enc").first_states_from == ()


def test_a_file_without_an_architecture_states_no_first_states() -> None:
    path = TESTS / "genuine" / "keras-3.15.1-weights-sgd_mom.weights.h5"
    with lstmdump.open(path) as model:
        assert {lstm.settings.first_states_from for lstm in model.lstms} == {None}


def test_a_lower_cell_states_the_cell_that_it_feeds() -> None:
    lower = settings_of(TESTS / "cases" / "rnn_of_cells-keras3.15.keras", "rnn/lstm_cell")
    assert (lower.feeds, lower.returned_units) == ("lstm_cell_1", 8)


def test_the_last_cell_feeds_no_other() -> None:
    upper = settings_of(TESTS / "cases" / "rnn_of_cells-keras3.15.keras", "rnn/lstm_cell_1")
    assert (upper.feeds, upper.returned_units) == (None, None)


def test_a_time_distributed_around_a_layer_is_counted_once() -> None:
    path = TESTS / "genuine" / "keras-3.6.0-model-td.keras"
    with lstmdump.open(path) as model:
        found = {lstm.name: lstm.settings.time_distributed for lstm in model.lstms}
    assert found == {"time_distributed/inner/lstm": 1, "lstm_1": None}


def test_calls_are_kept_as_they_are_stored() -> None:
    architecture = parse_architecture(
        '{"class_name": "LSTM", "config": {"name": "a"}, "name": "a", "inbound_nodes": [[["x", 0, 0]]]}'
    )
    assert architecture.inbound_nodes == [[["x", 0, 0]]]
