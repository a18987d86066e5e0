"""Files of PyTorch: pickles and storages in sound archives, archives and legacy files as they lie, and safetensors."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hostile.fuzz.models import examine, written
from hostile.fuzz.target import BYTES, JSON, Parts, Target
from support import pytorch_builders as torch

from lstmdump import readers
from lstmdump.model.location import Location
from lstmdump.readers.detect import ZIP_MAGIC, Format

_MOST_READ = 16  # arrays
_LENGTH = 8  # bytes of the length of a header


def _read_pickle(parts: Parts) -> None:
    pickled, order, *storages = parts
    with written({}) as directory:
        made = {str(number): data for number, data in enumerate(storages)}
        path = torch.write_archive(directory / "model.pt", pickled, made, byteorder=None, others={"byteorder": order})
        examine(readers.read(Location(path), Format.PYTORCH), most=_MOST_READ)


def _pickle_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    for path in _files(roots, ".pt", ".ckpt"):
        with zipfile.ZipFile(path) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            folder = name.removesuffix("data.pkl")
            count = sum(info.filename.startswith(f"{folder}data/") for info in archive.infolist())
            storages = [archive.read(f"{folder}data/{number}") for number in range(count)]
            yield [archive.read(name), b"little", *storages]
    made, stored = torch.state_dict({"a.b": torch.lstm(1, 1)["weight_ih_l0"]})
    yield [torch.pickled(made), b"big", *stored.values()]
    doubled = torch.pickled({"a.b": torch.Stored("0", (2, 2), (1, 2)), "x": torch.Raw(b"]q\x01h\x01ah\x01a")})
    yield [doubled, b"little", bytes(16)]


def _read_file(parts: Parts) -> None:
    with written({"model.pt": parts[0]}) as directory:
        examine(readers.read(Location(directory / "model.pt"), Format.PYTORCH), most=_MOST_READ)


def _zip_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    yield from ([path.read_bytes()] for path in _files(roots, ".pt", ".ckpt"))
    with tempfile.TemporaryDirectory() as name:
        made, storages = torch.state_dict(torch.lstm(1, 1))
        yield [torch.write_archive(Path(name, "m"), made, storages).read_bytes()]


def _legacy_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    yield from ([path.read_bytes()] for path in _files(roots, ".pth"))
    with tempfile.TemporaryDirectory() as name:
        made, storages = torch.state_dict(torch.lstm(1, 1))
        counted = {key: (len(data) // 4, data) for key, data in storages.items()}
        yield [torch.write_legacy(Path(name, "m"), made, counted).read_bytes()]


def _read_safetensors(parts: Parts) -> None:
    header, body = parts
    with written({"m": len(header).to_bytes(_LENGTH, "little") + header + body}) as directory:
        examine(readers.read(Location(directory / "m"), Format.SAFETENSORS), most=_MOST_READ)


def _safetensors_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    for path in _files(roots, ".safetensors"):
        data = path.read_bytes()
        stop = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
        yield [data[_LENGTH:stop].rstrip(), data[stop:]]


def _files(roots: Sequence[Path], *suffixes: str) -> Iterator[Path]:
    """Yield the files in `roots` with one of `suffixes`; those of the zip format are told by their first bytes."""
    for path in sorted(path for root in roots for path in root.rglob("torch*") if path.suffix in suffixes):
        if path.suffix not in (".pt", ".ckpt") or path.read_bytes().startswith(ZIP_MAGIC):
            yield path


TARGETS = (
    Target("pytorch_pickle", (BYTES, BYTES), _read_pickle, _pickle_seeds, (BYTES,)),
    Target("pytorch_zip", (BYTES,), _read_file, _zip_seeds),
    Target("pytorch_legacy", (BYTES,), _read_file, _legacy_seeds),
    Target("safetensors", (JSON, BYTES), _read_safetensors, _safetensors_seeds),
)
