"""Searches: what was meant to be a model is reported, and a search without models fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tensorflow_builders

Run = Callable[..., Any]

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
PAGE = "<!DOCTYPE html><html><body>404</body></html>"
MODEL_SUFFIXES = [".h5", ".hdf5", ".keras", ".pb", ".index", ".pt", ".pth", ".onnx", ".tflite", ".safetensors"]
COMMANDS = {
    "show": ["show"],
    "export": ["export", "-o", "OUT"],
    "check": ["check", "--max-params", "1000"],
    "verify": ["verify"],
    "lags": ["lags"],
}


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """A command that searches; its output, if it has one, is outside of what it searches."""
    return [str(tmp_path / "out") if word == "OUT" else word for word in COMMANDS[request.param]]


def search(run: Run, directory: Path) -> list[str]:
    """Return what stderr has on the search of `directory`, without the names of the files."""
    lines: list[str] = run("show", "-r", directory).err.splitlines()
    return [line.partition(": ")[2].removeprefix(f"{directory}/") for line in lines]


@pytest.mark.parametrize("words", [["show"], ["check", "--params", "128"], ["lags"], ["export", "-o", "out"]])
def test_a_pointer_of_git_lfs_beside_a_good_model_has_status_2(
    words: list[str], run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)
    (model.parent / "a.h5").write_text(POINTER)
    outcome = run(*words, "-r", ".")
    assert outcome.status == 2
    assert "a.h5: a Git LFS pointer, not the model itself; fetch it" in outcome.err


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_a_pointer_within_a_saved_model_is_named(name: str, run: Run, samples: Path, tmp_path: Path) -> None:
    place = tmp_path / "model"
    shutil.copytree(samples / "tf-keras-2.21-func30-savedmodel", place)
    (place / name).write_text(POINTER)
    words = f"{Path(name).name} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"
    for arguments in ([place], ["-r", tmp_path]):
        outcome = run("show", *arguments)
        assert (outcome.status, outcome.err) == (2, f"lstmdump: {place}: {words}\n")


@pytest.mark.parametrize("spelling", ["m", "m.index"])
def test_a_pointer_in_place_of_the_data_of_a_checkpoint_is_named(spelling: str, run: Run, tmp_path: Path) -> None:
    tensorflow_builders.write_bundle(tmp_path / "m", {"lstm/kernel": np.zeros((70, 160), "float32")})
    (tmp_path / "m.data-00000-of-00001").write_text(POINTER)
    assert "m.data-00000-of-00001 is a Git LFS pointer" in run("show", tmp_path / spelling).err


def test_a_search_of_nothing_but_pointers_writes_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.h5").write_text(POINTER)
    outcome = run("export", "-r", tmp_path / "in", "-o", tmp_path / "out")
    assert (outcome.status, outcome.out, (tmp_path / "out").exists()) == (2, "", False)


def test_a_broken_model_has_a_record_in_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text(POINTER)
    (line,) = run("show", "--json", "-r", tmp_path).out.splitlines()
    assert json.loads(line)["error"].startswith("a Git LFS pointer")


@pytest.mark.parametrize("name", ["a", "a.dat", "a.data-00000-of-00001", "a.meta", "README.md"])
def test_a_pointer_of_git_lfs_is_reported_whatever_its_name(name: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / name).write_text(POINTER)
    assert search(run, tmp_path) == [f"{name}: a Git LFS pointer, not the model itself; fetch it with `git lfs pull`"]


def test_a_pointer_for_the_data_of_a_checkpoint_is_reported(run: Run, tmp_path: Path) -> None:
    tensorflow_builders.write_bundle(tmp_path / "m", {"lstm/kernel": np.zeros((7, 16), "float32")})
    (tmp_path / "m.data-00000-of-00001").write_text(POINTER)
    assert "m.data-00000-of-00001: a Git LFS pointer" in "\n".join(search(run, tmp_path))


@pytest.mark.parametrize("suffix", [*MODEL_SUFFIXES, ".H5"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "an empty file"),
        (PAGE, "an HTML page, not the model; the download failed"),
        ("Not Found\n", "not a model file: a text file"),
        ('{"message": "Not Found"}', "not a model file: JSON text"),
    ],
)
def test_nothing_html_or_text_under_the_suffix_of_a_model_is_reported(
    suffix: str, content: str, words: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / f"a{suffix}").write_text(content)
    assert [line.partition(";")[0] for line in search(run, tmp_path)] == [f"a{suffix}: {words}".partition(";")[0]]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("content", ["", PAGE, "hello\n", "{}"])
@pytest.mark.parametrize("name", ["a.txt", "a", "a.html", "a.json", "a.py", "h5"])
def test_other_files_beside_a_model_are_not_reported(name: str, content: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    outcome = run("check", "-q", "--params", "128", "-r", tmp_path)
    assert (outcome.status, outcome.err) == (0, "")


def test_a_search_without_models_has_status_2(command: list[str], run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "readme.txt").write_text("hello")
    outcome = run(*command, "-r", tmp_path / "in")
    assert (outcome.status, outcome.err.startswith("lstmdump: no model found")) == (2, True)


def test_a_search_that_meets_nothing_but_other_data_in_hdf5_has_status_2(
    command: list[str], run: Run, tmp_path: Path
) -> None:
    import h5py

    (tmp_path / "in").mkdir()
    h5py.File(tmp_path / "in" / "data.h5", "w").close()
    outcome = run(*command, "-r", tmp_path / "in")
    assert (outcome.status, outcome.err.startswith("lstmdump: no model found")) == (2, True)


def test_an_update_that_finds_no_model_leaves_the_record(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    record = tmp_path / "record.jsonl"
    run("check", model, "--against", record, "--update")
    before = record.read_bytes()
    outcome = run("check", "-r", tmp_path / "in", "--against", record, "--update")
    assert (outcome.status, record.read_bytes() == before) == (2, True)
