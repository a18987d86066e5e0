"""Write `.onnx` files: a graph of one LSTM node for each module, whose weights are initializers.

Written here because the package `onnx` takes whole arrays in memory, a message of 2 GiB at most twice, and 27 MB on the
disk. Each node has inputs and outputs of its own in the graph: `<layer>/X` (T, B, d), `<layer>/Y` (T, dirs, B, m),
`<layer>/Y_h` and `<layer>/Y_c` (dirs, B, m). Source: `onnx.proto3`, the operator LSTM-14, onnxruntime 1.32.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence

from lstmdump.errors import OutputUnwritable
from lstmdump.export.atomic import whole_file
from lstmdump.export.chunks import ArrayOutput, pieces
from lstmdump.export.layouts.modules import Computed, LayerModule

_OPSET = 14
_IR_VERSION = 7  # that of ONNX 1.10, which has this opset
_TYPES = {"float32": 1, "float16": 10, "float64": 11}
_INT, _STRING, _FLOATS, _STRINGS = 2, 3, 6, 8  # AttributeProto.AttributeType
_LARGEST = 2**31 - 1  # bytes of a protocol buffer
_ACTIVATIONS: dict[str, tuple[str, tuple[float, ...], tuple[float, ...]]] = {
    "tanh": ("Tanh", (), ()), "sigmoid": ("Sigmoid", (), ()), "relu": ("Relu", (), ()),
    "softsign": ("Softsign", (), ()), "softplus": ("Softplus", (), ()), "elu": ("Elu", (1.0,), ()),
    "linear": ("Affine", (1.0,), (0.0,)), "hard_sigmoid(0.2x+0.5)": ("HardSigmoid", (0.2,), (0.5,)),
    "hard_sigmoid(x/6+0.5)": ("HardSigmoid", (1 / 6,), (0.5,)),
}  # fmt: skip
"""By our word for an activation, ONNX's name of it, its alpha and its beta."""


def write(
    path: str | os.PathLike[str],
    text: str,
    modules: Sequence[LayerModule],
    arrays: Sequence[ArrayOutput],
    *,
    overwrite: bool,
) -> int:
    """Write a graph of `modules` to `path`, and return the bytes written.

    Args:
        path: the file.
        text: the record of the model, which becomes metadata.
        modules: the modules.
        arrays: their arrays W, R, B and P, whose names begin with those of the modules.
        overwrite: whether to replace an existing file.

    Raises:
        DoesNotFit: A number is too large for the type to write.
        CorruptModel, UnreadableModel: The numbers cannot be read.
        OutputExists, OutputUnwritable: See `atomic.whole_file`; or the file would be too large for a protocol buffer.
    """
    heads = [_begin_initializer(array) for array in arrays]
    around = b"".join(_describe_module(module, arrays) for module in modules) + _bytes(2, b"lstmdump")
    size = len(around) + sum(len(head) + array.size for head, array in zip(heads, arrays, strict=True))
    head = _head(text) + _varint(7 << 3 | 2) + _varint(size) + around
    if len(head) + size > _LARGEST:
        raise OutputUnwritable(f"the graph would have {size:,} bytes, and .onnx holds 2 GiB; write .npz instead")
    places = []
    with whole_file(path, overwrite=overwrite) as file:
        file.write(head)
        for initializer, array in zip(heads, arrays, strict=True):
            file.write(initializer)
            places.append(file.tell())
            file.seek(array.size, os.SEEK_CUR)
        end = file.tell()
        for index, piece in pieces(arrays):
            file.seek(places[index])
            file.write(piece)
            places[index] += len(piece)
        file.truncate(end)
    return end


def _head(text: str) -> bytes:
    """Return the fields of the model before its graph."""
    metadata = _bytes(1, b"lstmdump") + _bytes(2, text.encode("utf-8", "surrogateescape"))
    opset = _bytes(1, b"") + _number(2, _OPSET)
    return _number(1, _IR_VERSION) + _bytes(2, b"lstmdump") + _bytes(8, opset) + _bytes(14, metadata)


