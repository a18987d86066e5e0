"""Compare `lstmdump lags` with TensorFlow's gradients of the layers of Keras 2 and 3 and of its own cells."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import children

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
TOLERANCE = {"float32": 1e-4, "float64": 1e-8}
MASK = [[1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 0, 0, 1, 1, 0, 1]]
Case = dict[str, Any]
Run = Callable[..., Any]


def of_keras(library: str) -> dict[str, Case]:
    cases: dict[str, Case] = {
        "plain": {},
        "float32": {"dtype": "float32"},
        "without-bias": {"options": {"use_bias": False}},
        "backwards": {"options": {"go_backwards": True}},
        "bidirectional": {"bidirectional": True},
        "masked": {"mask": MASK},
        "masked-backwards": {"mask": MASK, "options": {"go_backwards": True}},
        "masked-bidirectional": {"mask": MASK, "bidirectional": True},
    }
    for activation in ("sigmoid", "hard_sigmoid", "relu", "softsign", "softmax"):
        cases[activation] = {"options": {"activation": activation}}
    for activation in ("hard_sigmoid", "tanh", "softmax"):
        cases[f"recurrent-{activation}"] = {"options": {"recurrent_activation": activation}}
    return {f"{library}-{name}": {"options": {}, **case, "library": library} for name, case in cases.items()}


def of_tf1() -> dict[str, Case]:
    cases: dict[str, Case] = {
        "plain": {},
        "forget-bias": {"forget_bias": 2.5},
        "peepholes": {"use_peepholes": True},
        "projection": {"num_proj": 2},
        "peepholes-and-projection": {"use_peepholes": True, "num_proj": 2},
        "clips": {"cell_clip": 1.0, "num_proj": 2, "proj_clip": 0.8},
    }
    return {f"tf1-{name}": {"library": "tf1", "options": options} for name, options in cases.items()}


CASES = of_keras("keras") | of_keras("tf_keras") | of_tf1()
MODELS = {"keras": "model.keras", "tf_keras": "model.h5", "tf1": "model.ckpt"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for each of `CASES` with the model, its input and the Jacobian from TensorFlow."""
    return children.run("write_gradients.py", tmp_path_factory.mktemp("gradients"), CASES)


@pytest.mark.parametrize("name", CASES)
def test_lags_are_those_of_tensorflow(run: Run, written: Path, name: str) -> None:
    """Lag k is the step k before the last of the input, also for layers that go backwards; a masked step has none."""
    case, folder = CASES[name], written / name
    squares = (np.load(folder / "jacobian.npy") ** 2).sum(1)[:, ::-1]
    model = folder / MODELS[case["library"]]
    options = ["--mask", folder / "mask.npy"] if "mask" in case else []
    outcome = run("lags", "--json", "--by-feature", model, "-i", folder / "x.npy", *options)
    assert (outcome.status, outcome.err) == (0, "")
    (found,) = json.loads(outcome.out)["layers"]
    within = {"rtol": TOLERANCE[case.get("dtype", "float64")], "atol": 1e-12}
    norms = [lag["norm"] for lag in found["lags"]]
    np.testing.assert_allclose(norms, np.sqrt(squares.sum(2)).mean(0), **within)
    by_feature = [feature["lags"] for feature in found["by_feature"]]
    np.testing.assert_allclose(by_feature, np.sqrt(squares).mean(0).T, **within)
