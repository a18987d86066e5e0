from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.measuring import (
    Command,
    Interrupt,
    Launcher,
    Usage,
    counting_words,
    in_turns,
    read_count,
    with_instructions,
)
from benchmarks.workspace import python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no wait4")


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with Launcher(tmp_path) as made:
        yield made


class Recorder:
    """A stand-in for a launcher that records the commands to run."""

    def __init__(self, failing: str = "") -> None:
        self.run_so_far: list[str] = []
        self.failing = failing

    def count(self, command: Command) -> float:
        self.run_so_far.append(f"count {command.name}")
        return 5

    def run(self, command: Command) -> Usage:
        self.run_so_far.append(command.name)
        return Usage(1, 1, 1, 1, 0, None, "no" if command.name == self.failing else "")


A, B = Command("a", ["a"]), Command("b", ["b"])


def in_turn(recorder: Recorder, *commands: Command, rounds: int, warm_up: bool = False) -> list[dict[str, Usage]]:
    return in_turns(recorder, commands, rounds, lambda _: None, warm_up=warm_up)  # type: ignore[arg-type]


def test_commands_take_turns() -> None:
    recorder = Recorder()
    in_turn(recorder, A, B, rounds=2)
    assert recorder.run_so_far == ["a", "b", "a", "b"]


def test_a_warm_up_does_not_count() -> None:
    recorder = Recorder()
    assert len(in_turn(recorder, A, rounds=2, warm_up=True)) == 2
    assert len(recorder.run_so_far) == 3


def test_a_failed_command_is_not_run_again_and_is_in_the_first_round() -> None:
    recorder = Recorder(failing="b")
    first, second = in_turn(recorder, A, B, rounds=2, warm_up=True)
    assert recorder.run_so_far == ["a", "b", "a", "a"]
    assert (first["b"].failure, "b" in second) == ("no", False)


def test_a_command_that_is_not_installed_is_not_run() -> None:
    assert in_turn(Recorder(), A._replace(lacks="not installed"), rounds=1) == [{}]


def test_only_commands_that_ask_for_it_are_counted_once_for_all_rounds() -> None:
    recorder = Recorder()
    commands = [A._replace(counted=True), B]
    rounds = with_instructions(recorder, commands, in_turn(recorder, *commands, rounds=2))  # type: ignore[arg-type]
    assert [(one["a"].instructions, one["b"].instructions) for one in rounds] == [(5, None), (5, None)]
    assert [name for name in recorder.run_so_far if name.startswith("count")] == ["count a"]


def test_a_failed_command_is_not_counted() -> None:
    recorder = Recorder(failing="a")
    commands = [A._replace(counted=True)]
    with_instructions(recorder, commands, in_turn(recorder, *commands, rounds=1))  # type: ignore[arg-type]
    assert recorder.run_so_far == ["a"]


def test_the_count_is_that_of_the_process_that_ends_last() -> None:
    child, parent = "==8== I   refs:      7,000,000\n", "==7==\n==7== I   refs:      1,234,500,000\n"
    assert read_count(f"warning\n{child}{parent}") == 1234.5


def test_without_a_report_there_is_no_count() -> None:
    assert read_count("valgrind: not so\n") is None


@pytest.mark.skipif(counting_words() is None, reason="valgrind is not installed")
def test_more_work_takes_more_instructions(launcher: Launcher) -> None:
    little, much = (launcher.count(Command("", python(f"sum(range({number}))"))) for number in (1, 3_000_000))
    assert little is not None
    assert much is not None
    assert much > little + 3  # millions: an instruction for each number, at least


def test_memory_is_that_of_the_command_and_not_of_this_process(launcher: Launcher) -> None:
    held = bytearray(b"1") * (64 << 20)
    assert launcher.run(Command("pass", python("pass"))).resident < 64 <= len(held) / 2**20


def test_memory_is_the_peak(launcher: Launcher) -> None:
    assert launcher.run(Command("large", python("len(bytearray(b'1') * (64 << 20))"))).resident > 64


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not report it")
def test_bytes_read_are_counted(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(1 << 20))
    code = "import sys; open(sys.argv[1], 'rb').read({})"
    most, least = (launcher.run(Command("", python(code.format(size), tmp_path / "x"))).read for size in (-1, 0))
    assert most is not None
    assert least is not None
    assert most - least == pytest.approx(1 << 20, abs=4096)


def test_a_command_with_a_terminal_has_it_as_all_three_streams(launcher: Launcher) -> None:
    words = python("import sys; sys.exit(not all(file.isatty() for file in (sys.stdin, sys.stdout, sys.stderr)))")
    assert launcher.run(Command("", words, terminal=True)).failure == ""


def test_an_unexpected_exit_status_is_a_failure_with_the_message(launcher: Launcher) -> None:
    assert launcher.run(Command("", python("raise SystemExit('so')"))).failure == "status 1: so"


def test_ctrl_c_is_sent_when_the_files_exist(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    code = "import sys, time, pathlib; pathlib.Path(sys.argv[1], 'x').touch(); time.sleep(60)"
    words = python(code, tmp_path / "out")
    usage = launcher.run(Command("", words, ends_with=-2, interrupt=Interrupt(tmp_path / "out", 1)))
    assert usage.failure == ""
    assert usage.stopping is not None


def test_a_command_does_not_ignore_ctrl_c_where_the_benchmark_does(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Launcher(tmp_path) as launcher:
            code = "import signal, sys; sys.exit(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
            assert launcher.run(Command("", python(code))).failure == ""
    finally:
        signal.signal(signal.SIGINT, before)


def test_outputs_are_cleared_before_each_run(launcher: Launcher, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = Command("", python("import sys; open(sys.argv[1], 'x')", out), clears=[out])
    assert [launcher.run(command).failure for _ in range(2)] == ["", ""]
