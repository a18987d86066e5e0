"""Models of recurrent layers, of cells in RNN layers, and of the wrappers Bidirectional and TimeDistributed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

_CLASSES = ("LSTM", "GRU", "SimpleRNN")
_STATES = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}
_ALL = {"return_sequences": True, "return_state": True}
_MERGES = {"concat": "concat", "sum": "sum", "mul": "mul", "ave": "ave", "both": None}


def one_layer(make: Callable[[Any], Any], *, masked: bool = False) -> Callable[[Any], Any]:
    """Return a function that makes a model of the layer `make` returns, behind a Masking if `masked`."""

    def build(keras: Any) -> Any:
        x = keras.layers.Input((5, 3))
        given = keras.layers.Masking()(x) if masked else x
        made = make(keras)(given)
        return keras.Model(x, flatten(made) if isinstance(made, (list, tuple)) else made)

    return build


def flatten(outputs: Any) -> list[Any]:
    """Return the outputs in one list: Keras nests the states of stacked cells."""
    if not isinstance(outputs, (list, tuple)):
        return [outputs]
    return [one for nested in outputs for one in flatten(nested)]


def from_states(make: Callable[[Any], Any], widths: tuple[int, ...], *, masked: bool = False) -> Callable[[Any], Any]:
    """Return a function that makes a model of the layer `make` returns, with inputs for its initial states."""

    def build(keras: Any) -> Any:
        x = keras.layers.Input((5, 3))
        states = [keras.layers.Input((width,)) for width in widths]
        given = keras.layers.Masking()(x) if masked else x
        return keras.Model([x, *states], make(keras)(given, initial_state=states))

    return build


def recurrent(name: str, units: int = 4, **settings: Any) -> Callable[[Any], Any]:
    return lambda keras: getattr(keras.layers, name)(units, **settings)


def bidirectional(make: Callable[[Any], Any], **settings: Any) -> Callable[[Any], Any]:
    return lambda keras: keras.layers.Bidirectional(make(keras), **settings)


def cells(*names: str, **settings: Any) -> Callable[[Any], Any]:
    """Return a function that makes an RNN of cells, whose units are 4, 5 and so on."""

    def make(keras: Any) -> Any:
        made = [getattr(keras.layers, name)(4 + number) for number, name in enumerate(names)]
        return keras.layers.RNN(made if len(made) > 1 else made[0], **settings)

    return make


def of_class(name: str) -> dict[str, Callable[[Any], Any]]:
    """Return the cases of what each class of recurrent layers computes by itself."""
    word, widths = name.lower(), (4,) * _STATES[name]
    return {
        f"{word}-masked": one_layer(recurrent(name, return_sequences=True), masked=True),
        f"{word}-backwards-masked": one_layer(recurrent(name, **_ALL, go_backwards=True), masked=True),
        f"{word}-from-states": from_states(recurrent(name, **_ALL), widths, masked=True),
        f"{word}-without-bias": one_layer(recurrent(name, use_bias=False)),
        f"{word}-softmax": one_layer(recurrent(name, activation="softmax", return_sequences=True)),
        f"bidirectional-{word}": from_states(bidirectional(recurrent(name, **_ALL)), widths * 2),
        f"bidirectional-{word}-masked": one_layer(bidirectional(recurrent(name, return_sequences=True)), masked=True),
    }


def of_all_classes() -> dict[str, Callable[[Any], Any]]:
    """Return the cases of what all classes of recurrent layers have in common."""
    lstm, sequences = partial(recurrent, "LSTM"), {"return_sequences": True}
    found = {
        "recurrent-vector": one_layer(lstm()),
        "recurrent-vector-masked": one_layer(lstm(), masked=True),
        "recurrent-sequences": one_layer(lstm(**sequences)),
        "recurrent-states-returned": one_layer(lstm(return_state=True), masked=True),
        "recurrent-backwards": one_layer(lstm(**sequences, go_backwards=True)),
        "recurrent-backwards-vector-masked": one_layer(lstm(go_backwards=True), masked=True),
        "recurrent-vector-from-states": from_states(lstm(return_state=True), (4, 4), masked=True),
        "recurrent-unrolled": one_layer(lstm(unroll=True, **sequences), masked=True),
        "bidirectional-states-returned": one_layer(bidirectional(lstm(return_state=True)), masked=True),
        "bidirectional-both-and-states": one_layer(bidirectional(lstm(**_ALL), merge_mode=None), masked=True),
    }
    for mode, merge in _MERGES.items():
        found[f"bidirectional-{mode}"] = one_layer(bidirectional(lstm(**sequences), merge_mode=merge), masked=True)
        found[f"bidirectional-{mode}-vector"] = one_layer(bidirectional(lstm(), merge_mode=merge), masked=True)
    return found


def encoder_and_decoder(name: str) -> Callable[[Any], Any]:
    def build(keras: Any) -> Any:
        layer = getattr(keras.layers, name)
        x, begun = keras.layers.Input((5, 3)), keras.layers.Input((4, 2))
        _, *states = layer(4, return_state=True)(x)
        return keras.Model([x, begun], layer(4, return_sequences=True)(begun, initial_state=states))

    return build


def encoder_and_decoder_of_both_directions(keras: Any) -> Any:
    layers = keras.layers
    x, begun = layers.Input((5, 3)), layers.Input((4, 2))
    _, *states = layers.Bidirectional(layers.LSTM(4, return_state=True))(x)
    decoder = layers.Bidirectional(layers.LSTM(4, return_sequences=True), merge_mode="sum")
    return keras.Model([x, begun], decoder(begun, initial_state=states))


def stateful(keras: Any) -> Any:
    x = keras.layers.Input(batch_shape=(3, 5, 3))
    return keras.Model(x, keras.layers.LSTM(4, stateful=True)(x))


def behind_backwards(keras: Any) -> Any:
    """The mask is handed on as it is, although the steps are in reverse."""
    layers, x = keras.layers, keras.layers.Input((5, 3))
    turned = layers.LSTM(4, return_sequences=True, go_backwards=True)(layers.Masking()(x))
    return keras.Model(x, layers.GRU(3)(turned))


def behind_vector(keras: Any) -> Any:
    """One vector has no mask."""
    layers, x = keras.layers, keras.layers.Input((5, 3))
    repeated = layers.RepeatVector(4)(layers.LSTM(4)(layers.Masking()(x)))
    return keras.Model(x, layers.LSTM(3)(repeated))


def own_backward_layer(keras: Any) -> Any:
    layers, x = keras.layers, keras.layers.Input((5, 3))
    halves = layers.Bidirectional(
        layers.LSTM(4, return_sequences=True),
        backward_layer=layers.GRU(2, return_sequences=True, go_backwards=True),
    )
    return keras.Model(x, halves(layers.Masking()(x)))


def forward_half_backwards(keras: Any) -> Any:
    """The forward half takes the last step first, so the backward one does not, and both outputs are in reverse."""
    layers, x = keras.layers, keras.layers.Input((5, 3))
    halves = layers.Bidirectional(
        layers.GRU(4, return_sequences=True, go_backwards=True),
        backward_layer=layers.LSTM(3, return_sequences=True),
    )
    return keras.Model(x, halves(x))


def distributed(make: Callable[[Any], Any], *, masked: bool = False) -> Callable[[Any], Any]:
    """Return a function that makes TimeDistributed of the layer `make` returns, and an LSTM behind it.

    Args:
        make: Returns the layer.
        masked: Whether there is a TimeDistributed(Masking) before it.
    """

    def build(keras: Any) -> Any:
        layers = keras.layers
        x = layers.Input((4, 5, 3))
        given = layers.TimeDistributed(layers.Masking())(x) if masked else x
        return keras.Model(x, layers.LSTM(2, return_sequences=True)(layers.TimeDistributed(make(keras))(given)))

    return build


def masked_within_steps(keras: Any) -> Any:
    """A mask of steps within steps reaches the layer that is distributed."""
    layers, x = keras.layers, keras.layers.Input((4, 5, 3))
    return keras.Model(x, layers.TimeDistributed(layers.GRU(4))(layers.Masking()(x)))


def of_fixed_batch(*layers: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that makes a TimeDistributed of each layer in a model that states the size of its batch."""

    def build(keras: Any) -> Any:
        x = keras.layers.Input(batch_shape=(3, 4, 5, 3))
        made = x
        for make in layers:
            made = keras.layers.TimeDistributed(make(keras))(made)
        return keras.Model(x, keras.layers.LSTM(2, return_sequences=True)(made))

    return build


