"""The HDF5 library is loaded without the drivers, connectors and plugins that the environment names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Process = Callable[..., Any]
SETTINGS = {"HDF5_DRIVER": "nonsense", "HDF5_VOL_CONNECTOR": "nonsense", "HDF5_DRIVER_CONFIG": "1",
            "HDF5_PLUGIN_PATH": "/nothing/there"}  # fmt: skip


@pytest.fixture
def not_plain(tmp_path: Path) -> Path:
    """A model that the HDF5 library reads, as its attributes are stored densely."""
    with h5py.File(tmp_path / "x.weights.h5", "w", libver="latest") as file:
        cell = file.create_group("layers/lstm/cell/vars")
        for number, shape in enumerate([(3, 16), (4, 16), (16,)]):
            cell[str(number)] = np.ones(shape, "f4")
        for number in range(20):
            cell["0"].attrs[f"a{number}"] = number
    return tmp_path / "x.weights.h5"


@pytest.mark.parametrize("setting", [*SETTINGS.items(), ("HDF5_DRIVER", "split")], ids="=".join)
def test_a_model_is_read_whatever_the_library_is_told(
    setting: tuple[str, str], not_plain: Path, process: Process
) -> None:
    done = process("show", not_plain, env={**os.environ, setting[0]: setting[1]})
    assert (done.returncode, done.stderr, "3 inputs, 4 units" in done.stdout) == (0, "", True)


def test_the_environment_is_left_as_it_was() -> None:
    code = "import os, lstmdump.readers.hdf5.library as _; print(sorted(os.environ.items()))"
    environment = {**os.environ, **SETTINGS, "HDF5_USE_FILE_LOCKING": "FALSE"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    expected = subprocess.run(
        [sys.executable, "-c", "import os; print(sorted(os.environ.items()))"],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert found.stdout == expected.stdout
