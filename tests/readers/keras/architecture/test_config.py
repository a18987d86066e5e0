"""Tests of the architecture JSON and of the settings of each layer, in every layout of Keras's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import builders
from support.builders import keras_2_weights, lstm_config, sequential, write

import lstmdump
from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.settings import InvalidSetting, LayerSettings
from lstmdump.readers.keras.architecture.config import NO_WRAPPERS, layer_settings, parse_architecture


def names(config: object) -> list[tuple[str | None, str]]:
    return [(layer.name, layer.kind) for layer in parse_architecture(json.dumps(config)).walk()]


def test_a_sequential_of_keras_1_is_a_list() -> None:
    config = {"class_name": "Sequential", "config": [lstm_config("lstm_1")]}
    assert names(config) == [(None, "Sequential"), ("lstm_1", "LSTM")]


def test_a_sequential_since_2_2_3_has_a_name() -> None:
    assert names(sequential(lstm_config("a"), name="net")) == [("net", "Sequential"), ("a", "LSTM")]


def test_wrappers_hold_their_layers() -> None:
    bidirectional = {"class_name": "Bidirectional", "config": {"name": "bi", "layer": lstm_config("a")}}
    assert names(sequential(bidirectional))[1:] == [("bi", "Bidirectional"), ("a", "LSTM")]


def halves(kind: str, **settings: object) -> list[tuple[str, str | None]]:
    layer = parse_architecture(json.dumps({"class_name": kind, "config": {"name": "bi", **settings}}))
    return [(direction, half.name) for direction, half in layer.halves()]


def test_one_layer_is_both_halves_of_a_bidirectional_that_states_one() -> None:
    assert halves("Bidirectional", layer=lstm_config("a")) == [("forward", "a"), ("backward", "a")]


def test_a_backward_layer_that_is_stated_is_the_backward_half() -> None:
    stated = {"layer": lstm_config("a"), "backward_layer": lstm_config("b")}
    assert halves("Bidirectional", **stated) == [("forward", "a"), ("backward", "b")]


def test_a_custom_class_with_a_merge_mode_has_halves() -> None:
    assert halves("demo>Both", layer=lstm_config("a"), merge_mode="sum") == [("forward", "a"), ("backward", "a")]


def test_another_wrapper_has_no_halves() -> None:
    assert halves("TimeDistributed", layer=lstm_config("a")) == []
    assert halves("Bidirectional") == []


def test_stacked_cells_are_children_of_their_stack() -> None:
    cells = [lstm_config("c1", kind="LSTMCell"), lstm_config("c2", kind="LSTMCell")]
    stack = {"class_name": "StackedRNNCells", "config": {"name": "stack", "cells": cells}}
    rnn = {"class_name": "RNN", "config": {"name": "rnn", "cell": stack}}
    assert [name for name, _ in names(sequential(rnn))] == ["sequential", "rnn", "stack", "c1", "c2"]


def test_initializers_and_dtype_policies_are_not_layers() -> None:
    lstm = lstm_config(
        "a",
        kernel_initializer={"class_name": "GlorotUniform", "config": {"name": "x"}},
        dtype={"class_name": "DTypePolicy", "config": {"name": "float32"}},
    )
    assert names(sequential(lstm)) == [("sequential", "Sequential"), ("a", "LSTM")]


def test_the_package_of_a_custom_class_is_dropped() -> None:
    assert names(sequential(lstm_config("a", kind="demo>MyLSTM")))[1] == ("a", "MyLSTM")


@pytest.mark.parametrize("text", ["{", "[1, 2]", "null", '{"class_name": 3}'])
def test_text_that_is_not_an_architecture_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptModel, match="model_config"):
        parse_architecture(text)


def nested(times: int) -> str:
    config: dict[str, object] = lstm_config("a")
    for _ in range(times):
        config = {"class_name": "TimeDistributed", "config": {"name": "t", "layer": config}}
    return json.dumps(config)


def test_layers_are_nested_up_to_the_limit() -> None:
    limits = DEFAULTS._replace(nesting=10)
    assert len(list(parse_architecture(nested(10), limits=limits).walk())) == 11
    with pytest.raises(RefusedModel, match="nests layers more than 10 deep; --limit nesting=20 allows it"):
        parse_architecture(nested(11), limits=limits)


def wrapped(kind: str, name: str, **settings: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **settings}}


def bidirectional(**settings: Any) -> dict[str, Any]:
    """Return the configuration of a Bidirectional named `bi`."""
    return wrapped("Bidirectional", "bi", **settings)


def found(path: Path) -> dict[str, LayerSettings]:
    """Return the settings of each LSTM in the file at `path`, by name."""
    with lstmdump.open(path) as model:
        return {one.name: one.settings for one in model.lstms}


def in_h5(path: Path, layer: dict[str, Any], *scopes: str) -> dict[str, LayerSettings]:
    """Return the settings in a Keras 2 `.h5` of one `layer`, whose arrays are in these `scopes`."""
    name = layer["config"]["name"]
    weights = [weight for seed, scope in enumerate(scopes) for weight in keras_2_weights(scope, 4, 4, seed=seed)]
    return found(write(path / "a.h5", {name: weights}, config=sequential(layer)))


def in_zip(path: Path, layer: dict[str, Any], *groups: str, version: str = "3.9.0") -> dict[str, LayerSettings]:
    """Return the settings in a `.keras` of one `layer`, whose arrays are in these `groups`."""
    arrays = {group: builders.cell(4, 4, seed) for seed, group in enumerate(groups)}
    return found(builders.keras_zip(path / "a.keras", sequential(layer), arrays, version=version))


def test_the_settings_of_a_layer_are_its_configuration(tmp_path: Path) -> None:
    layer = lstm_config("lstm", activation="relu", go_backwards=True)
    settings = {"activation": "relu", "recurrent_activation": "sigmoid", "go_backwards": True, "first_states_from": ()}
    expected = {"lstm": LayerSettings(is_described=True, **settings)}
    assert in_h5(tmp_path, layer, "lstm/lstm_cell") == expected
    assert in_zip(tmp_path, layer, "layers/lstm/cell") == expected


def test_a_file_of_weights_alone_has_no_settings(tmp_path: Path) -> None:
    assert found(write(tmp_path / "a.h5", {"lstm": keras_2_weights("lstm")})) == {"lstm": LayerSettings()}
    (settings,) = found(builders.saved(tmp_path / "b.h5", {"layers/lstm/cell": builders.cell()})).values()
    assert settings == LayerSettings()


HALVES_H5 = ("bi/forward_lstm/lstm_cell_1", "bi/backward_lstm/lstm_cell_2")
HALVES_ZIP = ("layers/bidirectional/forward_layer/cell", "layers/bidirectional/backward_layer/cell")
HALVES = ["bi/forward_lstm", "bi/backward_lstm"]


def ways(settings: dict[str, LayerSettings]) -> list[tuple[str, Any]]:
    assert list(settings) == HALVES
    return [(one.direction, one.go_backwards) for one in settings.values()]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_backward_half_reverses_the_direction_of_the_stated_layer(backwards: bool, tmp_path: Path) -> None:
    layer = bidirectional(layer=lstm_config("lstm", go_backwards=backwards))
    expected = [("forward", backwards), ("backward", not backwards)]
    assert ways(in_h5(tmp_path, layer, *HALVES_H5)) == expected
    assert ways(in_zip(tmp_path, layer, *HALVES_ZIP, version="2.15.0")) == expected


def test_a_stated_backward_layer_keeps_its_direction(tmp_path: Path) -> None:
    halves = {"layer": lstm_config("lstm", go_backwards=False),
              "backward_layer": lstm_config("lstm", go_backwards=True, activation="relu")}  # fmt: skip
    for settings in (
        in_h5(tmp_path, bidirectional(**halves), *HALVES_H5),
        in_zip(tmp_path, bidirectional(**halves), *HALVES_ZIP, version="2.15.0"),
    ):
        assert ways(settings) == [("forward", False), ("backward", True)]
        assert [one.activation for one in settings.values()] == [None, "relu"]


def test_an_invalid_go_backwards_is_an_invalid_setting(tmp_path: Path) -> None:
    settings = in_h5(tmp_path, bidirectional(layer=lstm_config("lstm", go_backwards="yes")), *HALVES_H5)
    assert [one.go_backwards for one in settings.values()] == 2 * [
        InvalidSetting("go_backwards", "yes", "neither true nor false")
    ]


def rnn(cell: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return wrapped("RNN", "rnn", cell=cell, **settings)


def test_a_cell_has_its_own_activations_and_the_direction_of_the_rnn_around_it(tmp_path: Path) -> None:
    cell = lstm_config("lstm_cell", kind="LSTMCell", activation="relu")
    around = {"go_backwards": True, "return_sequences": True, "stateful": False, "unroll": True}
    own = {"activation": "relu", "recurrent_activation": "sigmoid", "first_states_from": ()}
    expected = {"rnn": LayerSettings(is_described=True, zero_output_for_mask=False, **own, **around)}
    assert in_h5(tmp_path, rnn(cell, zero_output_for_mask=False, **around), "rnn/lstm_cell") == expected
    assert in_zip(tmp_path, rnn(cell, zero_output_for_mask=False, **around), "layers/rnn/cell") == expected


def stack(*names: str) -> dict[str, Any]:
    cells = [lstm_config(name, kind="LSTMCell") for name in names]
    return wrapped("StackedRNNCells", "stacked_rnn_cells", cells=cells)


def test_only_the_first_of_stacked_cells_that_go_backwards_reverses_the_order(tmp_path: Path) -> None:
    layer = rnn(stack("one", "two"), go_backwards=True)
    for settings in (
        in_h5(tmp_path, layer, "rnn/one", "rnn/two"),
        in_zip(tmp_path, layer, "layers/rnn/cell/cells/lstm_cell", "layers/rnn/cell/cells/lstm_cell_1"),
    ):
        assert [one.go_backwards for one in settings.values()] == [True, False]


def test_all_stacked_cells_of_a_backward_half_go_backwards_and_are_aligned(tmp_path: Path) -> None:
    layer = bidirectional(layer=rnn(stack("one", "two"), go_backwards=False))
    scopes = [f"bi/{way}_rnn/{cell}" for way in ("forward", "backward") for cell in ("one", "two")]
    settings = in_h5(tmp_path, layer, *scopes)
    assert [(one.direction, one.go_backwards) for one in settings.values()] == [
        ("forward", False), ("forward", False), ("backward", True), ("backward", True)
    ]  # fmt: skip


def test_layers_within_a_layer_or_a_model_have_their_own_settings(tmp_path: Path) -> None:
    inner = sequential(lstm_config("lstm", activation="relu"), name="inner")
    layer = wrapped("TimeDistributed", "td", layer=inner, go_backwards=True)
    (settings,) = in_h5(tmp_path, layer, "td/lstm/lstm_cell").values()
    own = {"activation": "relu", "recurrent_activation": "sigmoid", "first_states_from": (), "time_distributed": 1}
    assert settings == LayerSettings(is_described=True, **own)


def test_a_custom_class_has_the_settings_of_its_configuration(tmp_path: Path) -> None:
    layer = lstm_config("mine", kind="demo>MyLSTM", activation="relu")
    assert in_h5(tmp_path, layer, "mine/lstm_cell") == {
        "mine": LayerSettings(
            is_described=True, activation="relu", recurrent_activation="sigmoid", first_states_from=()
        )
    }


@pytest.mark.parametrize("said", ["x", [1.0], True, float("nan"), pytest.param(10**400, id="too large")])
def test_a_forget_bias_that_is_no_number_is_not_known(said: object) -> None:
    assert layer_settings({"forget_bias": said}, NO_WRAPPERS).forget_bias is None


def test_a_forget_bias_is_known_before_the_settings_are_worked_out() -> None:
    assert layer_settings({"forget_bias": 2}, NO_WRAPPERS).forget_bias == 2.0
