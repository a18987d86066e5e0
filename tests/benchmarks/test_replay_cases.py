from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks import peers, replay_cases
from benchmarks.measuring import Launcher, Usage
from benchmarks.workspace import QUICK, Workspace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the resources used by a process cannot be measured")


def timed(durations: list[float], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the output for runs that take these seconds one after the other, half of them as CPU time."""
    now, left = [0.0], iter(durations)
    names: dict[str, Any] = {}
    exec(peers.TIMED, names)  # noqa: S102 - the code of the commands
    names["time"] = SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: now[0] / 2)
    names["timed"](lambda: now.append(now.pop() + next(left)), len(durations) - 2)
    return capsys.readouterr().out


def test_cpu_and_wall_time_are_the_medians_of_all_runs_but_the_first_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert timed([64, 64, 1, 2, 6], capsys) == "1000.0 2000.0\n"


def test_without_runs_no_times_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert timed([0, 0], capsys) == "\n"


def test_the_printed_times_replace_those_with_start_up() -> None:
    take = replay_cases.replace_times(lambda: "Keras says this first\n1.5 2.5\n")
    assert take(Usage(100, 200, 30, 0, 0)) == Usage(1.5, 2.5, 30, 0, 0)


def test_the_states_are_six_arrays_of_float32() -> None:
    assert replay_cases._Batch(2, 1024, 512).states == 6 * 4


def test_the_goal_is_for_32_sequences_of_820_steps_and_64_units() -> None:
    (case,) = replay_cases.CASES
    time, _ = case.goals(replay_cases.Sizes())
    assert (list(time.figures), time.limit) == (["32 × 820 × 64"], 1.5)


def test_the_replay_of_a_quick_run_prints_its_times(tmp_path: Path) -> None:
    with Launcher(tmp_path) as launcher:
        (command, *_) = replay_cases._beside_keras(Workspace(tmp_path, QUICK, ExitStack(), launcher.read_stdout))
        whole = launcher.run(command._replace(checked=lambda usage: usage))
        usage = launcher.run(command)
    assert (whole.failure, usage.failure) == ("", "")
    assert 0 < usage.wall < whole.wall
