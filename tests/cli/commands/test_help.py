"""`lstmdump help` and the help of every command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lstmdump.cli import terminal

Run = Callable[..., Any]
MANUAL = Path(__file__).parents[3] / "lstmdump" / "manual"
TOPICS = sorted(path.stem for path in MANUAL.glob("*.md"))
COMMANDS = ("show", "export", "check", "trace", "lags", "diff", "verify", "help", "version")


def page(topic: str) -> str:
    return (MANUAL / f"{topic}.md").read_text("utf-8")


def test_the_first_help(run: Run, golden: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    made = run("--help").out
    assert made == golden("cli/help.txt", made)


def test_help_lists_every_command_and_every_topic_on_a_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    commands, _, topics = run("help").out.partition("\nTopics:\n")
    assert commands.startswith("Commands:\n")
    assert [name for name in COMMANDS if f"\n  {name} " not in commands] == []
    listed = [line.split(maxsplit=1) for line in topics.partition("\n\n")[0].splitlines()]
    assert listed == [[topic, page(topic).splitlines()[2]] for topic in TOPICS if topic not in COMMANDS]


def test_the_first_help_lists_help_and_version(run: Run) -> None:
    commands = run("--help").out.partition("\nCommands:\n")[2]
    assert [name for name in COMMANDS if f"  {name} " not in commands] == []


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic not in COMMANDS])
def test_help_of_a_topic_is_its_page(topic: str, run: Run) -> None:
    assert run("help", topic).out == page(topic)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_its_help_and_its_page(command: str, run: Run) -> None:
    text = run(command, "--help").out
    assert run("help", command).out == (f"{text}\n{page(command)}" if command in TOPICS else text)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("formts", 'did you mean "formats"?'),
        ("JSON", 'did you mean "json"?'),
        ("exit", 'did you mean "exit-status"?'),
        ("exprot", 'did you mean "export"?'),
        ("nothing-like-it", "`lstmdump help` lists them"),
        ("", "`lstmdump help` lists them"),
    ],
)
def test_an_unknown_topic_is_reported_on_one_line(name: str, hint: str, run: Run) -> None:
    outcome = run("help", name)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == f'lstmdump: no command or topic "{name}"; {hint}\n'


def test_a_second_topic_is_a_usage_error(run: Run) -> None:
    outcome = run("help", "json", "export")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1


def test_a_command_takes_precedence_over_a_file_of_its_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "help").write_bytes(b"")
    assert run("help").out.startswith("Commands:\n")
    assert run("./help").err == "lstmdump: ./help: an empty file\n"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_page_on_a_terminal_is_folded_and_paged(width: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    paged: list[str] = []
    monkeypatch.setattr(terminal, "width", lambda: width)
    monkeypatch.setattr("click.echo_via_pager", lambda text, **_: paged.append(text))
    assert run("help", "environment").out == ""
    (text,) = paged
    assert max(map(len, text.splitlines())) <= min(width, 100)
    assert " ".join(text.split()) == " ".join(page("environment").split())


def test_headings_are_bold_on_a_terminal_with_colour(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    paged: list[str] = []
    monkeypatch.setattr(terminal, "width", lambda: 80)
    monkeypatch.setattr(terminal, "colour", lambda: True)
    monkeypatch.setattr("click.echo_via_pager", lambda text, **_: paged.append(text))
    run("help", "json")
    assert paged[0].startswith("\x1b[1m# json\x1b[0m\n")


def test_the_pager_is_the_users_own(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals of POSIX")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "lstmdump", "help", "environment"]
    environment = {**os.environ, "PAGER": f"tee {tmp_path / 'paged'}", "COLUMNS": "60", "TERM": "xterm"}
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while block := _read(ours):
            shown += block
    os.close(ours)
    paged = (tmp_path / "paged").read_text("utf-8")
    assert process.returncode == 0
    assert shown.decode().replace("\r\n", "\n") == paged
    assert " ".join(paged.split()) == " ".join(page("environment").split())
    assert max(map(len, paged.splitlines())) <= 60


def _read(terminal_: int) -> bytes:
    try:
        return os.read(terminal_, 1 << 16)
    except OSError:  # Linux raises it when the other end is closed
        return b""


@pytest.mark.parametrize(("typed", "completed"), [("ex", ["exit-status", "export"]), ("js", ["json"])])
def test_names_are_completed(typed: str, completed: list[str]) -> None:
    environment = {**os.environ, "COMP_WORDS": f"lstmdump help {typed}", "COMP_CWORD": "2",
                   "_LSTMDUMP_COMPLETE": "bash_complete"}  # fmt: skip
    words = [sys.executable, "-c", "import sys; sys.argv[0] = 'lstmdump'; from lstmdump.cli import main; main()"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.split() == [f"plain,{name}" for name in completed]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_manual_explains_how_to_enable_completion(shell: str) -> None:
    assert f"_LSTMDUMP_COMPLETE={shell}_source lstmdump" in page("completion")
