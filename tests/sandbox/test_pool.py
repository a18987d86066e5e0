from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support.jobs import deaf, divided, ended, imported, process, refused, swallowing, unpicklable, waiting

from lstmdump.errors import NotAnLSTM, WorkerDied
from lstmdump.export.batch import run
from lstmdump.sandbox.pool import ProcessPool

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def test_a_process_that_dies_fails_only_its_own_job() -> None:
    with ProcessPool(2) as processes:
        outcomes = list(run(ended, [1, 2, -signal.SIGUSR1, 3, 4, -signal.SIGKILL, 5, 6], processes))
    assert [outcome.result for outcome in outcomes] == [1, 2, None, 3, 4, None, 5, 6]
    assert [str(outcome.error) for outcome in outcomes if outcome.error] == [
        f"the worker process died (signal {signal.SIGUSR1:d}, SIGUSR1); a damaged file can cause that",
        "the worker process died (signal 9, SIGKILL); a damaged file can cause that",
    ]
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {WorkerDied}


def test_the_only_process_is_replaced() -> None:
    with ProcessPool(1) as processes:
        outcomes = list(run(ended, [-signal.SIGUSR1, -signal.SIGKILL, 7], processes))
    assert [outcome.result for outcome in outcomes] == [None, None, 7]


def test_modules_are_imported_before_the_first_job() -> None:
    with ProcessPool(1, "sched") as processes:
        assert processes.submit(imported, "sched").result()


def test_jobs_run_in_no_more_processes_than_requested() -> None:
    with ProcessPool(2) as processes:
        found = {outcome.result for outcome in run(process, range(50), processes)}
    assert os.getpid() not in found
    assert len(found) <= 2


def test_an_error_keeps_its_class_and_message() -> None:
    with ProcessPool(1) as processes, pytest.raises(NotAnLSTM, match="3 is none"):
        processes.submit(refused, 3).result()


def test_an_unexpected_exception_keeps_its_traceback() -> None:
    with ProcessPool(1) as processes, pytest.raises(ZeroDivisionError) as raised:
        processes.submit(divided, 0).result()
    assert "return 1 / by" in str(raised.value.__cause__)


def test_a_result_that_cannot_be_sent_is_reported() -> None:
    with ProcessPool(1) as processes:
        with pytest.raises(TypeError, match=r"the result cannot be sent: .*lock"):
            processes.submit(unpicklable, 0).result()
        assert processes.submit(divided, 2).result() == 0.5


def test_a_job_that_cannot_be_pickled_is_reported() -> None:
    with ProcessPool(1) as processes:
        with pytest.raises(Exception, match=r"pickle|local object"):
            processes.submit(lambda: None).result()
        assert processes.submit(divided, 2).result() == 0.5


def interrupted(processes: Any, work: Any, place: Path) -> None:
    with processes:
        begun = processes.submit(work, str(place))
        while not place.exists():
            assert not begun.done()
            time.sleep(0.01)
        raise KeyboardInterrupt


def test_interrupted_jobs_clean_up(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(ProcessPool(1), waiting, tmp_path / "begun")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_the_pool_although_it_leaves_a_lock_held() -> None:
    with pytest.raises(KeyboardInterrupt), ProcessPool(1) as processes:
        processes.submit(divided, 2)._condition.acquire()  # as Ctrl-C does at the wrong moment
        raise KeyboardInterrupt


def test_jobs_that_have_not_started_are_cancelled(tmp_path: Path) -> None:
    processes = ProcessPool(1)
    begun = processes.submit(waiting, str(tmp_path / "begun"))
    futures = [processes.submit(divided, 2) for _ in range(3)]
    while not (tmp_path / "begun").exists():
        assert not begun.done()
        time.sleep(0.01)
    processes.stop()
    assert (begun.cancelled(), [future.cancelled() for future in futures]) == (False, [True] * 3)


def test_a_closed_pool_accepts_no_jobs() -> None:
    with ProcessPool(1) as processes:
        pass
    with pytest.raises(RuntimeError, match="the pool has been shut down and accepts no more jobs"):
        processes.submit(divided, 2)


def exit_status(processes: ProcessPool) -> int:
    """Return the exit status of the only process, which has ended although another thread may not have noted it yet."""
    process = processes._workers[0]._process
    assert process is not None
    while process.exitcode is None:
        time.sleep(0.01)
    return process.exitcode


def test_a_job_that_ignores_the_interrupt_is_killed(tmp_path: Path) -> None:
    processes = ProcessPool(1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(processes, deaf, tmp_path / "begun")
    assert exit_status(processes) == -signal.SIGKILL


def test_a_job_that_swallows_the_interrupt_is_the_last_of_its_process(tmp_path: Path) -> None:
    processes = ProcessPool(1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(processes, swallowing, tmp_path / "begun")
    assert exit_status(processes) == 0
