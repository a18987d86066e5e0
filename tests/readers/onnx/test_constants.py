from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import onnx_builders as onnx

import lstmdump
from lstmdump.errors import RefusedModel

MADE = onnx.arrays(3, 4)
W = MADE["W"]


def read_w(tmp_path: Path, nodes: list[bytes], stored: dict[str, np.ndarray], name: str = "made") -> np.ndarray | None:
    """Return W, which `nodes` compute; None if the node is not read as a layer."""
    tensors = [onnx.tensor(key, values) for key, values in {**stored, "R": MADE["R"]}.items()]
    graph = onnx.Graph([*nodes, onnx.node("LSTM", ["X", name, "R"], ["Y"], "rnn")], tensors, [onnx.value("X")])
    with lstmdump.open(onnx.write(tmp_path / "m.onnx", graph)) as model:
        if not model.lstms:
            return None
        (weight,) = [weight for weight in model.lstms[0].weights if weight.name == "W"]
        values: np.ndarray = weight.tensor.read()
        return values


CASES: dict[str, tuple[list[bytes], np.ndarray]] = {
    "Identity": ([onnx.node("Identity", ["x"], ["made"])], W),
    "Transpose": ([onnx.node("Transpose", ["x"], ["made"], perm=[0, 2, 1])], W.transpose(0, 2, 1)),
    "Transpose all": ([onnx.node("Transpose", ["x"], ["made"])], W.T),
    "Reshape": ([onnx.constant("s", [1, 16, -1]), onnx.node("Reshape", ["x", "s"], ["made"])], W.reshape(4, 12)),
    "Reshape with 0": ([onnx.constant("s", [0, -1, 3]), onnx.node("Reshape", ["x", "s"], ["made"])], W.reshape(1, 2, 24)),
    "Unsqueeze": ([onnx.constant("a", [0]), onnx.node("Unsqueeze", ["x", "a"], ["made"])], W[0]),
    "Unsqueeze before 13": ([onnx.node("Unsqueeze", ["x"], ["made"], axes=[0])], W[0]),
    "Squeeze": ([onnx.constant("a", [1]), onnx.node("Squeeze", ["x", "a"], ["made"])], W[:, None]),
    "Squeeze before 13": ([onnx.node("Squeeze", ["x"], ["made"], axes=[-1])], W[..., None]),
    "Slice": (
        [onnx.constant("b", [2, 0]), onnx.constant("e", [18, 2**62]), onnx.constant("a", [1, -1]),
         onnx.node("Slice", ["x", "b", "e", "a"], ["made"])],
        np.concatenate([W[:, :2], W, W[:, :1]], axis=1),
    ),
    "Slice before 10": ([onnx.node("Slice", ["x"], ["made"], starts=[-16], ends=[2**62], axes=[1])],
                        np.concatenate([W[:, :2], W], axis=1)),
    "Split": ([onnx.node("Split", ["x"], ["other", "made"], axis=1)], np.concatenate([0 * W, W], axis=1)),
    "Split in parts": ([onnx.constant("p", [2, 16]), onnx.node("Split", ["x", "p"], ["other", "made"], axis=1)],
                       np.concatenate([W[:, :2], W], axis=1)),
    "Concat": (
        [onnx.constant("b", [0]), onnx.constant("m", [7]), onnx.constant("e", [16]), onnx.constant("a", [1]),
         onnx.node("Slice", ["x", "b", "m", "a"], ["first"]), onnx.node("Slice", ["x", "m", "e", "a"], ["second"]),
         onnx.node("Concat", ["second", "first"], ["made"], axis=1)],
        np.roll(W, 7, axis=1),
    ),
    "Cast": ([onnx.node("Cast", ["x"], ["made"], to=1)], W.astype(np.float64)),
    "Constant": ([onnx.node("Constant", [], ["made"], value=onnx.tensor("", W))], W),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_operators_that_move_numbers_are_computed(name: str, tmp_path: Path) -> None:
    nodes, stored = CASES[name]
    found = read_w(tmp_path, nodes, {"x": np.ascontiguousarray(stored)})
    assert found is not None
    np.testing.assert_array_equal(found.astype(np.float32), W[0])


@pytest.mark.parametrize(
    "nodes",
    [
        [onnx.node("Relu", ["x"], ["made"])],
        [onnx.node("Transpose", ["x"], ["made"], perm=[0, 1, 1])],
        [onnx.node("Transpose", ["x"], ["made"], perm=[0, 1])],
        [onnx.constant("s", [1, -1, -1]), onnx.node("Reshape", ["x", "s"], ["made"])],
        [onnx.constant("s", [1, 16, 4]), onnx.node("Reshape", ["x", "s"], ["made"])],
        [onnx.node("Reshape", ["x", "X"], ["made"])],
        [onnx.node("Squeeze", ["x"], ["made"], axes=[1])],
        [onnx.node("Unsqueeze", ["x"], ["made"], axes=[0, 0])],
        [onnx.node("Concat", ["x", "X"], ["made"], axis=0)],
        [onnx.node("Concat", ["x", "x"], ["made"], axis=7)],
        [onnx.node("Split", ["x"], ["made", "b", "c"], axis=1)],
        [onnx.node("Cast", ["x"], ["made"], to=7)],
        [onnx.node("Identity", ["made"], ["made"])],
        [onnx.node("Identity", ["other"], ["made"]), onnx.node("Identity", ["made"], ["other"])],
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_not_read(nodes: list[bytes], tmp_path: Path) -> None:
    assert read_w(tmp_path, nodes, {"x": W}) is None


def test_what_is_computed_is_not_larger_than_what_is_stored(tmp_path: Path) -> None:
    nodes: list[Any] = [onnx.node("Concat", [f"v{k}"] * 2, [f"v{k + 1}"], axis=0) for k in range(40)]
    with pytest.raises(RefusedModel, match=r"is computed, and has .* bytes, but .* are stored"):
        read_w(tmp_path, nodes, {"v0": W}, "v40")
