"""Slow and independent implementations of LSTMs, for tests of the replay and as a stand-in for TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, tanh

import numpy as np

from lstmdump.sandbox.tensorflow_client import Answer, Request


def one_unit(x: list[float], numbers: Mapping[str, float]) -> list[dict[str, float]]:
    """Run an LSTM of one unit on one input, and return h, c and the gates of every step.

    Args:
        x: The input of every step.
        numbers: W_i, U_i, b_i and likewise for f, c and o, and optionally V_i, V_f, V_o and P.
    """

    def sigma(z: float) -> float:
        return 1 / (1 + exp(-z))

    n = {"V_i": 0.0, "V_f": 0.0, "V_o": 0.0, "P": 1.0, **numbers}
    h = c = 0.0
    steps = []
    for value in x:
        i = sigma(value * n["W_i"] + h * n["U_i"] + n["b_i"] + c * n["V_i"])
        f = sigma(value * n["W_f"] + h * n["U_f"] + n["b_f"] + c * n["V_f"])
        candidate = tanh(value * n["W_c"] + h * n["U_c"] + n["b_c"])
        c = f * c + i * candidate
        o = sigma(value * n["W_o"] + h * n["U_o"] + n["b_o"] + c * n["V_o"])
        h = o * tanh(c) * n["P"]
        steps.append({"h": h, "c": c, "i": i, "f": f, "o": o, "candidate": candidate})
    return steps


class Standin:
    """A stand-in for `TensorFlow`: a Keras 2 LSTM with the gates in `order`."""

    def __init__(self, order: str = "ifco") -> None:
        self.order = order
        self.requests: list[Request] = []

    def run(self, request: Request) -> Answer:
        self.requests.append(request)
        kernel, recurrent, bias = (request.arrays[leaf] for leaf in ("kernel", "recurrent_kernel", "bias"))
        h = c = np.zeros((len(request.x), request.units))
        outputs = []
        for t in range(request.x.shape[1]):
            parts = np.split(np.concatenate([request.x[:, t], h], 1) @ np.vstack([kernel, recurrent]) + bias, 4, 1)
            z = dict(zip(self.order, parts, strict=True))
            i, f, o = (0.5 * (1 + np.tanh(z[gate] / 2)) for gate in "ifo")
            c = f * c + i * np.tanh(z["c"])
            h = o * np.tanh(c)
            outputs.append(h)
        return Answer("a stand-in", np.stack(outputs, 1), c)

    def __enter__(self) -> Standin:
        return self

    def __exit__(self, *_: object) -> None:
        pass
