from __future__ import annotations

import io
import pickle
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lstmdump import readers
from lstmdump.errors import UnknownFormat, UnreadableModel
from lstmdump.model.location import Location
from lstmdump.readers.detect import FORMATS, Format, detect


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


ZIP = zipped("readme.txt")
HDF5 = b"\x89HDF\r\n\x1a\n"
npy = io.BytesIO()
np.save(npy, np.zeros(3))

FOREIGN = {
    "an empty file": b"",
    "a text file": b"hello\n",
    "JSON text": b'{"class_name": "Sequential"}',
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
    "a list of checkpoints": b'model_checkpoint_path: "model.ckpt-3"\n',
    "an HTML page": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "a Python pickle": pickle.dumps({"a": 1}),
    "a Python pickle, which is never unpickled here; save the model itself": pickle.dumps({"a": ZIP}),
    "a Python pickle, which is never unpickled here; it holds a Keras archive": pickle.dumps(
        {"padding": bytes(2**20 - 40), "model": zipped("config.json", "metadata.json", "variables.h5")}
    ),
    "a MetaGraphDef": b"\x0a\xae\x0f\x12\x87\x0f\x0a\x44\x0a\x05AddV2",
    "a NumPy .npy array": npy.getvalue(),
    "an archive of torch.export (.pt2)": zipped("e/models/model.json", "e/data/weights/weight_0"),
    "a NumPy .npz archive": zipped("a.npy", "b.npy"),
    "a zip archive, but neither a Keras model": zipped("readme.txt"),
    "a zip archive that is truncated": zipped("config.json")[:40],
    "a tar archive": bytes(257) + b"ustar\x0000" + bytes(248) + HDF5 + bytes(512),
    "gzip-compressed": b"\x1f\x8b\x08\x00",
    "a GGUF file": b"GGUF\x03\x00\x00\x00",
    "its first bytes are not those of a known format": bytes(range(200, 256)),
}


@pytest.mark.parametrize("words", FOREIGN)
def test_the_error_for_another_file_states_what_it_is(words: str, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(FOREIGN[words])
    with pytest.raises(UnknownFormat, match=rf"^(not a model file: )?{re.escape(words)}"):
        detect(Location(path))


@pytest.mark.parametrize("offset", [0, 512, 1024, 4096])
def test_hdf5_is_detected_by_its_signature_also_after_a_user_block(offset: int, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(bytes(offset) + HDF5 + bytes(100))
    assert detect(Location(path)) is Format.HDF5


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (zipped("config.json", "metadata.json", "model.weights.h5"), Format.KERAS_ZIP),
        (b"\x08\x01\x12\x04abcd", Format.SAVED_MODEL),
        (b"\x1c\x00\x00\x00TFL3" + bytes(20), Format.TFLITE),
        (zipped("config.json", "model.weights.json"), Format.KERAS_ZIP),
        (zipped("config.json", "metadata.json", "variables.h5"), Format.KERAS_ZIP),
        (b'{"metadata": {"total_size": 4}, "weight_map": {"/layers/a/vars": "x_0.weights.h5"}}', Format.KERAS_WEIGHTS),
        (bytes(40) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", Format.CHECKPOINT),
        (b"\x0a\x1b\x0a\x01x\x12\x0bPlaceholder", Format.GRAPH),
        (b"\x0a\xff\xff\xff\x7f\x0a\x06kernel", Format.GRAPH),  # a first node of 256 MiB
        (b"\x0a\xff\xff\xff\xff\x07\x0a\x06kernel", Format.GRAPH),  # and one of 2 GiB
        (zipped("archive/data.pkl", "archive/version"), Format.PYTORCH),
        (
            pickle.dumps(0x1950A86A20F9469CFC6C, 2),
            Format.PYTORCH,
        ),  # the magic number of torch.save before its zip format
        (pickle.dumps(0x1950A86A20F9469CFC6C, 4), Format.PYTORCH),  # which may have any protocol
        (struct.pack("<Q", 21) + b'{"a":{"dtype":"F32"}}', Format.SAFETENSORS),
        (struct.pack("<Q", 2) + b"{}", Format.SAFETENSORS),
        (b"\x08\x08\x12\x07pytorch\x1a\x031.9\x3a\x00", Format.ONNX),
        (b"\x08\x08\x3a\x00", Format.ONNX),
        (b"\x42\x02\x10\x0e\x08\x03\x3a\xff\xff\xff\xff\x07", Format.ONNX),  # versions first; a graph of 2 GiB
        (
            b"\x08\x08\x12\x04hand\x32\xff\x0f" + bytes(2047) + b"\x3a\x00",
            Format.ONNX,
        ),  # a long comment, then the graph
    ],
)
def test_other_models_are_detected_by_their_first_bytes(content: bytes, expected: Format, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    assert detect(Location(path)) is expected


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\x08\x12\x04hand",  # no graph
        b"\x12\x04hand\x3a\x00",  # no version
        b"\x08\x00\x3a\x00",  # version 0
        b"\x08\x08\x3d\x00\x00\x00\x00",  # four bytes in place of the graph
        b"\x08\x08\x48\x01\x3a\x00",  # a field that a model does not have
        b"\x08\x08\x12\xff\xff\xff\xff\x07hand",  # a name longer than the file
    ],
)
def test_other_protocol_buffers_are_not_taken_for_onnx(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UnknownFormat):
        detect(Location(tmp_path / "model.onnx"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["saved_model.pb"], Format.SAVED_MODEL),
        (["config.json", "metadata.json", "model.weights.h5"], Format.KERAS_ZIP),
        (["config.json", "model.weights.h5"], Format.KERAS_ZIP),
        (["config.json", "model.weights.json"], Format.KERAS_ZIP),
        (["checkpoint", "x.index"], Format.CHECKPOINT),
        (["x.weights.json", "x_00000.weights.h5"], Format.KERAS_WEIGHTS),
    ],
)
def test_directories_are_detected_by_the_files_in_them(names: list[str], expected: Format, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert detect(Location(tmp_path)) is expected


def test_a_checkpoint_is_detected_by_its_prefix(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt.index").write_bytes(b"x")
    assert detect(Location(tmp_path / "model.ckpt")) is Format.CHECKPOINT


def test_a_directory_that_is_not_a_model_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match="a directory, but not a model"):
        detect(Location(tmp_path))


def test_a_missing_path_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="no such file or directory"):
        detect(Location(tmp_path / "none.h5"))


