from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import tensorflow_builders as tf
from support.tensorflow_builders import Object, Variable, layer, lstm, write_checkpoint, write_saved_model

import lstmdump
from lstmdump.model.settings import LayerSettings


def found(root: Object, tmp_path: Path) -> list[str]:
    """Return the names of the LSTMs below `root`, which must be equal in a checkpoint and a SavedModel."""
    with lstmdump.open(write_checkpoint(tmp_path / "x", root)) as model:
        names = [one.name for one in model.lstms]
    with lstmdump.open(write_saved_model(tmp_path / "m", root)) as model:
        assert [one.name for one in model.lstms] == names
    return names


def test_layers_of_keras_2_are_named_after_their_variables(tmp_path: Path) -> None:
    root = Object(
        {"layer-0": Object(), "layer-1": layer("encoder/lstm_cell"), "layer-2": layer("decoder/lstm_cell_1", 4, 2)}
    )
    assert found(root, tmp_path) == ["encoder", "decoder"]


def test_layers_before_tensorflow_2_2_have_no_cell_in_their_names(tmp_path: Path) -> None:
    assert found(Object({"layer-0": layer("encoder"), "layer-1": layer("decoder", 4, 2)}), tmp_path) == [
        "encoder",
        "decoder",
    ]


def test_both_halves_of_a_bidirectional_layer_have_their_names(tmp_path: Path) -> None:
    halves = {
        f"{way}_layer": layer(f"bidirectional/{way}_lstm/lstm_cell_{k}", seed=k)
        for k, way in enumerate(("forward", "backward"))
    }
    root = Object({"layer-0": Object(), "layer-1": Object(dict(reversed(halves.items())))})
    assert found(root, tmp_path) == ["bidirectional/forward_lstm", "bidirectional/backward_lstm"]


def test_a_functional_model_of_keras_3_keeps_its_names(tmp_path: Path) -> None:
    root = Object({"_operations": Object({"1": layer("enc/lstm_cell"), "2": layer("dec/lstm_cell", 4, 2)})})
    assert found(root, tmp_path) == ["enc", "dec"]


def test_the_prefixed_name_of_a_sequential_of_keras_3_is_dropped(tmp_path: Path) -> None:
    layers = Object(
        {
            "_operations": Object(
                {"1": layer("sequential/lstm/lstm_cell"), "2": layer("sequential/lstm_1/lstm_cell", 4, 2)}
            )
        }
    )
    assert found(Object({"_functional": layers}), tmp_path) == ["lstm", "lstm_1"]


def test_items_of_a_list_are_sorted_by_number(tmp_path: Path) -> None:
    layers = {str(k): layer(f"l{k}/lstm_cell", seed=k) for k in (0, 10, 9, 1)}
    assert found(Object({"_operations": Object(dict(layers))}), tmp_path) == ["l0", "l1", "l9", "l10"]


def test_the_prefixed_name_of_a_subclassed_model_is_dropped(tmp_path: Path) -> None:
    blocks = Object({str(k): layer(f"my_model/lstm_{k}/lstm_cell", 4 + 2 * k, 6, seed=k) for k in range(2)})
    root = Object({"enc": layer("my_model/enc/lstm_cell"), "blocks": blocks})
    assert found(root, tmp_path) == ["enc", "lstm_0", "lstm_1"]


def test_two_models_in_one_checkpoint_have_different_paths(tmp_path: Path) -> None:
    models = {
        side: Object({"layer-0": Object(), "layer-1": layer("lstm/lstm_cell", seed=k)})
        for k, side in enumerate(("teacher", "student"))
    }
    assert found(Object(dict(models)), tmp_path) == ["teacher/lstm", "student/lstm"]


def test_stacked_cells_of_one_name_are_numbered(tmp_path: Path) -> None:
    cells = Object({str(k): Object(dict(lstm("rnn", 3 + k, 4, k))) for k in range(3)})
    dense = Object({"kernel": Variable("dense/kernel", lstm("x")["bias"].values)})
    root = Object({"layer-0": Object(), "layer-1": Object({"cell": Object({"cells": cells})}), "layer-2": dense})
    assert found(root, tmp_path) == [f"rnn/cell_{k}" for k in range(3)]


