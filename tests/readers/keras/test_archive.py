from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from support import builders

import lstmdump
from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel, UnsupportedFormat
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.readers.keras import archive as keras_archive
from lstmdump.readers.keras.weights_h5.zip_container import ZipContainer

CONFIG = builders.sequential(builders.lstm_config("only"))
WEIGHTS = builders.saved_bytes({"layers/lstm/cell": builders.cell()})
FILES = builders.members(CONFIG, WEIGHTS)


@pytest.fixture
def keras(tmp_path: Path) -> Path:
    return builders.zipped(tmp_path / "m.keras", FILES)


def refuse(path: Path, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words), lstmdump.open(path):
        pass


def only_gate(path: Path) -> np.ndarray:
    with lstmdump.open(path) as model:
        return model.lstms[0].gates["f"].W.read()


def test_a_zip_archive_is_read(keras: Path) -> None:
    np.testing.assert_array_equal(only_gate(keras), builders.gates(3, 4)["W_f"])


def test_a_deflated_archive_is_read(tmp_path: Path) -> None:
    path = builders.zipped(tmp_path / "m.keras", FILES, zipfile.ZIP_DEFLATED)
    np.testing.assert_array_equal(only_gate(path), builders.gates(3, 4)["W_f"])


def test_an_extracted_archive_is_read(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(only_gate(tmp_path), builders.gates(3, 4)["W_f"])


def test_the_suffix_does_not_matter(keras: Path) -> None:
    assert only_gate(keras.rename(keras.with_suffix(".h5"))).shape == (3, 4)


def test_the_format_and_the_producer_are_reported(keras: Path) -> None:
    with lstmdump.open(keras) as model:
        assert (model.format, model.producer) == ("keras-zip", "keras 3.9.0")


def test_a_layer_has_the_name_and_class_in_the_configuration(keras: Path) -> None:
    with lstmdump.open(keras) as model:
        assert [(lstm.name, lstm.kind) for lstm in model.lstms] == [("only", "LSTM")]


def test_the_path_in_the_file_is_that_in_the_weights(keras: Path) -> None:
    with lstmdump.open(keras) as model:
        assert model.lstms[0].weights[0].tensor.name == "layers/lstm/cell/vars/0"


def test_numbers_cannot_be_read_after_the_model_is_closed(keras: Path) -> None:
    with lstmdump.open(keras) as model:
        pass
    with pytest.raises(ModelClosed):
        model.lstms[0].gates["f"].W.read()


def test_metadata_may_be_missing(tmp_path: Path) -> None:
    path = builders.keras_zip(tmp_path / "m.keras", CONFIG, {"layers/lstm/cell": builders.cell()}, version=None)
    with lstmdump.open(path) as model:
        assert model.producer == "keras of an unknown version"


def test_shards_are_read(tmp_path: Path) -> None:
    first, *others = builders.cell()
    shards = {
        "model_00000.weights.h5": builders.saved_bytes({"layers/lstm/cell": {0: first}}),
        "model_00001.weights.h5": builders.saved_bytes({"layers/lstm/cell": {1: others[0], 2: others[1]}}),
    }
    index = {"weight_map": {"/layers/lstm/cell/vars": list(shards)}}
    files = FILES | {"model.weights.json": json.dumps(index).encode()} | shards
    del files["model.weights.h5"]
    np.testing.assert_array_equal(only_gate(builders.zipped(tmp_path / "m.keras", files)), builders.gates(3, 4)["W_f"])


# --- invalid files


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    files = {**FILES, "model.weights.npz": b"\x80\x04."}
    del files["model.weights.h5"]
    refuse(builders.zipped(tmp_path / "m.keras", files), RefusedModel, "pickled arrays, which are never unpickled")


def test_a_directory_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(FILES["config.json"])
    (tmp_path / "metadata.json").write_bytes(FILES["metadata.json"])
    refuse(tmp_path, CorruptModel, "without its weights: model.weights.h5 is missing")


@pytest.mark.parametrize("text", [b"{", b"[1]", b"\xff", b'{"class_name": 3}'])
def test_an_invalid_configuration_is_refused(tmp_path: Path, text: bytes) -> None:
    refuse(builders.zipped(tmp_path / "m.keras", FILES | {"config.json": text}), CorruptModel, "config.json is ")


@pytest.mark.parametrize("text", [b"{", b"[]", b"{}", b"\xff"])
def test_metadata_without_a_version_is_refused(tmp_path: Path, text: bytes) -> None:
    refuse(
        builders.zipped(tmp_path / "m.keras", FILES | {"metadata.json": text}),
        CorruptModel,
        "metadata.json is|does not state the version of Keras",
    )


def test_two_members_of_one_name_are_refused(keras: Path) -> None:
    with zipfile.ZipFile(keras, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("model.weights.h5", WEIGHTS)
    refuse(keras, CorruptModel, "more than one model.weights.h5")


def test_an_archive_without_a_configuration_is_refused(tmp_path: Path) -> None:
    path = builders.zipped(tmp_path / "m.keras", {"model.weights.h5": WEIGHTS})
    with pytest.raises(CorruptModel, match=r"config\.json is missing from the zip archive"):
        keras_archive.read(Location(path))


def test_a_member_that_is_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("model.weights.h5")
    link.external_attr = 0o120777 << 16
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", FILES["config.json"])
        archive.writestr(link, "/etc/passwd")
    refuse(path, RefusedModel, "model.weights.h5 is a symbolic link")


def test_an_encrypted_member_is_refused(keras: Path) -> None:
    data = bytearray(keras.read_bytes())
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 8] |= 1
    keras.write_bytes(data)
    refuse(keras, RefusedModel, "config.json is encrypted")


def test_no_more_of_a_text_is_read_than_its_declared_size(tmp_path: Path) -> None:
    path, text = tmp_path / "m.keras", FILES["config.json"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", text + bytes(1 << 25))
        info = archive.getinfo("config.json")
        info.file_size, info.CRC = len(text), zlib.crc32(text)
        archive.writestr("model.weights.h5", WEIGHTS)
    tracemalloc.start()
    try:
        assert only_gate(path).shape == (3, 4)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def test_another_compression_is_refused(tmp_path: Path) -> None:
    path = builders.zipped(tmp_path / "m.keras", FILES, zipfile.ZIP_BZIP2)
    refuse(path, UnsupportedFormat, "only deflate is")


def test_a_changed_bit_is_detected_before_numbers_are_read(keras: Path) -> None:
    data = keras.read_bytes()
    row = builders.cell()[0][:1].tobytes()
    assert data.count(row) == 1
    keras.write_bytes(data.replace(row, bytes(len(row))))
    with lstmdump.open(keras) as model, pytest.raises(CorruptModel, match=r"model.weights.h5 is damaged: its checksum"):
        model.lstms[0].gates["o"].U.read()


def test_a_changed_bit_in_a_deflated_member_is_detected(tmp_path: Path) -> None:
    path = builders.zipped(tmp_path / "m.keras", FILES, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("model.weights.h5").header_offset + 400
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    refuse(path, CorruptModel, "model.weights.h5 cannot be read")


def test_a_member_that_decompresses_far_beyond_its_stored_size_is_refused(tmp_path: Path) -> None:
    files = FILES | {"model.weights.h5": WEIGHTS + bytes(65 * 2**20)}
    path = builders.zipped(tmp_path / "m.keras", files, zipfile.ZIP_DEFLATED)
    refuse(path, RefusedModel, r"inflates from [0-9,]+ bytes to 68,1[0-9,]+; .*unfolding=[0-9]+\) allows it")


def zeros(*, times: int) -> bytes:
    """Return a `.weights.h5` whose arrays of zeros decompress to `times` MiB."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for number in range(times):
            file.create_dataset(f"layers/a/vars/{number}", (2**18,), "f4", chunks=(2**16,), compression="gzip")[:] = 0
    return content.getvalue()


def test_compressed_data_within_a_compressed_member_counts_by_its_stored_size(tmp_path: Path) -> None:
    path = builders.zipped(
        tmp_path / "m.keras", builders.members(builders.sequential(), zeros(times=66)), zipfile.ZIP_DEFLATED
    )
    needed = -(-2 * 2**20 // zipfile.ZipFile(path).getinfo("model.weights.h5").compress_size)
    assert needed > 100
    refuse(path, RefusedModel, rf"declare 69,206,016 bytes, .*; .*unfolding={needed}\) allows it")
    with lstmdump.open(path, limits=Limits(unfolding=needed)) as model:
        assert model.model.parameters == 66 * 2**18


def test_overlapping_members_are_refused(keras: Path) -> None:
    data = bytearray(keras.read_bytes())
    start, length = data.find(b"PK\x01\x02"), 46
    config = zipfile.ZipFile(keras).getinfo("config.json")
    at = data.find(b"config.json", start) - length
    assert int.from_bytes(data[at + 42 : at + 46], "little") == config.header_offset
    data[at + 42 : at + 46] = (config.header_offset + 40).to_bytes(4, "little")
    weights = zipfile.ZipFile(keras).getinfo("model.weights.h5")
    at = data.find(b"model.weights.h5", start) - length
    data[at + 42 : at + 46] = (config.header_offset + 50).to_bytes(4, "little")
    assert weights.header_offset > config.header_offset + 50
    keras.write_bytes(data)
    archive = ZipContainer(Location(keras))
    archive._find_member("config.json")
    with pytest.raises(CorruptModel, match="and model"):
        archive._find_member("model.weights.h5")
    archive.close()


def test_a_huge_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.weights.h5").write_bytes(WEIGHTS)
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(65 * 2**20)
    refuse(tmp_path, RefusedModel, r"config.json has 68,157,440 bytes; .*json_size=65 \* 2\*\*20\) allows it")


def test_a_huge_compressed_configuration_is_refused_before_decompression(tmp_path: Path) -> None:
    path = builders.zipped(tmp_path / "m.keras", FILES | {"config.json": bytes(17 * 2**20)}, zipfile.ZIP_DEFLATED)
    refuse(path, RefusedModel, r"config.json has 17,825,792 bytes; .*json_size=17 \* 2\*\*20\) allows it")


def test_a_member_at_another_offset_is_refused(keras: Path) -> None:
    data = keras.read_bytes()
    keras.write_bytes(data.replace(b"model.weights.h5", b"mOdel.weights.h5", 1))
    refuse(keras, CorruptModel, "is not at the offset that the zip archive states")


def test_weights_that_are_not_hdf5_are_refused(tmp_path: Path) -> None:
    path = builders.zipped(tmp_path / "m.keras", FILES | {"model.weights.h5": b"nothing"})
    refuse(path, CorruptModel, "HDF5, but it cannot be opened")


def test_an_archive_of_keras_2_11_is_read(root: Path) -> None:
    with lstmdump.open(root / "tests" / "cases" / "keras211" / "cut.keras") as model:
        assert (model.producer, model.lstms[0].parameters, model.model.parameters) == ("keras 2.11.0", 10_400, 10_451)
