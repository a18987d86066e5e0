"""Compare the replay of LSTM nodes with onnxruntime, for every option of the operator that is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import onnx_builders as onnx

import lstmdump
from lstmdump.replay import State, run

pytestmark = pytest.mark.oracle
STEPS, BATCH, D, M = 7, 3, 3, 4
X = np.random.default_rng(5).standard_normal((STEPS, BATCH, D)).astype(np.float32)


def run_in_onnxruntime(path: Path) -> list[np.ndarray]:
    """Return Y (steps, directions, batch, m), and the last h and c (directions, batch, m)."""
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra `oracle`")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, {"X": X})
    return found


def require_same(path: Path, *, states: tuple[np.ndarray, np.ndarray] | None = None) -> None:
    """Check that the replay of each direction gives the outputs of onnxruntime."""
    y, last_h, last_c = run_in_onnxruntime(path)
    with lstmdump.open(path) as model:
        assert len(model.lstms) == y.shape[1]
        for place, lstm in enumerate(model.lstms):
            initial = None if states is None else State(*(state[place] for state in states))
            ours = run(lstm, X.swapaxes(0, 1), initial=initial)
            last = 0 if lstm.settings.go_backwards else -1
            np.testing.assert_allclose(ours.h.swapaxes(0, 1), y[:, place], rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(ours.h[:, last], last_h[place], rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(ours.c[:, last], last_c[place], rtol=1e-5, atol=1e-5)


def make_arrays(directions: int = 1) -> dict[str, np.ndarray]:
    """Return arrays with which no activation lets the states grow."""
    return {letter: values * np.float32(0.5) for letter, values in onnx.arrays(D, M, directions).items()}


ALPHAS = {"LeakyRelu": 0.3, "ThresholdedRelu": 0.4, "Elu": 0.7, "HardSigmoid": 0.25, "Affine": 0.3, "ScaledTanh": 1.2}
BETAS = {"HardSigmoid": 0.4, "Affine": 0.1, "ScaledTanh": 0.6}
NAMES = ["Relu", "Tanh", "Sigmoid", "Softsign", "Softplus", *ALPHAS]


def parameters(names: list[str]) -> dict[str, list[float]]:
    """Return the parameters of these activations, in turn."""
    lists = {"activation_alpha": [ALPHAS[name] for name in names if name in ALPHAS],
             "activation_beta": [BETAS[name] for name in names if name in BETAS]}  # fmt: skip
    return {key: one for key, one in lists.items() if one}


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"letters": "WR"},
    "peepholes": {"letters": "WRBP"},
    "peepholes without bias": {"letters": "WRP"},
    "reverse": {"direction": "reverse"},
    "forward, as stated": {"direction": "forward", "input_forget": 0, "layout": 0},
    "clip": {"clip": 0.5},
    "clip and peepholes": {"clip": 0.3, "letters": "WRBP"},
    "clip and hard sigmoid": {"clip": 1.5, "activations": ["HardSigmoid", "Relu", "Tanh"]},
    "Keras 3's hard sigmoid": {"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_alpha": [1 / 6]},
    "Keras 2's hard sigmoid": {"activations": ["HardSigmoid", "Tanh", "Tanh"]},
    "other activation of the output": {"activations": ["Sigmoid", "Softsign", "Relu"]},
    "in small letters": {"activations": ["sigmoid", "tanh", "tanh"]},
    **{f"{name} of the candidate": {"activations": ["Sigmoid", name, "Tanh"], **parameters([name])} for name in NAMES},
    **{f"{name} of the output": {"activations": ["Sigmoid", "Tanh", name], **parameters([name])} for name in NAMES},
    **{f"{name} of the gates": {"activations": [name, "Tanh", "Tanh"], **parameters([name])} for name in NAMES},
    **{f"{name} by default": {"activations": ["Sigmoid", name, "Tanh"]} for name in ("LeakyRelu", "Elu", "HardSigmoid")},
    **{f"{one} and {other}": {"activations": ["HardSigmoid", one, other], **parameters(["HardSigmoid", one, other])}
       for one, other in (("Affine", "ScaledTanh"), ("Elu", "Elu"), ("LeakyRelu", "Affine"))},
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_a_node_gives_what_onnxruntime_gives(tmp_path: Path, name: str) -> None:
    graph = onnx.lstm(make_arrays(), **OPTIONS[name])
    require_same(onnx.write(tmp_path / "model.onnx", graph))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"letters": "WRBP"},
        {"clip": 0.7},
        {"activations": ["HardSigmoid", "Elu", "Tanh", "Sigmoid", "Affine", "HardSigmoid"],
         "activation_alpha": [0.3, 0.8, 0.9, 0.15], "activation_beta": [0.6, 0.05, 0.3]},
    ],
)  # fmt: skip
def test_both_directions_give_what_onnxruntime_gives(tmp_path: Path, options: dict[str, Any]) -> None:
    graph = onnx.lstm(make_arrays(2), direction="bidirectional", **options)
    require_same(onnx.write(tmp_path / "model.onnx", graph))


def test_a_node_starts_from_the_given_states(tmp_path: Path) -> None:
    states = tuple(np.random.default_rng(seed).standard_normal((2, BATCH, M)).astype(np.float32) for seed in (1, 2))
    graph = onnx.lstm(make_arrays(2), direction="bidirectional", states=(states[0], states[1]))
    require_same(onnx.write(tmp_path / "model.onnx", graph), states=(states[0], states[1]))


@pytest.mark.parametrize("opset", [7, 14, 22])
def test_all_versions_of_the_operator_are_alike(tmp_path: Path, opset: int) -> None:
    require_same(onnx.write(tmp_path / "model.onnx", onnx.lstm(make_arrays()), opset=opset))


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_steps_behind_the_length_of_a_sequence_are_masked(tmp_path: Path, direction: str) -> None:
    lengths = [7, 4, 2]
    path = onnx.write(tmp_path / "model.onnx", onnx.lstm(make_arrays(), lengths=lengths, direction=direction))
    y, *_ = run_in_onnxruntime(path)
    mask = np.arange(STEPS) < np.array(lengths)[:, None]
    with lstmdump.open(path) as model:
        (lstm,) = model.lstms
        assert lstm.settings.sequence_lengths == tuple(lengths)
        ours = run(lstm, X.swapaxes(0, 1), mask=mask)
    np.testing.assert_allclose(ours.h.swapaxes(0, 1), y[:, 0], rtol=1e-5, atol=1e-5)
