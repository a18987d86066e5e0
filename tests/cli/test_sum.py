"""The sum at the end of a run over several models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import builders

Run = Callable[..., Any]
VERBS = {"show": "shown", "export": "written", "check": "checked", "lags": "computed"}


def arguments(command: str, tmp_path: Path) -> list[str]:
    """Return `command` with what it needs beside models."""
    more = {"export": ["-o", str(tmp_path / "out")], "check": ["--params", "128"]}
    return [command, *more.get(command, [])]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two models, two broken ones and three other files."""
    place = tmp_path / "in"
    place.mkdir()
    for name in ("a.h5", "b.h5"):
        builders.one_lstm(place / name)
    for name in ("c.h5", "d.h5"):
        (place / name).write_text("")
    for name in ("1.txt", "2.txt", "3.txt"):
        (place / name).write_text("hello")
    return place


@pytest.mark.parametrize("command", VERBS)
def test_a_run_over_several_models_ends_with_its_sum(command: str, run: Run, directory: Path, tmp_path: Path) -> None:
    outcome = run(*arguments(command, tmp_path), "-r", directory)
    assert outcome.err.splitlines()[-1] == f"lstmdump: 2 {VERBS[command]}, 2 failed, 3 passed over"


@pytest.mark.parametrize("command", VERBS)
def test_quiet_leaves_the_sum_out(command: str, run: Run, directory: Path, tmp_path: Path) -> None:
    assert "passed over" not in run(*arguments(command, tmp_path), "-q", "-r", directory).err


@pytest.mark.parametrize("command", VERBS)
def test_one_model_has_no_sum(command: str, run: Run, model: Path, tmp_path: Path) -> None:
    assert "passed over" not in run(*arguments(command, tmp_path), model).err


def test_several_models_have_a_sum_however_they_are_named(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{model}\n{model}\n")
    assert run("show", model, model).err == "lstmdump: 2 shown, 0 failed, 0 passed over\n"
    assert run("show", "-T", tmp_path / "list").err == "lstmdump: 2 shown, 0 failed, 0 passed over\n"


def test_the_sum_is_not_on_stdout(run: Run, model: Path) -> None:
    assert len(run("show", "--json", model, model).out.splitlines()) == 2


def test_existing_outputs_are_passed_over(run: Run, model: Path, tmp_path: Path) -> None:
    other = builders.one_lstm(tmp_path / "other.h5")
    run("export", model, "-o", tmp_path / "out")
    outcome = run("export", model, other, "-o", tmp_path / "out", "--skip-existing")
    assert outcome.err == "lstmdump: 1 written, 0 failed, 1 passed over\n"


def test_a_run_that_finds_all_outputs_there_has_status_0(run: Run, model: Path, tmp_path: Path) -> None:
    other = builders.one_lstm(tmp_path / "other.h5")
    run("export", model, other, "-o", tmp_path / "out")
    outcome = run("export", model, other, "-o", tmp_path / "out", "--skip-existing")
    assert (outcome.status, outcome.err) == (0, "lstmdump: 0 written, 0 failed, 2 passed over\n")


def test_the_sum_of_a_check_has_the_number_of_different_models(run: Run, model: Path, tmp_path: Path) -> None:
    other = builders.write(tmp_path / "b.h5", {"l": builders.keras_2_weights("l", m=5)})
    assert run("check", model, other, "--params", "128").err == (
        "lstmdump: 2 checked (1 different), 0 failed, 0 passed over\n"
    )


def test_parts_of_models_are_not_counted(run: Run, samples: Path) -> None:
    checkpoint = samples / "tf-1.12-basic-lstm-cell-checkpoint"
    assert len(list(checkpoint.iterdir())) > 2
    assert run("show", "-r", checkpoint).err == ""


def test_thousands_have_separators(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{model}\n" * 1000)
    assert run("check", "--params", "128", "-T", tmp_path / "list").err == (
        "lstmdump: 1,000 checked, 0 failed, 0 passed over\n"
    )
