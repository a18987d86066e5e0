from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support import builders

Run = Callable[..., Any]


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    """Two models, of 128 and of 4·((3+5)·5 + 5) = 180 parameters."""
    other = builders.write(tmp_path / "other.h5", {"lstm_1": builders.keras_2_weights("lstm_1", 3, 5)})
    return builders.one_lstm(tmp_path / "one.h5"), other


@pytest.fixture
def recorded(run: Run, models: tuple[Path, Path], tmp_path: Path) -> Path:
    """A file with the output of `show --json` for both models."""
    path = tmp_path / "models.jsonl"
    path.write_text(run("show", "--json", *models).out, "utf-8")
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["--params", "128"],
        ["--total", "133"],
        ["--max-params", "1,000"],
        ["--max-total", "1_000"],
        ["--layer-params", "lstm_1=128"],
        ["--layer-shape", "lstm_1=3x4"],
        ["--layer-shape", "lstm_1=3×4", "--params", "128"],
    ],
)
def test_a_met_expectation_has_status_0(arguments: list[str], run: Run, model: Path) -> None:
    outcome = run("check", model, *arguments)
    assert (outcome.status, outcome.out) == (0, f"{model}: ok (1 LSTM layer, 128 parameters)\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--params", "129"], "LSTM parameters: expected 129, found 128 (-1)"),
        (["--total", "100"], "total parameters: expected 100, found 133 (+33)"),
        (["--max-params", "100"], "LSTM parameters: expected at most 100, found 128 (+28)"),
        (["--max-total", "100"], "total parameters: expected at most 100, found 133 (+33)"),
        (["--layer-params", "lstm_1=1"], "lstm_1: parameters: expected 1, found 128 (+127)"),
        (["--layer-shape", "lstm_1=3x5"], "lstm_1: shape: expected 3x5, found 3x4"),
        (["--layer-shape", "lstm_2=3x5"], "lstm_2: layer missing"),
    ],
)
def test_a_difference_has_status_1_and_a_line(arguments: list[str], words: str, run: Run, model: Path) -> None:
    outcome = run("check", model, *arguments)
    assert (outcome.status, outcome.out, outcome.err) == (1, f"{model}: {words}\n", "")


