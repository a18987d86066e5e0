"""The head of a page: the layer that is drawn and, where the numbers alone would mislead, what is not in them."""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.report.plot.arrays import LayerDescription


def write(layer: LayerDescription, *, with_model: bool, has_biases: bool = True) -> Iterator[str]:
    """Yield the lines of the head, of which the first is the name of the layer.

    Args:
        layer: The layer.
        with_model: Whether to name the model, too.
        has_biases: Whether the biases are drawn.
    """
    yield layer.name
    if with_model:
        yield layer.model
    about = f"{layer.kind} · {count(layer.input_dim, 'input')}, {count(layer.units, 'unit')}"
    yield about if layer.projection is None else f"{about}, projected to {count(layer.projection, 'output')}"
    if "f" not in layer.gates or not has_biases:
        return
    if layer.forget_bias is None:
        yield "b_f as stored; the forget bias added at run time is not in the file"
    elif layer.forget_bias:
        yield f"b_f as stored; the cell adds {layer.forget_bias:g} at run time"


def count(number: int, noun: str) -> str:
    """Return a number of things in words, such as `1 unit` and `1,024 units`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
