"""Behaviour that all commands share: help, version, and the end of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
import numpy as np
import pytest
from support import builders

import lstmdump
from lstmdump import cli

Run = Callable[..., Any]
COMMANDS = ("show", "export", "check")


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_has_an_example(command: tuple[str, ...], option: str, run: Run) -> None:
    outcome = run(*command, option)
    assert outcome.status == 0
    assert f"  lstmdump {' '.join(command)}" in outcome.out.partition("Example")[2]


@pytest.mark.parametrize("command", [(), *((name,) for name in cli.command.list_commands(click.Context(cli.command)))])
@pytest.mark.parametrize("columns", ["80", "200"])
def test_no_line_of_the_help_is_wider_than_79_columns(
    columns: str, command: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert max(map(len, run(*command, "--help").out.splitlines())) <= 79


@pytest.mark.parametrize("example", ["lstmdump weather.h5 --explain ", "lstmdump lags weather.h5 -i x.npy "])
def test_the_first_help_has_an_example_of_what_answers_most_questions(example: str, run: Run) -> None:
    assert example in run("--help").out.partition("Examples:")[2]


def test_no_arguments_show_the_help(run: Run) -> None:
    assert run().out == run("--help").out


@pytest.mark.parametrize("command", ["show", "export", "trace", "lags", "diff", "verify"])
def test_every_command_with_json_takes_it_as_a_format(command: str, run: Run, tmp_path: Path) -> None:
    needed = {"export": ["-o", tmp_path / "x.npz"], "trace": ["-i", "x.npy", "-o", tmp_path / "x.npz"]}.get(command, [])
    named = run(command, "none.h5", *needed, "--format", "json")
    assert (named, named.status) == (run(command, "none.h5", *needed, "--json"), 2)


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_needs_no_import_of_click(option: str) -> None:
    code = "import sys; from lstmdump.cli import main\ntry: main()\nfinally: print('click' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, check=True)
    assert done.stdout == f"lstmdump {lstmdump.__version__}\nFalse\n"


def test_the_last_search_for_garbage_passes_over_all_objects() -> None:
    code = "import atexit, gc; atexit.register(lambda: print(len(gc.get_objects()))); from lstmdump.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "show", "--help"], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 100  # click alone makes 10,000


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_printed(option: str, run: Run) -> None:
    assert run(option).out == f"lstmdump {lstmdump.__version__}\n"


@pytest.mark.parametrize(("columns", "widest"), [("60", 58), ("200", 78), ("20", 50), ("none", 78)])
def test_the_help_is_as_wide_as_the_terminal_up_to_80_columns(
    columns: str, widest: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in click: two columns less than the terminal, between 50 and 78."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((0, 0)))
    wrapped = run("show", "--help").out.partition("Options:")[0].splitlines()
    assert widest - 12 < max(map(len, wrapped)) <= widest


def test_the_module_runs_the_command(process: Run) -> None:
    assert process("--version").stdout == f"lstmdump {lstmdump.__version__}\n"


@pytest.mark.parametrize(
    ("command", "set_before", "found"),
    [("show", None, "1"), ("show", "3", "3"), ("model.h5", None, "1"), ("trace", None, "1"), ("verify", None, None)],
)
def test_openblas_has_one_thread_except_for_verify_or_as_set_by_the_user(
    command: str, set_before: str | None, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")  # so that it is restored afterwards
    monkeypatch.delenv("OPENBLAS_NUM_THREADS") if set_before is None else monkeypatch.setenv(
        "OPENBLAS_NUM_THREADS", set_before
    )
    monkeypatch.setattr(sys, "argv", ["lstmdump", command, "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    assert os.environ.get("OPENBLAS_NUM_THREADS") == found


@pytest.mark.parametrize("arguments", [["--nonsense"], ["show", "--nonsense"], ["export", "x", "-j", "0", "-o", "y"]])
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], run: Run) -> None:
    outcome = run(*arguments)
    assert (outcome.status, outcome.err.count("\n"), outcome.err[:10]) == (2, 1, "lstmdump: ")


def test_a_bug_is_one_line_and_status_2(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmdump.cli.commands.show.describe", lambda *_, **__: 1 / 0)
    outcome = run(model)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "a bug in lstmdump: ZeroDivisionError: division by zero" in outcome.err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("can't start new thread"), "a thread could not be started; end other processes, or raise"),
        (ImportError("IMPORTANT: …", name="numpy"), "numpy cannot be loaded, probably because of the limit of 39 MiB"),
        (ImportError("failed to map segment"), "a library cannot be loaded, probably because of the limit of 39 MiB"),
        (MemoryError(), "not enough memory"),
    ],
)
@pytest.mark.parametrize("place", ["Run", "describe"])
def test_a_limit_of_the_user_is_not_a_bug(
    error: Exception, words: str, place: str, run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr("lstmdump.sandbox.rlimits.describe_low", lambda: "the limit of 39 MiB of memory (ulimit -v)")
    monkeypatch.setattr(f"lstmdump.cli.commands.show.{place}", fail)
    outcome = run(model)
    assert (outcome.status, outcome.err.count("\n"), words in outcome.err) == (2, 1, True)


def test_an_import_that_fails_without_low_limits_is_a_bug(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lstmdump.sandbox.rlimits.describe_low", lambda: None)
    monkeypatch.setattr("lstmdump.cli.commands.show.describe", lambda *_, **__: __import__("lstmdump.nothing"))
    assert "a bug in lstmdump: ModuleNotFoundError" in run(model).err


def test_a_bug_outside_of_the_models_is_one_line(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmdump.cli.commands.show.Run", lambda **_: 1 / 0)
    outcome = run(model)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)


def test_a_bug_has_a_traceback_with_the_debug_variable(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmdump.cli.commands.show.describe", lambda *_, **__: 1 / 0)
    monkeypatch.setenv("LSTMDUMP_DEBUG", "1")
    assert "Traceback (most recent call last)" in run(model).err


def test_an_interrupt_gives_the_exit_status_that_shells_expect(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lstmdump.sandbox.guard.Guard.run", interrupted)
    assert cli.run([str(model)]) == 128 + signal.SIGINT


LOST = """
import signal, sys, weakref
from lstmdump import cli
from lstmdump.sandbox.guard import Guard

