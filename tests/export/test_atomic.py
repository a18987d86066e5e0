from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lstmdump.errors import OutputExists, OutputUnwritable
from lstmdump.export import atomic, conflicts, directories
from lstmdump.export.atomic import whole_file


@pytest.fixture(params=["no name", "hidden name"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of an incomplete file: none where the system supports that, or a hidden one."""
    if request.param == "hidden name":
        monkeypatch.setattr(atomic, "_NAMELESS", 0)


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """Forget the directories searched for leftovers, so that each test is a new run."""
    atomic.remove_leftovers.cache_clear()
    yield
    atomic.remove_leftovers.cache_clear()


def test_a_file_exists_once_it_is_complete(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a", overwrite=False) as file:
        file.write(b"x")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"x"


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole_file(tmp_path / "new" / "deep" / "a", overwrite=False) as file:
        file.write(b"x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_signal_leaves_no_new_directory_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = os.mkdir

    def interrupted(path: str, **place: Any) -> None:
        mkdir(path, **place)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "new" / "a", overwrite=False):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_old_file_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a", overwrite=True) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_an_output_at_a_url_is_refused() -> None:
    with pytest.raises(OutputUnwritable, match=r"^s3://b/a\.npz is a URL; files are written on this machine only$"):
        conflicts.require_local_path("s3://b/a.npz")


def test_a_full_disk_is_reported_with_the_requested_path(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputUnwritable, match=r"a cannot be written: No space left on device"),
        whole_file(tmp_path / "a", overwrite=False),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    reason = os.strerror(errno.ENOTDIR if os.name == "posix" else errno.ENOENT)
    with pytest.raises(OutputUnwritable, match=reason), whole_file(tmp_path / "file" / "a", overwrite=False):
        pass


def test_a_file_created_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(OutputExists), whole_file(tmp_path / "a", overwrite=False):
        (tmp_path / "a").write_bytes(b"theirs")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"theirs"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a", overwrite=False):
            pass
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    with whole_file(tmp_path / "link", overwrite=True) as file:
        file.write(b"new")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "target").read_bytes()) == (True, b"new")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_is_overwritten_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o604)
    with whole_file(tmp_path / "a", overwrite=True):
        pass
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o604


# --- links


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    """Whoever may write in the directory could have anything made by it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "new")
    with (
        pytest.raises(OutputExists, match=r"link is a link; use --force to replace it$"),
        whole_file(tmp_path / "out" / "link", overwrite=False),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_that_leads_nowhere_is_itself_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("new")
    with whole_file(tmp_path / "link", overwrite=True) as file:
        file.write(b"x")
    assert [(path.name, path.is_symlink(), path.read_bytes()) for path in tmp_path.iterdir()] == [("link", False, b"x")]


@pytest.mark.skipif(os.name != "posix", reason="owners of POSIX")
@pytest.mark.parametrize("theirs", [True, False])
def test_a_link_of_somebody_else_in_a_shared_directory_is_itself_replaced(
    theirs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    (tmp_path / "private").write_bytes(b"old")
    (tmp_path / "shared" / "link").symlink_to(tmp_path / "private")
    owner = os.lstat(tmp_path / "shared" / "link").st_uid
    lstat = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: _Owned(lstat(path), owner + 1) if theirs else lstat(path))
    with whole_file(tmp_path / "shared" / "link", overwrite=True) as file:
        file.write(b"new")
    assert (tmp_path / "private").read_bytes() == (b"old" if theirs else b"new")
    assert (tmp_path / "shared" / "link").read_bytes() == b"new"


class _Owned:
    """The status of a file, with another owner."""

    def __init__(self, status: os.stat_result, owner: int) -> None:
        self.st_mode = status.st_mode
        self.st_uid = owner


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_no_hidden_file_is_opened_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_NAMELESS", 0)
    monkeypatch.setattr(atomic, "hidden_name", lambda: "known")
    (tmp_path / "known").symlink_to(tmp_path / "target")
    with pytest.raises(OutputUnwritable, match="File exists"), whole_file(tmp_path / "a", overwrite=False):
        pass
    assert not (tmp_path / "target").exists()


# --- directories that are replaced


def swap(directory: Path) -> None:
    """Put a link to another directory in the place of `directory`."""
    (directory.parent / "theirs").mkdir()
    directory.rename(directory.parent / "ours")
    directory.symlink_to("theirs")


@pytest.mark.skipif(os.name != "posix", reason="names relative to open directories")
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("made", [False, True])
def test_an_output_stays_in_its_directory_when_that_is_replaced(made: bool, overwrite: bool, tmp_path: Path) -> None:
    out = tmp_path / "around" / "out" if made else tmp_path / "out"
    if not made:
        out.mkdir()
    if overwrite and not made:
        (out / "a").write_bytes(b"old")
    with (
        pytest.raises(OutputUnwritable, match=r"out was replaced while a was written, which is in the directory that"),
        whole_file(out / "a", overwrite=overwrite) as file,
    ):
        file.write(b"x")
        swap(out)
    assert list((out.parent / "theirs").iterdir()) == []
    assert [(path.name, path.read_bytes()) for path in (out.parent / "ours").iterdir()] == [("a", b"x")]


@pytest.mark.skipif(os.name != "posix", reason="names relative to open directories")
def test_no_output_of_a_run_goes_through_a_link_that_was_put_there_during_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with directories.held():
        with whole_file(out / "a", overwrite=False):
            pass
        swap(out)
        with pytest.raises(OutputUnwritable, match="was replaced"), whole_file(out / "b", overwrite=False):
            pass
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == ["a", "b"]
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="names relative to open directories")
def test_a_directory_that_became_a_link_is_not_made_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "theirs").mkdir()
    with pytest.raises(OutputUnwritable), whole_file(out / "a", overwrite=False):
        for path in out.iterdir():
            path.unlink()
        out.rmdir()
        out.symlink_to("theirs")
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted on Linux")
@pytest.mark.parametrize("fails", [False, True])
def test_no_directory_stays_open(fails: bool, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with suppress(RuntimeError), directories.held():
        for number in range(100):
            with whole_file(tmp_path / "x" / str(number) / "a", overwrite=False):
                pass
        assert len(list(Path("/proc/self/fd").iterdir())) - before < 100
        if fails:
            with whole_file(tmp_path / "y" / "a", overwrite=False):
                raise RuntimeError
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_path_without_a_directory_is_in_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with whole_file("a", overwrite=False) as file:
        file.write(b"x")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"x")]


