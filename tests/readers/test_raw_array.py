from __future__ import annotations

import io

import numpy as np
import pytest

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.readers.raw_array import BLOCK, StoredArray

VALUES = np.arange(2 * 3 * 4 * 5, dtype="<u2").reshape(2, 3, 4, 5)


def stored(values: np.ndarray, offset: int = 7) -> StoredArray:
    file = io.BytesIO(bytes(offset) + values.tobytes())
    return StoredArray(lambda: file, "the file", offset, values.shape, values.itemsize)


@pytest.mark.parametrize("cuts", [
    (slice(0, 2), slice(0, 3), slice(0, 4), slice(0, 5)),
    (slice(1, 2), slice(0, 3), slice(0, 4), slice(0, 5)),
    (slice(0, 2), slice(1, 2), slice(0, 4), slice(0, 5)),
    (slice(0, 2), slice(1, 3), slice(2, 3), slice(0, 5)),
    (slice(0, 2), slice(0, 3), slice(0, 4), slice(3, 5)),
    (slice(0, 2), slice(0, 3), slice(1, 1), slice(0, 5)),
])  # fmt: skip
def test_a_block_is_the_slice_that_numpy_returns(cuts: tuple[slice, ...]) -> None:
    assert bytes(stored(VALUES).block(cuts)) == VALUES[cuts].tobytes()


def test_a_block_of_no_dimensions_is_the_one_number() -> None:
    assert bytes(stored(np.array(513, "<u2")).block(())) == b"\1\2"


def test_rows_are_all_bytes_in_order() -> None:
    values = np.arange(3 * BLOCK // 8, dtype="<u4").reshape(-1, 2)
    assert b"".join(bytes(block) for block in stored(values).rows()) == values.tobytes()


def test_blocks_of_rows_are_bounded() -> None:
    sizes = [len(block) for block in stored(np.zeros((1000, 1000), "<u4")).rows()]
    assert max(sizes) <= BLOCK


def test_blocks_of_rows_hold_whole_rows() -> None:
    sizes = [len(block) for block in stored(np.zeros((1000, 999), "<u4")).rows()]
    assert [size % (999 * 4) for size in sizes] == [0] * len(sizes)


def test_a_row_longer_than_a_block_is_returned_whole() -> None:
    assert [len(block) for block in stored(np.zeros((2, BLOCK + 1), "u1")).rows()] == [BLOCK + 1] * 2


def test_an_empty_array_has_no_rows() -> None:
    assert list(stored(np.zeros((0, 3), "u1")).rows()) == []


def test_a_file_that_is_cut_short_is_reported() -> None:
    array = stored(VALUES)._replace(offset=8)
    with pytest.raises(CorruptModel, match="the file is cut short"):
        list(array.rows())


def test_an_error_of_the_system_is_reported() -> None:
    class Broken(io.BytesIO):
        def readinto(self, _: object) -> int:
            raise OSError(5, "Input/output error")

    array = StoredArray(Broken, "x.data", 0, (1,), 1)
    with pytest.raises(UnreadableModel, match=r"x\.data cannot be read: Input/output error"):
        array.block((slice(0, 1),))
