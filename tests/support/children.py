"""The scripts in `tests/oracle` that run TensorFlow, each in a process of its own."""

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
    """Let SCRIPT write what TensorFlow makes of CASES, which go to it as JSON, to OUT; without TensorFlow, skip."""
    if importlib.util.find_spec("tf_keras") is None:  # looked for and not imported: it leaves threads in this process
        pytest.skip("needs the extra `oracle`")
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, out], input=json.dumps(cases), capture_output=True, text=True, check=False,
        timeout=1200, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return out
