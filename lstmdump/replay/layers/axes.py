"""The axes that layers act along: settings of a layer, which count the batch as axis 0."""

from __future__ import annotations

from collections.abc import Sequence

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer


def axes_setting(layer: NetworkLayer, value: object) -> tuple[int, ...]:
    """Return `value`, a setting of `layer`, as axes: it is a whole number or a list of them.

    Raises:
        CannotReplay: It is something else.
    """
    axes = value if isinstance(value, (list, tuple)) else [value]
    if not axes or not all(isinstance(axis, int) and not isinstance(axis, bool) for axis in axes):
        raise CannotReplay(f"{layer.name}: its axis {value} is not a whole number or a list of them")
    return tuple(axes)


def resolve_axes(name: str, axes: Sequence[int], dimensions: int) -> tuple[int, ...]:
    """Return `axes`, counted from the front, for an array of so many dimensions.

    Args:
        name: The name of the layer, for messages.
        axes: The axes; negative ones count from the end.
        dimensions: Those of the array, with the batch.

    Raises:
        BadInput: The array has no such axis.
        CannotReplay: One of them is the batch: each sample would depend on the others.
    """
    if not all(-dimensions <= axis < dimensions for axis in axes):
        raise BadInput(f"{name} acts along axis {', '.join(map(str, axes))}; its input has {dimensions} dimensions")
    resolved = tuple(axis % dimensions for axis in axes)
    if 0 in resolved:
        raise CannotReplay(f"{name} acts across the samples of a batch")
    return resolved


def broadcast_shape(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """Return `shape` with 1 for all lengths except those along `axes`."""
    return tuple(length if axis in axes else 1 for axis, length in enumerate(shape))
