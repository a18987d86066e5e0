from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import builders
from support.builders import keras_1_weights, keras_2_weights, lstm_config, numbers, sequential, write

import lstmdump
from lstmdump.errors import CorruptModel, NotAnLSTM, RefusedModel, UnknownFormat
from lstmdump.model.limits import Limits


def names(path: Path) -> list[str]:
    with lstmdump.open(path) as model:
        return [lstm.name for lstm in model.lstms]


def kinds(path: Path) -> list[str]:
    with lstmdump.open(path) as model:
        return [lstm.kind for lstm in model.lstms]


def gate(path: Path, letter: str, array: str) -> Any:
    with lstmdump.open(path) as model:
        return getattr(model.lstms[0].gates[letter], array).read()


def bidirectional(name: str, layer: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"class_name": "Bidirectional", "config": {"name": name, "layer": layer, **settings}}


# --- the producer


@pytest.mark.parametrize(
    ("version", "backend", "suffix", "expected"),
    [
        ("2.2.4", "tensorflow", ":0", "keras 2.2.4 (tensorflow)"),
        ("2.0.6", "cntk", "", "keras 2.0.6 (cntk)"),
        ("1.2.2", None, ":0", "keras 1.2.2 (tensorflow)"),
        (None, None, ":0", "keras 1.x (tensorflow)"),
        (None, None, "", "keras 1.x (theano)"),
    ],
)
def test_the_producer_is_derived_from_attributes_and_names_of_arrays(
    version: str | None, backend: str | None, suffix: str, expected: str, tmp_path: Path
) -> None:
    weights = keras_1_weights("lstm_1", suffix=suffix)
    path = write(tmp_path / "a.h5", {"lstm_1": weights}, version=version, backend=backend)
    with lstmdump.open(path) as model:
        assert model.producer == expected


def test_a_file_of_weights_alone_has_a_note_on_missing_classes(tmp_path: Path) -> None:
    with lstmdump.open(write(tmp_path / "a.h5", {"lstm_1": keras_2_weights("lstm_1")})) as model:
        assert model.model.notes == ("found by shape: the file holds no layer classes",)


# --- gates


def test_the_same_numbers_give_the_same_gates_from_twelve_arrays_and_from_three(tmp_path: Path) -> None:
    twelve = write(tmp_path / "1.h5", {"lstm_1": keras_1_weights("lstm_1", seed=7)}, version=None, backend=None)
    three = write(tmp_path / "2.h5", {"lstm_1": keras_2_weights("lstm_1", seed=7)})
    for letter in "ifco":
        for array in "WUb":
            assert gate(twelve, letter, array).tolist() == gate(three, letter, array).tolist()


def test_the_fused_arrays_of_keras_1_are_in_the_order_of_keras_2(tmp_path: Path) -> None:
    made = builders.gates(3, 4)
    stored = dict(zip("WUb", builders.fused(made, "ifco").values(), strict=True))
    path = write(tmp_path / "a.h5", {"l": [(f"l_{a}:0", v) for a, v in stored.items()]}, version=None, backend=None)
    assert gate(path, "c", "U").tolist() == made["U_c"].tolist()


@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}, {"chunks": True}])
def test_compressed_and_chunked_arrays_are_read(options: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {"lstm_1": keras_2_weights("lstm_1")}, **options)
    assert gate(path, "o", "W").tolist() == builders.gates(3, 4)["W_o"].tolist()


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_float_types_are_kept(dtype: str, tmp_path: Path) -> None:
    weights = [(name, values.astype(dtype)) for name, values in keras_2_weights("lstm_1")]
    path = write(tmp_path / "a.h5", {"lstm_1": weights})
    assert gate(path, "f", "b").dtype == dtype


def test_bfloat16_is_read_if_the_config_states_it_or_is_missing(tmp_path: Path) -> None:
    weights = [(name, np.zeros(values.shape, "V2")) for name, values in keras_2_weights("lstm_1")]
    config = sequential(lstm_config("lstm_1", dtype="float32"))
    with (
        pytest.raises(NotAnLSTM, match="not floating-point"),
        lstmdump.open(write(tmp_path / "a.h5", {"lstm_1": weights}, config=config)),
    ):
        pass
    config = sequential(lstm_config("lstm_1", dtype="bfloat16"))
    assert gate(write(tmp_path / "b.h5", {"lstm_1": weights}, config=config), "i", "b").dtype == np.float32
    assert gate(write(tmp_path / "c.h5", {"lstm_1": weights}), "i", "b").dtype == np.float32


