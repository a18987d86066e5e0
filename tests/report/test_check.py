from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import lstmdump
from lstmdump.errors import BadExpectation
from lstmdump.lstm.behaviour import Stated
from lstmdump.report import record
from lstmdump.report.check import (
    Expectations,
    Mismatch,
    compare,
    compare_with_record,
    only_layers,
    pair,
    path_of,
    spelling,
)
from lstmdump.report.facts import Report, describe
from lstmdump.report.record import RecordedLayer, RecordedModel, parse


@pytest.fixture
def report(model: Path) -> Report:
    with lstmdump.open(model) as opened:
        return describe(opened)


@pytest.fixture
def recorded(report: Report) -> RecordedModel:
    return parse(record.line(record.of(report)))[0]


AGREE = [
    Expectations(params=128),
    Expectations(total=133),
    Expectations(max_params=128, max_total=133),
    Expectations(layer_params=(("lstm_1", 128),), layer_shape=(("lstm_1", (3, 4)),)),
]
DIFFER = [
    (Expectations(params=129), Mismatch(None, "LSTM parameters", 129, 128)),
    (Expectations(total=130), Mismatch(None, "total parameters", 130, 133)),
    (Expectations(max_params=127), Mismatch(None, "LSTM parameters", 127, 128, "at most")),
    (Expectations(max_total=132), Mismatch(None, "total parameters", 132, 133, "at most")),
    (Expectations(layer_params=(("lstm_1", 1),)), Mismatch("lstm_1", "parameters", 1, 128)),
    (Expectations(layer_shape=(("lstm_1", (4, 3)),)), Mismatch("lstm_1", "shape", "4x3", "3x4")),
    (Expectations(layer_params=(("lstm_2", 1),)), Mismatch("lstm_2", "layer", "present", None)),
]


@pytest.mark.parametrize("expected", AGREE)
def test_a_met_expectation_gives_no_difference(expected: Expectations, report: Report) -> None:
    assert list(compare(report, expected)) == []


@pytest.mark.parametrize(("expected", "difference"), DIFFER)
def test_a_difference_has_both_sides(expected: Expectations, difference: Mismatch, report: Report) -> None:
    assert list(compare(report, expected)) == [difference]


def test_an_unknown_total_is_never_within_a_limit(report: Report) -> None:
    unknown = report._replace(total=None)
    assert [m.actual for m in compare(unknown, Expectations(total=133, max_total=10**9))] == [None, None]


@pytest.mark.parametrize(("expected", "actual", "delta"), [(240, 250, 10), (None, 250, None), ("3x4", "3x5", None)])
def test_a_delta_is_actual_minus_expected(expected: int | str | None, actual: int | str, delta: int | None) -> None:
    assert Mismatch("x", "y", expected, actual).delta == delta


def test_empty_expectations_are_false() -> None:
    assert not Expectations()


def test_a_model_agrees_with_its_own_record(report: Report, recorded: RecordedModel) -> None:
    assert list(compare_with_record(report, recorded)) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"kind": "GRU"}, "class"),
        ({"input_dim": 9}, "input_dim"),
        ({"units": 9}, "units"),
        ({"parameters": 9}, "parameters"),
    ],
)
def test_each_fact_of_a_record_is_compared(
    change: dict[str, object], what: str, report: Report, recorded: RecordedModel
) -> None:
    other = recorded._replace(layers=(recorded.layers[0]._replace(**change),))  # type: ignore[arg-type]
    assert [mismatch.what for mismatch in compare_with_record(report, other)] == [what]


COMPUTES = Stated("tanh", "sigmoid", False, True, False, 3.0)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"activation": "relu"}, ("activation", "relu", "tanh")),
        ({"recurrent_activation": "hard_sigmoid(0.2x+0.5)"},
         ("recurrent_activation", "hard_sigmoid(0.2x+0.5)", "sigmoid")),
        ({"go_backwards": True}, ("go_backwards", "true", "false")),
        ({"return_sequences": False}, ("return_sequences", "false", "true")),
        ({"stateful": True}, ("stateful", "true", "false")),
        ({"cell_clip": 10.0}, ("cell_clip", "10.0", "3.0")),
    ],
)  # fmt: skip
def test_a_change_of_what_a_layer_computes_is_a_difference(
    change: dict[str, Any], difference: tuple[str, str, str], report: Report, recorded: RecordedModel
) -> None:
    now = report._replace(layers=(report.layers[0]._replace(computes=COMPUTES),))
    before = recorded._replace(layers=(recorded.layers[0]._replace(computes=COMPUTES._replace(**change)),))
    assert list(compare_with_record(now, before)) == [Mismatch("lstm_1", *difference)]


def test_settings_are_compared_only_where_both_sides_state_them(report: Report, recorded: RecordedModel) -> None:
    stated = report._replace(layers=(report.layers[0]._replace(computes=COMPUTES),))
    known = recorded._replace(layers=(recorded.layers[0]._replace(computes=COMPUTES),))
    assert list(compare_with_record(stated, recorded)) == list(compare_with_record(report, known)) == []


def test_missing_and_new_layers_are_differences(report: Report, recorded: RecordedModel) -> None:
    other = recorded._replace(layers=(recorded.layers[0]._replace(name="gone"),))
    assert list(compare_with_record(report, other)) == [
        Mismatch("gone", "layer", "present", None),
        Mismatch("lstm_1", "layer", None, "present"),
    ]


def records(*paths: str) -> list[RecordedModel]:
    return [RecordedModel(path, ()) for path in paths]


