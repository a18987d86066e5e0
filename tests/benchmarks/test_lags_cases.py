from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from benchmarks import lags_cases
from benchmarks.measuring import Launcher, Usage
from benchmarks.workspace import QUICK, Sizes, Workspace

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the resources used by a process cannot be measured")


def used(cpu: float) -> Usage:
    return Usage(cpu, cpu, 10, 0, 0)


def test_the_goals_are_shares_of_the_first_release_for_820_steps() -> None:
    (case,) = lags_cases.CASES
    assert {name: goal.limit for goal in case.goals(Sizes()) for name in goal.figures} == {
        "64 × 820": 0.35, "256 × 820": 0.25, "512 × 820": 0.2
    }  # fmt: skip


def test_the_products_of_wide_layers_are_measured_for_some_steps_only() -> None:
    assert [lags_cases.count_products(units, 820) for units in (64, 256, 512)] == [820, 256, 32]


def test_a_figure_is_the_share_of_the_time_of_the_first_release() -> None:
    products, steps = 32, 820  # so the products of all steps take 820 / 32 times what is measured
    first = lags_cases.FIRST[512] * 100 * steps / products
    one = {"lags, 512 units": used(first / 4), "numpy: products of 512 × 2048 and 2048 × 512": used(100)}
    assert lags_cases.over_first(512, steps)(one) == pytest.approx(0.25)


def test_the_commands_of_a_quick_run_print_their_times(tmp_path: Path) -> None:
    with Launcher(tmp_path) as launcher:
        commands = lags_cases._commands(Workspace(tmp_path, QUICK, ExitStack(), launcher.read_stdout))
        usages = [launcher.run(command) for command in commands[:2]]
    assert [usage.failure for usage in usages] == ["", ""]
    assert all(usage.cpu > 0 for usage in usages)
