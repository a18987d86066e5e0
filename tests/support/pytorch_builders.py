"""Builders of files as PyTorch writes them, without PyTorch: pickles opcode by opcode, zip archives and safetensors."""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from support import builders

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."  # 1001
KINDS = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long"}
CODES = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}


class Name(NamedTuple):
    """A class or function: its module and its name."""

    module: str
    name: str


class Call(NamedTuple):
    """A call of a function."""

    function: Any
    args: tuple[Any, ...] = ()


class New(NamedTuple):
    """An object of a class, with its state."""

    kind: Any
    state: Any = None


class Persistent(NamedTuple):
    """Data outside of the pickle, by its id."""

    identifier: Any


class Raw(NamedTuple):
    """Opcodes as they are."""

    opcodes: bytes


class Stored(NamedTuple):
    """An array that is a view of a storage: its key, type and number of elements; None for as many as the view needs."""

    key: str
    shape: Sequence[Any]
    strides: Sequence[Any] | None = None
    start: Any = 0
    dtype: str = "float32"
    numel: Any = None


ORDERED = Call(Name("collections", "OrderedDict"))


def opcodes(value: Any) -> bytes:
    """Return the opcodes of protocol 2 that push `value`."""
    simple = {None: b"N", True: b"\x88", False: b"\x89"}
    if value is None or isinstance(value, bool):
        return simple[value]
    if isinstance(value, int):
        length = value.bit_length() // 8 + 1
        return (
            b"K%c" % value if 0 <= value < 256 else b"\x8a%c" % length + value.to_bytes(length, "little", signed=True)
        )
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    return _of_collection(value)


def _of_collection(value: Any) -> bytes:
    match value:
        case Raw(made):
            return made
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(function, args):
            return opcodes(function) + opcodes(tuple(args)) + b"R"
        case New(kind, state):
            return opcodes(kind) + b")\x81" + (b"" if state is None else opcodes(state) + b"b")
        case Persistent(identifier):
            return opcodes(identifier) + b"Q"
        case Stored():
            return opcodes(_rebuilt(value))
    items = [one for pair in value.items() for one in pair] if isinstance(value, dict) else value
    start, end = {dict: (b"}(", b"u"), list: (b"](", b"e")}.get(type(value), (b"(", b"t"))
    return start + b"".join(map(opcodes, items)) + end


def _rebuilt(stored: Stored) -> Call:
    shape = tuple(stored.shape)
    strides = (
        tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
        if stored.strides is None
        else stored.strides
    )
    numel = int(np.prod(shape)) if stored.numel is None else stored.numel
    kind = Name("torch", f"{KINDS[stored.dtype]}Storage")
    storage = Persistent(("storage", kind, stored.key, "cpu", numel))
    return Call(
        Name("torch._utils", "_rebuild_tensor_v2"), (storage, stored.start, shape, tuple(strides), False, ORDERED)
    )


def pickled(value: Any) -> bytes:
    """Return the pickle of `value`."""
    return b"\x80\x02" + opcodes(value) + b"."


