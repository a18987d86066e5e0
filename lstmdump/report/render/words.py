"""Numbers and shapes as people write them."""

from __future__ import annotations


def count(number: int) -> str:
    """NUMBER with thousands separators: 19,712."""
    return f"{number:,}"


def plural(number: int, word: str) -> str:
    """NUMBER and WORD: `1 layer`, `2 layers`."""
    return f"{count(number)} {word}" + ("" if number == 1 else "s")


def no_match(layer_glob: str | None, found: int) -> str:
    """That no layer of a model with FOUND LSTM layers has a name that LAYER_GLOB stands for."""
    return f"no layer matches {layer_glob}; it has {plural(found, 'LSTM layer')}"


def shape_with_reason(shape: tuple[int, ...], formula: str) -> str:
    """A shape and why: `(76, 256) = (12+64)×4·64`."""
    return f"{shape} = {formula}"
