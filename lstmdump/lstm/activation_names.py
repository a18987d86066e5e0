"""The names of activations: the word or the object in a configuration of Keras, as a short text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstmdump.model.escape import shortened, visible
from lstmdump.model.settings import finite_number

_SHOWN = 120  # characters
_OWN_MODULES = ("builtins", "keras", "tf_keras")
_SETTINGS = frozenset({"alpha", "axis", "beta", "max_value", "negative_slope", "theta", "threshold"})
_RAMP = "HardSigmoid"  # of ONNX; Keras calls its own hard_sigmoid
_ROUNDING = 1e-6  # of 1 in float32
_SLOPES = {1: "0.2x+0.5", 2: "0.2x+0.5", 3: "x/6+0.5"}


def word(what: object) -> str:
    """Return a short text for `what`, as `named` takes it, that is safe to show."""
    core = unwrap(what)
    name = find_name(core)
    if name is None and isinstance(core, Mapping):
        name = _make_title(core)
    return f"<{type(core).__name__}>" if name is None else visible(shortened(name, _SHOWN))


def word_with_slope(what: object, keras: int | None) -> str:
    """Return `word(what)`, and for a hard sigmoid its slope in Keras `keras` (1, 2 or 3): `hard_sigmoid(0.2x+0.5)`.

    The slope is left out if the generation of Keras is not known.
    """
    slope = _SLOPES.get(keras or 0)
    return f"hard_sigmoid({slope})" if slope and find_name(unwrap(what)) == "hard_sigmoid" else word(what)


def unwrap(what: object) -> object:
    """Remove the layers that do nothing but apply an activation."""
    while isinstance(what, Mapping) and what.get("class_name") == "Activation" and is_of_keras(what):
        what = get_config(what).get("activation", {})
    return what


def find_name(core: object) -> str | None:
    """Return the word that `core` is, or that it holds as a function, `linear` for None; None for other objects."""
    if core is None:
        return "linear"
    if isinstance(core, Mapping) and core.get("class_name") == "function" and is_of_keras(core):
        core = core.get("config")
    return core if isinstance(core, str) else None


def is_of_keras(what: Mapping[str, Any]) -> bool:
    """Return whether an object belongs to Keras, and is neither registered by the user nor from a module of theirs."""
    module, registered = what.get("module"), what.get("registered_name")
    is_own = module is None or (isinstance(module, str) and module.partition(".")[0] in _OWN_MODULES)
    return is_own and (
        registered is None
        or (isinstance(registered, str) and registered in ("function", what.get("class_name"), what.get("config")))
    )


def _make_title(what: Mapping[str, Any]) -> str:
    """Return the name of an object with its settings, and with its module unless that is Keras's."""
    if what.get("class_name") == _RAMP and is_of_keras(what):
        return _word_ramp(get_config(what))
    names = [what.get("registered_name"), what.get("class_name"), "<lambda>"]
    name = next(name for name in names if isinstance(name, str))
    module = what.get("module")
    place = "" if module is None or is_of_keras(what) or ">" in name else f"{module}."
    settings = {key: finite_number(value) for key, value in get_config(what).items() if key in _SETTINGS}
    shown = ", ".join(f"{key}={value:g}" for key, value in settings.items() if value is not None)
    return f"{place}{name}" + (f"({shown})" if shown else "")


def _word_ramp(config: Mapping[str, Any]) -> str:
    """Return the word for the hard sigmoid of ONNX, with its slope: `hard_sigmoid(x/6+0.5)`."""
    alpha, beta = (finite_number(config.get(key)) for key in ("alpha", "beta"))
    if alpha is None or beta is None:
        return _RAMP
    slope = "x/6" if abs(6 * alpha - 1) < _ROUNDING else f"{alpha:g}x"
    return f"hard_sigmoid({slope}{beta:+g})"


def get_config(what: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the configuration of an object, empty if it has none."""
    config = what.get("config")
    return config if isinstance(config, Mapping) else {}
