from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support import builders
from support.cells import changed
from support.settings import stated

import lstmdump
from lstmdump.lstm import LSTM
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.model.settings import DeferredSettings, LayerSettings
from lstmdump.report.explain.section import Section, Subject
from lstmdump.report.explain.time_steps import data, direction, returned, states, time

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lstm(tmp_path: Path) -> LSTM:
    """4 units on 3 inputs."""
    with lstmdump.open(builders.one_lstm(tmp_path / "a.h5")) as model:
        return model.lstms[0]


def on(lstm: LSTM, settings: Mapping[str, Any] | None = None, *, half: str | None = None, **behaviour: Any) -> Subject:
    return Subject(changed(lstm, stated=stated(settings or {}, half)), Behaviour(**behaviour))


def text(section: Section | None) -> str:
    assert section is not None
    return "\n".join(line.text for line in section.lines)


def test_time_steps_are_in_the_data_but_not_in_any_shape(lstm: LSTM) -> None:
    assert text(time(on(lstm))).startswith("In no shape. The data is (batch, time_steps, 3);")


def test_the_influence_of_a_step_is_that_on_the_prediction_or_on_the_layer(lstm: LSTM) -> None:
    words = text(time(on(lstm)))
    assert "lstmdump lags MODEL -i x.npy gives its influence on the prediction, through all layers behind" in words
    assert "with --of LAYER, that on the last h of a layer" in words


def with_settings(lstm: LSTM, **settings: Any) -> Subject:
    made = LayerSettings(is_described=True, return_sequences=True, return_state=False, **settings)
    return Subject(changed(lstm, stated=DeferredSettings(lambda: made)), Behaviour())


def test_a_time_distributed_adds_an_axis_to_every_shape_of_data(lstm: LSTM) -> None:
    made = with_settings(lstm, time_distributed=1, time_steps=6)
    assert "The data is (batch, n, time_steps, 3); " in text(time(made))
    assert text(data(made)).startswith("(batch, n, 6, 3), ")
    assert "both are (batch, n, 4)" in text(states(made))
    assert "h of every step, (batch, n, time_steps, 4)" in text(returned(made))


def test_two_time_distributed_add_two_axes(lstm: LSTM) -> None:
    assert "(batch, n1, n2, time_steps, 3)" in text(time(with_settings(lstm, time_distributed=2)))


def test_a_cell_that_feeds_another_does_not_claim_to_be_returned(lstm: LSTM) -> None:
    words = text(returned(with_settings(lstm, feeds="upper", returned_units=8)))
    assert words == (
        "At every step, h goes to the next cell, upper. The layer around them returns h of the last cell only; with "
        "return_sequences=True, return_state=False: h of every step, (batch, time_steps, 8)."
    )
    assert "h of the last cell of the stack, not of this one" in text(states(with_settings(lstm, feeds="upper")))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "Before the first step they are 0, unless the model gives others (initial_state)."),
        ({"first_states_from": ()}, "Before the first step they are 0."),
        ({"first_states_from": ("enc", "h_in")}, "Before the first step they are given by enc and h_in (initial_state)."),
        ({"first_states_from": (), "stateful": True},
         "Before the first step they are the last ones of the batch before (stateful), and 0 at the beginning."),
        ({"stored_states": ("states/0", "states/1")},
         "they are the last ones of the batch before (stateful), and 0 at the beginning. The file holds the last ones."),
    ],
)  # fmt: skip
def test_first_states_are_those_that_the_file_states(lstm: LSTM, settings: dict[str, Any], words: str) -> None:
    assert words in text(states(with_settings(lstm, **settings)))


def test_the_steps_behind_the_length_of_a_sequence_are_explained(lstm: LSTM) -> None:
    given = with_settings(lstm, sequence_lengths_from="lengths")
    assert "Steps behind the length of a sequence (sequence_length, from lengths) are skipped" in text(states(given))
    assert "length of a sequence" not in text(states(with_settings(lstm, sequence_lengths_from="")))


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_input_shape": [None, 9, 3]},
        {"batch_shape": (None, 9, 3)},
        {"batch_input_shape": {"class_name": "__tuple__", "items": [None, 9, 3]}},
    ],
)
def test_the_shape_of_the_data_is_that_of_the_configuration(lstm: LSTM, settings: dict[str, Any]) -> None:
    assert text(data(on(lstm, settings))).startswith("(batch, 9, 3), according to the configuration.")


