"""Files of Keras with damaged JSON, zip archives and names but genuine HDF5; and headers that are read without h5py."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import h5py
from hostile import hdf5_mutants
from hostile.fuzz.models import examine, written
from hostile.fuzz.target import BYTES, JSON, KEPT, Parts, Target
from support import builders

from lstmdump import readers
from lstmdump.model.location import Location
from lstmdump.model.tensor import Tensor, without_numbers
from lstmdump.model.tree import grow
from lstmdump.readers.detect import Format
from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.library.object_headers import AttributeTexts, DatasetHeaders
from lstmdump.readers.keras import h5_keras0
from lstmdump.readers.keras.architecture.config import parse_architecture
from lstmdump.readers.keras.architecture.expected_layers import find_leaf_layers

_ROOT = Path(__file__).parents[3]
_WEIGHTS, _SHARD = "model.weights.h5", "model_00000.weights.h5"
_EDIT = struct.Struct("<HBB")  # place, kind of edit, and a byte
_DEFLATED, _UNPACKED, _TWICE = 1, 2, 4
_LARGEST_SEED = 30_000  # bytes
_LARGEST_ATTRIBUTE = 60_000  # the limit of HDF5 is a little higher
_MOST_READ = 2  # arrays, whose numbers HDF5 reads
_HEADER = 272  # bytes of a dataset's header as h5py writes it


@cache
def _genuine(name: str) -> Path | None:
    """Return the genuine file `name`, which a part of an input names instead of holding HDF5; None if it does not exist."""
    folders = (_ROOT / "tests" / "genuine", _ROOT / "sample_models")
    return next((path for folder in folders for path in folder.iterdir() if path.name == name), None)


@cache
def _zipped(name: str) -> dict[str, bytes]:
    """Return the members of the genuine `.keras` file `name`."""
    path = _genuine(name)
    if path is None:
        return {}
    with zipfile.ZipFile(path) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def _read_archive(parts: Parts) -> None:
    name, config, metadata, index, how = parts
    weights = _zipped(name.decode("utf-8", "replace")).get(_WEIGHTS, b"")
    files = {"config.json": config, "metadata.json": metadata, _SHARD if index else _WEIGHTS: weights}
    files |= {"model.weights.json": index} if index else {}
    if how[:1] and how[0] & _UNPACKED:
        with written(files) as directory:
            examine(readers.read(Location(directory), Format.KERAS_ZIP), most=_MOST_READ)
            if index:
                examine(readers.read(Location(directory / "model.weights.json"), Format.KERAS_WEIGHTS), most=_MOST_READ)
    else:
        with written({"model.keras": _archive(files, weights, how)}) as directory:
            examine(readers.read(Location(directory / "model.keras"), Format.KERAS_ZIP), most=_MOST_READ)


def _archive(files: dict[str, bytes], weights: bytes, how: bytes) -> bytes:
    """Return a zip archive of `files`, edited as `how` says, except in `weights` that are stored uncompressed."""
    flags, into = how[0] if how else 0, io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, content in files.items():
            kind = zipfile.ZIP_DEFLATED if flags & _DEFLATED else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name), content, kind)
            if flags & _TWICE and name == "metadata.json":
                archive.writestr(zipfile.ZipInfo("sub/config.json"), content, kind)
    data = into.getvalue()
    start = data.find(weights)
    head, tail = (data[:start], data[start + len(weights) :]) if start >= 0 else (data, b"")
    edited = bytearray(head + tail)
    border = len(head)
    for place, manner, value in _EDIT.iter_unpack(how[1 : 1 + (len(how) - 1) // _EDIT.size * _EDIT.size]):
        at = len(edited) - 1 - place % len(edited)  # counted from the end, where readers of zip archives begin
        if manner % 4 == 0:
            edited[at] = value
        elif manner % 4 == 1:
            edited[at] ^= 1 << value % 8
        elif manner % 4 == 2:
            edited[at : at + 4] = [value] * len(edited[at : at + 4])
        else:
            edited.insert(at, value)
            border += at < border
    return bytes(edited[:border]) + (weights if start >= 0 else b"") + bytes(edited[border:])


def _archive_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    for path in (one for root in roots for one in sorted(root.rglob("*.keras"))):
        if path.is_file() and path.stat().st_size <= _LARGEST_SEED and _genuine(path.name) == path:
            members = _zipped(path.name)
            index = json.dumps({"metadata": {"total_size": 40}, "weight_map": {"/layers/lstm": [_SHARD]}}).encode()
            for how in (b"\0", b"\1", b"\2", b"\4"):
                yield [path.name.encode(), members["config.json"], members["metadata.json"], b"", how]
            for how in (b"\0", b"\2"):
                yield [path.name.encode(), members["config.json"], members["metadata.json"], index, how]


def _read_named(parts: Parts) -> None:
    name, config, names = parts
    source = _genuine(name.decode("utf-8", "replace"))
    if source is None:
        return
    into = io.BytesIO(source.read_bytes())
    with suppress(Exception), h5py.File(into, "r+") as file:  # as far as h5py can write the described file
        root = file.get("model_weights", file)
        if config and len(config) < _LARGEST_ATTRIBUTE:
            file.attrs.modify("model_config", config)
        changes = json.loads(names)
        for group, attribute, value in changes:
            holder = root[group] if group else root
            holder.attrs[attribute] = [text.encode() for text in value] if isinstance(value, list) else value
    with written({"model.h5": into.getvalue()}) as directory:
        examine(readers.read(Location(directory / "model.h5"), Format.HDF5), most=_MOST_READ)


def _named_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    for path in (one for root in roots for one in sorted(root.rglob("*.h5"))):
        if not path.is_file() or path.stat().st_size > _LARGEST_SEED or _genuine(path.name) != path:
            continue
        with h5py.File(path) as file:
            config = file.attrs.get("model_config", b"")
            root = file.get("model_weights", file)
            changes: list[list[Any]] = [["", "layer_names", _texts(root.attrs.get("layer_names", ()))]]
            changes += [[group, "weight_names", _texts(root[group].attrs.get("weight_names", ()))] for group in root]
        yield [path.name.encode(), config.encode() if isinstance(config, str) else bytes(config),
               json.dumps(changes).encode()]  # fmt: skip


def _texts(names: Any) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _read_config(parts: Parts) -> None:
    text = parts[0].decode("utf-8", "replace")
    layer = parse_architecture(text)
    for one in layer.walk():
        assert one.name is None or isinstance(one.name, str)
    for leaf in find_leaf_layers(layer):
        for value in (leaf.units, leaf.input_dim, leaf.use_bias, leaf.is_lstm, leaf.is_gated):
            assert value is None or isinstance(value, int)
        leaf.path_in("lstm/lstm_cell")
        leaf.rank_in("lstm/lstm_cell")


def _config_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    yield [json.dumps(builders.sequential(builders.lstm_config("lstm_1"))).encode()]
    for parts in _archive_seeds(roots):
        yield [parts[1]]
    for parts in _named_seeds(roots):
        if parts[1]:
            yield [parts[1]]


class _Listed:
    """A group of Keras 0.x described by JSON: `{"nb_layers": 1, "layer_0": {"nb_params": 1, "param_0": [3, 4]}}`."""

    def __init__(self, described: dict[str, Any], path: str = "") -> None:
        self._described = described
        self.path = path

    def attribute(self, name: str) -> Any:
        value = self._described.get(name)
        return None if isinstance(value, dict) else value

    def group(self, name: str) -> _Listed | None:
        value = self._described.get(name)
        return _Listed(value, name) if isinstance(value, dict) else None

    def tensor(self, name: str, *, opaque_is_bfloat16: bool) -> Tensor | None:
        value = self._described.get(name)
        if not isinstance(value, list) or not all(isinstance(extent, int) and extent >= 0 for extent in value):
            return None
        return without_numbers(f"{self.path}/{name}", tuple(value), "bfloat16" if opaque_is_bfloat16 else "float32")


def _read_keras_0(parts: Parts) -> None:
    try:
        described = json.loads(parts[0])
    except (ValueError, RecursionError):
        return
    if not isinstance(described, dict) or not h5_keras0.is_keras_0(_Listed(described)):  # type: ignore[arg-type]
        return
    weights, _ = h5_keras0.read_weights(_Listed(described))  # type: ignore[arg-type]
    names = [weight.tensor.name for weight in weights]
    assert len(names) == len(set(names))
    grow(weights, {})


def _keras_0_seeds(_: Sequence[Path]) -> Iterator[Parts]:
    lstm = {f"param_{turn}": list(array.shape) for turn, array in enumerate(builders.keras_0_lstm())}
    gru = {f"param_{turn}": [[3, 4], [4, 4], [4]][turn % 3] for turn in range(9)}
    yield [
        json.dumps({"nb_layers": 2, "layer_0": {"nb_params": 12, **lstm}, "layer_1": {"nb_params": 9, **gru}}).encode()
    ]
    many = {f"param_{turn}": lstm[f"param_{turn % 12}"] for turn in range(24)}
    yield [json.dumps({"graph": {"nb_params": 24, **many}}).encode()]


@cache
def _plain() -> tuple[bytes, int]:
    """Return a file with one plain dataset, and the offset of the dataset's header."""
    into = io.BytesIO()
    with h5py.File(into, "w") as file:
        file["x"] = builders.numbers(3, 4)
        address = h5py.h5o.get_info(file["x"].id).addr
    return into.getvalue(), address


