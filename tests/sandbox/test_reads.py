"""The files that a process needs that reads certain models: all models are read with no more, and as without a box."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import builders

from lstmdump.sandbox import fork
from lstmdump.sandbox.reads import find_places


@pytest.mark.skipif(not fork.HAS_FORK, reason="fork does not work on this system")
@pytest.mark.parametrize("jobs", [[], ["-j", "2"]])
def test_a_confined_process_exports_the_same_bytes(
    jobs: list[str],
    samples: Path,
    tmp_path: Path,
    process: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    for mode in ("off", "require"):
        done = process("export", "-q", "-r", samples, "-o", mode, *jobs, cwd=tmp_path,
                       env={**os.environ, "LSTMDUMP_SANDBOX": mode})  # fmt: skip
        if "cannot be confined" in done.stderr:
            pytest.skip("the system cannot confine processes")
        assert (done.returncode, done.stderr) == (0, "")
    files = [path.relative_to(tmp_path / "off") for path in (tmp_path / "off").rglob("*.npz")]
    assert len(files) > 10
    for file in files:
        assert (tmp_path / "off" / file).read_bytes() == (tmp_path / "require" / file).read_bytes()


def test_a_model_of_one_file_takes_that_and_what_may_describe_it(tmp_path: Path) -> None:
    path = builders.one_lstm(tmp_path / "weather_weights.h5")
    assert find_places([str(path)]) == (
        str(path),
        str(tmp_path / "weather_weights.json"),
        str(tmp_path / "weather.json"),
    )


@pytest.mark.parametrize("name", ["ckpt", "ckpt.index", "graph.pb", "."])
def test_another_model_takes_its_directory(name: str, tmp_path: Path) -> None:
    (tmp_path / "ckpt.index").write_bytes(b"")
    assert find_places([str(tmp_path / name)]) == (str(tmp_path),)


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_a_model_that_is_a_link_takes_the_file_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    builders.one_lstm(tmp_path / "store" / "x.h5")
    (tmp_path / "m.h5").symlink_to("store/x.h5")
    (tmp_path / "store" / "ckpt.index").write_bytes(b"")
    (tmp_path / "ckpt.index").symlink_to("store/ckpt.index")
    assert find_places([str(tmp_path / "m.h5")]) == (str(tmp_path / "store" / "x.h5"), str(tmp_path / "m.json"))
    assert find_places([str(tmp_path / "ckpt.index")]) == (str(tmp_path), str(tmp_path / "store"))
