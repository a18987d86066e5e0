"""Models of layers of several inputs. In some steps, these are all zeros, so that they are equal."""

from __future__ import annotations

from functools import partial
from typing import Any

ELEMENTWISE = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")


def elementwise(keras: Any, shapes: tuple[tuple[int, ...], ...]) -> Any:
    inputs = [keras.layers.Input(shape) for shape in shapes]
    return keras.Model(inputs, [
        getattr(keras.layers, kind)()(inputs[:2] if kind == "Subtract" else inputs) for kind in ELEMENTWISE
    ])  # fmt: skip


def concatenated(keras: Any) -> Any:
    layers = keras.layers
    wide, narrow, short = layers.Input((5, 3)), layers.Input((5, 1)), layers.Input((2, 3))
    vectors = [layers.GlobalMaxPooling1D()(one) for one in (wide, narrow)]
    return keras.Model([wide, narrow, short], [
        layers.Concatenate()([wide, narrow, wide]), layers.Concatenate(axis=1)([wide, short]),
        layers.Concatenate(axis=-2)([short, wide]), layers.Concatenate(axis=1)(vectors),
    ])  # fmt: skip


def dot_products(keras: Any) -> Any:
    layers = keras.layers
    first, second, vector = layers.Input((5, 4)), layers.Input((3, 4)), layers.Input((4,))
    picture = layers.Reshape((2, 4, 3))(layers.Concatenate(axis=1)([first, layers.Cropping1D((2, 0))(second)]))
    return keras.Model([first, second, vector], [
        layers.Dot(axes)(pair) if axes else layers.Dot(-1, normalize=True)(pair)
        for axes, pair in (
            (1, [vector, vector]), ((2, 1), [first, vector]), ((1, 2), [vector, second]), (2, [first, second]),
            (0, [first, second]), (0, [vector, first]), ((2, 1), [picture, vector]), ((1, 2), [first, layers.Permute((2, 1))(first)]),
        )
    ])  # fmt: skip


def masked(keras: Any, which: tuple[bool, ...]) -> Any:
    """Return a model of sequences that have a mask of their own where `which` states it.

    Behind each layer are its output and the mean over the steps that count.
    """
    layers = keras.layers
    inputs = [layers.Input((6, 3)) for _ in which]
    sequences = [layers.LSTM(4, return_sequences=True)(layers.Masking()(one) if has_mask else one)
                 for one, has_mask in zip(inputs, which, strict=True)]  # fmt: skip
    vector = layers.Dense(4)(layers.Flatten()(inputs[0]))
    merged = [layers.Concatenate()(sequences), layers.Multiply()([*sequences, vector])]
    if all(which) or keras.__name__ == "keras":  # tf_keras cannot run it otherwise
        merged.append(layers.Concatenate(axis=1)(sequences))
    merged += [getattr(layers, kind)()(sequences[:2] if kind == "Subtract" else sequences) for kind in ELEMENTWISE]
    product = layers.Dot((1, 1))(sequences[:2])
    return keras.Model(inputs, [*merged, product, *map(layers.GlobalAveragePooling1D(), [*merged, product])])


CASES = {
    "elementwise-of-two": partial(elementwise, shapes=((5, 3), (5, 3))),
    "elementwise-of-three": partial(elementwise, shapes=((5, 3), (5, 3), (5, 3))),
    "elementwise-repeated": partial(elementwise, shapes=((5, 3), (1, 3), (3,))),
    "concatenated": concatenated,
    "dot-products": dot_products,
    "masks-and-merging-both": partial(masked, which=(True, True)),
    "masks-and-merging-first": partial(masked, which=(True, False)),
    "masks-and-merging-second": partial(masked, which=(False, True)),
    "masks-and-merging-three": partial(masked, which=(True, False, True)),
    "masks-and-merging-all-of-three": partial(masked, which=(True, True, True)),
}
