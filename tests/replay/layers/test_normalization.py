from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.layer_reading import (
    KERAS_1,
    KERAS_2,
    KERAS_3,
    TENSORFLOW_KERAS,
    differentiate,
    pull_back,
    read_layer,
    run_layer,
)

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.lstm.release import KerasRelease

MOMENTS = {"it_running_mean": [1.0, 2.0], "it_running_std": [4.0, 9.0]}
OF_KERAS_1 = {"axis": -1, "epsilon": 0.0, "gamma_regularizer": None}


def test_keras_1_stores_the_variance_as_running_std() -> None:
    arrays = {"it_gamma": [1.0, 1.0], "it_beta": [0.0, 0.5], **MOMENTS}
    layer = read_layer("BatchNormalization", {"mode": 0, **OF_KERAS_1}, arrays, KERAS_1)
    np.testing.assert_allclose(run_layer(layer, [[3.0, 5.0]]).values, [[(3 - 1) / 2, (5 - 2) / 3 + 0.5]])


def test_the_first_releases_of_keras_1_are_refused() -> None:
    arrays = {"it_gamma": [1.0, 1.0], "it_beta": [0.0, 0.0], **MOMENTS}
    with pytest.raises(CannotReplay, match=r"^it: this release stores the variance or its root"):
        read_layer("BatchNormalization", {"mode": 0, "axis": -1, "epsilon": 1e-6}, arrays, KERAS_1)


def test_mode_1_of_keras_1_normalizes_each_sample() -> None:
    arrays = {"it_gamma": [1.0, 2.0], "it_beta": [0.0, 0.5], **MOMENTS}
    layer = read_layer("BatchNormalization", {**OF_KERAS_1, "mode": 1, "epsilon": 0.44}, arrays, KERAS_1)
    deviation = np.sqrt(1 + 0.44) + 0.44  # 1.64; the numbers deviate from their mean by 1
    np.testing.assert_allclose(run_layer(layer, [[3.0, 5.0]]).values, [[-1 / deviation, 2 / deviation + 0.5]])


def test_mode_2_of_keras_1_is_refused() -> None:
    arrays = {"it_gamma": [1.0, 1.0], "it_beta": [0.0, 0.0], **MOMENTS}
    with pytest.raises(CannotReplay, match=r"^it: batch normalization of mode 2 depends on the other samples"):
        read_layer("BatchNormalization", {**OF_KERAS_1, "mode": 2}, arrays, KERAS_1)


@pytest.mark.parametrize(("scale", "center"), [(True, False), (False, True), (False, False)])
def test_batch_normalization_without_gamma_or_beta(scale: bool, center: bool) -> None:
    arrays = {
        **({"gamma": [2.0]} if scale else {}),
        **({"beta": [0.5]} if center else {}),
        "moving_mean": [1.0],
        "moving_variance": [4.0],
    }
    config = {"scale": scale, "center": center, "epsilon": 0.0}
    found = run_layer(read_layer("BatchNormalization", config, arrays, KERAS_2), [[5.0]]).values
    np.testing.assert_allclose(found, [[(5 - 1) / 2 * (2 if scale else 1) + (0.5 if center else 0)]])


def test_batch_normalization_along_the_steps() -> None:
    arrays = {"moving_mean": [1.0, 2.0], "moving_variance": [1.0, 4.0]}
    config = {"axis": [1], "scale": False, "center": False, "epsilon": 0.0}
    layer = read_layer("BatchNormalization", config, arrays)
    found = run_layer(layer, [[[1.0, 2.0, 3.0], [4.0, 4.0, 6.0]]]).values
    np.testing.assert_allclose(found, [[[0.0, 1.0, 2.0], [1.0, 1.0, 2.0]]])
    with pytest.raises(BadInput, match=r"^it normalizes lengths of \(2,\); its input has \(3,\)"):
        run_layer(layer, np.zeros((1, 3, 2)))


def test_layer_normalization_takes_the_biased_variance_of_each_sample() -> None:
    layer = read_layer("LayerNormalization", {"epsilon": 0.0}, {"gamma": [1.0, 2.0], "beta": [0.0, 0.5]})
    np.testing.assert_allclose(run_layer(layer, [[3.0, 5.0], [9.0, 1.0]]).values, [[-1.0, 2.5], [1.0, -1.5]])


def test_layer_normalization_with_rms_scaling_is_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: layer normalization with rms_scaling"):
        read_layer("LayerNormalization", {"rms_scaling": True}, {"gamma": [1.0]})


def test_axes_that_do_not_ascend_are_refused() -> None:
    layer = read_layer("LayerNormalization", {"axis": [2, 1]}, {"gamma": np.ones((2, 3)), "beta": np.ones((2, 3))})
    with pytest.raises(CannotReplay, match=r"^it: its axes \[2, 1\] are not in ascending order$"):
        run_layer(layer, np.zeros((1, 3, 2)))


