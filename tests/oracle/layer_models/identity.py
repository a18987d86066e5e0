"""Models of layers that only do something in training, with a mask that passes through."""

from __future__ import annotations

from typing import Any


def noise(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((5, 3)),
            layers.Masking(),
            layers.Dropout(0.5),
            layers.SpatialDropout1D(0.5),
            layers.GaussianNoise(0.5),
            layers.GaussianDropout(0.5),
            layers.AlphaDropout(0.5),
            layers.ActivityRegularization(0.1),
            layers.GlobalAveragePooling1D(),
        ]
    )


def identity(keras: Any) -> Any:
    """Identity, which drops the mask in tf_keras only."""
    layers = keras.layers
    return keras.Sequential(
        [layers.Input((5, 3)), layers.Masking(), layers.Identity(), layers.GlobalAveragePooling1D()]
    )


CASES = {"noise": noise, "identity": identity}
