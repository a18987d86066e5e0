"""Find the function that a layer of Keras means by the word or the object in its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lstmdump.errors import CannotReplay
from lstmdump.lstm.activation_names import find_name, get_config, is_of_keras, unwrap, word
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.model.settings import finite_number
from lstmdump.replay.activations import elementwise, softmax
from lstmdump.replay.activations.elementwise import Activation

_OF_KERAS_1: dict[str, Activation] = {
    "elu": elementwise.elu(),
    "hard_sigmoid": elementwise.ramp(0.2, 0.5, low=0, high=1),
    "linear": elementwise.linear(),
    "relu": elementwise.relu(),
    "sigmoid": elementwise.sigmoid(),
    "softmax": softmax.softmax(),
    "softplus": elementwise.softplus(),
    "softsign": elementwise.softsign(),
    "tanh": elementwise.tanh(),
}
_NEW_IN_KERAS_2: dict[str, Activation] = {
    "exponential": elementwise.exponential(),
    "gelu": elementwise.gelu(),
    "leaky_relu": elementwise.relu(negative_slope=0.2),
    "log_softmax": softmax.log_softmax(),
    "mish": elementwise.mish(),
    "relu6": elementwise.relu(most=6),
    "selu": elementwise.selu(),
    "silu": elementwise.silu(),
    "swish": elementwise.silu(),
}
_NEW_IN_KERAS_3: dict[str, Activation] = {
    "celu": elementwise.elu(),  # equal to elu while alpha is 1
    "hard_shrink": elementwise.hard_shrink(),
    "hard_sigmoid": elementwise.ramp(1 / 6, 0.5, low=0, high=1),
    "hard_silu": elementwise.hard_silu(),
    "hard_swish": elementwise.hard_silu(),
    "hard_tanh": elementwise.ramp(low=-1, high=1),
    "log_sigmoid": elementwise.log_sigmoid(),
    "soft_shrink": elementwise.soft_shrink(),
    "sparse_plus": elementwise.sparse_plus(),
    "sparse_sigmoid": elementwise.ramp(0.5, 0.5, low=0, high=1),
    "sparsemax": softmax.sparsemax(),
    "squareplus": elementwise.squareplus(),
    "tanh_shrink": elementwise.tanh_shrink(),
}
_BEFORE_KERAS_3 = {**_NEW_IN_KERAS_3, **_NEW_IN_KERAS_2, **_OF_KERAS_1}
_IN_KERAS_3 = {**_OF_KERAS_1, **_NEW_IN_KERAS_2, **_NEW_IN_KERAS_3}
_OF_TENSORFLOW = {"log_softmax_v2": "log_softmax", "softmax_v2": "softmax"}
"""The names that a configuration gives TensorFlow functions passed instead of a word, and that word."""


NAMES = tuple(sorted(_IN_KERAS_3))
"""The known words of all releases of Keras.

