"""Compare the activations with those of Keras 3 and of Keras 2, which run in separate processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lstmdump.errors import CannotReplay
from lstmdump.replay import activations

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
GENERATION = {"keras": 3, "tf_keras": 2}
TOLERANCE = {"float32": {"rtol": 5e-6, "atol": 2e-6}, "float64": {"rtol": 1e-13, "atol": 1e-14}}
ROUNDED = {"rtol": 1e-6, "atol": 2e-8}
ROUNDED_BY_TENSORFLOW = {
    "gelu", "leaky_relu", "object activation", "object leaky by default", "object tf.nn.leaky_relu"
}  # fmt: skip
"""Activations that use, in float64, a √2 or a slope of float32 precision."""
both_dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


@pytest.fixture(scope="module", params=GENERATION)
def acted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A directory with the results of the activations of one Keras, and its major version."""
    pytest.importorskip("tensorflow", reason="needs the extra `oracle`")
    out = tmp_path_factory.mktemp(request.param)
    done = subprocess.run(
        [sys.executable, HERE / "write_activations.py", request.param, out], capture_output=True, text=True, check=False,
        timeout=600, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return out, GENERATION[request.param]


def assert_close(ours: np.ndarray, live: np.ndarray, name: str) -> None:
    is_rounded = ours.dtype == np.float64 and name in ROUNDED_BY_TENSORFLOW
    np.testing.assert_allclose(ours, live, **(ROUNDED if is_rounded else TOLERANCE[str(ours.dtype)]), err_msg=name)


def test_the_words_are_those_that_keras_knows(acted: tuple[Path, int]) -> None:
    folder, keras = acted
    own = [name for name in activations.NAMES if "of its own" not in str(activations.doubt(name, keras))]
    assert own == json.loads((folder / "words.json").read_text())


@both_dtypes
def test_every_word_gives_the_values_of_keras(acted: tuple[Path, int], dtype: str) -> None:
    folder, keras = acted
    live = np.load(folder / f"{dtype}.npz")
    for name in json.loads((folder / "words.json").read_text()):
        value = activations.named(name, keras)(live["z"])
        assert_close(value, live[f"{name}|value"], name)


@both_dtypes
def test_every_word_gives_the_gradients_of_keras(acted: tuple[Path, int], dtype: str) -> None:
    folder, keras = acted
    live = np.load(folder / f"{dtype}.npz")
    for name in json.loads((folder / "words.json").read_text()):
        pulled = activations.named(name, keras).pull_back(live["z"], live["gradient"])
        places = live["z"] != 0 if name == "celu" else ...  # there, the celu of Keras counts both its branches
        assert_close(pulled[places], live[f"{name}|pulled"][places], name)


@both_dtypes
def test_every_object_gives_the_values_and_gradients_of_keras(acted: tuple[Path, int], dtype: str) -> None:
    folder, keras = acted
    live = np.load(folder / f"{dtype}.npz")
    for name, config in json.loads((folder / "configs.json").read_text()).items():
        activation = activations.named(config, keras)
        value, pulled = activation(live["z"]), activation.pull_back(live["z"], live["gradient"])
        assert_close(value, live[f"object {name}|value"], f"object {name}")
        assert_close(pulled, live[f"object {name}|pulled"], f"object {name}")


def test_an_object_from_elsewhere_is_refused(acted: tuple[Path, int]) -> None:
    folder, keras = acted
    for config in json.loads((folder / "refused.json").read_text()).values():
        with pytest.raises(CannotReplay):
            activations.named(config, keras)
