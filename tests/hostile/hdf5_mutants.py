"""Compare what the reader of plain HDF5 files finds in damaged files with what h5py finds.

`python tests/hostile/hdf5_mutants.py --seconds 600 --seed 1` damages genuine files, and prints each damaged file that
makes the reader raise an unforeseen exception, run for long, or find other numbers, names or texts than h5py does. h5py
runs in a process of its own, which a damaged file may crash or hang.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import signal
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import h5py
import numpy as np
from hostile.mutations import mutated

from lstmdump.errors import LstmdumpError
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5.choice import NotPlain
from lstmdump.readers.hdf5.groups import Group
from lstmdump.readers.hdf5.plain.file import PlainFile

ROOT = Path(__file__).parents[2]
MODELS = (ROOT / "sample_models", ROOT / "tests" / "genuine")
Found = dict[str, Any]
"""What is in a file, by path: the names in a group, the bytes of an array with shape and type, and attributes."""

_LONGEST_SEED = 60_000  # bytes
_BATCH = 50  # files for each process of h5py
_PATIENCE = 20  # seconds for each of these processes
_SLOW = 2.0  # CPU seconds
_ATTRIBUTES = ("layer_names", "weight_names", "model_config", "keras_version", "backend", "name", "dtype")
_GONE = "h5py fails"
_MARK = "\0@"  # before the name of an attribute


def read_plain(data: bytes) -> Found:
    """Return what the reader of plain files finds in `data`: all groups and arrays, and the attributes of Keras."""
    file, found = PlainFile(io.BytesIO(data), declared=Declared()), {}
    _walk_plain(file, found)
    file.check_declared_sizes()
    return found


def _walk_plain(group: Group, found: Found) -> None:
    found[f"{group.path}/"] = group.names()
    for name in _ATTRIBUTES:
        found[f"{group.path}{_MARK}{name}"] = group.attribute(name)
    for name in group.names():
        inner = group.group(name)
        if inner is not None:
            _walk_plain(inner, found)
            continue
        array = group.tensor(name, opaque_is_bfloat16=False)
        if array is not None and array.dtype != "bfloat16" and array.size < 1 << 22:
            values = array.read()
            rows = b"".join(map(bytes, array.rows())) if array.rows is not None else b""
            if rows and rows != values.astype(values.dtype.newbyteorder("<")).tobytes():
                raise AssertionError(f"the rows of {array.name} are other numbers")
            found[array.name] = (array.shape, array.dtype, values.tobytes())


def read_h5py(data: bytes, paths: Sequence[str]) -> Found:
    """Return what h5py finds in `data` at `paths`."""
    found: Found = {}
    with h5py.File(io.BytesIO(data), "r") as file:
        for path in paths:
            try:
                found[path] = _read_one(file, path)
            except Exception as error:  # noqa: BLE001 - whatever h5py raises, it refuses
                found[path] = (_GONE, str(error))
    return found


def _read_one(file: h5py.File, path: str) -> Any:
    where, mark, attribute = path.partition(_MARK)
    if mark:
        holder = file[where] if where else file
        return _as_python(holder.attrs[attribute]) if attribute in holder.attrs else None
    found = file[path] if path != "/" else file
    if path.endswith("/"):
        return [_as_python(name) for name in found]
    values = np.asarray(found[()])
    native = values.astype(values.dtype.newbyteorder("="))
    return found.shape, str(native.dtype), native.tobytes()


def _as_python(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_as_python(item) for item in value.ravel().tolist()]
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def seeds(models: Sequence[Path] = MODELS) -> list[bytes]:
    """Return genuine files, and some that Keras does not write: of other versions, with chunks and filters."""
    found = [data for top in models for path in sorted(top.rglob("*")) if path.is_file() for data in _contents(path)]
    return [*sorted({data for data in found if len(data) < _LONGEST_SEED}, key=len), *map(_made, _FORMS)]


def _contents(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    if data.startswith(b"\x89HDF"):
        yield data
    elif data.startswith(b"PK"):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist() if name.endswith(".h5"))


_FORMS: tuple[dict[str, Any], ...] = (
    {"chunks": (2, 3)},
    {"chunks": (2, 3), "compression": "gzip", "shuffle": True},
    {"chunks": (4, 4), "compression": "gzip", "fletcher32": True},
    {"chunks": (2, 3), "compression": "lzf"},
    {"libver": "v110"},
    {"libver": "v110", "chunks": (2, 3), "compression": "gzip"},
    {"libver": "v110", "chunks": (1, 1), "maxshape": (100, 100)},
    {"libver": "v110", "chunks": (8, 8), "maxshape": (8, 8), "compression": "gzip", "shuffle": True},
    {"libver": "v108", "track_order": True, "dtype": ">f8"},
)


def _made(form: dict[str, Any]) -> bytes:
    of_file = {key: form[key] for key in ("libver", "track_order") if key in form}
    of_array = {key: value for key, value in form.items() if key not in of_file}
    into = io.BytesIO()
    with h5py.File(into, "w", **of_file) as file:
        values = np.arange(35, dtype="f4").reshape(5, 7)
        for name in ("layers/lstm/cell/vars/0", "layers/lstm/cell/vars/1", "vars/0"):
            file.create_dataset(name, data=values, **of_array)
        file["layers/lstm"].attrs["name"] = "lstm"
        file.attrs["layer_names"] = ["one", "two"]
        file["vars"].attrs["dtype"] = np.array([b"a", b"bc"])
    return into.getvalue()


def compare(found: Found, expected: Found) -> list[str]:
    """Return how both differ."""
    return [
        f"{path}: {str(found[path])[:100]}, h5py {str(value)[:100]}"
        for path, value in expected.items()
        if value != found[path] and not (isinstance(value, tuple) and value[:1] == (_GONE,))
        and not _are_nan(value, found[path])
    ]  # fmt: skip


def _are_nan(one: Any, other: Any) -> bool:
    pairs = zip(one, other, strict=False) if isinstance(one, list) and isinstance(other, list) else [(one, other)]
    return all(a == b or (a != a and b != b) for a, b in pairs)  # noqa: PLR0124 - NaN


class Trial:
    """A run over damaged files."""

    def __init__(self, keep: Path | None) -> None:
        self.counts: Counter[str] = Counter()
        self.slowest = 0.0
        self._keep = keep
        self._waiting: list[tuple[str, bytes, Found]] = []

    def take(self, name: str, data: bytes) -> None:
        """Read one file, and compare it with h5py later."""
        began = time.process_time()
        try:
            found = read_plain(data)
        except NotPlain as error:
            kind = type(error.__cause__).__name__ if error.__cause__ is not None else ""
            self.counts["not plain"] += 1
            self.counts[f"  of these by {kind}"] += bool(kind)
        except LstmdumpError:
            self.counts["refused"] += 1
        except Exception as error:  # noqa: BLE001 - every other exception is a finding
            self.report(name, data, f"{type(error).__name__}: {error}")
        else:
            self._waiting.append((name, data, found))
            if len(self._waiting) == _BATCH:
                self.finish()
        took = time.process_time() - began
        self.slowest = max(self.slowest, took)
        if took > _SLOW and len(self._waiting):
            self.report(name, data, f"{took:.1f} s of CPU time")

    def finish(self) -> None:
        """Compare the files that wait with h5py; if it dies, one by one."""
        batch, self._waiting = self._waiting, []
        if not self._compare(batch):
            self.counts["h5py dies"] += sum(not self._compare([one]) for one in batch)

    def _compare(self, batch: list[tuple[str, bytes, Found]]) -> bool:
        came = _in_child(lambda: [_refused_or(data, found) for _, data, found in batch])
        if came is None:
            return False
        for (name, data, _), outcome in zip(batch, came, strict=True):
            if isinstance(outcome, str):
                self.counts["h5py refuses the file"] += 1
            elif outcome:
                self.report(name, data, "; ".join(outcome))
            else:
                self.counts["same"] += 1
        return True

    def report(self, name: str, data: bytes, words: str) -> None:
        """Print a finding, and keep the file."""
        self.counts["FINDINGS"] += 1
        print(f"{name}: {words}", flush=True)
        if self._keep is not None:
            self._keep.mkdir(parents=True, exist_ok=True)
            (self._keep / f"{name}.h5").write_bytes(data)


def _refused_or(data: bytes, found: Found) -> str | list[str]:
    try:
        return compare(found, read_h5py(data, list(found)))
    except Exception as error:  # noqa: BLE001 - whatever h5py raises, it refuses
        return str(error)


def _in_child(work: Callable[[], Any]) -> Any:
    """Return the result of `work` in a forked process, or None if that dies or takes too long."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(_PATIENCE)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(work(), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(answer) if answer else None  # noqa: S301 - from our own process


def main(words: Sequence[str] | None = None) -> int:
    """Try damaged files; return 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds of the reader (60)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same files (1)")
    parser.add_argument("--keep", type=Path, help="keep the files that are findings in this directory")
    options = parser.parse_args(words)
    random = Random(options.seed)  # noqa: S311 - not for cryptography
    good, trial, turn = seeds(), Trial(options.keep), 0
    while time.process_time() < options.seconds:
        turn += 1
        trial.take(f"{options.seed}-{turn}", mutated(random.choice(good), random)[1])
    trial.finish()
    print(json.dumps(trial.counts | {"files": turn, "slowest": round(trial.slowest, 3)}, indent=1))
    return int(trial.counts["FINDINGS"] > 0)


if __name__ == "__main__":
    sys.exit(main())
