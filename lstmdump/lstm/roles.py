"""The arrays an LSTM can be stored in: one table gives the shape that is checked and the reason that is shown.

Sizes: d is the width of the input, m the number of units, h the width of what is fed back: m, or the projection's
width p where there is one. 4 is the number of gates.
"""

from __future__ import annotations

import enum
import math
from functools import lru_cache

from lstmdump.model.named_tuple import NamedTuple


class Sizes(NamedTuple):
    """The sizes of an LSTM by their letters; p is h where there is no projection."""

    d: int
    m: int
    h: int
    p: int


class Extent(NamedTuple):
    """The length of one dimension: some sizes added up, times some numbers. `4·m` is Extent("m", times=(4,))."""

    sizes: str
    times: tuple[int, ...] = ()

    def length(self, sizes: Sizes) -> int:
        """Return the number for a layer of these sizes."""
        total: int = sum(getattr(sizes, size) for size in self.sizes)
        return math.prod(self.times) * total

    def text(self, sizes: Sizes) -> str:
        """Return the reason for that number: `4·64`, `(12+64)`."""
        total = "+".join(str(getattr(sizes, size)) for size in self.sizes)
        return "·".join([*map(str, self.times), f"({total})" if len(self.sizes) > 1 else total])

    def letters(self) -> str:
        """Return the same in letters: `4·m`, `d+h`."""
        return "·".join([*map(str, self.times), "+".join(self.sizes)])


_D, _H, _M, _P = Extent("d"), Extent("h"), Extent("m"), Extent("p")
_ALL_GATES = Extent("m", (4,))


class Role(enum.Enum):
    """What a stored array is to an LSTM: the usual word for it, and the extents of its shape."""

    KERNEL = "kernel", (_D, _ALL_GATES)
    RECURRENT_KERNEL = "recurrent kernel", (_H, _ALL_GATES)
    FUSED_KERNEL = "kernel over input and state", (Extent("dh"), _ALL_GATES)
    BIAS = "bias", (_ALL_GATES,)
    DOUBLED_BIAS = "bias, stored twice", (Extent("m", (2, 4)),)
    GATE_KERNEL = "kernel of one gate", (_D, _M)
    GATE_RECURRENT_KERNEL = "recurrent kernel of one gate", (_H, _M)
    GATE_BIAS = "bias of one gate", (_M,)
    PEEPHOLE = "peephole", (_M,)
    PEEPHOLES = "peepholes of all gates", (Extent("m", (3,)),)
    PROJECTION = "projection", (_M, _P)
    ROW_KERNEL = "kernel, transposed", (_ALL_GATES, _D)
    ROW_RECURRENT_KERNEL = "recurrent kernel, transposed", (_ALL_GATES, _H)
    ADDED_BIAS = "bias, one of two that are added", (_ALL_GATES,)
    ROW_PROJECTION = "projection, transposed", (_P, _M)
    ROW_FUSED_KERNEL = "kernel over input and state, transposed", (_ALL_GATES, Extent("dh"))
    ROW_GATE_KERNEL = "kernel of one gate, transposed", (_M, _D)
    ROW_GATE_RECURRENT_KERNEL = "recurrent kernel of one gate, transposed", (_M, _H)
    PROJECTION_BIAS = "bias of the projection", (_P,)
    NORMALIZATION = "layer normalization", (_M,)
    NORMALIZATION_OF_ALL = "layer normalization of all gates", (_ALL_GATES,)

    def __repr__(self) -> str:
        return f"Role.{self.name}"

    __hash__ = object.__hash__  # there is one of each; by its name, as in any enum, it takes seven times as long

    def __init__(self, word: str, extents: tuple[Extent, ...]) -> None:
        self.word = word
        self.extents = extents

    # Cached: models have many layers, but few of different sizes.
    @lru_cache(maxsize=1024)
    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """Return the shape that an array of this role has in an LSTM of these sizes."""
        return tuple([extent.length(sizes) for extent in self.extents])

    @property
    def letters(self) -> str:
        """That shape in letters: `(d+h, 4·m)`."""
        inside = ", ".join(extent.letters() for extent in self.extents)
        return f"({inside},)" if len(self.extents) == 1 else f"({inside})"

    @lru_cache(maxsize=1024)
    def formula(self, sizes: Sizes) -> str:
        """Return the reason for that shape: `(12+64)×4·64`."""
        return "×".join([extent.text(sizes) for extent in self.extents])


@lru_cache(maxsize=1024)
def count_formula(sizes: Sizes, *, biases: int, vectors: int, projection: bool, projection_bias: bool = False) -> str:
    """Return the closed form of the parameter count of an LSTM: `4·((12+64)·64 + 64)`.

    Args:
        sizes: The sizes of the layer.
        biases: How many biases a unit has per gate: 0, 1, or 2 in the layouts of CuDNN and PyTorch.
        vectors: How many vectors of length m come on top: three with peepholes, more with layer normalization.
        projection: Whether there is one, which adds m·p.
        projection_bias: Whether the projected output has a bias, which adds p.
    """
    d, m, h, p = sizes
    bias = f" + {biases}·{m}" if biases > 1 else f" + {m}" if biases else ""
    text = f"4·(({d}+{h})·{m}{bias})" if bias else f"4·({d}+{h})·{m}"
    text += f" + {vectors}·{m}" if vectors else ""
    text += f" + {m}·{p}" if projection else ""
    return text + (f" + {p}" if projection_bias else "")
