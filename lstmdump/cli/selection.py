"""The models that a command works on: named, listed in a file, or in a directory that is searched."""

from __future__ import annotations

import codecs
import errno
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import wraps
from io import BufferedReader
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import click

from lstmdump.cli import terminal
from lstmdump.cli.output_format import color_option
from lstmdump.errors import BrokenModel, LstmdumpError, ModelPart, UnknownFormat, UnreadableModel
from lstmdump.model import limits as model_limits
from lstmdump.model import locate
from lstmdump.model.limits import DEFAULTS, Limits, limit_exceeded
from lstmdump.model.location import Location, leads_out
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.opening import MOST, open_given, too_long
from lstmdump.model.sentences import listed
from lstmdump.readers.detect import Format, detect
from lstmdump.sandbox.guard import Guard, ModelPath

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class _PathType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A path that is taken as it is, so that one without access does not stop the others.

    The type of click translates its name, which imports `locale`: see `command_group`.
    """

    name = "path"

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


PATH = _PathType()
"""The type of all arguments and options that are paths."""

Decorator: TypeAlias = Callable[[Callable[..., int]], Callable[..., int]]
Fail: TypeAlias = Callable[[str, str], None]
PassOver: TypeAlias = Callable[[], None]

_BLOCK = 1 << 16
_HELP_WIDTH = 44  # columns next to the names of the options on a terminal of 80 columns
_SAFE_IN_SHELL = r"[\w./:@%+=-]+"  # names without a meaning to a shell, which completion may insert into a command line


class Input(NamedTuple):
    """A model to work on.

    Attributes:
        model: Its path.
        searched: Whether a search found it, so that it need not be a model.
    """

    model: ModelPath
    searched: bool = False

    @property
    def path(self) -> str:
        """The path of the model, for messages and records."""
        return self.model.path


class Selection(NamedTuple):
    """The user's choice of models and layers.

    Attributes:
        models: The paths that are named.
        files_from: A file that lists paths, or `-` for stdin.
        null: Whether paths in that file end with NUL.
        recursive: Directories to search.
        layer: A shell pattern for the names of layers; None for all layers.
        quiet: Whether to show neither notes nor progress bars.
        limits: The limits for each model.
        averages: Whether moving averages take the places of the weights.
    """

    models: tuple[str, ...]
    files_from: str | None
    null: bool
    recursive: tuple[str, ...]
    layer: str | None
    quiet: bool
    limits: Limits = DEFAULTS
    averages: bool = False

    @property
    def names_none(self) -> bool:
        """Whether no model is chosen in any way."""
        return not self.models and not self.recursive and self.files_from is None

    @property
    def names_one(self) -> bool:
        """Whether exactly one model is chosen, by name."""
        return len(self.models) == 1 and not self.recursive and self.files_from is None

    def inputs(self, fail: Fail, pass_over: PassOver = lambda: None) -> Iterator[Input]:
        """Return an iterator over all models in the order of the options; it reads lists and directories as it goes.

        Args:
            fail: Called with path and message of a list or directory that cannot be read.
            pass_over: Called for each file that a search finds and that is neither a model nor a part of one.

        Raises:
            click.UsageError: No model is chosen.
        """
        if self.null and self.files_from is None:
            raise click.UsageError("--null goes with --files-from")
        if self.names_none:
            raise click.UsageError("no MODEL given")
        return self._generate(fail, pass_over)

    def named(self, path: str) -> Input:
        """Return the model at `path`, with the chosen limits."""
        return Input(ModelPath(path, self.limits, averages=self.averages))

    def guard(self, *writes: str) -> Guard:
        """Return the guard that runs work on the models, which may write the files and directories `writes`."""
        guard = Guard(writes, None if self.quiet else terminal.tell_waiting, (*self.models, *self.recursive))
        if any(map(locate.is_url, self.recursive)):
            guard.start(network=True)  # before searching below a URL starts threads
        return guard

    def _generate(self, fail: Fail, pass_over: PassOver) -> Iterator[Input]:
        yield from map(self.named, self.models)
        if self.files_from is not None:
            try:
                yield from map(self.named, _read_list(self.files_from, null=self.null))
            except OSError as error:
                fail(self.files_from, f"the list cannot be read: {error.strerror}")
        for directory in self.recursive:
            search = _DirectorySearch(directory, self.limits, fail, pass_over)
            for found in search.models():
                yield found._replace(model=found.model._replace(averages=self.averages))
            if search.outside and not self.quiet:
                terminal.tell(_note_outside(search.outside, directory))


class _LimitOption(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A limit and its value, written as NAME=VALUE."""

    name = "NAME=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        try:
            return value if isinstance(value, tuple) else model_limits.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def model_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the argument and the options that choose models and layers to `command`, which receives one `Selection`."""

    @wraps(command)
    def with_selection(**values: Any) -> int:
        selection = Selection(**{name: values.pop(name) for name in Selection._fields})
        return command(selection, **values)

    return _add_options(with_selection, (
        click.argument("models", metavar="MODEL...", nargs=-1, type=PATH),
        click.option("-T", "--files-from", metavar="FILE", type=PATH,
                     help="Read paths of models from FILE, one a line; - is stdin."),
        click.option("-0", "--null", is_flag=True, help="In FILE, paths end with NUL instead of a newline."),
        click.option("-r", "--recursive", metavar="DIR", multiple=True, type=PATH,
                     help="All models below DIR, or below a URL; other files are skipped."),
        *_any_model_options(),
    ))  # fmt: skip


def one_model_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the argument for one model and its options to `command`, which receives one `Selection`."""

    @wraps(command)
    def with_selection(**values: Any) -> int:
        models, layer, quiet, limits = (values.pop(name) for name in ("models", "layer", "quiet", "limits"))
        averages = values.pop("averages")
        if len(models) > 1:
            raise click.UsageError(f"{click.get_current_context().info_name} takes one MODEL, not {len(models)}")
        return command(Selection(models, None, False, (), layer, quiet, limits, averages), **values)

    model = click.argument("models", metavar="MODEL", nargs=-1, required=True, type=PATH)
    return _add_options(with_selection, (model, *_any_model_options()))