def test_missing_directories_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with whole_file("new/deep/a", overwrite=False):
        pass
    assert (tmp_path / "new" / "deep" / "a").read_bytes() == b""


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a directory of an open file stays")
def test_a_drive_that_does_not_exist_is_not_searched_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `Q:` does not exist, `Q:/` is no directory, and its own parent."""
    asked: list[str] = []

    def is_missing(path: str) -> bool:
        asked.append(path)
        assert len(asked) < 5
        return False

    def no_drive(path: str, *_: object, **__: object) -> int:
        raise FileNotFoundError(errno.ENOENT, "no such drive", path)

    with monkeypatch.context() as patch, pytest.raises(OutputUnwritable, match="no such drive"):
        patch.setattr(os.path, "isdir", is_missing)
        patch.setattr(os, "open", no_drive)
        with whole_file("/x/a", overwrite=False):
            pass


def test_a_directory_that_was_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    with whole_file(tmp_path / "new" / "a", overwrite=False) as file:
        file.write(b"x")
        with suppress(OSError):  # a hidden file keeps it
            (tmp_path / "new").rmdir()
    assert (tmp_path / "new" / "a").read_bytes() == b"x"


def test_a_name_as_long_as_names_can_be_is_written(tmp_path: Path) -> None:
    with whole_file(tmp_path / ("é" * 127), overwrite=False):
        pass
    assert [len(os.fsencode(path.name)) for path in tmp_path.iterdir()] == [254]


@pytest.mark.skipif(os.name != "posix", reason="Windows does not replace an open file")
def test_a_file_can_be_replaced_while_it_is_being_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with (tmp_path / "a").open("rb") as old:
        with whole_file(tmp_path / "a", overwrite=True) as file:
            file.write(b"new")
        assert (old.read(), (tmp_path / "a").read_bytes()) == (b"old", b"new")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
@pytest.mark.parametrize("linked", [False, True])
def test_a_path_that_is_not_a_file_is_not_overwritten(tmp_path: Path, linked: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with (
        pytest.raises(OutputUnwritable, match="pipe is not a regular file"),
        whole_file(tmp_path / ("link" if linked else "pipe"), overwrite=True),
    ):
        pass
    assert ((tmp_path / "pipe").is_fifo(), len(list(tmp_path.iterdir()))) == (True, 2)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere directories are not synced")
@pytest.mark.parametrize("number", [errno.EACCES, errno.EINVAL])
def test_a_directory_that_cannot_be_synced_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fsync = os.fsync

    def fails(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fails)
    with whole_file(tmp_path / "a", overwrite=False) as file:
        file.write(b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


KILLED = """
import os, signal, sys
from lstmdump.export import atomic, conflicts
from lstmdump.export.atomic import whole_file
if sys.argv[2:] == ["hidden name"]:
    atomic._NAMELESS = 0
with whole_file(sys.argv[1], overwrite=True) as file:
    file.write(b"x" * 100_000)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not atomic._NAMELESS, reason="only Linux has files without a name")
def test_a_process_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a"], check=False)
    assert (done.returncode, list(tmp_path.iterdir())) == (-signal.SIGKILL, [])


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_the_next_run_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a", "hidden name"], check=False)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert (len(left), left[0][0], (tmp_path / "a").read_bytes()) == (2, ".", b"old")
    with whole_file(tmp_path / "b", overwrite=False):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
@pytest.mark.parametrize("overwrite", [False, True])
def test_one_run_leaves_the_file_of_another_alone(tmp_path: Path, overwrite: bool) -> None:
    with whole_file(tmp_path / "a", overwrite=overwrite) as file:
        file.write(b"x")
        atomic.remove_leftovers.cache_clear()
        atomic.remove_leftovers(str(tmp_path))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"x")]


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_file_is_locked_for_as_long_as_it_has_a_hidden_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, seen = os.replace, []

    def replacing(source: str, target: str, **places: Any) -> None:
        atomic.remove_leftovers.cache_clear()
        atomic.remove_leftovers(str(tmp_path))
        seen.append((tmp_path / source).exists())
        replace(source, target, **places)

    monkeypatch.setattr(os, "replace", replacing)
    (tmp_path / "a").write_bytes(b"old")
    with whole_file(tmp_path / "a", overwrite=True) as file:
        file.write(b"new")
    assert (seen, (tmp_path / "a").read_bytes()) == ([True], b"new")


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_file_removed_as_left_behind_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, removed = atomic.lock, []

    def late(descriptor: int) -> None:
        if not removed:
            atomic.remove_leftovers.cache_clear()
            atomic.remove_leftovers(str(tmp_path))
            removed.append(descriptor)
        lock(descriptor)

    monkeypatch.setattr(atomic, "_NAMELESS", 0)
    monkeypatch.setattr(atomic, "lock", late)
    with whole_file(tmp_path / "a", overwrite=False) as file:
        file.write(b"x")
    assert (len(removed), (tmp_path / "a").read_bytes()) == (1, b"x")
