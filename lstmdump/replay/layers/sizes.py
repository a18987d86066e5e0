"""Sizes: those in the configuration of a layer, and those of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.reading import setting

_LARGEST = 1 << 20
"""The largest size that a configuration may state, so that a damaged one cannot request all memory."""

_AXES = {1: ("steps", "features"), 2: ("rows", "columns", "channels")}
"""The axes behind the batch of what a layer takes that moves along one or two of them."""

Margins: TypeAlias = tuple[tuple[int, int], ...]
"""Numbers of steps at the beginning and at the end of each axis between batch and channels."""


def read_sizes(layer: NetworkLayer, *keys: str, count: int = 1, default: Any = None, least: int = 1) -> tuple[int, ...]:
    """Return the `count` sizes under the first of `keys`; a single number there stands for all of them.

    Args:
        layer: The layer.
        keys: The names of the setting in the releases of Keras.
        count: The number of sizes.
        default: What a missing setting, or null, stands for.
        least: The smallest value of each.

    Raises:
        CannotReplay: The setting has another form, or a value that is too small or too large.
    """
    stated = read_list(setting(layer, *keys))
    return check_sizes(layer, keys[0], default if stated is None else stated, count=count, least=least)


def check_sizes(layer: NetworkLayer, key: str, stated: Any, *, count: int = 1, least: int = 1) -> tuple[int, ...]:
    """Return `stated`, a list of `count` sizes, or a number that stands for all of them; see `read_sizes`."""
    values = stated if isinstance(stated, (list, tuple)) else (stated,) * count
    if len(values) != count or not all(type(value) is int and least <= value <= _LARGEST for value in values):
        raise CannotReplay(f"{layer.name}: its {key} {stated!r} cannot be used")
    return tuple(values)


def read_list(value: Any) -> Any:
    """Return `value`; if it is a tuple as TensorFlow writes it, its items."""
    return value.get("items") if isinstance(value, Mapping) else value


def require_axes(name: str, values: Array, axes: int, width: int | None = None) -> None:
    """Check that the layer `name` can take `values`, (batch, …, channels).

    Args:
        name: The layer.
        values: Its input.
        axes: The number of axes between batch and channels.
        width: The number of channels; None for any.

    Raises:
        BadInput: `values` has more or fewer axes, or another number of channels.
    """
    if values.ndim != axes + 2 or width not in (None, values.shape[-1]):
        between, last = _AXES[axes][:-1], _AXES[axes][-1] if width is None else str(width)
        raise BadInput(f"{name} takes an input (batch, {', '.join([*between, last])}), not {values.shape}")


def cut(margins: Margins, lengths: Sequence[int]) -> tuple[Any, ...]:
    """Return the index of the `lengths` steps of each axis that stand between `margins`, in (…, steps, channels)."""
    return (..., *(slice(first, first + n) for (first, _), n in zip(margins, lengths, strict=True)), slice(None))
