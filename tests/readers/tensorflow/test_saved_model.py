from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support import tensorflow_builders as tf
from support.tensorflow_builders import Object, counted, integer, layer, saved_model, write_bundle, write_saved_model

import lstmdump
from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel, UnreadableModel, UnsupportedFormat
from lstmdump.model.settings import LayerSettings
from lstmdump.model.tree import Source

MADE = builders.gates(3, 4)


def names(path: Path) -> list[str]:
    with lstmdump.open(path) as model:
        return [lstm.name for lstm in model.lstms]


def simple(tmp_path: Path, **options: Any) -> Path:
    return write_saved_model(tmp_path / "m", Object({"layer-0": layer("lstm/lstm_cell")}), **options)


def test_a_saved_model_is_given_by_its_directory_or_its_file(tmp_path: Path) -> None:
    path = simple(tmp_path)
    assert names(path) == names(path / "saved_model.pb") == ["lstm"]


def test_objects_in_parts_are_merged(tmp_path: Path) -> None:
    root = Object({"layer-0": layer("lstm/lstm_cell")})
    path = write_saved_model(tmp_path / "m", root)
    first, *others = tf.messages_in(tf.saved_object_graph(root))
    parts = counted(7, counted(*first)) + counted(7, b"".join(counted(*one) for one in others))
    (path / "saved_model.pb").write_bytes(integer(1, 1) + counted(2, tf.meta_graph(tags=["serve"]) + parts))
    assert names(path) == ["lstm"]


@pytest.mark.parametrize("letter", "ifco")
def test_gates_are_those_of_the_variables(letter: str, tmp_path: Path) -> None:
    with lstmdump.open(simple(tmp_path)) as model:
        assert model.lstms[0].gates[letter].U.read().tolist() == MADE[f"U_{letter}"].tolist()


@pytest.mark.parametrize("inline", [False, True])
def test_classes_and_names_are_read_from_the_graph_or_the_metadata_file(inline: bool, tmp_path: Path) -> None:
    told = {"class_name": "LSTM", "name": "mine", "config": {"name": "mine"}}
    of_cell = {"class_name": "LSTMCell", "name": "lstm_cell", "config": {"name": "lstm_cell"}}
    of_model = {"class_name": "Sequential", "name": "sequential", "config": {"name": "sequential"}}
    one = layer("lstm/lstm_cell")
    root = Object({"layer-0": one}, identifier="_tf_keras_sequential")
    metadata = {root: of_model, one: told, one.children["cell"]: of_cell}
    if inline:
        for node, value in metadata.items():
            node.metadata = json.dumps(value)  # type: ignore[union-attr]
    with lstmdump.open(write_saved_model(tmp_path / "m", root, metadata=None if inline else metadata)) as model:  # type: ignore[arg-type]
        assert [(lstm.name, lstm.kind) for lstm in model.lstms] == [("mine", "LSTM")]
        assert model.producer == "tf.keras 2 (tensorflow 2.9.3)"


@pytest.mark.parametrize("text", ["{", "["])
def test_metadata_that_is_not_json_is_corrupt(text: str, tmp_path: Path) -> None:
    root = Object({"layer-0": layer("lstm/lstm_cell")})
    with pytest.raises(CorruptModel, match="not valid JSON"):
        names(write_saved_model(tmp_path / "m", root, metadata={root: text}))


@pytest.mark.parametrize("text", ["5", "null", "[]", '{"name": 5, "config": []}', '{"class_name": null}'])
def test_metadata_of_another_form_is_ignored(text: str, tmp_path: Path) -> None:
    root = Object({"layer-0": layer("lstm/lstm_cell")})
    assert names(write_saved_model(tmp_path / "m", root, metadata={root: text, root.children["layer-0"]: text})) == [
        "lstm"
    ]  # type: ignore[dict-item]


def test_a_variable_of_unknown_shape_can_be_read(tmp_path: Path) -> None:
    path = simple(tmp_path)
    anything = counted(1, counted(7, integer(1, 1) + counted(2, integer(3, 1)) + counted(6, "any")))
    graph = tf.saved_object_graph(Object({"layer-0": layer("lstm/lstm_cell")})) + anything
    (path / "saved_model.pb").write_bytes(saved_model(objects=graph))
    assert names(path) == ["lstm"]


def test_a_saved_model_without_variables_has_shapes_only(tmp_path: Path) -> None:
    path = simple(tmp_path)
    (path / "variables" / "variables.index").unlink()
    with lstmdump.open(path) as model:
        assert (model.lstms[0].input_dim, model.lstms[0].units) == (3, 4)
        assert model.model.notes[0] == "variables/variables.index is missing; no numbers can be exported"
        with pytest.raises(UnreadableModel, match="the file with the variables is missing"):
            model.lstms[0].gates["f"].W.read()


def test_numbers_cannot_be_read_after_the_model_is_closed(tmp_path: Path) -> None:
    model = lstmdump.open(simple(tmp_path))
    model.close()
    with pytest.raises(ModelClosed):
        model.lstms[0].gates["f"].W.read()


def test_the_serving_graph_of_several_is_read(tmp_path: Path) -> None:
    path = simple(tmp_path)
    file = path / "saved_model.pb"
    training = counted(2, tf.meta_graph(objects=tf.saved_object_graph(Object()), tags=["train"]))
    file.write_bytes(integer(1, 1) + training + file.read_bytes()[2:])
    assert names(path) == ["lstm"]