def bytes_of(values: np.ndarray, dtype: str = "float32", order: str = "<") -> bytes:
    """Return the numbers row by row; bfloat16 is the upper half of float32."""
    if dtype == "bfloat16":
        return (np.ascontiguousarray(values, "<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return np.ascontiguousarray(values, np.dtype(dtype).newbyteorder(order)).tobytes()  # type: ignore[call-overload]


def write_archive(
    path: Path, value: Any, storages: Mapping[str, bytes] | None = None, *, folder: str = "model",
    byteorder: str | None = "little", others: Mapping[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED,
) -> Path:  # fmt: skip
    """Write the zip archive of `torch.save`; `value` is a value, or the bytes of a pickle."""
    members = {"data.pkl": value if isinstance(value, bytes) else pickled(value)}
    members |= {"byteorder": byteorder.encode()} if byteorder is not None else {}
    members |= (
        {f"data/{key}": data for key, data in (storages or {}).items()} | {"version": b"3\n"} | dict(others or {})
    )
    return builders.zipped(path, {f"{folder}/{name}": data for name, data in members.items()}, compression)


def write_legacy(
    path: Path, value: Any, storages: Mapping[str, tuple[int, bytes]] | None = None, *, little: bool = True
) -> Path:
    """Write the five pickles of old releases; a storage is its number of elements and its bytes."""
    kept = storages or {}
    machine = {"protocol_version": 1001, "little_endian": little, "type_sizes": {}}
    data = value if isinstance(value, bytes) else pickled(value)
    stored = b"".join(struct.pack("<q", count) + content for count, content in kept.values())
    path.write_bytes(MAGIC + PROTOCOL + pickled(machine) + data + pickled(list(kept)) + stored)
    return path


def write_safetensors(
    path: Path, arrays: Mapping[str, np.ndarray], *, dtype: str = "float32", metadata: Any = None
) -> Path:
    """Write a safetensors file of `arrays`."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    body = b""
    for name, values in arrays.items():
        data = bytes_of(values, dtype)
        header[name] = {
            "dtype": CODES[dtype],
            "shape": list(values.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    return write_header(path, json.dumps(header).encode(), body)


def write_header(path: Path, header: bytes, body: bytes = b"") -> Path:
    """Write a safetensors file of a text and the bytes behind it."""
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    return path


def lstm(d: int = 3, m: int = 4, seed: int = 0, *, number: str = "_l0", prefix: str = "") -> dict[str, np.ndarray]:
    """Return the arrays of an LSTM whose gates are those of `builders.gates`, and whose second bias is 0."""
    made = builders.gates(d, m, seed)
    rows = {array: np.concatenate([made[f"{array}_{gate}"].T for gate in "ifco"]) for array in "WUb"}
    return {
        f"{prefix}weight_ih{number}": rows["W"],
        f"{prefix}weight_hh{number}": rows["U"],
        f"{prefix}bias_ih{number}": rows["b"],
        f"{prefix}bias_hh{number}": np.zeros(4 * m, np.float32),
    }


def state_dict(arrays: Mapping[str, np.ndarray], dtype: str = "float32") -> tuple[dict[str, Stored], dict[str, bytes]]:
    """Return a state dict of `arrays`, and the storages of its arrays."""
    places = {name: str(number) for number, name in enumerate(arrays)}
    made = {name: Stored(places[name], values.shape, dtype=dtype) for name, values in arrays.items()}
    return made, {places[name]: bytes_of(values, dtype) for name, values in arrays.items()}


class _Memo:
    """Puts values in the memo one after the other, in as few bytes as they fit in."""

    def __init__(self) -> None:
        self._count = 0

    def put(self, opcodes: bytes) -> bytes:
        number, self._count = self._count, self._count + 1
        return opcodes + (b"q%c" % number if number < 256 else b"r" + struct.pack("<I", number))


_TUPLES = {1: b"\x85", 2: b"\x86", 3: b"\x87"}
"""The opcodes that make a tuple of the last values, by their number."""


def memoized(arrays: Mapping[str, Stored]) -> bytes:
    """Return the pickle of a state dict, in which every value is put in the memo, as `torch.save` does."""
    memo = _Memo()
    names = [opcodes(Name("torch._utils", "_rebuild_tensor_v2")), opcodes("storage"),
             opcodes(Name("torch", "FloatStorage")), opcodes("cpu"), opcodes(ORDERED.function)]  # fmt: skip
    data = b"\x80\x02" + b"".join(memo.put(name) + b"0" for name in names) + memo.put(b"}") + b"("
    for name, array in arrays.items():
        steps = [math.prod(array.shape[axis:]) for axis in range(len(array.shape) + 1)]
        numbers = [b"".join(map(opcodes, several)) + _TUPLES[len(several)] for several in (array.shape, steps[1:])]
        data += memo.put(opcodes(name)) + b"h\0((h\1h\2" + memo.put(opcodes(array.key)) + b"h\3"
        data += memo.put(opcodes(steps[0]) + b"t") + b"QK\0" + b"".join(map(memo.put, numbers))
        data += b"\x89" + memo.put(b"h\4)R") + memo.put(b"t") + memo.put(b"R")
    return data + b"u."
