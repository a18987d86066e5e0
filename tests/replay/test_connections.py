from __future__ import annotations

import numpy as np
import pytest

from lstmdump.errors import CannotReplay
from lstmdump.replay import connections


@pytest.mark.parametrize(
    ("how", "expected"), [("concat", [1, 2, 3, 5]), ("sum", [4, 7]), ("mul", [3, 10]), ("ave", [2, 3.5])]
)
def test_outputs_are_joined_as_keras_merges_them(how: str, expected: list[float]) -> None:
    outputs = [np.array([[[1, 2]]], np.float32), np.array([[[3, 5]]], np.float32)]
    joined = connections.join(how, outputs)
    assert (joined.dtype, joined.tolist()) == (np.float32, [[expected]])


def test_an_unknown_merge_mode_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^outputs joined by maximum cannot be replayed$"):
        connections.join("maximum", [np.zeros((1, 1, 1))])
