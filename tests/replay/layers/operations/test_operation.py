from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.layer_reading import make_signals, pull_back, read_layer, run_layer

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.replay.layers.base import RunnableLayer

X = np.arange(1.0, 7.0).reshape(1, 3, 2)
FIRST, SECOND = {"tensor": 0}, {"tensor": 1}
WHOLE = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}


def operation(kind: str, *arguments: Any, keywords: Any = None, **config: Any) -> RunnableLayer:
    """Return an operation of Keras 3."""
    return read_layer(kind, {**config, "is_operation": True, "arguments": list(arguments), "keywords": keywords or {}})


def function(path: str, /, *arguments: Any, **keywords: Any) -> RunnableLayer:
    """Return a function of TensorFlow."""
    return operation("TFOpLambda", *arguments, keywords=keywords, function=path, dtype="float32", trainable=True)


def test_constants_stand_on_either_side() -> None:
    assert run_layer(operation("Subtract", 1, FIRST), [[0.25]]).values.tolist() == [[0.75]]
    assert run_layer(operation("Subtract", FIRST, 1), [[0.25]]).values.tolist() == [[-0.75]]
    assert run_layer(function("math.subtract", 1.0, y=FIRST, name=None), [[0.25]]).values.tolist() == [[0.75]]


def test_an_operation_and_a_layer_may_have_one_name() -> None:
    as_layer = read_layer("Multiply", {"name": "it"})
    assert run_layer(as_layer, [[2.0]], [[3.0]]).values.tolist() == [[6.0]]
    assert run_layer(operation("Multiply", FIRST, 4), [[2.0]]).values.tolist() == [[8.0]]


def test_no_mask_is_passed_on() -> None:
    assert run_layer(operation("Multiply", FIRST, 2), X, masks={0: [[True, True, False]]}).mask is None


def test_the_gradients_of_an_input_that_stands_twice_are_added() -> None:
    (gradient,) = pull_back(operation("Multiply", FIRST, FIRST), [[3.0]], gradient=[[[1.0], [2.0]]])
    assert gradient.tolist() == [[[6.0], [12.0]]]


def test_truth_values_have_no_gradient() -> None:
    layer = operation("NotEqual", FIRST, 0)
    assert run_layer(layer, [[3, 0]]).values.tolist() == [[True, False]]
    assert pull_back(layer, [[3, 0]], gradient=[[[1.0, 1.0]]]) == (None,)


@pytest.mark.parametrize(("kind", "any_numbers"), [("NotEqual", True), ("Multiply", False)])
def test_whole_numbers_are_as_good_as_others_for_comparisons(kind: str, any_numbers: bool) -> None:
    assert operation(kind, FIRST, 0).takes_any_numbers is any_numbers


def test_results_have_the_dtype_of_the_run() -> None:
    assert run_layer(operation("TrueDivide", FIRST, 2), np.ones((1, 2), "int32")).values.dtype == np.float64
    assert run_layer(operation("Multiply", FIRST, {"class_name": "__numpy__", "config": {"value": [0.5], "dtype": "float64"}}),
                     np.ones((1, 2), "float32")).values.tolist() == [[0.5, 0.5]]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ([WHOLE, -1], [[5.0, 6.0]]),
        ([{"class_name": "__ellipsis__", "config": {}}, 0], [[1.0, 3.0, 5.0]]),
        ({"class_name": "__tuple__", "items": [WHOLE, 0, 1]}, [2.0]),
        ([{"start": None, "stop": None, "step": None}, {"start": 1, "stop": 2, "step": None}], [[[3.0, 4.0]]]),
    ],
    ids=["list", "ellipsis", "tuple", "tensorflow"],
)
def test_slices_are_stored_in_several_forms(key: Any, expected: Any) -> None:
    assert run_layer(operation("GetItem", FIRST, key), X).values.tolist() == expected


MIXING: list[tuple[str, list[Any], dict[str, Any], list[tuple[int, ...]]]] = [
    ("GetItem", [FIRST, [0, WHOLE]], {}, [(2, 3)]),
    ("GetItem", [FIRST, [None, WHOLE]], {}, [(2, 3)]),
    ("GetItem", [FIRST, [{"class_name": "__ellipsis__"}, 0, 0]], {}, [(2, 3)]),
    ("Mean", [FIRST], {"axis": 0}, [(2, 3)]),
    ("Softmax", [FIRST], {"axis": 0}, [(2, 3)]),
    ("Concatenate", [[FIRST, SECOND]], {"axis": 0}, [(2, 3), (2, 3)]),
    ("Add", [FIRST, SECOND], {}, [(2, 2), (2, 2, 2)]),
    ("Matmul", [FIRST, SECOND], {}, [(2, 2), (2, 2)]),
    ("Matmul", [FIRST, SECOND], {}, [(2, 2), (2, 2, 2)]),
    ("Matmul", [[[1.0, 2.0]], FIRST], {}, [(2, 2)]),
    ("Flip", [FIRST], {"axis": -2}, [(2, 3)]),
]


