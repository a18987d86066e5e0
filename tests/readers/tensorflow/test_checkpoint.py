from __future__ import annotations

import json
import ntpath
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support import tensorflow_builders as tf
from support.tensorflow_builders import (
    Object,
    Variable,
    layer,
    meta_graph,
    split_cell,
    variable,
    write_bundle,
    write_checkpoint,
)

import lstmdump
from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel, UnreadableModel
from lstmdump.model.limits import Limits

MADE = builders.gates(3, 4)
KERNEL = np.concatenate([np.concatenate([MADE[f"W_{g}"], MADE[f"U_{g}"]]) for g in "icfo"], axis=1)
BIAS = np.concatenate([MADE[f"b_{g}"] for g in "icfo"])
CELL = {"rnn/lstm_cell/kernel": KERNEL, "rnn/lstm_cell/bias": BIAS}


def names(path: Path) -> list[str]:
    with lstmdump.open(path) as model:
        return [lstm.name for lstm in model.lstms]


def gates(path: Path) -> dict[str, Any]:
    with lstmdump.open(path) as model:
        found = model.lstms[0].gates
        return {
            f"{array}_{letter}": getattr(found[letter], array).read().tolist() for letter in "ifco" for array in "WUb"
        }


EXPECTED = {name: values.tolist() for name, values in MADE.items()}


# --- locations


def test_a_checkpoint_is_given_by_prefix_index_or_directory(tmp_path: Path) -> None:
    prefix = write_bundle(tmp_path / "x", CELL)
    for path in (prefix, tmp_path / "x.index", tmp_path):
        assert names(path) == ["rnn/lstm_cell"]


def two(tmp_path: Path, state: str | bytes) -> Path:
    for number, scope in enumerate(("old", "new"), 1):
        write_bundle(
            tmp_path / f"ckpt-{number}", {f"{scope}/lstm_cell/kernel": KERNEL, f"{scope}/lstm_cell/bias": BIAS}
        )
    (tmp_path / "checkpoint").write_bytes(state if isinstance(state, bytes) else state.encode())
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "ckpt-2",
        "/home/someone/else/ckpt-2",
        "../../elsewhere/ckpt-2",
        "./ckpt-2",
        r"C:\\models\\ckpt-2",
        "/etc/../ckpt-2",
    ],
)
def test_the_latest_checkpoint_is_the_named_one_whatever_its_former_directory(path: str, tmp_path: Path) -> None:
    state = f'model_checkpoint_path: "{path}"\nall_model_checkpoint_paths: "ckpt-1"\n'
    assert names(two(tmp_path, state)) == ["new/lstm_cell"]


def test_a_drive_in_the_path_of_the_latest_is_ignored_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "basename", ntpath.basename)
    assert names(two(tmp_path, 'model_checkpoint_path: "D:ckpt-2"\n')) == ["new/lstm_cell"]


def test_only_the_beginning_of_the_state_file_is_read(tmp_path: Path) -> None:
    two(tmp_path, 'model_checkpoint_path: "ckpt-2"\n')
    os.truncate(tmp_path / "checkpoint", 2**40)
    assert names(tmp_path) == ["new/lstm_cell"]


@pytest.mark.parametrize("state", ["", "nonsense", 'model_checkpoint_path: "gone"', 'model_checkpoint_path: ".."',
                                   'model_checkpoint_path: ""', 'model_checkpoint_path: "a\\000b"', b"\xff\xfe",
                                   'all_model_checkpoint_paths: "ckpt-2"', 'model_checkpoint_path: "ckpt-2'])  # fmt: skip
def test_no_checkpoint_of_several_is_chosen_by_chance(state: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match=r"holds 2 checkpoints and .*; give one: ckpt-1, ckpt-2"):
        names(two(tmp_path, state))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("", "none is named the latest"),
        ('model_checkpoint_path: "gone"', "its file `checkpoint` names gone, which is missing"),
    ],
)
def test_the_reason_why_none_of_several_is_chosen_is_reported(state: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match=f"holds 2 checkpoints and {words}; give one"):
        names(two(tmp_path, state))


