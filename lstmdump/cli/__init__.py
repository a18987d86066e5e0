"""The command line: arguments in, text and exit status out. Nothing outside this package prints or exits."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # of `signal`, whose import takes as long as `lstmdump --version`
import atexit
import gc
import os
import sys

import lstmdump

TYPE_CHECKING = False  # that of `typing`, whose import takes as long as the rest of `lstmdump --version`
if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    command: click.Group

_VERSION_OPTIONS = (["-V"], ["--version"])
_GC_THRESHOLD = 50_000  # new objects before a collection; Python's 700 take a quarter of the time of a large model
INTERRUPTED = 130
"""The exit status after Ctrl-C: 128 plus the number of the signal, as in shells."""


def main() -> None:
    """Run the command `lstmdump` and exit; Ctrl-C has no traceback, while modules are imported, too."""
    try:
        if sys.argv[1:] in _VERSION_OPTIONS and _write_version():
            sys.exit(0)
        gc.set_threshold(_GC_THRESHOLD)  # before click is imported, which saves 2 % of `show` of a small model
        from lstmdump.cli import command_group

        command_group.main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        atexit.register(_signal.signal, _signal.SIGINT, _signal.SIG_DFL)  # Python has tracebacks for Ctrl-C at its end


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        arguments: The arguments after the program name; those of the process if None.
    """
    from lstmdump.cli import command_group

    return command_group.run(arguments)


def _write_version() -> bool:
    """Print the version without the imports that other commands need; return whether that succeeded."""
    try:
        text = f"lstmdump {lstmdump.__version__}{os.linesep}"
        return sys.stdout is not None and os.write(sys.stdout.fileno(), text.encode()) == len(text)
    except (OSError, ValueError):
        return False


def __getattr__(name: str) -> object:
    """Import the command when it is first used."""
    if name != "command":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lstmdump.cli import command_group

    return command_group.command
