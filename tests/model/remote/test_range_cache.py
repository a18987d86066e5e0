from __future__ import annotations

import io

import numpy as np
import pytest

from lstmdump.model.remote.range_cache import BLOCK, RangedFile, Ranges

DATA = np.random.default_rng(0).bytes(400 * BLOCK + 5)
AREA = 2048  # bytes: HDF5 writes what describes a file in areas of this size


class Source:
    """Bytes, and the ranges of them that were requested."""

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        return self.data[start:stop]

    def file(self) -> RangedFile:
        return RangedFile(Ranges(len(self.data), self))


def read(file: RangedFile, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count) or b""


def test_reads_at_any_position_return_the_data() -> None:
    file = Source().file()
    for start, count in np.random.default_rng(1).integers((len(DATA) + 10, 5 * BLOCK), size=(300, 2)):
        assert read(file, start, count) == DATA[start : start + count]


def test_many_small_reads_are_one_request() -> None:
    source = Source()
    file = source.file()
    for start in range(0, BLOCK, 100):
        read(file, start, 8)
    assert len(source.asked) == 1


def test_a_read_at_a_distant_position_requests_the_blocks_beside_it() -> None:
    source = Source()
    read(source.file(), 300 * BLOCK + 7, 8)
    assert source.asked == [(299 * BLOCK, 302 * BLOCK)]


@pytest.mark.parametrize("start", [300 * BLOCK, 300 * BLOCK + 1, 300 * BLOCK + 1000, 301 * BLOCK - 1])
@pytest.mark.parametrize("first", [0, 1000, AREA - 8])
def test_an_area_of_metadata_is_one_request_wherever_it_is_read_first(first: int, start: int) -> None:
    source = Source()
    file = source.file()
    for place in (first, *range(0, AREA - 7, 100), AREA - 8):
        assert read(file, start + place, 8) == DATA[start + place : start + place + 8]
    assert len(source.asked) == 1


def test_a_small_file_is_one_request() -> None:
    source = Source(DATA[:50_000])
    file = source.file()
    for start in (0, 40_000, 20_000):
        assert read(file, start, 10_000) == DATA[start:][:10_000][: 50_000 - start]
    assert source.asked == [(0, 50_000)]


def test_a_long_read_is_one_request() -> None:
    source = Source()
    assert read(source.file(), 0, 300 * BLOCK) == DATA[: 300 * BLOCK]
    assert source.asked == [(0, 300 * BLOCK)]


def test_cached_blocks_are_not_requested_again() -> None:
    source = Source()
    file = source.file()
    read(file, 200 * BLOCK, 1)
    read(file, 197 * BLOCK, 6 * BLOCK)
    assert source.asked[:2] == [(199 * BLOCK, 202 * BLOCK), (196 * BLOCK, 199 * BLOCK)]
    assert source.asked[2][0] == 202 * BLOCK


def test_blocks_before_a_distant_piece_that_are_cached_are_not_requested_again() -> None:
    source = Source()
    file = source.file()
    for block in (300, 100, 302):
        read(file, block * BLOCK, 1)
    assert source.asked[2] == (302 * BLOCK, 304 * BLOCK)


@pytest.mark.parametrize("step", [1000, BLOCK, 3 * BLOCK])
def test_sequential_reads_request_more_each_time(step: int) -> None:
    source = Source(bytes(2000 * BLOCK))
    file = source.file()
    for start in range(0, 2000 * BLOCK, step):
        read(file, start, 1)
    assert len(source.asked) < 20


def test_two_file_objects_share_cached_blocks() -> None:
    source = Source()
    ranges = Ranges(len(DATA), source)
    read(RangedFile(ranges), 0, 100)
    read(RangedFile(ranges), 50, 100)
    assert len(source.asked) == 1


def test_memory_is_bounded() -> None:
    source = Source(bytes(2000 * BLOCK))
    ranges = Ranges(len(source.data), source)
    file = RangedFile(ranges)
    while file.read(BLOCK):
        pass
    assert sum(map(len, ranges._blocks.values())) <= 2**23


@pytest.mark.parametrize(("whence", "place"), [(io.SEEK_SET, 5), (io.SEEK_CUR, 8), (io.SEEK_END, len(DATA) + 5)])
def test_seek_supports_every_whence(whence: int, place: int) -> None:
    file = Source().file()
    file.seek(3)
    assert file.seek(5, whence) == file.tell() == place


def test_seeking_before_the_start_is_an_error() -> None:
    with pytest.raises(ValueError, match="byte -1"):
        Source().file().seek(-1)


def test_reading_past_the_end_returns_nothing() -> None:
    assert read(Source().file(), len(DATA) + 3, 10) == b""
