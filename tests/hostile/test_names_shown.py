"""Names from a file in everything that is printed."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support import builders

import lstmdump
from lstmdump.replay.verify import LayerVerdict, ModelVerdict
from lstmdump.report import record
from lstmdump.report.check import Mismatch, Verdict
from lstmdump.report.facts import Report, describe
from lstmdump.report.render import check as render_check
from lstmdump.report.render import verify as render_verify
from lstmdump.report.render.table import table

NAMES = ["a\x1b[2Jb", "a\rb", "a\u202eb\u2069", "a\u200bb", "a\x9b31m", "日\u3164本", "a\udc80b", "\ufffe", "a\x00b"]
MARKUP = "[bold red]x[/] [link=file:///y]z[/link] :smile: <b>&amp;"


def named(value: Any, name: str) -> Any:
    """Return the facts of a report, `value`, with every text replaced by `name`."""
    if isinstance(value, str):
        return name
    if isinstance(value, tuple):
        changed = [named(part, name) for part in value]
        return type(value)(*changed) if hasattr(value, "_fields") else tuple(changed)
    return value


@pytest.fixture
def report(model: Path) -> Callable[[str], Report]:
    with lstmdump.open(model) as opened:
        made = describe(opened)._replace(notes=("x",))

    def of(name: str) -> Report:
        changed: Report = named(made, name)
        ours = {"gate_order": "ifco", "formula": "4·4"}
        layers = [layer._replace(weights=tuple(weight._replace(formula="4·4") for weight in layer.weights), **ours)
                  for layer in changed.layers]  # fmt: skip
        return changed._replace(format="keras-h5", layers=tuple(layers))

    return of


def unseen(text: str) -> set[str]:
    """Return the characters of `text` that a terminal interprets or hides."""
    return {sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}


def verdict(name: str) -> Iterable[Verdict]:
    yield Verdict(name, None, (Mismatch(name, "class", name, name), Mismatch(name, "layer", None, name)))
    yield Verdict(name, None, error=name)


@pytest.mark.parametrize("width", [None, 60])
@pytest.mark.parametrize("name", NAMES)
def test_a_table_shows_no_control_characters(name: str, width: int | None, report: Callable[[str], Report]) -> None:
    assert unseen(table(report(name), width=width, colour=False, with_others=True)) == set()


@pytest.mark.parametrize("width", [None, 60])
def test_a_table_does_not_interpret_names_as_markup(width: int | None, report: Callable[[str], Report]) -> None:
    assert MARKUP in table(report(MARKUP), width=width, colour=False).replace("\n", " ")


@pytest.mark.parametrize("name", NAMES)
def test_json_has_every_name_without_control_characters(name: str, report: Callable[[str], Report]) -> None:
    line = record.line(record.of(report(name), with_others=True))
    assert (unseen(line), "\u3164" in line) == (set(), False)
    assert json.loads(line.encode())["layers"][0]["weights"][0]["tensor"] == name


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_of_a_check_show_no_control_characters(name: str) -> None:
    text = [
        line
        for one in verdict(name)
        for line in (*render_check.text_lines(one), *render_check.github_lines(one), render_check.json_line(one))
    ]
    assert [line for line in text if unseen(line)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_junit_report_is_valid_xml_for_every_name(name: str) -> None:
    made = render_check.junit(list(verdict(name)))
    assert (len(list(ElementTree.fromstring(made.encode()).iter("testcase"))), unseen(made)) == (2, set())  # noqa: S314 - our own


def test_a_summary_does_not_interpret_names_as_markdown() -> None:
    summary = render_check.github_summary([Verdict("[x](y) _a_ b_c ~~d~~ $e$", None, error="`f` **g**")])
    assert "\\[x\\](y) \\_a\\_ b_c \\~\\~d\\~\\~ \\$e\\$ |  |  | \\`f\\` \\*\\*g\\*\\*" in summary


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_of_verify_show_no_control_characters(name: str) -> None:
    layer = LayerVerdict(name, name, "tf_keras.layers.LSTM", "float64", 0.5, True, (name,))
    made = ModelVerdict(name, (layer,), 1e-5, 0)
    assert [line for line in (*render_verify.text_lines(made), render_verify.json_line(made)) if unseen(line)] == []


@pytest.mark.parametrize("command", [["show"], ["show", "--json", "--all"], ["show", "--values", "--stats"]])
def test_show_prints_no_control_characters(command: list[str], run: Callable[..., Any], tmp_path: Path) -> None:
    name = "l\x1b[31m\u202e\u200b\x9b"
    weights = [*builders.keras_2_weights(f"{name}/\x1b[0m"), (f"{name}/\x1bextra:0", builders.numbers(2))]
    path = builders.write(tmp_path / "a.h5", {name: weights, "d\x1b": builders.dense("d\x1b")}, version="2.\x1b[2J")
    outcome = run(*command, path)
    assert (outcome.status, unseen(outcome.out), unseen(outcome.err)) == (0, set(), set())


def test_a_message_about_a_long_name_is_a_line_of_fewer_than_4096_characters(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    name = "\u202e" * 20_000
    config = builders.sequential(builders.lstm_config(name, units=5))
    path = builders.write(tmp_path / "a.h5", {name: builders.keras_2_weights(name)[:1]}, config=config)
    outcome = run("show", "--json", path)
    assert (outcome.status, outcome.err.count("\n"), len(outcome.err) < 4096) == (2, 1, True)
    assert len(outcome.out) < 4096
    assert outcome.err.startswith(f"lstmdump: {path}: ")


def test_completion_offers_only_names_without_special_characters_of_the_shell(tmp_path: Path) -> None:
    from click.shell_completion import ShellComplete

    from lstmdump.cli import command

    names = ["plain", "$(touch x)", "a;b", "a b", "a\nb", "日本", "`c`", "a\u200bb"]
    path = builders.write(tmp_path / "a.h5", {name: builders.keras_2_weights(name) for name in names})
    completer = ShellComplete(command, {}, "lstmdump", "_LSTMDUMP_COMPLETE")
    offered = {item.value for item in completer.get_completions(["show", str(path), "-l"], "")}
    assert offered == {"plain", "日本"}
