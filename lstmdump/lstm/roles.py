"""The arrays an LSTM can be stored in: one table gives the shape that is checked and the reason that is shown.

Sizes: d is the width of the input, m the number of units, h the width of what is fed back: m, or the projection's
width p where there is one. 4 is the number of gates.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

Sizes = Mapping[str, int]


class Extent(NamedTuple):
    """The length of one dimension: some sizes added up, times some numbers. `4·m` is Extent("m", times=(4,))."""

    sizes: str
    times: tuple[int, ...] = ()

    def length(self, sizes: Sizes) -> int:
        """The number, with the SIZES of a layer put in."""
        return math.prod(self.times) * sum(sizes[size] for size in self.sizes)

    def text(self, sizes: Sizes) -> str:
        """The number's reason: `4·64`, `(12+64)`."""
        total = "+".join(str(sizes[size]) for size in self.sizes)
        return "·".join([*map(str, self.times), f"({total})" if len(self.sizes) > 1 else total])

    def letters(self) -> str:
        """The same in letters: `4·m`, `d+h`."""
        return "·".join([*map(str, self.times), "+".join(self.sizes)])


_D, _H, _M, _P = Extent("d"), Extent("h"), Extent("m"), Extent("p")
_ALL_GATES = Extent("m", (4,))


class Role(enum.Enum):
    """What a stored array is to an LSTM: the field's word for it, and the extents of its shape."""

    KERNEL = "kernel", (_D, _ALL_GATES)
    RECURRENT_KERNEL = "recurrent kernel", (_H, _ALL_GATES)
    FUSED_KERNEL = "kernel over input and state", (Extent("dh"), _ALL_GATES)
    BIAS = "bias", (_ALL_GATES,)
    DOUBLED_BIAS = "bias, stored twice", (Extent("m", (2, 4)),)
    GATE_KERNEL = "kernel of one gate", (_D, _M)
    GATE_RECURRENT_KERNEL = "recurrent kernel of one gate", (_H, _M)
    GATE_BIAS = "bias of one gate", (_M,)
    PEEPHOLE = "peephole", (_M,)
    PROJECTION = "projection", (_M, _P)
    NORMALIZATION = "layer normalization", (_M,)

    __hash__ = object.__hash__  # there is one of each; by its name, as in any enum, it takes seven times as long

    def __init__(self, word: str, extents: tuple[Extent, ...]) -> None:
        self.word = word
        self.extents = extents

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """The shape that an array of this role has in an LSTM of these SIZES."""
        return _shape(self.extents, tuple(sizes.items()))

    @property
    def letters(self) -> str:
        """That shape in letters: `(d+h, 4·m)`."""
        inside = ", ".join(extent.letters() for extent in self.extents)
        return f"({inside},)" if len(self.extents) == 1 else f"({inside})"

    def formula(self, sizes: Sizes) -> str:
        """That shape's reason: `(12+64)×4·64`."""
        return _formula(self.extents, tuple(sizes.items()))


# Models have many layers, but few of different sizes.
@lru_cache(maxsize=1024)
def _shape(extents: tuple[Extent, ...], sizes: tuple[tuple[str, int], ...]) -> tuple[int, ...]:
    return tuple(extent.length(dict(sizes)) for extent in extents)


@lru_cache(maxsize=1024)
def _formula(extents: tuple[Extent, ...], sizes: tuple[tuple[str, int], ...]) -> str:
    return "×".join(extent.text(dict(sizes)) for extent in extents)


def count_formula(sizes: Sizes, *, biases: int, vectors: int, projection: bool) -> str:
    """The closed form of an LSTM's parameter count: `4·((12+64)·64 + 64)`.

    BIASES is how many biases a unit has per gate: 0, 1, or 2 in CuDNN's layout. VECTORS of length m come on top: three
    with peepholes, more with layer normalization; and a projection adds m·p.
    """
    return _count_formula(tuple(sizes.items()), biases, vectors, projection)


@lru_cache(maxsize=1024)
def _count_formula(items: tuple[tuple[str, int], ...], biases: int, vectors: int, projection: bool) -> str:
    sizes = dict(items)
    units = sizes["m"]
    matrix = f"({sizes['d']}+{sizes['h']})·{units}"
    bias = f" + {biases}·{units}" if biases > 1 else f" + {units}" if biases else ""
    text = f"4·({matrix}{bias})" if bias else f"4·{matrix}"
    text += f" + {vectors}·{units}" if vectors else ""
    return text + (f" + {units}·{sizes['p']}" if projection else "")
