from __future__ import annotations

from pathlib import Path
from typing import Any

import builders
import pytest

import lstmdump
from lstmdump.errors import CannotReplay
from lstmdump.render.explain import explanation

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_models"
MODELS = [
    *(SAMPLES / name for name in ("tf-1.12-basic-lstm-cell", "keras-1.2.2-weather.h5", "keras-3.15-func30.keras")),
    *sorted((ROOT / "tests" / "genuine").glob("*.h5")),
]


def explained(path: Path, width: int | None = 80, *, colour: bool = False) -> str:
    with lstmdump.open(path) as model:
        return explanation(model.lstms, model.producer, width=width, colour=colour)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """4 units on 3 inputs, then 5 units on 4."""
    layers = {"first": builders.keras_2_weights("first"), "second": builders.keras_2_weights("second", 4, 5)}
    return builders.write(tmp_path / "two.h5", layers)


@pytest.fixture
def alike(tmp_path: Path) -> Path:
    """Twelve layers of 4 units on 3 inputs."""
    layers = {f"l{k}": builders.keras_2_weights(f"l{k}", seed=k) for k in range(12)}
    return builders.write(tmp_path / "alike.h5", layers)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_no_line_is_wider_than_80_columns(path: Path) -> None:
    assert max(map(len, explained(path).splitlines() or [""])) <= 80


def test_what_is_no_terminal_gets_80_columns_too() -> None:
    assert explained(MODELS[0], None) == explained(MODELS[0], 80)


def test_prose_does_not_get_wider_than_is_good_to_read() -> None:
    assert max(map(len, explained(MODELS[0], 500).splitlines())) <= 100


def test_without_colour_there_are_no_codes() -> None:
    assert "\x1b" not in explained(MODELS[0])


def test_with_colour_the_words_are_the_same() -> None:
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", explained(MODELS[0], colour=True)) == explained(MODELS[0])


def test_one_layer_is_explained_in_its_own_numbers() -> None:
    told = explained(SAMPLES / "tf-1.12-basic-lstm-cell")
    assert told.startswith("explained: rnn/basic_lstm_cell\n")
    assert "12+64 = 76 rows" in told


def test_what_holds_for_every_layer_is_said_once(two: Path) -> None:
    told = explained(two)
    assert told.startswith("explained: all 2 layers, of d inputs and m units\n")
    assert told.count("Where is time_steps?") == 1


def test_each_layer_has_its_own_slices(two: Path) -> None:
    _, first, second = explained(two).split("explained: ")[1:]
    assert (first.splitlines()[0], second.splitlines()[0]) == ("first, d = 3, m = 4", "second, d = 4, m = 5")
    assert "kernel[:, 4:8]" in first
    assert "kernel[:, 5:10]" in second


def test_layers_that_are_alike_are_explained_together(alike: Path) -> None:
    told = explained(alike)
    assert told.startswith("explained: all 12 layers\n")
    assert told.count("Which slice is which gate?") == 1


def test_of_many_names_a_few_are_shown(tmp_path: Path) -> None:
    layers = {f"l{k}": builders.keras_2_weights(f"l{k}", seed=k) for k in range(9)}
    layers["other"] = builders.keras_2_weights("other", 4, 5)
    told = explained(builders.write(tmp_path / "a.h5", layers))
    assert "explained: l0, l1, l2, l3, l4, l5, l6, l7 and 1 other layer, d = 3, m = 4\n" in told


def test_a_name_with_unseen_signs_is_escaped(tmp_path: Path) -> None:
    told = explained(builders.write(tmp_path / "a.h5", {"\x1b[31m": builders.keras_2_weights("\x1b[31m")}))
    assert told.startswith("explained: \\x1b[31m\n")


def test_a_layer_that_computes_something_else_is_told_as_usual_with_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise CannotReplay("its activation is a class of its own")

    monkeypatch.setattr("lstmdump.behaviour.of", refuse)
    told = " ".join(explained(MODELS[0]).split())
    assert "All this is told of a usual LSTM, but its activation is a class of its own." in told


def test_a_model_without_layers_has_nothing_to_explain() -> None:
    assert explanation((), "keras 2.2.4", width=80, colour=False).strip() == ""
