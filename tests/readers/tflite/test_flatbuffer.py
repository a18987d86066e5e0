"""FlatBuffers: what they hold, and what is wrong with those that lead out of the file."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from support.tflite_builders import Number, flatbuffer

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.readers.tflite.flatbuffer import INT32, UINT8, FlatContent, FlatTable, root

LARGE = 1 << 20
ROOT_OFFSET = struct.calcsize("<I")


class CountingFile(io.BytesIO):
    """A file that counts the bytes read from it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.count += len(found)
        return found


def table_in(data: bytes, limits: Limits = DEFAULTS) -> FlatTable:
    return root(FlatContent(io.BytesIO(data), len(data), limits))


def start_of(data: bytes) -> int:
    start: int = struct.unpack_from("<I", data)[0]
    return start


def patched(data: bytes, at: int, code: str, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(f"<{code}", changed, at, value)
    return bytes(changed)


@pytest.mark.parametrize("padding", [0, LARGE])
def test_a_field_is_found_in_files_of_any_size(padding: int) -> None:
    table = table_in(flatbuffer({0: b"\0" * padding, 2: Number("i", -7), 3: "text"}))
    assert (table.number(2, INT32), table.text(3)) == (-7, "text")


def test_a_missing_field_has_its_default() -> None:
    table = table_in(flatbuffer({1: Number("B", 1)}))
    assert (table.number(0, UINT8, 9), table.number(5, UINT8), table.table(0), table.text(7)) == (9, 0, None, "")


def test_a_vector_has_its_numbers() -> None:
    assert table_in(flatbuffer({0: np.array([3, -1, 2], "i4")})).vector(0, "i") == (3, -1, 2)


def test_a_vector_of_tables_leads_to_each() -> None:
    data = flatbuffer({0: [{0: Number("i", number)} for number in (5, 6)]})
    content = FlatContent(io.BytesIO(data), len(data), DEFAULTS)
    assert [FlatTable(content, at).number(0, INT32) for at in root(content).places(0)] == [5, 6]


def test_a_number_may_span_two_blocks() -> None:
    data = flatbuffer({0: np.arange(LARGE // 4, dtype="i4")})
    start, count = table_in(data).extent(0, 4)
    content = FlatContent(io.BytesIO(b"\0" + data), len(data) + 1, DEFAULTS)  # so that no number is aligned
    assert [content.unpack(INT32, start + 1 + 4 * place) for place in range(0, count, 37)] == list(range(0, count, 37))


def test_the_numbers_of_a_large_file_are_not_read() -> None:
    data = flatbuffer({0: b"\0" * LARGE, 1: Number("i", 3)})
    file = CountingFile(data)
    assert root(FlatContent(file, len(data), DEFAULTS)).number(1, INT32) == 3
    assert file.count <= 2**15  # two blocks


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a root beyond the end": (lambda data: patched(data, 0, "I", len(data)), "an offset leads beyond the end"),
    "a vtable before the file": (lambda data: patched(data, start_of(data), "i", 1 << 30), "an offset leads beyond"),
    "a vtable behind the file": (lambda data: patched(data, start_of(data), "i", -(1 << 30)), "an offset leads beyond"),
    "a vtable of odd size": (lambda data: patched(data, vtable_of(data), "H", 5), "a table in the file has an impossible"),
    "a vtable without its head": (lambda data: patched(data, vtable_of(data), "H", 2), "a table in the file has an impos"),
    "a vtable beyond the end": (lambda data: patched(data, vtable_of(data), "H", 0xFFFE), "an offset leads beyond"),
    "a table beyond the end": (lambda data: patched(data, vtable_of(data) + 2, "H", 0xFFFF), "a table in the file has"),
    "a field outside of its table": (lambda data: patched(data, vtable_of(data) + 4, "H", 0x7FFF), "a field in the file"),
    "only the identifier": (lambda data: data[:8], "an offset leads beyond"),
    "an empty file": (lambda _: b"", "an offset leads beyond"),
}  # fmt: skip


def vtable_of(data: bytes) -> int:
    start = start_of(data)
    distance: int = struct.unpack_from("<i", data, start)[0]
    return start - distance


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_with_a_broken_table_is_corrupt(kind: str) -> None:
    breaking, words = BROKEN[kind]
    with pytest.raises(CorruptModel, match=words):
        table_in(breaking(flatbuffer({0: Number("i", 1), 1: "text"})))


def test_a_field_that_leads_beyond_the_end_is_corrupt() -> None:
    data = flatbuffer({0: "text"})
    with pytest.raises(CorruptModel, match="an offset leads beyond the end of the file"):
        table_in(patched(data, start_of(data) + 4, "I", 0xFFFFFFFF)).text(0)


def test_a_vector_longer_than_the_file_is_corrupt() -> None:
    data = flatbuffer({0: np.zeros(4, "i4")})
    length_at = start_of(data) + 4 + struct.unpack_from("<I", data, start_of(data) + 4)[0]
    with pytest.raises(CorruptModel, match="a vector of 4,294,967,295 elements reaches beyond the end of the file"):
        table_in(patched(data, length_at, "I", 0xFFFFFFFF)).vector(0, "i")


def test_a_distance_cannot_lead_back_to_the_table_itself() -> None:
    data = flatbuffer({0: {0: Number("i", 1)}})
    field = start_of(data) + 4
    table = table_in(patched(data, field, "I", (start_of(data) - field) % 2**32), Limits(nodes=50))
    with pytest.raises(CorruptModel, match="an offset leads beyond the end"):  # distances are never negative
        table.table(0)


def test_many_vectors_that_are_one_are_refused() -> None:
    data = flatbuffer({0: np.zeros(600, "i4")})
    table = table_in(data, Limits(nodes=1000))
    assert len(table.vector(0, "i")) == 600
    with pytest.raises(RefusedModel, match="more than 1,000 values; --limit nodes=2402 allows it"):
        table.vector(0, "i")


def test_a_file_that_is_cut_short_while_it_is_read_is_corrupt() -> None:
    data = flatbuffer({0: b"\0" * LARGE})
    with pytest.raises(CorruptModel, match="the file is cut short"):
        FlatContent(io.BytesIO(data[:100]), len(data), DEFAULTS).raw(LARGE, 10)


def test_vtables_that_overlap_are_not_kept() -> None:
    fields = 20_000
    words = (
        np.arange(2 * fields, 0, -2).astype("<u2").tobytes()
    )  # each begins a vtable: its size, then that of the table
    tables = 200
    distances = struct.pack(f"<{tables}i", *range(len(words), len(words) + 2 * tables, 2))
    data = words + distances + bytes(2 * fields)
    content = FlatContent(io.BytesIO(data), len(data), DEFAULTS)
    tracemalloc.start()
    for number in range(tables):
        FlatTable(content, len(words) + 4 * number)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < fields  # bytes
