"""The options `--format`, `--json`, which is short for `--format json`, and `--color`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

import click

from lstmdump.cli import terminal

Command: TypeAlias = Callable[..., int]


def color_option(command: Command) -> Command:
    """Add the option `--color` to `command`, which receives nothing: `terminal.colour` heeds it."""
    return click.option(
        "--color", type=click.Choice(terminal.COLOURING), default="auto", expose_value=False,
        callback=lambda _ctx, _param, when: terminal.set_colour(when),
        help="Whether to use colours; auto, the default, does on a terminal.",
    )(command)  # fmt: skip


def format_options(formats: tuple[str, ...], json_help: str) -> Callable[[Command], Command]:
    """Return a decorator that adds both options to a command, which receives `output_format`.

    Args:
        formats: The names of the formats; the first is the default.
        json_help: The help of `--json`.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_format(*given: Any, as_json: bool, output_format: str | None, **values: Any) -> int:
            if as_json and output_format not in (None, "json"):
                raise click.UsageError(f"--json is --format json; leave it or --format {output_format} out")
            return command(*given, output_format="json" if as_json else output_format or formats[0], **values)

        option = click.option("--format", "output_format", type=click.Choice(formats),
                              help=f"Format of the output; {formats[0]} by default.")  # fmt: skip
        return click.option("--json", "as_json", is_flag=True, help=json_help)(option(with_format))

    return decorate


def json_options(json_help: str) -> Callable[[Command], Command]:
    """Return a decorator that adds both options to a command that prints text or JSON, and receives `as_json`."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_json(*given: Any, output_format: str, **values: Any) -> int:
            return command(*given, as_json=output_format == "json", **values)

        return format_options(("text", "json"), json_help)(with_json)

    return decorate