def test_the_text_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pbtxt").write_text("saved_model_schema_version: 1")
    with pytest.raises(UnsupportedFormat, match="as_text=False"):
        names(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", integer(1, 1), integer(1, 1) + counted(2, b"\x0f"), saved_model(objects=b"\x0f"),
     saved_model(objects=counted(1, counted(1, integer(1, 9)))), saved_model(graph=b"\x0a\x7f"),
     saved_model(objects=integer(2, 1)), integer(1, 1) + b"\x12\xff\xff\xff\x7f"],
)  # fmt: skip
def test_a_damaged_saved_model_is_reported(data: bytes, tmp_path: Path) -> None:
    path = simple(tmp_path)
    (path / "saved_model.pb").write_bytes(data)
    with pytest.raises(UnreadableModel):
        names(path)


def test_a_tensorflow_1_graph_gives_the_forget_bias(tmp_path: Path) -> None:
    kernel = np.concatenate([np.concatenate([MADE[f"W_{g}"], MADE[f"U_{g}"]]) for g in "icfo"], axis=1)
    cell = "rnn/basic_lstm_cell"
    write_bundle(tmp_path / "variables" / "variables", {f"{cell}/kernel": kernel, f"{cell}/bias": np.zeros(16, "f4")})
    graph = tf.variable(f"{cell}/kernel", (7, 16)) + tf.variable(f"{cell}/bias", (16,)) + tf.split_cell(cell, 0.25)
    (tmp_path / "saved_model.pb").write_bytes(saved_model(graph=graph, version="1.4.1"))
    with lstmdump.open(tmp_path) as model:
        assert [(lstm.name, lstm.kind, lstm.forget_bias) for lstm in model.lstms] == [(cell, "BasicLSTMCell", 0.25)]
        assert model.producer == "tensorflow 1.4.1"
    (tmp_path / "variables" / "variables.index").unlink()
    with lstmdump.open(tmp_path) as model:
        assert [(lstm.name, lstm.units) for lstm in model.lstms] == [(cell, 4)]


def test_an_export_of_tensorflow_1_has_the_architecture_in_assets(tmp_path: Path) -> None:
    tf.write_checkpoint(tmp_path / "variables" / "variables", Object({"layer-0": layer("mine")}))
    (tmp_path / "saved_model.pb").write_bytes(saved_model(version="1.15.5"))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "saved_model.json").write_text(json.dumps(builders.sequential(builders.lstm_config("mine"))))
    with lstmdump.open(tmp_path) as model:
        assert [(lstm.name, lstm.kind) for lstm in model.lstms] == [("mine", "LSTM")]
    (tmp_path / "assets" / "saved_model.json").write_bytes(b"\xff")
    with pytest.raises(CorruptModel, match=r"saved_model\.json"):
        names(tmp_path)


def test_the_architecture_in_assets_gives_settings_and_sources(tmp_path: Path) -> None:
    layers = {"layer-0": layer("mine", 4, 4), "layer-1": layer("other", 4, 4, seed=1)}
    tf.write_checkpoint(tmp_path / "variables" / "variables", Object(layers))
    (tmp_path / "saved_model.pb").write_bytes(saved_model(version="1.15.5"))
    (tmp_path / "assets").mkdir()
    configs = [builders.lstm_config(name, activation="relu", return_sequences=True) for name in ("mine", "other")]
    (tmp_path / "assets" / "saved_model.json").write_text(json.dumps(builders.sequential(*configs)))
    with lstmdump.open(tmp_path) as model:
        expected = LayerSettings(
            is_described=True,
            activation="relu",
            recurrent_activation="sigmoid",
            return_sequences=True,
            first_states_from=(),
        )
        assert [lstm.settings for lstm in model.lstms] == [expected, expected]
        assert model.model.sources() == {("other",): Source((("mine",),))}


def test_an_architecture_in_assets_that_is_too_long_is_refused(tmp_path: Path) -> None:
    tf.write_checkpoint(tmp_path / "variables" / "variables", Object({"layer-0": layer("mine")}))
    (tmp_path / "saved_model.pb").write_bytes(saved_model(version="1.15.5"))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "saved_model.json").touch()
    os.truncate(tmp_path / "assets" / "saved_model.json", 2**40)
    with pytest.raises(RefusedModel, match=r"json_size=1048576 \* 2\*\*20\) allows it"):
        names(tmp_path)


def test_a_weight_that_is_missing_from_the_index_is_corrupt(tmp_path: Path) -> None:
    lost = b"layer-0/cell/recurrent_kernel/.ATTRIBUTES/VARIABLE_VALUE"
    with pytest.raises(CorruptModel, match="lstm/lstm_cell/recurrent_kernel"):
        names(simple(tmp_path, change=lambda entries: entries.pop(lost)))


def test_a_weight_of_another_shape_than_in_the_graph_is_corrupt(tmp_path: Path) -> None:
    path = simple(tmp_path)
    other = Object({"layer-0": layer("lstm/lstm_cell", 5, 4)})
    (path / "saved_model.pb").write_bytes(saved_model(objects=tf.saved_object_graph(other)))
    with pytest.raises(CorruptModel, match=r"\(5, 16\)"):
        names(path)
