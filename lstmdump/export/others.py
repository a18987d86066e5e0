"""The arrays of a model that are not those of its LSTM layers, so that a whole model can be moved: `export --all`.

They are written as they are stored, under the names of their layers. For PyTorch, arrays that Keras names are turned
into those of the module that does the same: the kernel of a Dense (d, m) is the weight (m, d) of a `Linear`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from lstmdump.export import npy
from lstmdump.export.chunks import ArrayOutput
from lstmdump.export.layouts.arrays import stored_type, transposed
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.escape import key
from lstmdump.model.sentences import listed
from lstmdump.model.tensor import Array, Tensor, derived
from lstmdump.model.tree import Layer

_PYTORCH = "pytorch"
_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
_RENAMED = {"embeddings": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
            "moving_variance": "running_var"}  # fmt: skip
"""What PyTorch calls arrays of Embedding, LayerNormalization and BatchNormalization in Keras; the shapes are alike."""

_RECURRENT = "recurrent_kernel"


class OtherArrays(NamedTuple):
    """The other arrays of a model, and what is said of those that cannot be written."""

    outputs: tuple[ArrayOutput, ...]
    cautions: tuple[str, ...]


NOTHING = OtherArrays((), ())


def plan(opened: LoadedModel, layout: str, dtype: str) -> OtherArrays:
    """Return all arrays of `opened` that are not those of LSTM layers.

    Args:
        opened: the model.
        layout: the word of the layout.
        dtype: the type of floating-point numbers to write; `keep` for that of the stored arrays.
    """
    inside = {weight.tensor.name for lstm in opened.lstms for weight in lstm.weights}
    outputs, left_out = [], []
    for layer in opened.model.layers():
        for leaf, tensor in layer.weights.items():
            if tensor.name in inside:
                continue
            if npy.item_size(stored_type(tensor)) is None:
                left_out.append(f"{tensor.name} ({tensor.dtype})")
                continue
            outputs.append(_plan_array(layer, leaf, tensor, layout, dtype))
    words = (f"not written, as they are not numbers: {listed(left_out)}",) if left_out else ()
    return OtherArrays(tuple(outputs), words)


def _plan_array(layer: Layer, leaf: str, tensor: Tensor, layout: str, dtype: str) -> ArrayOutput:
    stored = stored_type(tensor)
    written = dtype if dtype != "keep" and stored in _FLOATS else stored
    if layout == _PYTORCH:
        name, turned = _turn_for_pytorch(layer, leaf, tensor)
        start = f"{layer.name.replace('/', '.')}." if layer.name else ""
        return ArrayOutput(key(start + name), turned, written)
    return ArrayOutput(key(f"{layer.name}/{leaf}" if layer.name else leaf), tensor, written)


def _turn_for_pytorch(layer: Layer, leaf: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Return the name and the array that PyTorch has for an array that Keras names; others stay as they are."""
    if _RECURRENT in layer.weights:  # another recurrent layer, whose gates have an order of their own
        return leaf, tensor
    turn = _TURNS.get(len(tensor.shape)) if leaf == "kernel" else None
    return ("weight", turn(tensor)) if turn is not None else (_RENAMED.get(leaf, leaf), tensor)


def _transpose(tensor: Tensor) -> Tensor:
    return transposed(tensor.name, tensor)


def _reverse_axes(tensor: Tensor) -> Tensor:
    """Return the kernel of a one-dimensional convolution, (k, d, m) in Keras, as (m, d, k)."""

    def read(first: int, last: int) -> Array:
        turned: Array = tensor.part(slice(None), slice(None), slice(first, last)).read().transpose(2, 1, 0)
        return turned

    return derived(tensor.name, tuple(reversed(tensor.shape)), stored_type(tensor), read)


_TURNS: Mapping[int, Callable[[Tensor], Tensor]] = {2: _transpose, 3: _reverse_axes}
"""By the number of its axes, what makes PyTorch's weight of a kernel: of a Dense, or of a Conv1D."""


def list_groups(others: OtherArrays) -> Iterator[list[ArrayOutput]]:
    """Yield each array in a group of its own, as it shares no stored array with others."""
    yield from ([output] for output in others.outputs)
