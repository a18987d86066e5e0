"""Arguments that are refused before anything is computed: of another type, or outside of a list or a range."""

from __future__ import annotations

import contextlib
import math
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from lstmdump.model.limits import Limits
    from lstmdump.replay.network import RunOptions

COMPUTED = ("float32", "float64")
"""The types to compute in."""


def computed_type(dtype: DTypeLike) -> str:
    """Return the name of a type to compute in.

    Raises:
        ValueError: It is another one.
    """
    return _name_type(dtype, COMPUTED, "compute in")


def returned_type(dtype: DTypeLike) -> str:
    """Return the name of a type of arrays in a layout, or `keep`.

    Raises:
        ValueError: It is another one.
    """
    from lstmdump.export.gates import DTYPES

    return _name_type(dtype, DTYPES, "return")


def number_of_lags(most: int | None) -> int | None:
    """Return a number of lags, or None for all.

    Raises:
        ValueError: It is not a whole number from 1.
    """
    number = None if most is None else _whole(most)
    if most is not None and (number is None or number < 1):
        raise ValueError(f"most is {most!r}; give a whole number from 1")
    return number


def number_of_unit(unit: int | None) -> int | None:
    """Return the number of a unit, or None for all; whether there is such a unit is for the layer to say.

    Raises:
        ValueError: It is not a whole number.
    """
    return None if unit is None else whole_number("unit", unit)


def whole_number(argument: str, value: int) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: It is not a whole number.
    """
    number = _whole(value)
    if number is None:
        raise ValueError(f"{argument} is {value!r}; give a whole number")
    return number


def finite_number(argument: str, value: float, least: float = -math.inf) -> float:
    """Return `value` as a float.

    Raises:
        ValueError: It is not a finite number, or less than `least`.
    """
    number = math.nan
    if not isinstance(value, (str, bytes)):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            number = float(value)
    if not math.isfinite(number) or number < least:
        from_where = f" from {least:g}" if math.isfinite(least) else ""
        raise ValueError(f"{argument} is {value!r}; give a finite number{from_where}")
    return number


def require_text(argument: str, value: str | None, what: str) -> None:
    """Check that `value` is a text or None: `what` it is, such as the name of a layer.

    Raises:
        TypeError: It is neither.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{argument} is of type {type(value).__name__}; give {what} as a text")


def is_text(value: object) -> bool:
    """Return whether `value` is a text, whatever its annotation says."""
    return isinstance(value, str)


def checked_limits(limits: Limits) -> Limits:
    """Return `limits`.

    Raises:
        TypeError: They are of another class.
        ValueError: One of them is not a whole number from 1.
    """
    from lstmdump.model.limits import Limits

    if not isinstance(limits, Limits):
        raise TypeError(f"limits is of type {type(limits).__name__}; give lstmdump.Limits(…)")
    for field, value in limits._asdict().items():
        number = _whole(value)
        if number is None or number < 1:
            raise ValueError(f"the limit {field} is {value!r}; give a whole number from 1")
    return limits


def run_options(
    dtype: str,
    *,
    chain: bool = False,
    activation: str | None,
    recurrent_activation: str | None,
    go_backwards: bool | None,
    forget_bias: float | None,
) -> RunOptions:
    """Return how layers are run, in `dtype`.

    Raises:
        TypeError: An activation is not a text, or `go_backwards` neither true nor false.
        ValueError: `forget_bias` is not a finite number.
    """
    import numpy as np

    from lstmdump.replay.network import RunOptions

    require_text("activation", activation, "the name of one")
    require_text("recurrent_activation", recurrent_activation, "the name of one")
    if not isinstance(go_backwards, (bool, np.bool_, type(None))):
        raise TypeError(f"go_backwards is of type {type(go_backwards).__name__}; give True, False or None")
    backwards = None if go_backwards is None else bool(go_backwards)
    bias = None if forget_bias is None else finite_number("forget_bias", forget_bias)
    return RunOptions(dtype, chain, activation, recurrent_activation, backwards, bias)


def _whole(value: object) -> int | None:
    """Return `value` as an int, if it is a whole number of Python or numpy."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def _name_type(dtype: DTypeLike, names: tuple[str, ...], purpose: str) -> str:
    import numpy as np

    name: Any = dtype
    if not isinstance(dtype, str) and dtype is not None:
        with contextlib.suppress(TypeError):  # numpy knows no such type
            name = np.dtype(dtype).name
    if not isinstance(name, str) or name not in names:
        raise ValueError(f"{name!r} is not a type to {purpose}; there are {', '.join(names)}")
    return name