def test_one_model_and_one_record_belong_together_whatever_their_paths() -> None:
    entries = records("elsewhere/x.h5")
    assert pair(["here/y.h5"], entries, "models.jsonl") == entries


def test_a_record_belongs_to_the_model_with_its_path() -> None:
    entries = records("a.h5", "b.h5")
    assert pair(["./b.h5", "a.h5"], entries, "x/models.jsonl") == [entries[1], entries[0]]


def test_a_record_belongs_to_the_model_at_its_path_relative_to_the_file() -> None:
    entries = records("a.h5", "b.h5")
    assert pair(["ci/b.h5", "ci/a.h5"], entries, "ci/models.jsonl") == [entries[1], entries[0]]


def test_a_record_written_on_windows_belongs_to_the_model_with_its_path_here() -> None:
    entries = records("sub\\a.h5", "sub\\b.h5")
    assert pair(["sub/b.h5", "sub/a.h5"], entries, "models.jsonl") == [entries[1], entries[0]]
    assert pair(["ci/sub/b.h5", "c.h5"], entries, "ci/models.jsonl") == [entries[1], None]


def test_a_backslash_in_a_name_comes_before_one_of_windows() -> None:
    entries = records("a/b.h5", "a\\b.h5")
    assert pair(["a\\b.h5", "a/b.h5"], entries, "models.jsonl") == [entries[1], entries[0]]


def test_the_path_of_a_record_written_on_windows_is_found_here(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.h5").write_bytes(b"")
    found = path_of(records("sub\\a.h5")[0], str(tmp_path / "models.jsonl"))
    assert Path(found) == tmp_path / "sub" / "a.h5"


@pytest.mark.parametrize(
    ("recorded", "model", "separator", "written"),
    [
        (None, "sub\\a.h5", "\\", "sub/a.h5"),
        (None, "sub\\a.h5", "/", "sub\\a.h5"),  # a name here
        ("sub\\a.h5", "sub/a.h5", "/", "sub/a.h5"),
        ("sub\\a.h5", "ci/sub/a.h5", "/", "sub/a.h5"),
        ("sub/a.h5", "ci/sub/a.h5", "/", "sub/a.h5"),
        ("other.h5", "sub/a.h5", "/", "sub/a.h5"),
    ],
)
def test_an_updated_record_has_slashes(recorded: str | None, model: str, separator: str, written: str) -> None:
    entry = None if recorded is None else records(recorded)[0]
    assert spelling(entry, "ci/models.jsonl", model, separator) == written


def test_a_record_belongs_to_one_model_only() -> None:
    entries = records("a.h5")
    assert pair(["a.h5", "ci/a.h5"], entries, "ci/models.jsonl") == [entries[0], None]


def test_two_records_of_one_path_are_refused() -> None:
    with pytest.raises(BadExpectation, match=r"models\.jsonl records a\.h5 2 times"):
        pair(["a.h5"], records("a.h5", "a.h5"), "models.jsonl")


def test_a_link_to_a_model_has_the_models_record(tmp_path: Path) -> None:
    (tmp_path / "real.h5").write_bytes(b"")
    (tmp_path / "link.h5").symlink_to("real.h5")
    entries = records(str(tmp_path / "real.h5"), "other.h5")
    assert pair([str(tmp_path / "link.h5")], entries, "models.jsonl") == [entries[0]]


def test_a_link_to_the_directory_of_a_model_leads_to_its_record(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    entries = records(str(tmp_path / "real" / "m.h5"), "other.h5")
    assert pair([str(tmp_path / "link" / "m.h5"), str(tmp_path / "link" / "..")], entries, "x") == [entries[0], None]


def test_many_records_are_resolved_with_one_look_at_their_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved: list[str] = []
    resolve = os.path.realpath
    monkeypatch.setattr("os.path.realpath", lambda path: resolved.append(path) or resolve(path))
    entries = records(*(str(tmp_path / f"{number}.h5") for number in range(1000)))
    assert pair([str(tmp_path / "7.h5"), "x.h5"], entries, str(tmp_path / "models.jsonl")) == [entries[7], None]
    assert len(resolved) < 10


def test_every_expectation_of_a_layer_is_compared(report: Report) -> None:
    expected = Expectations(layer_params=(("lstm_1", 1), ("lstm_1", 128)))
    assert [mismatch.expected for mismatch in compare(report, expected)] == [1]


def test_a_model_without_a_record_has_none() -> None:
    assert pair(["c.h5"], records("a.h5", "b.h5"), "models.jsonl") == [None]


def test_layers_that_are_not_selected_are_not_expected() -> None:
    layers = tuple(RecordedLayer(name, "LSTM", 3, 4, 128) for name in ("a", "b"))
    assert [layer.name for layer in only_layers(RecordedModel("m", layers), "b").layers] == ["b"]


@pytest.mark.parametrize(("recorded_stated", "stated", "expected"), [
    (True, True, [Mismatch("lstm_1", "class", "LSTMCell", "LSTM")]), (True, False, []), (False, True, []),
])  # fmt: skip
def test_a_class_derived_from_shapes_is_not_compared(
    report: Report, recorded: RecordedModel, recorded_stated: bool, stated: bool, expected: list[Mismatch]
) -> None:
    before = recorded.layers[0]._replace(kind="LSTMCell", kind_stated=recorded_stated)
    now = report.layers[0]._replace(kind="LSTM", kind_stated=stated)
    differences = compare_with_record(report._replace(layers=(now,)), recorded._replace(layers=(before,)))
    assert list(differences) == expected
