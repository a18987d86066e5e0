from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tensorflow_builders as tf
from support.tensorflow_builders import BFloat16, counted, entry, integer, write_bundle

from lstmdump.errors import CorruptModel, LstmdumpError, ModelClosed, RefusedModel, UnreadableModel, UnsupportedFormat
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.locate import at
from lstmdump.model.location import Location
from lstmdump.readers.tensorflow.wire.bundle import Bundle, is_bundle_header

KERNEL = np.arange(12, dtype="<f4").reshape(3, 4)
ROWS = [[(0, 1), (0, -1)], [(1, 2), (0, -1)]]
COLUMNS = [[(0, -1), (2, 2)], [(0, -1), (0, 2)]]


@pytest.fixture(autouse=True)
def _every_bundle_is_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    opened: list[Bundle] = []

    class Closed(Bundle):
        def __init__(self, prefix: Path) -> None:
            super().__init__(prefix)
            opened.append(self)

    monkeypatch.setitem(globals(), "Bundle", Closed)
    yield
    for bundle in opened:
        bundle.close()


def write(tmp_path: Path, **options: Any) -> Path:
    return write_bundle(tmp_path / "x", {"a": np.ones(2, "f4"), "kernel": KERNEL, "z": np.array(7, "i8")}, **options)


def spoiled(tmp_path: Path, key: bytes, value: bytes | None, **options: Any) -> Path:
    """Write a bundle whose index holds `value` under `key`, or lacks the key if `value` is None."""

    def change(entries: tf.Entries) -> None:
        entries.pop(key, None)
        if value is not None:
            entries[key] = value

    return write(tmp_path, change=change, **options)


@pytest.mark.parametrize("per_block", [1, 1000])
def test_names_shapes_and_types_are_in_the_index(per_block: int, tmp_path: Path) -> None:
    bundle = Bundle(Location(write(tmp_path, per_block=per_block)))
    tensors = [bundle.tensor(name) for name in bundle.names()]
    assert [(tensor.name, tensor.shape, tensor.dtype) for tensor in tensors] == [
        ("a", (2,), "float32"),
        ("kernel", (3, 4), "float32"),
        ("z", (), "int64"),
    ]


@pytest.mark.parametrize("shards", [1, 2, 3, 5])
@pytest.mark.parametrize("big_endian", [False, True])
def test_numbers_are_read_from_any_data_file(shards: int, big_endian: bool, tmp_path: Path) -> None:
    bundle = Bundle(Location(write(tmp_path, shards=shards, big_endian=big_endian)))
    assert bundle.tensor("a").read().tolist() == [1, 1]
    assert bundle.tensor("kernel").read().tolist() == KERNEL.tolist()
    assert bundle.tensor("z").read().tolist() == 7


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "bool"])
def test_types_are_kept(dtype: str, tmp_path: Path) -> None:
    tensor = Bundle(Location(write_bundle(tmp_path / "x", {"a": np.array([0, 1], dtype)}))).tensor("a")
    assert (tensor.dtype, tensor.read().dtype, tensor.read().tolist()) == (dtype, np.dtype(dtype), [0, 1])


@pytest.mark.parametrize("big_endian", [False, True])
def test_bfloat16_comes_as_float32(big_endian: bool, tmp_path: Path) -> None:
    halves = BFloat16(np.array([[0x3F80, 0xC000]], "u2"))
    tensor = Bundle(Location(write_bundle(tmp_path / "x", {"a": halves}, big_endian=big_endian))).tensor("a")
    assert (tensor.dtype, tensor.shape, tensor.read().tolist()) == ("bfloat16", (1, 2), [[1.0, -2.0]])


def test_a_part_is_read(tmp_path: Path) -> None:
    assert Bundle(Location(write(tmp_path))).tensor("kernel").part(slice(1, 3), slice(0, 2)).read().tolist() == [
        [4, 5],
        [8, 9],
    ]


