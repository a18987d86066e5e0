from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.layer_reading import pull_back, read_layer, run_layer

from lstmdump.errors import BadInput, CannotReplay

X = [[[1], [2], [3]]]


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("ZeroPadding1D", {"padding": 1}, [0, 1, 2, 3, 0]),
        ("ZeroPadding1D", {"padding": [1, 2]}, [0, 1, 2, 3, 0, 0]),
        ("ZeroPadding1D", {}, [0, 1, 2, 3, 0]),
        ("Cropping1D", {"cropping": 1}, [2]),
        ("Cropping1D", {"cropping": [0, 2]}, [1]),
        ("Cropping1D", {"cropping": [2, 0]}, [3]),
        ("UpSampling1D", {"size": 2}, [1, 1, 2, 2, 3, 3]),
        ("UpSampling1D", {"length": 3}, [1, 1, 1, 2, 2, 2, 3, 3, 3]),
    ],
)
def test_sequences_get_longer_or_shorter(kind: str, config: dict[str, Any], expected: list[float]) -> None:
    made = run_layer(read_layer(kind, config), X, masks={0: [[1, 1, 0]]})
    assert made.values.ravel().tolist() == expected
    assert made.mask is None


@pytest.mark.parametrize(
    ("kind", "config", "gradient", "expected"),
    [
        ("ZeroPadding1D", {"padding": [1, 2]}, [1, 2, 3, 4, 5, 6], [2, 3, 4]),
        ("Cropping1D", {"cropping": [0, 2]}, [1], [1, 0, 0]),
        ("UpSampling1D", {"size": 2}, [1, 2, 3, 4, 5, 6], [3, 7, 11]),
    ],
)
def test_gradients_have_the_steps_of_the_input(
    kind: str, config: dict[str, Any], gradient: list[float], expected: list[float]
) -> None:
    (found,) = pull_back(read_layer(kind, config), X, gradient=np.reshape(gradient, (1, 1, -1, 1)))
    assert found.ravel().tolist() == expected


@pytest.mark.parametrize("padding", [1, [1, 1], [[1, 1], [1, 1]]])
def test_margins_of_pictures_are_stated_in_three_ways(padding: Any) -> None:
    made = run_layer(read_layer("ZeroPadding2D", {"padding": padding}), [[[[5]]]])
    assert made.values[0, :, :, 0].tolist() == [[0, 0, 0], [0, 5, 0], [0, 0, 0]]


def test_pictures_are_repeated_in_both_directions() -> None:
    made = run_layer(read_layer("UpSampling2D", {"size": [2, 3]}), [[[[1], [2]]]])
    assert made.values[0, :, :, 0].tolist() == [[1, 1, 1, 2, 2, 2]] * 2


def test_channels_of_pictures_may_come_first() -> None:
    layer = read_layer("Cropping2D", {"cropping": [[0, 0], [1, 0]], "data_format": "channels_first"})
    assert run_layer(layer, [[[[1, 2], [3, 4]]]]).values.tolist() == [[[[2], [4]]]]


def test_a_crop_that_leaves_nothing_is_an_error_that_names_the_layer() -> None:
    with pytest.raises(BadInput, match=r"^it leaves nothing of an input \(1, 3, 1\)$"):
        run_layer(read_layer("Cropping1D", {"cropping": [1, 2]}), X)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("ZeroPadding1D", {"padding": -1}), ("ZeroPadding1D", {"padding": [1, 2, 3]}),
        ("ZeroPadding1D", {"padding": {"left_pad": 1}}), ("ZeroPadding2D", {"padding": [1, 2, 3, 4]}),
        ("UpSampling1D", {"size": 0}), ("UpSampling1D", {"size": 1 << 40}),
        ("UpSampling2D", {"interpolation": "bilinear"}),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_refused_by_the_name_of_the_layer(kind: str, config: dict[str, Any]) -> None:
    with pytest.raises(CannotReplay, match=r"^it: its "):
        read_layer(kind, config)
