"""Runs that are ended by a signal, and the files that they leave."""

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

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

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
    """Start a run and return it while it writes its first output, a file with a `hidden` name or without a name."""
    model = builders.write(out.parent / "a.h5", {"x": builders.keras_2_weights("x", d=1000, m=1000)})
    code = STARTED.format(hidden=hidden)
    command = [*(before or []), sys.executable, "-c", code, "export", model, "-o", out, "--compress", *arguments]
    started = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not out.exists():  # created when the output is started
        assert started.poll() is None
        time.sleep(0.01)
    return started


def remaining(group: int) -> list[str]:
    """Return the states of the live processes of a process group."""
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
def test_a_run_ended_by_a_signal_leaves_no_file(
    number: signal.Signals, group: bool, hidden: bool, tmp_path: Path
) -> None:
    process = export(tmp_path / "out", hidden=hidden)
    os.killpg(process.pid, number) if group else process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + number, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("number", ENDING)
def test_a_batch_ended_by_a_signal_leaves_complete_outputs(number: signal.Signals, tmp_path: Path) -> None:
    small = builders.one_lstm(tmp_path / "b.h5")
    process = export(tmp_path / "out", small, "-j", 2, hidden=True)
    while not (tmp_path / "out" / "b.h5.npz").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 128 + number
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.h5.npz"]


def test_repeated_hangup_signals_end_the_run_once(tmp_path: Path) -> None:
    process = export(tmp_path / "out", hidden=True)
    for _ in range(5):
        process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=60) == ("", "")
    assert (process.returncode, (tmp_path / "out").exists()) == (128 + signal.SIGHUP, False)


def test_a_signal_ignored_by_the_parent_is_ignored(tmp_path: Path) -> None:
    process = export(tmp_path / "out", hidden=False, before=["nohup"])
    os.killpg(process.pid, signal.SIGHUP)
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, f"{tmp_path / 'out' / 'a.h5.npz'}\n")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="lists processes as Linux does")
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_worker_processes_of_a_killed_run_end(jobs: int, tmp_path: Path) -> None:
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


def test_a_signal_that_python_drops_is_raised_again(model: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", LOST, "export", model, "-o", tmp_path / "x.npz"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_output_is_not_opened_as_a_closed_standard_stream(
    jobs: int, closed: str, model: Path, tmp_path: Path
) -> None:
    other = builders.one_lstm(tmp_path / "other.h5")
    words = [sys.executable, "-m", "lstmdump", "export", model, other, "-o", tmp_path / "out", "-j", jobs]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "bug" in done.stderr) == (2 if ">&-" in closed.split() else 0, False)
    assert np.load(tmp_path / "out" / f"{model.name}.npz").files[0] == "__lstmdump__"


ENTRY_POINT = "import sys\nfrom lstmdump.cli import main\nsys.exit(main())\n"  # as pip makes it


@pytest.mark.parametrize("command", [["-m", "lstmdump"], ["-c", ENTRY_POINT]], ids=["-m", "entry point"])
@pytest.mark.parametrize("module", ["lstmdump.cli", "lstmdump.cli.command_group", "click", "numpy", "lstmdump.replay.statistics"])  # fmt: skip
def test_ctrl_c_while_a_module_is_imported_is_quiet(
    module: str, command: list[str], root: Path, tmp_path: Path
) -> None:
    if module == "lstmdump.cli" and command[0] == "-c":
        pytest.skip("the entry point itself imports it")
    model = builders.one_lstm(tmp_path / "m.h5")
    hook = (
        "import signal, sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
    )
    (tmp_path / "sitecustomize.py").write_text(hook)
    done = subprocess.run(
        [sys.executable, *command, "show", "--stats", str(model)],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])},
    )  # fmt: skip
    assert (done.returncode, done.stderr.strip()) == (130, "")  # click ends the line after ^C


def test_ctrl_c_while_python_ends_is_quiet(root: Path) -> None:
    code = (
        "import atexit, signal, sys\n"
        "from lstmdump import cli\n"
        "atexit.register(signal.raise_signal, signal.SIGINT)\n"  # called after what `main` registers
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=False, timeout=60, cwd=root
    )
    assert (done.returncode, done.stdout[:9], done.stderr) == (-signal.SIGINT, "lstmdump ", "")
