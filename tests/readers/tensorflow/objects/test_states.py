from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from support.tensorflow_builders import Object, Variable, layer, write_checkpoint

import lstmdump
from lstmdump.model.tensor import Tensor


@pytest.fixture
def cases(root: Path) -> Path:
    return root / "tests" / "cases"


@pytest.fixture
def keras_2(cases: Path, tmp_path: Path) -> Path:
    with tarfile.open(cases / "stateful_savedmodel-keras2.15.tar.xz") as archive:
        for member in archive:
            archive.extract(member, tmp_path)
    return tmp_path / "tfk_stateful_sm"


def states(path: Path) -> dict[str, Tensor]:
    with lstmdump.open(path) as model:
        return {tensor.name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"): tensor for tensor in model.model.beside}


def note(path: Path) -> list[str]:
    with lstmdump.open(path) as model:
        return [one for one in model.model.notes if one.startswith("holds the states of")]


def test_a_saved_model_of_keras_2_holds_states_under_the_objects_of_its_layers(keras_2: Path) -> None:
    assert {name: tensor.shape for name, tensor in states(keras_2).items()} == {
        "layer_with_weights-0/keras_api/states/0": (2, 4),
        "layer_with_weights-0/keras_api/states/1": (2, 4),
        "layer_with_weights-1/keras_api/states/0": (2, 3),
        "layer_with_weights-1/keras_api/states/1": (2, 3),
    }


def test_the_states_are_those_of_the_live_layers(keras_2: Path, cases: Path) -> None:
    live = np.load(cases / "stateful.io.npz")
    with lstmdump.open(keras_2) as model:
        stored = [tensor.read() for tensor in model.model.beside]
    for values, key in zip(stored, ("h1", "c1", "h2", "c2"), strict=True):
        assert np.array_equal(values, live[key])


def test_the_note_names_the_layers_and_the_batch(keras_2: Path) -> None:
    assert note(keras_2) == ["holds the states of mem, mem2 (batch 2): they are not parameters, and --all lists them"]


def test_an_export_of_keras_3_holds_states_by_their_names(cases: Path) -> None:
    path = cases / "stateful_export-keras3.15"
    assert list(states(path)) == [f"_all_variables/{number}" for number in (10, 11, 8, 9)]
    assert note(path) == ["holds the states of mem, mem2 (batch 2): they are not parameters, and --all lists them"]


@pytest.mark.parametrize("model", ["stateful_export-keras3.15", "keras 2"])
def test_states_are_not_in_the_total(model: str, cases: Path, keras_2: Path) -> None:
    with lstmdump.open(keras_2 if model == "keras 2" else cases / model) as opened:
        assert opened.model.parameters == 4 * ((3 + 4) * 4 + 4) + 4 * ((4 + 3) * 3 + 3) + 3 + 1


def test_a_model_without_states_has_no_note(root: Path) -> None:
    assert note(root / "tests" / "genuine" / "keras-3.15.1-export-nested2") == []


def test_states_of_several_batches_are_named_without_a_batch(tmp_path: Path) -> None:
    def stateful(scope: str, batch: int) -> Object:
        state = Variable(f"{scope}/Variable", np.zeros((batch, 4), "f4"))
        made = layer(scope)
        made.children["states"] = Object({"0": state})
        return made

    path = write_checkpoint(tmp_path / "x", Object({"a": stateful("a", 1), "b": stateful("b", 2)}))
    assert note(path) == ["holds the states of a, b: they are not parameters, and --all lists them"]


def test_the_settings_of_a_stateful_layer_name_its_states(keras_2: Path, cases: Path) -> None:
    names = {}
    for path in (keras_2, cases / "stateful_export-keras3.15"):
        with lstmdump.open(path) as model:
            names |= {(model.producer[:7], lstm.name): lstm.settings.stored_states for lstm in model.lstms}
    ending = "/.ATTRIBUTES/VARIABLE_VALUE"
    assert names == {
        ("tf.kera", "mem"): tuple(f"layer_with_weights-0/keras_api/states/{k}{ending}" for k in (0, 1)),
        ("tf.kera", "mem2"): tuple(f"layer_with_weights-1/keras_api/states/{k}{ending}" for k in (0, 1)),
        ("keras 3", "mem"): tuple(f"_all_variables/{k}{ending}" for k in (10, 11)),
        ("keras 3", "mem2"): tuple(f"_all_variables/{k}{ending}" for k in (8, 9)),
    }


def test_a_layer_without_states_names_none(root: Path) -> None:
    with lstmdump.open(root / "tests" / "genuine" / "keras-3.15.1-export-nested2") as model:
        assert {lstm.settings.stored_states for lstm in model.lstms} == {None}
