"""Which models a command works on: those named, those listed in a file, those found below a directory."""

from __future__ import annotations

import codecs
import errno
import itertools
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import wraps
from io import BufferedReader
from typing import Any, NamedTuple, TypeAlias, cast

import click

from lstmdump.errors import LstmdumpError, UnknownFormat, UnreadableModel
from lstmdump.model import limits as model_limits
from lstmdump.model import locate
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location
from lstmdump.readers.detect import detect
from lstmdump.sandbox.guard import Guard, ModelPath

PATH = click.Path(readable=False)
"""A path as it is written: one that may not be read does not stop what is done with the others."""

Decorator: TypeAlias = Callable[[Callable[..., int]], Callable[..., int]]

_BLOCK = 1 << 16
_HELP_WIDTH = 44  # columns that an 80 column terminal has beside the names of the options
_CANNOT_ACT = re.compile(
    r"[\w./:@%+=-]+"
)  # names that stay names on a shell's command line, where completion puts them


class Input(NamedTuple):
    """A path to a model; `searched` where it was found rather than named, so that it may prove to be none."""

    model: ModelPath
    searched: bool = False

    @property
    def path(self) -> str:
        """The path of the model, for what is written about it."""
        return self.model.path


class Selection(NamedTuple):
    """What the user chose to work on: paths, where to find more of them, and which layers.

    Attributes:
        layer: a shell pattern that names of layers must match; None for all layers.
        quiet: whether notes and progress bars are unwanted.
        limits: how far models are trusted.
    """

    models: tuple[str, ...]
    files_from: str | None
    null: bool
    recursive: tuple[str, ...]
    layer: str | None
    quiet: bool
    limits: Limits = DEFAULTS

    @property
    def names_none(self) -> bool:
        """Whether no model is named in any of the ways there are."""
        return not self.models and not self.recursive and self.files_from is None

    @property
    def names_one(self) -> bool:
        """Whether it is one model, and named."""
        return len(self.models) == 1 and not self.recursive and self.files_from is None

    def inputs(self, fail: Callable[[str, str], None]) -> Iterator[Input]:
        """All models, in the order in which they are named; lists and directories are read as models are taken.

        What cannot be searched or listed is told to FAIL.

        Raises:
            click.UsageError: none is named.
        """
        if self.null and self.files_from is None:
            raise click.UsageError("--null goes with --files-from")
        if self.names_none:
            raise click.UsageError("no MODEL given")
        return self._find_inputs(fail)

    def named(self, path: str) -> Input:
        """Return the model at `path`, with the limits chosen."""
        return Input(ModelPath(path, self.limits))

    def guard(self) -> Guard:
        """Who does the work on the models."""
        guard = Guard()
        if any(map(locate.is_url, self.recursive)):
            guard.start()  # before there are threads: to look below a URL takes some
        return guard

    def _find_inputs(self, fail: Callable[[str, str], None]) -> Iterator[Input]:
        yield from map(self.named, self.models)
        if self.files_from is not None:
            try:
                yield from map(self.named, _read_list(self.files_from, null=self.null))
            except OSError as error:
                fail(self.files_from, f"the list cannot be read: {error.strerror}")
        for directory in self.recursive:
            for model in _find_models(directory, self.limits, fail):
                yield Input(model, searched=True)


