"""Models of operations on tensors: `keras.ops` in Keras 3, functions of TensorFlow in tf_keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Make = Callable[[Any, Any, Any], list[Any]]


def model_of(keras_3: Make, tensorflow: Make | None) -> Callable[[Any], Any]:
    """Return a function that makes a model with an output for each tensor that the functions return.

    They take the operations, and two inputs of the same shape.
    """

    def make(keras: Any) -> Any:
        import tensorflow as tf

        is_keras_3 = keras.__name__ == "keras"
        chosen = keras_3 if is_keras_3 else tensorflow
        if chosen is None:
            return None
        x, z = keras.layers.Input((5, 3)), keras.layers.Input((5, 3))
        return keras.Model([x, z], chosen(keras.ops if is_keras_3 else tf, x, z))

    return make


def operators(_: Any, x: Any, z: Any) -> list[Any]:
    return [
        x * 2 + 1, 1 - x, x / 4, 2 / (abs(x) + 1), x**2, 2.0 ** x, -x, x * z - x, x / (z * z + 1), x // 0.5, x % 0.75,
        x * np.array([1.0, 2.0, 3.0]), (x * x + 1) ** z,
    ]  # fmt: skip


def slices(_: Any, x: Any, z: Any) -> list[Any]:
    return [x[:, -1], x[:, None] * 2, x[:, 1:5:2, :2], x[:, ::-1], z[:, 2:]]


def ellipses(_: Any, x: Any, z: Any) -> list[Any]:
    """Slices that tf_keras cannot store in a `.keras`."""
    return [x[..., 0], x[:, ..., 1:] * 2, z[..., None]]


def reductions(ops: Any, x: Any, _: Any) -> list[Any]:
    return [
        ops.mean(x, axis=1), ops.sum(x, axis=(1, 2), keepdims=True), ops.max(x, axis=-1), ops.min(x, axis=1),
        ops.var(x, axis=1), ops.std(x * 2 + 1, axis=1), ops.cumsum(x, axis=1), ops.softmax(x, axis=1), ops.softmax(x),
    ]  # fmt: skip


def reductions_of_tensorflow(tf: Any, x: Any, _: Any) -> list[Any]:
    return [
        tf.reduce_mean(x, axis=1), tf.reduce_sum(x, axis=(1, 2), keepdims=True), tf.reduce_max(x, axis=-1),
        tf.reduce_min(x, axis=1), tf.math.reduce_variance(x, axis=1), tf.math.reduce_std(x * 2 + 1, axis=1),
        tf.cumsum(x, axis=1), tf.nn.softmax(x, axis=1), tf.nn.softmax(x), tf.nn.l2_normalize(x * 2 + 5, axis=-1),
    ]  # fmt: skip


def functions(ops: Any, x: Any, _: Any) -> list[Any]:
    positive = ops.square(x) + 0.5
    return [
        ops.tanh(x), ops.sigmoid(x), ops.relu(x), ops.elu(x), ops.selu(x), ops.silu(x), ops.softplus(x),
        ops.softsign(x), ops.leaky_relu(x, 0.25), ops.exp(x), ops.expm1(x), ops.log(positive), ops.log1p(positive),
        ops.sqrt(positive), ops.rsqrt(positive), ops.reciprocal(positive), ops.abs(x), ops.negative(x), ops.sin(x),
        ops.cos(x), ops.sign(x), ops.floor(x) + x,
    ]  # fmt: skip


def functions_of_tensorflow(tf: Any, x: Any, _: Any) -> list[Any]:
    positive = tf.square(x) + 0.5
    return [
        tf.tanh(x), tf.sigmoid(x), tf.nn.relu(x), tf.nn.relu6(x * 9), tf.nn.elu(x), tf.nn.selu(x), tf.nn.silu(x),
        tf.nn.softplus(x), tf.nn.softsign(x), tf.nn.leaky_relu(x, 0.25), tf.exp(x), tf.math.expm1(x),
        tf.math.log(positive), tf.math.log1p(positive), tf.sqrt(positive), tf.math.rsqrt(positive),
        tf.math.reciprocal(positive), tf.abs(x), tf.negative(x), tf.sin(x), tf.cos(x), tf.sign(x), tf.floor(x) + x,
        tf.identity(x) * 2, tf.stop_gradient(x) * x, tf.nn.bias_add(x, [1.0, 2.0, 3.0]),
    ]  # fmt: skip


def choices(ops: Any, x: Any, z: Any) -> list[Any]:
    both = ops.logical_and(ops.greater(x, 0), ops.not_equal(z, 0))
    either = ops.logical_or(ops.less_equal(x, z), ops.logical_not(ops.greater_equal(z, 0.5)))
    return [
        ops.maximum(x, z), ops.minimum(x, z), ops.clip(x, -0.5, 0.75), ops.where(both, x, z * 2),
        ops.where(either, x, 0.0) + ops.where(ops.less(x, z), 1.0, z), ops.cast(both, "float64") * x,
        x * ops.cast(ops.any(ops.equal(x, 0), axis=-1, keepdims=True), "float64"), ops.zeros_like(x) + x,
        ops.ones_like(x) * z, ops.cast(ops.all(either, axis=1), "float64"),
    ]  # fmt: skip


def choices_of_tensorflow(tf: Any, x: Any, z: Any) -> list[Any]:
    both = tf.logical_and(x > 0, tf.not_equal(z, 0))
    either = tf.logical_or(x <= z, tf.logical_not(z >= 0.5))
    return [
        tf.maximum(x, z), tf.minimum(x, z), tf.clip_by_value(x, -0.5, 0.75), tf.where(both, x, z * 2),
        tf.where(either, x, z) + tf.where(x < z, x, 0.0), tf.cast(both, "float64") * x,
        x * tf.cast(tf.reduce_any(tf.equal(x, 0), axis=-1, keepdims=True), "float64"), tf.zeros_like(x) + x,
        tf.ones_like(x) * z, tf.cast(tf.reduce_all(either, axis=1), "float64"), tf.math.divide_no_nan(x, z),
        tf.math.squared_difference(x, z), tf.add_n([x, z, x]),
    ]  # fmt: skip


def places(ops: Any, x: Any, z: Any) -> list[Any]:
    return [
        ops.reshape(x, (-1, 15)), ops.reshape(ops.reshape(x, (-1, 3)) * 2, (-1, 5, 3)), ops.transpose(x, (0, 2, 1)),
        ops.swapaxes(x, -1, 1), ops.expand_dims(x, 1) * 2, ops.squeeze(ops.expand_dims(x, -1), -1) * 2,
        ops.concatenate([x, z], axis=-1), ops.concatenate([x, z, x], axis=1), ops.stack([x, z], axis=1),
        ops.stack([x, z], axis=-1), ops.repeat(x, 2, axis=1), ops.tile(x, (1, 2, 3)), ops.flip(x, axis=1),
        ops.pad(x, ((0, 0), (1, 2), (0, 1))), ops.take(x, [0, 2, 0], axis=1), *ops.split(x, 3, axis=-1),
        ops.split(x, [2, 3], axis=1)[1],
    ]  # fmt: skip


def places_of_tensorflow(tf: Any, x: Any, z: Any) -> list[Any]:
    return [
        tf.reshape(x, (-1, 15)), tf.reshape(tf.reshape(x, (-1, 3)) * 2, (tf.shape(x)[0], 5, 3)),
        tf.transpose(x, (0, 2, 1)), tf.expand_dims(x, 1) * 2, tf.squeeze(tf.expand_dims(x, -1), -1) * 2,
        tf.concat([x, z], axis=-1), tf.concat([x, z, x], axis=1), tf.stack([x, z], axis=1), tf.stack([x, z], axis=-1),
        tf.repeat(x, 2, axis=1), tf.tile(x, (1, 2, 3)), tf.reverse(x, axis=[1]), tf.pad(x, ((0, 0), (1, 2), (0, 1))),
        tf.gather(x, [0, 2, 0], axis=1), *tf.split(x, 3, axis=-1), tf.split(x, [2, 1, 2], axis=1)[1],
        *tf.unstack(x, axis=2),
    ]  # fmt: skip


def products(ops: Any, x: Any, z: Any) -> list[Any]:
    return [
        x @ ops.transpose(z, (0, 2, 1)), ops.matmul(x, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])),
        ops.einsum("bij,bkj->bik", x, z), ops.einsum("bij,bkl->bi", x, z),
    ]  # fmt: skip


def products_of_tensorflow(tf: Any, x: Any, z: Any) -> list[Any]:
    import tf_keras

    kernel = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], x.dtype)
    return [
        x @ tf.transpose(z, (0, 2, 1)), tf.matmul(x, z, transpose_b=True), tf.matmul(x, z, transpose_a=True),
        tf.matmul(x, kernel), tf_keras.backend.dot(x, kernel), tf_keras.backend.batch_dot(x, z, axes=2),
    ]  # fmt: skip


CASES = {
    "operators": model_of(operators, operators),
    "slices": model_of(slices, slices),
    "ellipses": model_of(ellipses, None),
    "reductions": model_of(reductions, reductions_of_tensorflow),
    "functions": model_of(functions, functions_of_tensorflow),
    "choices": model_of(choices, choices_of_tensorflow),
    "places": model_of(places, places_of_tensorflow),
    "products": model_of(products, products_of_tensorflow),
}
