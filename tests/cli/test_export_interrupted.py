"""Batch exports that are interrupted by Ctrl-C, or in which a worker process dies."""

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


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lstmdump", "export", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def interrupt(process: subprocess.Popen[str], *, group: bool) -> tuple[int, str, str]:
    """Return status, stdout and stderr after Ctrl-C, which a terminal sends to the whole process group.

    Both streams end when the last process that writes to them has ended.
    """
    if group:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err.strip()  # click ends the line in which a terminal has printed ^C


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of 600 links to the same model."""
    place = tmp_path_factory.mktemp("models")
    builders.one_lstm(place / "model.h5")
    for number in range(600):
        (place / f"{number}.h5").symlink_to("model.h5")
    (place / "list").write_text("".join(f"{place / f'{number}.h5'}\n" for number in range(600)))
    return place / "list"


@pytest.mark.parametrize("group", [True, False], ids=["all processes", "the first process"])
@pytest.mark.parametrize("jobs", [1, 8])
def test_an_interrupted_batch_keeps_only_complete_outputs(jobs: int, group: bool, models: Path, tmp_path: Path) -> None:
    process = start("-T", models, "-o", tmp_path / "out", "-j", jobs, "--json")
    assert process.stdout is not None
    first = process.stdout.readline()
    status, rest, err = interrupt(process, group=group)
    written = list((tmp_path / "out").iterdir())
    assert (status, err) == (130, "")
    assert 1 <= len((first + rest).splitlines()) <= len(written) < 600
    assert {path.suffix for path in written} == {".npz"}
    assert all(len(np.load(path).files) == 13 for path in written)


def test_a_second_run_exports_the_remaining_models(models: Path, tmp_path: Path) -> None:
    process = start("-T", models, "-o", tmp_path / "out", "-j", 2, "--json")
    assert process.stdout is not None
    process.stdout.readline()
    interrupt(process, group=True)
    there = len(list((tmp_path / "out").iterdir()))
    out, err = start("-T", models, "-o", tmp_path / "out", "-j", 2, "--skip-existing").communicate(timeout=120)
    assert (len(out.splitlines()), err) == (
        600 - there,
        f"lstmdump: {600 - there} written, 0 failed, {there} passed over\n",
    )


@pytest.mark.parametrize("jobs", [1, 8])
def test_an_interrupt_during_an_export_leaves_no_file(jobs: int, tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        builders.write(tmp_path / name, {"x": builders.keras_2_weights("x", d=1000, m=1000)})
    process = start(tmp_path / "a.h5", tmp_path / "b.h5", "-o", tmp_path / "out", "-j", jobs, "--compress")
    while not (tmp_path / "out").exists():  # created when the first export starts
        assert process.poll() is None
        time.sleep(0.01)
    assert interrupt(process, group=True) == (130, "", "")
    assert not (tmp_path / "out").exists()


DEADLY = """
import os, signal, sys
from lstmdump import cli
from lstmdump.sandbox.guard import ModelPath

opening = ModelPath.open

def deadly(model):
    if "deadly" in model.path:
        os.kill(os.getpid(), signal.SIGKILL)
    return opening(model)

ModelPath.open = deadly
sys.exit(cli.run(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only forked processes inherit the patch")
def test_a_worker_process_that_dies_is_one_failure(tmp_path: Path) -> None:
    paths = [builders.one_lstm(tmp_path / f"{name}.h5") for name in ("a", "deadly", "b", "c")]
    words = [sys.executable, "-c", DEADLY, "export", *paths, "-o", tmp_path / "out", "-j", "2"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.split()) == (2, [str(tmp_path / "out" / f"{name}.h5.npz") for name in "abc"])
    assert done.stderr.splitlines() == [
        f"lstmdump: {paths[1]}: the worker process died (signal 9, SIGKILL); a damaged file can cause that",
        "lstmdump: 3 written, 1 failed, 0 passed over",
    ]
