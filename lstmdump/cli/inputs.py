"""Which models a command works on: those named, those listed in a file, those found below a directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click

from lstmdump.errors import LstmdumpError, UnknownFormat, UnreadableModel
from lstmdump.formats import Format, detect

_DIRECTORY_MODELS = (Format.SAVED_MODEL, Format.KERAS_ZIP)


@dataclass(frozen=True)
class Input:
    """A path to a model; `searched` where it was found rather than named, so that it may prove to be none."""

    path: str
    searched: bool = False


@dataclass(frozen=True)
class Selection:
    """What the user chose to work on: paths, where to find more of them, and which layers.

    Attributes:
        layer: a shell pattern that names of layers must match; None for all layers.
        quiet: whether notes and progress bars are unwanted.
    """

    models: tuple[str, ...]
    files_from: str | None
    null: bool
    recursive: tuple[str, ...]
    layer: str | None
    quiet: bool

    @property
    def names_none(self) -> bool:
        """Whether no model is named in any of the ways there are."""
        return not self.models and not self.recursive and self.files_from is None

    def inputs(self) -> list[Input]:
        """All models, in the order in which they are named.

        Raises:
            click.UsageError: none is named.
            UnreadableModel: a list or a directory cannot be read.
        """
        if self.null and self.files_from is None:
            raise click.UsageError("--null goes with --files-from")
        if self.names_none:
            raise click.UsageError("no MODEL given")
        found = [Input(path) for path in self.models]
        if self.files_from is not None:
            found.extend(Input(path) for path in _listed(self.files_from, null=self.null))
        for directory in self.recursive:
            found.extend(Input(path, searched=True) for path in _below(directory))
        return found


def model_options(command: Callable[..., int]) -> Callable[..., int]:
    """The argument MODEL and the options that say which models and which layers; COMMAND gets one `Selection`."""

    @wraps(command)
    def with_selection(**values: Any) -> int:
        selection = Selection(**{field.name: values.pop(field.name) for field in fields(Selection)})
        return command(selection, **values)

    for option in reversed((
        click.argument("models", metavar="MODEL...", nargs=-1, type=click.Path()),
        click.option("-T", "--files-from", metavar="FILE", type=click.Path(allow_dash=True),
                     help="Read paths of models from FILE, one a line; - is stdin."),
        click.option("-0", "--null", is_flag=True, help="In FILE, paths end with NUL instead of a newline."),
        click.option("-r", "--recursive", metavar="DIR", multiple=True, type=click.Path(),
                     help="Every model below DIR; what is no model is skipped."),
        click.option("-l", "--layer", metavar="GLOB", shell_complete=_complete_layers,
                     help="Only layers whose names match, e.g. 'encoder/*'."),
        click.option("-q", "--quiet", is_flag=True, help="No progress bar and no notes on stderr."),
    )):  # fmt: skip
        with_selection = option(with_selection)
    return with_selection


def _listed(file: str, *, null: bool) -> Iterator[str]:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UnreadableModel(f"{file}: the list cannot be read: {error.strerror}") from error
    for path in data.split(b"\0" if null else b"\n"):
        name = path if null else path.removesuffix(b"\r")
        if name:
            yield os.fsdecode(name)


def _below(directory: str) -> Iterator[str]:
    """Every model below DIRECTORY, by name; a directory that is a model is one, and links are not followed out."""
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError as error:
        raise UnreadableModel(f"{directory}: cannot be searched: {error.strerror}") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if _is_directory_model(entry.path):
                yield entry.path
            else:
                yield from _below(entry.path)
        elif entry.is_file() and _may_be_model(entry.path):
            yield entry.path


def _is_directory_model(path: str) -> bool:
    try:
        return detect(Path(path)) in _DIRECTORY_MODELS
    except LstmdumpError:
        return False


def _may_be_model(path: str) -> bool:
    try:
        detect(Path(path))
    except UnknownFormat:
        return False
    except UnreadableModel:
        return True  # to be told when it is its turn
    return True


def _complete_layers(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of layers in the models already on the command line."""
    from lstmdump.opening import open_model

    names: dict[str, None] = {}
    for path in ctx.params.get("models") or ctx.args:  # click parses no further than the option without its value
        try:
            with open_model(path) as opened:
                names.update(dict.fromkeys(lstm.name for lstm in opened.lstms))
        except (LstmdumpError, OSError):
            continue
    return [name for name in names if name.startswith(incomplete)]
