"""The LSTM equations once more, for tests: what the gates of a layer make of an input."""

from __future__ import annotations

import numpy as np

import lstmdump


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def hard_sigmoid(z: np.ndarray) -> np.ndarray:
    """As Keras had it up to version 2: a line through (0, 0.5) with slope 0.2, cut at 0 and 1."""
    return np.clip(0.2 * z + 0.5, 0, 1)


def states(lstm: lstmdump.LSTM, x: np.ndarray, recurrent_activation: object = sigmoid) -> np.ndarray:
    """The outputs h of every step, (batch, length, units), for inputs x, (batch, length, input_dim)."""
    read = {letter: [tensor.read().astype("f8") for tensor in gate.arrays()] for letter, gate in lstm.gates.items()}
    h = c = np.zeros((len(x), lstm.units))
    steps = []
    for step in np.swapaxes(x, 0, 1):
        z = {letter: step @ W + h @ U + sum(b) for letter, (W, U, *b) in read.items()}
        z["f"] = z["f"] + (lstm.forget_bias or 0.0)
        i, f, o = (recurrent_activation(z[letter]) for letter in "ifo")  # type: ignore[operator]
        c = f * c + i * np.tanh(z["c"])
        h = o * np.tanh(c)
        steps.append(h)
    return np.stack(steps, axis=1)
