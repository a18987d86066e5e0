"""Runs of the command line on hostile files, by a forking server or in a new Python process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

_SERVER = Path(__file__).with_name("server.py")


class Ran(NamedTuple):
    """The outcome of a run.

    Attributes:
        status: The exit status, or the negative number of the signal that ended the process.
        memory: The peak of resident memory in bytes.
        left: Whether a child process was left running.
    """

    status: int
    out: bytes
    err: bytes
    memory: int
    left: bool
    cpu: float = 0


class Server:
    """The forking server. With glibc, allocated memory is filled with the byte `perturbation`."""

    def __init__(self, perturbation: int = 0x55) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "LSTMDUMP_DEBUG"}
        environment |= {"MALLOC_PERTURB_": str(perturbation), "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}
        self._process = subprocess.Popen(
            [sys.executable, str(_SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, words: Sequence[str], directory: Path) -> Ran:
        """Run `lstmdump` with `words` in `directory`, which is also for temporary files."""
        out, err = (directory.with_name(f"{directory.name}.{stream}") for stream in ("out", "err"))
        job = {"words": words, "directory": str(directory), "out": str(out), "err": str(err)}
        to, back = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        to.write(json.dumps(job) + "\n")
        to.flush()
        answer = json.loads(back.readline())
        return Ran(
            answer["status"], out.read_bytes(), err.read_bytes(), answer["memory"], answer["left"], answer["cpu"]
        )

    def close(self) -> None:
        """End the server."""
        self._process.communicate()


def run_anew(words: Sequence[str], directory: Path) -> Ran:
    """Run `python -m lstmdump` with `words` in `directory`."""
    environment = {name: value for name, value in os.environ.items() if name != "LSTMDUMP_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-m", "lstmdump", *words],
        capture_output=True, check=False, cwd=directory, env=environment | {"TMPDIR": str(directory)},
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr, 0, left=False)
