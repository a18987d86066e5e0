"""Names in a model are never commands to a runner of continuous integration, which reads them in the output."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support import builders

from lstmdump.model.escape import without_commands

NAMES = [
    "##[set-output name=approved]true",
    "#######[error]x",
    "::set-output name=approved::true",
    "::stop-commands::abcdefgh",
    "x ::stop-commands::abcdefgh " * 8,  # wrapped, it may begin a line
    "##vso[task.setvariable variable=approved]true",
    "##vso-x[task.complete]",
    "##teamcity[buildStatus status='SUCCESS']",
]
COMMANDS = [
    "show", "show --all", "show --stats", "show --values", "show --explain", "show --json", "show --format csv", "lags",
    "lags --json", "check --layer-shape *=9x9", "check --layer-shape *=9x9 --format json",
    "check --layer-shape *=9x9 --format junit", "check --layer-shape *=9x9 --format github", "show -l nothing",
    "export -o {out}", "export --json -o {out}",
]  # fmt: skip


def commands_in(text: str) -> list[str]:
    """Return the lines of `text` that a runner obeys: of GitHub, Azure or TeamCity."""
    return [line for line in text.splitlines()
            if re.search(r"##[\w-]*\[", line) or (line.lstrip().startswith("::") and not line.startswith("::error "))]  # fmt: skip


@pytest.fixture(params=NAMES, ids=lambda name: name[:12].strip("x #:["))
def named(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A model with a layer that has a command for its name; so has the file."""
    place = tmp_path / "##[group]m"
    place.mkdir()
    builders.saved(place / "x.weights.h5", {f"layers/{request.param}/cell": builders.cell()})
    return place / "x.weights.h5"


@pytest.mark.parametrize("command", COMMANDS)
def test_no_output_has_a_command(run: Callable[..., Any], named: Path, tmp_path: Path, command: str) -> None:
    outcome = run(*command.format(out=tmp_path / "x.npz").split(), named)
    assert outcome.out or outcome.err
    assert commands_in(outcome.out) + commands_in(outcome.err) == []


def test_json_holds_the_name_as_it_is(run: Callable[..., Any], named: Path) -> None:
    (layer,) = json.loads(run("show", "--json", named).out)["layers"]
    assert layer["name"].startswith(tuple("#:x"))
    assert "\\" not in layer["name"]


def test_xml_stays_well_formed(run: Callable[..., Any], named: Path) -> None:
    assert ElementTree.fromstring(run("check", "--layer-shape", "*=9x9", "--format", "junit", named).out) is not None  # noqa: S314


@pytest.mark.parametrize("text", ["a::b\n", "zip://a::s3://b\n", "# x\n", "## [x]\n", "a ## b\n", "[a] ##\n", "a: b\n"])
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert without_commands(text) == text


@pytest.mark.parametrize(("text", "expected"), [
    ("##[x]", r"\x23#[x]"), ("a\n  ::x::", "a\n  \\x3a:x::"), ("###[x]", r"#\x23#[x]"), (":::x", r"\x3a::x"),
    ("##[a]##vso[b]", r"\x23#[a]\x23#vso[b]"),
])  # fmt: skip
def test_commands_are_escaped(text: str, expected: str) -> None:
    assert without_commands(text) == expected
