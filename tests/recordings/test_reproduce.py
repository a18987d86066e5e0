from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recordings import reproduce
from support import builders

NAME = "keras-1.2.2-weather"


@pytest.fixture
def folder(samples: Path, tmp_path: Path) -> Path:
    """A directory with one recording, and the model of it."""
    for ending in ("h5", "io.npz"):
        shutil.copy(samples / f"{NAME}.{ending}", tmp_path)
    return tmp_path


def test_the_recordings_of_the_sample_models_are_reproduced(samples: Path) -> None:
    command = [sys.executable, str(Path(__file__).parent), str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout.splitlines()[-1]) == (0, "", "6 reproduced, 0 not")


def test_the_recordings_of_genuine_files_are_reproduced(capsys: pytest.CaptureFixture[str]) -> None:
    genuine = Path(__file__).parents[1] / "genuine"
    assert (reproduce.main([str(genuine)]), capsys.readouterr().out.splitlines()[-1]) == (0, "18 reproduced, 0 not")


def test_another_output_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = dict(np.load(folder / f"{NAME}.io.npz"))
    recorded["lstm_1|y"][0, 0] += 1e-3
    np.savez(folder / f"{NAME}.io.npz", **recorded)
    assert reproduce.main([str(folder)]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{folder / NAME}.h5: lstm_1: differs by 1.0e-03 (lstm_1)", "0 reproduced, 1 not",
    ]  # fmt: skip


def test_a_recording_that_no_answer_reproduces_is_left_out_with_its_reason(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = dict(np.load(folder / f"{NAME}.io.npz"))
    recorded["lstm_1|y"][0, 0] += 1e-3
    np.savez(folder / f"{NAME}.io.npz", **recorded)
    monkeypatch.setattr(reproduce, "_LEFT_OUT", {NAME: "it was changed"})
    assert reproduce.main([str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{folder / NAME}.h5: left out: it was changed", "0 reproduced, 1 left out, 0 not",
    ]  # fmt: skip


def test_a_recording_without_a_model_is_not_reproduced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / f"{NAME}.h5").unlink()
    assert (reproduce.main([str(folder)]), capsys.readouterr().out.splitlines()[-1]) == (1, "0 reproduced, 1 not")


def test_a_directory_without_recordings_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (reproduce.main([str(tmp_path)]), capsys.readouterr().out) == (1, "0 reproduced, 0 not\n")


def test_models_have_the_name_of_the_recording(tmp_path: Path) -> None:
    for name in ("a.io.npz", "a.h5", "a.index", "a.meta", "a.data-00000-of-00001", "ab.h5", "a_b.h5"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "a").mkdir()
    assert [path.name for path in reproduce._find_models(tmp_path / "a.io.npz")] == ["a", "a.h5", "a.index"]


@pytest.mark.parametrize(
    ("model", "note", "options"),
    [
        ("keras-2.0/v1lstm.h5", "…; --activation and --recurrent-activation override them",
         ("--recurrent-activation", "hard_sigmoid")),
        ("keras-2.0/v1lstm.h5", "…; --activation overrides it", ()),
        ("keras-2.0/act_backwards.weights.h5", "…; --activation and --go-backwards override them",
         ("--activation", "relu", "--go-backwards")),
        ("keras-2.0/weather.h5", "…; --recurrent-activation overrides it", ()),
    ],
)  # fmt: skip
def test_options_are_given_where_a_note_names_them(model: str, note: str, options: tuple[str, ...]) -> None:
    assert reproduce._find_options(Path(model), [note]) == options


@pytest.mark.parametrize("how", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_halves_are_joined_as_keras_joins_them(how: str, dimensions: int, tmp_path: Path) -> None:
    one, other = builders.numbers(2, 5, 4, seed=1), builders.numbers(2, 5, 4, seed=2)
    outputs = [one, other] if dimensions == 3 else [one[:, -1], other[:, 0]]
    expected = {"concat": np.concatenate(outputs, -1), "sum": sum(outputs), "mul": np.prod(outputs, 0),
              "ave": np.mean(outputs, 0)}[how]  # fmt: skip
    recording = reproduce.Recording(tmp_path, "both", one, {"h": expected})  # type: ignore[dict-item]
    outcome = reproduce._compare(recording, ["f", "b"], {"f/h": one, "b/h": other})
    assert outcome.difference < 1e-6


@pytest.mark.parametrize("changed", ["y", "h", "c"])
def test_an_output_of_another_runtime_that_differs_is_reported(changed: str, root: Path, tmp_path: Path) -> None:
    for ending in ("safetensors", "io.npz"):
        shutil.copy(root / "tests" / "genuine" / f"torch-2.13.0-net.{ending}", tmp_path)
    recorded = dict(np.load(tmp_path / "torch-2.13.0-net.io.npz"))
    recorded[changed] = recorded[changed] + np.float32(1e-3)
    np.savez(tmp_path / "torch-2.13.0-net.io.npz", **recorded)
    (recording,) = reproduce.recordings(tmp_path / "torch-2.13.0-net.io.npz")
    outcome = reproduce.reproduce(recording)
    assert (outcome.is_reproduced, outcome.words) == (False, f"{changed} differs by 1.0e-03")


def test_a_recording_with_the_steps_first_is_turned() -> None:
    outputs = {"y": builders.numbers(3, 2, 4), "h": builders.numbers(1, 2, 4)}  # 3 steps of 2 sequences
    recording = reproduce.Recording(Path("m"), None, builders.numbers(3, 2, 5), outputs, is_of_model=True)
    turned = reproduce._with_batch_first(recording)
    assert (turned.x.shape, turned.outputs["y"].shape) == ((2, 3, 5), (2, 3, 4))
