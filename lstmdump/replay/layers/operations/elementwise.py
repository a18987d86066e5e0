"""Operations that act on each number: arithmetic, comparisons, and functions such as exp and tanh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lstmdump.errors import CannotReplay
from lstmdump.replay.activations.elementwise import Activation
from lstmdump.replay.layers.operations.function import (
    Function,
    WithoutGradient,
    as_floats,
    repeats_samples,
    unbroadcast,
)

Slope = Callable[..., Any]


class ByElement(Function):
    """A function of the numbers at one place of its operands.

    Args:
        name: Its name, by which `find` returns it.
        value: The function.
        slopes: For each operand the derivative by it, a function of all operands and of the result; None for 0.
    """

    def __init__(self, name: str, value: Callable[..., Any], *slopes: Slope | None) -> None:
        self._name = name
        self._value = value
        self._slopes = slopes

    def __reduce__(self) -> tuple[Callable[[str], ByElement], tuple[str]]:
        """Pickle the name, because functions cannot be pickled."""
        return find, (self._name,)

    def mixes_samples(self, operands: Sequence[Any], are_inputs: Sequence[bool], result: Any) -> bool:
        """Return whether an input is repeated along its batch."""
        return repeats_samples(operands, are_inputs, result)

    def compute(self, *operands: Any) -> Any:
        """Return the values."""
        with np.errstate(all="ignore"):
            return self._value(*operands)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:
        """Return the gradients of the operands that are arrays."""
        with np.errstate(all="ignore"):
            return [
                unbroadcast(gradient * slope(*operands, result), operand.shape)
                if slope is not None and isinstance(operand, np.ndarray)
                else None
                for operand, slope in zip(operands, self._slopes, strict=True)
            ]


class Comparison(WithoutGradient):
    """A function of the numbers at one place whose result is a truth value or a whole number."""

    takes_any_numbers = True

    def __init__(self, value: Callable[..., Any]) -> None:
        self._value = value

    def mixes_samples(self, operands: Sequence[Any], are_inputs: Sequence[bool], result: Any) -> bool:
        """Return whether an input is repeated along its batch."""
        return repeats_samples(operands, are_inputs, result)

    def compute(self, *operands: Any) -> Any:
        """Return the values."""
        return self._value(*operands)


class Cast(Function):
    """The conversion to another dtype, which of floating-point numbers is always that of the run."""

    takes_any_numbers = True

    def __init__(self, name: str, dtype: object) -> None:
        if not isinstance(dtype, str) or dtype not in ("bool", "float32", "float64", "int32", "int64"):
            raise CannotReplay(f"{name}: numbers of the type {dtype} cannot be computed")
        self._is_float = dtype.startswith("float")
        self._dtype = "float64" if self._is_float else dtype

    def compute(self, *operands: Any) -> Any:
        """Return the converted array."""
        (x,) = operands
        return as_floats(x) if self._is_float else x.astype(self._dtype)

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient, unless the result is whole."""
        return (gradient if self._is_float else None,)


class Filled(WithoutGradient):
    """An array of one number, in the shape of the operand; its dtype is `dtype`, or that of the operand."""

    def __init__(self, name: str, number: float, dtype: object) -> None:
        self._number = number
        self._cast = None if dtype is None else Cast(name, dtype)

    def compute(self, *operands: Any) -> Any:
        """Return the array."""
        made = np.full_like(operands[0], self._number)
        return made if self._cast is None else self._cast.compute(made)


