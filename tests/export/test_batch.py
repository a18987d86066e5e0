from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from typing import Any

import pytest
from support.jobs import died, halved

from lstmdump.export.batch import Outcome, run
from lstmdump.sandbox.pool import ProcessPool


def results(outcomes: Iterator[Outcome[int, int]]) -> list[object]:
    return [outcome.result if outcome.error is None else repr(outcome.error) for outcome in outcomes]


EXECUTORS = {
    "here": lambda: nullcontext(None),
    "threads": lambda: ThreadPoolExecutor(2),
    "processes of the standard library": lambda: ProcessPoolExecutor(2, multiprocessing.get_context("spawn")),
    "processes of ours": lambda: ProcessPool(2),
}


@pytest.mark.parametrize("make", EXECUTORS.values(), ids=EXECUTORS.keys())
def test_outcomes_are_in_order_and_a_failure_stops_no_other_job(make: Any) -> None:
    with make() as executor:
        assert results(run(halved, [0, 1, 2, 4], executor)) == [0, "ValueError('1 is odd')", 1, 2]


@pytest.mark.parametrize("make", EXECUTORS.values(), ids=EXECUTORS.keys())
def test_each_outcome_names_its_job(make: Any) -> None:
    with make() as executor:
        assert [outcome.job for outcome in run(halved, [6, 7], executor)] == [6, 7]


class Held(Executor):
    """An executor that runs no job by itself."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, _work: Any, /, *_args: Any, **_options: Any) -> Future[Any]:
        self.futures.append(Future())
        return self.futures[-1]


class Immediate(Executor):
    def submit(self, work: Any, /, *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **options))
        return done


def test_completed_jobs_are_yielded_before_more_are_taken() -> None:
    taken = itertools.count()
    outcomes = run(abs, taken, Immediate())
    assert [next(outcomes).job for _ in range(3)] == [0, 1, 2]
    assert next(taken) == 3


def test_the_number_of_jobs_in_an_executor_is_limited() -> None:
    held, taken = Held(), itertools.count()
    with ThreadPoolExecutor(1) as other:
        first = other.submit(next, run(abs, taken, held, at_once=5))
        while len(held.futures) < 5:
            pass
        held.futures[0].set_result(0)
        assert first.result(60).job == 0
    assert (len(held.futures), next(taken)) == (5, 5)


def test_closing_the_iterator_cancels_jobs_that_have_not_begun() -> None:
    held = Held()
    outcomes = run(abs, range(3), held)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(next, outcomes)
        while len(held.futures) < 3:
            pass
        held.futures[0].set_result(0)
        first.result(60)
    outcomes.close()
    assert [future.cancelled() for future in held.futures] == [False, True, True]


def test_an_interrupt_of_the_work_interrupts_the_batch() -> None:
    held = Held()
    outcomes = run(abs, [1, 2], held, at_once=1)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(next, outcomes)
        while not held.futures:
            pass
        held.futures[0].set_exception(KeyboardInterrupt())
        assert isinstance(first.exception(60), KeyboardInterrupt)


def test_a_job_cancelled_elsewhere_fails() -> None:
    class Cancelling(Held):
        def submit(self, work: Any, /, *_args: Any, **_options: Any) -> Future[Any]:
            future = super().submit(work)
            future.cancel()
            return future

    assert [type(outcome.error) for outcome in run(abs, [1], Cancelling())] == [CancelledError]


def test_a_known_result_is_not_submitted() -> None:
    held = Held()
    assert results(run(halved, [3], held, known=lambda job: job * 10)) == [30]
    assert held.futures == []


def test_a_job_known_to_fail_is_not_submitted() -> None:
    held = Held()
    assert results(run(abs, [3], held, known=halved)) == ["ValueError('3 is odd')"]
    assert held.futures == []


def test_a_broken_executor_fails_its_jobs_without_ending_the_batch() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        outcomes = list(run(died, [1, 2, 3], executor, at_once=1))
    assert [type(outcome.error) for outcome in outcomes] == [BrokenProcessPool] * 3