def masked_within_steps_of_fixed_batch(keras: Any) -> Any:
    layers, x = keras.layers, keras.layers.Input(batch_shape=(3, 4, 5, 3))
    return keras.Model(x, layers.TimeDistributed(layers.LSTM(4))(layers.Masking()(x)))


def masking_of_steps_of_fixed_batch(keras: Any) -> Any:
    layers, x = keras.layers, keras.layers.Input(batch_shape=(3, 5, 3))
    return keras.Model(x, layers.LSTM(2)(layers.TimeDistributed(layers.Masking())(x)))


def dense_of_steps(keras: Any) -> Any:
    """The mask passes TimeDistributed(Dense)."""
    layers, x = keras.layers, keras.layers.Input((5, 3))
    return keras.Model(x, layers.LSTM(2)(layers.TimeDistributed(layers.Dense(4, "relu"))(layers.Masking()(x))))


def masking_of_steps(keras: Any) -> Any:
    """Masking that gets one step at a time determines a mask in Keras 2, and none in Keras 3."""
    layers, x = keras.layers, keras.layers.Input((5, 3))
    return keras.Model(x, layers.LSTM(2)(layers.TimeDistributed(layers.Masking())(x)))


def inner_model(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [layers.Input((5, 3)), layers.Masking(), layers.LSTM(4, return_sequences=True), layers.GRU(3), layers.Dense(2)]
    )