def test_unit_normalization_divides_by_the_norm() -> None:
    np.testing.assert_allclose(run_layer(read_layer("UnitNormalization"), [[3.0, -4.0]]).values, [[0.6, -0.8]])


@pytest.mark.parametrize(("release", "smallest"), [(TENSORFLOW_KERAS, 1e-6), (KERAS_3, 1e-12)])
def test_unit_normalization_divides_by_a_smallest_norm_at_least(release: KerasRelease, smallest: float) -> None:
    layer = read_layer("UnitNormalization", release=release)
    assert run_layer(layer, [[0.0, 0.0]]).values.tolist() == [[0.0, 0.0]]
    (gradient,) = pull_back(layer, np.zeros((1, 2)), gradient=[[[1.0, 2.0]]])
    np.testing.assert_allclose(gradient, [[[1 / smallest, 2 / smallest]]])


LAYERS: list[tuple[str, dict[str, Any], dict[str, Any], KerasRelease]] = [
    ("LayerNormalization", {"axis": -1}, {"gamma": [0.5, 2.0], "beta": [0.0, 1.0]}, KERAS_3),
    ("LayerNormalization", {"axis": [1, 2], "center": False}, {"gamma": [[0.5, 2.0], [1.0, 3.0], [0.7, 1.5]]}, KERAS_3),
    ("BatchNormalization", {**OF_KERAS_1, "mode": 1, "epsilon": 0.4},
     {"it_gamma": [1.0, 2.0], "it_beta": [0.0, 0.5], **MOMENTS}, KERAS_1),
    ("BatchNormalization", {"mode": 0, **OF_KERAS_1},
     {"it_gamma": [1.0, 2.0], "it_beta": [0.0, 0.5], **MOMENTS}, KERAS_1),
    ("UnitNormalization", {"axis": -1}, {}, KERAS_3),
    ("UnitNormalization", {"axis": [1, 2]}, {}, TENSORFLOW_KERAS),
    ("Normalization", {"axis": -1, "mean": [1.0, 2.0], "variance": [4.0, 9.0]}, {}, KERAS_3),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "config", "arrays", "release"), LAYERS)
def test_gradients_are_those_of_differences(kind: str, config: Any, arrays: Any, release: KerasRelease) -> None:
    random = np.random.default_rng(0)
    x, gradient = random.standard_normal((2, 3, 2)), random.standard_normal((2, 4, 3, 2))
    layer = read_layer(kind, config, arrays, release)
    (found,) = pull_back(layer, x, gradient=gradient)
    np.testing.assert_allclose(found, differentiate(layer, x, gradient), atol=1e-7)


@pytest.mark.parametrize(
    ("config", "arrays"),
    [
        ({"axis": -1, "mean": [1.0, 2.0], "variance": [4.0, 0.0]}, {}),
        ({"axis": [-1], "mean": None, "variance": None}, {"mean": [1.0, 2.0], "variance": [4.0, 0.0], "count": 7}),
    ],
    ids=["stated", "adapted"],
)
def test_normalization_takes_moments_from_the_configuration_or_from_arrays(config: Any, arrays: Any) -> None:
    found = run_layer(read_layer("Normalization", config, arrays), [[2.0, 3.0]]).values
    np.testing.assert_allclose(found, [[0.5, 1e7]])


def test_normalization_may_have_one_mean_for_all_features() -> None:
    layer = read_layer("Normalization", {"axis": -1, "mean": 1.0, "variance": 4.0})
    assert run_layer(layer, [[2.0, 5.0]]).values.tolist() == [[0.5, 2.0]]


def test_inverted_normalization_restores_the_numbers() -> None:
    layer = read_layer("Normalization", {"axis": -1, "mean": [1.0], "variance": [4.0], "invert": True})
    assert run_layer(layer, [[0.5]]).values.tolist() == [[2.0]]


def test_rescaling_has_a_number_or_one_for_each_feature() -> None:
    x = [[2.0, 3.0]]
    assert run_layer(read_layer("Rescaling", {"scale": 0.5, "offset": 1.0}), x).values.tolist() == [[2.0, 2.5]]
    assert run_layer(read_layer("Rescaling", {"scale": [2.0, 4.0]}), x).values.tolist() == [[4.0, 12.0]]


@pytest.mark.parametrize("kind", ["Rescaling", "Normalization"])
@pytest.mark.parametrize(("release", "keeps"), [(TENSORFLOW_KERAS, False), (KERAS_3, True)])
def test_preprocessing_layers_of_tf_keras_drop_the_mask(kind: str, release: KerasRelease, keeps: bool) -> None:
    layer = read_layer(kind, {"scale": 2.0, "mean": 0.0, "variance": 1.0}, release=release)
    made = run_layer(layer, [[[2.0, 3.0]]], masks={0: [[True]]})
    assert (made.mask is not None) is keeps


def test_numbers_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(CannotReplay, match=r"^it: many is not a number or a list of numbers$"):
        read_layer("Rescaling", {"scale": "many"})
