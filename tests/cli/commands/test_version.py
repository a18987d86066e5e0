"""`lstmdump version`: the versions that a bug report needs."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import h5py
import pytest

import lstmdump

Run = Callable[..., Any]


def rows(run: Run) -> dict[str, str]:
    return {
        name: version.strip() for name, _, version in (line.partition(" ") for line in run("version").out.splitlines())
    }


def test_version_begins_with_the_main_components(run: Run) -> None:
    assert list(rows(run))[:6] == ["lstmdump", "Python", "numpy", "h5py", "HDF5", "platform"]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("lstmdump", lstmdump.__version__),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("HDF5", h5py.version.hdf5_version),
        ("platform", platform.platform()),
        *((name, metadata.version(name)) for name in ("numpy", "h5py", "click", "crc32c", "rich")),
    ],
)
def test_versions_are_those_installed(name: str, version: str, run: Run) -> None:
    assert rows(run)[name] == version


def test_missing_packages_are_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr("importlib.metadata.version", version)
    shown = rows(run)
    assert shown["tensorflow"] == shown["numpy"] == "not installed"
    assert shown["lstmdump"] == lstmdump.__version__


def test_an_h5py_that_cannot_be_imported_is_reported_with_the_reason(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lstmdump.readers.hdf5.library.file", None)
    assert rows(run)["HDF5"].startswith("unknown: h5py cannot be imported (ModuleNotFoundError: ")


def test_version_takes_no_model(run: Run) -> None:
    assert run("version", "x.h5").status == 2


def test_a_command_takes_precedence_over_a_file_of_its_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "version").write_bytes(b"")
    assert run("version").out.startswith("lstmdump ")
