"""The command line: arguments in, text and exit status out. Nothing outside this package prints or exits."""

from __future__ import annotations

import os
import sys

import lstmdump

TYPE_CHECKING = False  # that of `typing`, whose import takes as long as the rest of `lstmdump --version`
if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    command: click.Group

_VERSION_OPTIONS = (["-V"], ["--version"])


def main() -> None:
    """Run the command `lstmdump` and exit."""
    if sys.argv[1:] in _VERSION_OPTIONS and _write_version():
        sys.exit(0)
    from lstmdump.cli import command_group

    command_group.main()


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
