"""The table, compared with the texts in `golden/`; the column of parameters must also add up."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support import builders

import lstmdump
from lstmdump.lstm.behaviour import Stated
from lstmdump.report.facts import Report, describe
from lstmdump.report.render.table import table

GOLDEN = Path(__file__).parents[2] / "golden"


def report_on(path: Path) -> Report:
    with lstmdump.open(path) as model:
        return describe(model)._replace(model=path.name)


@pytest.fixture
def cases(tmp_path: Path) -> dict[str, str]:
    one = report_on(builders.one_lstm(tmp_path / "one.h5"))
    twelve = {"lstm_1": builders.keras_1_weights("lstm_1", 3, 6)}
    keras_1 = report_on(builders.write(tmp_path / "keras_1.h5", twelve, version=None, backend=None))
    cudnn = {
        name: [*builders.keras_2_weights(name, 100, 128)[:2], (f"{name}/bias:0", builders.numbers(1024))]
        for name in ("rnn_1", "rnn_2")
    }
    double = report_on(builders.write(tmp_path / "cudnn.h5", cudnn))
    long = "encoder_of_the_first_language/bidirectional_reader/forward_reader"
    weights = {"l": [*builders.keras_2_weights(f"l/{long}", 64, 64)]}
    narrow = report_on(builders.write(tmp_path / "long.h5", weights))
    none = report_on(builders.write(tmp_path / "none.h5", {"dense": builders.dense("dense")}))
    return {
        "one.txt": table(one, width=80, colour=False),
        "one_all.txt": table(one, width=80, colour=False, with_others=True),
        "one_colour.txt": table(one, width=80, colour=True),
        "keras_1.txt": table(keras_1, width=80, colour=False),
        "cudnn.txt": table(double, width=80, colour=False),
        "long_80.txt": table(narrow, width=80, colour=False),
        "long_50.txt": table(narrow, width=50, colour=False),
        "long_pipe.txt": table(narrow, width=None, colour=False),
        "none.txt": table(none, width=80, colour=False),
    }


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.txt")))
def test_the_table_equals_the_golden_text(name: str, cases: dict[str, str], golden: Callable[[str, str], str]) -> None:
    assert cases[name] == golden(name, cases[name])


def test_every_case_has_a_golden_text(cases: dict[str, str]) -> None:
    assert sorted(cases) == sorted(path.name for path in GOLDEN.glob("*.txt"))


def test_no_line_is_wider_than_the_terminal(cases: dict[str, str]) -> None:
    assert (
        max(len(line) for name in ("one_all.txt", "cudnn.txt", "long_80.txt") for line in cases[name].splitlines())
        <= 80
    )
    assert max(len(line) for line in cases["long_50.txt"].splitlines()) <= 50


@pytest.mark.parametrize("name", ["one.txt", "keras_1.txt", "cudnn.txt"])
def test_the_column_of_parameters_adds_up(name: str, cases: dict[str, str]) -> None:
    rows = [re.fullmatch(r"  (\S.*?)  .*?([\d,]+)", line) for line in cases[name].splitlines()]
    numbers = [(row[1], int(row[2].replace(",", ""))) for row in rows if row and not row[1].startswith("columns")]
    named = dict(numbers)
    arrays = sum(number for word, number in numbers if not re.match(r"parameters|all |other |whole", word))
    layers = sum(number for word, number in numbers if word == "parameters")
    assert arrays == layers == named["all LSTM layers"]
    assert layers + named.get("other layers", 0) == named["whole model"]


def test_markup_in_names_is_printed_as_text(tmp_path: Path) -> None:
    weights = {"l": builders.keras_2_weights("l/[red]\x1b[31mx[/red]")}
    text = table(report_on(builders.write(tmp_path / "a.h5", weights)), width=80, colour=False)
    assert "l/[red]\\x1b[31mx[/red]  LSTM" in text


def test_without_colour_there_are_no_escape_sequences(cases: dict[str, str]) -> None:
    assert not [name for name, text in cases.items() if "\x1b" in text and "colour" not in name]


def test_a_forget_bias_added_at_run_time_is_shown(model: Path) -> None:
    report = report_on(model)
    added = report._replace(layers=(report.layers[0]._replace(forget_bias=1.0),))
    assert "gates i f c o · forget bias 1.0 added at run time\n" in table(added, width=None, colour=False)


def test_a_forget_bias_that_is_not_in_the_file_is_reported(model: Path) -> None:
    report = report_on(model)
    unknown = report._replace(layers=(report.layers[0]._replace(forget_bias=None),))
    assert "forget bias not in the file" in table(unknown, width=None, colour=False)


def test_an_unusual_dtype_and_a_missing_bias_are_shown(tmp_path: Path) -> None:
    weights = [(name, values.astype("f2")) for name, values in builders.keras_2_weights("x")[:2]]
    text = table(report_on(builders.write(tmp_path / "a.h5", {"x": weights})), width=None, colour=False)
    assert "x  LSTM · 3 inputs, 4 units · gates i f c o · no bias · float16\n" in text


@pytest.mark.parametrize(
    ("computes", "half", "words"),
    [
        (Stated(recurrent_activation="hard_sigmoid(0.2x+0.5)"), None, "gates hard_sigmoid(0.2x+0.5)"),
        (Stated("tanh", "hard_sigmoid(x/6+0.5)"), None, "tanh · gates hard_sigmoid(x/6+0.5)"),
        (Stated("relu", "sigmoid"), None, "relu · gates sigmoid"),
        (Stated("tanh", "sigmoid", True), None, "tanh · gates sigmoid · from the last step to the first"),
        (Stated("tanh", "sigmoid", cell_clip=3.0), None, "tanh · gates sigmoid · c within ±3"),
        (Stated("tanh", "sigmoid", True), "backward", None),
        (Stated("tanh", "sigmoid", False, True, True), None, None),
        (Stated(), None, None),
    ],
)
def test_what_an_unusual_layer_computes_has_a_line(
    computes: Stated, half: str | None, words: str | None, model: Path
) -> None:
    report = report_on(model)
    changed = report._replace(layers=(report.layers[0]._replace(computes=computes, half=half),))
    found = re.search(r"^  computes +(.*?) *$", table(changed, width=None, colour=False), re.MULTILINE)
    assert (found and found[1]) == words


def test_an_unknown_total_is_reported(model: Path) -> None:
    assert "whole model       not stated in the file" in table(
        report_on(model)._replace(total=None), width=None, colour=False
    )


def test_an_array_beside_the_weights_is_listed_without_a_count(root: Path) -> None:
    with lstmdump.open(root / "tests" / "cases" / "stateful_export-keras3.15") as model:
        lines = table(describe(model), width=80, colour=False, with_others=True).splitlines()
    assert [line.split()[1:] for line in lines if "_all_variables/8/" in line] == [["(2,", "3)", "not", "counted"]]