def test_stacked_cells_with_names_of_their_own_keep_them(tmp_path: Path) -> None:
    cells = Object(
        {
            str(k): Object(dict(lstm(f"rnn/stacked_rnn_cells/{name}", 3 + k, 4, k)))
            for k, name in enumerate(("one", "two"))
        }
    )
    root = Object({"layer-0": Object(), "layer-1": Object({"cell": Object({"cells": cells})})})
    assert found(root, tmp_path) == ["rnn/one", "rnn/two"]


def test_layers_with_empty_names_are_named_after_edges(tmp_path: Path) -> None:
    root = Object({"encoder": layer(""), "decoder": layer("", 4, 2)})
    for one in (root.children["encoder"], root.children["decoder"]):
        for leaf, variable in one.children["cell"].children.items():  # type: ignore[union-attr]
            variable.full_name = leaf  # type: ignore[union-attr]
    assert found(root, tmp_path) == ["encoder", "decoder"]


def test_layers_of_an_exported_model_are_named_after_variables(tmp_path: Path) -> None:
    weights = [*lstm("sequential/a/lstm_cell").values(), *lstm("sequential/b/lstm_cell", 4, 2).values()]
    listed = Object({str(k): one for k, one in enumerate(weights)})
    assert found(Object({"variables": listed, "_all_variables": listed}), tmp_path) == ["a", "b"]


def keras(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "name": name, "config": {"name": name, **config}}


def test_classes_and_names_in_the_json_take_precedence(tmp_path: Path) -> None:
    forward, backward = layer("x/lstm_cell"), layer("x/lstm_cell", seed=1)
    both = Object({"forward_layer": forward, "backward_layer": backward})
    mine = layer("y/lstm_cell", seed=2)
    root = Object({"layer-0": both, "layer-1": mine}, identifier="_tf_keras_network")
    metadata = {root: keras("Functional", "model"), both: keras("Bidirectional", "both"), forward: keras("LSTM", "forward_l"),
                backward: keras("LSTM", "backward_l"), mine: keras("demo>MyLSTM", "mine")}  # fmt: skip
    for one in (forward, backward, mine):
        metadata[one.children["cell"]] = keras("LSTMCell", "lstm_cell")  # type: ignore[index]
    with lstmdump.open(write_saved_model(tmp_path / "m", root, metadata=metadata)) as model:
        assert [(one.name, one.kind) for one in model.lstms] == [
            ("both/forward_l", "LSTM"),
            ("both/backward_l", "LSTM"),
            ("mine", "MyLSTM"),
        ]


def test_a_gru_with_the_shapes_of_an_lstm_is_not_an_lstm(tmp_path: Path) -> None:
    one = layer("gru/gru_cell")
    root = Object({"layer-0": one}, identifier="_tf_keras_sequential")
    metadata = {
        root: keras("Sequential", "s"),
        one: keras("GRU", "gru"),
        one.children["cell"]: keras("GRUCell", "gru_cell"),
    }
    with lstmdump.open(write_saved_model(tmp_path / "m", root, metadata=metadata)) as model:  # type: ignore[arg-type]
        assert model.lstms == ()


def test_a_layer_that_two_models_share_is_counted_once(tmp_path: Path) -> None:
    shared = layer("shared/lstm_cell")
    root = Object({"layer-0": Object({"layer-0": shared}), "layer-1": Object({"layer-0": shared})})
    with lstmdump.open(write_checkpoint(tmp_path / "x", root)) as model:
        assert ([one.name for one in model.lstms], model.model.parameters) == (["shared"], 128)


def test_all_layers_with_clashing_names_are_listed(tmp_path: Path) -> None:
    root = Object({f"part{k}": Object({"inner": layer("same/lstm_cell", seed=k)}) for k in range(3)})
    names = found(root, tmp_path)
    assert len(set(names)) == 3
    assert all("same" in name for name in names)


def test_a_name_with_a_slash_or_a_dot_is_kept(tmp_path: Path) -> None:
    root = Object(
        {
            "a/b.c": Object(
                {
                    "kernel": Variable("kernel", tf.lstm("x")["kernel"].values),
                    "recurrent_kernel": tf.lstm("x")["recurrent_kernel"],
                }
            )
        }
    )
    with lstmdump.open(write_checkpoint(tmp_path / "x", root)) as model:
        assert len(model.lstms) == 1
        assert model.lstms[0].weights[0].tensor.name == "a.Sb..c/kernel" + tf.ENDING