def test_an_unreadable_model_is_worse_than_a_difference(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("check", tmp_path / "none.h5", model, "--params", "1")
    assert (outcome.status, len(outcome.out.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to compare with"),
        (["--params", "many"], "'many' is not a whole number"),
        (["--layer-params", "lstm_1"], "'lstm_1' is not NAME=N"),
        (["--layer-shape", "lstm_1=3"], "'lstm_1=3' is not NAME=DxM"),
        (["--update"], "nothing to compare with"),
        (["--update", "--params", "1"], "--update goes with --against"),
        (["--format", "yaml"], "'yaml' is not one of"),
    ],
)
def test_a_wrong_expectation_is_a_usage_error(arguments: list[str], words: str, run: Run, model: Path) -> None:
    outcome = run("check", model, *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_models_agree_with_an_earlier_output_of_show(run: Run, models: tuple[Path, Path], recorded: Path) -> None:
    assert run("check", *models, "--against", recorded).status == 0


def test_without_a_model_the_recorded_models_are_checked(run: Run, models: tuple[Path, Path], recorded: Path) -> None:
    assert run("check", "--against", recorded).out.splitlines() == [
        f"{models[0]}: ok (1 LSTM layer, 128 parameters)",
        f"{models[1]}: ok (1 LSTM layer, 180 parameters)",
    ]


def test_records_may_have_paths_relative_to_their_file(
    run: Run, models: tuple[Path, Path], recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.write_text(recorded.read_text("utf-8").replace(f"{recorded.parent}/", ""), "utf-8")
    monkeypatch.chdir(recorded.parent.parent)
    assert run("check", *models, "--against", recorded).status == 0


def test_a_changed_activation_with_unchanged_counts_differs_from_the_record(run: Run, tmp_path: Path) -> None:
    def write(activation: str) -> Path:
        layer = builders.lstm_config("lstm_1", activation="tanh", recurrent_activation=activation)
        weights = {"lstm_1": builders.keras_2_weights("lstm_1")}
        return builders.write(tmp_path / "a.h5", weights, config=builders.sequential(layer), version="2.2.4")

    (tmp_path / "a.jsonl").write_text(run("show", "--json", write("hard_sigmoid")).out, "utf-8")
    outcome = run("check", write("sigmoid"), "--against", tmp_path / "a.jsonl")
    assert (outcome.status, outcome.out) == (
        1,
        f"{tmp_path / 'a.h5'}: lstm_1: recurrent_activation: expected hard_sigmoid(0.2x+0.5), found sigmoid\n",
    )


def test_a_changed_model_differs_from_its_record(run: Run, models: tuple[Path, Path], recorded: Path) -> None:
    builders.write(models[0], {"lstm_1": builders.keras_2_weights("lstm_1", 3, 5)})
    outcome = run("check", *models, "--against", recorded)
    assert (outcome.status, outcome.out.splitlines()[:2]) == (
        1,
        [
            f"{models[0]}: lstm_1: units: expected 4, found 5 (+1)",
            f"{models[0]}: lstm_1: parameters: expected 128, found 180 (+52)",
        ],
    )


def test_a_record_without_a_model_is_a_difference(run: Run, models: tuple[Path, Path], recorded: Path) -> None:
    outcome = run("check", models[0], "--against", recorded)
    assert (outcome.status, outcome.out.splitlines()[1]) == (1, f"{models[1]}: model missing")


def test_a_model_without_a_record_is_a_difference(run: Run, models: tuple[Path, Path], recorded: Path) -> None:
    new = builders.one_lstm(recorded.parent / "new.h5")
    outcome = run("check", *models, new, "--against", recorded)
    assert (outcome.status, outcome.out.splitlines()[2]) == (1, f"{new}: new model, not expected")


def test_one_model_and_one_record_belong_together(run: Run, models: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(run("show", "--json", models[0]).out, "utf-8")
    moved = models[0].rename(tmp_path / "moved.h5")
    assert run("check", moved, "--against", tmp_path / "one.jsonl").status == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_record_may_be_in_the_encodings_that_shells_write(
    encoding: str, run: Run, models: tuple[Path, Path], recorded: Path
) -> None:
    recorded.write_bytes(recorded.read_text("utf-8").encode(encoding))
    assert run("check", *models, "--against", recorded).status == 0


def test_an_invalid_record_is_reported(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("hello")
    outcome = run("check", model, "--against", tmp_path / "x.jsonl")
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {tmp_path / 'x.jsonl'}: line 1 is not valid JSON; give the output of `lstmdump show --json`\n",
    )


def test_a_missing_record_is_reported(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("check", model, "--against", tmp_path / "x.jsonl")
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {tmp_path / 'x.jsonl'}: no such file; make it with --update\n",
    )


@pytest.mark.skipif(os.name != "posix", reason="no such names elsewhere")
def test_the_name_of_a_file_that_is_updated_is_shown_escaped(run: Run, model: Path, tmp_path: Path) -> None:
    out = run("check", model, "--against", tmp_path / "a\x1b[2J.jsonl", "--update").out
    assert out.splitlines()[-1].startswith(f"{tmp_path}/a\\x1b[2J.jsonl: 1 model recorded")


def test_update_creates_a_file_that_agrees(run: Run, models: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    assert run("check", *models, "--against", path, "--update").status == 0
    assert run("check", *models, "--against", path).status == 0


def test_update_prints_what_changed(run: Run, models: tuple[Path, Path], recorded: Path) -> None:
    builders.write(models[0], {"lstm_1": builders.keras_2_weights("lstm_1", 3, 5)})
    outcome = run("check", *models, "--against", recorded, "--update")
    assert (outcome.status, outcome.out.splitlines()) == (
        0,
        [
            f"{models[0]}: lstm_1: units: expected 4, found 5 (+1)",
            f"{models[0]}: lstm_1: parameters: expected 128, found 180 (+52)",
            f"{recorded}: 2 models recorded, 1 changed or new, 0 removed",
        ],
    )


def test_update_leaves_the_file_if_a_model_cannot_be_read(run: Run, models: tuple[Path, Path], recorded: Path) -> None:
    before = recorded.read_bytes()
    models[0].write_bytes(b"")
    outcome = run("check", *models, "--against", recorded, "--update")
    assert (outcome.status, recorded.read_bytes()) == (2, before)


def test_update_does_not_overwrite_a_file_that_is_not_a_record(run: Run, model: Path) -> None:
    before = model.read_bytes()
    assert run("check", model, "--against", model, "--update").status == 2
    assert model.read_bytes() == before


def test_json_is_a_line_per_model(run: Run, models: tuple[Path, Path]) -> None:
    outcome = run("check", *models, "--params", "128", "--format", "json")
    assert [json.loads(line)["ok"] for line in outcome.out.splitlines()] == [True, False]


def test_json_has_an_error_for_an_unreadable_model(run: Run, tmp_path: Path) -> None:
    outcome = run("check", tmp_path / "none.h5", "--params", "1", "--format", "json")
    assert json.loads(outcome.out) == {"model": str(tmp_path / "none.h5"), "error": "no such file or directory"}


def test_github_annotates_and_summarises(
    run: Run, models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "summary.md").write_text("before\n")
    outcome = run("check", *models, "--params", "128", "--format", "github")
    assert (outcome.status, outcome.out) == (
        1,
        f"::error file={str(models[1]).replace(':', '%3A')},title=lstmdump%3A LSTM parameters::LSTM parameters: expected 128, found 180 (+52)\n",
    )
    summary = (tmp_path / "summary.md").read_text("utf-8")
    assert summary.startswith("before\n### lstmdump check\n")
    escaped = str(models[0]).replace("\\", "\\\\")
    assert f"| {escaped} | 1 | 128 | ok |" in summary


def test_junit_is_one_document(run: Run, models: tuple[Path, Path], tmp_path: Path) -> None:
    outcome = run("check", *models, tmp_path / "none.h5", "--params", "128", "--format", "junit")
    suite = ElementTree.fromstring(outcome.out)  # noqa: S314 - our own
    assert (outcome.status, suite.get("tests"), suite.get("failures"), suite.get("errors")) == (2, "3", "1", "1")


def test_only_the_chosen_layers_are_compared(run: Run, tmp_path: Path) -> None:
    layers = {name: builders.keras_2_weights(name) for name in ("a", "b")}
    path = builders.write(tmp_path / "a.h5", layers)
    (tmp_path / "x.jsonl").write_text(run("show", "--json", path).out, "utf-8")
    assert run("check", path, "-l", "b", "--params", "128", "--against", tmp_path / "x.jsonl").status == 0


def test_update_keeps_the_spelling_of_paths(run: Run, models: tuple[Path, Path], recorded: Path) -> None:
    recorded.write_text(recorded.read_text("utf-8").replace(f"{recorded.parent}/", ""), "utf-8")
    before = recorded.read_text("utf-8")
    run("check", *models, "--against", recorded, "--update")
    assert recorded.read_text("utf-8") == before


def test_update_prints_removed_models(run: Run, models: tuple[Path, Path], recorded: Path) -> None:
    (recorded.parent / "third.h5").write_bytes(models[0].read_bytes())
    outcome = run("check", models[0], recorded.parent / "third.h5", "--against", recorded, "--update")
    assert outcome.out.splitlines() == [
        f"{recorded.parent / 'third.h5'}: new model, not expected",
        f"{models[1]}: model missing",
        f"{recorded}: 2 models recorded, 1 changed or new, 1 removed",
    ]


def test_a_glob_that_matches_nothing_has_status_2(run: Run, model: Path) -> None:
    outcome = run("check", model, "--max-params", "1", "-l", "typo*")
    assert (outcome.status, outcome.err) == (2, f"lstmdump: {model}: no layer matches typo*; it has lstm_1\n")


def test_checking_nothing_has_status_2(run: Run, tmp_path: Path) -> None:
    outcome = run("check", "-r", tmp_path, "--params", "1")
    assert (outcome.status, outcome.err) == (2, "lstmdump: no model found, so nothing was checked\n")


@pytest.mark.parametrize("option", ["--params", "--layer-params"])
def test_an_excessive_number_is_a_usage_error(option: str, run: Run, model: Path) -> None:
    outcome = run("check", model, option, "x=" * (option != "--params") + "9" * 5000)
    assert (outcome.status, outcome.err.count("\n"), "a bug" in outcome.err) == (2, 1, False)


@pytest.mark.skipif(os.name != "posix", reason="a device of POSIX")
def test_an_unwritable_summary_is_reported(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/dev/null/summary.md")
    outcome = run("check", model, "--params", "128", "--format", "github")
    assert (outcome.status, outcome.err) == (
        2,
        "lstmdump: /dev/null/summary.md: the summary cannot be written: Not a directory\n",
    )


def test_update_keeps_the_spelling_of_paths_next_to_other_files(run: Run, recorded: Path) -> None:
    import h5py

    h5py.File(recorded.parent / "a_dataset.h5", "w").close()  # listed first, then skipped
    recorded.write_text(recorded.read_text("utf-8").replace(f"{recorded.parent}/", ""), "utf-8")
    before = recorded.read_text("utf-8")
    run("check", "-r", recorded.parent, "--against", recorded, "--update")
    assert recorded.read_text("utf-8") == before