def _describe_module(module: LayerModule, arrays: Sequence[ArrayOutput]) -> bytes:
    """Return the node of a module, and the inputs and outputs of the graph that belong to it."""
    names = {array.name for array in arrays}
    lstm, directions = module.first, len(module.layers)
    kind = next(_TYPES[array.dtype] for array in arrays if array.name == f"{module.name}/W")

    def name(leaf: str) -> str:
        return f"{module.name}/{leaf}" if f"{module.name}/{leaf}" in names else ""

    inputs = [f"{module.name}/X", name("W"), name("R"), name("B"), "", "", "", name("P")]
    while not inputs[-1]:
        inputs.pop()
    outputs = [f"{module.name}/{leaf}" for leaf in ("Y", "Y_h", "Y_c")]
    node = b"".join(_bytes(1, _text(one)) for one in inputs) + b"".join(_bytes(2, _text(one)) for one in outputs)
    node += _bytes(3, _text(module.name)) + _bytes(4, b"LSTM")
    node += b"".join(_bytes(5, attribute) for attribute in _list_attributes(module))
    last: list[int | str] = [directions, "batch", lstm.units]
    return (
        _bytes(1, node)
        + _bytes(11, _value(inputs[0], kind, ["time", "batch", lstm.input_dim]))
        + _bytes(12, _value(outputs[0], kind, ["time", *last]))
        + b"".join(_bytes(12, _value(output, kind, last)) for output in outputs[1:])
    )


def _list_attributes(module: LayerModule) -> Iterator[bytes]:
    yield _attribute("hidden_size", _INT, _number(3, module.first.units))
    yield _attribute("direction", _STRING, _bytes(4, _find_direction(module).encode()))
    chosen = [_ACTIVATIONS[word] for layer in module.layers for word in _order_activations(layer)]
    if any(not layer.is_plain for layer in module.layers):
        yield _attribute("activations", _STRINGS, b"".join(_bytes(9, name.encode()) for name, _, _ in chosen))
        yield from _list_numbers("activation_alpha", [number for _, alpha, _ in chosen for number in alpha])
        yield from _list_numbers("activation_beta", [number for _, _, beta in chosen for number in beta])


def _list_numbers(name: str, numbers: Sequence[float]) -> Iterator[bytes]:
    if numbers:
        yield _attribute(name, _FLOATS, _bytes(7, b"".join(struct.pack("<f", number) for number in numbers)))


def _order_activations(layer: Computed) -> tuple[str, str, str]:
    """Return the activations in ONNX's order: of the gates, of the candidate, and of the cell state."""
    activation, gates = layer.activations
    return gates, activation, activation


def _find_direction(module: LayerModule) -> str:
    if module.is_bidirectional:
        return "bidirectional"
    found = module.layers[0].behaviour
    return "reverse" if found is not None and found.go_backwards else "forward"


def _begin_initializer(array: ArrayOutput) -> bytes:
    """Return the beginning of an initializer, up to its numbers."""
    if array.dtype not in _TYPES:
        raise OutputUnwritable(f"{array.name} is {array.dtype}, which ONNX's LSTM does not take; give --dtype float32")
    head = b"".join(_number(1, length) for length in array.shape) + _number(2, _TYPES[array.dtype])
    head += _bytes(8, _text(array.name)) + _varint(9 << 3 | 2) + _varint(array.size)
    return _varint(5 << 3 | 2) + _varint(len(head) + array.size) + head


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """Return the description of an input or output of the graph."""
    dims = (_number(1, one) if isinstance(one, int) else _bytes(2, one.encode()) for one in shape)
    extents = b"".join(_bytes(1, dim) for dim in dims)
    return _bytes(1, _text(name)) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, extents)))


def _attribute(name: str, kind: int, value: bytes) -> bytes:
    return _bytes(1, name.encode()) + value + _number(20, kind)


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _bytes(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])
