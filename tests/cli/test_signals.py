"""Runs that are ended in their midst, and what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support import builders

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

ENDING = [signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)]
STARTED = """
import sys
from lstmdump import cli
from lstmdump.export import atomic
if {hidden}:
    atomic._NAMELESS = 0
cli.main()
"""


def export(out: Path, *arguments: object, hidden: bool, before: list[str] | None = None) -> subprocess.Popen[str]:
    """A run in the midst of its first output, which has a HIDDEN name, or none."""
    model = builders.write(out.parent / "a.h5", {"x": builders.keras_2_weights("x", d=1000, m=1000)})
    code = STARTED.format(hidden=hidden)
    command = [*(before or []), sys.executable, "-c", code, "export", model, "-o", out, "--compress", *arguments]
    started = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not out.exists():  # made when the output is begun
        assert started.poll() is None
        time.sleep(0.01)
    return started


def remaining(group: int) -> list[str]:
    """The processes of GROUP that are alive, by their states."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its_group = (directory / "stat").read_text().rpartition(") ")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(state)
    return found


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden name", "no name"])
@pytest.mark.parametrize("group", [True, False], ids=["all processes", "the first process"])
@pytest.mark.parametrize("number", ENDING)
def test_a_run_that_is_told_to_end_leaves_nothing(
    number: signal.Signals, group: bool, hidden: bool, tmp_path: Path
) -> None:
    process = export(tmp_path / "out", hidden=hidden)
    os.killpg(process.pid, number) if group else process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + number, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("number", ENDING)
def test_a_batch_that_is_told_to_end_leaves_what_is_done(number: signal.Signals, tmp_path: Path) -> None:
    small = builders.one_lstm(tmp_path / "b.h5")
    process = export(tmp_path / "out", small, "-j", 2, hidden=True)
    while not (tmp_path / "out" / "b.h5.npz").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 128 + number
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.h5.npz"]


def test_a_terminal_that_tells_of_its_end_twice_is_heard_once(tmp_path: Path) -> None:
    process = export(tmp_path / "out", hidden=True)
    for _ in range(5):
        process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=60) == ("", "")
    assert (process.returncode, (tmp_path / "out").exists()) == (128 + signal.SIGHUP, False)


def test_what_whoever_started_it_ignores_is_ignored(tmp_path: Path) -> None:
    process = export(tmp_path / "out", hidden=False, before=["nohup"])
    os.killpg(process.pid, signal.SIGHUP)
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, f"{tmp_path / 'out' / 'a.h5.npz'}\n")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes as Linux lists them")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_is_killed_takes_its_processes_along(jobs: int, tmp_path: Path) -> None:
    process = export(tmp_path / "out", builders.one_lstm(tmp_path / "b.h5"), "-j", jobs, hidden=False)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while remaining(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert remaining(process.pid) == []
    left = [*(tmp_path / "out").glob("*")]
    assert all(len(np.load(path).files) == 13 for path in left)


LOST = """
import os, signal, sys, weakref
from lstmdump import cli
from lstmdump.cli.commands import export

class Thing: pass

def work(**_):
    thing = Thing()
    callback = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
    del thing  # what the callback raises is dropped
    for _ in range(10**9):
        pass

export.Run = work
cli.main()
"""


def test_an_end_that_python_drops_is_raised_anew(model: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", LOST, "export", model, "-o", tmp_path / "x.npz"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_output_does_not_take_the_place_of_a_stream_that_is_closed(
    jobs: int, closed: str, model: Path, tmp_path: Path
) -> None:
    other = builders.one_lstm(tmp_path / "other.h5")
    words = [sys.executable, "-m", "lstmdump", "export", model, other, "-o", tmp_path / "out", "-j", jobs]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "bug" in done.stderr) == (2 if ">&-" in closed.split() else 0, False)
    assert np.load(tmp_path / "out" / f"{model.name}.npz").files[0] == "__lstmdump__"
