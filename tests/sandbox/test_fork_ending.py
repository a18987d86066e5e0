from __future__ import annotations

import signal

import pytest

from lstmdump.sandbox.fork import ending


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exit status 0"),
        (3, "exit status 3"),
        (-signal.SIGSEGV, "signal 11, SIGSEGV"),
        (-signal.SIGABRT, "signal 6, SIGABRT"),
        (-120, "signal 120"),
    ],
)
def test_an_exit_status_is_described_in_words(status: int, words: str) -> None:
    assert ending(status) == words
