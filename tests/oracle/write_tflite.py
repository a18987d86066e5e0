"""Convert models of Keras to TensorFlow Lite, and run them and others in its interpreter.

    write_tflite.py OUT

Writes OUT/<case>.tflite, and for these and all other models there OUT/<case>.run.npz: the inputs `x0`, `x1` and so on,
which are taken from OUT/<case>.x.npz if there is such a file, the outputs `y0` and so on, and for models of Keras the
numbers of each gate, `W_i` and so on, as the interpreter holds them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

tf_keras: Any = importlib.import_module("tf_keras")
keras: Any = importlib.import_module("keras")
STEPS, D, M = 8, 28, 40
ORDER = ("i", "f", "c", "o")


def layer(of: Any, **settings: Any) -> Any:
    return of.Sequential([of.Input((STEPS, D), batch_size=1), of.layers.LSTM(M, return_sequences=True, **settings)])


def with_weights(model: Any, *, large: bool = False) -> Any:
    random = np.random.default_rng(0)
    weights = [(random.standard_normal(array.shape) * 0.3).astype("f4") for array in model.get_weights()]
    if large:  # i, f, o near 1 and the candidate near 1 or -1, so that c grows by 1 in each step
        weights[2] = np.concatenate([np.full(3 * M, 6.0), np.full(M, 6.0)]).astype("f4")
        weights[2][:M] += 4
        weights[1] *= 0.1
    model.set_weights(weights)
    return model


def convert(model: Any, *, kind: str = "float32") -> bytes:
    taken = tf.TensorSpec([1, STEPS, D], tf.float32)
    function = tf.function(model).get_concrete_function(taken)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "int8":
        converter.representative_dataset = examples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converted: bytes = converter.convert()
    return converted


def examples() -> Iterator[list[np.ndarray]]:
    random = np.random.default_rng(1)
    for _ in range(8):
        yield [random.standard_normal((1, STEPS, D)).astype("f4")]


def run(interpreter: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    for detail, values in zip(interpreter.get_input_details(), inputs.values(), strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    return {f"y{place}": interpreter.get_tensor(detail["index"])
            for place, detail in enumerate(interpreter.get_output_details())}  # fmt: skip


def numbers(interpreter: Any, index: int) -> np.ndarray:
    """Return the numbers of a constant, or those that its integers stand for."""
    detail = next(detail for detail in interpreter.get_tensor_details() if detail["index"] == index)
    values, quantization = interpreter.get_tensor(index), detail["quantization_parameters"]
    if not quantization["scales"].size:
        return values.astype("f4")
    shape = [1] * values.ndim
    shape[quantization["quantized_dimension"]] = -1
    scales, zero_points = (quantization[key].reshape(shape) for key in ("scales", "zero_points"))
    return ((values.astype("i8") - zero_points) * scales.astype("f8")).astype("f4")


def fused_gates(interpreter: Any) -> dict[str, np.ndarray]:
    """Return the gates of the operator that is an LSTM."""
    operator = next(one for one in interpreter._get_ops_details() if one["op_name"] == "UNIDIRECTIONAL_SEQUENCE_LSTM")
    places = {"W": 1, "U": 5, "b": 12}
    return {f"{array}_{gate}": numbers(interpreter, operator["inputs"][first + place]).T
            for array, first in places.items() for place, gate in enumerate(ORDER)}  # fmt: skip


def live_gates(model: Any) -> dict[str, np.ndarray]:
    arrays = dict(zip("WUb", model.get_weights(), strict=False))
    return {f"{name}_{gate}": array[..., M * place : M * place + M]
            for name, array in arrays.items() for place, gate in enumerate(ORDER)}  # fmt: skip


def main(out: Path) -> None:
    plain = with_weights(layer(tf_keras))
    gates: dict[str, dict[str, np.ndarray]] = {}
    for kind in ("float32", "float16", "dynamic", "int8"):
        (out / f"fused-{kind}.tflite").write_bytes(convert(plain, kind=kind))
    loops = {
        "loop-float32": with_weights(layer(tf_keras, use_bias=False)),
        "loop-softsign": with_weights(layer(tf_keras, activation="softsign")),
        "loop-keras3": with_weights(layer(keras)),
    }
    for name, model in loops.items():
        converter = tf.lite.TFLiteConverter.from_keras_model(model) if name == "loop-keras3" else None
        (out / f"{name}.tflite").write_bytes(convert(model) if converter is None else converter.convert())
        gates[name] = live_gates(model)
    clipped = with_weights(layer(tf_keras), large=True)
    (out / "fused-clip.tflite").write_bytes(convert(clipped))
    x = {"x0": np.random.default_rng(2).standard_normal((1, STEPS, D)).astype("f4")}
    long = {"x0": np.repeat(np.abs(x["x0"][:, :1]), STEPS, axis=1)}
    for path in sorted(out.glob("*.tflite")):
        stored = out / f"{path.stem}.x.npz"
        inputs = dict(np.load(stored)) if stored.exists() else long if path.stem == "fused-clip" else x
        interpreter = tf.lite.Interpreter(str(path), experimental_op_resolver_type=
                                          tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)  # fmt: skip
        interpreter.allocate_tensors()
        if path.stem in ("fused-float32", "fused-dynamic", "fused-int8"):
            gates[path.stem] = fused_gates(interpreter)
        np.savez(out / f"{path.stem}.run.npz", **inputs, **run(interpreter, inputs), **gates.get(path.stem, {}))
    half = {key: array.astype("f2").astype("f4") for key, array in live_gates(plain).items()}
    found = dict(np.load(out / "fused-float16.run.npz"))
    np.savez(out / "fused-float16.run.npz", **found, **half)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
