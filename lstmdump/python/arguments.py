"""Arguments for which options of the command line have a list or a range."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

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
    try:
        number = None if most is None else operator.index(most)
    except TypeError:
        number = 0
    if number is not None and number < 1:
        raise ValueError(f"most is {most!r}; give a whole number from 1")
    return number


def _name_type(dtype: DTypeLike, names: tuple[str, ...], purpose: str) -> str:
    import numpy as np

    name = dtype if isinstance(dtype, str) or dtype is None else np.dtype(dtype).name
    if name not in names:
        raise ValueError(f"{name!r} is not a type to {purpose}; there are {', '.join(names)}")
    return name
