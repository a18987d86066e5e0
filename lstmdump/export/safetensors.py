"""Write `.safetensors` files: a header in JSON, then the bytes of all arrays, complete or absent.

The format is 8 bytes of length, JSON, and numbers, so that it is written here: the package `safetensors` takes whole
arrays in memory, and 64 ms to import with numpy. Source: the format's specification, `huggingface/safetensors`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from lstmdump.errors import OutputUnwritable
from lstmdump.export.atomic import whole_file
from lstmdump.export.chunks import ArrayOutput, pieces

_TYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int8": "I8", "uint8": "U8", "int16": "I16",
          "uint16": "U16", "int32": "I32", "uint32": "U32", "int64": "I64", "uint64": "U64",
          "bool": "BOOL"}  # fmt: skip
_ALIGNMENT = 8  # bytes; so that the numbers of a mapped file are aligned
_LONGEST_HEADER = 100_000_000  # bytes; the library reads no longer one


def write(
    path: str | os.PathLike[str], texts: Mapping[str, str], arrays: Sequence[ArrayOutput], *, overwrite: bool
) -> int:
    """Write `arrays` by their names, and `texts` as metadata, to `path`, and return the bytes written.

    Raises:
        DoesNotFit: A number is too large for the type to write.
        CorruptModel, UnreadableModel: The numbers cannot be read.
        OutputExists, OutputUnwritable: See `atomic.whole_file`.
    """
    starts, end = [], 0
    for array in arrays:
        starts.append(end)
        end += array.size
    head = _make_header(texts, arrays, starts)
    with whole_file(path, overwrite=overwrite) as file:
        file.write(head)
        places = [len(head) + start for start in starts]
        for index, piece in pieces(arrays):
            file.seek(places[index])
            file.write(piece)
            places[index] += len(piece)
        file.truncate(len(head) + end)
    return len(head) + end


def _make_header(texts: Mapping[str, str], arrays: Sequence[ArrayOutput], starts: Sequence[int]) -> bytes:
    """Return the length of the header and the header.

    Raises:
        OutputUnwritable: It would be longer than the format allows, or an array has a type that it lacks.
    """
    described: dict[str, object] = {"__metadata__": dict(texts)}
    for array, start in zip(arrays, starts, strict=True):
        if array.dtype not in _TYPES:
            raise OutputUnwritable(f"{array.name} is {array.dtype}, which .safetensors does not have; write .npz")
        offsets = [start, start + array.size]
        described[array.name] = {"dtype": _TYPES[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > _LONGEST_HEADER:
        raise OutputUnwritable(f"the header would have {len(text):,} bytes, more than .safetensors allows")
    return len(text).to_bytes(8, "little") + text
