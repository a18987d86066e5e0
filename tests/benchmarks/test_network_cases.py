from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from benchmarks import network_cases
from benchmarks.measuring import Launcher
from benchmarks.workspace import QUICK, NotMeasured, Sizes, Workspace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the resources used by a process cannot be measured")


def test_the_goal_is_one_and_a_half_times_the_cpu_of_keras_for_both_networks() -> None:
    (case,) = network_cases.CASES
    (goal,) = case.goals(Sizes())
    assert (list(goal.figures), goal.limit) == (
        ["Embedding, two LSTMs, Dense", "two Conv1D, Bidirectional, two Dense"], 1.5
    )  # fmt: skip


def test_without_keras_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(NotMeasured, match=r"^keras, tensorflow not installed$"):
        network_cases._beside_keras(Workspace(tmp_path, QUICK, ExitStack(), str))


@pytest.mark.oracle
def test_the_networks_of_a_quick_run_print_their_times(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    with Launcher(tmp_path) as launcher:
        commands = network_cases._beside_keras(Workspace(tmp_path, QUICK, ExitStack(), launcher.read_stdout))
        used = [launcher.run(command) for command in commands]
    assert [usage.failure for usage in used] == [""] * 4
    assert all(usage.wall > 0 for usage in used)
