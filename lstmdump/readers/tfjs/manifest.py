"""The manifest of a model of TensorFlow.js: the name, shape and type of every array, in the order of the files.

The manifest lists groups; the arrays of a group follow each other, without gaps, in the files of that group. Source:
`WeightsManifestConfig` in `tfjs-core/src/io/types.ts`, and `write_weights.py` of the converter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from lstmdump.errors import CorruptModel, RefusedModel, UnsupportedFormat
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.file_names import is_plain_file_name

ITEM_SIZES: Mapping[str, int] = {
    "float32": 4, "float16": 2, "int32": 4, "uint32": 4, "int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "bool": 1,
    "complex64": 8,
}  # fmt: skip
"""The bytes of an element, by type; texts are stored each after its length."""

TEXT = "string"
_QUANTIZED = ("uint8", "uint16")
_HALF = "float16"
_MAX_RANK = 32


class Quantization(NamedTuple):
    """How the numbers of an array are stored: as `dtype`, each standing for itself times `scale` plus `least`."""

    dtype: str
    scale: float = 1.0
    least: float = 0.0


class ManifestEntry(NamedTuple):
    """One array of the manifest.

    Attributes:
        name: the name: `enc/lstm_cell/kernel`.
        shape: the shape.
        dtype: the type that it has once it is read.
        quantization: how its numbers are stored, if otherwise.
        group: what TensorFlow.js calls the group of arrays that it belongs to: `model` or `optimizer`; empty if none.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None
    group: str

    @property
    def stored_as(self) -> str:
        """The type of its elements in the file."""
        return self.dtype if self.quantization is None else self.quantization.dtype

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)


class WeightsGroup(NamedTuple):
    """The arrays of a group in their order, and the names of the files that hold them."""

    paths: tuple[str, ...]
    entries: tuple[ManifestEntry, ...]


def read_groups(manifest: object, called: str) -> list[WeightsGroup]:
    """Return the groups of `manifest`, parsed from the JSON that error messages name `called`.

    Raises:
        CorruptModel: It is not a manifest.
        RefusedModel: It refers to a file that is not beside it.
        UnsupportedFormat: An array has a type that is not known.
    """
    if not isinstance(manifest, list):
        raise CorruptModel(f"{called} does not list the weights")
    groups = [_read_group(group, called) for group in manifest]
    names = [entry.name for group in groups for entry in group.entries]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CorruptModel(f"{called} lists an array {twice} twice")
    return groups


def _read_group(group: object, called: str) -> WeightsGroup:
    if not isinstance(group, dict):
        raise CorruptModel(f"{called} does not list the weights")
    paths, weights = group.get("paths"), group.get("weights")
    if not isinstance(paths, list) or not isinstance(weights, list):
        raise CorruptModel(f"{called} does not list the files of the weights, and the arrays in them")
    for path in paths:
        if not isinstance(path, str) or not is_plain_file_name(path):
            raise RefusedModel(f"{called} refers to {path!r}, which is not a file beside it; it was not opened")
    return WeightsGroup(tuple(paths), tuple(_read_entries(weights, called)))


def _read_entries(weights: list[Any], called: str) -> Iterator[ManifestEntry]:
    for weight in weights:
        name, shape = (weight.get(key) if isinstance(weight, dict) else None for key in ("name", "shape"))
        if not isinstance(name, str) or not _is_shape(shape):
            raise CorruptModel(f"{called} does not state the name and the shape of every array")
        dtype = weight.get("dtype")
        if not isinstance(dtype, str) or (dtype not in ITEM_SIZES and dtype != TEXT):
            raise UnsupportedFormat(f"{name} has the type {dtype!r}, which is not known")
        group = weight.get("group")
        yield ManifestEntry(
            name, tuple(shape), dtype, _read_quantization(weight, name), group if isinstance(group, str) else ""
        )


def _is_shape(shape: object) -> TypeGuard[list[int]]:
    return (
        isinstance(shape, list)
        and len(shape) <= _MAX_RANK
        and all(type(length) is int and 0 <= length < 1 << 62 for length in shape)
    )


def _read_quantization(weight: Mapping[str, Any], name: str) -> Quantization | None:
    """Return how the array `name`, the entry `weight` of a manifest, is quantized, or None if it is not.

    Raises:
        CorruptModel: The scale or the least value is not a finite number.
        UnsupportedFormat: It is quantized in a way that is not known.
    """
    stated = weight.get("quantization")
    if stated is None:
        return None
    dtype = stated.get("dtype") if isinstance(stated, dict) else None
    if weight["dtype"] not in ("float32", "int32") or dtype not in (*_QUANTIZED, _HALF):
        raise UnsupportedFormat(f"{name} is quantized as {dtype!r}, which is not known")
    if dtype == _HALF:
        return Quantization(dtype)
    scale, least = stated.get("scale"), stated.get("min")
    if not all(type(value) in (int, float) and math.isfinite(value) for value in (scale, least)):
        raise CorruptModel(f"{name} is quantized, but its scale and its least value are not finite numbers")
    return Quantization(dtype, float(scale), float(least))
