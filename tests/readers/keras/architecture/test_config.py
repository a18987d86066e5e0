from __future__ import annotations

import json

import pytest
from support import builders

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.readers.keras.architecture.config import parse


def names(config: object) -> list[tuple[str | None, str]]:
    return [(layer.name, layer.kind) for layer in parse(json.dumps(config)).walk()]


def test_a_sequential_of_keras_1_is_a_bare_list() -> None:
    config = {"class_name": "Sequential", "config": [builders.lstm_config("lstm_1")]}
    assert names(config) == [(None, "Sequential"), ("lstm_1", "LSTM")]


def test_a_sequential_since_2_2_3_has_a_name() -> None:
    assert names(builders.sequential(builders.lstm_config("a"), name="net")) == [("net", "Sequential"), ("a", "LSTM")]


def test_wrappers_hold_their_layers() -> None:
    bidirectional = {"class_name": "Bidirectional", "config": {"name": "bi", "layer": builders.lstm_config("a")}}
    assert names(builders.sequential(bidirectional))[1:] == [("bi", "Bidirectional"), ("a", "LSTM")]


def test_stacked_cells_are_held_by_their_stack() -> None:
    cells = [builders.lstm_config("c1", kind="LSTMCell"), builders.lstm_config("c2", kind="LSTMCell")]
    stack = {"class_name": "StackedRNNCells", "config": {"name": "stack", "cells": cells}}
    rnn = {"class_name": "RNN", "config": {"name": "rnn", "cell": stack}}
    assert [name for name, _ in names(builders.sequential(rnn))] == ["sequential", "rnn", "stack", "c1", "c2"]


def test_initializers_and_dtype_policies_are_no_layers() -> None:
    lstm = builders.lstm_config(
        "a",
        kernel_initializer={"class_name": "GlorotUniform", "config": {"name": "x"}},
        dtype={"class_name": "DTypePolicy", "config": {"name": "float32"}},
    )
    assert names(builders.sequential(lstm)) == [("sequential", "Sequential"), ("a", "LSTM")]


def test_the_package_of_a_custom_class_is_no_part_of_its_name() -> None:
    assert names(builders.sequential(builders.lstm_config("a", kind="demo>MyLSTM")))[1] == ("a", "MyLSTM")


@pytest.mark.parametrize("text", ["{", "[1, 2]", "null", '{"class_name": 3}'])
def test_what_is_no_architecture_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptModel, match="model_config"):
        parse(text)


def nested(times: int) -> str:
    config: dict[str, object] = builders.lstm_config("a")
    for _ in range(times):
        config = {"class_name": "TimeDistributed", "config": {"name": "t", "layer": config}}
    return json.dumps(config)


def test_layers_are_nested_up_to_the_limit() -> None:
    limits = DEFAULTS._replace(nesting=10)
    assert len(list(parse(nested(10), limits=limits).walk())) == 11
    with pytest.raises(RefusedModel, match="nests layers more than 10 deep; --limit nesting=20 allows it"):
        parse(nested(11), limits=limits)
