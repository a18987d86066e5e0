"""Models of layers of several inputs. The masks of two inputs differ, since the second one begins later."""

from __future__ import annotations

from functools import partial
from typing import Any

ELEMENTWISE = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")


def merged(keras: Any, kind: str, shapes: tuple[tuple[int, ...], ...], **settings: Any) -> Any:
    inputs = [keras.layers.Input(shape) for shape in shapes]
    return keras.Model(inputs, getattr(keras.layers, kind)(**settings)(inputs))


def equal(keras: Any, kind: str) -> Any:
    """Return a model whose layer `kind` takes twice the same numbers, so that both are the largest and smallest."""
    given = keras.layers.Input((5, 3))
    doubled = keras.layers.UpSampling1D(1)(given)
    return keras.Model(given, getattr(keras.layers, kind)()([given, keras.layers.Dense(3)(doubled), doubled]))


def masked(keras: Any, kind: str, which: tuple[bool, ...], vector: bool = False, **settings: Any) -> Any:
    """Return a model whose layer `kind` takes sequences, with a mask of their own where `which` states it.

    Behind it are the values and, if they are sequences, an LSTM, which sees the mask.
    """
    layers = keras.layers
    inputs = [layers.Input((6, 3)) for _ in which]
    sequences = [layers.Masking()(one) if has_mask else one for one, has_mask in zip(inputs, which, strict=True)]
    sequences = [layers.LSTM(4, return_sequences=True, go_backwards=index == 1)(one)
                 for index, one in enumerate(sequences)]  # fmt: skip
    if vector:
        sequences.append(layers.LSTM(4)(inputs[0]))
    found = getattr(layers, kind)(**settings)(sequences)
    return keras.Model(inputs, [found, layers.LSTM(2)(found)])


def masked_unless(keras: Any, framework: str, **options: Any) -> Any:
    """Return a model that this framework cannot run as None."""
    return None if keras.__name__ == framework else masked(keras, **options)


CASES = {
    **{
        f"{kind.lower()}-{count}": partial(merged, kind=kind, shapes=((5, 3),) * count)
        for kind in ELEMENTWISE
        for count in ((2,) if kind == "Subtract" else (2, 3))
    },
    **{
        f"{kind.lower()}-repeated": partial(merged, kind=kind, shapes=((5, 3), (1, 3), (3,))[: 3 if kind != "Subtract" else 2])
        for kind in ELEMENTWISE
    },
    "maximum-of-equal": partial(equal, kind="Maximum"),
    "minimum-of-equal": partial(equal, kind="Minimum"),
    "concatenate": partial(merged, kind="Concatenate", shapes=((5, 3), (5, 1), (5, 2))),
    "concatenate-steps": partial(merged, kind="Concatenate", shapes=((5, 3), (2, 3)), axis=1),
    "concatenate-vectors": partial(merged, kind="Concatenate", shapes=((4,), (2,)), axis=1),
    "dot-vectors": partial(merged, kind="Dot", shapes=((4,), (4,)), axes=1),
    "dot-sequence-and-vector": partial(merged, kind="Dot", shapes=((5, 4), (4,)), axes=(2, 1)),
    "dot-vector-and-sequence": partial(merged, kind="Dot", shapes=((5,), (5, 4)), axes=1),
    "dot-sequences": partial(merged, kind="Dot", shapes=((5, 4), (3, 5)), axes=(1, 2)),
    "dot-features": partial(merged, kind="Dot", shapes=((5, 4), (3, 4)), axes=-1, normalize=True),
    "dot-pictures": partial(merged, kind="Dot", shapes=((2, 4, 3), (4, 2)), axes=(2, 1)),
    **{
        f"masks-and-{kind.lower()}-{name}": partial(masked, kind=kind, which=which)
        for kind in (*ELEMENTWISE, "Concatenate")
        for name, which in (("both", (True, True)), ("first", (True, False)), ("second", (False, True)))
    },
    **{
        f"masks-and-{kind.lower()}-three": partial(masked, kind=kind, which=(True, False, True))
        for kind in ("Add", "Maximum", "Minimum", "Multiply", "Concatenate")
    },
    "masks-and-multiply-vector": partial(masked, kind="Multiply", which=(True, True), vector=True),
    "masks-and-concatenate-steps": partial(masked, kind="Concatenate", which=(True, True), axis=1),
    "masks-and-concatenate-steps-first": partial(
        masked_unless, framework="tf_keras", kind="Concatenate", which=(True, False), axis=1
    ),
    "masks-and-dot": partial(masked, kind="Dot", which=(True, True), axes=(1, 1)),
}  # fmt: skip
