"""Layers as texts: the JSON that RTNeural and lwtnn load, and a header for C.

Numbers are written with as many digits as their type needs, so that each is read back as the same number.
Sources: `RTNeural/model_loader.h`; `src/parse_json.cxx` and `converters/keras2json.py` of lwtnn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO

from lstmdump.errors import CannotExpress
from lstmdump.export.layouts import arrays
from lstmdump.export.layouts.modules import LayerModule
from lstmdump.lstm import LSTM
from lstmdump.lstm.cell import GATES
from lstmdump.model.tensor import Array, Tensor

_ORDER = "ifco"
_BAND = 1 << 16  # numbers that are in memory, and become text, at once
_C_TYPES = {"float16": "float", "float32": "float", "float64": "double"}

WriteText = Callable[[Sequence[LayerModule]], Iterator[str]]


def write(file: BinaryIO, pieces: Iterator[str]) -> None:
    """Write `pieces` of text to `file`."""
    file.writelines(piece.encode("utf-8") for piece in pieces)


def rtneural(modules: Sequence[LayerModule]) -> Iterator[str]:
    """Yield the JSON of a model of RTNeural: the layers one behind the other.

    Raises:
        CannotExpress: A layer does not take the output of the one before it, or holds a number that is not finite.
    """
    _require_chain(modules, "RTNeural")
    yield f'{{"in_shape": [null, null, {modules[0].first.input_dim}], "layers": ['
    for number, module in enumerate(modules):
        lstm = module.first
        yield f'{", " if number else ""}{{"type": "lstm", "activation": "", "shape": [null, null, {lstm.units}], '
        yield '"weights": ['
        yield from _nested(arrays.in_columns(lstm.name, lstm, _ORDER, arrays.take_kernel))
        yield ", "
        yield from _nested(arrays.in_columns(lstm.name, lstm, _ORDER, arrays.take_recurrent_kernel))
        yield ", "
        yield from _nested(arrays.biases(lstm.name, [lstm], _ORDER))
        yield "]}"
    yield "]}\n"


def lwtnn(modules: Sequence[LayerModule]) -> Iterator[str]:
    """Yield the JSON of a recurrent network of lwtnn: its inputs x0, x1, …, the layers, and its outputs h0, h1, ….

    Raises:
        CannotExpress: A layer does not take the output of the one before it, or holds a number that is not finite.
    """
    _require_chain(modules, "lwtnn")
    inputs = [{"name": f"x{number}", "offset": 0, "scale": 1} for number in range(modules[0].first.input_dim)]
    outputs = [f"h{number}" for number in range(modules[-1].first.units)]
    yield f'{{"defaults": {{}}, "inputs": {json.dumps(inputs)}, "outputs": {json.dumps(outputs)}, "layers": ['
    for number, module in enumerate(modules):
        activation, gates = module.layers[0].activations
        words = {"architecture": "lstm", "activation": activation, "inner_activation": gates.partition("(")[0]}
        yield (", " if number else "") + json.dumps(words)[:-1] + ', "components": {'
        yield from _lwtnn_components(module.first)
        yield "}}"
    yield "]}\n"


def _lwtnn_components(lstm: LSTM) -> Iterator[str]:
    for number, gate in enumerate(GATES):
        yield f'{", " if number else ""}"{gate}": {{"weights": '
        yield from _flat(arrays.transposed(lstm.name, lstm.gates[gate].W))
        yield ', "U": '
        yield from _flat(arrays.transposed(lstm.name, lstm.gates[gate].U))
        yield ', "bias": '
        yield from _flat(arrays.bias(lstm.name, lstm, gate))
        yield "}"


def c_header(modules: Sequence[LayerModule]) -> Iterator[str]:
    """Yield a header for C with the arrays of every gate, their sizes, and what the layer computes.

    Raises:
        CannotExpress: Two layers would get the same name, or a layer holds a number that is not finite.
    """
    names = {module.name: _name_in_c(module.name) for module in modules}
    if len(set(names.values())) < len(names):
        raise CannotExpress("two layers would have the same name in C; choose one with -l")
    yield "/* LSTM layers: for each gate g, z_g = x*W_g + h*U_g + b_g (x and h are rows), and\n"
    yield "   c = f*c + i*candidate, h = o*activation(c). Written by lstmdump. */\n"
    yield "#pragma once\n"
    for module in modules:
        yield from _describe_in_c(module, names[module.name])


def _describe_in_c(module: LayerModule, name: str) -> Iterator[str]:
    layer, lstm = module.layers[0], module.first
    activation, gates = layer.activations
    shown = json.dumps(module.name).replace("*/", "*\\/")  # which would end the comment
    yield f"\n/* {shown}: {activation}; {gates} for i, f and o"
    if layer.behaviour is not None and layer.behaviour.cell_clip is not None:
        yield f"; c is kept within -{layer.behaviour.cell_clip:g} and {layer.behaviour.cell_clip:g}"
    if layer.behaviour is not None and layer.behaviour.go_backwards:
        yield "; it takes the last step first"
    yield " */\n"
    yield f"#define {name}_INPUTS {lstm.input_dim}\n#define {name}_UNITS {lstm.units}\n"
    for gate in GATES:
        yield from _array_in_c(f"{name}_W_{gate}", lstm.gates[gate].W)
        yield from _array_in_c(f"{name}_U_{gate}", lstm.gates[gate].U)
        yield from _array_in_c(f"{name}_b_{gate}", arrays.bias(lstm.name, lstm, gate))
        if (peephole := lstm.gates[gate].V) is not None:
            yield from _array_in_c(f"{name}_V_{gate}", peephole)
    if lstm.projection_kernel is not None:
        yield from _array_in_c(f"{name}_P", lstm.projection_kernel)


def _array_in_c(name: str, tensor: Tensor) -> Iterator[str]:
    kind = _C_TYPES[arrays.stored_type(tensor)]
    lengths = "".join(f"[{length}]" for length in tensor.shape)
    yield f"static const {kind} {name}{lengths} = "
    suffix = "f" if kind == "float" else ""
    yield from _nested(tensor, "{", "}", lambda number: _in_c(number, suffix))
    yield ";\n"


def _in_c(number: str, suffix: str) -> str:
    return (number if "." in number or "e" in number else f"{number}.0") + suffix


def _name_in_c(name: str) -> str:
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"_{plain}" if plain[:1].isdigit() else plain


def _require_chain(modules: Sequence[LayerModule], label: str) -> None:
    if not modules:
        raise CannotExpress(f"a model of {label} needs a layer at least")
    for before, after in pairwise(modules):
        if after.first.input_dim != before.first.units:
            raise CannotExpress(
                f"{after.name} takes {after.first.input_dim} numbers, and {before.name} before it gives "
                f"{before.first.units}: {label} has one chain of layers; choose some with -l"
            )


def _flat(tensor: Tensor) -> Iterator[str]:
    """Yield all numbers of a matrix or a vector as one list, row by row."""
    yield "["
    for start, band in _bands(tensor):
        yield (", " if start else "") + ", ".join(_to_texts(band.reshape(-1), tensor.name))
    yield "]"


def _nested(
    tensor: Tensor, opening: str = "[", closing: str = "]", change: Callable[[str], str] = str
) -> Iterator[str]:
    """Yield a matrix as a list of its rows, or a vector as a list."""
    yield opening
    for start, band in _bands(tensor):
        numbers = [change(text) for text in _to_texts(band.reshape(-1), tensor.name)]
        yield ", " if start else ""
        if band.ndim == 1:
            yield ", ".join(numbers)
            continue
        length = band.shape[1]
        rows = (numbers[place : place + length] for place in range(0, len(numbers), length))
        yield ",\n".join(f"{opening}{', '.join(row)}{closing}" for row in rows)
    yield closing


def _bands(tensor: Tensor) -> Iterator[tuple[int, Array]]:
    """Yield the rows of `tensor`, some at a time, each with the number of its first row."""
    step = max(1, _BAND // max(1, tensor.shape[1] if len(tensor.shape) > 1 else 1))
    for start in range(0, tensor.shape[0], step):
        yield start, tensor.part(slice(start, start + step)).read()


def _to_texts(values: Array, name: str) -> list[str]:
    import numpy as np

    if not np.isfinite(values).all():
        raise CannotExpress(f"{name} holds numbers that are not finite, for which this layout has no words")
    return [str(value) for value in values]