class _LimitOption(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """NAME=VALUE: one of the limits, and what it is raised to."""

    name = "NAME=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        try:
            return value if isinstance(value, tuple) else model_limits.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def model_options(command: Callable[..., int]) -> Callable[..., int]:
    """The argument MODEL and the options that say which models and which layers; COMMAND gets one `Selection`."""

    @wraps(command)
    def with_selection(**values: Any) -> int:
        selection = Selection(**{name: values.pop(name) for name in Selection._fields})
        return command(selection, **values)

    return _add_options(with_selection, (
        click.argument("models", metavar="MODEL...", nargs=-1, type=PATH),
        click.option("-T", "--files-from", metavar="FILE", type=click.Path(allow_dash=True, readable=False),
                     help="Read paths of models from FILE, one a line; - is stdin."),
        click.option("-0", "--null", is_flag=True, help="In FILE, paths end with NUL instead of a newline."),
        click.option("-r", "--recursive", metavar="DIR", multiple=True, type=PATH,
                     help="Every model below DIR, or below a URL; what is no model is skipped."),
        *_any_model_options(),
    ))  # fmt: skip


def one_model_options(command: Callable[..., int]) -> Callable[..., int]:
    """The argument MODEL and the options that go with one model; COMMAND gets a `Selection` that names it."""

    @wraps(command)
    def with_selection(**values: Any) -> int:
        model, layer, quiet, limits = (values.pop(name) for name in ("models", "layer", "quiet", "limits"))
        return command(Selection((model,), None, False, (), layer, quiet, limits), **values)

    return _add_options(with_selection, (click.argument("models", metavar="MODEL", type=PATH), *_any_model_options()))


def _any_model_options() -> tuple[Decorator, ...]:
    return (
        click.option("-l", "--layer", metavar="GLOB", shell_complete=_complete_layers,
                     help="Only layers whose names match, e.g. 'encoder/*'."),
        click.option("-q", "--quiet", is_flag=True, help="No progress bar and no notes on stderr."),
        click.option("--limit", "limits", metavar="NAME=VALUE", type=_LimitOption(), multiple=True,
                     callback=lambda _ctx, _param, chosen: Limits(**dict(chosen)),
                     help=f"Trust models further than by default:\n\n\b\n{_list_limits()}"),
    )  # fmt: skip


def _list_limits() -> str:
    """The limits with their defaults, in lines of their own: click's would break names at their hyphens."""
    return textwrap.fill(model_limits.summary(), _HELP_WIDTH, break_on_hyphens=False)


def _add_options(command: Callable[..., int], options: Sequence[Decorator]) -> Callable[..., int]:
    for option in reversed(options):
        command = option(command)
    return command


def _read_list(file: str, *, null: bool) -> Iterator[str]:
    """The paths in FILE, each as soon as it has been read: who writes them may not be done yet."""
    with _open_list(file) as stream:
        paths = _split_paths(stream, b"\0" if null else b"\n")
        for path in itertools.chain([next(paths).removeprefix(codecs.BOM_UTF8)], paths):
            name = path if null else path.removesuffix(b"\r")
            if name:
                yield os.fsdecode(name)


def _open_list(file: str) -> AbstractContextManager[BufferedReader]:
    if file != "-":
        return open(file, "rb")  # noqa: PTH123 - what gives a BufferedReader
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return nullcontext(cast("BufferedReader", sys.stdin.buffer))


def _split_paths(stream: BufferedReader, end: bytes) -> Iterator[bytes]:
    """What stands in STREAM before each END and after the last one; UTF-16 becomes the encoding of paths."""
    block = stream.read(2)
    if block in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        yield from os.fsencode(marked_text(block + stream.read()) or "").split(end)
        return
    rest: list[bytes] = []
    while block:
        *ended, begun = block.split(end)
        if ended:
            yield b"".join((*rest, ended[0]))
            yield from ended[1:]
            rest = []
        rest.append(begun)
        block = stream.read1(_BLOCK)  # what is there by now
    yield b"".join(rest)


def marked_text(data: bytes) -> str | None:
    """DATA as text, if it begins with a mark that says how: Windows PowerShell's `>` writes UTF-16 with one."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    return None


def _find_models(directory: str, limits: Limits, fail: Callable[[str, str], None]) -> Iterator[ModelPath]:
    """Every model below DIRECTORY, by name; a directory that is a model is one, and links are not followed out."""
    try:
        waiting = [(locate.at(directory, limits), True)]
    except UnreadableModel as error:
        fail(directory, str(error))
        return
    while waiting:
        found, is_directory = waiting.pop()
        if (model := _detect_directory(found) if is_directory else _detect_file(found)) is not None:
            yield model
        elif is_directory:
            try:
                waiting.extend(reversed(found.entries()))
            except OSError as error:
                fail(found.path, f"cannot be searched: {error.strerror}")
            except UnreadableModel as error:
                fail(found.path, str(error))


def _detect_directory(directory: Location) -> ModelPath | None:
    """Return the model that `directory` is as a whole; None where it is not one."""
    try:
        detected = detect(directory)
    except LstmdumpError:
        return None
    return ModelPath(directory.path, directory.limits, detected) if detected.facts.is_directory else None


def _detect_file(file: Location) -> ModelPath | None:
    """Return the model in `file`; None where its content is of another kind."""
    try:
        return ModelPath(file.path, file.limits, detect(file))
    except UnknownFormat:
        return None
    except UnreadableModel:
        return ModelPath(file.path, file.limits)  # to be told when it is its turn


def _complete_layers(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of layers in the models already on the command line."""
    names: dict[str, None] = {}
    with Guard() as guard:
        known = ctx.params.get("models") or ctx.args  # click parses no further than the option without its value
        for path in (known,) if isinstance(known, str) else known:
            model = os.path.expanduser(path)  # noqa: PTH111 - as a shell does
            with suppress(Exception):  # a shell that completes a line shows no errors
                names.update(dict.fromkeys(guard.run(_list_layers, ModelPath(model))))
    return [name for name in names if name.startswith(incomplete) and _CANNOT_ACT.fullmatch(name)]


def _list_layers(model: ModelPath) -> list[str]:
    with model.open() as opened:
        return [lstm.name for lstm in opened.lstms]
