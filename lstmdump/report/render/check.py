"""The result of a check in four formats: text, JSON, GitHub annotations and JUnit XML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from lstmdump.model.escape import visible
from lstmdump.report import record
from lstmdump.report.check import Mismatch, Verdict
from lstmdump.report.render.words import count, plural

_SUITE, _CLASS = "lstmdump check", "lstmdump.check"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# An underscore within a word has no meaning in Markdown.
_MARKDOWN = re.compile(r"[\\|`*~$\[\]]|(?<![^\W_])_|_(?![^\W_])")


def difference(mismatch: Mismatch) -> str:
    """Return one difference as text: `lstm_1: parameters: expected 240, found 250 (+10)`."""
    where = f"{visible(mismatch.layer)}: " if mismatch.layer is not None else ""
    if mismatch.expected is None:
        return f"{where}new {mismatch.what}, not expected"
    if mismatch.actual is None:
        return f"{where}{mismatch.what} missing" + _format_expected(mismatch)
    limit = "at most " if mismatch.rule == "at most" else ""
    delta = f" ({mismatch.delta:+,})" if mismatch.delta is not None else ""
    expected, actual = _format_value(mismatch.expected), _format_value(mismatch.actual)
    return f"{where}{mismatch.what}: expected {limit}{expected}, found {actual}{delta}"


def _format_expected(mismatch: Mismatch) -> str:
    return "" if mismatch.expected == "present" else f": expected {_format_value(mismatch.expected)}"


def _format_value(value: int | str | None) -> str:
    return count(value) if isinstance(value, int) else visible(str(value))


def text_lines(verdict: Verdict) -> Iterator[str]:
    """Yield a line per difference, or one line if all agrees; none for a model that could not be read."""
    name = visible(verdict.model)
    for mismatch in verdict.mismatches:
        yield f"{name}: {difference(mismatch)}"
    if verdict.good and verdict.report is not None:
        layers, parameters = len(verdict.report.layers), count(verdict.report.lstm_parameters)
        yield f"{name}: ok ({plural(layers, 'LSTM layer')}, {parameters} parameters)"


def json_line(verdict: Verdict) -> str:
    """Return the verdict as one line of JSON."""
    if verdict.error is not None:
        return record.line(record.error(verdict.model, verdict.error))
    differences = [
        {"layer": m.layer, "what": m.what, "rule": m.rule, "expected": m.expected, "actual": m.actual, "delta": m.delta}
        for m in verdict.mismatches
    ]
    return record.line({"model": verdict.model, "ok": verdict.good, "differences": differences})


def github_lines(verdict: Verdict) -> Iterator[str]:
    """Yield an annotation per difference, escaped as GitHub's runner unescapes it."""
    if verdict.error is not None:
        yield annotation(verdict.model, "cannot be checked", verdict.error)
    for mismatch in verdict.mismatches:
        yield annotation(verdict.model, mismatch.what, difference(mismatch))


def annotation(file: str, title: str, message: str) -> str:
    """Return an annotation of GitHub's runner on `file`, escaped as the runner unescapes it."""
    return (
        f"::error file={_escape_property(file)},title={_escape_property('lstmdump: ' + title)}::{_escape_data(message)}"
    )


def _escape_data(text: str) -> str:
    """Escape `text` as `escapeData` in actions/toolkit, packages/core/src/command.ts, does."""
    text = "\n".join(map(visible, text.split("\n")))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    """Escape `text` as `escapeProperty` in the same file does."""
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def github_summary(verdicts: Sequence[Verdict]) -> str:
    """Return a Markdown table for the page of the workflow run."""
    rows = ["| model | LSTM layers | LSTM parameters | outcome |", "| --- | ---: | ---: | --- |"]
    for verdict in verdicts:
        layers = len(verdict.report.layers) if verdict.report else ""
        parameters = count(verdict.report.lstm_parameters) if verdict.report else ""
        words = [verdict.error] if verdict.error is not None else [difference(m) for m in verdict.mismatches] or ["ok"]
        outcome = "<br>".join(_format_cell(word) for word in words)
        rows.append(f"| {_format_cell(verdict.model)} | {layers} | {parameters} | {outcome} |")
    return "\n".join(["### lstmdump check", "", *rows, "", ""])


def _format_cell(text: str) -> str:
    """Return `text` with the special characters of Markdown and HTML escaped."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(text)).replace("&", "&amp;").replace("<", "&lt;")


def junit(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a test suite with a test case per model, as Jenkins and others read it."""
    failures = sum(bool(verdict.mismatches) for verdict in verdicts)
    errors = sum(verdict.error is not None for verdict in verdicts)
    counts = {"tests": str(len(verdicts)), "failures": str(failures), "errors": str(errors)}
    counts["time"] = _format_seconds(sum(verdict.seconds for verdict in verdicts))
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _SUITE, **counts})
    for verdict in verdicts:
        about = {"classname": _CLASS, "name": visible(verdict.model), "time": _format_seconds(verdict.seconds)}
        case = ElementTree.SubElement(suite, "testcase", about)
        if verdict.error is not None:
            ElementTree.SubElement(case, "error", type="unreadable", message=visible(verdict.error))
        elif verdict.mismatches:
            words = [difference(mismatch) for mismatch in verdict.mismatches]
            message = f"{plural(len(words), 'difference')}: {words[0]}"
            failure = ElementTree.SubElement(case, "failure", type="difference", message=message)
            failure.text = "\n".join(words)
    ElementTree.indent(suites)
    return _DECLARATION + ElementTree.tostring(suites, encoding="unicode") + "\n"


def test_suite(suite: str, kind: str, cases: Sequence[tuple[str, Sequence[str] | None]], seconds: float) -> str:
    """Return a test suite as Jenkins and others read it.

    Args:
        suite: its name.
        kind: the class of all cases.
        cases: the name of each test case, and what differs in it; None for one that passes.
        seconds: the time of all cases together.
    """
    failures = sum(words is not None for _, words in cases)
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0", "time": _format_seconds(seconds)}
    suites = ElementTree.Element("testsuites", counts)
    element = ElementTree.SubElement(suites, "testsuite", {"name": suite, **counts})
    for name, words in cases:
        case = ElementTree.SubElement(element, "testcase", {"classname": kind, "name": name})
        if words is not None:
            message = f"{plural(len(words), 'difference')}: {words[0]}"
            failure = ElementTree.SubElement(case, "failure", type="difference", message=message)
            failure.text = "\n".join(words)
    ElementTree.indent(suites)
    return _DECLARATION + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
