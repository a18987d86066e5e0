"""What the Python interface returns can be the result of a job in another process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import lstmdump


def trace(path: Path) -> object:
    with lstmdump.open(path) as model:
        return model.trace(np.zeros((2, 9, 3)))


def lags(path: Path) -> object:
    with lstmdump.open(path) as model:
        return model.lags(np.zeros((2, 9, 3)))


def diff(path: Path) -> object:
    return lstmdump.diff(path, path)


def check(path: Path) -> object:
    return lstmdump.check(path, params=1)


@pytest.mark.parametrize("job", [trace, lags, diff, check])
def test_a_result_crosses_between_processes(samples: Path, job: Callable[[Path], object]) -> None:
    path = samples / "keras-2.2.0-weather.h5"
    with lstmdump.ProcessPool(1) as processes:
        assert repr(processes.submit(partial(job, path)).result()) == repr(job(path))