def two_model_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the arguments for two models and their options to `command`, which receives one `Selection` of both."""

    @wraps(command)
    def with_selection(**values: Any) -> int:
        first, second, layer, quiet, limits, averages = (
            values.pop(name) for name in ("first", "second", "layer", "quiet", "limits", "averages")
        )
        return command(Selection((first, second), None, False, (), layer, quiet, limits, averages), **values)

    arguments = (click.argument(name, metavar=letter, type=PATH) for name, letter in (("first", "A"), ("second", "B")))
    return _add_options(with_selection, (*arguments, *_any_model_options()))


def _any_model_options() -> tuple[Decorator, ...]:
    return (
        click.option("-l", "--layer", metavar="GLOB", shell_complete=_complete_layers,
                     help="Only layers whose names match, e.g. 'encoder/*'."),
        click.option("--averages", is_flag=True,
                     help="Take the moving averages that a checkpoint holds beside its weights."),
        click.option("-q", "--quiet", is_flag=True,
                     help="No progress bar, notes or sums on stderr; stdout is left as it is."),
        color_option,
        click.option("--limit", "limits", metavar="NAME=VALUE", type=_LimitOption(), multiple=True,
                     callback=lambda _ctx, _param, chosen: Limits(**dict(chosen)),
                     help=f"Raise a limit for models you trust. Defaults:\n\n\b\n{_limits_as_lines()}"),
    )  # fmt: skip


def _limits_as_lines() -> str:
    """Return the limits with their defaults, wrapped: click would break names at their hyphens.

    This is done for every command line, and `textwrap` takes 2 % of `show` of a small model to import.
    """
    lines = [""]
    for word in model_limits.summary().split():
        if len(lines[-1]) + len(word) > _HELP_WIDTH:
            lines.append("")
        lines[-1] += f"{word} "
    return "\n".join(map(str.rstrip, lines))


def _add_options(command: Callable[..., int], options: Sequence[Decorator]) -> Callable[..., int]:
    for option in reversed(options):
        command = option(command)
    return command


def _read_list(file: str, *, null: bool) -> Iterator[str]:
    """Yield the paths in `file`, each as soon as it has been read, as another process may still be writing them."""
    with _open_list(file) as stream:
        paths = _split_stream(stream, b"\0" if null else b"\n")
        for path in itertools.chain([next(paths).removeprefix(codecs.BOM_UTF8)], paths):
            name = path if null else path.removesuffix(b"\r")
            if name:
                yield os.fsdecode(name)


def _open_list(file: str) -> AbstractContextManager[BufferedReader]:
    if file != "-":
        return open_given(file)
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return nullcontext(cast("BufferedReader", sys.stdin.buffer))


def _split_stream(stream: BufferedReader, end: bytes) -> Iterator[bytes]:
    """Yield the parts of `stream` before each `end` and after the last; UTF-16 is converted to the path encoding.

    Raises:
        OSError: The stream is longer than a list of models may be.
    """
    block, left = stream.read(2), MOST
    if block in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        block += stream.read(MOST)
        if len(block) > MOST:
            raise too_long()
        yield from os.fsencode(marked_text(block) or "").split(end)
        return
    rest: list[bytes] = []
    while block:
        left -= len(block)
        if left < 0:
            raise too_long()
        *ended, begun = block.split(end)
        if ended:
            yield b"".join((*rest, ended[0]))
            yield from ended[1:]
            rest = []
        rest.append(begun)
        block = stream.read1(_BLOCK)  # what has arrived so far
    yield b"".join(rest)


def marked_text(data: bytes) -> str | None:
    """Decode `data` if it begins with a byte order mark, as the UTF-16 that `>` in Windows PowerShell writes."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    return None


