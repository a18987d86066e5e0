"""Run the command line many times, each time in a process forked from this one, which has imported all modules.

Requests are lines of JSON on stdin, and outcomes are lines of JSON on stdout. The system kills a process that exceeds
the limits of CPU time, memory or wall time, which are higher than any file may need.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

CPU = 20  # seconds; the slowest good case takes 0.1 s
ADDRESSES = 4 << 30  # bytes; so that no file exhausts the machine's memory
PATIENCE = 120  # seconds


def _serve() -> None:
    _import_all()
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


def _import_all() -> None:
    """Import all modules that a run may need, so that runs are fast."""
    import lstmdump

    for module in pkgutil.walk_packages(lstmdump.__path__, "lstmdump."):
        if not module.name.endswith(("__main__", "tensorflow_child", "cluster", "remote")):
            importlib.import_module(module.name)
    gc.freeze()


def _run(job: dict[str, Any]) -> dict[str, Any]:
    child = os.fork()
    if not child:
        _become(job)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(PATIENCE)
    began = time.monotonic()
    _, ending, used = os.wait4(child, 0)
    signal.alarm(0)
    left = _kill_group(child)
    return {
        "status": os.waitstatus_to_exitcode(ending),
        "memory": used.ru_maxrss << (0 if sys.platform == "darwin" else 10),
        "cpu": used.ru_utime + used.ru_stime,
        "seconds": time.monotonic() - began,
        "left": left,
    }


def _kill_group(leader: int) -> bool:
    """Kill the process group of `leader`; return whether a process was left in it."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _become(job: dict[str, Any]) -> NoReturn:
    """Replace this process by the command line, with the words, the directory and the output files of `job`."""
    status = 70
    try:
        os.setsid()
        os.chdir(job["directory"])
        os.environ["TMPDIR"] = job["directory"]
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, path in ((1, job["out"]), (2, job["err"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU + 1))
        with suppress(ValueError, OSError):  # macOS does not support this limit
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
        sys.argv = ["lstmdump", *job["words"]]
        status = _status()
        atexit._run_exitfuncs()
        sys.stdout.flush()
    finally:
        os._exit(status)


def _status() -> int:
    from lstmdump import cli

    try:
        cli.main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    return 0


if __name__ == "__main__":
    _serve()