def test_a_layer_without_bias_has_gates_without_bias(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {"lstm_1": keras_2_weights("lstm_1")[:2]})
    with lstmdump.open(path) as model:
        assert model.lstms[0].gates["f"].b is None


# --- names


def test_layers_are_in_model_order_not_alphabetical(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {name: keras_2_weights(name) for name in ("zeta", "alpha", "mid")})
    assert names(path) == ["zeta", "alpha", "mid"]


def test_a_layer_whose_scope_is_within_another_layer_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {name: keras_2_weights(name) for name in ("enc/lstm", "enc/lstm/deep")})
    assert names(path) == ["enc/lstm", "enc/lstm/deep"]


def test_the_automatic_name_of_a_cell_is_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {"lstm": keras_2_weights("lstm/lstm_cell_5")}, version="2.4.0")
    assert names(path) == ["lstm"]


def test_the_name_of_a_cell_that_the_user_chose_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {"rnn": keras_2_weights("rnn/encoder_cell")}, version="2.4.0")
    assert names(path) == ["rnn/encoder_cell"]


def test_cells_side_by_side_keep_their_names(tmp_path: Path) -> None:
    weights = keras_2_weights("rnn/stack/lstm_cell") + keras_2_weights("rnn/stack/lstm_cell_1", d=4, seed=1)
    assert names(write(tmp_path / "a.h5", {"rnn": weights})) == ["rnn/stack/lstm_cell", "rnn/stack/lstm_cell_1"]


def test_the_name_of_the_model_is_dropped(tmp_path: Path) -> None:
    weights = keras_2_weights("sequential/lstm/lstm_cell", suffix="")
    config = sequential(lstm_config("lstm"))
    assert names(write(tmp_path / "a.h5", {"lstm": weights}, version="3.4.0", config=config)) == ["lstm"]


def test_keras_3_0_has_bare_names(tmp_path: Path) -> None:
    weights = [(name.removeprefix("/"), values) for name, values in keras_2_weights("", suffix="")]
    path = write(tmp_path / "a.h5", {"one": weights, "two": weights}, version="3.0.5",
                 config=sequential(lstm_config("one"), lstm_config("two")))  # fmt: skip
    assert names(path) == ["one", "two"]


def test_a_nested_model_that_the_arrays_do_not_name_is_named_by_the_config(tmp_path: Path) -> None:
    inner = sequential(lstm_config("deep"), name="innermost")
    config = sequential(sequential(inner, lstm_config("mid"), name="middle"))
    weights = keras_2_weights("deep") + keras_2_weights("mid", d=4, seed=1)
    assert names(write(tmp_path / "a.h5", {"middle": weights}, config=config)) == [
        "middle/innermost/deep",
        "middle/mid",
    ]


def test_frozen_layers_are_stored_last_but_listed_in_model_order(tmp_path: Path) -> None:
    config = sequential(sequential(lstm_config("frozen"), lstm_config("free"), name="inner"))
    weights = keras_2_weights("free", d=4, seed=1) + keras_2_weights("frozen")
    assert names(write(tmp_path / "a.h5", {"inner": weights}, config=config)) == ["inner/frozen", "inner/free"]


def test_an_inner_sequential_without_a_name_is_named_after_its_group(tmp_path: Path) -> None:
    inner = {"class_name": "Sequential", "config": [lstm_config("lstm_1")]}
    config = {"class_name": "Sequential", "config": [inner]}
    path = write(tmp_path / "a.h5", {"sequential_1": keras_2_weights("lstm_1")}, config=config)
    assert names(path) == ["sequential_1/lstm_1"]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.0.2", ["x/forward", "x/backward"]),
        ("2.0.9", ["x/cell_0", "x/cell_1"]),
        ("2.2.4-tf", ["x/cell_0", "x/cell_1"]),
    ],
)
def test_numbered_arrays_are_directions_before_2_0_3_and_stacked_cells_since_2_0_9(
    version: str, expected: list[str], tmp_path: Path
) -> None:
    second = [(name.replace(":0", "_1:0"), values) for name, values in keras_2_weights("x", seed=1)]
    path = write(tmp_path / "a.h5", {"x": keras_2_weights("x") + second}, version=version)
    assert names(path) == expected


