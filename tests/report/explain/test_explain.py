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
from lstmdump.report.explain import SECTIONS, explanation

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


def test_without_a_terminal_there_are_80_columns() -> None:
    assert explained(TF1, None) == explained(TF1, 80)


def test_lines_have_at_most_100_columns() -> None:
    assert max(map(len, explained(TF1, 500).splitlines())) <= 100


def test_without_colour_there_are_no_codes() -> None:
    assert "\x1b" not in explained(TF1)


def test_colour_does_not_change_the_words() -> None:
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", explained(TF1, colour=True)) == explained(TF1)


def test_one_layer_is_explained_with_numbers() -> None:
    words = explained(TF1)
    assert words.startswith("rnn/basic_lstm_cell, explained\n")
    assert "12+64 = 76 rows" in words


def test_a_section_on_all_layers_is_printed_once(two: Path) -> None:
    words = explained(two)
    assert words.startswith("all 2 layers, explained\n  d inputs, m units\n")
    assert words.count("Where is time_steps?") == 1


def test_each_layer_has_its_own_slices(two: Path) -> None:
    text, _, second = explained(two).partition("\nsecond, explained\n")
    first = text.partition("\nfirst, explained\n")[2]
    assert first.startswith("  d = 3 inputs, m = 4 units\n")
    assert second.startswith("  d = 4 inputs, m = 5 units\n")
    assert "kernel[:, 4:8]" in first
    assert "kernel[:, 5:10]" in second


def test_layers_that_are_alike_are_explained_together(alike: Path) -> None:
    words = explained(alike)
    assert words.startswith("all 12 layers, explained\n")
    assert words.count("Which slice is which gate?") == 1


def test_the_halves_of_a_bidirectional_are_explained_together() -> None:
    words = explained(GENUINE / "keras-3.6.0-full-bidir_named.h5").splitlines()
    assert [line for line in words if line.endswith(", explained")] == [
        "all 4 layers, explained",
        "bi/forward_enc, bi/backward_enc, explained",
        "bidirectional/forward_lstm, bidirectional/backward_lstm, explained",
    ]


def test_the_half_of_a_bidirectional_is_added_to_a_name_without_it(two: Path) -> None:
    with lstmdump.open(two) as model:
        first, second = model.lstms
        words = explanation(
            [first, changed(second, stated=stated({}, "backward"))], model.producer, width=80, colour=False
        )
    assert "second (backward), explained\n  d = 4 inputs, m = 5 units\n" in words


def test_a_section_on_some_layers_is_printed_once(tmp_path: Path) -> None:
    layers = {name: builders.keras_2_weights(name) for name in ("a", "b")} | {"c": builders.keras_2_weights("c", 4, 5)}
    words = explained(builders.write(tmp_path / "a.h5", layers))
    assert "a, b, explained\n" in words
    assert words.count(" kernel[:, 4:8] ") == 1


def test_a_title_has_at_most_eight_names(tmp_path: Path) -> None:
    layers = {f"l{k}": builders.keras_2_weights(f"l{k}", seed=k) for k in range(9)}
    layers["other"] = builders.keras_2_weights("other", 4, 5)
    words = explained(builders.write(tmp_path / "a.h5", layers))
    assert "l0, l1, l2, l3, l4, l5, l6, l7 and 1 other layer, explained\n" in words


def test_control_characters_in_a_name_are_escaped(tmp_path: Path) -> None:
    words = explained(builders.write(tmp_path / "a.h5", {"\x1b[31m": builders.keras_2_weights("\x1b[31m")}))
    assert words.startswith("\\x1b[31m, explained\n")


def test_a_layer_that_cannot_be_replayed_is_explained_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise CannotReplay("its activation is a class of its own")

    monkeypatch.setattr("lstmdump.lstm.behaviour.of", refuse)
    words = " ".join(explained(TF1).split())
    assert "that the layer computes the usual equations. But its activation is a class of its own." in words


def test_a_model_without_layers_has_nothing_to_explain() -> None:
    assert explanation((), "keras 2.2.4", width=80, colour=False).strip() == ""


@pytest.mark.parametrize("word", ['"wx"', '"ux"', '"j"'])
@pytest.mark.parametrize("path", [TF1, SAMPLES / "keras-2.2.0-weather.h5", SAMPLES / "keras-1.2.2-weather.h5"])
def test_the_words_of_other_sources_appear_once(path: Path, word: str) -> None:
    assert explained(path, 100).count(word) == 1


@pytest.mark.parametrize(
    ("section", "title"),
    [
        ("equations", "The six equations"), ("shapes", "The same equations in shapes"), ("time", "Where is time_steps?"),
        ("gates", "Which slice is which gate?"), ("states", "What are h and c?"),
        ("parameters", "How many parameters?"), ("forget-bias", "Where is the forget bias?"),
        ("activations", "Which activations?"), ("frameworks", "How do other frameworks store the same layer?"),
    ],
)  # fmt: skip
def test_a_section_is_the_part_of_the_whole_below_its_title(section: str, title: str) -> None:
    with lstmdump.open(TF1) as model:
        part = explanation(model.lstms, model.producer, width=80, colour=False, section=section)
    first, _, rest = part.partition("\n\n")
    assert first == "rnn/basic_lstm_cell, explained"
    assert rest.startswith(title + "\n")
    assert rest in explained(TF1)


def test_the_sections_together_are_the_whole() -> None:
    titles = {line for line in explained(TF1).splitlines() if line[:1].strip()}
    with lstmdump.open(TF1) as model:
        parts = [explanation(model.lstms, model.producer, width=80, colour=False, section=name) for name in SECTIONS]
    assert {line for part in parts for line in part.splitlines() if line[:1].strip()} == titles
