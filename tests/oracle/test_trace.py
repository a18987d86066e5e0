"""Compare `lstmdump trace --chain` with Keras 2 and 3: networks of several LSTM layers, from their files alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import children

import lstmdump

pytestmark = pytest.mark.oracle
NETWORKS = ("stacked", "apart", "both_ways", "summed", "multiplied", "backwards", "cells")
MODELS = {"keras": "model.keras", "tf_keras": "model.h5"}
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directories with one model each, its input and the output of its library."""
    return children.run("write_networks.py", tmp_path_factory.mktemp("networks"))


def traced(run: Run, place: Path, library: str, out: Path, *options: object) -> np.ndarray:
    """Return the output of the last layer at every step."""
    model = place / MODELS[library]
    outcome = run("trace", model, "-i", place / "x.npy", "-o", out / "states.npz", "--chain", *options)
    assert outcome.status == 0, outcome.err
    with lstmdump.open(model) as opened:
        last = opened.lstms[-1].name
    with np.load(out / "states.npz") as states:
        found: np.ndarray = states[f"{last}/h"]
    return found


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_chain_of_layers_gives_the_output_of_keras(
    run: Run, networks: Path, library: str, network: str, tmp_path: Path
) -> None:
    place = networks / f"{library}-{network}"
    np.testing.assert_allclose(traced(run, place, library, tmp_path), np.load(place / "y.npy"), atol=1e-5)


@pytest.mark.parametrize("library", MODELS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_mask_is_passed_along_the_chain(run: Run, networks: Path, library: str, network: str, tmp_path: Path) -> None:
    place = networks / f"{library}-{network}"
    found = traced(run, place, library, tmp_path, "--mask", place / "mask.npy")
    np.testing.assert_allclose(found, np.load(place / "masked.npy"), atol=1e-5)
