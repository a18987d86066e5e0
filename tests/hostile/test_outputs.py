"""Outputs of runs that are killed, exceed the file size limit, run at the same time, or read bad models among good ones."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import builders

from lstmdump.errors import UnreadableModel
from lstmdump.export.gates import Job, export

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")
Run = Callable[..., Any]
KILLS = 6
STARTED = """
import sys
from lstmdump import cli
from lstmdump.export import atomic
if {hidden}:
    atomic._NAMELESS = 0
cli.main()
"""


def content(path: Path) -> dict[str, bytes]:
    """Return the members of a complete archive, without the record, which has the model's path."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist() if name != "__lstmdump__.npy"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of 5 MB with different numbers, and the exported archive of each next to it."""
    place = tmp_path_factory.mktemp("models")
    paths = []
    for seed, name in enumerate(("old.h5", "new.h5")):
        weights = builders.keras_2_weights("x", d=400, m=400, seed=seed)
        paths.append(builders.write(place / name, {"x": weights}))
        export(Job(str(paths[-1]), str(paths[-1].with_suffix(".npz"))))
    return paths[0], paths[1]


def command(model: Path, out: Path, *options: str, hidden: bool = False) -> list[str]:
    return [sys.executable, "-c", STARTED.format(hidden=hidden), "export", str(model), "-o", str(out), "-f", *options]


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden name", "no name"])
@pytest.mark.parametrize("options", [(), ("--compress",)], ids=["stored", "deflated"])
def test_a_killed_run_leaves_the_old_or_the_new_file_and_the_next_run_removes_temporary_files(
    options: tuple[str, ...], hidden: bool, models: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = models
    begun = time.monotonic()
    subprocess.run(command(new, tmp_path / "first.npz", *options, hidden=hidden), check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begun
    (tmp_path / "first.npz").unlink()
    expected = [content(path.with_suffix(".npz")) for path in models]
    out = tmp_path / "x.npz"
    for kill in range(KILLS):
        out.write_bytes(old.with_suffix(".npz").read_bytes())
        process = subprocess.Popen(
            command(new, out, *options, hidden=hidden), stdout=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(seconds * (0.3 + 0.7 * kill / KILLS))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert content(out) in expected
        assert all(path.name.startswith(".lstmdump-") for path in tmp_path.iterdir() if path != out)
    subprocess.run(command(old, out, hidden=hidden), check=True, stdout=subprocess.DEVNULL)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("hidden", [True, False], ids=["hidden name", "no name"])
@pytest.mark.parametrize("limit", [0, 1000, 100_000, 2_000_000])
def test_a_file_size_limit_keeps_the_old_file_and_is_reported_on_one_line(
    limit: int, hidden: bool, models: tuple[Path, Path], tmp_path: Path
) -> None:
    import resource

    (tmp_path / "x.npz").write_bytes(b"old")
    done = subprocess.run(
        command(models[1], tmp_path / "x.npz", hidden=hidden), capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"lstmdump: .*new\.h5: .*x\.npz cannot be written: File too large\n", done.stderr)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x.npz", b"old")]


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden name", "no name"])
def test_six_simultaneous_runs_leave_only_complete_files(
    hidden: bool, models: tuple[Path, Path], tmp_path: Path
) -> None:
    runs = [
        subprocess.Popen(command(models[turn % 2], tmp_path / "out" / "x.npz", hidden=hidden), stderr=subprocess.PIPE)
        for turn in range(6)
    ]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [(b"", 0)] * 6
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.npz"]
    assert content(tmp_path / "out" / "x.npz") in [content(path.with_suffix(".npz")) for path in models]


@pytest.fixture
def batch(tmp_path: Path) -> tuple[Path, set[str]]:
    """A directory of 300 models, and the names of the 30 truncated ones."""
    whole = builders.one_lstm(tmp_path / "whole.h5").read_bytes()
    draw = random.Random(1)  # noqa: S311 - the same choice each time
    bad = {f"{number:03}.h5" for number in draw.sample(range(300), 30)}
    (tmp_path / "in").mkdir()
    for number in range(300):
        name = f"{number:03}.h5"
        (tmp_path / "in" / name).write_bytes(whole[: draw.randrange(8, 8000)] if name in bad else whole)
    return tmp_path / "in", bad


@pytest.mark.parametrize("jobs", [1, 2])
def test_exactly_the_bad_ones_of_many_models_are_named(
    jobs: int, batch: tuple[Path, set[str]], run: Run, tmp_path: Path
) -> None:
    place, bad = batch
    outcome = run("export", "-r", place, "-o", tmp_path / "out", "-j", jobs)
    named = re.findall(r"^lstmdump: .*/(\d{3}\.h5): ", outcome.err, re.MULTILINE)
    assert (outcome.status, sorted(named)) == (2, sorted(bad))
    written = {path.name.removesuffix(".npz") for path in (tmp_path / "out").iterdir()}
    assert (written & bad, len(written)) == (set(), 270)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists descriptors in /proc")
def test_descriptors_are_closed_after_each_of_many_models(batch: tuple[Path, set[str]], tmp_path: Path) -> None:
    place, bad = batch
    counts = []
    for model in sorted(place.iterdir()):
        if model.name not in bad:
            export(Job(str(model), str(tmp_path / "out" / model.name)))
        else:
            with pytest.raises(UnreadableModel):
                export(Job(str(model), str(tmp_path / "out" / model.name)))
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert len(set(counts[1:])) == 1
