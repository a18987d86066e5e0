"""Recurrent layers that are not LSTMs, recognised by the names and shapes of their arrays where no class is stated.

With u units, an input of width d and g gates, three in a GRU and one in a SimpleRNN:

===========================  ==================================================================
Keras 2 and 3                `kernel` (d, g·u), `recurrent_kernel` (u, g·u)
the same of images           `kernel` (…, d, 4·u), `recurrent_kernel` (…, u, 4·u): a ConvLSTM
Keras 0 and 1                `W_z` (d, u), `U_z` (u, u), `b_z` (u,) and so on, in this order; or `W`, `U`, `b`
GRUCell of TensorFlow 1      `gates/kernel` (d+u, 2·u), `candidate/kernel` (d+u, u)
PyTorch                      `weight_ih_l0` (g·u, d), `weight_hh_l0` (g·u, u): a GRU, or an RNN
===========================  ==================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer

_BY_GATES = {1: "SimpleRNN", 3: "GRU"}
_BY_GATES_IN_PYTORCH = {1: "RNN", 3: "GRU"}
_OF_PYTORCH = re.compile(r"weight_hh(_l\d{1,6}(?:_reverse)?)?")
_OF_GATE = re.compile(r"(?:^|_)(?:[WUb](?:_[zrh])?|param_\d{1,4})$")
_IN_GROUP = 3
_KERNEL = re.compile(r"(?i)kernel|weights|matrix")
_TWO_GATES = 2


def recognise(layer: Layer) -> str | None:
    """Return the class whose arrays `layer` holds, or None; an LSTM is not among them."""
    shapes = {leaf: tensor.shape for leaf, tensor in layer.weights.items()}
    if "recurrent_kernel" in shapes:
        return _recognise_kernels(shapes.get("kernel", ()), shapes["recurrent_kernel"])
    if (recurrent := next(filter(None, map(_OF_PYTORCH.fullmatch, shapes)), None)) is not None:
        return _recognise_rows(shapes.get(f"weight_ih{recurrent[1] or ''}", ()), shapes[recurrent[0]])
    groups = _count_groups([shape for leaf, shape in shapes.items() if _OF_GATE.search(leaf)])
    if groups is not None and len(shapes) == _IN_GROUP * groups:
        return _BY_GATES.get(groups)
    return "GRUCell" if _is_gru_cell(layer.children) else None


def _recognise_kernels(kernel: tuple[int, ...], recurrent: tuple[int, ...]) -> str | None:
    """Return the class with these two kernels, whose last dimensions count the gates."""
    dimensions, columns = len(kernel), kernel[-1:]
    if dimensions < 2 or len(recurrent) != dimensions or recurrent[-1:] != columns or not recurrent[-2]:
        return None
    gates, rest = divmod(columns[0], recurrent[-2])
    if rest:
        return None
    if dimensions == 2:
        return _BY_GATES.get(gates)
    return f"ConvLSTM{dimensions - 2}D" if gates == 4 and dimensions <= 5 else None


def _recognise_rows(kernel: tuple[int, ...], recurrent: tuple[int, ...]) -> str | None:
    """Return the class with these two kernels of PyTorch, whose rows count the gates."""
    if len(kernel) != 2 or len(recurrent) != 2 or kernel[0] != recurrent[0] or not recurrent[1]:
        return None
    gates, rest = divmod(recurrent[0], recurrent[1])
    return None if rest else _BY_GATES_IN_PYTORCH.get(gates)


def _count_groups(shapes: Sequence[tuple[int, ...]]) -> int | None:
    """Return how many times `shapes` are those of a kernel (d, u), a recurrent kernel (u, u) and a bias (u,)."""
    kernel, *_ = shapes or [()]
    if len(kernel) != 2:
        return None
    units = kernel[1]
    groups = len(shapes) // _IN_GROUP
    return groups if list(shapes) == [kernel, (units, units), (units,)] * groups else None


def _is_gru_cell(parts: Mapping[str, Layer]) -> bool:
    """Return whether `parts` are the gates and the candidate of a GRUCell, in any generation of names."""
    named = {name.lower(): part for name, part in parts.items()}
    gates, candidate = _find_kernel(named.get("gates")), _find_kernel(named.get("candidate"))
    if gates is None or candidate is None or len(gates.shape) != 2 or len(candidate.shape) != 2:
        return False
    rows, units = candidate.shape
    return gates.shape == (rows, _TWO_GATES * units) and rows > units > 0


def _find_kernel(part: Layer | None) -> Tensor | None:
    """Return the kernel of a part of a cell, which TensorFlow 0.12 puts into a scope `Linear`."""
    if part is None:
        return None
    layers = [part, *(layer for name, layer in part.children.items() if name.lower() == "linear")]
    kernels = [tensor for one in layers for leaf, tensor in one.weights.items() if _KERNEL.fullmatch(leaf)]
    return kernels[0] if len(kernels) == 1 else None
