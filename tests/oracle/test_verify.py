"""Test `lstmdump verify` with the real TensorFlow: it agrees where all is right, and it can disagree."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders

import lstmdump
from lstmdump.lstm.gate_layouts import CUDNN, TWO_KERNELS
from lstmdump.lstm.tf1_cells import TF1_CELL, FusedKernel
from lstmdump.replay import equations

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
CELLS = ("plain", "forget-bias", "peepholes-and-projection", "float64", "block", "block-peepholes", "block-v2")
Run = Callable[..., Any]


@pytest.fixture(scope="module", autouse=True)
def _needs_tensorflow() -> None:
    if importlib.util.find_spec("tf_keras") is None:
        pytest.skip("needs the extra `oracle`")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for each of `CELLS`, with the checkpoint that TensorFlow wrote and the outputs of the cell."""
    out = tmp_path_factory.mktemp("cells")
    done = subprocess.run(
        [sys.executable, HERE / "write_cells.py", out], capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def verified(run: Run, *paths: Path, status: int = 0) -> list[dict[str, Any]]:
    """Return the layers of the models at `paths` as `verify` reports them."""
    outcome = run("verify", "--json", "-q", *paths)
    assert (outcome.status, outcome.err) == (status, "")
    return [layer for line in outcome.out.splitlines() for layer in json.loads(line)["layers"]]


def test_every_sample_and_genuine_file_agrees(run: Run, root: Path) -> None:
    files = [*(root / "sample_models").glob("*.h5"), *(root / "tests").glob("genuine/*.h5"), *HERE.glob("*.h5")]
    layers = verified(run, *files)
    assert {layer["agrees"] for layer in layers} == {True}
    assert {layer["class"] for layer in layers} >= {"LSTM", "CuDNNLSTM"}


def test_every_cell_of_tensorflow_1_agrees(run: Run, cells: Path) -> None:
    layers = verified(run, *(cells / name for name in CELLS))
    assert [(layer["cell"], layer["agrees"]) for layer in layers] == [
        *[("tf.compat.v1.nn.rnn_cell.LSTMCell", True)] * 4, *[("tf.raw_ops.BlockLSTM", True)] * 2,
        ("tf.raw_ops.BlockLSTMV2", True),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "cell"), [("plain", "tf_keras.layers.LSTM"), ("forget-bias", "tf_keras.layers.LSTM"),
                                            ("peepholes-and-projection", "tf.compat.v1.nn.rnn_cell.LSTMCell")])  # fmt: skip
def test_the_gates_of_a_layout_that_tensorflow_lacks_agree(
    run: Run, cells: Path, name: str, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FusedKernel, "tensorflow_cell", lambda *_: "gates")
    verdict = json.loads(run("verify", "--json", cells / name).out)
    (layer,) = verdict["layers"]
    assert (layer["cell"], layer["agrees"]) == (cell, True)
    assert "it got the gates as they are exported" in verdict["notes"][0]


@pytest.mark.parametrize("name", CELLS)
def test_the_replay_gives_what_the_cell_computed(cells: Path, name: str) -> None:
    recorded = np.load(cells / name / "io.npz")
    with lstmdump.open(cells / name) as model:
        states = equations.replay(equations.read(model.lstms[0], dtype=str(recorded["x"].dtype)), recorded["x"])
    np.testing.assert_allclose(states.h, recorded["h"], atol=2e-6)
    np.testing.assert_allclose(states.c[:, -1], recorded["c"], atol=2e-6)


def test_without_its_graph_a_cell_has_a_forget_bias_of_one(run: Run, cells: Path, tmp_path: Path) -> None:
    for path in (cells / "forget-bias").glob("model.ckpt.[id]*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    outcome = run("verify", tmp_path / "model.ckpt")
    assert outcome.out.endswith(" (with a forget bias of 1.0 on both sides: the file does not hold it)\n")
    assert outcome.status == 0


def test_peepholes_of_keras_agree(run: Run, tmp_path: Path) -> None:
    weights = [
        *builders.keras_2_weights("rnn/cell"),
        *[(f"rnn/cell/{g}_gate_peephole_weights:0", builders.numbers(4, seed=k)) for k, g in enumerate(("input", "forget", "output"))],
    ]  # fmt: skip
    (layer,) = verified(run, builders.write(tmp_path / "a.h5", {"rnn": weights}))
    assert (layer["cell"], layer["agrees"]) == ("tf.keras.experimental.PeepholeLSTMCell", True)


@pytest.mark.parametrize("order", ["icfo", "fico", "ifoc"])
def test_a_wrong_order_of_gates_is_detected(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    monkeypatch.setattr(TWO_KERNELS, "order", order)
    (layer,) = verified(run, model, status=1)
    assert (layer["agrees"], layer["difference"] > 0.01) == (False, True)


def test_a_wrong_order_in_a_cell_of_tensorflow_1_is_detected(
    run: Run, cells: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = FusedKernel("ifco")
    monkeypatch.setattr(TF1_CELL, "gates", wrong.gates)
    assert [layer["agrees"] for layer in verified(run, cells / "plain", status=1)] == [False]


def test_cudnn_blocks_that_are_not_transposed_are_detected(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def unturned(name: str, kernel: Any, recurrent: Any, bias: Any) -> Any:
        return TWO_KERNELS.cut(name, kernel, recurrent, bias.part(slice(0, 32)))

    monkeypatch.setattr(CUDNN, "cut", unturned)
    (layer,) = verified(run, HERE / "tf.keras-2.8.4-cudnn.h5", status=1)
    assert layer["agrees"] is False


def test_a_tensorflow_that_aborts_leaves_the_command_alive(process: Callable[..., Any], samples: Path, tmp_path: Path) -> None:  # fmt: skip
    (tmp_path / "tensorflow.py").write_text("import os; os.abort()")
    path = samples / "keras-2.2.0-weather.h5"
    done = process("verify", path, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"lstmdump: {path}: TensorFlow died at startup (signal 6, SIGABRT);")


def test_the_process_that_verifies_does_not_import_tensorflow(samples: Path) -> None:
    code = (
        "import sys; from lstmdump import cli; "
        f"print(cli.run(['verify', {str(samples / 'keras-2.2.0-weather.h5')!r}]), "
        "sorted({'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_the_output_in_the_manual_is_real(root: Path, samples: Path) -> None:
    page = (root / "lstmdump" / "manual" / "verify.md").read_text("utf-8")
    (block,) = re.findall(r"```text\n\$ lstmdump (verify .*?)```", page, re.DOTALL)
    words, *output = block.splitlines()
    command = [sys.executable, "-m", "lstmdump", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=samples)
    number = re.compile(r"\S+e-\d+")  # rounding depends on the machine
    assert [number.sub("…", line) for line in done.stdout.splitlines()] == [number.sub("…", line) for line in output]