def _read_header(parts: Parts) -> None:
    whole, address = _plain()
    header = parts[0][:_HEADER]
    data = whole[:address] + header + whole[address + len(header) :]
    with h5py.File(io.BytesIO(whole)) as file:
        plain = DatasetHeaders(io.BytesIO(data), file.id).plain(address)
    if plain is None:
        return
    with suppress(OSError, KeyError, ValueError, RuntimeError, TypeError), h5py.File(io.BytesIO(data)) as file:
        dataset = file["x"]
        expected = (dataset.shape, dataset.id.get_offset(), dataset.id.get_storage_size())
        assert (*expected, dataset.dtype.str, dataset.chunks) == (*plain, "<f4", None), (
            f"h5py: {expected}, lstmdump: {plain}"
        )


def _header_seeds(_: Sequence[Path]) -> Iterator[Parts]:
    whole, address = _plain()
    yield [whole[address : address + _HEADER]]


def _read_texts(parts: Parts) -> None:
    """Read texts from a file; the first 8 bytes are the offset of the object header in the other bytes, the file."""
    address, data = int.from_bytes(parts[0][:8], "little"), parts[0][8:]
    length = AttributeTexts(io.BytesIO(data), 0).length(address, b"names", 3)
    assert length is None or length >= 0


def _read_plain(parts: Parts) -> None:
    with suppress(NotPlain):
        hdf5_mutants.read_plain(parts[0])


def _plain_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    for data in hdf5_mutants.seeds(roots):
        yield [data]


def _text_seeds(_: Sequence[Path]) -> Iterator[Parts]:
    for version in ("earliest", "latest"):
        into = io.BytesIO()
        with h5py.File(into, "w", libver=version) as file:
            group = file.create_group("group")
            for number in range(6):  # so many that the header continues in another block
                group.attrs[f"filling {number}"] = "x" * 10
            group.attrs["names"] = ["x" * 30, "y" * 50, ""]
            address = h5py.h5o.get_info(group.id).addr
        yield [address.to_bytes(8, "little") + into.getvalue()]


TARGETS = (
    Target("keras_zip", (KEPT, JSON, JSON, JSON, BYTES), _read_archive, _archive_seeds),
    Target("keras_h5", (KEPT, JSON, JSON), _read_named, _named_seeds),
    Target("keras_config", (JSON,), _read_config, _config_seeds),
    Target("keras_0", (JSON,), _read_keras_0, _keras_0_seeds),
    Target("hdf5_headers", (BYTES,), _read_header, _header_seeds),
    Target("hdf5_plain", (BYTES,), _read_plain, _plain_seeds),
    Target("hdf5_texts", (BYTES,), _read_texts, _text_seeds),
)
