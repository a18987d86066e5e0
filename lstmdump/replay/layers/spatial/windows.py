"""Windows that slide along sequences or pictures, as in convolutions and poolings.

Arrays are (n, lengths…, channels), with one length or two; the windows move along these. What a window covers at the
same place, in all windows, is a strided view of the array, a `tap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lstmdump.errors import BadInput, CannotReplay
from lstmdump.model.network import NetworkLayer
from lstmdump.model.tensor import Array
from lstmdump.replay.layers.reading import setting
from lstmdump.replay.layers.sizes import Margins, cut, require_axes

_Rule: TypeAlias = Callable[[int, int, int], tuple[int, int]]


def _pad_nothing(length: int, extent: int, stride: int) -> tuple[int, int]:  # noqa: ARG001
    return 0, 0


def _pad_same(length: int, extent: int, stride: int) -> tuple[int, int]:
    """Pad so that there are ⌈length/stride⌉ windows, with the smaller half in front."""
    missing = max((-(-length // stride) - 1) * stride + extent - length, 0)
    return missing // 2, missing - missing // 2


def _pad_same_in_theano(length: int, extent: int, stride: int) -> tuple[int, int]:
    """Pad so that there are ⌈length/stride⌉ windows, half a window in front."""
    before = extent // 2
    return before, max((-(-length // stride) - 1) * stride + extent - length - before, 0)


def _pad_causal(length: int, extent: int, stride: int) -> tuple[int, int]:  # noqa: ARG001
    return extent - 1, 0


_RULES: dict[str, _Rule] = {"valid": _pad_nothing, "same": _pad_same, "causal": _pad_causal}
_RULES_OF_THEANO: dict[str, _Rule] = {"valid": _pad_nothing, "same": _pad_same_in_theano, "causal": _pad_causal}


@dataclass(frozen=True)
class Windows:
    """How windows slide along one axis or two.

    Attributes:
        size: The number of steps that a window covers, along each axis.
        strides: The number of steps from one window to the next.
        dilation: The distance of the steps that a window covers.
        rule: What is added to an axis in front and behind, by its length, the extent of a window and the stride.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    rule: _Rule

    @property
    def extents(self) -> tuple[int, ...]:
        """The number of steps from the first to the last that a window covers."""
        return tuple((size - 1) * dilation + 1 for size, dilation in zip(self.size, self.dilation, strict=True))

    def margins(self, lengths: Sequence[int]) -> Margins:
        """Return what is added to axes of these lengths."""
        return tuple(
            self.rule(length, extent, stride)
            for length, extent, stride in zip(lengths, self.extents, self.strides, strict=True)
        )

    def counts(self, lengths: Sequence[int]) -> tuple[int, ...]:
        """Return the number of windows along axes of these lengths."""
        return tuple(
            (length + sum(margin) - extent) // stride + 1
            for length, margin, extent, stride in zip(
                lengths, self.margins(lengths), self.extents, self.strides, strict=True
            )
        )

    def require(self, name: str, values: Array, channels: int | None = None) -> None:
        """Check that there are windows in `values`, the input of the layer `name`.

        Raises:
            BadInput: `values` has other axes or another number of channels, or is shorter than a window.
        """
        require_axes(name, values, len(self.size), channels)
        if min(self.counts(values.shape[1:-1])) < 1:
            least = " by ".join(map(str, self.extents))
            raise BadInput(f"{name} takes an input of at least {least} steps, not {values.shape}")

    def pad(self, values: Array, fill: float = 0) -> Array:
        """Return `values` with what is added around them, `fill`."""
        margins = self.margins(values.shape[1:-1])
        if not any(map(any, margins)):
            return values
        return np.pad(values, ((0, 0), *margins, (0, 0)), constant_values=fill)

    def make_padded(self, leading: tuple[int, ...], lengths: Sequence[int], channels: int, like: Array) -> Array:
        """Return zeros of the shape that an array (*leading, *lengths, channels) has when it has been padded."""
        padded = (length + sum(margin) for length, margin in zip(lengths, self.margins(lengths), strict=True))
        return np.zeros((*leading, *padded, channels), like.dtype)

    def crop(self, padded: Array, lengths: Sequence[int]) -> Array:
        """Return what `pad` has padded; the axes of `padded` have these lengths without the padding."""
        cropped: Array = padded[cut(self.margins(lengths), lengths)]
        return cropped

    def taps(self, padded: Array, counts: Sequence[int]) -> Iterator[Array]:
        """Yield, for each place in a window, row by row, what all windows have there: views (…, *counts, channels)."""
        for place in np.ndindex(*self.size):
            steps = [
                slice(first * dilation, first * dilation + (count - 1) * stride + 1, stride)
                for first, count, stride, dilation in zip(place, counts, self.strides, self.dilation, strict=True)
            ]
            index: Any = (..., *steps, slice(None))
            yield padded[index]

    def gather(self, padded: Array) -> Array:
        """Return a view of what each window covers, (n, *counts, *size, channels)."""
        axes = tuple(range(1, 1 + len(self.size)))
        every = sliding_window_view(padded, self.extents, axis=axes)  # (n, …, channels, *extents)
        starts = [slice(None, None, stride) for stride in self.strides]
        covered = [slice(None, None, dilation) for dilation in self.dilation]
        index: Any = (slice(None), *starts, slice(None), *covered)
        return np.moveaxis(every[index], 1 + len(axes), -1)


def find_rule(layer: NetworkLayer, *, is_theano: bool = False) -> _Rule:
    """Return the rule of padding that the configuration of `layer` states.

    Raises:
        CannotReplay: The padding is not one of Keras's.
    """
    stated = setting(layer, "padding", "border_mode", default="valid")
    rule = (_RULES_OF_THEANO if is_theano else _RULES).get(stated) if isinstance(stated, str) else None
    if rule is None:
        raise CannotReplay(f"{layer.name}: its padding {stated!r} cannot be computed")
    return rule
