"""Run the activations of Keras 3 or Keras 2 (tf_keras) and record their results, in a separate process.

    write_activations.py keras|tf_keras OUT

Writes OUT/<dtype>.npz with `z`, `gradient` and, for each word and each object of `CONFIGS`, `<name>|value` and
`<name>|pulled`; OUT/configs.json: name -> the object as the configuration of a layer holds it; OUT/words.json: every
word that this Keras knows.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

keras: Any = importlib.import_module(sys.argv[1])
layers: Any = keras.layers
source: Any = importlib.import_module(f"{sys.argv[1]}.src.activations")
OUT = Path(sys.argv[2])
NO_ACTIVATIONS = {"deserialize", "get", "keras_export", "serialize"}
OF_OTHER_SHAPE = {"glu", "threshold"}
SLOPE = "negative_slope" if sys.argv[1] == "keras" else "alpha"

OBJECTS: dict[str, Callable[[], Any]] = {
    "leaky": lambda: layers.LeakyReLU(**{SLOPE: 0.125}),
    "leaky by default": layers.LeakyReLU,
    "relu by default": layers.ReLU,
    "relu up to 6": lambda: layers.ReLU(6.0),
    "relu with all": lambda: layers.ReLU(max_value=2.5, negative_slope=0.25, threshold=0.75),
    "elu": lambda: layers.ELU(0.5),
    "softmax": layers.Softmax,
    "activation": lambda: layers.Activation("gelu"),
    "activation in another": lambda: layers.Activation(layers.Activation("softplus")),
    "tf.nn.leaky_relu": lambda: tf.nn.leaky_relu,
    "tf.nn.log_softmax": lambda: tf.nn.log_softmax,
    "tf.nn.relu6": lambda: tf.nn.relu6,
    "tf.nn.silu": lambda: tf.nn.silu,
    "tf.nn.softmax": lambda: tf.nn.softmax,
}
if sys.argv[1] == "tf_keras":
    OBJECTS["thresholded"] = lambda: layers.ThresholdedReLU(0.75)


@keras.saving.register_keras_serializable("demo")
def tanh_of_mine(z: Any) -> Any:
    return z


@keras.saving.register_keras_serializable("demo")
class LeakyReLU(layers.LeakyReLU):  # type: ignore[misc]
    pass


REFUSED: dict[str, Callable[[], Any]] = {
    "lambda": lambda: lambda z: z,
    "prelu": layers.PReLU,
    "registered function": lambda: tanh_of_mine,
    "registered layer": LeakyReLU,
    "unregistered function": lambda: python,
}


def python(z: Any) -> Any:
    return z


def words() -> list[str]:
    known = getattr(source, "ALL_OBJECTS_DICT", None) or {
        name for name, value in vars(source).items() if callable(value) and not isinstance(value, types.ModuleType)
    }
    return sorted({name for name in known if not name.startswith("_")} - NO_ACTIVATIONS - OF_OTHER_SHAPE)


def acted(function: Callable[[Any], Any], z: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    variable = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = function(variable)
    return value.numpy(), tape.gradient(value, variable, output_gradients=tf.constant(gradient)).numpy()


def record(dtype: str) -> None:
    keras.backend.set_floatx(dtype)
    keras.mixed_precision.set_global_policy(dtype)
    random = np.random.default_rng(0)
    near = [0, 1e-7, -1e-7, 1e-3, -1e-3, 20, -20, 50, -50, 0.1, -0.1, 3.5]
    z = np.concatenate((near, random.uniform(-8, 8, 228))).astype(dtype).reshape(40, 6)
    gradient = random.standard_normal(z.shape).astype(dtype)
    functions = {
        **{word: keras.activations.get(word) for word in words()},
        **{f"object {name}": make() for name, make in OBJECTS.items()},
    }
    arrays = {"z": z, "gradient": gradient}
    for name, function in functions.items():
        arrays[f"{name}|value"], arrays[f"{name}|pulled"] = acted(function, z, gradient)
    np.savez(OUT / f"{dtype}.npz", **arrays)


def configs(objects: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Return each object as the configuration of a layer holds it."""
    return {name: layers.LSTM(2, activation=make()).get_config()["activation"] for name, make in objects.items()}


for each in ("float64", "float32"):
    record(each)
(OUT / "words.json").write_text(json.dumps(words()))
(OUT / "configs.json").write_text(json.dumps(configs(OBJECTS), default=float))
(OUT / "refused.json").write_text(json.dumps(configs(REFUSED), default=float))
