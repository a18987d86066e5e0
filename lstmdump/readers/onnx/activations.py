"""The activations of recurrent nodes, and what Keras calls the same functions.

Each node names three for a direction: of the gates, of the candidate and of the output. Those with parameters take them
from two lists, in turn, or else have the values below. One that is not known keeps its name, for which no replay has a
function. Source: the operators of ONNX, and onnxruntime 1.32, with whose output each was compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lstmdump.model.settings import ActivationName
from lstmdump.readers.onnx.graph import OnnxNode

_PLAIN = {"relu": "relu", "sigmoid": "sigmoid", "softplus": "softplus", "softsign": "softsign", "tanh": "tanh"}
_WITH_ALPHA = {"affine": None, "elu": 1.0, "hardsigmoid": 0.2, "leakyrelu": 0.01, "scaledtanh": None,
               "thresholdedrelu": None}  # fmt: skip
_WITH_BETA = {"affine": None, "hardsigmoid": 0.5, "scaledtanh": None}
"""The parameters of activations where a node gives none; None where ONNX has no such value, or onnxruntime another."""

DEFAULTS = {"elu": (1.0, 0.0), "hardsigmoid": (0.2, 0.5), "leakyrelu": (0.01, 0.0), "thresholdedrelu": (1.0, 0.0)}
"""The parameters of the operators of these names, in small letters, where a node gives none."""

_OF_KERAS = {"elu": ("ELU", "alpha"), "leakyrelu": ("LeakyReLU", "negative_slope"),
             "thresholdedrelu": ("ThresholdedReLU", "theta")}  # fmt: skip
_USUAL = {("affine", 1.0, 0.0): "linear", ("elu", 1.0, 0.0): "elu"}
_OWN = {"affine": "Affine", "hardsigmoid": "HardSigmoid", "scaledtanh": "ScaledTanh"}
_UNNAMED = ("Sigmoid", "Tanh", "Tanh")


def of_node(node: OnnxNode, directions: int) -> list[tuple[ActivationName, ...]]:
    """Return the three activations of each direction of `node`, an LSTM, by Keras's names or as its configurations."""
    attributes = node.attributes
    names = attributes["activations"].texts() if "activations" in attributes else _UNNAMED * directions
    lists = [attributes[key].numbers() if key in attributes else () for key in ("activation_alpha", "activation_beta")]
    found = list(_read(names, *map(iter, lists)))
    return [tuple(found[start : start + 3]) for start in range(0, 3 * directions, 3)]


def _read(names: Sequence[str], alphas: Iterator[float], betas: Iterator[float]) -> Iterator[ActivationName]:
    for name in names:
        word = name.lower()
        alpha = next(alphas, _WITH_ALPHA[word]) if word in _WITH_ALPHA else 0.0
        beta = next(betas, _WITH_BETA[word]) if word in _WITH_BETA else 0.0
        known = None if alpha is None or beta is None else name_in_keras(word, alpha, beta)
        yield name if known is None else known


def name_in_keras(word: str, alpha: float = 0.0, beta: float = 0.0) -> ActivationName | None:
    """Return what Keras calls the activation `word` of ONNX, in lower case; None if it is not known.

    What Keras does not have is an object in the form of its configurations, with ONNX's name and parameters.
    """
    if word in _PLAIN:
        return _PLAIN[word]
    if (word, alpha, beta) in _USUAL:
        return _USUAL[word, alpha, beta]
    if word in _OWN:
        return _make_object(_OWN[word], {"alpha": alpha, "beta": beta})
    if word in _OF_KERAS:
        kind, key = _OF_KERAS[word]
        return _make_object(kind, {key: alpha})
    return None


def _make_object(kind: str, config: Mapping[str, float]) -> ActivationName:
    return {"class_name": kind, "config": config}
