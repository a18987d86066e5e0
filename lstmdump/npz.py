"""Writing `.npz` files: one array after the other, all or nothing.

numpy.savez wants all arrays in memory at once, takes some names for its own parameters and leaves half a file behind
when it fails; so the zip is written here, with zipfile and numpy's own `.npy` writer.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from lstmdump.errors import DoesNotFit
from lstmdump.files import whole_file
from lstmdump.tensor import Array


def write(path: Path, arrays: Iterable[tuple[str, Array]], *, compress: bool, overwrite: bool) -> int:
    """Write ARRAYS, given as names and values, to PATH, and return the bytes written.

    The values are asked for one at a time. Directories are made where they lack. Until all is on the disk, PATH is as
    it was; on any error it stays so, and nothing else is left behind.

    Raises:
        OutputExists: PATH is there already and OVERWRITE is false.
        OutputUnwritable: it cannot be written.
    """
    with whole_file(path, overwrite=overwrite) as file:
        method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        with zipfile.ZipFile(file, "w", method, allowZip64=True) as archive:
            for name, values in arrays:
                member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980, so that equal models give equal files
                member.compress_type = method
                with archive.open(member, "w", force_zip64=True) as stream:
                    npy.write_array(stream, np.asarray(values, order="C"), allow_pickle=False)
        return file.tell()


def as_type(values: Array, dtype: str) -> Array:
    """VALUES as DTYPE; the same array where they are of it already.

    Raises:
        DoesNotFit: a finite number would become infinite.
    """
    with np.errstate(over="ignore"):
        cast = values.astype(dtype, copy=False)
    if cast is not values and np.isinf(cast).sum() != np.isinf(values).sum():
        raise DoesNotFit(f"it holds {np.abs(values[np.isfinite(values)]).max():g}, which is too large for {dtype}")
    return cast


def filled(length: int, number: float, dtype: str) -> Array:
    """An array of LENGTH times NUMBER."""
    return np.full(length, number, dtype)


def text_array(text: str) -> Array:
    """TEXT as a 0-d array, which `numpy.load` reads without unpickling."""
    return np.array(text)