class SumOfList(Function):
    """The sum of the arrays in a list."""

    def compute(self, *operands: Any) -> Any:
        """Return the sum."""
        return sum(operands[0][1:], operands[0][0])

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient for each."""
        return ([gradient] * len(operands[0]),)


class OfActivation(Function):
    """The function that an activation computes, which mixes no numbers."""

    def __init__(self, activation: Activation) -> None:
        self._activation = activation

    def compute(self, *operands: Any) -> Any:
        """Return the values."""
        return self._activation(as_floats(operands[0]))

    def pull_back(self, operands: Sequence[Any], result: Any, gradient: Any) -> Sequence[Any]:  # noqa: ARG002
        """Return the gradient of the operand."""
        x = as_floats(operands[0])
        return (gradient * self._activation.pull_back(x, np.ones_like(x)),)


_functions: dict[str, ByElement] = {}


def find(name: str) -> ByElement:
    """Return the function of this module with the given name."""
    return _functions[name]


def _define(name: str, value: Callable[..., Any], *slopes: Slope | None) -> ByElement:
    _functions[name] = made = ByElement(name, value, *slopes)
    return made


def _keep(*_: Any) -> float:
    return 1.0


def _power_by_exponent(x: Any, _: Any, y: Any) -> Any:
    return np.where(np.asarray(x) > 0, y * np.log(np.where(np.asarray(x) > 0, x, 1)), 0)


ADD = _define("add", np.add, _keep, _keep)
SUBTRACT = _define("subtract", np.subtract, _keep, lambda *_: -1.0)
MULTIPLY = _define("multiply", np.multiply, lambda _x, y, _result: y, lambda x, _y, _result: x)
DIVIDE = _define("divide", np.true_divide, lambda _x, y, _result: 1 / y, lambda _x, y, result: -result / y)
DIVIDE_NO_NAN = _define(
    "divide_no_nan",
    lambda x, y: np.where(y == 0, 0, np.true_divide(x, y)),
    lambda _x, y, _result: np.where(y == 0, 0, 1 / y),
    lambda _x, y, result: np.where(y == 0, 0, -result / y),
)
FLOOR_DIVIDE = _define("floor_divide", np.floor_divide, None, None)
MODULO = _define("modulo", np.mod, _keep, lambda x, y, _: -np.floor_divide(x, y))
POWER = _define("power", np.power, lambda x, y, _: y * np.power(x, y - 1), _power_by_exponent)
MAXIMUM = _define("maximum", np.maximum, lambda x, y, _: x >= y, lambda x, y, _: x < y)
MINIMUM = _define("minimum", np.minimum, lambda x, y, _: x <= y, lambda x, y, _: x > y)
SQUARED_DIFFERENCE = _define(
    "squared_difference", lambda x, y: np.square(x - y), lambda x, y, _: 2 * (x - y), lambda x, y, _: 2 * (y - x)
)
WHERE = _define(
    "where",
    np.where,
    None,
    lambda condition, *_: np.asarray(condition, bool),
    lambda condition, *_: ~np.asarray(condition, bool),
)
CLIP = _define(
    "clip",
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda x, low, high, _: (x >= low) & (x <= high),
    lambda x, low, _high, _result: x < low,
    lambda x, _low, high, _result: x > high,
)

IDENTITY = _define("identity", lambda x: x, _keep)
STOP_GRADIENT = _define("stop_gradient", lambda x: x, None)
NEGATIVE = _define("negative", np.negative, lambda *_: -1.0)
ABSOLUTE = _define("absolute", np.abs, lambda x, _: np.sign(x))
SQUARE = _define("square", np.square, lambda x, _: 2 * x)
SQRT = _define("sqrt", np.sqrt, lambda _, y: 0.5 / y)
RSQRT = _define("rsqrt", lambda x: 1 / np.sqrt(x), lambda x, y: -0.5 * y / x)
RECIPROCAL = _define("reciprocal", lambda x: 1 / x, lambda _, y: -np.square(y))
EXP = _define("exp", np.exp, lambda _, y: y)
EXPM1 = _define("expm1", np.expm1, lambda _, y: y + 1)
LOG = _define("log", np.log, lambda x, _: 1 / x)
LOG1P = _define("log1p", np.log1p, lambda x, _: 1 / (1 + x))
SIN = _define("sin", np.sin, lambda x, _: np.cos(x))
COS = _define("cos", np.cos, lambda x, _: -np.sin(x))
STEPS = {
    "ceil": _define("ceil", np.ceil, None),
    "floor": _define("floor", np.floor, None),
    "round": _define("round", np.round, None),
    "sign": _define("sign", np.sign, None),
}
"""Functions of steps, whose derivative is 0."""
