from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import onnx_builders as onnx
from support.tensorflow_builders import counted, integer

import lstmdump
from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel

VALUES = np.random.default_rng(1).standard_normal((3, 5))


def read_only_array(path: Path) -> tuple[str, np.ndarray]:
    with lstmdump.open(path) as model:
        (tensor,) = model.model.tensors()
        return tensor.dtype, tensor.read()


@pytest.mark.parametrize("listed", [False, True], ids=["raw", "listed"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_are_read_as_they_are_stored(dtype: str, listed: bool, tmp_path: Path) -> None:
    values = VALUES.astype(dtype)
    path = onnx.write(tmp_path / "m.onnx", onnx.Graph([], [onnx.tensor("x", values, listed=listed)]))
    found, numbers = read_only_array(path)
    assert found == dtype
    np.testing.assert_array_equal(numbers, values)


@pytest.mark.parametrize("listed", [False, True], ids=["raw", "listed"])
def test_bfloat16_is_the_upper_half_of_float32(listed: bool, tmp_path: Path) -> None:
    bits = (VALUES.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    stored = onnx.tensor("x", bits, dtype="bfloat16", listed=listed)
    dtype, numbers = read_only_array(onnx.write(tmp_path / "m.onnx", onnx.Graph([], [stored])))
    assert dtype == "bfloat16"
    np.testing.assert_array_equal(numbers, (bits.astype(np.uint32) << 16).view(np.float32))


def test_a_field_for_each_number_may_not_be_packed(tmp_path: Path) -> None:
    values = np.array([1.5, -2.0], np.float32)
    fields = b"".join(b"\x25" + value.tobytes() for value in values)  # field 4, four bytes
    stored = integer(1, 2) + integer(2, 1) + fields + counted(8, "x")
    _, numbers = read_only_array(onnx.write(tmp_path / "m.onnx", onnx.Graph([], [stored])))
    np.testing.assert_array_equal(numbers, values)


def test_parts_of_an_array_are_read_by_themselves(tmp_path: Path) -> None:
    values = VALUES.astype(np.float32)
    with lstmdump.open(onnx.write(tmp_path / "m.onnx", onnx.Graph([], [onnx.tensor("x", values)]))) as model:
        (tensor,) = model.model.tensors()
        np.testing.assert_array_equal(tensor.part(slice(1, 3), slice(2, 4)).read(), values[1:3, 2:4])


def test_external_data_is_read_at_its_offset(tmp_path: Path) -> None:
    values = VALUES.astype(np.float32)
    (tmp_path / "weights.bin").write_bytes(bytes(24) + values.tobytes())
    stored = onnx.external("x", values.shape, location="weights.bin", offset=24, length=values.nbytes)
    _, numbers = read_only_array(onnx.write(tmp_path / "m.onnx", onnx.Graph([], [stored])))
    np.testing.assert_array_equal(numbers, values)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "a/b", "a\\b", "..", "", "C:x/y"])
def test_external_data_elsewhere_is_refused(location: str, tmp_path: Path) -> None:
    stored = onnx.external("x", [2], location=location)
    with pytest.raises(RefusedModel, match="only files beside the model are opened"):
        lstmdump.open(onnx.write(tmp_path / "m.onnx", onnx.Graph([], [stored])))


def test_external_data_in_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(8))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").symlink_to(tmp_path / "secret")
    stored = onnx.external("x", [2], location="weights.bin")
    with pytest.raises(RefusedModel, match="leads out of the model's directory"):
        lstmdump.open(onnx.write(folder / "m.onnx", onnx.Graph([], [stored])))


@pytest.mark.parametrize(
    "entries",
    [
        {"offset": 4},
        {"offset": 2**62},
        {"length": 4},
        {"length": 12},
        {"offset": "-4"},
        {"offset": "1e3"},
        {"offset": "٣"},
    ],
)
def test_external_data_that_does_not_fit_its_file_is_an_error(entries: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(8))
    stored = onnx.external("x", [2], location="weights.bin", **entries)
    with pytest.raises(CorruptModel):
        lstmdump.open(onnx.write(tmp_path / "m.onnx", onnx.Graph([], [stored])))


@pytest.mark.parametrize(
    "stored",
    [
        integer(1, 3) + integer(2, 1) + counted(8, "x") + counted(9, bytes(8)),  # three numbers, eight bytes
        integer(1, 3) + integer(2, 1) + counted(8, "x") + counted(4, bytes(8)),
        integer(1, 3) + integer(2, 1) + counted(8, "x"),  # no numbers
        integer(1, 3) + integer(2, 10) + counted(8, "x") + counted(5, bytes(2)),  # three halves, two numbers
        integer(1, 2) + integer(2, 1) + counted(8, "x") + counted(10, bytes(8)),  # float64 in place of float32
        integer(1, 1 << 40) + integer(2, 1) + counted(8, "x") + counted(9, bytes(8)),
        integer(1, -1) + integer(2, 1) + counted(8, "x") + counted(9, bytes(8)),
        integer(1, 1) * 40 + integer(2, 1) + counted(8, "x") + counted(9, bytes(4)),  # 40 axes
    ],
)
def test_arrays_with_more_or_fewer_numbers_than_their_shape_are_an_error(stored: bytes, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel):
        lstmdump.open(onnx.write(tmp_path / "m.onnx", onnx.Graph([], [stored])))


def test_arrays_that_share_their_bytes_may_not_declare_a_hundred_times_what_is_stored(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(1 << 20))
    stored = [onnx.external(f"x{k}", [1 << 18], location="weights.bin") for k in range(200)]
    with pytest.raises(RefusedModel, match="unfolding="):
        lstmdump.open(onnx.write(tmp_path / "m.onnx", onnx.Graph([], stored)))


def test_numbers_cannot_be_read_after_the_model_is_closed(tmp_path: Path) -> None:
    with lstmdump.open(onnx.write(tmp_path / "m.onnx", onnx.lstm())) as model:
        (lstm,) = model.lstms
    assert lstm.gates["i"].W.shape == (3, 4)
    with pytest.raises(ModelClosed):
        lstm.gates["i"].W.read()


def test_an_array_that_no_layer_takes_is_not_part_of_one(tmp_path: Path) -> None:
    stored = [onnx.tensor(name, np.ones((4, 16), np.float32)) for name in ("kernel", "recurrent_kernel")]
    with lstmdump.open(onnx.write(tmp_path / "m.onnx", onnx.Graph([], stored))) as model:
        assert not model.lstms
