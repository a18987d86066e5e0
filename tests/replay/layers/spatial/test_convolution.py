"""Kernel and input are such that the digits of an output show which steps it was computed from.

What Keras and Theano make of them was recorded with Keras 1.2.2, 2.2.4 and 3.15.1, and tf_keras 2.21.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.layer_reading import KERAS_1, KERAS_2, KERAS_3, differentiate, pull_back, read_layer, run_layer

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease
from lstmdump.replay.layers.base import RunnableLayer
from lstmdump.replay.layers.spatial import convolution

X = np.arange(1.0, 8).reshape(1, 7, 1)
DIGITS = [[[1]], [[10]], [[100]]]
THEANO_1, THEANO_2 = KerasRelease(1, is_theano=True), KerasRelease(2, is_theano=True)


def conv1d(kernel: Any = DIGITS, release: KerasRelease = KERAS_3, **config: Any) -> RunnableLayer:
    size, _, filters = np.shape(kernel)
    settings = {"filters": filters, "kernel_size": [size], "use_bias": False, **config}
    return read_layer("Conv1D", settings, {"kernel": kernel}, release)


def numbers(layer: RunnableLayer, x: Any = X) -> list[float]:
    return run_layer(layer, x).values.ravel().tolist()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, [321, 432, 543, 654, 765]),
        ({"padding": "same"}, [210, 321, 432, 543, 654, 765, 76]),
        ({"padding": "same", "strides": [2]}, [210, 432, 654, 76]),
        ({"padding": "same", "strides": 3}, [210, 543, 76]),
        ({"padding": "causal"}, [100, 210, 321, 432, 543, 654, 765]),
        ({"padding": "causal", "strides": [2]}, [100, 321, 543, 765]),
        ({"padding": "causal", "dilation_rate": [2]}, [100, 200, 310, 420, 531, 642, 753]),
        ({"padding": "same", "dilation_rate": [2]}, [310, 420, 531, 642, 753, 64, 75]),
    ],
)
def test_a_kernel_is_correlated_with_the_steps_of_its_window(config: dict[str, Any], expected: list[float]) -> None:
    assert numbers(conv1d(**config)) == expected


def test_same_padding_of_an_even_kernel_adds_more_behind() -> None:
    assert numbers(conv1d([[[1]], [[10]], [[100]], [[1000]]], padding="same")) == [
        3210, 4321, 5432, 6543, 7654, 765, 76,
    ]  # fmt: skip


def keras_1(
    kind: str = "Convolution1D", kernel: Any = DIGITS, release: KerasRelease = KERAS_1, **config: Any
) -> RunnableLayer:
    stored = np.asarray(kernel)[:, None]
    settings = {"nb_filter": stored.shape[-1], "filter_length": len(stored), "bias": False, **config}
    return read_layer(kind, settings, {"it_W": stored}, release)


def test_keras_1_has_an_axis_more_and_other_names() -> None:
    assert numbers(keras_1(border_mode="same", subsample_length=2)) == [210, 432, 654, 76]


def test_the_first_releases_of_keras_1_have_the_filters_first() -> None:
    stored = np.transpose([DIGITS], (3, 2, 1, 0))  # (filters, channels, size, 1)
    settings = {"nb_filter": 1, "filter_length": 3, "bias": False}
    assert numbers(read_layer("Convolution1D", settings, {"it_W": stored}, KERAS_1)) == [321, 432, 543, 654, 765]


def test_atrous_convolutions_are_dilated() -> None:
    assert numbers(keras_1("AtrousConvolution1D", atrous_rate=2)) == [531, 642, 753]


def test_theano_turns_kernels_round() -> None:
    assert numbers(keras_1(release=THEANO_1)) == [123, 234, 345, 456, 567]
    assert numbers(conv1d(release=THEANO_2)) == [123, 234, 345, 456, 567]
    assert numbers(conv1d(release=KERAS_2)) == [321, 432, 543, 654, 765]


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"),
    [
        ([[[1]], [[10]], [[100]], [[1000]]], 1, [12, 123, 1234, 2345, 3456, 4567, 5670]),
        (DIGITS, 2, [12, 234, 456, 670]),
    ],
)
def test_theano_pads_half_a_kernel_in_front(kernel: Any, stride: int, expected: list[float]) -> None:
    layer = keras_1(kernel=kernel, release=THEANO_1, border_mode="same", subsample_length=stride)
    assert numbers(layer) == expected


def test_bias_and_activation_come_after_the_kernel() -> None:
    settings = {"filters": 2, "kernel_size": 1, "activation": "relu"}
    layer = read_layer("Conv1D", settings, {"kernel": [[[1, -1]]], "bias": [0.5, 3]})
    assert run_layer(layer, [[[2.0], [4.0]]]).values.tolist() == [[[2.5, 1.0], [4.5, 0.0]]]


def test_a_group_of_filters_sees_its_group_of_channels() -> None:
    layer = conv1d([[[1, 10]], [[100, 1000]]], groups=2)  # two channels, of which each filter sees one
    assert run_layer(layer, [[[1, 2], [3, 4]]]).values.tolist() == [[[301.0, 4020.0]]]


def test_channels_may_come_first() -> None:
    layer = conv1d([[[1], [10]], [[100], [1000]]], data_format="channels_first")
    assert run_layer(layer, [[[1, 2, 3], [4, 5, 6]]]).values.tolist() == [[[5241.0, 6352.0]]]


def test_the_gradient_of_a_step_comes_from_all_windows_that_cover_it() -> None:
    gradient = [[[[1], [2], [3], [4]]]]  # of the windows that start before steps 1, 3, 5 and 7
    (found,) = pull_back(conv1d(padding="same", strides=2), X, gradient=gradient)
    assert found.ravel().tolist() == [10, 102, 20, 203, 30, 304, 40]


def test_masks_end_at_a_convolution() -> None:
    assert run_layer(conv1d(), X, masks={0: [[1, 1, 1, 1, 1, 0, 0]]}).mask is None


def test_a_batch_that_is_laid_out_in_parts_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(35.0).reshape(5, 7, 1)
    whole = numbers(conv1d(), x)
    monkeypatch.setattr(convolution, "_NUMBERS_AT_ONCE", 31)  # two sequences of 5 windows of 3 steps
    assert numbers(conv1d(), x) == whole


def test_pictures_are_covered_by_rows_and_columns() -> None:
    settings = {"filters": 1, "kernel_size": [2, 2], "use_bias": False}
    layer = read_layer("Conv2D", settings, {"kernel": [[[[1]], [[10]]], [[[100]], [[1000]]]]})
    made = run_layer(layer, [[[[1], [2], [3]], [[4], [5], [6]]]])
    assert made.values.tolist() == [[[[5421.0], [6532.0]]]]


@pytest.mark.parametrize("ordering", ["tf", "th"])
def test_pictures_of_keras_1_may_have_the_channels_first(ordering: str) -> None:
    stored = np.array([[[[1]], [[10]]], [[[100]], [[1000]]]])  # (rows, columns, channels, filters)
    x = np.array([[[[1], [2], [3]], [[4], [5], [6]]]])
    if ordering == "th":
        stored, x = stored.transpose(3, 2, 0, 1), x.transpose(0, 3, 1, 2)
    settings = {"nb_filter": 1, "nb_row": 2, "nb_col": 2, "bias": False, "dim_ordering": ordering}
    layer = read_layer("Convolution2D", settings, {"it_W": stored}, KERAS_1)
    assert run_layer(layer, x).values.ravel().tolist() == [5421.0, 6532.0]


def test_a_depthwise_convolution_has_filters_of_its_own_for_each_channel() -> None:
    kernel = [[[1, 2], [3, 4]]]  # (size, channels, filters of each)
    layer = read_layer("DepthwiseConv1D", {"kernel_size": 1, "use_bias": False}, {"depthwise_kernel": kernel})
    assert run_layer(layer, [[[10, 100]]]).values.tolist() == [[[10.0, 20.0, 300.0, 400.0]]]


def test_a_separable_convolution_mixes_channels_after_the_windows() -> None:
    arrays = {"depthwise_kernel": [[[1], [10]], [[2], [20]]], "pointwise_kernel": [[[1], [100]]], "bias": [0.5]}
    layer = read_layer("SeparableConv1D", {"filters": 1, "kernel_size": 2}, arrays)
    # Channels: 1·1 + 2·3 = 7 and 10·2 + 20·4 = 100, then 7 + 100·100 + 0.5.
    assert run_layer(layer, [[[1.0, 2.0], [3.0, 4.0]]]).values.tolist() == [[[10007.5]]]


@pytest.mark.parametrize(
    ("padding", "stride", "expected"),
    [
        ("valid", 1, [1, 12, 120, 200]),
        ("valid", 2, [1, 10, 102, 20, 200]),
        ("same", 1, [12, 120]),
        ("same", 2, [1, 10, 102, 20]),
        ("valid", 4, [1, 10, 100, 0, 2, 20, 200, 0]),
    ],
)
def test_a_transposed_convolution_lays_kernels_out(padding: str, stride: int, expected: list[float]) -> None:
    settings = {"filters": 1, "kernel_size": 3, "strides": stride, "padding": padding, "use_bias": False}
    layer = read_layer("Conv1DTranspose", settings, {"kernel": DIGITS})
    assert numbers(layer, [[[1.0], [2.0]]]) == expected


def test_gradients_of_all_convolutions_are_differences() -> None:
    random = np.random.default_rng(1)
    arrays = {"depthwise_kernel": random.standard_normal((3, 4, 2)), "pointwise_kernel": random.standard_normal((1, 8, 3)),
              "bias": random.standard_normal(3)}  # fmt: skip
    layer = read_layer("SeparableConv1D", {"filters": 3, "kernel_size": 3, "activation": "tanh"}, arrays)
    x, gradient = random.standard_normal((2, 6, 4)), random.standard_normal((2, 2, 4, 3))
    (found,) = pull_back(layer, x, gradient=gradient)
    np.testing.assert_allclose(found, differentiate(layer, x, gradient), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[[1], [2]]], r"it takes an input of at least 3 steps, not \(1, 2, 1\)"),
        ([[[1, 2]] * 4], r"it takes an input \(batch, steps, 1\), not \(1, 4, 2\)"),
        ([[1, 2, 3]], r"it takes an input \(batch, steps, 1\), not \(1, 3\)"),
    ],
)
def test_an_input_without_a_window_is_an_error_that_names_the_layer(x: Any, message: str) -> None:
    with pytest.raises(BadInput, match=f"^{message}$"):
        run_layer(conv1d(), x)


@pytest.mark.parametrize(
    "config",
    [
        {"padding": "full"}, {"padding": ["same"]}, {"data_format": "channels"}, {"strides": 0}, {"strides": [1, 1]},
        {"strides": 1.5}, {"strides": 1 << 40}, {"dilation_rate": True}, {"groups": 2}, {"kernel_size": 4},
        {"filters": None}, {"activation": "unheard_of"},
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_refused_by_the_name_of_the_layer(config: dict[str, Any]) -> None:
    with pytest.raises(CannotReplay, match=r"^it: "):
        conv1d(**config)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("SeparableConv1D", {}),
        ("DepthwiseConv1D", {}),
        ("Conv1DTranspose", {}),
    ],
)
def test_convolutions_that_nobody_has_seen_with_theano_are_refused(kind: str, config: dict[str, Any]) -> None:
    with pytest.raises(CannotReplay, match=rf"^it is a {kind} layer of Theano, which cannot be computed$"):
        read_layer(kind, {"filters": 1, "kernel_size": 3, **config}, {"kernel": DIGITS}, THEANO_2)


@pytest.mark.parametrize("config", [{"output_padding": [1]}, {"dilation_rate": 2}, {"padding": "causal"}])
def test_transposed_convolutions_of_other_forms_are_refused(config: dict[str, Any]) -> None:
    settings = {"filters": 1, "kernel_size": 3, "padding": "valid", "use_bias": False, **config}
    with pytest.raises(CannotReplay, match=r"^it: its "):
        read_layer("Conv1DTranspose", settings, {"kernel": DIGITS})


def test_a_kernel_of_keras_1_that_fits_no_order_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: its kernel is \(3, 1, 1, 1\), which does not fit"):
        keras_1(filter_length=2)


@pytest.mark.parametrize(
    ("kind", "arrays"),
    [
        ("DepthwiseConv1D", {"depthwise_kernel": [[[1, 2], [3, 4]]], "bias": [1, 2, 3]}),
        ("SeparableConv1D", {"depthwise_kernel": [[[1], [2]]], "pointwise_kernel": [[[1], [2], [3]]], "bias": [1]}),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(kind: str, arrays: dict[str, Any]) -> None:
    with pytest.raises(
        CannotReplay, match=r"^it: its (bias|pointwise_kernel) is \(.*\), which does not fit \d channels"
    ):
        read_layer(kind, {"filters": 1, "kernel_size": 1}, arrays)
