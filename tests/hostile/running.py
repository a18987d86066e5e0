"""The command line, run on hostile files: by a server that forks, or in a process that starts from nothing."""

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
    """What a run came to: the exit status, or the negative number of the signal that ended it.

    Attributes:
        memory: resident bytes at most.
        left: whether it left a process behind.
    """

    status: int
    out: bytes
    err: bytes
    memory: int
    left: bool
    cpu: float = 0


class Server:
    """The forking server. All memory that it hands out is filled with the byte PERTURBATION before (glibc)."""

    def __init__(self, perturbation: int = 0x55) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "LSTMDUMP_DEBUG"}
        environment |= {"MALLOC_PERTURB_": str(perturbation), "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}
        self._process = subprocess.Popen(
            [sys.executable, str(_SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, words: Sequence[str], directory: Path) -> Ran:
        """`lstmdump` with WORDS, in DIRECTORY, which is also where it may put temporary files."""
        out, err = (directory.with_name(f"{directory.name}.{stream}") for stream in ("out", "err"))
        job = {"words": words, "directory": str(directory), "out": str(out), "err": str(err)}
        to, back = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        to.write(json.dumps(job) + "\n")
        to.flush()
        told = json.loads(back.readline())
        return Ran(told["status"], out.read_bytes(), err.read_bytes(), told["memory"], told["left"], told["cpu"])

    def close(self) -> None:
        """End the server."""
        self._process.communicate()


def run_anew(words: Sequence[str], directory: Path) -> Ran:
    """`python -m lstmdump` with WORDS."""
    environment = {name: value for name, value in os.environ.items() if name != "LSTMDUMP_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-m", "lstmdump", *words],
        capture_output=True, check=False, cwd=directory, env=environment | {"TMPDIR": str(directory)},
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr, 0, left=False)
