"""Commands run in turns, and the resources used by them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

MIB = 1 << 20
_LIMIT = 900
_COUNTING = ("--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
_UNSET = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "NO_COLOR", "FORCE_COLOR", "LSTMDUMP_DEBUG")
_SET = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color", "TF_CPP_MIN_LOG_LEVEL": "3"}


Words = Sequence[str | Path]


class Usage(NamedTuple):
    """The resources used by one run of a command.

    Attributes:
        cpu: User and system time of the command and all processes that it waited for, in ms.
        wall: Wall time in ms.
        resident: The peak of resident memory of the command, or of the largest process that it waited for, in MiB.
        read: Bytes read by system calls, or over the network; None if unknown.
        status: The exit status.
        stopping: The time from Ctrl-C to the end, in ms; None without Ctrl-C.
        requests: The number of requests to a server; None without one.
        instructions: The instructions in user space, in millions, without those of child processes; None if they are
            not counted.
        failure: The reason why the run does not count; empty if it does.
    """

    cpu: float
    wall: float
    resident: float
    read: int | None
    status: int
    stopping: float | None = None
    failure: str = ""
    instructions: float | None = None
    requests: int | None = None


class Interrupt(NamedTuple):
    """Ctrl-C, sent `delay` seconds after the directory exists and holds the number of `files`."""

    directory: Path
    files: int
    delay: float = 0


class Command(NamedTuple):
    """A command to run.

    Attributes:
        name: The name in tables.
        against: The name of the command that this one is compared with.
        clears: Paths to remove before each run.
        ends_with: The exit status of a run that counts.
        rounds: The number of rounds, from the first, in which the command is run.
        checked: Called after each run with the usage; returns it, with a failure or other figures if necessary.
        lacks: The reason why the command cannot be run here.
        counted: Whether its instructions are counted, if valgrind is installed.
    """

    name: str
    words: Words
    against: str = ""
    terminal: bool = False
    stdin: Path | None = None
    clears: Sequence[Path] = ()
    ends_with: int = 0
    interrupt: Interrupt | None = None
    rounds: int = 1_000
    checked: Callable[[Usage], Usage] = lambda usage: usage
    lacks: str = ""
    counted: bool = False


Round = dict[str, Usage]
"""One run of each command, by name."""


class Launcher:
    """A launcher that runs commands through the small process of `launcher`."""

    def __init__(self, folder: Path) -> None:
        self.out, self.error = folder / "stdout", folder / "stderr"
        words = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py"))]
        self._environment = {name: value for name, value in os.environ.items() if name not in _UNSET} | _SET
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self._environment
        )

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.__exit__(kind, error, at)  # closes its ends of the pipes and waits

    def run(self, command: Command) -> Usage:
        """Run `command` once."""
        for path in command.clears:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        usage = self._measured(command)
        if usage.status != command.ends_with:
            return usage._replace(failure=self._why(usage))
        return command.checked(usage)

    def _measured(self, command: Command) -> Usage:
        pressed = command.interrupt
        request = {
            "words": [str(word) for word in command.words],
            "terminal": command.terminal,
            "stdin": command.stdin and str(command.stdin),
            "stdout": str(self.out),
            "stderr": str(self.error),
            "interrupt": pressed and pressed._asdict() | {"directory": str(pressed.directory)},
            "limit": _LIMIT,
        }
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        stopping = answer["stopping"]
        return Usage(answer["cpu"] * 1e3, answer["wall"] * 1e3, answer["resident"] / MIB, answer["read"], answer["status"],
                     None if stopping is None else stopping * 1e3)  # fmt: skip

    def count(self, command: Command) -> float | None:
        """Return the instructions of one run of `command`, in millions; None if they cannot be counted."""
        if (words := counting_words()) is None:
            return None
        for path in command.clears:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        done = subprocess.run([*words, *map(str, command.words)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, env=self._environment, check=False)  # fmt: skip
        return read_count(done.stderr) if done.returncode == command.ends_with else None

    def read_stdout(self) -> str:
        """Return the stdout of the last command."""
        return self.out.read_text("utf-8", "replace")

    def _why(self, usage: Usage) -> str:
        lines = self.error.read_text("utf-8", "replace").splitlines() if self.error.exists() else []
        return f"status {usage.status}: {lines[-1] if lines else ''}"


def counting_words() -> Words | None:
    """Return the command that counts the instructions of another one, or None if valgrind is not installed."""
    found = shutil.which("valgrind")
    return None if found is None else [found, *_COUNTING]


def read_count(stderr: str) -> float | None:
    """Return the millions of instructions that cachegrind reports last: those of the process that ends last."""
    counts = re.findall(r"^==\d+== I +refs: +([\d,]+)$", stderr, re.MULTILINE)
    return int(counts[-1].replace(",", "")) / 1e6 if counts else None


def with_instructions(launcher: Launcher, commands: Sequence[Command], rounds: list[Round]) -> list[Round]:
    """Return `rounds` with the instructions of the commands that are to be counted; one run each, as they do not vary."""
    wanted = [one for one in commands if one.counted and any(one.name in each and not each[one.name].failure
                                                             for each in rounds)]  # fmt: skip
    counts = {one.name: launcher.count(one) for one in wanted}
    return [{name: usage._replace(instructions=counts.get(name)) for name, usage in one.items()} for one in rounds]


def in_turns(
    launcher: Launcher, commands: Sequence[Command], rounds: int, report: Callable[[str], None], *, warm_up: bool = True
) -> list[Round]:
    """Run all `commands` in turns, so that a drift of the machine affects them alike; once before the rounds to warm up.

    A command that fails is not run again. A failure of the warm-up is returned in the first round.
    """
    failed: Round = {}
    done: list[Round] = []
    for turn in range(-1 if warm_up else 0, rounds):
        this: Round = {}
        for command in commands:
            if command.lacks or command.name in failed or turn >= command.rounds:
                continue
            report(f"{turn + 1}/{rounds} {command.name}")
            this[command.name] = usage = launcher.run(command)
            if usage.failure:
                failed[command.name] = usage
        done.append(this)
    if warm_up:
        del done[0]
    return [failed | one if turn == 0 else one for turn, one in enumerate(done)]
