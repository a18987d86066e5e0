"""Layers that were exported to PyTorch and ONNX, run there: h and c are those that lstmdump computes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.oracle

Run = Callable[..., Any]
ROOT = Path(__file__).parents[2]
SAMPLES = [ROOT / "sample_models" / name for name in json.loads((ROOT / "sample_models" / "samples.json").read_text())]
GENUINE = [
    ROOT / "tests" / "genuine" / name
    for name in (
        "keras-1.0.8-tf0.12.1-py27-bidirectional.weights.h5",
        "keras-2.3.1-tf1.15.5-py36-cudnn_bidirectional.model.h5",
        "keras-2.12.0-weights-bidir_diff.h5",
        "keras-3.15.1-full-pol_float16.h5",
        "tf-1.4.1-py36-cudnn_compatible.ckpt",
        "tf-1.15.5-py36-block_peephole.ckpt",
        "tf.keras-2.9.3-full-nested2.h5",
    )
]
RUNTIMES = {"pytorch": ("torch", ".npz"), "onnx": ("onnxruntime", ".onnx")}
REASONS = r"does not compute|cannot compute|does not hold its forget bias|numbers .* not read"


@pytest.mark.parametrize("layout", RUNTIMES)
@pytest.mark.parametrize("model", [*SAMPLES, *GENUINE], ids=lambda path: path.name)
def test_exported_layers_compute_the_same_or_are_refused_with_a_reason(
    model: Path, layout: str, run: Run, tmp_path: Path
) -> None:
    package, suffix = RUNTIMES[layout]
    pytest.importorskip(package)
    outcome = run("export", model, "--layout", layout, "--check", "-o", tmp_path / f"out{suffix}")
    if outcome.status:
        assert re.search(REASONS, outcome.err), outcome.err
        return
    differences = [float(text) for text in re.findall(r"largest difference (\S+) from", outcome.err)]
    assert differences
    assert max(differences) < 1e-6


def test_a_graph_of_float16_is_checked_in_float16(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = ROOT / "sample_models" / "keras-3.15-func30.keras"
    outcome = run("export", model, "--layout", "onnx", "--dtype", "float16", "--check", "-o", tmp_path / "out.onnx")
    assert outcome.status == 0
    assert float(re.findall(r"largest difference (\S+) from", outcome.err)[0]) < 2**-9


def test_onnxruntime_takes_no_graph_of_float64(run: Run, tmp_path: Path) -> None:
    """The reason for which such a graph is refused."""
    pytest.importorskip("onnxruntime")
    model = ROOT / "sample_models" / "keras-3.15-func30.keras"
    written = "--dtype", "float64", "--force-layout", "--check"
    outcome = run("export", model, "--layout", "onnx", *written, "-o", tmp_path / "out.onnx")
    assert "does not support double" in outcome.err
