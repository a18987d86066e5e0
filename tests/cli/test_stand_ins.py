"""Output in encodings that lack signs of ours: `LANG=C`, pipes on Windows."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from support import builders

from lstmdump import cli
from lstmdump.cli import terminal
from lstmdump.cli.stand_ins import plain

Write = Callable[..., str]
ENCODINGS = ["ascii", "cp1252", "cp437"]
COMMANDS = cli.command.list_commands(click.Context(cli.command))
TOPICS = sorted(path.stem for path in (Path(cli.__file__).parents[1] / "manual").glob("*.md"))
ESCAPE = re.compile(r"\\[xuU][0-9a-f]{2}")


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that runs a command with a stdout and stderr of an encoding."""

    def call(encoding: str, *arguments: object, status: int = 0) -> str:
        streams = [
            io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors)
            for errors in ("strict", "backslashreplace")
        ]
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(sys, name, stream)
        assert cli.run([str(argument) for argument in arguments]) == status
        for stream in streams:
            stream.flush()
        return "".join(stream.buffer.getvalue().decode(encoding) for stream in streams)

    return call


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("options", [(), ("--explain",), ("--stats",), ("--values",), ("--all",)])
def test_no_sign_of_ours_is_escaped_by_show(options: tuple[str, ...], encoding: str, write: Write, model: Path) -> None:
    assert not ESCAPE.search(write(encoding, "show", model, *options))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_sign_of_ours_is_escaped_by_lags(encoding: str, write: Write, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", builders.numbers(2, 20, 3))
    assert not ESCAPE.search(write(encoding, "lags", model, "-i", tmp_path / "x.npy", "--by-feature"))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_no_help_has_escapes_or_characters_of_another_encoding(
    command: tuple[str, ...], encoding: str, write: Write
) -> None:
    shown = write(encoding, *command, "--help")
    assert shown.startswith("Usage: lstmdump")
    assert not ESCAPE.search(shown)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("topic", TOPICS)
def test_no_page_of_the_manual_has_escapes(topic: str, encoding: str, write: Write) -> None:
    assert not ESCAPE.search(write(encoding, "help", topic))


def test_messages_have_plain_signs(write: Write, model: Path) -> None:
    assert "--layer-shape, ... or --against" in write("ascii", "check", model, status=2)


def test_in_ascii_the_table_has_the_plain_signs_of_the_contract(write: Write, model: Path) -> None:
    shown = write("ascii", model)
    assert "(3, 16) = 3x4*4" in shown
    assert "4*((3+4)*4 + 4) = 128" in shown


def test_a_name_in_a_file_is_escaped(write: Write, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "model.h5", {"caf\xe9": builders.keras_2_weights("caf\xe9")})
    assert "caf\\xe9  LSTM" in write("ascii", path)
    assert "caf\xe9  LSTM" in write("cp1252", path)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("ascii", "3x4*6 ######## sigma f*c |dh/dx| ... - <= inf +-"),
        ("cp1252", "3×4·6 ######## sigma f*c |dh/dx| … — <= inf ±"),
        ("cp437", "3x4·6 ████▌▌▌▌ σ f*c |dh/dx| ... - ≤ ∞ ±"),
        ("utf-8", "3×4·6 █▉▊▋▌▍▎▏ σ f∘c ‖∂h/∂x‖ … — ≤ ∞ ±"),
        (None, "3×4·6 █▉▊▋▌▍▎▏ σ f∘c ‖∂h/∂x‖ … — ≤ ∞ ±"),
    ],
)
def test_only_missing_signs_are_replaced(encoding: str | None, text: str) -> None:
    assert plain("3×4·6 █▉▊▋▌▍▎▏ σ f∘c ‖∂h/∂x‖ … — ≤ ∞ ±", encoding) == text


def test_what_goes_to_a_pager_can_be_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert terminal.printable("4·6") == "4*6"
