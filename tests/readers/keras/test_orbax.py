from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lstmdump
from lstmdump.errors import CorruptModel, UnknownFormat, UnsupportedFormat

KERNEL = "trainable_variables.sequential_2.lstm_a.lstm_cell.kernel"
KERNEL_KEY = "('trainable_variables', 'sequential_2', 'lstm_a', 'lstm_cell', 'kernel')"


@pytest.fixture
def checkpoint(root: Path, tmp_path: Path) -> Path:
    """A copy of a checkpoint of Keras 3.15 on JAX: an LSTM of 5 units on 3 inputs, and a Dense layer of 1 unit."""
    return Path(shutil.copytree(root / "tests" / "cases" / "orbax-keras3.15-jax", tmp_path / "checkpoint"))


def edit(file: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


def set_sharding(checkpoint: Path, sharding: dict[str, Any]) -> None:
    name = base64.b64encode(KERNEL.encode()).decode()
    edit(checkpoint / "1" / "pytree" / "_sharding", lambda stated: stated.update({name: json.dumps(sharding)}))


def refuse(path: Path, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words), lstmdump.open(path):
        pass


@pytest.mark.parametrize("part", ["", "1", "1/pytree"])
def test_the_directory_its_step_and_its_variables_are_the_model(part: str, checkpoint: Path) -> None:
    with lstmdump.open(checkpoint / part) as model:
        assert (model.format, [(lstm.name, lstm.kind, lstm.input_dim, lstm.units) for lstm in model.lstms]) == (
            "orbax",
            [("lstm_a", "LSTM", 3, 5)],
        )


def test_optimizers_metrics_and_seeds_are_not_in_the_total(checkpoint: Path) -> None:
    with lstmdump.open(checkpoint) as model:
        assert model.model.parameters == 4 * ((3 + 5) * 5 + 5) + 5 + 1


def test_a_note_counts_what_the_optimizer_has_stored(checkpoint: Path) -> None:
    with lstmdump.open(checkpoint) as model:
        assert model.model.notes == (f"beside 5 weights: adam ({2 + 2 * (180 + 6)})",)


def test_what_the_optimizer_has_stored_lies_beside_the_weights(checkpoint: Path) -> None:
    with lstmdump.open(checkpoint) as model:
        assert [tensor.name for tensor in model.model.beside][:2] == [
            "optimizer_variables/adam/iteration",
            "optimizer_variables/adam/learning_rate",
        ]


def test_the_type_of_the_variables_is_that_of_the_layers_policy(checkpoint: Path) -> None:
    with lstmdump.open(checkpoint) as model:
        assert {weight.tensor.dtype for weight in model.lstms[0].weights} == {"float32"}


def test_numbers_are_refused_with_the_way_to_them(checkpoint: Path) -> None:
    with lstmdump.open(checkpoint) as model, pytest.raises(UnsupportedFormat, match=r"OCDBT.*zarr3.*save the model as"):
        model.lstms[0].gates["f"].W.read()


def test_of_several_steps_the_last_is_read_and_named(checkpoint: Path) -> None:
    shutil.copytree(checkpoint / "1", checkpoint / "10")
    shutil.copytree(checkpoint / "1", checkpoint / "9")
    with lstmdump.open(checkpoint) as model:
        assert model.model.notes[0] == "step 10, the last of 3: 1 to 10"


def test_without_an_architecture_layers_are_found_by_shape(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / "1" / "model_config")
    with lstmdump.open(checkpoint) as model:
        assert [(lstm.parameters, lstm.kind_stated) for lstm in model.lstms] == [(180, False)]
        assert "found by shape: the file holds no layer classes" in model.model.notes


def test_a_checkpoint_of_something_else_has_no_total(checkpoint: Path) -> None:
    for file in ("_METADATA", "array_metadatas/process_0"):
        path = checkpoint / "1" / "pytree" / file
        path.write_text(re.sub("(non_)?trainable_variables", r"\1params", path.read_text()))
    with lstmdump.open(checkpoint) as model:
        assert model.model.parameters is None
        assert any(note.startswith("not saved by Keras") for note in model.model.notes)
        assert [lstm.name for lstm in model.lstms] == ["params/sequential_2/lstm_a/lstm_cell"]


def test_types_that_no_layer_states_are_unknown_with_a_note(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / "1" / "model_config")
    with lstmdump.open(checkpoint) as model:
        assert {weight.tensor.dtype for weight in model.lstms[0].weights} == {"unknown"}
        assert any(note.startswith("the types of the numbers are not stated") for note in model.model.notes)


def test_shapes_are_read_without_the_file_of_shapes_if_the_names_have_them(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / "1" / "pytree" / "array_metadatas")
    with lstmdump.open(checkpoint) as model:
        assert model.lstms[0].parameters == 180


def test_shapes_that_only_the_numbers_state_are_not_guessed(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / "1" / "pytree" / "array_metadatas")
    edit(checkpoint / "1" / "pytree" / "_METADATA",
         lambda value: value["tree_metadata"][KERNEL_KEY]["value_metadata"].pop("write_shape"))  # fmt: skip
    refuse(checkpoint, UnsupportedFormat, f"the shape of {KERNEL} is not stated")


def test_two_shapes_of_one_array_are_refused(checkpoint: Path) -> None:
    edit(checkpoint / "1" / "pytree" / "_METADATA",
         lambda value: value["tree_metadata"][KERNEL_KEY]["value_metadata"].update(write_shape=[4, 20]))  # fmt: skip
    refuse(checkpoint, CorruptModel, r"has shape \[4, 20\] in _METADATA, but \[3, 20\]")


def test_a_part_of_an_array_is_not_taken_for_the_whole(checkpoint: Path) -> None:
    set_sharding(checkpoint, {"sharding_type": "NamedSharding", "shape": [2], "partition_spec": [None, "data"]})
    refuse(checkpoint, UnsupportedFormat, f"{KERNEL} is spread over several devices")


def test_a_copy_on_every_device_is_the_whole_array(checkpoint: Path) -> None:
    set_sharding(checkpoint, {"sharding_type": "NamedSharding", "shape": [2], "partition_spec": [None, None]})
    with lstmdump.open(checkpoint) as model:
        assert model.lstms[0].parameters == 180


def test_without_a_statement_on_devices_a_note_says_so(checkpoint: Path) -> None:
    (checkpoint / "1" / "pytree" / "_sharding").unlink()
    with lstmdump.open(checkpoint) as model:
        assert model.model.notes[0].endswith("shapes are those that one process wrote")


@pytest.mark.parametrize("shape", [[-1, 20], ["3", 20], 3, [3.0, 20], [2**63, 20], [True, 20], [1] * 40])
def test_a_shape_that_is_none_is_refused(shape: object, checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / "1" / "pytree" / "array_metadatas")
    edit(checkpoint / "1" / "pytree" / "_METADATA",
         lambda value: value["tree_metadata"][KERNEL_KEY]["value_metadata"].update(write_shape=shape))  # fmt: skip
    refuse(checkpoint, CorruptModel, f"(the shape of )?{KERNEL}")


def test_other_sizes_than_the_architecture_states_are_refused(checkpoint: Path) -> None:
    file = checkpoint / "1" / "model_config" / "_strings.json"
    edit(file, lambda value: value.update(config=value["config"].replace('"units": 5', '"units": 6')))
    refuse(checkpoint, CorruptModel, "config and arrays disagree on the units of lstm_a")


@pytest.mark.parametrize(
    ("file", "words"),
    [("pytree/_METADATA", "_METADATA does not list the variables"),
     ("pytree/array_metadatas/process_0", "does not list the shapes"),
     ("pytree/_sharding", "_sharding does not state")],
)  # fmt: skip
@pytest.mark.parametrize("content", ["[]", '{"tree_metadata": 1, "array_metadatas": 1, "x": 1}', '{"a": "b"}'])
def test_other_json_is_refused(file: str, words: str, content: str, checkpoint: Path) -> None:
    (checkpoint / "1" / file).write_text(content)
    refuse(checkpoint, CorruptModel, words)


def test_a_step_without_variables_is_reported(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / "1" / "pytree")
    refuse(checkpoint, CorruptModel, "an Orbax checkpoint without its variables")


@pytest.mark.parametrize("file", ["1/_CHECKPOINT_METADATA", "1/pytree/_METADATA", "1/pytree/manifest.ocdbt"])
def test_a_file_of_a_checkpoint_is_a_part_of_it(file: str, checkpoint: Path) -> None:
    refuse(checkpoint / file, UnknownFormat, "a part of an Orbax checkpoint; give its directory")


def test_a_search_finds_the_checkpoint_as_one_model(run: Callable[..., Any], checkpoint: Path) -> None:
    outcome = run("show", "--json", "-r", checkpoint.parent)
    assert [json.loads(line)["model"] for line in outcome.out.splitlines()] == [str(checkpoint)]


def test_check_compares_the_counts(run: Callable[..., Any], checkpoint: Path) -> None:
    assert run("check", checkpoint, "--params", "180", "--total", "186").status == 0


def test_numbers_of_unknown_type_are_refused_with_the_way_to_them(run: Callable[..., Any], checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / "1" / "model_config")
    assert "OCDBT" in run("export", checkpoint, "-o", "out.npz").err


@pytest.mark.parametrize("command", [["export", "-o", "out.npz"], ["show", "--values"], ["lags"]])
def test_commands_that_need_numbers_say_what_they_need(
    command: list[str], run: Callable[..., Any], checkpoint: Path
) -> None:
    outcome = run(command[0], checkpoint, *command[1:])
    assert (outcome.status, outcome.out) == (2, "")
    assert "OCDBT" in outcome.err
    assert outcome.err.count("\n") == 1
