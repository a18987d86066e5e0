from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest

import lstmdump
from lstmdump.errors import BadExpectation
from lstmdump.lstm.behaviour import Stated
from lstmdump.report import record
from lstmdump.report.facts import describe

LAYER = {"name": "a", "class": "LSTM", "input_dim": 3, "units": 4, "parameters": 128}


def test_a_record_has_the_documented_keys(model: Path) -> None:
    with lstmdump.open(model) as opened:
        made = record.of(describe(opened))
    assert list(made) == ["model", "format", "producer", "parameters", "layers", "notes"]
    assert list(made["layers"][0]) == [
        "name", "class", "class_from", "input_dim", "units", "projection", "peepholes", "use_bias", "gate_order", "gate_columns", "gate_rows",
        "forget_bias", "activation", "recurrent_activation", "go_backwards", "return_sequences", "stateful", "cell_clip",
        "parameters", "formula", "weights",
    ]  # fmt: skip
    assert list(made["layers"][0]["weights"][0]) == ["name", "tensor", "shape", "dtype", "parameters", "formula"]


@pytest.mark.parametrize(
    ("number", "expected"), [(0.5, 0.5), (None, None), (math.nan, None), (math.inf, None), (-math.inf, None)]
)
def test_a_number_that_is_not_finite_is_none(number: float | None, expected: float | None) -> None:
    assert record.finite(number) == expected


def test_a_record_is_read_back(model: Path) -> None:
    with lstmdump.open(model) as opened:
        line = record.line(record.of(describe(opened)))
    (read,) = record.parse(line)
    assert (read.model, read.layers[0].name, read.layers[0].units) == (str(model), "lstm_1", 4)


def test_what_a_layer_computes_is_read_back(model: Path) -> None:
    computes = Stated("relu", "hard_sigmoid(0.2x+0.5)", True, False, True, 3.0)
    with lstmdump.open(model) as opened:
        report = describe(opened)
    changed = report._replace(layers=(report.layers[0]._replace(computes=computes),))
    (read,) = record.parse(record.line(record.of(changed)))
    assert read.layers[0].computes == computes


def test_a_record_of_an_earlier_release_states_nothing_of_what_a_layer_computes() -> None:
    (read,) = record.parse(json.dumps({"model": "m", "layers": [LAYER]}))
    assert read.layers[0].computes == Stated()


@pytest.mark.parametrize(("key", "value"), [("activation", 7), ("stateful", "no"), ("cell_clip", True)])
def test_a_setting_of_the_wrong_type_is_refused(key: str, value: object) -> None:
    with pytest.raises(BadExpectation, match=rf"^line 1: a layer has a {key} of the wrong type$"):
        record.parse(json.dumps({"model": "m", "layers": [LAYER | {key: value}]}))


def test_a_line_has_no_lone_surrogates_though_a_path_may() -> None:
    line = record.line(record.error("a\udcffb", "×"))
    assert line == '{"model": "a\\udcffb", "error": "×"}'
    assert json.loads(line.encode("utf-8"))["model"] == "a\udcffb"


def test_a_record_may_span_several_lines() -> None:
    text = json.dumps({"model": "m", "layers": [LAYER]}, indent=2)
    assert [read.model for read in record.parse(f"{text}\n\n{text}\n")] == ["m", "m"]


@pytest.mark.parametrize("path", ["a\0b.h5", "\ud800x.h5"], ids=["NUL", "a lone surrogate"])
def test_the_record_of_a_model_where_no_file_can_be_is_refused(path: str) -> None:
    with pytest.raises(BadExpectation, match=r"line 1 is the record of a model at .*, which no path can be"):
        record.parse(json.dumps({"model": path, "layers": []}))


def test_a_record_may_have_a_path_that_is_not_utf_8() -> None:
    # On Windows, all lone surrogates may be in a path.
    (read,) = record.parse(json.dumps({"model": os.fsdecode(b"a\xff.h5"), "layers": []}))
    assert os.fsencode(read.model) == b"a\xff.h5"


@pytest.mark.parametrize("key", ["input_dim", "units", "parameters"])
def test_a_count_that_is_a_truth_value_is_refused(key: str) -> None:
    with pytest.raises(
        BadExpectation, match=r"line 1: a layer lacks one of name, class, .*, or one has the wrong type"
    ):
        record.parse(json.dumps({"model": "m", "layers": [LAYER | {key: True}]}))


def test_four_times_as_many_records_take_at_most_eight_times_as_long() -> None:
    def measure(count: int) -> float:
        text = "".join(json.dumps({"model": f"m{number}", "layers": [LAYER]}) + "\n" for number in range(count))
        started = time.process_time()
        assert len(record.parse(text)) == count
        return time.process_time() - started

    few, many = (min(measure(count) for _ in range(3)) for count in (10_000, 40_000))
    assert many < 8 * max(few, 0.02)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "line 1 is not valid JSON"),
        ('{"model": "m", "layers": []}\n[1]', "line 2 is not the record of a model"),
        ('{"layers": []}', "line 1 is not the record of a model"),
        ('{"model": "m", "error": "gone"}', "line 1 records that m could not be read"),
        ('{"model": "m", "layers": [{"name": "a"}]}', "line 1: a layer lacks one of name, class"),
        ("[" * 100_000, "line 1 is not valid JSON"),
        ('{"model": "m",\n"layers": []}\n\n[1]', "line 4 is not the record of a model"),
    ],
)
def test_invalid_records_are_reported_with_the_line(text: str, words: str) -> None:
    with pytest.raises(BadExpectation, match=words):
        record.parse(text)


@pytest.mark.parametrize(
    ("fields", "stated"), [({"class_from": "shapes"}, False), ({"class_from": "file"}, True), ({}, True)]
)
def test_a_record_states_where_a_class_is_from(fields: dict[str, str], stated: bool) -> None:
    (read,) = record.parse(json.dumps({"model": "m", "layers": [{**LAYER, **fields}]}))
    assert read.layers[0].kind_stated is stated


def test_an_array_beside_the_weights_has_no_parameters_and_is_not_counted(root: Path) -> None:
    with lstmdump.open(root / "tests" / "cases" / "stateful_export-keras3.15") as model:
        fields = record.of(describe(model), with_others=True)
    assert fields["others"][-1] == {
        "tensor": "_all_variables/9/.ATTRIBUTES/VARIABLE_VALUE",
        "shape": (2, 3),
        "dtype": "float32",
        "parameters": 0,
        "counted": False,
    }
