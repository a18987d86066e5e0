"""Plain files whose bytes come from a server: few requests, and few bytes for each."""

from __future__ import annotations

from typing import BinaryIO, cast

import numpy as np
import pytest
from support import builders

from lstmdump.model.remote.range_cache import BLOCK, RangedFile, Ranges
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5.plain.file import PlainFile
from lstmdump.readers.keras.weights_h5.member_window import MemberWindow

LAYERS, UNITS = 6, 160  # arrays of 400 KB
REQUEST = 6 * 1024  # bytes: an area of 2 KiB, wherever it begins
START = 1 << 16  # bytes, which hold the description of the file as a whole


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of 5 MB, whose arrays are between the areas that describe it."""
    path = tmp_path_factory.mktemp("remote") / "m.h5"
    shapes = {"kernel": (UNITS, 4 * UNITS), "recurrent_kernel": (UNITS, 4 * UNITS), "bias": (4 * UNITS,)}
    named = {f"lstm_{k}": [(f"lstm_{k}/{leaf}:0", np.zeros(shape, np.float32)) for leaf, shape in shapes.items()]
             for k in range(LAYERS)}  # fmt: skip
    return builders.write(path, named).read_bytes()


def describe(file: object) -> None:
    """Read all that describes the layers and their arrays."""
    with_numbers = PlainFile(cast("BinaryIO", file), declared=Declared())
    names = with_numbers.strings("layer_names")
    assert names is not None
    for name in names:
        group = with_numbers.group(name)
        assert group is not None
        for weight in group.strings("weight_names") or []:
            assert group.tensor(weight, opaque_is_bfloat16=False) is not None


@pytest.mark.parametrize("before", [0, 5, 12_345])
def test_each_area_that_describes_layers_is_requested_once(before: int, content: bytes) -> None:
    asked: list[tuple[int, int]] = []
    data = bytes(before) + content

    def fetch(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return data[start:stop]

    file = RangedFile(Ranges(len(data), fetch))
    describe(MemberWindow(cast("BinaryIO", file), "x", before, len(content), 0) if before else file)
    start_of_file = [one for one in asked if one[0] < START]
    others = [one for one in asked if one not in start_of_file]
    assert (len(start_of_file) < 4, len(others) <= 2 * LAYERS) == (True, True)
    assert all(stop - start <= REQUEST + BLOCK for start, stop in others)