class Thing: pass

def work(*_):
    thing = Thing()
    callback = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing  # what the callback raises is dropped
    for _ in range(10**9):
        pass

Guard.run = work
cli.main()
"""


def test_an_interrupt_that_python_drops_is_raised_again(model: Path) -> None:
    command = [sys.executable, "-c", LOST, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr.strip()) == (130, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
@pytest.mark.parametrize("arguments", [["show"], ["show", "--json"], ["check", "--params", "128"]])
def test_a_full_disk_behind_stdout_is_reported(arguments: list[str], model: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "lstmdump", *arguments, str(model)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "lstmdump: stdout cannot be written: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_fails_when_the_disk_behind_stdout_is_full(option: str) -> None:
    env = {**os.environ, "PYTHONUNBUFFERED": ""}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "lstmdump", option], stdout=full, check=False, env=env)
    assert done.returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")
def test_a_closed_pipe_behind_stdout_gives_no_message(model: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "lstmdump", "show", str(model)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (2, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("debug", ["", "1"])
def test_a_full_disk_behind_stderr_keeps_the_exit_status(unbuffered: str, debug: str) -> None:
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "LSTMDUMP_DEBUG": debug}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "lstmdump", "none.h5"], stderr=full, check=False, env=env)
    assert done.returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes streams")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_not_reported_as_a_bug(closed: str, model: Path) -> None:
    shell = f'"{sys.executable}" -m lstmdump show --json none.h5 "{model}" -T - {closed} </dev/null'
    shell = shell if closed != "<&-" else shell.replace(" </dev/null", "")
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, "a bug" in done.stderr) == (2, False)
    assert all(line.startswith("{") for line in done.stdout.splitlines())


def test_plain_signs_stand_for_those_that_the_encoding_lacks(process: Run, model: Path) -> None:
    done = process("show", model, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert "(3, 16) = 3x4*4" in done.stdout


@pytest.mark.parametrize("variable", ["NO_COLOR", "FORCE_COLOR", "NONE"])
@pytest.mark.parametrize(("when", "coloured"), [("always", True), ("never", False)])
def test_the_option_for_colours_takes_precedence_over_the_environment(
    when: str, coloured: bool, variable: str, run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    assert ("\x1b[1m" in run(model, f"--color={when}").out) is coloured


@pytest.mark.parametrize(("variable", "coloured"), [("NO_COLOR", False), ("FORCE_COLOR", True), ("NONE", False)])
@pytest.mark.parametrize("options", [(), ("--color", "auto")])
def test_by_default_the_environment_and_the_terminal_decide_about_colours(
    options: tuple[str, ...], variable: str, coloured: bool, run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(model, "--color=always")
    monkeypatch.setenv(variable, "1")
    assert ("\x1b[1m" in run(model, *options).out) is coloured


AS_NOBODY = """
import os, sys
from lstmdump import cli
from lstmdump.sandbox import fork
has_fork, fork.HAS_FORK = fork.HAS_FORK, False
cli.run(["export", sys.argv[2], "-o", os.devnull + "/x.npz"])  # imports all modules while they can be read
fork.HAS_FORK = has_fork
os.setuid(65534)
sys.exit(cli.run(sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can change the user")
def test_a_directory_without_write_permission_is_reported(model: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    for directory in [tmp_path, *tmp_path.parents]:
        if directory.owner() == "root" and str(directory).startswith("/tmp/"):  # noqa: S108 - pytest's own
            directory.chmod(0o755)
    command = [sys.executable, "-c", AS_NOBODY, "export", str(model), "-o", str(locked / "x.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        f"lstmdump: {model}: {locked / 'x.npz'} cannot be written: Permission denied",
    )


@pytest.mark.parametrize(
    "arguments",
    [["show", "MODEL"], ["check", "--params", "128", "MODEL"], ["lags", "MODEL"], ["export", "MODEL", "-f", "-o", "OUT"],
     ["trace", "-q", "MODEL", "-i", "X", "-f", "-o", "OUT"]],
)  # fmt: skip
def test_access_to_a_path_is_not_checked_in_advance(
    arguments: list[str], run: Callable[..., Any], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.npz"
    out.touch()
    np.save(tmp_path / "x.npy", np.ones((5, 3)))
    places: dict[str, object] = {"MODEL": model, "OUT": out, "X": tmp_path / "x.npy"}
    monkeypatch.setattr(os, "access", lambda *_arguments, **_options: False)
    outcome = run(*(places.get(word, word) for word in arguments))
    assert (outcome.status, outcome.err) == (0, "")


def test_a_message_with_a_very_long_name_is_shortened(run: Run, tmp_path: Path) -> None:
    path = builders.write(tmp_path / "m.h5", {"lstm": []})
    builders.change(path, lambda file: file.attrs.__setitem__("layer_names", np.array([b"\x1b" + b"x" * 60_000])))
    for options in ([], ["--json"]):
        outcome = run("show", *options, path)
        assert outcome.status == 2
        assert outcome.err.startswith(f"lstmdump: {path}: layer_names lists \\x1bxxx")
        assert outcome.err.endswith("x, but the file does not hold it: saving was not completed\n")
        assert max(map(len, (outcome.out + outcome.err).splitlines())) <= 4096


ENTRY_POINT = "import sys\nfrom lstmdump.cli import main\nsys.exit(main())\n"


@pytest.mark.parametrize(
    ("options", "is_run"),
    [
        (["-m", "lstmdump"], True),  # as the manual warns
        pytest.param(
            ["-P", "-m", "lstmdump"], False, marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="-P")
        ),
        (["../entry_point.py"], False),  # what pip makes
    ],
)
def test_a_module_in_the_current_directory_is_run_by_python_only(
    options: list[str], is_run: bool, model: Path, root: Path
) -> None:
    (model.parent / "entry_point.py").write_text(ENTRY_POINT)
    directory = model.parent / "hostile"
    directory.mkdir()
    (directory / "numpy.py").write_text("open('canary', 'w')\n")
    command = [sys.executable, *options, "show", "--stats", str(model)]
    done = subprocess.run(
        command, cwd=directory, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert ((directory / "canary").exists(), done.returncode == 0) == (is_run, not is_run)
