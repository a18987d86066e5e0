from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import h5py
import numpy as np
import pytest
from support import builders
from support.tensorflow_builders import write_bundle

Run = Callable[..., Any]


def test_the_path_written_is_printed(run: Run, model: Path, tmp_path: Path) -> None:
    assert run("export", model, "-o", tmp_path / "x.npz").out == f"{tmp_path / 'x.npz'}\n"


def test_json_has_the_output(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.npz"
    assert json.loads(run("export", "--json", model, "-o", out).out) == {
        "model": str(model), "output": str(out), "layers": 1, "bytes": out.stat().st_size
    }  # fmt: skip


def test_json_has_an_error_for_a_failure(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"old")
    outcome = run("export", "--json", model, "-o", tmp_path / "x.npz")
    assert (outcome.status, list(json.loads(outcome.out))) == (2, ["model", "error"])


def test_an_existing_output_is_refused_with_the_options_that_allow_it(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"old")
    outcome = run("export", model, "-o", tmp_path / "x.npz")
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {model}: {tmp_path / 'x.npz'} already exists; use --force or --skip-existing\n",
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_batch_keeps_the_tree_and_goes_on_after_a_bad_model(run: Run, jobs: str, tmp_path: Path) -> None:
    for name in ("a/one.h5", "b/one.h5", "b/two.h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        builders.one_lstm(tmp_path / name)
    (tmp_path / "b" / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    outcome = run("export", "-r", tmp_path, "-o", tmp_path / "out", "-j", jobs)
    written = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    assert (outcome.status, written) == (2, ["a/one.h5.npz", "b/one.h5.npz", "b/two.h5.npz"])
    assert outcome.err.startswith(f"lstmdump: {tmp_path / 'b' / 'bad.h5'}: HDF5, but")


def test_a_second_run_does_only_the_rest(run: Run, model: Path, tmp_path: Path) -> None:
    run("export", model, "-o", tmp_path / "out")
    other = builders.one_lstm(tmp_path / "other.h5")
    outcome = run("export", model, other, "-o", tmp_path / "out", "--skip-existing")
    assert outcome.out == f"{tmp_path / 'out' / 'other.h5.npz'}\n"


def test_force_and_skip_exclude_each_other(run: Run, model: Path) -> None:
    assert run("export", model, "-o", "x", "-f", "--skip-existing").status == 2


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("weather.h5", "weather.npz"), ("a.b.hdf5", "a.b.npz"), ("a.weights.h5", "a.weights.npz"), ("A.H5", "A.npz"),
        ("model.dat", "model.dat.npz"), ("model", "model.npz"), (".h5", ".h5.npz"),
    ],
)  # fmt: skip
def test_without_an_output_it_is_beside_the_model(run: Run, name: str, output: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    builders.one_lstm(tmp_path / "in" / name)
    outcome = run("export", tmp_path / "in" / name)
    assert (outcome.status, outcome.out) == (0, f"{tmp_path / 'in' / output}\n")


@pytest.mark.parametrize("spelling", ["tf-keras-2.21-func30-savedmodel", "tf-keras-2.21-func30-savedmodel/", "."])
def test_the_output_of_a_directory_is_beside_it(
    run: Run, spelling: str, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "tf-keras-2.21-func30-savedmodel"
    shutil.copytree(samples / name, tmp_path / name)
    monkeypatch.chdir(tmp_path / name if spelling == "." else tmp_path)
    run("export", spelling)
    assert (tmp_path / f"{name}.npz").is_file()


def test_an_existing_file_beside_the_model_is_refused(run: Run, model: Path) -> None:
    model.with_suffix(".npz").write_bytes(b"old")
    assert (run("export", model).status, model.with_suffix(".npz").read_bytes()) == (2, b"old")


def test_several_models_need_an_output(run: Run, model: Path) -> None:
    for words in ([model, model], ["-r", model.parent]):
        outcome = run("export", *words)
        assert (outcome.status, outcome.err) == (
            2, "lstmdump: several models need a directory: give it with -o OUT; see `lstmdump export --help`\n"
        )  # fmt: skip


def test_a_model_at_a_url_needs_an_output(run: Run) -> None:
    outcome = run("export", "https://127.0.0.1:9/a.h5")
    assert (outcome.status, "give it with -o OUT.npz" in outcome.err) == (2, True)


@pytest.mark.parametrize("out", ["-", "out.h5", "out.keras", "out.json", "out.NPZ", "out.pt", "out.csv", "out.zip"])
def test_an_output_like_a_file_makes_no_directory(
    run: Run, model: Path, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    outcome = run("export", model, "-o", out)
    assert (outcome.status, list(Path.cwd().iterdir())) == (2, [])
    assert outcome.err.endswith(": give OUT.npz or a directory; see `lstmdump export --help`\n")


def test_several_models_do_not_fit_into_one_file(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("export", model, builders.one_lstm(tmp_path / "b.h5"), "-o", tmp_path / "both.npz")
    assert (outcome.status, (tmp_path / "both.npz").exists()) == (2, False)
    assert outcome.err == (
        f"lstmdump: {tmp_path / 'both.npz'} is one file, and there are 2 models: give a directory; "
        "see `lstmdump export --help`\n"
    )


@pytest.mark.parametrize("out", ["out.h5", "gates-1.2", "out.h5/"])
def test_a_directory_may_have_any_name(run: Run, model: Path, out: str, tmp_path: Path) -> None:
    if out == "out.h5":
        (tmp_path / out).mkdir()
    assert run("export", model, "-o", f"{tmp_path}/{out}").status == 0
    assert (tmp_path / out / "model.h5.npz").is_file()


def test_two_models_for_one_output_write_nothing(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("export", model, model, "-o", tmp_path / "out")
    assert (outcome.status, (tmp_path / "out").exists()) == (2, False)


def test_a_file_in_place_of_the_directory_is_reported(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    outcome = run("export", model, "-o", tmp_path / "file" / "x.npz")
    reason = os.strerror(errno.ENOTDIR if os.name == "posix" else errno.ENOENT)
    assert (outcome.status, outcome.err) == (
        2,
        f"lstmdump: {model}: {tmp_path / 'file' / 'x.npz'} cannot be written: {reason}\n",
    )


def test_a_model_that_cannot_be_read_leaves_no_directory(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.h5").write_text("text")
    run("export", tmp_path / "bad.h5", "-o", tmp_path / "out" / "deep")
    assert not (tmp_path / "out").exists()


def test_a_model_without_lstm_is_written_and_reported(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"dense": builders.dense("dense")})
    outcome = run("export", path, "-o", tmp_path / "x.npz")
    assert (outcome.status, outcome.err) == (0, f"lstmdump: {path}: no LSTM layer in this model\n")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_other_recurrent_layers_are_named(run: Run, jobs: str, root: Path, tmp_path: Path) -> None:
    path = root / "tests" / "cases" / "convlstm2d-tfkeras2.21.keras"
    outcome = run("export", path, "-j", jobs, "-o", tmp_path / "x.npz")
    assert (outcome.status, outcome.err) == (0, f"lstmdump: {path}: no LSTM layer; it has ConvLSTM2D conv\n")


@pytest.mark.parametrize("options", [[], ["-j", "2"], ["--force"]])
def test_a_glob_that_matches_nothing_writes_nothing(run: Run, model: Path, options: list[str], tmp_path: Path) -> None:
    outcome = run("export", "-q", model, "-o", tmp_path / "x.npz", "-l", "lstm", *options)
    assert (outcome.status, outcome.out, outcome.err, (tmp_path / "x.npz").exists()) == (
        2,
        "",
        f"lstmdump: {model}: no layer matches lstm; it has lstm_1\n",
        False,
    )


def test_a_glob_that_matches_nothing_leaves_what_is_there(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"old")
    run("export", model, "-o", tmp_path / "x.npz", "-l", "lstm", "--force")
    assert (tmp_path / "x.npz").read_bytes() == b"old"


def test_options_reach_the_file(run: Run, model: Path, tmp_path: Path) -> None:
    run("export", model, "-o", tmp_path / "x.npz", "--dtype", "float64", "--compress", "-l", "lstm_*")
    assert np.load(tmp_path / "x.npz")["lstm_1/W_i"].dtype == np.float64
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_DEFLATED}


@pytest.mark.parametrize(
    ("name", "key"), [("a\x1bb", "a%1Bb"), ("..\\..\\x", "..%5C..%5Cx"), ("C:x", "C%3Ax"), ("100%", "100%25")]
)
def test_a_name_that_is_not_a_portable_path_is_escaped_in_the_keys(
    name: str, key: str, run: Run, tmp_path: Path
) -> None:
    path = builders.write(tmp_path / "a.h5", {"l": builders.keras_2_weights(f"l/{name}")})
    run("export", path, "-o", tmp_path / "x.npz")
    assert f"l/{key}/W_i" in np.load(tmp_path / "x.npz").files


def test_layers_with_similar_names_have_different_keys(run: Run, tmp_path: Path) -> None:
    names = ["a/b", "a_b", "A_B", "a%2Fb", "a:b", "a?b"]
    layers = {name: builders.keras_2_weights(name, seed=seed) for seed, name in enumerate(names)}
    run("export", builders.write(tmp_path / "a.h5", layers), "-o", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as arrays:
        numbers = {unquote(name): arrays[name].tolist() for name in arrays.files}
    assert {name: numbers[f"{name}/W_i"] for name in names} == {
        name: builders.gates(3, 4, seed)["W_i"].tolist() for seed, name in enumerate(names)
    }


SAMPLE = "tf-1.12-basic-lstm-cell"


def test_a_forget_bias_that_is_not_folded_is_reported(run: Callable[..., Any], samples: Path, tmp_path: Path) -> None:
    outcome = run("export", samples / SAMPLE, "-o", tmp_path / "a.npz")
    assert outcome.status == 0
    assert "b_f does not include the 1.0 that the cell adds at run time; --fold-forget-bias adds it" in outcome.err


@pytest.mark.parametrize("option", ["--fold-forget-bias", "--quiet"])
def test_a_folded_forget_bias_is_not_reported_and_quiet_hides_the_note(
    option: str, run: Callable[..., Any], samples: Path, tmp_path: Path
) -> None:
    assert run("export", samples / SAMPLE, "-o", tmp_path / "a.npz", option).err == ""


def test_averages_are_exported_by_every_process(tmp_path: Path, run: Callable[..., Any]) -> None:
    weights = {"rnn/lstm_cell/kernel": np.zeros((7, 16), "f4"), "rnn/lstm_cell/bias": np.zeros(16, "f4")}
    averages = {f"{name}/ExponentialMovingAverage": values + 1 for name, values in weights.items()}
    for name in "ab":
        write_bundle(tmp_path / name, weights | averages)
    out = tmp_path / "out"
    assert run("export", tmp_path / "a.index", tmp_path / "b.index", "-o", out, "-j", "2", "--averages").status == 0
    for path in out.iterdir():
        with np.load(path) as arrays:
            assert arrays["rnn/lstm_cell/W_i"].tolist() == np.ones((3, 4)).tolist()


def test_models_that_two_processes_read_are_written_to_one_directory(tmp_path: Path, run: Callable[..., Any]) -> None:
    """The first is read here; the HDF5 library reads the second, in a process that is forked after that."""
    plain = builders.one_lstm(tmp_path / "a.h5")
    with h5py.File(builders.one_lstm(tmp_path / "b.h5"), "r+") as file:
        file["model_weights/soft"] = h5py.SoftLink("/model_weights")
    with h5py.File(tmp_path / "c.h5", "w", libver="latest") as file, h5py.File(plain) as source:
        for name in source:
            source.copy(name, file)
        file.attrs.update(source.attrs)
    outcome = run("export", plain, tmp_path / "b.h5", tmp_path / "c.h5", "-o", tmp_path / "out")
    assert (outcome.status, len(outcome.out.splitlines())) == (0, 3)
