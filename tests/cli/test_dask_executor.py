"""Exports on a Dask cluster of two worker processes."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders

pytest.importorskip("distributed")

Run = Callable[..., Any]

CLUSTER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler with two workers, which run in another directory than the tests."""
    place = tmp_path_factory.mktemp("cluster")
    (place / "cluster.py").write_text(CLUSTER)
    with subprocess.Popen(
        [sys.executable, "cluster.py"], cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as cluster:  # fmt: skip
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        yield cluster.stdout.readline().strip()
        cluster.stdin.close()


def test_a_batch_on_a_cluster_gives_the_same_as_in_one_process(scheduler: str, process: Run, tmp_path: Path) -> None:
    for name in ("a/one.h5", "b/one.h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        builders.one_lstm(tmp_path / name)
    (tmp_path / "b" / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    here = process("export", "-r", ".", "-o", "here", cwd=tmp_path)
    there = process("export", "-r", "a", "-r", "b", "-o", "there", "--dask", scheduler, cwd=tmp_path)
    assert (there.returncode, there.stdout) == (2, "there/a/one.h5.npz\nthere/b/one.h5.npz\n")
    assert there.stderr.replace("b/bad.h5", "./b/bad.h5") == here.stderr
    for name in ("a/one.h5.npz", "b/one.h5.npz"):
        with np.load(tmp_path / "here" / name) as ours, np.load(tmp_path / "there" / name) as theirs:
            assert {key: ours[key].tolist() for key in ours.files if key != "__lstmdump__"} == {
                key: theirs[key].tolist() for key in theirs.files if key != "__lstmdump__"
            }


def test_the_record_holds_the_path_as_given(scheduler: str, process: Run, model: Path) -> None:
    process("export", model.name, "-o", "x.npz", "--dask", scheduler, cwd=model.parent)
    assert '"model": "model.h5"' in np.load(model.parent / "x.npz")["__lstmdump__"].item()


def test_a_second_run_refuses_or_skips_existing_outputs(scheduler: str, process: Run, model: Path) -> None:
    words = ("export", model.name, "-o", "out", "--dask", scheduler)
    process(*words, cwd=model.parent)
    refused, skipped = process(*words, cwd=model.parent), process(*words, "--skip-existing", cwd=model.parent)
    assert (refused.returncode, skipped.returncode, skipped.stdout) == (2, 0, "")
    assert refused.stderr == "lstmdump: model.h5: out/model.h5.npz already exists; use --force or --skip-existing\n"


FROM_PYTHON = """
import sys
from distributed import Client
from lstmdump.export import batch
from lstmdump.export.gates import export, plan

with Client(sys.argv[1]) as client:
    for outcome in batch.run(export, plan(sys.argv[3:], sys.argv[2]), client.get_executor(pure=False)):
        print(outcome.result.layers if outcome.error is None else outcome.error)
"""


def test_dasks_executor_runs_a_batch_from_python(scheduler: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_bytes(b"")
    words = [sys.executable, "-c", FROM_PYTHON, scheduler, tmp_path / "out", model, tmp_path / "bad.h5"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, (tmp_path / "out" / "model.h5.npz").is_file()) == ("1\nan empty file\n", True)


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:8786", "tcp://127.0.0.1", "tcp://127.0.0.1:x"])
def test_an_invalid_scheduler_address_is_reported(address: str, process: Run, model: Path) -> None:
    done = process("export", model, "-o", "x.npz", "--dask", address, cwd=model.parent)
    words = f"lstmdump: --dask {address}: not the address of a scheduler, such as tcp://host:8786"
    assert (done.returncode, done.stderr) == (2, f"{words}; see `lstmdump export --help`\n")


@pytest.fixture(params=["nobody", "silence", "another server"])
def wrong_address(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address at which there is no scheduler."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if request.param == "nobody":
            server.close()
        elif request.param == "another server":
            refusing = threading.Thread(target=refuse, args=(server,))
            refusing.start()
        yield address
        if request.param == "another server":
            server.shutdown(socket.SHUT_RDWR)
            refusing.join()


def refuse(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")


SOON = """
import sys
from lstmdump import cli
from lstmdump.cli import dask_executor as cluster
cluster._SECONDS = 1
sys.exit(cli.run(sys.argv[1:]))
"""


def test_no_scheduler_is_told_in_one_line(wrong_address: str, model: Path) -> None:
    words = [sys.executable, "-c", SOON, "export", model, "-o", "x.npz", "--dask", wrong_address]
    done = subprocess.run(words, capture_output=True, text=True, cwd=model.parent, check=False, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"lstmdump: {wrong_address}: no Dask scheduler answers at this address (")


def test_without_dask_the_error_gives_the_pip_command(process: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('none here')")
    done = process("export", model, "-o", "x.npz", "--dask", "tcp://127.0.0.1:1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2, "lstmdump: --dask needs Dask (none here); pip install distributed\n"
    )  # fmt: skip


def test_jobs_and_dask_cannot_be_combined(run: Run, model: Path) -> None:
    assert run("export", model, "-o", "x", "-j", "2", "--dask", "tcp://127.0.0.1:1").status == 2
