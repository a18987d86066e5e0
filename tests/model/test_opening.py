from __future__ import annotations

import io
import os
import socket
import time
from pathlib import Path

import pytest

from lstmdump.errors import ChangedFile
from lstmdump.model import opening
from lstmdump.model.location import Location
from lstmdump.model.opening import WatchedFile, read_bounded, require_unchanged


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x"
    path.write_bytes(b"bytes")
    return path


def rewrite(path: Path, content: bytes) -> None:
    """Write `path` anew, a second later."""
    path.write_bytes(content)
    os.utime(path, (time.time() + 1,) * 2)


def test_a_file_is_read(path: Path) -> None:
    with WatchedFile(str(path)) as file:
        assert file.read() == b"bytes"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a named pipe, not a file"):
        WatchedFile(str(tmp_path / "pipe"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_named_pipe_that_takes_the_place_of_a_file_is_refused_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening one waits until somebody writes into it."""
    before = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda _: before)
    with pytest.raises(OSError, match="a named pipe, not a file"):
        WatchedFile(str(path))


@pytest.mark.skipif(os.name != "posix", reason="sockets and devices in directories of POSIX")
def test_a_socket_and_a_device_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        with pytest.raises(OSError, match="a socket, not a file"):
            WatchedFile("socket")
    with pytest.raises(OSError, match="a device, not a file"):
        WatchedFile("/dev/zero")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        WatchedFile(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links of POSIX")
def test_a_link_is_followed_only_where_one_may_be(path: Path) -> None:
    (path.parent / "link").symlink_to("x")
    with WatchedFile(str(path.parent / "link")) as file:
        assert file.read() == b"bytes"
    with pytest.raises(OSError, match="symbolic links"):
        WatchedFile(str(path.parent / "link"), follow=False)


@pytest.mark.parametrize("content", [b"BYTES", b"byte", b"bytes and more"])
@pytest.mark.parametrize("buffered", [True, False])
def test_a_file_that_is_written_while_it_is_read_has_changed(content: bytes, buffered: bool, path: Path) -> None:
    with Location(path).open(buffered=buffered) as file:
        require_unchanged(file)
        rewrite(path, content)
        with pytest.raises(
            ChangedFile, match=r"^x was changed while it was read; read it again when nothing writes it$"
        ):
            require_unchanged(file)


def test_a_file_that_is_replaced_while_it_is_read_stays_as_it_is(path: Path, tmp_path: Path) -> None:
    with Location(path).open() as file:
        (tmp_path / "other").write_bytes(b"other")
        if os.name == "posix":
            (tmp_path / "other").replace(path)
        require_unchanged(file)
        assert file.read() == b"bytes"


def test_files_without_a_name_do_not_change() -> None:
    require_unchanged(io.BytesIO(b"bytes"))


def test_a_file_that_is_written_between_two_openings_has_changed(path: Path) -> None:
    location = Location(path)
    location.open().close()
    rewrite(path, b"other")
    with pytest.raises(ChangedFile, match="x was changed"):
        location.open()


def test_a_model_has_changed_if_any_of_its_files_was_written_since(path: Path) -> None:
    location = Location(path.parent)
    location.child("x").open().close()
    location.require_unchanged()
    rewrite(path, b"other")
    with pytest.raises(ChangedFile, match="x was changed"):
        location.require_unchanged()


def test_a_file_that_is_gone_when_all_is_read_has_not_changed(path: Path) -> None:
    location = Location(path)
    location.open().close()
    path.unlink()
    location.require_unchanged()


def test_a_file_beside_the_models_has_a_largest_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST", 5)
    assert read_bounded(str(path)) == b"bytes"
    path.write_bytes(b"bytes!")
    with pytest.raises(OSError, match="it has more than 0 MiB"):
        read_bounded(str(path))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files have names on Linux only")
def test_the_path_of_an_open_file_leads_to_it_whatever_takes_its_place(path: Path) -> None:
    with Location(path).open() as file:
        path.unlink()
        path.write_bytes(b"other")
        assert Path(opening.path_of(file)).read_bytes() == b"bytes"