def test_numbered_arrays_follow_the_config(tmp_path: Path) -> None:
    second = [(name.replace(":0", "_1:0"), values) for name, values in keras_2_weights("x", seed=1)]
    config = sequential(bidirectional("x", lstm_config("lstm_1")))
    path = write(tmp_path / "a.h5", {"x": keras_2_weights("x") + second}, version="2.0.0", config=config)
    assert names(path) == ["x/forward_lstm_1", "x/backward_lstm_1"]


def test_directions_are_not_mixed_up(tmp_path: Path) -> None:
    config = sequential(bidirectional("bi", lstm_config("lstm")))
    weights = keras_2_weights("bi/backward_lstm", seed=2) + keras_2_weights("bi/forward_lstm", seed=1)
    path = write(tmp_path / "a.h5", {"bi": weights}, config=config)
    with lstmdump.open(path) as model:
        read = {lstm.name: lstm.gates["i"].b.read().tolist() for lstm in model.lstms if lstm.gates["i"].b}
    assert read == {
        "bi/forward_lstm": builders.gates(3, 4, 1)["b_i"].tolist(),
        "bi/backward_lstm": builders.gates(3, 4, 2)["b_i"].tolist(),
    }


def test_a_scope_renamed_by_the_session_identifies_the_layer(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {"lstm": keras_2_weights("lstm_7/lstm_cell_9")}, version="2.3.0-tf")
    assert names(path) == ["lstm"]


# --- classes


def test_a_cell_has_its_own_class(tmp_path: Path) -> None:
    rnn = {"class_name": "RNN", "config": {"name": "rnn", "cell": lstm_config("lstm_cell", kind="LSTMCell")}}
    path = write(tmp_path / "a.h5", {"rnn": keras_2_weights("rnn/lstm_cell")}, config=sequential(rnn))
    assert (names(path), kinds(path)) == (["rnn"], ["LSTMCell"])


def test_a_class_derived_from_lstm_keeps_its_name(tmp_path: Path) -> None:
    config = sequential(lstm_config("mine", kind="demo>MyLSTM"))
    assert kinds(write(tmp_path / "a.h5", {"mine": keras_2_weights("mine")}, config=config)) == ["MyLSTM"]


def test_an_lstm_within_a_custom_class_is_read(tmp_path: Path) -> None:
    config = sequential({"class_name": "demo>Block", "config": {"name": "block", "width": 4}})
    weights = [*keras_2_weights("net/block/lstm/lstm_cell", suffix=""), ("net/block/dense/kernel", numbers(4, 2))]
    path = write(tmp_path / "a.h5", {"block": weights}, config=config, version="3.4.0")
    assert (names(path), kinds(path)) == (["block/lstm"], ["LSTM"])


@pytest.mark.parametrize("columns", [3, 1])
def test_three_gates_or_one_gate_are_not_an_lstm(columns: int, tmp_path: Path) -> None:
    weights = [("x/kernel:0", numbers(3, 4 * columns)), ("x/recurrent_kernel:0", numbers(4, 4 * columns))]
    assert names(write(tmp_path / "a.h5", {"x": weights})) == []


def test_a_gru_of_four_units_is_not_an_lstm(tmp_path: Path) -> None:
    weights = [("g/kernel:0", numbers(3, 12)), ("g/recurrent_kernel:0", numbers(4, 12)), ("g/bias:0", numbers(12))]
    assert names(write(tmp_path / "a.h5", {"g": weights})) == []


def test_a_convolutional_lstm_is_not_read_as_an_lstm(tmp_path: Path) -> None:
    weights = [("c/kernel:0", numbers(3, 3, 2, 16)), ("c/recurrent_kernel:0", numbers(3, 3, 4, 16))]
    config = sequential({"class_name": "ConvLSTM2D", "config": {"name": "c", "filters": 4}})
    assert names(write(tmp_path / "a.h5", {"c": weights}, config=config)) == []


def test_optimizer_slots_are_not_layers(model: Path) -> None:
    def add(file: h5py.File) -> None:
        for name, values in keras_2_weights("optimizer_weights/Adam/m/lstm_1"):
            file[name] = values

    assert names(builders.change(model, add)) == ["lstm_1"]