def masked_characters(keras: Any) -> Any:
    layers, words = keras.layers, keras.layers.Input((4, 5), dtype="int32")
    vectors = layers.TimeDistributed(layers.Embedding(6, 3, mask_zero=True))(words)
    return keras.Model(words, layers.LSTM(2)(layers.TimeDistributed(layers.LSTM(4))(vectors)))


CASES = {
    **{case: make for name in _CLASSES for case, make in of_class(name).items()},
    **of_all_classes(),
    **{f"{name.lower()}-encoder-decoder": encoder_and_decoder(name) for name in ("LSTM", "GRU")},
    "lstm-hard-sigmoid": one_layer(recurrent("LSTM", recurrent_activation="hard_sigmoid", return_sequences=True)),
    "lstm-elu": one_layer(recurrent("LSTM", activation="elu", return_sequences=True)),
    "lstm-stateful": stateful,
    "gru-before": one_layer(recurrent("GRU", reset_after=False, return_sequences=True), masked=True),
    "gru-before-from-states": from_states(recurrent("GRU", reset_after=False, return_state=True), (4,), masked=True),
    "gru-before-without-bias": one_layer(recurrent("GRU", reset_after=False, use_bias=False)),
    "gru-before-softmax": one_layer(
        recurrent("GRU", reset_after=False, activation="softmax", recurrent_activation="softmax")
    ),
    "gru-softmax-gates": one_layer(recurrent("GRU", recurrent_activation="softmax", return_sequences=True)),
    "gru-hard-sigmoid": one_layer(recurrent("GRU", recurrent_activation="hard_sigmoid", activation="relu")),
    "mask-behind-backwards": behind_backwards,
    "mask-behind-vector": behind_vector,
    "cell-lstm": one_layer(cells("LSTMCell", **_ALL), masked=True),
    "cell-gru": one_layer(cells("GRUCell", **_ALL), masked=True),
    "cell-simple-rnn": one_layer(cells("SimpleRNNCell", **_ALL), masked=True),
    "cell-lstm-backwards": one_layer(cells("LSTMCell", return_sequences=True, go_backwards=True), masked=True),
    "cell-lstm-from-states": from_states(cells("LSTMCell", **_ALL), (4, 4), masked=True),
    "cells": one_layer(cells("LSTMCell", "GRUCell", "SimpleRNNCell", "LSTMCell")),
    "cells-sequences-masked": one_layer(cells("LSTMCell", "GRUCell", "LSTMCell", return_sequences=True), masked=True),
    "cells-states": one_layer(cells("LSTMCell", "LSTMCell", **_ALL)),
    "cells-backwards-masked": one_layer(cells("GRUCell", "LSTMCell", go_backwards=True), masked=True),
    "cells-lstm-backwards": one_layer(cells("LSTMCell", "LSTMCell", return_sequences=True, go_backwards=True)),
    "bidirectional-cell": one_layer(bidirectional(cells("LSTMCell", return_sequences=True)), masked=True),
    "bidirectional-cells": one_layer(bidirectional(cells("LSTMCell", "GRUCell", return_sequences=True)), masked=True),
    "bidirectional-own-backward-layer": own_backward_layer,
    "bidirectional-forward-half-backwards": forward_half_backwards,
    "bidirectional-encoder-decoder": encoder_and_decoder_of_both_directions,
    "distributed-dense": dense_of_steps,
    "distributed-masking": masking_of_steps,
    "distributed-lstm": distributed(recurrent("LSTM")),
    "distributed-gru-masked-within": masked_within_steps,
    "distributed-lstm-masked": distributed(recurrent("LSTM"), masked=True),
    "distributed-bidirectional": distributed(bidirectional(recurrent("LSTM"))),
    "distributed-model": distributed(inner_model),
    "distributed-embedding": masked_characters,
    "distributed-fixed-batch": of_fixed_batch(lambda keras: keras.layers.Masking(), recurrent("LSTM")),
    "distributed-fixed-batch-model": of_fixed_batch(inner_model),
    "distributed-fixed-batch-masked": masked_within_steps_of_fixed_batch,
    "distributed-fixed-batch-masking": masking_of_steps_of_fixed_batch,
}