def test_a_path_with_a_nul_is_not_valid() -> None:
    with pytest.raises(UnreadableModel, match="not a valid path"):
        detect(Location(Path("a\0b")))


def test_text_that_ends_within_a_character_is_detected_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(("x" * 1023 + "é" * 10).encode())
    with pytest.raises(UnknownFormat, match="a text file"):
        detect(Location(path))


@pytest.mark.parametrize(
    ("files", "named", "words"),
    [
        (["m.ckpt.index"], "m.ckpt.", "no such file; the prefix of the checkpoint is m.ckpt, without the dot"),
        (["m.ckpt.meta"], "m.ckpt", "a checkpoint whose index, m.ckpt.index, is missing"),
        (["m.ckpt.data-00000-of-00001"], "m.ckpt", "a checkpoint whose index, m.ckpt.index, is missing"),
        (["m.ckpt.data-00000-of-00001"], "m.ckpt.data-00000-of-00001", "whose index, m.ckpt.index, is missing"),
        (["saved_model.pb", "keras_metadata.pb"], "keras_metadata.pb", "a part of a SavedModel; give its directory"),
        (["saved_model.pb", "fingerprint.pb"], "fingerprint.pb", "a part of a SavedModel; give its directory"),
    ],
)
def test_the_error_for_a_part_of_a_model_names_the_whole(
    files: list[str], named: str, words: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UnreadableModel, match=words):
        detect(Location(tmp_path / named))


def test_every_format_has_a_row() -> None:
    assert [row.format for row in FORMATS] == list(Format)


@pytest.mark.parametrize("detected", list(Format), ids=lambda detected: detected.value)
def test_every_format_has_a_reader(detected: Format, tmp_path: Path) -> None:
    with pytest.raises((UnreadableModel, OSError)):  # an AssertionError where `read` has no case
        readers.read(Location(tmp_path / "none"), detected)


def test_a_format_without_a_case_is_not_read_as_another_one(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no case for 'new'"):
        readers.read(Location(tmp_path / "none"), "new")  # type: ignore[arg-type]


def test_no_two_formats_have_the_same_name() -> None:
    names = [name for row in FORMATS for name in (row.label, row.name_in_help)]
    assert len(set(names)) == len(names)


def test_the_pre_commit_hooks_match_the_files_of_each_format() -> None:
    hooks = (Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    suffixes = dict.fromkeys(suffix for row in FORMATS for suffix in row.suffixes)
    taken = re.findall(r"files: \\\.\((.*)\)\$", hooks)
    assert [pattern.replace("\\", "").split("|") for pattern in taken] == [[*suffixes], [*suffixes, "jsonl"]]


def test_the_graph_of_a_checkpoint_alone_is_named(root: Path) -> None:
    with pytest.raises(UnknownFormat, match=r"^a MetaGraphDef, the graph of a checkpoint of TensorFlow 1"):
        detect(Location(root / "tests" / "cases" / "meta_alone" / "model.meta"))


@pytest.mark.parametrize(
    "name", ["tfjs_1.5", "tfjs_1.5/model.json", "tfjs_layers_model", "tfjs_layers_model/model.json"]
)
def test_a_model_of_tensorflow_js_is_detected(name: str, root: Path) -> None:
    assert detect(Location(root / "tests" / "cases" / name)) is Format.TFJS


@pytest.mark.parametrize("text", ['{"a": "weightsManifest"}', '[{"a": []}]', '[3, "paths"]', "[]", "{}"])
def test_other_json_is_json_text(text: str, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(UnknownFormat, match="JSON text"):
        detect(Location(path))


def test_the_graph_beside_a_checkpoint_of_one_file_is_a_part_of_it(tmp_path: Path) -> None:
    for name in ("model.ckpt", "model.ckpt.meta"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UnknownFormat, match=r"a part of a checkpoint; give model\.ckpt$"):
        detect(Location(tmp_path / "model.ckpt.meta"))
