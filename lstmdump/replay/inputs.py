"""Read the arrays that the user gives: an input, a mask, first states. Each error is one line that names the file.

The headers are read here, because `numpy.load` allocates memory for what a header declares before it checks that the
file is that long, names no file in its errors, and accepts archives and pickles as arrays.
"""

from __future__ import annotations

import io
import math
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from lstmdump.errors import BadInput, ChangedFile
from lstmdump.model import locate
from lstmdump.model.opening import NotRegularError, WatchedFile, require_unchanged
from lstmdump.model.tensor import Array
from lstmdump.readers.detect import HDF5_SIGNATURE, PICKLES, ZIP_MAGIC

_BLOCK = 1 << 20  # numbers checked or converted at once
_MOST_NAMES = 8
_HEAD = 10_000  # bytes; numpy does not read a longer header
_NUMBERS = "biuf"
_OTHERS = {"c": "complex numbers", "S": "text", "U": "text", "V": "records", "m": "time spans", "M": "dates"}
_SAVED = "give the array as .npy, as numpy.save writes it"
_SAVED_STATES = "write one with numpy.savez('state.npz', h=h, c=c)"
_ARCHIVES = (ZIP_MAGIC, b"PK\x05\x06")  # the second is that of an archive without members
_DAMAGED = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class _ArrayHeader(NamedTuple):
    """The header of an array.

    Attributes:
        fortran: Whether the numbers are stored column by column.
        offset: The position of the first number, in bytes.
    """

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    fortran: bool
    offset: int

    @property
    def size(self) -> int:
        """The size of the numbers, in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def sequences(path: str, dtype: str) -> Array:
    """Read the input in the `.npy` file at `path`, as `dtype` and (batch, length, d).

    An array of (length, d) becomes a batch of one.

    Raises:
        BadInput: There is no such array, or it is empty, or holds NaN, infinity, or a number too large for `dtype`.
    """
    return as_sequences(values(path, dtype), path, dtype)


def values(path: str, dtype: str) -> Array:
    """Read the array in the `.npy` file at `path`, with at least one axis; floating-point numbers become `dtype`.

    Whole numbers, which may be the ids that an Embedding takes, keep their type.

    Raises:
        BadInput: There is no such array, or it is empty, or holds NaN, infinity, or a number too large for `dtype`.
    """
    with _open(path) as file:
        described = _read_header(file, path)
        if 0 in described.shape or not described.shape:
            raise BadInput(f"{path}: it is {described.shape}, which {'is empty' if described.shape else 'has no axis'}")
        _require_whole(file, described, path)
        if described.dtype.kind in "iu":
            return _read_values(file, described, path)
        return _read_finite(_read_blocks(file, described, path), described, np.dtype(dtype), path)


def from_memory(values: object, name: str, dtype: str) -> Array:
    """Return `values`, an array or what numpy makes one of, with at least one axis; reals become `dtype`.

    Whole numbers, which may be the ids that an Embedding takes, keep their type.

    Raises:
        BadInput: They are not real numbers, or empty, or NaN, infinite, or too large for `dtype`; the message calls
            them `name`.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise BadInput(f"{name}: numpy makes no array of it: {error}") from error
    if np.ma.is_masked(values):
        raise BadInput(f"{name}: it is a masked array, whose mask would be lost; give its numbers, as x.filled(0) does")
    _require_real(array.dtype, name)
    if 0 in array.shape or not array.shape:
        raise BadInput(f"{name}: it is {array.shape}, which {'is empty' if array.shape else 'has no axis'}")
    if array.dtype.kind in "iu":
        return np.ascontiguousarray(array)
    described = _ArrayHeader(array.dtype, array.shape, fortran=False, offset=0)
    return _read_finite(_cut_blocks(array), described, np.dtype(dtype), name)


def _require_real(dtype: np.dtype[np.generic], name: str) -> None:
    if dtype.hasobject:
        raise BadInput(f"{name}: it holds Python objects; convert them to numbers, as x.astype('float32') does")
    if dtype.kind not in _NUMBERS or dtype.subdtype is not None:
        raise BadInput(f"{name}: it holds {_OTHERS.get(dtype.kind, dtype.name)}, not real numbers")


