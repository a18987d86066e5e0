"""Models of attention layers, with and without masks of query and value."""

from __future__ import annotations

from typing import Any


def attention(keras: Any) -> Any:
    layers = keras.layers
    query, value, key = layers.Input((5, 4)), layers.Input((6, 4)), layers.Input((6, 4))
    kinds = [layers.Attention(use_scale=True), layers.Attention(score_mode="concat"),
             layers.Attention(score_mode="concat", use_scale=True, dropout=0.25), layers.AdditiveAttention(),
             layers.AdditiveAttention(use_scale=False)]  # fmt: skip
    pair, three = [query, value], [query, value, key]
    return keras.Model([query, value, key], [
        layers.Attention()(pair), layers.Attention()([value, value]), *(kind(three) for kind in kinds),
    ])  # fmt: skip


def masked(keras: Any) -> Any:
    """Return a model whose value has masked steps, of which one sequence consists altogether."""
    layers = keras.layers
    query, value = layers.Input((6, 3)), layers.Input((6, 3))
    of_query = layers.LSTM(4, return_sequences=True)(layers.Masking()(query))
    of_value = layers.LSTM(4, return_sequences=True)(layers.Masking()(value))
    attended = [
        layers.Attention()([of_query, of_value]), layers.AdditiveAttention()([of_query, of_value]),
        layers.Attention()([layers.LSTM(4, return_sequences=True)(query), of_value]),
    ]  # fmt: skip
    return keras.Model([query, value], [*attended, *map(layers.GlobalAveragePooling1D(), attended)])


def heads(keras: Any) -> Any:
    """Return a model whose layers have a dropout: without it, Keras 3 computes the softmax in float32.

    1/√4 is among the numbers that float32 holds, since Keras 3 rounds it.
    """
    layers = keras.layers
    query, value, key = layers.Input((5, 4)), layers.Input((6, 3)), layers.Input((6, 2))
    return keras.Model([query, value, key], [
        layers.MultiHeadAttention(2, 4, dropout=0.1)(query, value), layers.MultiHeadAttention(2, 4, use_bias=False, dropout=0.1)(query, query),
        layers.MultiHeadAttention(3, 4, value_dim=5, output_shape=7, dropout=0.1)(query, value, key),
    ])  # fmt: skip


def masked_heads(keras: Any) -> Any:
    if keras.__name__ == "keras":  # whose results depend on the order of all layers
        return None
    layers = keras.layers
    query, value = layers.Input((6, 3)), layers.Input((6, 3))
    of_query = layers.LSTM(4, return_sequences=True)(layers.Masking()(query))
    of_value = layers.LSTM(4, return_sequences=True)(layers.Masking()(value))
    attended = [
        layers.MultiHeadAttention(2, 4, dropout=0.1)(of_query, of_value),
        layers.MultiHeadAttention(2, 4, dropout=0.1)(query, of_value),
    ]
    return keras.Model([query, value], [*attended, *map(layers.GlobalAveragePooling1D(), attended)])


CASES = {
    "attention": attention,
    "masks-and-attention": masked,
    "multi-head-attention": heads,
    "masks-and-multi-head-attention": masked_heads,
}