def test_names_that_are_not_utf_8_are_kept(tmp_path: Path) -> None:
    path = spoiled(tmp_path, b"b\xff", entry("float32", (0,)))
    assert [name.encode("utf-8", "surrogateescape") for name in Bundle(Location(path)).names()] == [
        b"a",
        b"b\xff",
        b"kernel",
        b"z",
    ]


def test_a_bundle_contains_its_tensors_by_name(tmp_path: Path) -> None:
    bundle = Bundle(Location(write(tmp_path)))
    assert ("kernel" in bundle, "kernel2" in bundle, "" in bundle) == (True, False, False)


def test_rows_are_the_bytes_that_were_written(tmp_path: Path) -> None:
    rows = Bundle(Location(write(tmp_path))).tensor("kernel").rows
    assert rows is not None
    assert b"".join(bytes(block) for block in rows()) == KERNEL.tobytes()


@pytest.mark.parametrize(
    "options", [{"big_endian": True}, {"pieces": {"kernel": COLUMNS}}], ids=["big endian", "pieces side by side"]
)
def test_big_endian_and_assembled_tensors_have_no_rows(options: dict[str, Any], tmp_path: Path) -> None:
    assert Bundle(Location(write(tmp_path, **options))).tensor("kernel").rows is None


def test_rows_end_in_an_error_if_their_checksum_does_not_match(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = path.with_name("x.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:8] + bytes(48) + data.read_bytes()[56:])
    rows = Bundle(Location(path)).tensor("kernel").rows
    assert rows is not None
    with pytest.raises(CorruptModel, match="checksum of kernel does not match"):
        list(rows())


def test_the_shape_of_an_entry_in_parts_is_merged_as_in_tensorflow(tmp_path: Path) -> None:
    parts = counted(2, tf.shape([3])) + entry("float32", [4], 0, 8, 48, tf.masked(KERNEL.tobytes()))
    assert Bundle(Location(spoiled(tmp_path, b"kernel", parts))).tensor("kernel").read().tolist() == KERNEL.tolist()


def test_the_last_number_of_an_entry_counts(tmp_path: Path) -> None:
    twice = integer(4, 0) + entry("float32", [3, 4], 0, 8, 48, tf.masked(KERNEL.tobytes()))
    assert Bundle(Location(spoiled(tmp_path, b"kernel", twice))).tensor("kernel").read().tolist() == KERNEL.tolist()


# --- pieces


@pytest.mark.parametrize("cut", [ROWS, COLUMNS], ids=["rows", "columns"])
@pytest.mark.parametrize("shards", [1, 2])
def test_pieces_are_put_together(cut: list[list[tuple[int, int]]], shards: int, tmp_path: Path) -> None:
    bundle = Bundle(Location(write(tmp_path, pieces={"kernel": cut}, shards=shards)))
    assert bundle.tensor("kernel").shape == (3, 4)
    assert bundle.tensor("kernel").read().tolist() == KERNEL.tolist()
    assert bundle.tensor("kernel").part(slice(0, 2), slice(1, 3)).read().tolist() == [[1, 2], [5, 6]]


@pytest.mark.parametrize("cut", [ROWS, ROWS[::-1]], ids=["in order", "the last first"])
def test_the_rows_of_pieces_follow_each_other(cut: list[list[tuple[int, int]]], tmp_path: Path) -> None:
    rows = Bundle(Location(write(tmp_path, pieces={"kernel": cut}))).tensor("kernel").rows
    assert rows is not None
    assert b"".join(bytes(block) for block in rows()) == KERNEL.tobytes()


def test_pieces_are_not_listed_as_tensors(tmp_path: Path) -> None:
    assert list(Bundle(Location(write(tmp_path, pieces={"kernel": ROWS}))).names()) == ["a", "kernel", "z"]


def test_a_part_within_one_piece_needs_no_other(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", {"kernel": KERNEL}, pieces={"kernel": ROWS}, shards=2)
    path.with_name("x.data-00001-of-00002").unlink()
    bundle = Bundle(Location(path))
    assert bundle.tensor("kernel").part(slice(0, 1)).read().tolist() == [[0, 1, 2, 3]]
    with pytest.raises(UnreadableModel, match=r"x\.data-00001-of-00002 is missing"):
        bundle.tensor("kernel").read()


def test_a_piece_that_is_not_in_the_index_is_damage(tmp_path: Path) -> None:
    path = spoiled(tmp_path, tf.piece_key("kernel", ROWS[1]), None, pieces={"kernel": ROWS})
    with pytest.raises(CorruptModel, match="a piece of kernel is not in the index"):
        Bundle(Location(path)).tensor("kernel")


@pytest.mark.parametrize(
    "cut", [[ROWS[0]], [*ROWS, ROWS[0]], [[(0, 2), (0, -1)], [(1, 2), (0, -1)]]], ids=["lacks", "twice", "overlaps"]
)
def test_pieces_that_do_not_make_up_the_tensor_are_damage(cut: list[list[tuple[int, int]]], tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="do not make up a tensor"):
        Bundle(Location(write(tmp_path, pieces={"kernel": cut}))).tensor("kernel")


@pytest.mark.parametrize(("dtype", "extents"), [("float64", (1, 4)), ("float32", (4, 1)), ("float32", (1, 3))])
def test_a_piece_with_another_shape_or_dtype_than_its_place_is_damage(
    dtype: str, extents: tuple[int, ...], tmp_path: Path
) -> None:
    path = spoiled(tmp_path, tf.piece_key("kernel", ROWS[0]), entry(dtype, extents, size=16), pieces={"kernel": ROWS})
    with pytest.raises(CorruptModel, match="which does not fit"):
        Bundle(Location(path)).tensor("kernel")


def test_a_piece_that_exceeds_the_memory_raises_an_error_of_this_package(tmp_path: Path) -> None:
    spans = [[(0, 2**40), (0, -1)], [(2**40, 2**40), (0, -1)]]

    def change(entries: tf.Entries) -> None:
        entries[b"kernel"] = entry("float32", (2**41, 4), pieces=spans)
        for one in spans:
            entries[tf.piece_key("kernel", one)] = entry("float32", (2**40, 4), size=2**44)

    with pytest.raises(LstmdumpError):
        Bundle(Location(write(tmp_path, change=change))).tensor("kernel").read()


# --- strings


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("strings", [[b"a", b"bc\xc3\xa9", b""], [b"x" * 300], []])
def test_strings_are_read(strings: list[bytes], big_endian: bool, tmp_path: Path) -> None:
    assert Bundle(Location(write_bundle(tmp_path / "x", {"s": strings}, big_endian=big_endian))).strings("s") == strings


def test_a_string_without_dimensions_is_one_string(tmp_path: Path) -> None:
    assert Bundle(Location(write_bundle(tmp_path / "x", {"s": b"graph"}))).strings("s") == [b"graph"]


@pytest.mark.parametrize("at", [0, 1, 4, -1])  # a length, the lengths' checksum, the text
def test_changed_strings_are_detected(at: int, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", {"s": [b"abc"]})
    data = path.with_name("x.data-00000-of-00001")
    changed = bytearray(data.read_bytes())
    changed[at] ^= 4
    data.write_bytes(changed)
    with pytest.raises(CorruptModel, match=r"checksum of s does not match|strings of s are cut short"):
        Bundle(Location(path)).strings("s")


def test_a_length_that_reaches_beyond_the_strings_is_damage(tmp_path: Path) -> None:
    path = write_bundle(
        tmp_path / "x", {"s": [b"abc"]}, change=lambda e: e.update({b"s": entry("string", (2,), size=8)})
    )
    with pytest.raises(CorruptModel, match="cut short"):
        Bundle(Location(path)).strings("s")


def test_more_strings_than_there_are_bytes_are_damage(tmp_path: Path) -> None:
    path = write_bundle(
        tmp_path / "x", {"s": [b"a"]}, change=lambda e: e.update({b"s": entry("string", (100_000,), size=6)})
    )
    with pytest.raises(CorruptModel, match="cut short"):
        Bundle(Location(path)).strings("s")


def test_too_many_strings_are_refused(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", {"s": [b"a", b"b", b"c"]})
    assert Bundle(at(path, DEFAULTS._replace(nodes=3))).strings("s") == [b"a", b"b", b"c"]
    with pytest.raises(RefusedModel, match="s holds 3 strings; --limit nodes=3 allows it"):
        Bundle(at(path, DEFAULTS._replace(nodes=2))).strings("s")


def test_strings_that_take_too_much_memory_are_refused(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", {"s": [b"a" * 1000]})
    with pytest.raises(RefusedModel, match=r"s has 1,00[0-9] bytes; --limit memory=1MiB allows it"):
        Bundle(at(path, DEFAULTS._replace(memory=4 * 1000))).strings("s")


def test_an_index_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    size = path.with_name("x.index").stat().st_size
    Bundle(at(path, DEFAULTS._replace(memory=4 * size + 8 * len("akernelz"))))
    with pytest.raises(RefusedModel, match=rf"the index has {size} bytes; --limit memory=1MiB allows it"):
        Bundle(at(path, DEFAULTS._replace(memory=4 * size - 1)))


def test_the_names_of_an_index_count_in_full_although_each_is_stored_without_what_the_one_before_has(
    tmp_path: Path,
) -> None:
    # 1,000 names of 1,000 bytes, each of which takes some 20 bytes of the index, without every 16th.
    path = write_bundle(tmp_path / "x", {f"{'a' * 996}{number:04}": np.ones(0, "f4") for number in range(1000)})
    size = (tmp_path / "x.index").stat().st_size
    assert size < 150_000
    needed = 4 * size + 8 * 1_000_000
    Bundle(at(path, DEFAULTS._replace(memory=needed)))
    with pytest.raises(RefusedModel, match="the index holds names of 1,000,000 bytes in total; --limit memory=8MiB"):
        Bundle(at(path, DEFAULTS._replace(memory=needed - 1)))


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    entries = 4  # three tensors and the header
    Bundle(at(path, DEFAULTS._replace(objects=entries)))
    with pytest.raises(RefusedModel, match="more than 3 entries; --limit objects=30 allows it"):
        Bundle(at(path, DEFAULTS._replace(objects=entries - 1)))


def test_two_tensors_that_overlap_are_an_error(tmp_path: Path) -> None:
    bundle = Bundle(Location(spoiled(tmp_path, b"b", entry("float32", (1,), offset=4, size=4))))
    with pytest.raises(CorruptModel, match="a and b overlap"):
        bundle.missing_files()


def test_a_tensor_that_overlaps_a_piece_of_another_is_an_error(tmp_path: Path) -> None:
    piece = entry("float32", (1, 4), size=16)
    path = spoiled(tmp_path, tf.piece_key("kernel", ROWS[0]), piece, pieces={"kernel": ROWS})
    with pytest.raises(CorruptModel, match="overlap in the file"):
        Bundle(Location(path)).missing_files()


def test_tensors_in_different_data_files_may_have_the_same_offset(tmp_path: Path) -> None:
    assert Bundle(Location(write(tmp_path, shards=3))).missing_files() == []


def test_a_data_file_that_is_cut_short_is_reported_before_reading(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = path.with_name("x.data-00000-of-00001")
    size = data.stat().st_size
    data.write_bytes(data.read_bytes()[:-1])
    words = rf"x.data-00000-of-00001 is cut short: it has {size - 1} of {size} bytes"
    with pytest.raises(CorruptModel, match=words):
        Bundle(Location(path)).missing_files()


def test_a_bundle_for_newer_releases_is_not_supported(tmp_path: Path) -> None:
    path = spoiled(tmp_path, b"", integer(1, 1) + counted(3, integer(1, 9) + integer(2, 2)))
    with pytest.raises(UnsupportedFormat, match="newer releases of TensorFlow only"):
        Bundle(Location(path))


def test_a_stored_reference_is_damage(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="a stored tensor has type 101, which is a reference"):
        Bundle(Location(spoiled(tmp_path, b"kernel", integer(1, 101))))


def test_a_header_with_the_wrong_byte_order_is_detected_by_the_strings(tmp_path: Path) -> None:
    def turn(entries: tf.Entries) -> None:
        entries[b""] = integer(1, 1) + integer(2, 1)

    bundle = Bundle(Location(write_bundle(tmp_path / "x", {"a": np.ones(3, "f4"), "s": [b"b"]}, change=turn)))
    with pytest.raises(CorruptModel, match="the checksum of s does not match"):
        bundle.tensor("a").read()


def test_numbers_cannot_be_read_as_strings(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="holds float32, not strings"):
        Bundle(Location(write(tmp_path))).strings("kernel")


def test_strings_cannot_be_read_as_numbers(tmp_path: Path) -> None:
    tensor = Bundle(Location(write_bundle(tmp_path / "x", {"s": [b"abc"]}))).tensor("s")
    assert (tensor.shape, tensor.dtype) == ((1,), "string")
    with pytest.raises(CorruptModel, match="cannot be read as numbers"):
        tensor.read()


# --- damage


def test_only_the_index_is_read_at_first(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.with_name("x.data-00000-of-00001").write_bytes(b"nonsense")
    assert Bundle(Location(path)).tensor("kernel").shape == (3, 4)


def test_a_changed_number_is_detected_when_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = path.with_name("x.data-00000-of-00001")
    changed = bytearray(data.read_bytes())
    changed[8 + 4 * 11] ^= 1  # the last number of the kernel; two floats precede it
    data.write_bytes(changed)
    bundle = Bundle(Location(path))
    assert bundle.tensor("a").read().tolist() == [1, 1]
    with pytest.raises(CorruptModel, match="checksum of kernel does not match"):
        bundle.tensor("kernel").part(slice(0, 1)).read()


def test_a_verified_tensor_does_not_vouch_for_another_at_the_same_offset(tmp_path: Path) -> None:
    bundle = Bundle(Location(spoiled(tmp_path, b"b", entry("float32", (3,), offset=0, size=12, checksum=0))))
    assert bundle.tensor("a").read().tolist() == [1, 1]
    with pytest.raises(CorruptModel, match="checksum of b does not match"):
        bundle.tensor("b").read()


@pytest.mark.parametrize("length", [0, 1, 55])
def test_a_data_file_that_is_cut_short_is_named_when_read(length: int, tmp_path: Path) -> None:
    path = write(tmp_path)
    data = path.with_name("x.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:length])
    with pytest.raises(UnreadableModel, match=r"x\.data-00000-of-00001"):
        Bundle(Location(path)).tensor("kernel").read()


@pytest.mark.parametrize("offset", [60, 2**40, 2**64 - 1])
def test_a_tensor_beyond_the_data_file_is_damage(offset: int, tmp_path: Path) -> None:
    path = spoiled(tmp_path, b"kernel", entry("float32", (3, 4), offset=offset, size=48))
    with pytest.raises(CorruptModel, match=r"reaches beyond the end of x\.data-00000-of-00001"):
        Bundle(Location(path)).tensor("kernel").read()


@pytest.mark.parametrize("size", [0, 47, 49, 2**40])
def test_a_size_that_differs_from_shape_and_dtype_is_damage(size: int, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match=rf"kernel is float32 \(3, 4\), 48 bytes, but {size} are stored"):
        Bundle(Location(spoiled(tmp_path, b"kernel", entry("float32", (3, 4), size=size)))).tensor("kernel")


@pytest.mark.parametrize("shape", [counted(2, integer(1, -1)), integer(3, 1)], ids=["negative", "unknown"])
def test_a_shape_that_is_not_valid_is_damage(shape: bytes, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="which is not valid"):
        Bundle(Location(spoiled(tmp_path, b"kernel", integer(1, 1) + counted(2, shape))))


@pytest.mark.parametrize("shard", [1, 99_999, 2**63])
def test_a_tensor_in_a_data_file_beyond_the_count_is_damage(shard: int, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match=f"is stored in data file {shard} of 1"):
        Bundle(Location(spoiled(tmp_path, b"kernel", entry("float32", (3, 4), shard=shard, size=48))))


@pytest.mark.parametrize("count", [0, 100_000, 2**63])
def test_an_impossible_number_of_data_files_is_damage(count: int, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match=f"declares {count} data files"):
        Bundle(Location(spoiled(tmp_path, b"", integer(1, count))))


def test_an_index_without_its_header_is_damage(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="declares 0 data files"):
        Bundle(Location(spoiled(tmp_path, b"", None)))


def test_a_missing_index_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="the index cannot be read: No such file"):
        Bundle(Location(tmp_path / "x"))


def test_a_missing_data_file_is_named_and_shapes_are_still_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.with_name("x.data-00000-of-00001").unlink()
    bundle = Bundle(Location(path))
    assert bundle.missing_files() == ["x.data-00000-of-00001"]
    assert bundle.tensor("kernel").shape == (3, 4)
    with pytest.raises(UnreadableModel, match=r"x\.data-00000-of-00001 is missing, so no numbers can be read"):
        bundle.tensor("kernel").read()


def test_a_data_file_without_tensors_is_not_missed(tmp_path: Path) -> None:
    path = write(tmp_path, shards=5)
    path.with_name("x.data-00004-of-00005").unlink()
    assert Bundle(Location(path)).missing_files() == []


def test_a_directory_in_place_of_a_data_file_counts_as_missing(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.with_name("x.data-00000-of-00001").unlink()
    path.with_name("x.data-00000-of-00001").mkdir()
    with pytest.raises(UnreadableModel, match="is missing"):
        Bundle(Location(path)).tensor("kernel").read()


def test_a_tensor_without_elements_needs_no_data_file(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", {"a": np.zeros((0, 3), "f4")})
    path.with_name("x.data-00000-of-00001").unlink()
    bundle = Bundle(Location(path))
    assert bundle.missing_files() == []
    assert bundle.tensor("a").read().shape == (0, 3)


@pytest.mark.parametrize("read_before", [False, True])
def test_reading_after_close_raises_model_closed(read_before: bool, tmp_path: Path) -> None:
    bundle = Bundle(Location(write_bundle(tmp_path / "x", {"kernel": KERNEL, "s": b"x"})))
    tensor = bundle.tensor("kernel")
    kept = tensor.read() if read_before else KERNEL
    bundle.close()
    bundle.close()
    with pytest.raises(ModelClosed, match="after the model had been closed"):
        tensor.read()
    with pytest.raises(ModelClosed, match="after the model had been closed"):
        bundle.strings("s")
    assert kept.tolist() == KERNEL.tolist()


def test_an_index_of_fifty_thousand_tensors_is_read_in_seconds(tmp_path: Path) -> None:
    def change(entries: tf.Entries) -> None:
        entries.update({b"t%06d" % k: entry("float32", (1,), size=4) for k in range(50_000)})

    path = write(tmp_path, change=change)
    started = time.process_time()
    assert len(list(Bundle(Location(path)).names())) == 50_003
    assert time.process_time() - started < 20


def test_a_bundle_header_is_distinguished_from_a_list_of_tensors() -> None:
    assert is_bundle_header(memoryview(integer(1, 1) + counted(3, integer(1, 1))))
    assert not is_bundle_header(memoryview(counted(1, counted(1, counted(1, "kernel")))))
