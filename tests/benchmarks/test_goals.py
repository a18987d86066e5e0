from __future__ import annotations

import pytest
from benchmarks.goals import Goal, cpu, cpu_each, judge, read_over, resident, resident_over, start_up
from benchmarks.measuring import Usage


def used(cpu: float, resident: float = 10, read: int | None = 0, failure: str = "") -> Usage:
    return Usage(cpu, cpu, resident, read, 0, None, failure)


RATIO = Goal("ours over theirs", 1.5, "×", {"a": cpu("ours", "theirs")})


def test_the_median_of_the_rounds_counts() -> None:
    rounds = [{"ours": used(ours), "theirs": used(theirs)} for ours, theirs in ((2, 2), (9, 1), (12, 10))]
    assert judge(RATIO, rounds).measured == {"a": 1.2}  # of 1, 9 and 1.2


@pytest.mark.parametrize(("ours", "holds"), [(14, True), (15, True), (16, False)])
def test_a_goal_holds_up_to_its_limit(ours: float, holds: bool) -> None:
    assert judge(RATIO, [{"ours": used(ours), "theirs": used(10)}]).holds is holds


def test_one_figure_too_large_misses_the_goal() -> None:
    both = RATIO._replace(figures={"a": cpu("ours", "theirs"), "b": cpu("theirs", "ours")})
    assert judge(both, [{"ours": used(1), "theirs": used(10)}]).holds is False


def test_a_command_that_was_not_run_is_not_judged() -> None:
    verdict = judge(RATIO, [{"ours": used(1)}])
    assert (verdict.holds, verdict.why) == (None, "not measured: a")


def test_a_failed_command_misses_the_goal_and_is_reported() -> None:
    verdict = judge(RATIO, [{"ours": used(1, failure="status 2"), "theirs": used(10)}])
    assert (verdict.holds, verdict.why) == (False, "ours: status 2")


def test_one_failure_misses_the_goal_despite_a_success_before() -> None:
    rounds = [{"ours": used(1), "theirs": used(10)}, {"ours": used(1, failure="status 2"), "theirs": used(10)}]
    assert judge(RATIO, rounds).holds is False


def test_an_unknown_figure_is_not_judged() -> None:
    goal = RATIO._replace(figures={"a": read_over("ours", "theirs")})
    assert judge(goal, [{"ours": used(1, read=None), "theirs": used(1, read=None)}]).holds is None


def test_the_named_start_up_is_subtracted() -> None:
    one = {"ours": used(7), "start": used(1), "theirs": used(2)}
    assert (cpu("ours", "theirs", "start")(one), cpu_each("ours", 3, "start")(one)) == (3, 2)


def test_the_memory_of_the_start_up_is_subtracted() -> None:
    assert resident_over("ours", "start")({"ours": used(1, 50), "start": used(1, 40)}) == 10


def test_a_start_up_is_compared_by_instructions() -> None:
    one = {"ours": used(9)._replace(instructions=260), "theirs": used(1)._replace(instructions=200)}
    assert start_up("ours", "theirs")(one) == 1.3


def test_a_start_up_is_compared_by_cpu_time_where_no_instructions_are_counted() -> None:
    assert start_up("ours", "theirs")({"ours": used(9), "theirs": used(2)}) == 4.5


def test_the_time_for_each_model_is_divided_by_that_of_another_command() -> None:
    assert cpu_each("ours", 100, against="theirs")({"ours": used(600), "theirs": used(40)}) == 0.15


def test_the_memory_of_one_command_is_its_own() -> None:
    assert resident("ours")({"ours": used(1, 15.5)}) == 15.5
