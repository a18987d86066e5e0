"""Write the models of `layer_models` with their outputs and derivatives, all in float64.

Usage: write_layers.py (keras|tf_keras) DIRECTORY

For each case: `<case>.keras`, and `<case>.npz` with `x/<input>` (batch of 3), `y/<number>` for each output, `v/<number>`
(batch, 2, …) for each output, random, and `g/<input>`, (batch, 2, …): the derivatives of the sums of y·v.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from oracle import layer_models

FAMILIES = sorted(path.stem for path in Path(layer_models.__file__).parent.glob("[a-z]*.py"))


def main(framework: str, directory: Path) -> None:
    import tensorflow as tf

    keras = importlib.import_module(framework)
    keras.backend.set_floatx("float64")
    for family in FAMILIES:
        for name, make in importlib.import_module(f"oracle.layer_models.{family}").CASES.items():
            keras.utils.set_random_seed(len(name))
            keras.backend.clear_session()
            model = make(keras)
            if model is not None:
                fill(model)
                model.save(directory / f"{name}.keras")
                np.savez(directory / f"{name}.npz", **record(tf, model, np.random.default_rng(7)))


def fill(model: Any) -> None:
    """Give each array of the model random numbers; those that must be positive are."""
    random = np.random.default_rng(3)
    for weight in model.weights:
        positive = any(word in weight.name for word in ("gamma", "variance"))
        values = random.uniform(0.5, 1.5, weight.shape) if positive else random.normal(0, 0.5, weight.shape)
        if weight.dtype.kind if hasattr(weight.dtype, "kind") else "float" in str(weight.dtype):
            weight.assign(values)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # what a Normalization computes with, from its arrays


def record(tf: Any, model: Any, random: Any) -> dict[str, Any]:
    inputs = [make_input(tensor, random) for tensor in model.inputs]
    tensors = [tf.constant(values) for values in inputs]
    with tf.GradientTape(persistent=True) as tape:
        for tensor in tensors:
            tape.watch(tensor)
        made = model(tensors if len(tensors) > 1 else tensors[0], training=False)
        outputs = (
            list(made.values()) if isinstance(made, dict) else list(made) if isinstance(made, (list, tuple)) else [made]
        )
        seeds = [random.standard_normal((2, *output.shape)) for output in outputs]
        sums = [tf.add_n([tf.reduce_sum(output * seed[row]) for output, seed in zip(outputs, seeds, strict=True)])
                for row in range(2)]  # fmt: skip
    found: dict[str, Any] = {}
    for number, (tensor, values) in enumerate(zip(tensors, inputs, strict=True)):
        found[f"x/{number}"] = values
        if values.dtype.kind == "f":
            gradients = [tape.gradient(one, tensor) for one in sums]
            found[f"g/{number}"] = np.stack(
                [np.zeros(values.shape) if one is None else one.numpy() for one in gradients], 1
            )
    for number, (output, seed) in enumerate(zip(outputs, seeds, strict=True)):
        found[f"y/{number}"] = output.numpy()
        found[f"v/{number}"] = np.moveaxis(seed, 0, 1)
    return found


def make_input(tensor: Any, random: Any) -> Any:
    """Return a batch of 3; for whole numbers, ids below 6 that end in zeros; steps of zeros at the end otherwise.

    A step of zeros is one that Masking drops; in a model without it, it is as good as any other.
    """
    shape = (3, *[6 if length is None else length for length in tuple(tensor.shape)[1:]])
    if "int" in str(tensor.dtype):
        ids = random.integers(1, 6, shape)
        ids[1, -2:] = 0
        ids[2, 1:3] = 0
        return ids.astype("int32")
    values = random.standard_normal(shape)
    if len(shape) > 2 and shape[1] > 3:
        values[1, -2:] = 0
        values[2, 0] = 0
    return values


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