@pytest.mark.parametrize(("kind", "arguments", "config", "shapes"), MIXING)
def test_an_operation_across_the_batch_is_refused(kind: str, arguments: Any, config: Any, shapes: Any) -> None:
    with pytest.raises(CannotReplay, match=r"^it (acts across the samples of|takes some samples of) a batch"):
        run_layer(operation(kind, *arguments, **config), *(np.ones(shape) for shape in shapes))


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("Mean", {"axis": None}),
        ("Transpose", {"axes": None}),
        ("Transpose", {"axes": [1, 0]}),
        ("Tile", {"repeats": [2, 1]}),
        ("Pad", {"pad_width": [[1, 0], [0, 0]], "mode": "constant"}),
        ("Pad", {"pad_width": [[0, 0], [1, 0]], "mode": "reflect"}),
        ("Einsum", {"subscripts": "bi->ib"}),
        ("Einsum", {"subscripts": "b...->b"}),
        ("Einsum", {"subscripts": "bii->bi"}),
        ("Cast", {"dtype": "float16"}),
        ("LeakyRelu", {"negative_slope": "x"}),
        ("Repeat", {"repeats": 1 << 30, "axis": 1}),
        ("Max", {"axis": 1, "initial": 3.0}),
        ("Take", {"indices": [0.5], "axis": 1}),
        ("Det", {}),
    ],
)
def test_what_is_not_computed_is_refused_by_name(kind: str, config: Any) -> None:
    with pytest.raises(CannotReplay, match=r"^it\b"):
        operation(kind, FIRST, **config)


@pytest.mark.parametrize(
    ("name", "keywords"),
    [("image.resize", {}), ("sparse.reduce_sum", {"axis": 1}), ("compat.v1.norm", {"axis": 1}),
     ("where", {}), ("math.multiply", {}), ("linalg.matmul", {"b": SECOND, "adjoint_b": True})],
)  # fmt: skip
def test_a_function_that_is_not_computed_is_refused_by_name(name: str, keywords: Any) -> None:
    with pytest.raises(CannotReplay, match=rf"^it\b.*{name}"):
        function(name, FIRST, **keywords)


def test_shapes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(BadInput, match=r"^it cannot be computed: operands could not be broadcast"):
        run_layer(operation("Add", FIRST, SECOND), np.ones((1, 2)), np.ones((1, 3)))


def test_a_shape_that_would_mix_samples_is_an_error() -> None:
    with pytest.raises(BadInput, match=r"^it cannot be computed: samples would be mixed in the shape \(3, 2\)"):
        run_layer(operation("Reshape", FIRST, newshape=[-1, 2]), np.ones((2, 3)))


def test_rows_of_samples_become_samples_and_back() -> None:
    """The gradients of r numbers of a sample stay with its rows: (1, 2, 6) becomes (3, 2, 2)."""
    layer = operation("Reshape", FIRST, newshape=[-1, 2])
    assert run_layer(layer, np.arange(6.0).reshape(1, 6)).values.tolist() == [[0, 1], [2, 3], [4, 5]]
    gradient = np.arange(12.0).reshape(3, 2, 2)
    (found,) = pull_back(layer, np.zeros((1, 6)), gradient=gradient)
    assert found.tolist() == [[[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11]]]


def test_lengths_may_be_taken_apart() -> None:
    shape = run_layer(function("compat.v1.shape", FIRST, name=None, out_type="int32"), X).values
    assert shape.tolist() == [1, 3, 2]
    first, *_ = function("unstack", FIRST).forward(make_signals([shape]))
    assert first.values.tolist() == 1
    reshaped = run_layer(function("reshape", FIRST, shape=[SECOND, 6]), X, first.values)
    assert reshaped.values.tolist() == [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]


def test_division_by_0_gives_no_warning() -> None:
    assert run_layer(operation("TrueDivide", 1, FIRST), [[0.0]]).values.tolist() == [[np.inf]]
    assert run_layer(function("math.divide_no_nan", FIRST, y=SECOND), [[1.0]], [[0.0]]).values.tolist() == [[0.0]]
