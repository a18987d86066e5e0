"""Runs the command line many times, each in a process of its own that is forked from one that has imported it all.

A line of JSON on stdin says what to run, a line on stdout what became of it. A process that takes more processor time,
memory or patience than any file may cost is killed by the system.
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

CPU = 20  # seconds; the slowest good case takes a tenth of one
ADDRESSES = 4 << 30  # bytes; so that no file takes the machine down
PATIENCE = 120  # seconds


def _serve() -> None:
    _import_all()
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


def _import_all() -> None:
    """Import what any run may need, so that none has to."""
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
    """End what the process LEADER has left behind; whether that was anything."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _become(job: dict[str, Any]) -> NoReturn:
    """Be the command line, with the words, the directory and the outputs that JOB says."""
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
        with suppress(ValueError, OSError):  # macOS has no such limit
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