def test_the_choice_among_several_has_a_note(tmp_path: Path) -> None:
    with lstmdump.open(two(tmp_path, 'model_checkpoint_path: "ckpt-2"')) as model:
        assert model.model.notes[0] == "ckpt-2 is the latest of 2 checkpoints here"


def test_an_only_checkpoint_that_is_not_the_latest_has_a_note(tmp_path: Path) -> None:
    write_bundle(tmp_path / "x", CELL)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "gone"')
    with lstmdump.open(tmp_path) as model:
        assert model.model.notes[0] == "this is x; the file `checkpoint` names gone, which is missing"


def test_a_file_outside_the_directory_is_never_opened(tmp_path: Path) -> None:
    write_bundle(tmp_path / "secret", CELL)
    inside = tmp_path / "model"
    inside.mkdir()
    (inside / "checkpoint").write_text('model_checkpoint_path: "../secret"')
    with pytest.raises(UnreadableModel, match="holds no checkpoint: its file `checkpoint` names secret"):
        names(inside)


def test_a_name_beyond_ascii_is_escaped_in_the_state_file(tmp_path: Path) -> None:
    write_bundle(tmp_path / "other", {})
    write_bundle(tmp_path / "modèle", CELL)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/home/mod\\303\\250le"\n')  # protobuf's text form
    assert names(tmp_path) == ["rnn/lstm_cell"]


def test_the_only_checkpoint_is_read_although_the_state_file_names_another(tmp_path: Path) -> None:
    write_bundle(tmp_path / "x", CELL)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "gone"')
    assert names(tmp_path) == ["rnn/lstm_cell"]


def test_a_state_file_that_is_a_directory_is_ignored(tmp_path: Path) -> None:
    write_bundle(tmp_path / "x", CELL)
    (tmp_path / "checkpoint").mkdir()
    assert names(tmp_path) == ["rnn/lstm_cell"]


def test_a_prefix_of_the_maximum_length_is_opened(tmp_path: Path) -> None:
    prefix = tmp_path / ("x" * 245)  # with `.index`; the name of a data file would be too long
    index = write_bundle(tmp_path / "y", CELL).with_name("y.index")
    index.rename(prefix.with_name(prefix.name + ".index"))
    assert names(prefix) == ["rnn/lstm_cell"]


# --- lazy