`glu` and `threshold` of Keras 3 are not among them: the first halves the width, which no LSTM allows, and the
second needs arguments.
"""


class CellActivations(NamedTuple):
    """The activations of a cell: of the gates i, f and o, of the candidate, and of the output."""

    gates: Activation
    candidate: Activation
    output: Activation


def of_cell(how: Behaviour) -> CellActivations:
    """Return the activations of a cell that computes as `how` states.

    Raises:
        CannotReplay: One of them is unknown.
    """
    gates, candidate = (named(what, how.keras) for what in (how.recurrent_activation, how.activation))
    output = candidate if how.output_activation is None else named(how.output_activation, how.keras)
    if how.gate_clip is not None:
        gates, candidate = (elementwise.clipped(one, how.gate_clip) for one in (gates, candidate))
    return CellActivations(gates, candidate, output)


def named(what: object, keras: int, option: str = "--activation") -> Activation:
    """Return the activation that Keras `keras` (1, 2 or 3) means by `what`.

    A word that only a later Keras has is taken from there; `doubt` reports it.

    Args:
        what: A word, None, or the object in the configuration of a layer.
        keras: The major version of Keras.
        option: The option of the command line that overrides the activation.

    Raises:
        CannotReplay: It is not one of Keras's own, has weights, or does not keep the shape.
    """
    core = unwrap(what)
    try:
        found = _make_from_layer(core) or _look_up_word(find_name(core), keras)
    except ValueError:
        found = None
    if found is None:
        raise CannotReplay(
            f"the activation {word(what)} cannot be replayed; name one that computes the same with {option}"
        )
    return found


def doubt(what: object, keras: int, option: str = "--activation") -> str | None:
    """Return why `what`, written by Keras `keras`, may be another function than assumed; None if there is no doubt."""
    name = find_name(unwrap(what))
    if name == "sparsemax" and keras > 2:
        return "sparsemax is computed as in Keras 3.8 to 3.15; later releases compute something else"
    for since, own in enumerate((_OF_KERAS_1, _NEW_IN_KERAS_2, _NEW_IN_KERAS_3), start=1):
        if name in own:
            return None if since <= keras else (
                f"Keras {keras} has no activation {name} of its own; that of Keras {since} is used, "
                f"unless {option} names another"
            )  # fmt: skip
    return None


def _look_up_word(name: str | None, keras: int) -> Activation | None:
    known = _IN_KERAS_3 if keras > 2 else _BEFORE_KERAS_3
    return None if name is None else known.get(_OF_TENSORFLOW.get(name, name))


def _make_from_layer(core: object) -> Activation | None:
    """Return the activation that a layer of Keras computes; None if `core` is not one.

    Raises:
        ValueError: A setting has a value that Keras does not accept.
    """
    if not isinstance(core, Mapping) or not is_of_keras(core):
        return None
    kind = core.get("class_name")
    make = _LAYERS.get(kind) if isinstance(kind, str) else None
    return None if make is None else make(get_config(core))


def _make_relu(config: Mapping[str, Any]) -> Activation:
    most = config.get("max_value")
    return elementwise.relu(
        most=None if most is None else _parse_setting(most),
        negative_slope=_parse_setting(config.get("negative_slope", 0.0)),
        threshold=_parse_setting(config.get("threshold", 0.0)),
    )


def _make_leaky_relu(config: Mapping[str, Any]) -> Activation:
    return elementwise.relu(negative_slope=_parse_setting(config.get("negative_slope", config.get("alpha", 0.3))))


def _make_softmax(config: Mapping[str, Any]) -> Activation:
    if config.get("axis", -1) not in (-1, 1, [-1], [1]):
        raise ValueError("the activation of an LSTM must act on the last axis of (batch, m)")
    return softmax.softmax()


def _make_ramp(config: Mapping[str, Any]) -> Activation:
    slope, middle = _parse_both(config)
    return elementwise.ramp(slope, middle, low=0, high=1)


def _parse_both(config: Mapping[str, Any]) -> tuple[float, float]:
    """Return `alpha` and `beta` of an activation of ONNX, which may have any sign."""
    alpha, beta = finite_number(config.get("alpha")), finite_number(config.get("beta"))
    if alpha is None or beta is None:
        raise ValueError("the setting must be a number")
    return alpha, beta


_LAYERS: dict[str, Callable[[Mapping[str, Any]], Activation]] = {
    "Affine": lambda config: elementwise.affine(*_parse_both(config)),
    "ELU": lambda config: elementwise.elu(_parse_setting(config.get("alpha", 1.0))),
    "HardSigmoid": _make_ramp,
    "LeakyReLU": _make_leaky_relu,
    "ReLU": _make_relu,
    "ScaledTanh": lambda config: elementwise.scaled_tanh(*_parse_both(config)),
    "Softmax": _make_softmax,
    "ThresholdedReLU": lambda config: elementwise.relu(threshold=_parse_setting(config.get("theta", 1.0))),
}


def _parse_setting(value: object) -> float:
    number = finite_number(value)
    if number is None or number < 0:
        raise ValueError("the setting must be a number of at least 0")
    return number
