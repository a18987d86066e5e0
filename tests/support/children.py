"""Running of the scripts in `tests/oracle` that use TensorFlow, each in its own process."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[1] / "oracle"


def run(script: str, out: Path, cases: Any = None) -> Path:
    """Run `script`, which reads `cases` as JSON and writes TensorFlow's results to `out`; skip without TensorFlow."""
    if importlib.util.find_spec("tf_keras") is None:  # not imported: it would leave threads in this process
        pytest.skip("needs the extra `oracle`")
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, out], input=json.dumps(cases), capture_output=True, text=True, check=False,
        timeout=1200, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return out
