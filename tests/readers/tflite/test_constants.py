"""The numbers of tensors: integers that stand for others, and files whose sizes and scales contradict each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tflite_builders as builders
from support.tflite_builders import Graph, Number, Scales

import lstmdump
from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.limits import Limits

D, M = 3, 4
KERNEL = "input_to_input"
Change = Callable[[Graph], None]


def opened(data: bytes, directory: Path, **options: Any) -> LoadedModel:
    path = directory / "model.tflite"
    path.write_bytes(data)
    return lstmdump.open(path, **options)


def changed(change: Change) -> bytes:
    """Return a model of one operator, whose graph `change` has changed."""
    graph = Graph()
    x, y = graph.tensor((1, 5, D), "x"), graph.tensor((1, 5, M), "y")
    builders.add_lstm(graph, builders.lstm_arrays(D, M), x, y)
    change(graph)
    return builders.model(graph)


def kernel_of(graph: Graph) -> dict[int, Any]:
    return next(table for table, _ in graph.tensors if table[3] == KERNEL)


def quantized(scales: Scales | None, dtype: str = "i1") -> Change:
    """Return what makes the first kernel integers with these scales."""

    def change(graph: Graph) -> None:
        integers = np.arange(M * D, dtype=dtype).reshape(M, D)
        index = graph.constant(integers, "integers", scales)
        name, inputs, *others = graph.operators[0]
        graph.operators[0] = (name, [inputs[0], index, *inputs[2:]], *others)

    return change


def with_field(field: int, value: object) -> Change:
    return lambda graph: kernel_of(graph).update({field: value})


@pytest.mark.parametrize(
    ("dtype", "scales", "zero_points"),
    [("i1", [0.5], []), ("i1", [0.5], [3]), ("u1", [0.5], [128]), ("i2", [0.01], [0]), ("i4", [1e-6], [0])],
)
def test_integers_stand_for_their_distance_from_the_zero_point_times_the_scale(
    dtype: str, scales: list[float], zero_points: list[int], tmp_path: Path
) -> None:
    integers = np.arange(M * D).reshape(M, D)
    expected = ((integers - (zero_points or [0])[0]) * np.float64(np.float32(scales[0]))).astype("f4")
    with opened(changed(quantized(Scales(scales, zero_points), dtype)), tmp_path) as model:
        kernel = model.lstms[0].gates["i"].W
        stored = next(weight.tensor for weight in model.lstms[0].weights if weight.name == "input_to_input")
        assert (kernel.dtype, stored.dtype) == ("float32", np.dtype(dtype).name)
        np.testing.assert_array_equal(kernel.read(), expected.T)


def test_a_part_of_integers_has_the_scales_of_its_rows(tmp_path: Path) -> None:
    scales = [0.5, 1.0, 2.0, 4.0]
    with opened(changed(quantized(Scales(scales))), tmp_path) as model:
        stored = model.lstms[0].weights[0].tensor
        part = stored.part(slice(2, 4), slice(1, 3)).read()
    # rows 2 and 3 of 3 columns each: 7 and 8 times 2, 10 and 11 times 4
    np.testing.assert_array_equal(part, [[14, 16], [40, 44]])


BROKEN_SCALES = {
    "zero": Scales([0.0]),
    "negative": Scales([-1.0]),
    "not a number": Scales([float("nan")]),
    "infinite": Scales([float("inf")]),
    "one of several is zero": Scales([1.0, 1.0, 0.0, 1.0]),
}


@pytest.mark.parametrize("kind", BROKEN_SCALES)
def test_a_scale_that_is_not_positive_is_corrupt(kind: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="integers has a scale that is not a positive number"):
        opened(changed(quantized(BROKEN_SCALES[kind])), tmp_path)


@pytest.mark.parametrize(
    "scales",
    [
        pytest.param(Scales([1.0, 1.0]), id="two scales for four rows"),
        pytest.param(Scales([1.0] * 5), id="five scales for four rows"),
        pytest.param(Scales([1.0] * 4, [0, 0, 0]), id="three zero points for four rows"),
        pytest.param(Scales([1.0] * 4, [], 1), id="four scales for three columns"),
        pytest.param(Scales([1.0] * 4, [], 2), id="scales for a dimension that is not there"),
        pytest.param(Scales([1.0] * 4, [], -1), id="scales for a dimension before the first"),
        pytest.param(Scales([1.0], [0, 0]), id="two zero points for one scale"),
    ],
)
def test_as_many_scales_as_rows_are_required(scales: Scales, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match=r"integers has \d scales|integers has scales for the dimension"):
        opened(changed(quantized(scales)), tmp_path)


def test_integers_without_a_scale_are_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="integers holds int8, but the file states no scale for it"):
        opened(changed(quantized(None)), tmp_path)


BROKEN: dict[str, tuple[Change, str]] = {
    "a shape with more bytes than its buffer": (
        with_field(0, np.array([M, D + 1], "i4")),
        r"has the shape \(4, 4\) of float32, but 48 bytes",
    ),
    "a shape with fewer bytes than its buffer": (with_field(0, np.array([M], "i4")), "but 48 bytes"),
    "a shape of huge extents": (with_field(0, np.array([2**31 - 1] * 8, "i4")), "but 48 bytes"),
    "a negative extent": (with_field(0, np.array([-M, -D], "i4")), "but 48 bytes"),
    "too many dimensions": (with_field(0, np.ones(9, "i4")), "a tensor has 9 dimensions"),
    "numbers of half a byte": (with_field(1, Number("b", builders.TYPES["int4"])), "stored as int4, which lstmdump"),
    "an unknown type": (with_field(1, Number("b", 99)), "stored as unknown, which lstmdump does not read"),
    "sparse numbers": (with_field(6, {}), "stored sparsely, which lstmdump does not read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_contradiction_in_a_tensor_is_corrupt(kind: str, tmp_path: Path) -> None:
    change, words = BROKEN[kind]
    with pytest.raises(CorruptModel, match=words):
        opened(changed(change), tmp_path)


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ([99], [0], "an operator takes the tensor 99, but its subgraph has 1"),
        ([-2], [0], "an operator takes the tensor -2, but its subgraph has 1"),
        ([0], [1], "an operator takes the tensor 1, but its subgraph has 1"),
    ],
)
def test_an_operator_on_a_tensor_that_is_not_there_is_corrupt(
    inputs: list[int], outputs: list[int], words: str, tmp_path: Path
) -> None:
    graph = Graph()
    graph.tensor((1,))
    graph.operator("TANH", inputs, outputs)
    with pytest.raises(CorruptModel, match=words):
        opened(builders.model(graph), tmp_path)


def test_an_output_that_is_not_there_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match="main takes the tensor 7, but has 0"):
        opened(builders.model(Graph(outputs=[7])), tmp_path)


def test_a_loop_over_a_subgraph_that_is_not_there_is_corrupt(tmp_path: Path) -> None:
    graph = Graph()
    graph.operator("WHILE", [], [], {0: Number("i", 1), 1: Number("i", 5)})
    with pytest.raises(CorruptModel, match="a loop runs the subgraph 5, but the file has 1"):
        opened(builders.model(graph), tmp_path)


def test_loops_that_run_each_other_end(tmp_path: Path) -> None:
    graphs = []
    for other in (1, 0):
        graph = Graph()
        x = graph.tensor((1,))
        graph.inputs, graph.outputs = [x], [x]
        graph.operator("WHILE", [x], [x], {0: Number("i", other), 1: Number("i", other)})
        graphs.append(graph)
    with opened(builders.model(*graphs), tmp_path) as model:
        assert model.lstms == ()


def test_an_operator_that_takes_its_own_result_ends(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.tensor((1, 4))
    for name in ("RESHAPE", "MUL", "ADD", "LOGISTIC", "DEQUANTIZE"):
        graph.operator(name, [x, x], [x])
    with opened(builders.model(graph), tmp_path) as model:
        assert model.lstms == ()


def test_numbers_behind_the_file_are_corrupt(tmp_path: Path) -> None:
    data = builders.fused(builders.lstm_arrays(D, M), behind=True)
    with pytest.raises(CorruptModel, match="a buffer reaches beyond the end of the file"):
        opened(data[:-1], tmp_path)


def test_more_operators_than_the_limit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedModel, match="nodes="):
        opened(builders.fused(builders.lstm_arrays(D, M)), tmp_path, limits=Limits(nodes=100))


def test_tensors_of_one_name_are_told_apart(tmp_path: Path) -> None:
    def name_alike(graph: Graph) -> None:
        for table, _ in graph.tensors:
            table[3] = "same" if table[3] else ""

    with opened(changed(name_alike), tmp_path) as model:
        names = [weight.tensor.name for weight in model.lstms[0].weights]
    assert names[:2] == ["same", "same (tensor 5)"]  # behind x, y and two states
    assert len(set(names)) == len(names)
