"""Genuine files, of all releases that are here, are plain: no process loads the HDF5 library for them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.hdf5.groups import Group
from lstmdump.readers.hdf5.plain.file import PlainFile

ROOT = Path(__file__).parents[4]
DIRECTORIES = (ROOT / "sample_models", ROOT / "tests" / "genuine")


def contents(path: Path) -> list[bytes]:
    """Return the HDF5 files in the file at `path`."""
    data = path.read_bytes()
    if data.startswith(b"\x89HDF"):
        return [data]
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist() if name.endswith(".h5")]


FILES = sorted(path for top in DIRECTORIES for path in top.rglob("*") if path.is_file() and contents(path))


def test_there_are_files_of_many_releases() -> None:
    assert len(FILES) > 50


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_genuine_file_is_plain_and_holds_what_h5py_finds(path: Path) -> None:
    for data in contents(path):
        file = PlainFile(io.BytesIO(data), declared=Declared())
        with h5py.File(io.BytesIO(data)) as expected:
            require_same(file, expected)
        file.check_declared_sizes()


def require_same(found: Group, expected: h5py.Group) -> None:
    assert found.names() == list(expected)
    assert found.address == h5py.h5o.get_info(expected.id).addr
    for name, value in expected.attrs.items():
        assert found.attribute(name) == as_python(value)
    for name, member in expected.items():
        if isinstance(member, h5py.Group):
            group = found.group(name)
            assert group is not None
            require_same(group, member)
        else:
            array = found.tensor(name, opaque_is_bfloat16=False)
            assert array is not None
            assert array.shape == member.shape
            if array.dtype == "bfloat16":
                numbers = (member[()].view("<u2").astype("u4") << 16).view("f4")
            else:
                assert array.dtype == str(member.dtype.newbyteorder("="))
                numbers = np.asarray(member[()])
            assert array.read().tobytes() == numbers.tobytes()


def as_python(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [as_python(item) for item in value.ravel().tolist()]
    value = value.item() if isinstance(value, np.generic) else value
    return value.decode() if isinstance(value, bytes) else value


SAMPLES = ["keras-1.2.2-weather.h5", "keras-2.2.0-weather.h5", "keras-3.15-func30.keras",
           "keras-3.15-every-format/model.weights.h5", "keras-3.15-every-format/unzipped"]  # fmt: skip
WITHOUT_NUMPY = [["show", "--json"], ["show"], ["check", "--max-params", "1000000"]]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(
    "words",
    [*WITHOUT_NUMPY, ["show", "--stats"], ["export", "--force"], ["export", "--force", "-j", "2"]],
    ids=" ".join,
)
def test_no_process_imports_the_hdf5_library(tmp_path: Path, samples: Path, name: str, words: list[str]) -> None:
    banned = ["h5py", *(["numpy", "multiprocessing"] if words in WITHOUT_NUMPY else [])]
    for module in banned:
        (tmp_path / f"{module}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\nraise ImportError")
    out = ["-o", str(tmp_path / "x.npz")] if "export" in words else []
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", "lstmdump", *words, *out, str(samples / name)],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "imported").exists()
