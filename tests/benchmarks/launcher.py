"""Run commands one after the other, and report the resources that each of them used.

This is a small, separate process, because the peak of a process's resident memory is never below that of the process
it was forked from. Requests are lines of JSON on stdin, and answers are lines of JSON on stdout.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MACOS = sys.platform == "darwin"


def main() -> None:
    """Answer requests until the end of stdin."""
    for line in sys.stdin:
        print(json.dumps(measured(json.loads(line))), flush=True)


def measured(request: dict[str, Any]) -> dict[str, Any]:
    """Run one command to the end; return CPU and wall time in seconds, memory and the amount read in bytes."""
    terminal = os.openpty() if request["terminal"] else None
    started = time.perf_counter()
    pid = _spawn(request, terminal and terminal[1])
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
    signal.alarm(request["limit"])
    try:
        if terminal:
            _drain(*terminal)
        interrupted = _interrupt(pid, request["interrupt"]) if request["interrupt"] else None
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        ended = time.perf_counter()
    finally:
        signal.alarm(0)
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)  # processes that it left running
    read = _bytes_read(pid)
    _, status, usage = os.wait4(pid, 0)
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": ended - started,
        "resident": usage.ru_maxrss * (1 if MACOS else 1024),
        "read": read,
        "status": os.waitstatus_to_exitcode(status),
        "stopping": None if interrupted is None else ended - interrupted,
    }


def _spawn(request: dict[str, Any], terminal: int | None) -> int:
    """Start the command in a new process group, so that Ctrl-C can be sent to the group as a shell does.

    A benchmark in the background ignores Ctrl-C, but its commands must not.
    """
    actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_OPEN, 0, request["stdin"] or os.devnull, os.O_RDONLY, 0)]
    if terminal is None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions += [(os.POSIX_SPAWN_OPEN, number, request[name], flags, 0o600)
                    for number, name in ((1, "stdout"), (2, "stderr"))]  # fmt: skip
    else:
        actions += [(os.POSIX_SPAWN_DUP2, terminal, number) for number in (0, 1, 2)]
    words = request["words"]
    return os.posix_spawnp(words[0], words, os.environ, file_actions=actions, setpgroup=0,
                           setsigdef=[signal.SIGINT])  # fmt: skip


def _drain(ours: int, its: int) -> None:
    """Read from the terminal until all processes have closed it."""
    os.close(its)
    with suppress(OSError):
        while os.read(ours, 1 << 16):
            pass
    os.close(ours)


def _interrupt(pid: int, when: dict[str, Any]) -> float | None:
    """Send Ctrl-C when a directory has enough files and the delay is over; return the time, None if the process ended before."""
    while not _has_ended(pid):
        with suppress(FileNotFoundError):
            if sum(1 for _ in Path(when["directory"]).iterdir()) >= when["files"]:
                time.sleep(when["delay"])
                os.killpg(pid, signal.SIGINT)
                return time.perf_counter()
        time.sleep(0.002)
    return None


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _bytes_read(pid: int) -> int | None:
    """Return the bytes that system calls read for an ended process and those it waited for; None if unknown."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text("ascii").splitlines()
    except OSError:
        return None
    return int(lines[0].removeprefix("rchar: "))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
