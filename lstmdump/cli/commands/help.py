"""`lstmdump help`: show the pages of the manual, and the help of each command."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from importlib import resources
from typing import cast

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import DONE
from lstmdump.cli.output_format import color_option

_SUFFIX = ".md"
_WIDEST = 100  # columns, as in the help of commands
_PAGER_OPTIONS = "-FRX"  # of less: exit if a page fits, keep colours, leave the page on the screen
_HINT = "`lstmdump help TOPIC` shows a page of the manual, `lstmdump help COMMAND` the help of a command."
_EPILOG = """\b
Examples:
  lstmdump help
  lstmdump help layouts
  lstmdump help export"""


def _complete_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in _list_names(ctx) if name.startswith(incomplete)]


@click.command("help", epilog=_EPILOG)
@click.argument("name", metavar="[COMMAND|TOPIC]", required=False, shell_complete=_complete_names)
@color_option
@click.pass_context
def help_command(ctx: click.Context, *, name: str | None) -> int:
    """Show a page of the manual or the help of a command; list both if none is named."""
    _write_paged(_list_all(ctx) if name is None else _describe(ctx, name))
    return DONE


def _list_all(ctx: click.Context) -> str:
    """Return the list of all commands, and of the topics that are not commands, with a line for each."""
    root = ctx.find_root()
    group = _find_group(ctx)
    formatter = root.make_formatter()
    group.format_commands(root, formatter)
    commands = group.list_commands(root)
    with formatter.section("Topics"):
        formatter.write_dl(
            [(topic, _extract_summary(page)) for topic, page in _read_pages().items() if topic not in commands]
        )
    formatter.write_paragraph()
    formatter.write_text(_HINT)
    return formatter.getvalue().lstrip("\n")


def _describe(ctx: click.Context, name: str) -> str:
    """Return the help of the command called `name`, and the page of the manual on it.

    Raises:
        click.ClickException: There is neither.
    """
    subcommand = _find_group(ctx).get_command(ctx.find_root(), name)
    parts = []
    if subcommand is not None:
        with click.Context(subcommand, info_name=name, parent=ctx.find_root()) as of_command:
            parts.append(subcommand.get_help(of_command) + "\n")
    if (page := _read_pages().get(name)) is not None:
        parts.append(_fold_page(page))
    if not parts:
        raise click.ClickException(_suggest(name, _list_names(ctx)))
    return "\n".join(parts)


def _suggest(name: str, names: list[str]) -> str:
    """Return the error for an unknown `name`, with the nearest of `names`."""
    near = [known for known in names if known.startswith(name.lower())] if name else []
    near = near or difflib.get_close_matches(name.lower(), names, n=1)
    hint = f'did you mean "{near[0]}"?' if near else "`lstmdump help` lists them"
    return f'no command or topic "{name}"; {hint}'


def _list_names(ctx: click.Context) -> list[str]:
    return sorted({*_find_group(ctx).list_commands(ctx.find_root()), *_read_pages()})


def _find_group(ctx: click.Context) -> click.Group:
    return cast("click.Group", ctx.find_root().command)


def _read_pages() -> Mapping[str, str]:
    """Return the pages of the manual by their topics, in alphabetical order."""
    files = [file for file in resources.files("lstmdump").joinpath("manual").iterdir() if file.name.endswith(_SUFFIX)]
    files.sort(key=lambda file: file.name)
    return {file.name.removesuffix(_SUFFIX): file.read_text("utf-8") for file in files}


def _extract_summary(page: str) -> str:
    """Return the sentence below the heading of `page`."""
    return page.split("\n\n")[1].strip()


def _fold_page(page: str) -> str:
    """Return `page` folded to the width of the terminal, or unchanged if stdout is not a terminal."""
    width = terminal.width()
    if width is None:
        return page
    from lstmdump.report.render import markdown

    return markdown.fold(page, width=min(width, _WIDEST), colour=terminal.colour())


def _write_paged(text: str) -> None:
    """Write `text`; on a terminal, through the user's pager."""
    if terminal.width() is None:
        terminal.write(text)
        return
    os.environ.setdefault("LESS", _PAGER_OPTIONS)
    click.echo_via_pager(terminal.printable(text).rstrip("\n"), color=None if terminal.colour() else False)