def _cut_blocks(array: Array) -> Iterator[Array]:
    """Yield the numbers of `array` row by row, a block at a time."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return (flat[first : first + _BLOCK] for first in range(0, flat.size, _BLOCK))


def are_ids(array: Array) -> bool:
    """Return whether all numbers of `array` are whole and not negative."""
    return bool((array >= 0).all()) and (array.dtype.kind in "biu" or bool((np.floor(array) == array).all()))


def as_sequences(array: Array, path: str, dtype: str) -> Array:
    """Return `array`, read from `path`, as the input of LSTM layers: as `dtype` and (batch, length, d).

    Raises:
        BadInput: It has another number of axes.
    """
    if array.ndim not in (2, 3):
        hint = ": x[:, None] where each step is one number" if array.ndim == 1 else ""
        raise BadInput(f"{path}: it is {array.shape}; an input is (length, d) or (batch, length, d){hint}")
    converted = array.astype(dtype, copy=False)
    return converted if converted.ndim == 3 else converted[None]


def mask(path: str, shape: tuple[int, int]) -> Array:
    """Read the mask in the `.npy` file at `path`, as bool of `shape`, (batch, length); one of (length,) is repeated.

    Raises:
        BadInput: There is no such array, or it has another shape, or holds anything but 0 and 1, or no 1.
    """
    with _open(path) as file:
        described = _read_header(file, path)
        if described.shape not in (shape, shape[1:]):
            raise BadInput(f"{path}: it is {described.shape}; a mask of this input is {shape[1:]} or {shape}")
        _require_whole(file, described, path)
        values = _read_values(file, described, path)
    return _check_mask(values, path, shape)


def mask_from_memory(values: object, name: str, shape: tuple[int, int]) -> Array:
    """Return `values` as the mask of an input, like `mask` does; messages call it `name`.

    Raises:
        BadInput: It has another shape, or holds anything but 0 and 1, or no 1.
    """
    found = from_memory(values, name, "float32")
    if found.shape not in (shape, shape[1:]):
        raise BadInput(f"{name}: it is {found.shape}; a mask of this input is {shape[1:]} or {shape}")
    return _check_mask(found, name, shape)


def _check_mask(values: Array, path: str, shape: tuple[int, int]) -> Array:
    wrong = np.flatnonzero((values != 0) & (values != 1))
    if wrong.size:
        place = _index_of(wrong[0], values.shape)
        raise BadInput(
            f"{path}: it holds {values[place]:g} at {list(place)}; a mask holds 1 for a step, and 0 for one to skip"
        )
    if not values.any():
        raise BadInput(f"{path}: it masks every step; at least one element must be 1")
    return np.broadcast_to(values.astype(bool), shape)


def first_states(path: str, widths: Mapping[str, int], batch: int, dtype: str) -> dict[str, Array]:
    """Read the arrays in the `.npz` file at `path`, by name and as `dtype`.

    Args:
        path: The file.
        widths: The width of each array that the file may hold, by name.
        batch: The number of sequences.
        dtype: `float32` or `float64`.

    Returns:
        Arrays of (batch, width); an array of (width,) in the file applies to each sequence.

    Raises:
        BadInput: There is no such file, or an array has another name or shape, or holds NaN, infinity, or a number too
            large for `dtype`.
    """
    with _open(path, _SAVED_STATES) as file:
        try:
            archive = zipfile.ZipFile(file)
        except _DAMAGED as error:
            raise BadInput(f"{path}: it is not an .npz archive; {_SAVED_STATES}") from error
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if (unknown := next((name for name in members if name not in widths), None)) is not None:
            raise BadInput(f"{path}: it holds {unknown}; {_say_what_it_may_hold(widths)}")
        if not members:
            raise BadInput(f"{path}: it is empty; {_say_what_it_may_hold(widths)}")
        if len(members) < len(archive.infolist()):
            raise BadInput(f"{path}: it holds two arrays of one name")
        found = {}
        for name, info in members.items():
            try:
                found[name] = _read_member(archive, info, f"{path}: {name}", (batch, widths[name]), np.dtype(dtype))
            except _DAMAGED as error:
                raise BadInput(f"{path}: {name} is damaged: {str(error) or 'it is cut short'}") from error
    return found


def state_from_memory(values: object, name: str, shape: tuple[int, int], dtype: str) -> Array:
    """Return `values` as h or c before the first step, of `shape`, (batch, width); one of (width,) is repeated.

    Raises:
        BadInput: It has another shape, or is not made of numbers that are finite as `dtype`.
    """
    found = from_memory(values, name, dtype)
    if found.shape not in (shape, shape[1:]):
        raise BadInput(f"{name}: it is {found.shape}; the first state is {shape[1:]} or {shape}")
    return np.array(np.broadcast_to(found.astype(dtype, copy=False), shape))


def _read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, shape: tuple[int, int], dtype: np.dtype[np.generic]
) -> Array:
    with archive.open(info) as stream:
        file = cast("BinaryIO", stream)
        described = _read_header(file, name)
        if described.shape not in (shape, shape[1:]):
            raise BadInput(f"{name}: it is {described.shape}; the first state is {shape[1:]} or {shape}")
        values = _read_finite(_read_blocks(file, described, name), described, dtype, name)
    return np.array(np.broadcast_to(values, shape))


def _say_what_it_may_hold(names: Iterable[str]) -> str:
    first = list(islice(names, _MOST_NAMES + 1))
    return f"it may hold {', '.join(first[:_MOST_NAMES])}{', …' if len(first) > _MOST_NAMES else ''}"


def _open(path: str, what_helps: str = _SAVED) -> BinaryIO:
    if locate.is_url(path):
        raise BadInput(f"{path}: only models are read from URLs; download it first")
    try:
        return cast("BinaryIO", io.BufferedReader(WatchedFile(path)))
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file or directory") from error
    except IsADirectoryError as error:
        raise BadInput(f"{path}: it is a directory; {what_helps}") from error
    except NotRegularError as error:
        raise BadInput(f"{path}: it is {error.kind}, not a file; {what_helps}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be opened: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in a path
        raise BadInput(f"{path}: {error}") from error


def _read_header(file: BinaryIO, name: str) -> _ArrayHeader:
    """Read the header of the array that `file` holds, from its beginning; `file` is left behind the header."""
    head = file.read(12)
    if not head.startswith(np.lib.format.MAGIC_PREFIX):
        raise BadInput(f"{name}: {_describe_content(head + file.read(_BLOCK))}; {_SAVED}")
    wide = head[6:7] > b"\x01"
    rest = b"" if wide else head[10:]
    length = int.from_bytes(head[8:12] if wide else head[8:10], "little")
    text = (rest + file.read(max(0, min(length, _HEAD) - len(rest))))[:length]
    if len(head) < 12 or length > _HEAD or len(text) < length:
        raise BadInput(f"{name}: its header is {'too long' if length > _HEAD else 'cut short'}; {_SAVED}")
    shape, fortran, dtype = _parse_header(text, name)
    if dtype.hasobject:
        raise BadInput(f"{name}: it holds pickled Python objects, which are never unpickled here; convert them to "
                       "numbers, as x.astype('float32') does")  # fmt: skip
    _require_real(dtype, name)
    return _ArrayHeader(dtype, shape, fortran, len(head) - len(rest) + length)


def _parse_header(text: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that Python 2 wrote
            parsed = np.lib.format.read_array_header_2_0(io.BytesIO(len(text).to_bytes(4, "little") + text))
    except Exception as error:  # numpy passes on whatever its parsers raise
        raise BadInput(f"{name}: its header is damaged; {_SAVED}") from error
    shape = parsed[0]
    if any(type(length) is not int or length < 0 for length in shape):  # numpy takes True for 1
        raise BadInput(f"{name}: its header is damaged; {_SAVED}")
    return parsed


def _describe_content(head: bytes) -> str:
    if not head:
        return "it is empty"
    if head.startswith(_ARCHIVES):
        return "it is an .npz archive, which may hold several arrays"
    if head.startswith(PICKLES):
        return "it is a Python pickle, which is never unpickled here"
    if head.startswith(HDF5_SIGNATURE[:4]):
        return "it is an HDF5 file"
    if b"\0" not in head:
        return "it is text; numpy.loadtxt(…, delimiter=',') reads tables"
    return "it is not a .npy array"


def _require_whole(file: BinaryIO, described: _ArrayHeader, name: str) -> None:
    there = os.fstat(file.fileno()).st_size - described.offset
    if there < described.size:
        raise BadInput(_say_cut_short(name, described, there))


def _say_cut_short(name: str, described: _ArrayHeader, there: int) -> str:
    declared = f"{described.shape} of {described.dtype.name}"
    return f"{name}: it is cut short: {declared} are {described.size:,} bytes, but it has {there:,}"


def _read_values(file: BinaryIO, described: _ArrayHeader, name: str) -> Array:
    """Return the numbers, row by row."""
    values, first = np.empty(math.prod(described.shape), described.dtype), 0
    for block in _read_blocks(file, described, name):
        values[first : first + block.size] = block
        first += block.size
    return _shaped(values, described)


def _read_finite(blocks: Iterable[Array], described: _ArrayHeader, dtype: np.dtype[np.generic], name: str) -> Array:
    """Return the numbers of `blocks` as `dtype`, row by row, after a check that all of them are finite."""
    result, first = np.empty(math.prod(described.shape), dtype), 0
    for block in blocks:
        converted = result[first : first + block.size]
        with np.errstate(over="ignore"):
            converted[:] = block
        if not np.isfinite(converted).all():
            at = int(np.flatnonzero(~np.isfinite(converted))[0])
            raise _refuse_number(block[at], first + at, described, dtype, name)
        first += block.size
    return _shaped(result, described)


def _refuse_number(
    number: np.generic, index: int, described: _ArrayHeader, dtype: np.dtype[np.generic], name: str
) -> BadInput:
    """Return the error for a number that is not finite as `dtype`, at `index` of those that are stored."""
    stored = _index_of(index, described.shape[::-1] if described.fortran else described.shape)
    place = list(stored[::-1] if described.fortran else stored)
    if np.isfinite(number):
        hint = "; use --dtype float64" if dtype.name == "float32" else ""
        return BadInput(f"{name}: it holds {number:g} at {place}, which is too large for {dtype.name}{hint}")
    return BadInput(f"{name}: it holds {'NaN' if np.isnan(number) else 'infinity'} at {place}")


def _shaped(values: Array, described: _ArrayHeader) -> Array:
    """Return `values`, as they are stored, in the shape of the array, row by row."""
    return np.ascontiguousarray(values.reshape(described.shape, order="F" if described.fortran else "C"))


def _read_blocks(file: BinaryIO, described: _ArrayHeader, name: str) -> Iterator[Array]:
    """Yield the numbers as they are stored; nothing is mapped, as cutting a mapped file short kills the process.

    Raises:
        BadInput: The file is cut short, or was changed while it was read.
    """
    width, left = described.dtype.itemsize, described.size
    while left:
        data = file.read(min(left, _BLOCK * width))
        _require_unchanged(file, name)
        if len(data) < min(left, _BLOCK * width):
            raise BadInput(_say_cut_short(name, described, described.size - left + len(data)))
        yield np.frombuffer(data, described.dtype)
        left -= len(data)


def _require_unchanged(file: BinaryIO, name: str) -> None:
    try:
        require_unchanged(file)
    except ChangedFile as error:
        raise BadInput(f"{name}: it was changed while it was read") from error


def _index_of(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(number) for number in np.unravel_index(index, shape))


def missing_state(path: str, layer: str, member: str) -> BadInput:
    """Return the error for a file with only one of h and c of the first state of `layer`, without `member`."""
    other = "c" if member == "h" else "h"
    return BadInput(f"{path}: it holds {other} of {layer}, but not {member}; a first state is both")
