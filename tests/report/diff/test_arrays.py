from __future__ import annotations

from pathlib import Path

import numpy as np
from support import tflite_builders as builders

import lstmdump
from lstmdump.report.diff import comparison
from lstmdump.report.diff.verdicts import DIFFERENT

D, M = 3, 4


def test_arrays_that_normalize_the_gates_are_compared_too(tmp_path: Path) -> None:
    plain = builders.lstm_arrays(D, M)
    ones = dict.fromkeys(builders.NORMALIZATION, np.ones(M, "f4"))
    changed = ones | {builders.NORMALIZATION[1]: np.full(M, 2, "f4")}
    paths = tmp_path / "a.tflite", tmp_path / "b.tflite"
    for path, arrays in zip(paths, (ones, changed), strict=True):
        path.write_bytes(builders.fused(plain | arrays))
    with lstmdump.open(paths[0]) as a, lstmdump.open(paths[1]) as b:
        (layer,) = comparison.compare(a, b, (a.lstms, b.lstms)).layers
    assert [array.array for array in layer.arrays if array.verdict == DIFFERENT] == ["forget_layer_norm"]
