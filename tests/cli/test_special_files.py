"""Named pipes, sockets, devices and directories in place of files: one line and status 2, at once, for every option."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmdump.model import opening

pytestmark = pytest.mark.skipif(os.name != "posix", reason="special files of POSIX")

OPTIONS = {
    "MODEL": ["show", "{}"],
    "-T": ["show", "-T", "{}"],
    "-i": ["trace", "model.h5", "-o", "o.npz", "-i", "{}"],
    "--mask": ["trace", "model.h5", "-o", "o.npz", "-i", "x.npy", "--mask", "{}"],
    "--initial-state": ["trace", "model.h5", "-o", "o.npz", "-i", "x.npy", "--initial-state", "{}"],
    "--against": ["check", "model.h5", "--against", "{}"],
    "--config": ["check", "model.h5", "--config", "{}"],
}


@pytest.fixture(autouse=True)
def place(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a model, an input, and one of each kind of special file."""
    monkeypatch.chdir(model.parent)
    np.save("x.npy", np.zeros((2, 3), "f4"))
    os.mkfifo("pipe")
    Path("directory").mkdir()
    Path("zeros").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        yield model.parent


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", ["pipe", "socket", "zeros", "directory"])
def test_what_is_no_file_is_refused_at_once(name: str, option: str, run: Callable[..., Any]) -> None:
    outcome = run(*(word.format(name) for word in OPTIONS[option]))
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert name in outcome.err
    assert "bug" not in outcome.err


def test_a_project_file_that_is_a_pipe_is_passed_over(run: Callable[..., Any]) -> None:
    os.mkfifo("pyproject.toml")
    assert run("check", "model.h5", "--total", "133").status == 0


def test_a_list_may_come_through_a_pipe(place: Path, process: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert process("show", "-T", "-", input="model.h5\n", cwd=place).returncode == 0


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="open files have no names")
@pytest.mark.parametrize("option", ["-T", "--config"])
def test_what_the_shell_has_opened_may_be_a_pipe(option: str, place: Path) -> None:
    """As in `lstmdump show -T <(find …)`."""
    reading, writing = os.pipe()
    os.write(writing, b"model.h5\n" if option == "-T" else b"total = 133\n")
    os.close(writing)
    command = [sys.executable, "-m", "lstmdump", *(word.format(f"/dev/fd/{reading}") for word in OPTIONS[option])]
    done = subprocess.run(command, pass_fds=[reading], cwd=place, capture_output=True, check=False, timeout=60)
    os.close(reading)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("option", "content"), [
    ("-T", b"x" * 100), ("-T", b"\xff\xfe" + b"x\0" * 50), ("--against", b"{" * 100), ("--config", b"#" * 100),
])  # fmt: skip
def test_a_file_beside_the_models_has_a_largest_size(
    option: str, content: bytes, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MOST", 64)
    monkeypatch.setattr("lstmdump.cli.selection.MOST", 64)
    Path("long").write_bytes(content)
    outcome = run(*(word.format("long") for word in OPTIONS[option]))
    assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "it has more than 0 MiB" in outcome.err


def test_a_list_without_an_end_is_refused(
    place: Path, process: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    with Path("/dev/zero").open("rb") as zeros:
        done = process("show", "-T", "-", stdin=zeros, cwd=place)
    assert (done.returncode, done.stderr) == (2, "lstmdump: -: the list cannot be read: it has more than 64 MiB\n")
