"""Output on a terminal: the progress bar, and lines above it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import builders

from lstmdump.cli import terminal

pty = pytest.importorskip("pty", reason="POSIX pseudo-terminals")


def on_terminal(arguments: list[object], *, stdout: int | None, **variables: str) -> tuple[str, str]:
    """Return what `lstmdump` writes to a terminal, and to `stdout` if that is not the terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "lstmdump", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stdout or theirs, stderr=theirs,
        env={**environment, "TERM": "xterm", "COLUMNS": "80", **variables},
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        while block := _read(ours):
            shown += block
        out = process.stdout.read().decode() if process.stdout is not None else ""
    os.close(ours)
    return shown.decode(), out


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux reports this when the other end is closed
        return b""


def lines(shown: str) -> list[str]:
    """Return the lines on the screen and each update of the bar, without colours and cursor movements."""
    return [line for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\r", shown)) if line]


@pytest.fixture
def batch(tmp_path: Path) -> list[object]:
    """The arguments for an export of 40 files, one of which is not a model."""
    paths = [builders.one_lstm(tmp_path / f"{number}.h5") for number in range(39)]
    (tmp_path / "bad.h5").write_bytes(b"")
    return ["export", *paths, tmp_path / "bad.h5", "-o", tmp_path / "out"]


def test_the_bar_shows_count_rate_and_remaining_time(batch: list[object]) -> None:
    shown, _ = on_terminal(batch, stdout=subprocess.PIPE)
    assert re.search(r"40 of 40 models · [\d,.]+ models/s · 0:00 left", re.sub(r"\x1b\[[0-9;]*m", "", shown))


def test_the_bar_does_not_mix_with_redirected_results(batch: list[object], tmp_path: Path) -> None:
    _, out = on_terminal(batch, stdout=subprocess.PIPE)
    assert out == "".join(f"{tmp_path / 'out' / f'{number}.h5.npz'}\n" for number in range(39))


def test_results_and_messages_on_the_same_terminal_are_whole_lines_above_the_bar(
    batch: list[object], tmp_path: Path
) -> None:
    shown, _ = on_terminal(batch, stdout=None)
    said = [line for line in lines(shown) if str(tmp_path) in line]
    assert said == [
        *(str(tmp_path / "out" / f"{number}.h5.npz") for number in range(39)),
        f"lstmdump: {tmp_path / 'bad.h5'}: an empty file",
    ]
    assert "40 of 40 models" in shown


@pytest.mark.parametrize(("options", "variables"), [(["-q"], {}), ([], {"TERM": "dumb"})])
def test_there_is_no_bar_with_quiet_or_on_a_dumb_terminal(
    options: list[str], variables: dict[str, str], batch: list[object], tmp_path: Path
) -> None:
    shown, _ = on_terminal([*batch, *options], stdout=subprocess.PIPE, **variables)
    total = "" if options else "lstmdump: 39 written, 1 failed, 0 passed over\r\n"
    assert shown == f"lstmdump: {tmp_path / 'bad.h5'}: an empty file\r\n{total}"


def test_there_is_no_bar_for_one_model(model: Path) -> None:
    shown, _ = on_terminal(["export", model, "-o", model.with_suffix(".npz")], stdout=subprocess.PIPE)
    assert shown == ""


def test_the_bar_is_removed_and_the_cursor_restored(batch: list[object]) -> None:
    shown, _ = on_terminal(batch, stdout=subprocess.PIPE)
    assert shown.endswith("\x1b[2Klstmdump: 39 written, 1 failed, 0 passed over\r\n")
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_waiting_is_told_once_and_on_a_terminal_only(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for is_terminal in (False, True):
        monkeypatch.setattr("lstmdump.cli.terminal._is_terminal", lambda _, is_terminal=is_terminal: is_terminal)
        for seconds in range(1, 30):
            terminal.tell_waiting("https://host/m.h5", seconds)
    assert capfd.readouterr().err == "lstmdump: https://host/m.h5: waiting for an answer of the server\n"
