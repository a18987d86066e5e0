from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from support.jobs import (
    babbling,
    chattering,
    divided,
    ended,
    heavy,
    hoarding,
    idle,
    imported,
    lively,
    orphaned,
    process,
    spinning,
    summed,
    trusting,
)

from lstmdump.errors import RefusedModel, WorkerDied
from lstmdump.sandbox import fork
from lstmdump.sandbox import worker as sandbox_worker
from lstmdump.sandbox.worker import Worker

pytestmark = pytest.mark.skipif(not fork.HAS_FORK, reason="fork does not work on this system")
MEBIBYTE = 2**20


def crowded(number: int = errno.EAGAIN) -> NoReturn:
    raise OSError(number, os.strerror(number))


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.dismiss()


def test_a_job_that_loops_forever_is_ended(worker: Worker) -> None:
    with pytest.raises(WorkerDied, match=r"takes more CPU time than .*; --limit seconds=… allows more"):
        worker.do(spinning, 1)


def test_reading_more_bytes_allows_more_time(worker: Worker) -> None:
    assert worker.do(summed, 2, 20_000_000) == 2


def test_each_job_has_its_own_time_limit(worker: Worker) -> None:
    worker.do(summed, 1, 5_000_000)
    assert worker.do(divided, 2) == 0.5


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not report the memory of a process")
def test_a_job_that_takes_more_memory_than_the_limit_is_refused(worker: Worker) -> None:
    with pytest.raises(RefusedModel, match=r"takes more memory than .*; --limit memory=… allows more"):
        worker.do(hoarding, 64 * MEBIBYTE, 16 * MEBIBYTE, 0)


def test_reading_more_bytes_allows_more_memory(worker: Worker) -> None:
    assert worker.do(hoarding, 64 * MEBIBYTE, 16 * MEBIBYTE, 64 * MEBIBYTE) == 64 * MEBIBYTE


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not report the memory of a process")
def test_a_result_too_large_to_be_sent_is_refused(worker: Worker) -> None:
    with pytest.raises(RefusedModel, match=r"takes more memory than .*; --limit memory=… allows more"):
        worker.do(heavy, 64 * MEBIBYTE)


def test_a_limit_may_be_larger_than_the_system_can_count(worker: Worker) -> None:
    assert worker.do(trusting, 2**70) == 2**70


@pytest.mark.parametrize("number", [signal.SIGXCPU, signal.SIGKILL])
def test_the_error_names_the_signal_that_ended_the_process(worker: Worker, number: int) -> None:
    words = f"the worker process died (signal {number:d}, {signal.Signals(number).name}); a damaged file can cause that"
    with pytest.raises(WorkerDied) as raised:
        worker.do(ended, -number)
    assert str(raised.value) == words


def test_a_process_that_died_is_replaced(worker: Worker) -> None:
    first = worker.do(process, 0)
    with pytest.raises(WorkerDied):
        worker.do(ended, -signal.SIGKILL)
    assert worker.do(process, 0) not in (first, os.getpid())


def test_a_process_that_was_killed_between_two_jobs_is_replaced(worker: Worker) -> None:
    os.kill(worker.do(process, 0), signal.SIGKILL)
    assert worker._connection is not None
    assert worker._connection.poll(60)
    assert worker.do(divided, 2) == 0.5


def test_a_process_that_sends_an_invalid_answer_is_killed(worker: Worker) -> None:
    with pytest.raises(WorkerDied, match="SIGKILL"):
        worker.do(babbling, 600)


@pytest.mark.parametrize(
    ("number", "help_"),
    [
        (errno.EAGAIN, "end other processes, or raise the limit on processes (ulimit -u)"),
        (errno.EMFILE, "raise the limit on open files (ulimit -n)"),
        (errno.ENOMEM, "end other processes, or raise the limit on memory (ulimit -v)"),
    ],
)
def test_a_process_that_cannot_be_started_is_reported_with_what_helps(
    number: int, help_: str, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fork", lambda: crowded(number))
    with pytest.raises(WorkerDied) as raised:
        worker.do(divided, 2)
    assert str(raised.value) == f"the worker process could not be started ({os.strerror(number)}); {help_}"


def test_the_error_names_a_low_limit_of_the_user(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_worker, "describe_low", lambda: "the limit of 8 open files (ulimit -n)")
    with pytest.raises(WorkerDied, match=r"a damaged file can cause that, or the limit of 8 open files \(ulimit -n\)$"):
        worker.do(ended, -signal.SIGKILL)


def test_a_process_works_without_a_null_device(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "devnull", "/nothing/there")
    assert worker.do(divided, 2) == 0.5


def test_a_process_prints_nothing_even_without_a_null_device(
    worker: Worker, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "devnull", "/nothing/there")
    with pytest.raises(BrokenPipeError):
        worker.do(chattering, "double free or corruption")
    assert capfd.readouterr() == ("", "")


def test_all_jobs_are_done_by_one_process(worker: Worker) -> None:
    assert len({worker.do(process, turn) for turn in range(5)}) == 1


def test_a_process_prints_nothing(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    worker.do(chattering, "double free or corruption")
    assert capfd.readouterr() == ("", "")


def test_a_process_prints_with_the_debug_variable(
    worker: Worker, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTMDUMP_DEBUG", "1")
    worker.do(chattering, "HDF5-DIAG")
    assert capfd.readouterr() == ("HDF5-DIAG", "HDF5-DIAG")


def test_a_process_without_a_sign_of_life_is_killed(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_worker, "_PATIENCE", 0.1)
    monkeypatch.setattr(sandbox_worker, "_TICK", 0.05)
    with pytest.raises(WorkerDied, match="no sign of life"):
        worker.do(idle, 600)


def test_a_process_that_gives_signs_of_life_may_take_longer(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_worker, "_PATIENCE", 2.0)
    monkeypatch.setattr(sandbox_worker, "_TICK", 0.5)
    assert worker.do(lively, 60) == 60


def test_a_process_ends_during_its_job_when_its_parent_has_ended(worker: Worker) -> None:
    with pytest.raises(WorkerDied, match="exit status"):
        worker.do(orphaned, 0)


def test_modules_are_imported_before_the_first_job() -> None:
    worker = Worker("wave")
    assert worker.do(imported, "wave")
    worker.dismiss()


def test_a_module_that_cannot_be_imported_does_not_stop_the_worker() -> None:
    worker = Worker("lstmdump.nothing")
    assert worker.do(divided, 2) == 0.5
    worker.dismiss()