def test_shapes_are_known_without_the_data_file(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", CELL)
    path.with_name("x.data-00000-of-00001").unlink()
    with lstmdump.open(path) as model:
        assert (model.lstms[0].input_dim, model.lstms[0].units, model.model.parameters) == (3, 4, 128)
        assert "x.data-00000-of-00001 is missing" in model.model.notes[0]
        with pytest.raises(UnreadableModel, match="is missing"):
            model.lstms[0].gates["f"].W.read()


def test_three_of_many_missing_files_are_named(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", {f"t{k}": np.ones(1, "f4") for k in range(20)}, shards=10)
    for file in tmp_path.glob("x.data*"):
        file.unlink()
    with lstmdump.open(path) as model:
        assert "x.data-00002-of-00010 and 7 more are missing" in model.model.notes[0]


@pytest.mark.parametrize("write", [write_bundle, tf.write_v1])
def test_numbers_cannot_be_read_after_the_model_is_closed(write: Any, tmp_path: Path) -> None:
    model = lstmdump.open(write(tmp_path / "x", CELL))
    model.close()
    assert model.lstms[0].gates["f"].W.shape == (3, 4)
    with pytest.raises(ModelClosed):
        model.lstms[0].gates["f"].W.read()


@pytest.mark.parametrize("kind", ["names", "objects", "v1", "saved model", "graph"])
def test_showing_a_checkpoint_does_not_import_numpy(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    if kind == "names":
        write_bundle(path, CELL)
        path.with_name("x.meta").write_bytes(meta_graph(graph=weights("rnn/lstm_cell") + split_cell("rnn/lstm_cell")))
    elif kind == "objects":
        write_checkpoint(path, Object({"layer-0": layer("lstm/lstm_cell")}))
    elif kind == "v1":
        tf.write_v1(path, CELL)
    elif kind == "saved model":
        tf.write_saved_model(path, Object({"layer-0": layer("lstm/lstm_cell")}))
    else:
        frozen = tf.constant("c/kernel", KERNEL) + tf.constant("c/bias", BIAS)
        path.write_bytes(frozen + split_cell("c", kernel="c/kernel", bias="c/bias"))
    code = f"import lstmdump, sys; m = lstmdump.open({str(path)!r}); print(len(m.lstms), {{'numpy', 'h5py'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 set()\n"


# --- variables by name


def weights(scope: str) -> bytes:
    return variable(f"{scope}/kernel", (7, 16)) + variable(f"{scope}/bias", (16,))


def test_a_cell_has_the_gates_of_its_kernel(tmp_path: Path) -> None:
    assert gates(write_bundle(tmp_path / "x", CELL)) == EXPECTED


@pytest.mark.parametrize("forget_bias", [0.3, 1.0, 0.0])
def test_the_forget_bias_is_read_from_the_meta_graph(forget_bias: float, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", CELL)
    graph = weights("rnn/lstm_cell") + split_cell("rnn/lstm_cell", forget_bias)
    path.with_name("x.meta").write_bytes(meta_graph(graph=graph, version="1.4.1"))
    with lstmdump.open(path) as model:
        assert (model.lstms[0].forget_bias, model.producer) == (forget_bias, "tensorflow 1.4.1")


def test_the_forget_bias_is_unknown_without_a_graph(tmp_path: Path) -> None:
    with lstmdump.open(write_bundle(tmp_path / "x", CELL)) as model:
        assert (model.lstms[0].forget_bias, model.producer) == (None, "tensorflow 1")


def test_a_meta_graph_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", {"rnn/lstm_cell/kernel": np.zeros((7, 16), "f4")})
    path.with_name("x.meta").write_bytes(meta_graph(graph=weights("rnn/lstm_cell") * 1000))
    size = path.with_name("x.meta").stat().st_size
    with pytest.raises(RefusedModel, match=rf"x.meta has {size:,} bytes; .*memory=1 \* 2\*\*20\) allows it"):
        lstmdump.open(path, limits=Limits(memory=4 * size - 1))


@pytest.mark.parametrize(
    "damaged", [b"\x0f", b"\x12\x7f", meta_graph(graph=weights("a") + tf.counted(1, tf.counted(2, "Split") + b"\x0f"))]
)
def test_a_damaged_meta_graph_has_a_note(damaged: bytes, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", CELL)
    path.with_name("x.meta").write_bytes(damaged)
    with lstmdump.open(path) as model:
        assert (model.lstms[0].forget_bias, gates(path)) == (None, EXPECTED)
        assert model.model.notes[0].startswith("x.meta, which describes the cells, cannot be read: ")


# --- objects


def test_a_layer_of_objects_has_the_gates_of_its_variables(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "x", Object({"layer-0": layer("lstm/lstm_cell")}))
    assert gates(path) == EXPECTED
    assert names(path) == ["lstm"]


def test_a_variable_that_is_missing_from_the_index_is_corrupt(tmp_path: Path) -> None:
    lost = b"layer-0/cell/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    path = write_checkpoint(
        tmp_path / "x", Object({"layer-0": layer("lstm")}), change=lambda entries: entries.pop(lost)
    )
    with pytest.raises(CorruptModel, match="the object graph names layer-0/cell/kernel"):
        names(path)


@pytest.mark.parametrize("graph", [b"", b"\x0f", b"\x0a\x7f", [], [b"a", b"b"], np.zeros(2, "f4")], ids=str)
def test_a_damaged_object_graph_is_reported(graph: Any, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel):
        names(write_bundle(tmp_path / "x", {"_CHECKPOINTABLE_OBJECT_GRAPH": graph}))


def test_the_keys_replace_an_object_graph_whose_file_is_missing(tmp_path: Path) -> None:
    root = Object({"encoder": layer("lstm/lstm_cell"), "decoder": layer("lstm_1/lstm_cell", 5, 6)})
    path = write_checkpoint(tmp_path / "x", root)
    path.with_name("x.data-00000-of-00001").unlink()
    with lstmdump.open(path) as model:
        assert sorted((lstm.name, lstm.input_dim, lstm.units) for lstm in model.lstms) == [
            ("decoder", 5, 6),
            ("encoder", 3, 4),
        ]


def test_classes_and_names_of_tensorflow_1_13_are_read_from_the_bundle(tmp_path: Path) -> None:
    one = layer("lstm/lstm_cell", config={"class_name": "LSTM", "config": {"name": "told"}})
    root = Object({"layer-0": one}, config={"class_name": "Sequential", "config": {"name": "model"}})
    one.children["cell"].config = {"class_name": "LSTMCell", "config": {"name": "lstm_cell"}}  # type: ignore[union-attr]
    with lstmdump.open(write_checkpoint(tmp_path / "x", root)) as model:
        assert [(lstm.name, lstm.kind) for lstm in model.lstms] == [("told", "LSTM")]


@pytest.mark.parametrize("text", [b"{", b"\xff", b'"text"', b"[]", json.dumps({"config": 5}).encode()])
def test_damaged_json_in_the_bundle_is_reported_or_ignored(text: bytes, tmp_path: Path) -> None:
    key = "layer-0/.ATTRIBUTES/OBJECT_CONFIG_JSON"
    root = Object({"layer-0": layer("lstm/lstm_cell", config={})})
    known = tf.numbered(root)
    graph = b"".join(tf.counted(1, tf._node(one, known)) for one in known)
    tensors = {known[one][1] + tf.ENDING: one.values for one in known if isinstance(one, Variable)}
    path = write_bundle(tmp_path / "x", {**tensors, key: text, "_CHECKPOINTABLE_OBJECT_GRAPH": graph})
    try:
        assert names(path) == ["lstm"]
    except CorruptModel as error:
        assert "is not valid JSON" in str(error)  # noqa: PT017 - either is right


def test_optimizer_slots_are_not_layers(tmp_path: Path) -> None:
    one = layer("lstm/lstm_cell")
    kernel = one.children["cell"].children["kernel"]  # type: ignore[union-attr]
    slot = Variable("Adam/lstm/lstm_cell/kernel/m", np.zeros((3, 16), "f4"))
    root = Object({"layer-0": one, "optimizer": Object(slots=[(kernel, "m", slot)])})  # type: ignore[list-item]
    with lstmdump.open(write_checkpoint(tmp_path / "x", root)) as model:
        assert (names(tmp_path / "x"), model.model.parameters) == (["lstm"], 128)


# --- the variables of a SavedModel, named alone


def saved(tmp_path: Path) -> Path:
    return tf.write_saved_model(tmp_path / "model", tf.Object({"layer_with_weights-0": tf.layer("lstm")}))


@pytest.mark.parametrize("named", ["variables", "variables/variables", "variables/variables.index"])
def test_the_variables_of_a_saved_model_point_to_it(named: str, tmp_path: Path) -> None:
    with lstmdump.open(saved(tmp_path) / named) as model:
        assert model.model.notes[0] == f"a part of a SavedModel; give {tmp_path / 'model'}"


def test_the_variables_point_to_the_model_also_without_their_data(tmp_path: Path) -> None:
    (data,) = saved(tmp_path).glob("variables/*.data*")
    data.unlink()
    with lstmdump.open(tmp_path / "model" / "variables") as model:
        assert model.model.notes[0].startswith("a part of a SavedModel")


def test_the_variables_point_to_the_model_from_within_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(saved(tmp_path) / "variables")
    with lstmdump.open("variables.index") as model:
        assert model.model.notes[0] == "a part of a SavedModel; give .."


def test_variables_without_a_saved_model_around_them_have_no_such_note(tmp_path: Path) -> None:
    (saved(tmp_path) / "saved_model.pb").unlink()
    with lstmdump.open(tmp_path / "model" / "variables") as model:
        assert not any("SavedModel" in note for note in model.model.notes)