@pytest.mark.parametrize(
    "shape", [None, [None, None, 3], [None, 9], "9", {"items": 9}, [None, True, 3], [None, -1, 3], [None, 10**99, 3]]
)
def test_an_unusual_shape_of_the_data_is_left_out(lstm: LSTM, shape: object) -> None:
    assert data(on(lstm, {"batch_input_shape": shape})) is None


def test_a_forward_layer_has_no_section_on_its_direction(lstm: LSTM) -> None:
    assert direction(on(lstm)) is None


def test_the_direction_of_a_backward_layer_is_explained(lstm: LSTM) -> None:
    assert text(direction(on(lstm, go_backwards=True))).startswith("From the last step to the first (go_backwards)")


@pytest.mark.parametrize(("half", "backwards"), [("forward", False), ("backward", True)])
def test_both_halves_of_a_bidirectional_have_the_same_text(lstm: LSTM, half: str, backwards: bool) -> None:
    words = text(direction(on(lstm, half=half, go_backwards=backwards, is_aligned=backwards)))
    assert (
        "the forward half goes from the first step to the last, the backward half from the last to the first" in words
    )


def test_a_half_with_the_other_direction_is_explained(lstm: LSTM) -> None:
    words = text(direction(on(lstm, half="forward", go_backwards=True, is_aligned=True)))
    assert words == "From the last step to the first. It is the forward half of a Bidirectional."


def test_h_and_c_have_their_shapes(lstm: LSTM) -> None:
    words = text(states(on(lstm)))
    assert words.startswith("h (4,) is the output of a step, c (4,) the cell state")
    assert "both are (batch, 4)" in words


def test_a_projected_h_is_narrower_than_c() -> None:
    with lstmdump.open(ROOT / "tests" / "genuine" / "keras-2.12.0-tf1_ckpt-lstm_peephole_proj") as model:
        words = text(states(Subject(model.lstms[0], Behaviour())))
    assert "they are (batch, 4) and (batch, 6)" in words


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("return_sequences=False", "h of the last step, (batch, 4)"),
        ("return_sequences=True", "h of every step, (batch, time_steps, 4)"),
        ("return_state=True", "also the last h and the last c, (batch, 4) each"),
    ],
)
def test_what_keras_can_return_is_listed(lstm: LSTM, option: str, given: str) -> None:
    lines = [line.text for line in states(on(lstm)).lines if line.is_row]
    assert any(line.startswith(option) and line.endswith(given) for line in lines)


def test_the_command_for_c_of_every_step_is_given(lstm: LSTM) -> None:
    assert "lstmdump trace MODEL -i x.npy -o states.npz" in text(states(on(lstm)))


def test_tensorflow_1_has_its_own_text_on_returned_states() -> None:
    with lstmdump.open(ROOT / "sample_models" / "tf-1.12-basic-lstm-cell") as model:
        words = text(states(Subject(model.lstms[0], Behaviour())))
    assert "dynamic_rnn" in words
    assert "return_sequences" not in words


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        ({"return_sequences": True, "return_state": True},
         "h of every step, (batch, time_steps, 4), and the last h and the last c, (batch, 4) each."),
        ({"return_sequences": False, "return_state": False}, "h of the last step, (batch, 4)."),
        ({"return_sequences": False}, "return_sequences=False: h of the last step, (batch, 4)."),
    ],
)  # fmt: skip
def test_what_the_layer_returns_is_explained(lstm: LSTM, settings: dict[str, Any], given: str) -> None:
    assert text(returned(on(lstm, settings))).endswith(given)


@pytest.mark.parametrize("settings", [{}, {"return_sequences": "yes"}, {"return_sequences": True, "return_state": 1}])
def test_invalid_settings_are_not_explained(lstm: LSTM, settings: dict[str, Any]) -> None:
    assert returned(on(lstm, settings)) is None


def test_a_node_of_onnx_gives_three_outputs() -> None:
    with lstmdump.open(ROOT / "sample_models" / "torch-2.13-net.onnx") as model:
        words = text(states(Subject(model.lstms[0], Behaviour())))
    assert "A node LSTM gives Y, h of every step, (time_steps, directions, batch, 6), and Y_h and Y_c" in words
