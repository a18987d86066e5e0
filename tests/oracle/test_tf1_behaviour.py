"""Compare the replay of cells described by graphs of TensorFlow 1 with the outputs of these cells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import CannotReplay
from lstmdump.lstm import behaviour
from lstmdump.replay import equations
from lstmdump.replay.equations import States

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
ACTIVATIONS = ("relu", "relu6", "elu", "selu", "softplus", "softsign", "sigmoid", "linear", "identity")
UNKNOWN = ("gelu", "swish", "sin", "leaky", "twice", "noise", "tanh-of-tanh", "crelu", "hard", "clipped", "one-sided")
CELLS = (
    *ACTIVATIONS, "basic-relu", "basic-softsign", "cell-clip", "cell-clip-linear", "projection-clip", "everything",
    "everything-static", "everything-trained", "lengths", "bidirectional", "bidirectional-lengths",
    "bidirectional-list", "bidirectional-list-lengths", "block", "block-clip", "block-2-clip",
)  # fmt: skip
OWN = (
    "own", "own-joined", "own-fused", "own-static", "own-loop", "own-scan", "own-side-by-side", "own-gates", "own-terms",
    "own-slices", "own-dots", "own-slice", "own-sizes", "own-peepholes", "own-two-peepholes", "own-gates-peepholes",
    "own-clip", "own-relu", "own-softsign", "own-everything-dynamic", "own-everything-static", "own-everything-loop",
    "own-everything-scan",
)  # fmt: skip
IN_ALL_WAYS = ("everything", "bidirectional", "block")
VERSIONS = (1, 2)  # of control flow


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tf_keras", reason="needs the extra `oracle`")
    out = tmp_path_factory.mktemp("tf1")
    done = subprocess.run(
        [sys.executable, HERE / "write_tf1_cells.py", out], capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def where(written: Path, name: str) -> Path:
    return written / name / "frozen.pb" if "-frozen-" in name else written / name


def replayed(lstm: lstmdump.LSTM, producer: str, x: np.ndarray, mask: np.ndarray | None = None) -> States:
    return equations.replay(equations.read(lstm, behaviour.of(lstm, producer)), x, mask=mask)


def assert_same(states: States, recorded: dict[str, np.ndarray], turn: int, *, backwards: bool) -> None:
    np.testing.assert_allclose(states.h, recorded[f"h{turn}"], atol=1e-5)
    np.testing.assert_allclose(states.c[:, 0 if backwards else -1], recorded[f"c{turn}"], atol=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "case", [f"{name}-checkpoint" for name in (*CELLS, *OWN)] + [f"{name}-{way}" for name in IN_ALL_WAYS for way in ("saved-model", "frozen")]
)  # fmt: skip
def test_the_replay_gives_what_the_cells_computed(written: Path, case: str, version: int) -> None:
    name = f"{case}-{version}"
    if name == "bidirectional-list-lengths-checkpoint-2":
        pytest.skip("the cells are in the branches of conditions that are functions, where no cell is looked for")
    recorded = dict(np.load(written / f"{name}.npz"))
    with lstmdump.open(where(written, name)) as model:
        assert len(model.lstms) == 1 + case.startswith("bidirectional")
        for turn, lstm in enumerate(model.lstms):
            states = replayed(lstm, model.model.producer, recorded["x"], recorded.get("mask"))
            assert_same(states, recorded, turn, backwards=turn == 1)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", UNKNOWN)
def test_a_cell_with_an_unknown_activation_is_refused(written: Path, case: str, version: int) -> None:
    with lstmdump.open(written / f"{case}-checkpoint-{version}") as model, pytest.raises(CannotReplay):
        behaviour.of(model.lstms[0], model.model.producer)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", ["stack-checkpoint", "stack-saved-model", "stack-frozen", "stack-dropout-checkpoint"])
def test_a_stack_is_replayed_one_cell_after_the_other(written: Path, case: str, version: int) -> None:
    name = f"{case}-{version}"
    recorded = dict(np.load(written / f"{name}.npz"))
    with lstmdump.open(where(written, name)) as model:
        first, second = model.lstms
        below = replayed(first, model.model.producer, recorded["x"])
        above = replayed(second, model.model.producer, below.h)
        sources = {"/".join(path): source.layers for path, source in model.model.sources().items()}
    assert sources == {second.name: (tuple(first.name.split("/")),)}
    np.testing.assert_allclose(below.c[:, -1], recorded["c0"], atol=1e-5)
    np.testing.assert_allclose(above.h, recorded["h0"], atol=1e-5)
    np.testing.assert_allclose(above.c[:, -1], recorded["c1"], atol=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_second_cell_of_a_stack_whose_first_adds_its_input_has_no_source(written: Path, version: int) -> None:
    with lstmdump.open(written / f"stack-residual-checkpoint-{version}") as model:
        assert len(model.lstms) == 2
        assert model.model.sources() == {}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", ["unlike-two-activations", "unlike-bounds"])
def test_a_cell_of_ones_own_that_cannot_be_replayed_is_found_and_refused(
    written: Path, case: str, version: int
) -> None:
    with lstmdump.open(written / f"{case}-checkpoint-{version}") as model, pytest.raises(CannotReplay):
        behaviour.of(model.lstms[0], model.model.producer)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "case",
    ["coupled", "full-peephole", "normalized", "passing-the-clipped", "keeping-c", "projecting", "squashing", "uneven",
     "a-known-activation"],
)  # fmt: skip
def test_a_cell_that_computes_something_else_is_noted(written: Path, case: str, version: int) -> None:
    with lstmdump.open(written / f"not-{case}-checkpoint-{version}") as model:
        assert model.lstms == ()
        assert [note for note in model.model.notes if "its graph does not show the equations of one" in note]
