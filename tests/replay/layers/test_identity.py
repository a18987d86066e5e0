from __future__ import annotations

import numpy as np
import pytest
from support.layer_reading import KERAS_3, TENSORFLOW_KERAS, pull_back, read_layer, run_layer

from lstmdump.lstm.release import KerasRelease

X = np.arange(6.0).reshape(1, 3, 2)


@pytest.mark.parametrize("kind", ["Dropout", "SpatialDropout1D", "GaussianNoise", "AlphaDropout", "Identity"])
def test_a_layer_for_training_returns_its_input(kind: str) -> None:
    layer = read_layer(kind, {"rate": 0.5})
    assert run_layer(layer, X).values.tolist() == X.tolist()
    (gradient,) = pull_back(layer, X, gradient=X[:, None])
    assert gradient.tolist() == X[:, None].tolist()


@pytest.mark.parametrize(
    ("kind", "release", "keeps"),
    [("Dropout", TENSORFLOW_KERAS, True), ("Identity", TENSORFLOW_KERAS, False), ("Identity", KERAS_3, True)],
)
def test_only_identity_of_tf_keras_drops_the_mask(kind: str, release: KerasRelease, keeps: bool) -> None:
    made = run_layer(read_layer(kind, release=release), X, masks={0: [[True, True, False]]})
    assert (made.mask is not None) is keeps
