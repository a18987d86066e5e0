"""`lstmdump version`: print the versions that a bug report needs."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata

import click

import lstmdump
from lstmdump.cli import terminal
from lstmdump.cli.exit_status import DONE
from lstmdump.model.escape import shortened, visible

_MISSING = "not installed"
_LONGEST = 300  # characters of an error message
_REQUIRED = ("click", "crc32c", "isal", "rich")
_OPTIONAL = ("distributed", "fsspec", "matplotlib", "tensorflow", "tf-keras")
_EPILOG = """\b
Example:
  lstmdump version"""


@click.command("version", epilog=_EPILOG)
def version_command() -> int:
    """Print the versions that a bug report needs: of lstmdump, Python, the libraries and the system."""
    rows = list(_collect_versions())
    width = max(len(name) for name, _ in rows)
    terminal.write("".join(f"{name:{width}}  {version}\n" for name, version in rows))
    return DONE


def _collect_versions() -> Iterator[tuple[str, str]]:
    """Yield the name and version of each component that a bug may depend on."""
    yield "lstmdump", lstmdump.__version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()})"
    yield "numpy", _find_version("numpy")
    yield "h5py", _find_version("h5py")
    yield "HDF5", _find_hdf5_version()
    yield "platform", platform.platform()
    yield from ((name, _find_version(name)) for name in (*_REQUIRED, *_OPTIONAL))


def _find_version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _MISSING


def _find_hdf5_version() -> str:
    """Return the version of the HDF5 library, or the reason why it is not known."""
    try:
        from lstmdump.readers.hdf5.library.file import library_version
    except Exception as error:  # noqa: BLE001 - a broken installation is what this command is for
        return f"unknown: h5py cannot be imported ({visible(shortened(f'{type(error).__name__}: {error}', _LONGEST))})"
    return library_version()
