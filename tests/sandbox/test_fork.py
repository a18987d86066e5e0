from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from lstmdump.sandbox import fork
from lstmdump.sandbox.fork import Forked, Pipe

pytestmark = pytest.mark.skipif(not fork.HAS_FORK, reason="this system has no forks that work")
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


def test_the_end_of_the_other_side_is_an_end_of_file() -> None:
    process = Forked(lambda _: None)
    with pytest.raises(EOFError):
        process.pipe.recv_bytes()
    process.join()


def test_nothing_comes_from_who_is_silent() -> None:
    process = Forked(silent)
    assert not process.pipe.poll(0.01)
    process.pipe.close()
    process.join()


def test_a_fork_ends_when_its_pipe_is_closed_though_another_was_forked_meanwhile() -> None:
    first = Forked(silent)
    second = Forked(silent)
    first.pipe.close()
    first.join()  # for ever, were our end open in the second, too
    second.pipe.close()
    second.join()
    assert (first.exitcode, second.exitcode) == (1, 1)


def test_no_process_is_born_while_a_pipe_is_being_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    first, close, born = Forked(echo), os.close, list[Forked]()
    birth = threading.Thread(target=lambda: born.append(Forked(echo)))

    def slowly(descriptor: int) -> None:
        close(descriptor)
        if birth.ident is None:
            birth.start()
            birth.join(0.5)  # a process that is born now takes for open what has been closed

    monkeypatch.setattr(fork.os, "close", slowly)
    first.pipe.close()
    birth.join()
    born[0].pipe.send_bytes(b"lives")
    assert born[0].pipe.recv_bytes() == b"lives"
    for process in (first, *born):
        process.pipe.close()
        process.join()


def test_what_a_fork_raises_ends_it_and_nothing_else() -> None:
    def fail(_: Pipe) -> None:
        raise ValueError

    process = Forked(fail)
    process.join()
    assert process.exitcode == 1


def test_a_signal_that_ends_a_fork_is_told() -> None:
    process = Forked(lambda _: os.kill(os.getpid(), signal.SIGXCPU))
    process.join()
    assert process.exitcode == -signal.SIGXCPU


def test_a_fork_that_goes_on_is_waited_for_no_longer_than_asked() -> None:
    process = Forked(silent)
    process.join(0.02)
    assert process.exitcode is None
    process.kill()
    process.join()
    assert process.exitcode == -9


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell which files are open")
def test_where_no_process_can_be_forked_no_pipe_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def crowded() -> NoReturn:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", crowded)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(BlockingIOError):
        Forked(silent)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(("name", "can"), [("lstmdump-painter", True), ("of others", False)])
def test_a_process_is_forked_beside_no_thread_but_ours(name: str, can: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    running = [threading.main_thread(), threading.Thread(target=print, name=name)]
    monkeypatch.setattr(threading, "enumerate", lambda: running)  # other tests have left threads of others behind
    assert fork.can_fork() is can