# --- settings


def object_json(class_name: str, **config: Any) -> dict[str, Any]:
    """Return Keras's JSON for an object of that class with this `config`."""
    return {"class_name": class_name, "name": config["name"], "config": config}


def settings(tmp_path: Path, root: Object, metadata: dict[Object, dict[str, Any]]) -> list[LayerSettings]:
    whole = {root: object_json("Sequential", name="sequential"), **metadata}
    with lstmdump.open(write_saved_model(tmp_path / "m", root, metadata=whole)) as model:
        return [one.settings for one in model.lstms]


CELL = object_json("LSTMCell", name="lstm_cell", activation="relu", recurrent_activation="softsign")


def test_a_cell_has_its_own_settings_and_the_direction_of_its_layer(tmp_path: Path) -> None:
    one = layer("lstm/lstm_cell")
    around = object_json("LSTM", name="lstm", activation="relu", go_backwards=True, return_sequences=True, unroll=False)
    (found,) = settings(tmp_path, Object({"layer-0": one}), {one: around, one.children["cell"]: CELL})
    assert found == LayerSettings(
        is_described=True,
        activation="relu",
        recurrent_activation="softsign",
        go_backwards=True,
        return_sequences=True,
        unroll=False,
    )


def test_each_half_of_a_bidirectional_has_its_direction_and_its_own_settings(tmp_path: Path) -> None:
    halves = {way: layer(f"bi/{way}_lstm/lstm_cell", seed=k) for k, way in enumerate(("forward", "backward"))}
    wrapper = Object({f"{way}_layer": half for way, half in halves.items()})
    metadata = {wrapper: object_json("Bidirectional", name="bi")}
    for way, half in halves.items():
        metadata[half] = object_json("LSTM", name=f"{way}_lstm", go_backwards=way == "backward")
        metadata[half.children["cell"]] = CELL
    found = settings(tmp_path, Object({"layer-0": wrapper}), metadata)
    assert [(one.direction, one.go_backwards, one.activation) for one in found] == [
        ("forward", False, "relu"), ("backward", True, "relu")
    ]  # fmt: skip


def test_a_half_that_is_reached_through_a_list_has_its_direction(tmp_path: Path) -> None:
    half = layer("bi/backward_lstm/lstm_cell")
    wrapper = Object({"_layers": Object({"1": half}), "backward_layer": half})
    metadata = {wrapper: object_json("Bidirectional", name="bi"),
                half: object_json("LSTM", name="backward_lstm", go_backwards=True), half.children["cell"]: CELL}  # fmt: skip
    (found,) = settings(tmp_path, Object({"layer-0": wrapper}), metadata)
    assert found.direction == "backward"


def test_only_the_first_of_stacked_cells_that_go_backwards_reverses_the_order(tmp_path: Path) -> None:
    cells = {str(k): layer(f"rnn/lstm_cell_{k}", 4, 4, seed=k).children["cell"] for k in range(2)}
    stack = Object({"cells": Object(cells)})
    whole = Object({"cell": stack})
    metadata = {
        whole: object_json("RNN", name="rnn", go_backwards=True),
        stack: object_json("StackedRNNCells", name="stack"),
    }
    metadata |= {cell: object_json("LSTMCell", name=f"lstm_cell_{k}") for k, cell in cells.items()}
    found = settings(tmp_path, Object({"layer-0": whole}), metadata)
    assert [one.go_backwards for one in found] == [True, False]


@pytest.mark.parametrize("config", [None, [], "x"])
def test_a_configuration_of_another_form_is_ignored(config: Any, tmp_path: Path) -> None:
    one = layer("lstm/lstm_cell")
    of_cell = {"class_name": "LSTMCell", "name": "lstm_cell", "config": config}
    (found,) = settings(
        tmp_path, Object({"layer-0": one}), {one: object_json("LSTM", name="lstm"), one.children["cell"]: of_cell}
    )
    assert found == LayerSettings()