def test_a_shared_layer_with_a_number_in_the_config_is_counted_once(tmp_path: Path) -> None:
    shared = {**lstm_config("sh"), "shared_object_id": 7}
    config = sequential(sequential(shared, name="m1"), sequential(shared, name="m2"))
    layers = {"m1": keras_2_weights("sh"), "m2": keras_2_weights("sh")}
    with lstmdump.open(write(tmp_path / "a.h5", layers, config=config)) as model:
        assert ([lstm.name for lstm in model.lstms], model.model.parameters) == (["m1/sh"], 4 * ((3 + 4) * 4 + 4))


def test_two_layers_with_the_same_full_name_leave_the_total_unknown(tmp_path: Path) -> None:
    layers = {"m1": keras_2_weights("sh"), "m2": keras_2_weights("sh")}
    with lstmdump.open(write(tmp_path / "a.h5", layers)) as model:
        assert (model.model.parameters, model.model.notes[1]) == (
            None,
            "m1/sh and m2/sh have the same name and shape: they may be one shared layer, stored twice and not marked",
        )


def test_seeds_are_not_parameters(tmp_path: Path) -> None:
    layers = {"lstm": keras_2_weights("lstm"), "drop": [("drop/seed_generator_state", np.zeros(2, "i8"))]}
    with lstmdump.open(write(tmp_path / "a.h5", layers)) as model:
        assert model.model.parameters == 4 * ((3 + 4) * 4 + 4)


def test_weights_of_the_model_itself_are_counted(model: Path) -> None:
    def add(file: h5py.File) -> None:
        group = file["model_weights"].create_group("top_level_model_weights")
        group.attrs["weight_names"] = np.array([b"scale:0"])
        group["scale:0"] = numbers(5)

    with lstmdump.open(builders.change(model, add)) as opened:
        assert opened.model.parameters == 128 + 5 + 5


# --- invalid files


def refuse(path: Path, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words), lstmdump.open(path):
        pass


