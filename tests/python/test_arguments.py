"""Arguments that the command line refuses are refused in Python, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import lstmdump


@pytest.fixture
def model(samples: Path) -> Iterator[lstmdump.OpenModel]:
    with lstmdump.open(samples / "keras-3.15-func30.keras") as opened:
        yield opened


X = np.zeros((5, 1))


@pytest.mark.parametrize("dtype", ["float16", "int32", "float99", "keep", "", None, np.int8])
def test_a_run_in_another_type_is_refused(model: lstmdump.OpenModel, dtype: object) -> None:
    for one in (model, model["lstm"]):
        with pytest.raises(ValueError, match="is not a type to compute in; there are float32, float64"):
            one.trace(X, dtype=dtype)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64")])
def test_a_type_may_be_one_of_numpy(model: lstmdump.OpenModel, dtype: str) -> None:
    assert model.trace(X, dtype=dtype).c.dtype == np.float64
    assert model["lstm"].to_layout("keras", dtype=dtype)["bias"].dtype == np.float64  # type: ignore[index]


@pytest.mark.parametrize("dtype", ["int8", "float99", "complex64", None, np.int8])
def test_a_layout_in_another_type_is_refused(model: lstmdump.OpenModel, dtype: object) -> None:
    for one in (model, model["lstm"]):
        with pytest.raises(ValueError, match="is not a type to return; there are keep, float16, float32, float64"):
            one.to_layout("pytorch", dtype=dtype)  # type: ignore[arg-type]


@pytest.mark.parametrize("most", [0, -1, 1.5, "3"])
def test_a_number_of_lags_below_1_is_refused(model: lstmdump.OpenModel, most: object) -> None:
    for one in (model, model["lstm"]):
        with pytest.raises(ValueError, match=r"most is .*; give a whole number from 1"):
            one.lags(X, most=most)  # type: ignore[arg-type]


def test_a_number_of_lags_may_be_one_of_numpy(model: lstmdump.OpenModel) -> None:
    assert len(model["lstm"].lags(X, most=np.int64(2)).norms) == 2  # type: ignore[arg-type]
