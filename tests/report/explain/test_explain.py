from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import builders
from support.cells import changed
from support.settings import stated

import lstmdump
from lstmdump.errors import CannotReplay
from lstmdump.report.explain import explanation

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "sample_models"
GENUINE = ROOT / "tests" / "genuine"
TF1 = SAMPLES / "tf-1.12-basic-lstm-cell"
MODELS = [
    *(SAMPLES / name for name in json.loads((SAMPLES / "samples.json").read_text("utf-8"))),
    *(GENUINE / row["file"] for row in json.loads((GENUINE / "manifest.json").read_text("utf-8"))),
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


@pytest.mark.parametrize("path", MODELS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_is_wider_than_80_columns(path: Path) -> None:
    assert max(map(len, explained(path).splitlines() or [""])) <= 80


def test_what_is_no_terminal_gets_80_columns_too() -> None:
    assert explained(TF1, None) == explained(TF1, 80)


def test_prose_does_not_get_wider_than_is_good_to_read() -> None:
    assert max(map(len, explained(TF1, 500).splitlines())) <= 100


def test_without_colour_there_are_no_codes() -> None:
    assert "\x1b" not in explained(TF1)


def test_with_colour_the_words_are_the_same() -> None:
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", explained(TF1, colour=True)) == explained(TF1)


def test_one_layer_is_explained_in_its_own_numbers() -> None:
    told = explained(TF1)
    assert told.startswith("rnn/basic_lstm_cell, explained\n")
    assert "12+64 = 76 rows" in told


def test_what_holds_for_every_layer_is_said_once(two: Path) -> None:
    told = explained(two)
    assert told.startswith("all 2 layers, explained\n  d inputs, m units\n")
    assert told.count("Where is time_steps?") == 1


def test_each_layer_has_its_own_slices(two: Path) -> None:
    text, _, second = explained(two).partition("\nsecond, explained\n")
    first = text.partition("\nfirst, explained\n")[2]
    assert first.startswith("  d = 3 inputs, m = 4 units\n")
    assert second.startswith("  d = 4 inputs, m = 5 units\n")
    assert "kernel[:, 4:8]" in first
    assert "kernel[:, 5:10]" in second


def test_layers_that_are_alike_are_explained_together(alike: Path) -> None:
    told = explained(alike)
    assert told.startswith("all 12 layers, explained\n")
    assert told.count("Which slice is which gate?") == 1


def test_the_halves_of_a_bidirectional_are_explained_together() -> None:
    told = explained(GENUINE / "keras-3.6.0-full-bidir_named.h5").splitlines()
    assert [line for line in told if line.endswith(", explained")] == [
        "all 4 layers, explained",
        "bi/forward_enc, bi/backward_enc, explained",
        "bidirectional/forward_lstm, bidirectional/backward_lstm, explained",
    ]


def test_a_half_that_is_not_called_so_is_said_to_be_one(two: Path) -> None:
    with lstmdump.open(two) as model:
        first, second = model.lstms
        told = explanation(
            [first, changed(second, stated=stated({}, "backward"))], model.producer, width=80, colour=False
        )
    assert "second (backward), explained\n  d = 4 inputs, m = 5 units\n" in told


def test_what_holds_for_some_layers_is_said_once_for_them(tmp_path: Path) -> None:
    layers = {name: builders.keras_2_weights(name) for name in ("a", "b")} | {"c": builders.keras_2_weights("c", 4, 5)}
    told = explained(builders.write(tmp_path / "a.h5", layers))
    assert "a, b, explained\n" in told
    assert told.count(" kernel[:, 4:8] ") == 1


def test_of_many_names_a_few_are_shown(tmp_path: Path) -> None:
    layers = {f"l{k}": builders.keras_2_weights(f"l{k}", seed=k) for k in range(9)}
    layers["other"] = builders.keras_2_weights("other", 4, 5)
    told = explained(builders.write(tmp_path / "a.h5", layers))
    assert "l0, l1, l2, l3, l4, l5, l6, l7 and 1 other layer, explained\n" in told


def test_a_name_with_unseen_signs_is_escaped(tmp_path: Path) -> None:
    told = explained(builders.write(tmp_path / "a.h5", {"\x1b[31m": builders.keras_2_weights("\x1b[31m")}))
    assert told.startswith("\\x1b[31m, explained\n")


def test_a_layer_that_computes_something_else_is_told_as_usual_with_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise CannotReplay("its activation is a class of its own")

    monkeypatch.setattr("lstmdump.lstm.behaviour.of", refuse)
    told = " ".join(explained(TF1).split())
    assert "that the layer computes the usual equations. But its activation is a class of its own." in told


def test_a_model_without_layers_has_nothing_to_explain() -> None:
    assert explanation((), "keras 2.2.4", width=80, colour=False).strip() == ""
