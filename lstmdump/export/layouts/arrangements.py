"""The names, shapes and orders of arrays in each target that takes arrays. Measured by running each with such arrays.

=====================  =======  ===========================================  =========================================
target                 gates    kernels                                      bias
=====================  =======  ===========================================  =========================================
Keras 2, 3             i f c o  (d, 4m), (m, 4m)                             (4m,)
PyTorch                i f c o  (4m, d), (4m, h); projection (p, m)          (4m,) and a second one that adds nothing
ONNX                   i o f c  (dirs, 4m, d), (dirs, 4m, m)                 (dirs, 8m): ours, and one that adds nothing
OpenVINO               f i c o  (dirs, 4m, d), (dirs, 4m, m)                 (dirs, 4m)
Flax                   each     (d, m) and (m, m) a gate                     (m,) a gate, beside the recurrent kernel
=====================  =======  ===========================================  =========================================

Measured with Keras 3.15, PyTorch 2.13, onnxruntime 1.32, OpenVINO 2026.4 and Flax 0.12: outputs within 2e-7 of Keras.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lstmdump.export.layouts import arrays
from lstmdump.export.layouts.modules import LayerModule
from lstmdump.model.tensor import Tensor

ONNX_ORDER = "iofc"
_ONNX_PEEPHOLES = "iof"
_OPENVINO_ORDER = "fico"
_KERAS_ORDER = _PYTORCH_ORDER = "ifco"
_FLAX_LETTERS = {"i": "i", "f": "f", "c": "g", "o": "o"}


class TargetArray(NamedTuple):
    """An array of a target.

    Attributes:
        name: its name in the target.
        tensor: the numbers, row by row.
        shape: its shape, if it is not that of the tensor.
    """

    name: str
    tensor: Tensor
    shape: tuple[int, ...]


def keras(module: LayerModule) -> Iterator[TargetArray]:
    """Yield the arrays that `set_weights` of an LSTM layer of Keras takes, in its order."""
    lstm = module.first
    yield _name(module, "kernel", arrays.in_columns(lstm.name, lstm, _KERAS_ORDER, arrays.take_kernel))
    yield _name(
        module, "recurrent_kernel", arrays.in_columns(lstm.name, lstm, _KERAS_ORDER, arrays.take_recurrent_kernel)
    )
    if arrays.has_bias(lstm):
        yield _name(module, "bias", arrays.biases(lstm.name, [lstm], _KERAS_ORDER))


def pytorch(module: LayerModule) -> Iterator[TargetArray]:
    """Yield the entries of the state dict of `torch.nn.LSTM`."""
    start = f"{module.name.replace('/', '.')}." if module.name else ""
    for layer, direction in zip(module.layers, ("", "_reverse"), strict=False):
        lstm, end = layer.lstm, f"{module.suffix or 'l0'}{direction}"
        yield _plain(f"{start}weight_ih_{end}", arrays.in_rows(lstm.name, [lstm], _PYTORCH_ORDER, arrays.take_kernel))
        yield _plain(
            f"{start}weight_hh_{end}", arrays.in_rows(lstm.name, [lstm], _PYTORCH_ORDER, arrays.take_recurrent_kernel)
        )
        if arrays.has_bias(lstm):
            yield _plain(f"{start}bias_ih_{end}", arrays.biases(lstm.name, [lstm], _PYTORCH_ORDER))
            yield _plain(f"{start}bias_hh_{end}", arrays.nothing_added(lstm))
        if lstm.projection_kernel is not None:
            yield _plain(f"{start}weight_hr_{end}", arrays.transposed(lstm.name, lstm.projection_kernel))


def onnx(module: LayerModule) -> Iterator[TargetArray]:
    """Yield the inputs W, R, B and P of ONNX's operator LSTM."""
    lstms = [layer.lstm for layer in module.layers]
    first, many, rows = module.first, len(lstms), 4 * module.first.units
    yield from _list_kernels(module, ONNX_ORDER)
    if any(map(arrays.has_bias, lstms)):
        yield _name(module, "B", arrays.biases(first.name, lstms, ONNX_ORDER, twice=True), (many, 2 * rows))
    if first.peepholes:
        shape = (many, len(_ONNX_PEEPHOLES) * first.units)
        yield _name(module, "P", arrays.peepholes(first.name, lstms, _ONNX_PEEPHOLES), shape)


def _list_kernels(module: LayerModule, order: str) -> Iterator[TargetArray]:
    """Yield W (dirs, 4m, d) and R (dirs, 4m, h), with the gates in `order`."""
    lstms, first = [layer.lstm for layer in module.layers], module.first
    for name, take, columns in (
        ("W", arrays.take_kernel, first.input_dim),
        ("R", arrays.take_recurrent_kernel, first.sizes.h),
    ):
        shape = (len(lstms), 4 * first.units, columns)
        yield _name(module, name, arrays.in_rows(first.name, lstms, order, take), shape)


def openvino(module: LayerModule) -> Iterator[TargetArray]:
    """Yield the inputs W, R and B of OpenVINO's LSTMSequence, which needs a bias."""
    lstms = [layer.lstm for layer in module.layers]
    first, many, rows = module.first, len(lstms), 4 * module.first.units
    yield from _list_kernels(module, _OPENVINO_ORDER)
    yield _name(module, "B", arrays.biases(first.name, lstms, _OPENVINO_ORDER), (many, rows))


def flax(module: LayerModule) -> Iterator[TargetArray]:
    """Yield the parameters of Flax's `linen.LSTMCell`, with slashes for the levels of the tree."""
    yield from _flax(module, "if")


def flax_nnx(module: LayerModule) -> Iterator[TargetArray]:
    """Yield the parameters of Flax's `nnx.LSTMCell`, where Python's keyword `if` is called `if_`."""
    yield from _flax(module, "if_")


def _flax(module: LayerModule, input_forget: str) -> Iterator[TargetArray]:
    lstm = module.first
    for gate, letter in _FLAX_LETTERS.items():
        dense = input_forget if gate == "f" else f"i{letter}"
        yield _name(module, f"{dense}/kernel", arrays.take_kernel(lstm, gate))
    for gate, letter in _FLAX_LETTERS.items():
        yield _name(module, f"h{letter}/kernel", arrays.take_recurrent_kernel(lstm, gate))
        yield _name(module, f"h{letter}/bias", arrays.bias(lstm.name, lstm, gate))


def _name(module: LayerModule, leaf: str, tensor: Tensor, shape: tuple[int, ...] | None = None) -> TargetArray:
    name = f"{module.name}/{leaf}" if module.name else leaf
    return TargetArray(name, tensor, tensor.shape if shape is None else shape)


def _plain(name: str, tensor: Tensor) -> TargetArray:
    return TargetArray(name, tensor, tensor.shape)
