from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from lstmdump.sandbox import fork
from lstmdump.sandbox.fork import Forked, Pipe

pytestmark = pytest.mark.skipif(not fork.HAS_FORK, reason="fork does not work on this system")
LONG = bytes(range(256)) * 20_000  # 5 MB: more than a pipe holds


def echo(pipe: Pipe) -> None:
    while True:
        pipe.send_bytes(pipe.recv_bytes())


def silent(pipe: Pipe) -> None:
    pipe.recv_bytes()


@pytest.mark.parametrize("message", [b"", b"\0", LONG], ids=len)
def test_a_message_of_any_length_comes_back_whole(message: bytes) -> None:
    process = Forked(echo)
    process.pipe.send_bytes(message)
    assert process.pipe.recv_bytes() == message
    process.pipe.close()
    process.join()


def test_receiving_from_an_ended_process_raises_eof_error() -> None:
    process = Forked(lambda _: None)
    with pytest.raises(EOFError):
        process.pipe.recv_bytes()
    process.join()


def test_poll_times_out_without_a_message() -> None:
    process = Forked(silent)
    assert not process.pipe.poll(0.01)
    process.pipe.close()
    process.join()


def test_a_child_ends_when_its_pipe_is_closed_although_another_was_forked_later() -> None:
    first = Forked(silent)
    second = Forked(silent)
    first.pipe.close()
    first.join()  # would wait forever if the second child had our end open
    second.pipe.close()
    second.join()
    assert (first.exitcode, second.exitcode) == (1, 1)


def test_no_process_is_forked_while_a_pipe_is_being_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    first, close, born = Forked(echo), os.close, list[Forked]()
    birth = threading.Thread(target=lambda: born.append(Forked(echo)))

    def slowly(descriptor: int) -> None:
        close(descriptor)
        if birth.ident is None:
            birth.start()
            birth.join(0.5)  # a process that is forked now would take the closed descriptor for an open one

    monkeypatch.setattr(fork.os, "close", slowly)
    first.pipe.close()
    birth.join()
    born[0].pipe.send_bytes(b"lives")
    assert born[0].pipe.recv_bytes() == b"lives"
    for process in (first, *born):
        process.pipe.close()
        process.join()


def test_an_exception_in_a_child_ends_only_the_child() -> None:
    def fail(_: Pipe) -> None:
        raise ValueError

    process = Forked(fail)
    process.join()
    assert process.exitcode == 1


def test_the_exit_code_of_a_child_killed_by_a_signal_is_its_negated_number() -> None:
    process = Forked(lambda _: os.kill(os.getpid(), signal.SIGXCPU))
    process.join()
    assert process.exitcode == -signal.SIGXCPU


def test_join_returns_after_its_timeout() -> None:
    process = Forked(silent)
    process.join(0.02)
    assert process.exitcode is None
    process.kill()
    process.join()
    assert process.exitcode == -9


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list open files")
def test_a_failed_fork_leaves_no_pipe_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def crowded() -> NoReturn:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", crowded)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(BlockingIOError):
        Forked(silent)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(("name", "can"), [("lstmdump-painter", True), ("of others", False)])
def test_a_process_can_be_forked_only_with_our_own_threads(
    name: str, can: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = [threading.main_thread(), threading.Thread(target=print, name=name)]
    monkeypatch.setattr(threading, "enumerate", lambda: running)  # other tests have left threads running
    assert fork.can_fork() is can
