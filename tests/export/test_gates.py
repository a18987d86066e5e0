from __future__ import annotations

import json
import ntpath
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support import builders
from support.cells import changed

from lstmdump.errors import CorruptModel, DoesNotFit, NoForgetBias, OutputClash, OutputExists, OutputUnwritable
from lstmdump.export import atomic, gates
from lstmdump.export.gates import Job, Settings, export, plan
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model import locate
from lstmdump.model.zip import archives
from lstmdump.readers.keras.weights_h5.member_window import MemberWindow
from lstmdump.sandbox.guard import ModelPath

KEEP = Settings()


def exported(path: Path, settings: Settings = KEEP) -> dict[str, np.ndarray]:
    output = path.with_suffix(".npz")
    export(Job(str(path), str(output)), settings)
    with np.load(output, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_one_model_is_written_to_the_named_file() -> None:
    assert list(plan(["a/b.h5"], "x.npz")) == [Job("a/b.h5", "x.npz")]


def test_one_model_is_written_below_a_directory_under_its_own_name() -> None:
    assert list(plan(["a/b.h5"], "out")) == [Job("a/b.h5", os.path.join("out", "b.h5.npz"))]


def test_several_models_keep_their_places_below_the_deepest_common_directory() -> None:
    planned = plan(["top/a/x.h5", "top/b/c/x.h5"], "out.npz")
    assert [job.output for job in planned] == [
        os.path.join("out.npz", "a", "x.h5.npz"),
        os.path.join("out.npz", "b", "c", "x.h5.npz"),
    ]


def test_an_output_at_a_url_is_refused() -> None:
    with pytest.raises(OutputUnwritable, match="is a URL"):
        plan(["a/x.h5", "b/x.h5"], "s3://bucket/gates")


def test_two_models_for_one_file_are_refused() -> None:
    with pytest.raises(OutputClash, match="nothing was written"):
        plan(["a/x.h5", "a/../a/x.h5"], "out")


def test_a_model_is_not_overwritten_by_its_own_gates(tmp_path: Path) -> None:
    path = builders.one_lstm(tmp_path / "model.npz")
    with pytest.raises(OutputClash, match="is itself one of the models"):
        plan([str(path)], str(path))


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege elsewhere")
def test_a_model_is_not_overwritten_by_the_gates_of_another_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    models = [builders.one_lstm(tmp_path / "real" / name) for name in ("a", "a.npz")]
    (tmp_path / "out").symlink_to("real")
    with pytest.raises(OutputClash, match=r"out/a.npz is itself one of the models"):
        plan([str(path) for path in models], str(tmp_path / "out"))


def test_models_in_the_root_directory_are_written_below_the_output_directory() -> None:
    top = Path.cwd().anchor
    assert next(plan([f"{top}a.h5"], "out")).output == os.path.join("out", "a.h5.npz")


@pytest.mark.parametrize(
    ("models", "outputs"),
    [
        (["C:\\m\\a.h5", "Z:\\m\\a.h5"], ["x\\C\\m\\a.h5.npz", "x\\Z\\m\\a.h5.npz"]),
        (["C:\\a.h5", "\\\\host\\share\\a.h5"], ["x\\C\\a.h5.npz", "x\\host\\share\\a.h5.npz"]),
        (["C:\\m\\a.h5", "C:\\m\\n\\a.h5"], ["x\\a.h5.npz", "x\\n\\a.h5.npz"]),
    ],
)
def test_models_on_several_drives_keep_their_places_below_the_drive(
    models: list[str], outputs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = SimpleNamespace(path=ntpath, sep="\\")
    monkeypatch.setattr(gates, "os", windows)
    monkeypatch.setattr(locate, "os", windows)
    assert [job.output for job in plan(models, "x")] == outputs


def test_every_gate_has_three_arrays_and_the_file_has_a_record(model: Path) -> None:
    assert sorted(exported(model)) == sorted(
        ["__lstmdump__", *(f"lstm_1/{array}_{gate}" for gate in "ifco" for array in "WUb")]
    )


def test_gates_are_those_of_the_model(model: Path) -> None:
    arrays = exported(model)
    for name, values in builders.gates(3, 4).items():
        assert arrays[f"lstm_1/{name}"].tolist() == values.tolist()


def test_the_record_is_that_of_show(model: Path) -> None:
    record = json.loads(exported(model)["__lstmdump__"].item())
    assert (record["model"], record["layers"][0]["parameters"]) == (str(model), 128)


def test_the_record_has_no_dimensions(model: Path) -> None:
    assert exported(model)["__lstmdump__"].shape == ()


def test_the_record_states_what_a_layer_computes(tmp_path: Path) -> None:
    settings = {"activation": "relu", "recurrent_activation": "hard_sigmoid", "go_backwards": True, "stateful": False}
    layer = builders.lstm_config("a", **settings)
    path = builders.write(
        tmp_path / "a.h5", {"a": builders.keras_2_weights("a")}, config=builders.sequential(layer), version="2.2.4"
    )
    (record,) = json.loads(exported(path)["__lstmdump__"].item())["layers"]
    assert record | settings | {"recurrent_activation": "hard_sigmoid(0.2x+0.5)"} == record
    assert (record["return_sequences"], record["cell_clip"]) == (None, None)


def test_a_layer_without_bias_has_no_b(tmp_path: Path) -> None:
    path = builders.write(tmp_path / "a.h5", {"x": builders.keras_2_weights("x")[:2]})
    assert not [name for name in exported(path) if "/b_" in name]


def test_numbers_are_kept_as_they_are_stored(tmp_path: Path) -> None:
    weights = [(name, values.astype("f2")) for name, values in builders.keras_2_weights("x")]
    assert exported(builders.write(tmp_path / "a.h5", {"x": weights}))["x/W_i"].dtype == np.float16


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_are_converted_on_request(dtype: str, model: Path) -> None:
    assert exported(model, Settings(dtype=dtype))["lstm_1/U_o"].dtype == dtype


def test_a_number_that_does_not_fit_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    weights = [(name, values * 1e6) for name, values in builders.keras_2_weights("x")]
    path = builders.write(tmp_path / "a.h5", {"x": weights})
    with pytest.raises(DoesNotFit, match=r"x/W_i: it holds .* too large for float16"):
        exported(path, Settings(dtype="float16"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.h5"]


def large_keras(path: Path) -> Path:
    """Write a `.keras` archive of two layers, whose kernels have a MiB each."""
    config = builders.sequential(builders.lstm_config("a", 256), builders.lstm_config("b", 256))
    groups = {group: builders.cell(256, 256) for group in ("layers/lstm/cell", "layers/lstm_1/cell")}
    return builders.keras_zip(path, config, groups)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings", [KEEP, Settings(layer_glob="a"), Settings(dtype="float16"), Settings(compress=True)]
)
@pytest.mark.parametrize("layer", [0, 1])
def test_a_changed_byte_in_an_archive_is_reported_and_nothing_is_written(
    layer: int, settings: Settings, tmp_path: Path
) -> None:
    path = large_keras(tmp_path / "m.keras")
    data, kernel = bytearray(path.read_bytes()), builders.cell(256, 256)[0].tobytes()
    at = data.find(kernel, data.find(kernel) + 1 if layer else 0) + len(kernel) // 2
    data[at + 3] = 0x7F  # the exponent of a number, which becomes too large for float16
    path.write_bytes(data)
    words = r"^model.weights.h5 is damaged: its checksum differs from the one in the zip archive$"
    with pytest.raises(CorruptModel, match=words):
        export(Job(str(path), str(tmp_path / "out" / "x.npz")), settings)
    assert [item.name for item in tmp_path.iterdir()] == ["m.keras"]


@pytest.mark.skipif(archives.crc32_combine is None, reason="a function of isal")
def test_the_numbers_in_an_archive_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, counts = large_keras(tmp_path / "m.keras"), []
    before = MemberWindow._fetch

    def count(self: MemberWindow, view: memoryview, start: int) -> int:
        counts.append(before(self, view, start))
        return counts[-1]

    monkeypatch.setattr(MemberWindow, "_fetch", count)
    exported(path)
    numbers = 2 * sum(array.nbytes for array in builders.cell(256, 256))
    assert numbers < sum(counts) < 1.1 * numbers


def test_an_output_that_exists_is_refused_before_anything_is_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model.with_suffix(".npz").write_bytes(b"old")
    monkeypatch.delattr(ModelPath, "open")
    with pytest.raises(OutputExists, match="use --force or --skip-existing"):
        exported(model)
    assert model.with_suffix(".npz").read_bytes() == b"old"


def test_force_overwrites(model: Path) -> None:
    model.with_suffix(".npz").write_bytes(b"old")
    assert "lstm_1/W_i" in exported(model, Settings(force=True))


def test_skip_existing_leaves_the_file(model: Path) -> None:
    output = model.with_suffix(".npz")
    output.write_bytes(b"old")
    done = export(Job(str(model), str(output)), Settings(skip_existing=True))
    assert (done.skipped, output.read_bytes()) == (True, b"old")


def test_a_directory_as_an_output_is_refused(model: Path) -> None:
    model.with_suffix(".npz").mkdir()
    with pytest.raises(OutputExists, match="is a directory"):
        exported(model, Settings(force=True))


def test_only_the_chosen_layers_are_written(tmp_path: Path) -> None:
    layers = {name: builders.keras_2_weights(name) for name in ("a", "b")}
    arrays = exported(builders.write(tmp_path / "m.h5", layers), Settings(layer_glob="b"))
    assert {name.partition("/")[0] for name in arrays} == {"__lstmdump__", "b"}


def test_a_model_without_lstm_has_only_a_record(tmp_path: Path) -> None:
    assert list(exported(builders.write(tmp_path / "a.h5", {"d": builders.dense("d")}))) == ["__lstmdump__"]


def with_forget_bias(monkeypatch: pytest.MonkeyPatch, value: float | None) -> None:
    """Make every model one of TensorFlow 1, whose cells add a constant to b_f at run time."""
    opening = ModelPath.open

    def reading(model: ModelPath) -> LoadedModel:
        opened = opening(model)
        opened.lstms = tuple(changed(lstm, forget_bias=value) for lstm in opened.lstms)
        return opened

    monkeypatch.setattr(ModelPath, "open", reading)


def test_folding_adds_the_constant_to_the_forget_gates_bias_alone(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_forget_bias(monkeypatch, 1.0)
    arrays, made = exported(model, Settings(fold_forget_bias=True)), builders.gates(3, 4)
    assert arrays["lstm_1/b_f"].tolist() == (made["b_f"] + np.float32(1)).tolist()
    assert arrays["lstm_1/b_i"].tolist() == made["b_i"].tolist()


def test_a_folded_forget_bias_is_recorded_as_zero(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_forget_bias(monkeypatch, 1.0)
    record = json.loads(exported(model, Settings(fold_forget_bias=True))["__lstmdump__"].item())
    assert (record["layers"][0]["forget_bias"], record["notes"][-1]) == (
        0.0,
        "lstm_1: the forget bias 1.0 is folded into b_f",
    )


def test_folding_a_forget_bias_that_the_file_does_not_hold_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_forget_bias(monkeypatch, None)
    with pytest.raises(NoForgetBias, match="lstm_1: the file does not hold its forget bias"):
        exported(model, Settings(fold_forget_bias=True))


def test_folding_in_keras_changes_nothing(model: Path) -> None:
    assert (
        exported(model, Settings(fold_forget_bias=True))["lstm_1/b_f"].tolist() == builders.gates(3, 4)["b_f"].tolist()
    )


@pytest.mark.parametrize(
    ("models", "outputs"),
    [
        (["s3://bucket/m.h5"], ["m.h5.npz"]),
        (["https://host:8000/a/m.h5?token=x/y"], ["m.h5.npz"]),
        (["s3://bucket/a/m.h5", "s3://bucket/a/b/m.h5"], ["m.h5.npz", "b/m.h5.npz"]),
        (["s3://bucket/m.h5", "s3://other/m.h5"], ["bucket/m.h5.npz", "other/m.h5.npz"]),
        (["s3://bucket/m.h5", "http://host:80/m.h5"], ["s3/bucket/m.h5.npz", "http/host_80/m.h5.npz"]),
        (["s3://bucket/m.h5", "/here/m.h5"], ["s3/bucket/m.h5.npz", "here/m.h5.npz"]),
    ],
)
def test_the_path_of_an_output_follows_its_url(models: list[str], outputs: list[str]) -> None:
    assert [job.output for job in plan(models, "out")] == [
        os.path.join("out", *output.split("/")) for output in outputs
    ]


def test_two_urls_that_differ_in_their_queries_clash() -> None:
    with pytest.raises(OutputClash, match="nothing was written"):
        plan(["https://host/m.h5?version=1", "https://host/m.h5?version=2"], "out")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
@pytest.mark.parametrize("settings", [Settings(), Settings(force=True), Settings(skip_existing=True)])
def test_an_output_that_is_not_a_file_is_refused(settings: Settings, model: Path) -> None:
    os.mkfifo(model.with_suffix(".npz"))
    with pytest.raises(OutputExists, match="is not a regular file"):
        export(Job(str(model), str(model.with_suffix(".npz"))), settings)
    assert model.with_suffix(".npz").is_fifo()


@pytest.mark.skipif(os.name != "posix", reason="without locks, leftovers stay for a day")
def test_a_run_that_skips_existing_files_removes_leftovers(model: Path) -> None:
    model.with_suffix(".npz").write_bytes(b"old")
    (model.parent / atomic.hidden_name()).write_bytes(b"half")
    atomic.remove_leftovers.cache_clear()
    export(Job(str(model), str(model.with_suffix(".npz"))), Settings(skip_existing=True))
    assert sorted(path.name for path in model.parent.iterdir()) == ["model.h5", "model.npz"]


def test_gates_of_integers_are_written_as_the_numbers_that_they_stand_for(tmp_path: Path) -> None:
    models = Path(__file__).parents[1] / "readers" / "tflite" / "models"
    gates.export(gates.Job(str(models / "fused-int8.tflite"), str(tmp_path / "out.npz")))
    with np.load(tmp_path / "out.npz") as written, np.load(models / "fused-int8.truth.npz") as truth:
        assert {
            (written[key].dtype.name, written[key].tobytes()) for key in written.files if key.startswith("lstm/")
        } == {("float32", truth[key].tobytes()) for key in truth.files}
