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

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def test_a_process_that_dies_fails_its_own_job_alone() -> None:
    with ProcessPool(2) as processes:
        outcomes = list(run(ended, [1, 2, -signal.SIGUSR1, 3, 4, -signal.SIGKILL, 5, 6], processes))
    assert [outcome.result for outcome in outcomes] == [1, 2, None, 3, 4, None, 5, 6]
    assert [str(outcome.error) for outcome in outcomes if outcome.error] == [
        f"the process that worked on it died (signal {signal.SIGUSR1:d}, SIGUSR1); a damaged file can do that",
        "the process that worked on it died (signal 9, SIGKILL); a damaged file can do that",
    ]
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {WorkerDied}


def test_one_process_alone_is_replaced() -> None:
    with ProcessPool(1) as processes:
        outcomes = list(run(ended, [-signal.SIGUSR1, -signal.SIGKILL, 7], processes))
    assert [outcome.result for outcome in outcomes] == [None, None, 7]


def test_modules_are_imported_before_the_first_job() -> None:
    with ProcessPool(1, "sched") as processes:
        assert processes.submit(imported, "sched").result()


def test_work_is_done_in_other_processes_and_not_in_more_than_asked_for() -> None:
    with ProcessPool(2) as processes:
        found = {outcome.result for outcome in run(process, range(50), processes)}
    assert os.getpid() not in found
    assert len(found) <= 2


def test_an_error_keeps_its_kind_and_its_words() -> None:
    with ProcessPool(1) as processes, pytest.raises(NotAnLSTM, match="3 is none"):
        processes.submit(refused, 3).result()


def test_a_bug_comes_with_its_traceback() -> None:
    with ProcessPool(1) as processes, pytest.raises(ZeroDivisionError) as raised:
        processes.submit(divided, 0).result()
    assert "return 1 / by" in str(raised.value.__cause__)


def test_what_cannot_be_handed_on_is_told() -> None:
    with ProcessPool(1) as processes:
        with pytest.raises(TypeError, match=r"cannot be handed on: .*lock"):
            processes.submit(unpicklable, 0).result()
        assert processes.submit(divided, 2).result() == 0.5


def test_what_cannot_be_sent_is_told() -> None:
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


def test_an_interrupt_ends_the_jobs_which_clean_up(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(ProcessPool(1), waiting, tmp_path / "begun")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_all_though_it_left_a_lock_behind() -> None:
    with pytest.raises(KeyboardInterrupt), ProcessPool(1) as processes:
        processes.submit(divided, 2)._condition.acquire()  # as Ctrl-C does at the wrong moment
        raise KeyboardInterrupt


def test_what_has_not_begun_is_cancelled(tmp_path: Path) -> None:
    processes = ProcessPool(1)
    begun = processes.submit(waiting, str(tmp_path / "begun"))
    futures = [processes.submit(divided, 2) for _ in range(3)]
    while not (tmp_path / "begun").exists():
        assert not begun.done()
        time.sleep(0.01)
    processes.stop()
    assert (begun.cancelled(), [future.cancelled() for future in futures]) == (False, [True] * 3)


def test_nothing_is_taken_after_the_end() -> None:
    with ProcessPool(1) as processes:
        pass
    with pytest.raises(RuntimeError, match="no work is taken any more"):
        processes.submit(divided, 2)


def exit_status(processes: ProcessPool) -> int:
    """That of its one process, which has ended; who waited for it may not have noted it yet."""
    process = processes._workers[0]._process
    assert process is not None
    while process.exitcode is None:
        time.sleep(0.01)
    return process.exitcode


def test_a_job_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    processes = ProcessPool(1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(processes, deaf, tmp_path / "begun")
    assert exit_status(processes) == -signal.SIGKILL


def test_a_job_that_swallows_the_interrupt_is_the_last(tmp_path: Path) -> None:
    processes = ProcessPool(1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(processes, swallowing, tmp_path / "begun")
    assert exit_status(processes) == 0
