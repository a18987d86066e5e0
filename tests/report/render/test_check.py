from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import lstmdump
from lstmdump.report.check import Mismatch, Verdict
from lstmdump.report.facts import Report, describe
from lstmdump.report.render import check as render_check


@pytest.fixture
def report(model: Path) -> Report:
    with lstmdump.open(model) as opened:
        return describe(opened)


DIFFERENT = Verdict(
    "a,b:c.h5", None, (Mismatch("lstm_1", "parameters", 19712, 19968), Mismatch(None, "model", None, "x"))
)
BROKEN = Verdict("x.h5", None, error="an empty file")


@pytest.mark.parametrize(
    ("mismatch", "words"),
    [
        (Mismatch("a", "parameters", 19712, 19968), "a: parameters: expected 19,712, found 19,968 (+256)"),
        (Mismatch(None, "total parameters", 5, 4, "at most"), "total parameters: expected at most 5, found 4 (-1)"),
        (Mismatch("a", "shape", "3x4", "3x5"), "a: shape: expected 3x4, found 3x5"),
        (Mismatch("a", "layer", "present", None), "a: layer missing"),
        (Mismatch(None, "model", None, "present"), "new model, not expected"),
        (Mismatch(None, "total parameters", 133, None), "total parameters missing: expected 133"),
        (Mismatch("a\x1b", "layer", "present", None), "a\\x1b: layer missing"),
    ],
)
def test_a_difference_in_words(mismatch: Mismatch, words: str) -> None:
    assert render_check.difference(mismatch) == words


def test_a_good_model_is_one_line(report: Report) -> None:
    assert list(render_check.text_lines(Verdict("m.h5", report))) == ["m.h5: ok (1 LSTM layer, 128 parameters)"]


def test_each_difference_is_a_line() -> None:
    assert len(list(render_check.text_lines(DIFFERENT))) == 2


def test_json_holds_both_sides_and_the_delta() -> None:
    made = json.loads(render_check.json_line(DIFFERENT))
    assert (made["ok"], made["differences"][0]) == (
        False,
        {"layer": "lstm_1", "what": "parameters", "rule": "is", "expected": 19712, "actual": 19968, "delta": 256},
    )


def test_json_of_an_unreadable_model_is_its_error() -> None:
    assert json.loads(render_check.json_line(BROKEN)) == {"model": "x.h5", "error": "an empty file"}


def test_an_annotation_is_escaped_as_github_requires() -> None:
    assert next(render_check.github_lines(DIFFERENT)) == (
        "::error file=a%2Cb%3Ac.h5,title=lstmdump%3A parameters::lstm_1: parameters: expected 19,712, found 19,968 (+256)"
    )


def test_percent_signs_and_newlines_cannot_end_an_annotation() -> None:
    (line,) = render_check.github_lines(Verdict("a\n%.h5", None, error="100%\n::error::x"))
    assert line == "::error file=a%0A%25.h5,title=lstmdump%3A cannot be checked::100%25%0A::error::x"


def test_the_summary_is_a_table_whose_cells_cannot_break_it(report: Report) -> None:
    table = render_check.github_summary([Verdict("a|b<i>.h5", report), BROKEN])
    assert "| a\\|b&lt;i>.h5 | 1 | 128 | ok |" in table.splitlines()
    assert "| x.h5 |  |  | an empty file |" in table.splitlines()


def test_junit_counts_failures_and_errors(report: Report) -> None:
    suite = ElementTree.fromstring(render_check.junit([Verdict("m.h5", report), DIFFERENT, BROKEN]))  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")


def test_junit_has_a_case_per_model() -> None:
    suite = ElementTree.fromstring(render_check.junit([DIFFERENT, Verdict("a\x00b", None)]))  # noqa: S314 - our own
    assert [case.get("name") for case in suite.iter("testcase")] == ["a,b:c.h5", "a\\x00b"]


def test_junit_declares_its_encoding() -> None:
    assert render_check.junit([DIFFERENT]).startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ')


def test_junit_has_the_attributes_that_jenkins_groups_by(report: Report) -> None:
    verdicts = [Verdict("m.h5", report, seconds=0.25), replace(DIFFERENT, seconds=1.5), BROKEN]
    suites = ElementTree.fromstring(render_check.junit(verdicts))  # noqa: S314 - our own
    cases = list(suites.iter("testcase"))
    assert [case.get("time") for case in cases] == ["0.250", "1.500", "0.000"]
    assert {case.get("classname") for case in cases} == {"lstmdump.check"}
    assert [(child.tag, child.get("type")) for case in cases for child in case] == [
        ("failure", "difference"), ("error", "unreadable"),
    ]  # fmt: skip
    assert [suites.get("time"), *(suite.get("time") for suite in suites)] == ["1.750", "1.750"]
