"""Models of layers that apply an activation. Their inputs have steps of zeros, where functions have a kink.

TensorFlow has the slope of LeakyReLU, and the root of 2 in gelu, in float32 only, also in a model of float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WORDS = ["elu", "exponential", "hard_sigmoid", "linear", "relu", "selu", "sigmoid", "softmax", "softplus",
         "softsign", "swish", "tanh"]  # fmt: skip


def words(keras: Any) -> Any:
    x = keras.layers.Input((5, 3))
    return keras.Model(x, [keras.layers.Activation(word)(x) for word in WORDS])


def relus(keras: Any) -> Any:
    layers = keras.layers
    x = layers.Input((5, 3))
    applied = [
        layers.ReLU(), layers.ReLU(max_value=0.5), layers.ReLU(max_value=1.0, negative_slope=0.2, threshold=0.1),
        layers.ELU(), layers.ELU(alpha=0.4), layers.LeakyReLU(0.25),
    ]  # fmt: skip
    return keras.Model(x, [layer(x) for layer in applied])


def thresholded_relu(keras: Any) -> Any:
    if not hasattr(keras.layers, "ThresholdedReLU"):
        return None
    return keras.Sequential([keras.layers.Input((5, 3)), keras.layers.ThresholdedReLU(0.3)])


def prelus(keras: Any) -> Any:
    layers = keras.layers
    x = layers.Input((5, 3))
    return keras.Model(x, [layers.PReLU()(x), layers.PReLU(shared_axes=[1])(x), layers.PReLU(shared_axes=[1, 2])(x)])


def softmaxes(keras: Any) -> Any:
    x = keras.layers.Input((5, 3))
    return keras.Model(x, [keras.layers.Softmax(axis)(x) for axis in (-1, 1, [1, 2])])


def behind_a_mask(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that makes a model in which a layer passes a mask on, or not, to a mean that heeds it."""

    def make_model(keras: Any) -> Any:
        layers = keras.layers
        return keras.Sequential([layers.Input((5, 3)), layers.Masking(), make(layers), layers.GlobalAveragePooling1D()])

    return make_model


CASES = {
    "activation-words": words,
    "relus": relus,
    "thresholded-relu": thresholded_relu,
    "prelu": prelus,
    "softmax": softmaxes,
    "mask-activation": behind_a_mask(lambda layers: layers.Activation("tanh")),
    "mask-dense": behind_a_mask(lambda layers: layers.Dense(4, "sigmoid")),
    "mask-elu": behind_a_mask(lambda layers: layers.ELU()),
    "mask-leaky-relu": behind_a_mask(lambda layers: layers.LeakyReLU(0.25)),
    "mask-prelu": behind_a_mask(lambda layers: layers.PReLU()),
    "mask-relu": behind_a_mask(lambda layers: layers.ReLU()),
}