def test_hdf5_that_keras_did_not_write_is_reported(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros(3)
    refuse(tmp_path / "a.h5", UnknownFormat, "HDF5, but not a Keras model: it has no layer_names; it holds data")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"units": 7}, "disagree on the units of lstm_1: 7 by the configuration, 4 by the arrays"),
        ({"use_bias": False}, "disagree on the bias of lstm_1: none by the configuration, one by the arrays"),
        (
            {"batch_input_shape": [None, 5, 9]},
            "disagree on the input of lstm_1: 9 by the configuration, 3 by the arrays",
        ),
    ],
)
def test_a_config_that_contradicts_the_arrays_is_refused(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    config = sequential(lstm_config("lstm_1", **settings))
    refuse(write(tmp_path / "a.h5", {"lstm_1": keras_2_weights("lstm_1")}, config=config), CorruptModel, words)


def test_a_class_that_contradicts_the_arrays_is_refused(tmp_path: Path) -> None:
    config = sequential(lstm_config("x", kind="GRU"))
    words = "disagree on the columns of x: 12 by the configuration, 16 by the arrays"
    refuse(write(tmp_path / "a.h5", {"x": keras_2_weights("x")}, config=config), CorruptModel, words)


def test_a_layer_of_class_lstm_must_have_the_shapes_of_one(tmp_path: Path) -> None:
    weights = [*keras_2_weights("x")[:2], ("x/bias:0", numbers(17))]
    words = r"x: bias is \(17,\), but an LSTM of 4 units on 3 inputs has \(16,\) = 4·4"
    refuse(write(tmp_path / "a.h5", {"x": weights}, config=sequential(lstm_config("x"))), NotAnLSTM, words)


def test_an_lstm_without_arrays_is_refused(tmp_path: Path) -> None:
    config = sequential(lstm_config("x"), lstm_config("y"))
    words = "names an LSTM layer y, but no arrays are stored for it"
    refuse(write(tmp_path / "a.h5", {"x": keras_2_weights("x"), "y": []}, config=config), CorruptModel, words)


def test_an_lstm_without_arrays_and_without_a_name_is_refused(tmp_path: Path) -> None:
    config = sequential({"class_name": "LSTM", "config": {"units": 4}})
    words = "names an LSTM layer without a name, but no arrays are stored for it"
    refuse(write(tmp_path / "a.h5", {"x": builders.dense("x")}, config=config), CorruptModel, words)


def test_a_layer_that_is_listed_but_missing_is_refused(model: Path) -> None:
    def remove(file: h5py.File) -> None:
        del file["model_weights/dense_1"]

    refuse(builders.change(model, remove), CorruptModel, "layer_names lists dense_1, but the file does not hold it")


def test_an_array_that_is_listed_but_missing_is_refused(model: Path) -> None:
    def remove(file: h5py.File) -> None:
        del file["model_weights/lstm_1/lstm_1/bias:0"]

    refuse(builders.change(model, remove), CorruptModel, "lists an array lstm_1/bias:0, but the file does not hold it")


def test_an_array_that_is_listed_twice_is_refused(model: Path) -> None:
    def repeat(file: h5py.File) -> None:
        group = file["model_weights/lstm_1"]
        group.attrs["weight_names"] = np.array([b"lstm_1/kernel:0", b"lstm_1/kernel:0"])

    refuse(builders.change(model, repeat), CorruptModel, "lists an array lstm_1/kernel:0 twice")


def test_a_model_without_its_weights_is_refused(model: Path) -> None:
    def remove(file: h5py.File) -> None:
        del file["model_weights"]

    refuse(builders.change(model, remove), CorruptModel, "but no group model_weights")


def test_a_link_out_of_the_file_is_refused(model: Path) -> None:
    def link(file: h5py.File) -> None:
        del file["model_weights/lstm_1/lstm_1/bias:0"]
        file["model_weights/lstm_1/lstm_1/bias:0"] = h5py.ExternalLink("/etc/passwd", "/x")

    refuse(builders.change(model, link), RefusedModel, "is a soft or external link")


# --- names and order by release


def numbered(scope: str, number: int, seed: int, leaves: int = 3) -> list[tuple[str, np.ndarray]]:
    """Return the weights of an LSTM as TensorFlow renames them in a used `scope`, where each name is counted alone."""
    suffix = f"_{number}" if number else ""
    return [(name.replace(":0", f"{suffix}:0"), v) for name, v in keras_2_weights(scope, seed=seed)][:leaves]


def biases(path: Path) -> dict[str, list[float]]:
    with lstmdump.open(path) as model:
        read = {lstm.name: lstm.gates["i"].b for lstm in model.lstms}
        return {name: bias.read().tolist() for name, bias in read.items() if bias is not None}


def test_frozen_layers_of_one_name_are_identified_by_being_stored_last(tmp_path: Path) -> None:
    frozen = sequential(lstm_config("lstm", trainable=False), name="enc")
    config = sequential(sequential(frozen, sequential(lstm_config("lstm"), name="dec"), name="pair"))
    weights = keras_2_weights("lstm/lstm_cell_1", seed=2) + keras_2_weights("lstm/lstm_cell", seed=1)
    path = write(tmp_path / "a.h5", {"pair": weights}, config=config)
    assert biases(path) == {
        "pair/enc/lstm": builders.gates(3, 4, 1)["b_i"].tolist(),
        "pair/dec/lstm": builders.gates(3, 4, 2)["b_i"].tolist(),
    }


def test_a_name_with_a_session_number_identifies_the_layer(tmp_path: Path) -> None:
    config = sequential(sequential(lstm_config("a", trainable=False), lstm_config("b"), name="inner"))
    weights = keras_2_weights("b_1", seed=2) + keras_2_weights("a_1", seed=1)
    path = write(tmp_path / "a.h5", {"inner": weights}, config=config)
    assert biases(path) == {
        "inner/a": builders.gates(3, 4, 1)["b_i"].tolist(),
        "inner/b": builders.gates(3, 4, 2)["b_i"].tolist(),
    }


@pytest.mark.parametrize("config", [None, sequential(bidirectional("bi", lstm_config("q")))])
def test_numbered_arrays_are_sorted_by_number(config: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {"bi": numbered("bi", 1, 2) + numbered("bi", 0, 1)}, config=config, version="2.0.0")
    assert list(biases(path).values()) == [
        builders.gates(3, 4, 1)["b_i"].tolist(), builders.gates(3, 4, 2)["b_i"].tolist()
    ]  # fmt: skip


def test_a_bias_belongs_to_the_cell_it_follows_whatever_its_number(tmp_path: Path) -> None:
    second = [*numbered("rnn", 1, 2, leaves=2), ("rnn/bias:0", builders.fused(builders.gates(3, 4, 2))["bias"])]
    path = write(tmp_path / "a.h5", {"rnn": numbered("rnn", 0, 1, leaves=2) + second})
    assert biases(path) == {"rnn/cell_1": builders.gates(3, 4, 2)["b_i"].tolist()}


def test_a_cell_in_a_stack_keeps_its_name_beside_cells_of_other_kinds(tmp_path: Path) -> None:
    cells = [{"class_name": "SimpleRNNCell", "config": {"name": "simple_rnn_cell", "units": 3}},
             lstm_config("lstm_cell", kind="LSTMCell")]  # fmt: skip
    stack = {"class_name": "StackedRNNCells", "config": {"name": "stacked_rnn_cells", "cells": cells}}
    config = sequential({"class_name": "RNN", "config": {"name": "rnn", "cell": stack}})
    simple = [("rnn/kernel:0", numbers(3, 3)), ("rnn/recurrent_kernel:0", numbers(3, 3)), ("rnn/bias:0", numbers(3))]
    path = write(tmp_path / "a.h5", {"rnn": simple + numbered("rnn", 1, 1)}, config=config)
    assert names(path) == ["rnn/lstm_cell"]


@pytest.mark.parametrize("scope", ["r/stacked_rnn_cells/lstm_cell", "r/lstm_cell", "r"])
def test_the_only_cell_of_a_layer_is_named_after_the_layer(scope: str, tmp_path: Path) -> None:
    assert names(write(tmp_path / "a.h5", {"r": keras_2_weights(scope)}, version="2.8.0")) == ["r"]


def test_the_automatic_name_of_a_stack_is_dropped(tmp_path: Path) -> None:
    scope = "rnn/stacked_rnn_cells_2/lstm_cell"
    weights = keras_2_weights(f"{scope}_4") + keras_2_weights(f"{scope}_5", d=4, seed=1)
    assert names(write(tmp_path / "a.h5", {"rnn": weights})) == ["rnn/lstm_cell_4", "rnn/lstm_cell_5"]


def test_the_layers_of_a_merge_have_its_name_in_their_paths(tmp_path: Path) -> None:
    parts = [{"class_name": "Model", "config": {"name": f"s{k}", "layers": [lstm_config(f"p{k}")]}} for k in (1, 2)]
    config = {"class_name": "Sequential", "config": [{"class_name": "Merge", "config": {"name": "m", "layers": parts}}]}
    layers = {"p1": keras_1_weights("p1"), "p2": keras_1_weights("p2")}
    assert names(write(tmp_path / "a.h5", layers, config=config, version="1.2.2")) == ["m/s1/p1", "m/s2/p2"]


def test_a_wrapper_derived_from_bidirectional_has_two_directions(tmp_path: Path) -> None:
    wrapper = bidirectional("mb", lstm_config("lstm"), merge_mode="concat")
    wrapper["class_name"] = "demo>MyBidirectional"
    weights = keras_2_weights("mb/forward_lstm") + keras_2_weights("mb/backward_lstm", seed=1)
    path = write(tmp_path / "a.h5", {"mb": weights}, config=sequential(wrapper))
    assert names(path) == ["mb/forward_lstm", "mb/backward_lstm"]


def test_a_layer_with_the_name_of_a_cell_keeps_it(tmp_path: Path) -> None:
    wrapper = {"class_name": "TimeDistributed", "config": {"name": "td", "layer": lstm_config("lstm_cell")}}
    path = write(tmp_path / "a.h5", {"td": keras_2_weights("td/lstm_cell_3")}, config=sequential(wrapper))
    assert names(path) == ["td/lstm_cell"]


def test_a_wrapper_with_the_name_of_its_layer_does_not_name_the_directions(tmp_path: Path) -> None:
    config = sequential(bidirectional("a", lstm_config("a")))
    path = write(tmp_path / "a.h5", {"a": numbered("a", 0, 1) + numbered("a", 1, 2)}, config=config, version="2.0.0")
    assert names(path) == ["a/forward_a", "a/backward_a"]


@pytest.mark.parametrize(
    ("layer", "backward", "expected"),
    [
        ("forward_x", None, ["b/forward_forward_x", "b/backward_forward_x"]),
        ("backward_q", "forward_q", ["b/forward_backward_q", "b/backward_forward_q"]),
    ],
)
def test_a_layer_with_a_direction_in_its_name_gets_another_prefix(
    layer: str, backward: str | None, expected: list[str], tmp_path: Path
) -> None:
    more = {} if backward is None else {"backward_layer": lstm_config(backward)}
    weights = [weight for k, name in enumerate(expected) for weight in keras_2_weights(name, seed=k)]
    config = sequential(bidirectional("b", lstm_config(layer), **more))
    assert names(write(tmp_path / "a.h5", {"b": weights}, config=config)) == expected


def test_a_wrapper_with_a_session_number_identifies_the_layer(tmp_path: Path) -> None:
    weights = keras_2_weights("b_3/forward_l") + keras_2_weights("b_3/backward_l", seed=1)
    assert names(write(tmp_path / "a.h5", {"b": weights})) == ["b/forward_l", "b/backward_l"]


def test_a_layer_with_the_name_of_the_models_own_group_is_counted_once(tmp_path: Path) -> None:
    name = "top_level_model_weights"
    with lstmdump.open(write(tmp_path / "a.h5", {name: keras_2_weights(name)})) as model:
        assert model.model.parameters == 4 * ((3 + 4) * 4 + 4)


def test_a_shared_layer_without_names_in_keras_3_0_leaves_the_total_unknown(tmp_path: Path) -> None:
    weights = [(name.removeprefix("/"), values) for name, values in keras_2_weights("", suffix="")]
    config = sequential(sequential(lstm_config("sh"), name="A"), sequential(lstm_config("sh"), name="B"))
    path = write(tmp_path / "a.h5", {"A": weights, "B": weights}, version="3.0.5", config=config)
    with lstmdump.open(path) as model:
        assert model.model.parameters is None


def test_peepholes_are_part_of_the_cell(tmp_path: Path) -> None:
    peepholes = {letter: numbers(4, seed=k) for k, letter in enumerate("ifo")}
    gate_names = {"i": "input", "f": "forget", "o": "output"}
    extra = [(f"rnn/{gate_names[letter]}_gate_peephole_weights:0", values) for letter, values in peepholes.items()]
    with lstmdump.open(write(tmp_path / "a.h5", {"rnn": keras_2_weights("rnn") + extra})) as model:
        (lstm,) = model.lstms
        assert (lstm.peepholes, lstm.parameters, lstm.notes) == (True, 4 * ((3 + 4) * 4 + 4) + 3 * 4, ())
        read = {letter: gate.V.read().tolist() for letter, gate in lstm.gates.items() if gate.V is not None}
    assert read == {letter: values.tolist() for letter, values in peepholes.items()}


def test_a_frozen_layer_is_distinguished_from_one_whose_name_the_session_kept(tmp_path: Path) -> None:
    frozen = sequential(lstm_config("lstm", trainable=False), name="enc")
    config = sequential(sequential(frozen, sequential(lstm_config("lstm"), name="dec"), name="pair"))
    weights = keras_2_weights("lstm_1", seed=2) + keras_2_weights("lstm", seed=1)
    path = write(tmp_path / "a.h5", {"pair": weights}, config=config, version="2.3.0-tf")
    assert biases(path) == {
        "pair/enc/lstm": builders.gates(3, 4, 1)["b_i"].tolist(),
        "pair/dec/lstm": builders.gates(3, 4, 2)["b_i"].tolist(),
    }


def test_layers_of_an_unmarked_frozen_model_are_identified_by_session_numbers(tmp_path: Path) -> None:
    inner = [sequential(lstm_config("lstm"), name=name) for name in ("enc", "dec")]
    weights = keras_2_weights("lstm_5", seed=2) + keras_2_weights("lstm_4", seed=1)  # enc was frozen as a whole
    config = sequential(sequential(*inner, name="pair"))
    path = write(tmp_path / "a.h5", {"pair": weights}, config=config, version="2.2.4")
    assert biases(path) == {
        "pair/enc/lstm": builders.gates(3, 4, 1)["b_i"].tolist(),
        "pair/dec/lstm": builders.gates(3, 4, 2)["b_i"].tolist(),
    }


def test_directions_without_names_are_named_as_keras_2_named_them(tmp_path: Path) -> None:
    config = sequential(bidirectional("b", lstm_config("forward_x")))
    path = write(tmp_path / "a.h5", {"b": numbered("b", 0, 1) + numbered("b", 1, 2)}, config=config, version="2.0.0")
    assert names(path) == ["b/forward_forward_x", "b/backward_forward_x"]


def test_a_layer_shared_by_model_and_submodel_leaves_the_total_unknown_in_keras_3_0(tmp_path: Path) -> None:
    weights = [(name.removeprefix("/"), values) for name, values in keras_2_weights("", suffix="")]
    config = sequential(sequential(lstm_config("sh"), name="A"), lstm_config("sh"))
    path = write(tmp_path / "a.h5", {"A": weights, "sh": weights}, version="3.0.5", config=config)
    with lstmdump.open(path) as model:
        assert model.model.parameters is None


def test_a_direction_is_named_below_its_wrapper_of_the_same_name(tmp_path: Path) -> None:
    config = sequential(
        bidirectional("forward_lstm", lstm_config("forward_lstm"), backward_layer=lstm_config("backward_lstm"))
    )
    weights = [weight for turn in ("forward", "backward")
               for weight in keras_2_weights(f"net/forward_lstm/{turn}_lstm/lstm_cell", suffix="")]  # fmt: skip
    path = write(tmp_path / "a.h5", {"forward_lstm": weights}, config=config, version="3.15.1")
    assert names(path) == ["forward_lstm/forward_lstm", "forward_lstm/backward_lstm"]


def test_layers_with_the_names_of_cells_keep_their_order(tmp_path: Path) -> None:
    config = sequential(sequential(lstm_config("lstm_cell"), lstm_config("lstm_cell_1"), name="sub"))
    weights = keras_2_weights("sub/lstm_cell/lstm_cell", seed=1) + keras_2_weights("sub/lstm_cell_1/lstm_cell", seed=2)
    path = write(tmp_path / "a.h5", {"sub": weights}, config=config, version="3.15.1")
    assert biases(path) == {
        "sub/lstm_cell": builders.gates(3, 4, 1)["b_i"].tolist(),
        "sub/lstm_cell_1": builders.gates(3, 4, 2)["b_i"].tolist(),
    }


def test_an_array_of_keras_1_that_an_lstm_does_not_have_keeps_its_name(tmp_path: Path) -> None:
    weights = [*keras_1_weights("lstm_1"), ("lstm_1_gamma:0", numbers(4))]
    with lstmdump.open(write(tmp_path / "a.h5", {"lstm_1": weights}, version="1.2.2")) as model:
        assert [lstm.name for lstm in model.lstms] == ["lstm_1"]
        assert "also holds lstm_1_gamma" in model.lstms[0].notes[0]


def test_all_arrays_of_a_layer_with_two_kernels_are_counted(tmp_path: Path) -> None:
    weights = [("x/kernel:0", numbers(3, 2)), ("x/kernel_1:0", numbers(2, 2))]
    with lstmdump.open(write(tmp_path / "a.h5", {"x": weights})) as model:
        assert model.model.parameters == 3 * 2 + 2 * 2


@pytest.mark.parametrize("version", ["1.2.2", "2.2.4"])
def test_a_name_that_ends_in_a_huge_number_is_read_as_a_name(version: str, tmp_path: Path) -> None:
    digits = "9" * 5000
    weights = [
        (f"l_W_i_{digits}:0", numbers(2)),
        (f"l/kernel_{digits}:0", numbers(2, 2)),
        (f"l_{digits}/kernel:0", numbers(2)),
    ]
    config = sequential(sequential(lstm_config("other"), name="l"), lstm_config("x"))
    layers = {"l": [*weights, *keras_2_weights("other")], "x": keras_2_weights("x")}
    path = write(tmp_path / "a.h5", layers, version=version, config=config)
    with lstmdump.open(path, limits=Limits(name_length=6000)) as model:
        assert model.model.parameters == 2 + 4 + 2 + 2 * 128


@pytest.mark.parametrize("config", [None, builders.sequential(builders.lstm_config("lstm_1"))])
def test_a_file_without_arrays_says_so(config: Any, run: Any, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"lstm_1": []}, config=config)
    outcome = run("--json", path)
    words = "the file holds no arrays: the model was saved before it had weights"
    assert (json.loads(outcome.out)["notes"], outcome.err) == ([words], f"lstmdump: {path}: {words}\n")


def test_a_weights_file_without_arrays_says_so(tmp_path: Path) -> None:
    builders.saved(tmp_path / "a.weights.h5", {"layers/lstm/cell": []})
    with lstmdump.open(tmp_path / "a.weights.h5") as model:
        assert "the file holds no arrays: the model was saved before it had weights" in model.model.notes
