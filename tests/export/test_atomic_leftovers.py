from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lstmdump.export import atomic
from lstmdump.export.atomic import hidden_name, lock, remove_leftovers


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """Forget the directories searched for leftovers, so that each test is a new run."""
    remove_leftovers.cache_clear()
    yield
    remove_leftovers.cache_clear()


def left_behind(directory: Path, *, mark: str = "", seconds: float = 0) -> Path:
    """Write the hidden file of a run killed so many seconds ago, on the machine with `mark`, or on this one."""
    name = hidden_name()
    path = directory / (name.replace(name.split("-")[1], mark) if mark else name)
    path.write_bytes(b"half")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


@contextmanager
def at_work(path: Path) -> Iterator[None]:
    """Lock `path`, as an active run does."""
    with path.open("r+b") as file:
        lock(file.fileno())
        yield


def test_a_file_left_behind_is_removed(tmp_path: Path) -> None:
    left_behind(tmp_path)
    remove_leftovers(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_the_file_of_an_active_run_stays(tmp_path: Path) -> None:
    path = left_behind(tmp_path, seconds=1e6)
    with at_work(path):
        remove_leftovers(str(tmp_path))
    assert path.exists()


LOCKED = """
import os, signal, sys, time
from lstmdump.export import atomic
descriptor = os.open(os.path.join(sys.argv[1], atomic.hidden_name()), os.O_CREAT | os.O_RDWR)
atomic.lock(descriptor)
print("locked", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_the_file_of_another_process_stays_until_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", LOCKED, tmp_path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        remove_leftovers(str(tmp_path))
        (path,) = tmp_path.iterdir()
        process.send_signal(signal.SIGKILL)
    remove_leftovers.cache_clear()
    remove_leftovers(str(tmp_path))
    assert not path.exists()


@pytest.mark.parametrize(("seconds", "stays"), [(0, True), (80_000, True), (90_000, False)])
def test_the_file_of_another_machine_stays_for_a_day(tmp_path: Path, seconds: float, stays: bool) -> None:
    path = left_behind(tmp_path, mark="0" * 8, seconds=seconds)
    remove_leftovers(str(tmp_path))
    assert path.exists() is stays


def test_without_locks_a_file_stays_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_HAS_LOCKS", False)
    young, old = left_behind(tmp_path, seconds=80_000), left_behind(tmp_path, seconds=90_000)
    remove_leftovers(str(tmp_path))
    assert (young.exists(), old.exists()) == (True, False)


@pytest.mark.parametrize(
    "name",
    ["model.npz", ".lstmdump-x.tmp", ".lstmdump-0123abcd-0123456789abcdef.tmp.npz", "lstmdump-0123abcd-0123456789abcdef.tmp",
     ".lstmdump-0123abcd-0123456789abcdef.tmp\n", ".lstmdump.json"],
)  # fmt: skip
def test_a_file_with_another_name_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    os.utime(tmp_path / name, (0, 0))
    remove_leftovers(str(tmp_path))
    assert (tmp_path / name).exists()


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_a_link_and_its_target_stay(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"")
    link = tmp_path / hidden_name()
    link.symlink_to("target")
    remove_leftovers(str(tmp_path))
    assert (link.is_symlink(), (tmp_path / "target").exists()) == (True, True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_pipe_and_a_directory_stay_and_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / hidden_name())
    (tmp_path / hidden_name()).mkdir()
    remove_leftovers(str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(os.name != "posix", reason="owners of POSIX")
def test_the_file_of_another_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = left_behind(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    remove_leftovers(str(tmp_path))
    assert path.exists()


def test_a_directory_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda directory: listed.append(directory) or scandir(directory))
    for _ in range(3):
        remove_leftovers(str(tmp_path))
    assert listed == [str(tmp_path)]


def test_a_directory_that_is_missing_or_cannot_be_listed_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    remove_leftovers(str(tmp_path / "absent"))
    remove_leftovers(str(tmp_path / "file"))


def test_hidden_names_are_unique() -> None:
    assert len({hidden_name() for _ in range(1000)}) == 1000
