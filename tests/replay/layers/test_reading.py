from __future__ import annotations

import itertools

import pytest
from support.layer_reading import KERAS_3, describe

from lstmdump.replay.layers import registry
from lstmdump.replay.layers.reading import ExpectedArray, LayerReader

READER = LayerReader(KERAS_3, "float64", lambda _: pytest.fail("an LSTM is read"), registry.build)
EXPECTED = [ExpectedArray("kernel", (1, 1)), ExpectedArray("recurrent_kernel", (1, 1)), ExpectedArray("bias", (1,))]


@pytest.mark.parametrize("prefix", ["", "gru_1_", "cell/"])
@pytest.mark.parametrize("order", list(itertools.permutations(("kernel", "recurrent_kernel", "bias"))))
def test_arrays_are_found_by_the_longest_name_that_fits(prefix: str, order: tuple[str, ...]) -> None:
    values = {"kernel": [[1.0]], "recurrent_kernel": [[2.0]], "bias": [3.0]}
    found = READER.arrays(describe("GRU", {}, {f"{prefix}{name}": values[name] for name in order}), EXPECTED)
    assert {name: array.tolist() for name, array in found.items()} == values


def test_numbered_arrays_are_found_by_their_order() -> None:
    found = READER.arrays(describe("GRU", {}, {"0": [[1.0]], "1": [[2.0]], "2": [3.0]}), EXPECTED)
    assert {name: array.tolist() for name, array in found.items()} == {
        "kernel": [[1.0]],
        "recurrent_kernel": [[2.0]],
        "bias": [3.0],
    }
