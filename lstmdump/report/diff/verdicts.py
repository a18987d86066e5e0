"""The verdicts of a comparison: on arrays, on layers and on models."""

from __future__ import annotations

from typing import NamedTuple

TOLERANCE = 1e-6
"""The largest difference, by the largest number of an array, that counts as the same."""

IDENTICAL, AS_FLOAT32, ROUNDED, QUANTISED, WITHIN, DIFFERENT = (
    "identical", "equal as float32", "rounded", "quantised", "within tolerance", "different",
)  # fmt: skip
"""The verdicts on an array, the best first; all but the last count as the same."""


class ArrayVerdict(NamedTuple):
    """The verdict on an array of a gate, or on the projection.

    Attributes:
        array: its name: `W_i`, `P`.
        verdict: one of the verdicts of this module.
        detail: for a rounded array the type, for a quantised one the step.
        largest: the largest difference.
        relative: that by the largest number of the first array.
        moved: the norm of the difference by that of the first array; None if that is 0.
        differing: how many numbers differ.
        size: how many numbers it has.
        place: the index of the first number that differs.
        values: that number in both.
    """

    array: str
    verdict: str
    detail: str = ""
    largest: float = 0.0
    relative: float = 0.0
    moved: float | None = 0.0
    differing: int = 0
    size: int = 0
    place: tuple[int, ...] | None = None
    values: tuple[float, float] = (0.0, 0.0)


class ComputedDifference(NamedTuple):
    """What one layer computes otherwise than the other: `recurrent_activation`, as text in both.

    Attributes:
        what: what is computed.
        first: how the first layer computes it.
        second: how the second does.
        assumed: for both, whether the file does not state it, so that this is the default of the release.
    """

    what: str
    first: str
    second: str
    assumed: tuple[bool, bool] = (False, False)

    @property
    def is_certain(self) -> bool:
        """Whether both files state it."""
        return not any(self.assumed)


class LayerDifference(NamedTuple):
    """The comparison of two layers.

    Attributes:
        first: the name in the first model; None for a layer that only the second has.
        second: the name in the second model; None for a layer that only the first has.
        paired_by: what they have in common: `name`, `sizes and order`, or `nearest numbers`; empty for a layer alone.
        arrays: the verdict on each array.
        explanations: what explains the differences exactly.
        computed: what they compute otherwise.
        sizes: the inputs and units of both, if they differ.
    """

    first: str | None
    second: str | None
    paired_by: str = ""
    arrays: tuple[ArrayVerdict, ...] = ()
    explanations: tuple[str, ...] = ()
    computed: tuple[ComputedDifference, ...] = ()
    sizes: tuple[str, str] | None = None

    @property
    def is_same(self) -> bool:
        """Whether both layers compute the same, as far as the files state it."""
        arrays = all(array.verdict != DIFFERENT for array in self.arrays)
        computed = not any(one.is_certain for one in self.computed)
        return arrays and computed and None not in (self.first, self.second) and self.sizes is None


class ModelDifference(NamedTuple):
    """The comparison of two models: their paths, and all layers, in the order of the first model."""

    first: str
    second: str
    layers: tuple[LayerDifference, ...]

    @property
    def is_same(self) -> bool:
        """Whether all layers are the same."""
        return all(layer.is_same for layer in self.layers)
