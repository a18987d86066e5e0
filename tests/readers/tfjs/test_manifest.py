"""Manifests of weights and the files beside them, made here: sizes, shards, quantization, and names that lead elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import CorruptModel, LstmdumpError, RefusedModel, UnsupportedFormat

KERNEL = np.arange(2 * 12, dtype="<f4").reshape(2, 12)
RECURRENT = np.arange(3 * 12, dtype="<f4").reshape(3, 12)
BIAS = np.arange(12, dtype="<f4")
BYTES = KERNEL.tobytes() + RECURRENT.tobytes() + BIAS.tobytes()
CONFIG = {"name": "lstm", "units": 3, "batch_input_shape": [None, 5, 2], "recurrent_activation": "sigmoid"}
TOPOLOGY = {
    "class_name": "Sequential",
    "config": {"name": "model", "layers": [{"class_name": "LSTM", "config": CONFIG}]},
    "keras_version": "tfjs-layers 4.22.0",
}


def entry(name: str, *shape: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [*shape], "dtype": "float32", **more}


WEIGHTS = [entry("lstm/kernel", 2, 12), entry("lstm/recurrent_kernel", 3, 12), entry("lstm/bias", 12)]


def write(
    directory: Path,
    weights: Sequence[dict[str, Any]] = WEIGHTS,
    parts: Sequence[bytes] = (BYTES,),
    *,
    paths: Sequence[object] | None = None,
    topology: object = TOPOLOGY,
) -> Path:
    """Write a model, its weights in the files of `parts`; `paths` are their names in the manifest."""
    names = [f"shard{number}.bin" for number in range(len(parts))]
    for name, part in zip(names, parts, strict=True):
        (directory / name).write_bytes(part)
    manifest = [{"paths": names if paths is None else [*paths], "weights": [*weights]}]
    path = directory / "model.json"
    path.write_text(json.dumps({"modelTopology": topology, "weightsManifest": manifest}))
    return path


def kernel_of(path: Path) -> np.ndarray:
    with lstmdump.open(path) as model:
        return model.lstms[0].weights[0].tensor.read()


def test_arrays_follow_each_other_in_the_order_of_the_manifest(tmp_path: Path) -> None:
    np.testing.assert_array_equal(kernel_of(write(tmp_path)), KERNEL)


@pytest.mark.parametrize("size", [1, 7, 50, 96, 97, 200])
def test_an_array_may_be_in_several_files(size: int, tmp_path: Path) -> None:
    path = write(tmp_path, parts=[BYTES[start : start + size] for start in range(0, len(BYTES), size)])
    with lstmdump.open(path) as model:
        read = [weight.tensor.read() for weight in model.lstms[0].weights]
    np.testing.assert_array_equal(read[0], KERNEL)
    np.testing.assert_array_equal(read[1], RECURRENT)


def test_a_directory_may_be_named_in_place_of_its_json(tmp_path: Path) -> None:
    write(tmp_path)
    np.testing.assert_array_equal(kernel_of(tmp_path), KERNEL)


def test_a_manifest_alone_has_no_classes(tmp_path: Path) -> None:
    write(tmp_path)
    stored = json.loads((tmp_path / "model.json").read_text())["weightsManifest"]
    (tmp_path / "model.json").unlink()
    (tmp_path / "weights_manifest.json").write_text(json.dumps(stored))
    with lstmdump.open(tmp_path / "weights_manifest.json") as model:
        assert [lstm.name for lstm in model.lstms] == ["lstm"]
        assert not model.lstms[0].kind_stated


@pytest.mark.parametrize(
    ("stored", "quantization", "expected"),
    [
        # in double precision, and rounded to float32 once
        (np.array([0, 1, 255], "u1"), {"dtype": "uint8", "scale": 0.1, "min": -1.0}, [-1.0, 0.1 - 1.0, 25.5 - 1.0]),
        (np.array([0, 65535], "<u2"), {"dtype": "uint16", "scale": 1e-4, "min": 0.5}, [0.5, 6.5535 + 0.5]),
        (np.array([1.5, -2.0], "<f2"), {"dtype": "float16"}, [1.5, -2.0]),
    ],
)
def test_a_quantized_array_is_restored_as_tensorflow_js_does(
    stored: np.ndarray, quantization: dict[str, Any], expected: list[float], tmp_path: Path
) -> None:
    weights = [*WEIGHTS, entry("dense/bias", len(stored), quantization=quantization)]
    path = write(tmp_path, weights, [BYTES + stored.tobytes()], topology=None)
    with lstmdump.open(path) as model:
        found = {tensor.name: tensor for tensor in model.model.tensors()}["dense/bias"].read()
    np.testing.assert_array_equal(found, np.array(expected, "f4"))


def test_texts_among_the_weights_take_the_bytes_that_they_state(tmp_path: Path) -> None:
    texts = b"\3\0\0\0abc" + b"\0\0\0\0"
    weights = [{"name": "words", "shape": [2], "dtype": "string"}, *WEIGHTS]
    np.testing.assert_array_equal(kernel_of(write(tmp_path, weights, [texts + BYTES])), KERNEL)


def test_arrays_of_the_optimizer_do_not_count(tmp_path: Path) -> None:
    weights = [*WEIGHTS, entry("lstm/kernel/m", 1, group="optimizer")]
    with lstmdump.open(write(tmp_path, weights, [BYTES + bytes(4)])) as model:
        assert model.model.parameters == 24 + 36 + 12


BAD: list[tuple[str, dict[str, Any], type[LstmdumpError], str]] = [
    ("a path out of the directory", {"paths": ["../a.bin"]}, RefusedModel, "not a file beside it"),
    ("a URL", {"paths": ["https://example.org/a.bin"]}, RefusedModel, "not a file beside it"),
    ("an absolute path", {"paths": ["/etc/passwd"]}, RefusedModel, "not a file beside it"),
    ("a path for Windows", {"paths": ["..\\a.bin"]}, RefusedModel, "not a file beside it"),
    ("a path that is no text", {"paths": [3]}, RefusedModel, "not a file beside it"),
    ("a missing file", {"paths": ["none.bin"]}, CorruptModel, "none.bin, which holds weights, is missing"),
    ("too few bytes", {"parts": [BYTES[:-1]]}, CorruptModel, "lstm/bias reaches beyond the end of shard0.bin"),
    ("too many bytes", {"parts": [BYTES + b"x"]}, CorruptModel, "holds 289 bytes, but the manifest lists 288"),
    ("one name twice", {"weights": [*WEIGHTS, WEIGHTS[0]]}, CorruptModel, "lists an array lstm/kernel twice"),
    ("a negative length", {"weights": [entry("a", -1)]}, CorruptModel, "does not state the name and the shape"),
    ("a length that is true", {"weights": [entry("a", True)]}, CorruptModel, "does not state the name and the shape"),
    ("no name", {"weights": [{"shape": [], "dtype": "float32"}]}, CorruptModel, "does not state the name"),
    ("a type that is not known", {"weights": [entry("a", 1, dtype="int4")]}, UnsupportedFormat, "type 'int4'"),
    ("a huge array", {"weights": [entry("a", 2**61)]}, CorruptModel, "reaches beyond the end"),
    ("an endless text", {"weights": [entry("a", 1, dtype="string")], "parts": [b"\xff\xff\xff\xff"]}, CorruptModel,
     "reaches beyond the end"),
    ("a scale that is not finite",
     {"weights": [entry("a", 1, quantization={"dtype": "uint8", "scale": 1e999, "min": 0})]}, CorruptModel,
     "not finite"),
    ("a quantization that is not known", {"weights": [entry("a", 1, quantization={"dtype": "uint4"})]},
     UnsupportedFormat, "quantized as 'uint4'"),
    ("a topology of something else", {"topology": {"a": 1}}, CorruptModel, "not a Keras configuration"),
    ("a layer without its arrays", {"weights": [entry("dense/bias", 1)], "parts": [bytes(4)]}, CorruptModel, "no arrays are stored for it"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "error", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_model_that_is_damaged_is_refused(
    changed: dict[str, Any], error: type[LstmdumpError], words: str, tmp_path: Path
) -> None:
    path = write(tmp_path, **changed)
    with pytest.raises(error, match=words):
        lstmdump.open(path)


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "shard0.bin").unlink()
    (tmp_path.parent / "elsewhere.bin").write_bytes(BYTES)
    (tmp_path / "shard0.bin").symlink_to(tmp_path.parent / "elsewhere.bin")
    with pytest.raises(RefusedModel, match="leads out of the model's directory"):
        kernel_of(path)
