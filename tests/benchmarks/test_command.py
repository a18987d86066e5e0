from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the resources used by a process cannot be measured")


def test_a_quick_run_runs_every_command(tmp_path: Path) -> None:
    """Check this for some cases only."""
    words = [
        sys.executable,
        str(Path(__file__).parent),
        "--quick",
        "--dir",
        str(tmp_path),
        "--json",
        str(tmp_path / "x"),
    ]
    done = subprocess.run(
        [*words, "--only", "start-up|existing outputs|long list"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    runs = [run for case in json.loads((tmp_path / "x").read_bytes()) for run in case["runs"].items()]
    assert len(runs) > 15
    assert [(name, run["failure"]) for name, rounds in runs for run in rounds if run["failure"]] == []
