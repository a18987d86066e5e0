from __future__ import annotations

from pathlib import Path

import pytest
from support import onnx_builders as onnx

import lstmdump

SQUEEZE = [onnx.constant("one", [1]), onnx.node("Squeeze", ["Y", "one"], ["X2"])]
TRANSPOSE = onnx.node("Transpose", ["Y"], ["t"], perm=[0, 2, 1, 3])


def sources(tmp_path: Path, between: list[bytes], directions: int = 1) -> dict[str, tuple[str, ...]]:
    """Return which layers follow which, in a graph of two nodes with `between` from `Y` to `X2`."""
    way = "forward" if directions == 1 else "bidirectional"
    made = {"1": onnx.arrays(3, 4, directions), "2": onnx.arrays(4 * directions, 4, directions)}
    stored = [onnx.tensor(f"{letter}{k}", values[letter]) for k, values in made.items() for letter in "WR"]
    first = onnx.node("LSTM", ["X", "W1", "R1"], ["Y", "Y_h"], "one", direction=way)
    second = onnx.node("LSTM", ["X2", "W2", "R2"], ["Y2"], "two", direction=way)
    graph = onnx.Graph([first, *between, second], stored, [onnx.value("X")])
    with lstmdump.open(onnx.write(tmp_path / "m.onnx", graph)) as model:
        return {"/".join(path): source.names for path, source in model.model.sources().items()}


def test_a_node_follows_another_whose_directions_are_removed(tmp_path: Path) -> None:
    assert sources(tmp_path, SQUEEZE) == {"two": ("one",)}


def test_both_directions_follow_both_that_are_joined(tmp_path: Path) -> None:
    between = [TRANSPOSE, onnx.constant("shape", [0, 0, -1]), onnx.node("Reshape", ["t", "shape"], ["X2"])]
    both = "one/forward", "one/backward"
    assert sources(tmp_path, between, 2) == {"two/forward": both, "two/backward": both}


def test_axes_that_are_exchanged_and_back_are_the_same(tmp_path: Path) -> None:
    between = [onnx.constant("one", [1]), onnx.node("Squeeze", ["Y", "one"], ["s"]),
               onnx.node("Transpose", ["s"], ["b"], perm=[1, 0, 2]), onnx.node("Dropout", ["b"], ["d"]),
               onnx.node("Transpose", ["d"], ["X2"], perm=[1, 0, 2])]  # fmt: skip
    assert sources(tmp_path, between) == {"two": ("one",)}


@pytest.mark.parametrize(
    "between",
    [
        [onnx.constant("one", [1]), onnx.node("Squeeze", ["Y", "one"], ["s"]), onnx.node("Relu", ["s"], ["X2"])],
        [onnx.constant("one", [1]), onnx.node("Squeeze", ["Y", "one"], ["s"]),
         onnx.node("Transpose", ["s"], ["X2"], perm=[1, 0, 2])],  # steps and sequences are exchanged
        [onnx.constant("two", [2]), onnx.node("Squeeze", ["Y", "two"], ["X2"])],  # a batch of one
        [onnx.constant("shape", [0, 0, -1]), onnx.node("Reshape", ["Y", "shape"], ["X2"])],  # directions and batch
        [onnx.node("Identity", ["Y_h"], ["X2"])],
    ],
)  # fmt: skip
def test_what_is_not_the_output_as_it_is_has_no_source(between: list[bytes], tmp_path: Path) -> None:
    assert sources(tmp_path, between) == {}