class _DirectorySearch:
    """The search for all models below `directory`, by name. Links are followed as long as they stay below it.

    A directory that is a model as a whole is not searched, nor is one that only a link leads to: if it is below, it is
    found where it is. Links that lead out of `directory` are passed over: whoever made it, as an archive that somebody
    unpacks, could have other models of the user read.

    Attributes:
        outside: The paths of the links that lead out of it.
    """

    def __init__(self, directory: str, limits: Limits, fail: Fail, pass_over: PassOver) -> None:
        self.outside: list[str] = []
        self._directory = directory
        self._limits = limits
        self._fail = fail
        self._pass_over = pass_over

    def models(self) -> Iterator[Input]:
        """Yield the models."""
        try:
            top = locate.at(self._directory, self._limits)
        except UnreadableModel as error:
            self._fail(self._directory, str(error))
            return
        waiting, seen = [(top, True)], 0
        while waiting:
            found, is_directory = waiting.pop()
            try:
                if not is_directory and self._leads_out(found):
                    self.outside.append(found.path)
                elif (item := self._detect_directory(found) if is_directory else self._detect_file(found)) is not None:
                    yield item
                elif is_directory:
                    inner = found.entries()
                    seen += 0 if top.is_here else len(inner)
                    if seen > self._limits.objects:  # a server may make up directories without end
                        self._fail(self._directory, _refuse_more(self._limits))
                        return
                    waiting.extend(reversed(inner))
            except UnknownFormat:
                self._pass_over()
            except OSError as error:
                self._fail(found.path, f"cannot be searched: {error.strerror}")
            except UnreadableModel as error:
                self._fail(found.path, str(error))

    def _leads_out(self, file: Location) -> bool:
        return file.is_here and leads_out(file.path, self._directory)

    def _detect_directory(self, directory: Location) -> Input | None:
        """Return the model that `directory` is as a whole; None where it is not one."""
        try:
            detected = detect(directory)
        except LstmdumpError:
            return None
        return self._make(directory, detected, searched=True) if detected.facts.is_directory else None

    def _detect_file(self, file: Location) -> Input | None:
        """Return the model in `file`, also where it is broken; None where it is a part of one.

        Raises:
            UnknownFormat: The file is neither.
        """
        try:
            return self._make(file, detect(file), searched=True)
        except ModelPart:
            return None
        except BrokenModel:
            return self._make(file)  # reported when it is its turn
        except UnknownFormat:
            raise
        except UnreadableModel:
            return self._make(file)

    def _make(self, found: Location, detected: Format | None = None, *, searched: bool = False) -> Input:
        below = self._directory if found.path != self._directory else ""  # which the user has named, and may be a link
        return Input(ModelPath(found.path, found.limits, detected, below=below), searched)


def _refuse_more(limits: Limits) -> str:
    words = f"it lists more than {limits.objects:,} files and directories, of which the first were searched"
    return str(limit_exceeded("objects", words, needed=10 * limits.objects))


def _note_outside(links: Sequence[str], directory: str) -> str:
    """Return the note on links that lead out of a `directory` that was searched."""
    if len(links) == 1:
        return f"note: {links[0]} leads out of {directory} and is passed over; name it to read it"
    return f"note: {listed(links)} lead out of {directory} and are passed over; name them to read them"


def _complete_layers(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the layers in the models on the command line so far."""
    names: dict[str, None] = {}
    with Guard() as guard:
        known = ctx.params.get("models") or ctx.args  # click stops parsing at the option without a value
        for path in (known,) if isinstance(known, str) else known:
            model = os.path.expanduser(path)  # noqa: PTH111 - as a shell does
            with suppress(Exception):  # completion shows no errors
                names.update(dict.fromkeys(guard.run(_read_layer_names, ModelPath(model))))
    return [name for name in names if name.startswith(incomplete) and re.fullmatch(_SAFE_IN_SHELL, name)]


def _read_layer_names(model: ModelPath) -> list[str]:
    with model.open() as opened:
        return [lstm.name for lstm in opened.lstms]
