"""Output to stdout, which is for results only, and stderr, which is for everything else."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, TypeVar

from lstmdump.cli.stand_ins import plain
from lstmdump.errors import LstmdumpError
from lstmdump.model.escape import shortened, visible, without_commands

if TYPE_CHECKING:
    from lstmdump.cli.progress_bar import Bar

Item = TypeVar("Item")
_LONGEST = 4000  # characters of a message; a name in a file may have millions
_HASH_IN_JSON = "\\u0023"
_COLUMNS = 80  # of a terminal that does not state them
_PATIENCE = 3  # seconds
_NO_THREAD = "can't start new thread"  # as Python says it
_bars: list[Bar] = []
COLOURING = ("auto", "always", "never")
_colouring = ["auto"]  # one of these; the user's choice on the command line


class OutputFailed(Exception):
    """A failure to write to stdout.

    Attributes:
        pipe_closed: Whether the reader has closed the pipe, as `head` does.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"stdout cannot be written: {error.strerror or error}")
        self.pipe_closed = isinstance(error, BrokenPipeError)


def write(text: str, *, with_commands: bool = False) -> None:
    """Write `text` to stdout; plain signs stand for those that the encoding of stdout lacks.

    Args:
        text: Whole lines.
        with_commands: Whether lines that begin with `::` are our own commands to the runner of GitHub.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    safe = without_commands(text, in_lines=not with_commands)
    _write(plain(safe, encoding).encode(encoding, "backslashreplace"))


def printable(text: str) -> str:
    """Return `text` as `write` writes it, for what click prints."""
    return plain(text, getattr(sys.stdout, "encoding", None))


def write_json(line: str) -> None:
    """Write a line of JSON in UTF-8, whatever the encoding of stdout, and flush it, as a reader may be waiting."""
    _write(f"{without_commands(line, _HASH_IN_JSON)}\n".encode())
    flush()


def write_utf_8(text: str) -> None:
    """Write `text` for a program to stdout, in UTF-8 whatever the encoding of stdout is."""
    _write(without_commands(text).encode())


def _write(data: bytes) -> None:
    if sys.stdout is None:  # the shell closed it: `lstmdump x >&-`
        raise OutputFailed(OSError(errno.EBADF, os.strerror(errno.EBADF)))
    if _bars and _is_terminal(sys.stdout):
        _bars[-1].above(lambda: _print_result(data))
        return
    try:
        sys.stdout.buffer.write(data)
    except OSError as error:
        raise OutputFailed(error) from error


def _print_result(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except OSError as error:
        raise OutputFailed(error) from error


def flush() -> None:
    """Flush stdout."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        raise OutputFailed(error) from error


def fill_streams() -> None:
    """Open the null device for each closed standard stream, so that no other file takes its descriptor.

    An output file opened as descriptor 2 would receive the error messages of C libraries.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def abandon(stream: TextIO | None) -> None:
    """Discard all further output to `stream`, including what its buffer holds when the interpreter exits."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def drop_unwritten() -> None:
    """Flush stdout and stderr, or discard their buffers if that fails, so that the exit status is kept.

    Python exits with status 120 if it cannot flush a standard stream at exit.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            abandon(stream)


def tell(message: str) -> None:
    """Write a message as one line to stderr, above a progress bar if there is one; ignore failures to write."""
    if sys.stderr is None:
        return
    line = shortened(_one_line(f"lstmdump: {message}"), _LONGEST)
    if _bars:
        _bars[-1].above(lambda: _print_message(line))
    else:
        _print_message(line)


def tell_waiting(url: str, seconds: int) -> None:
    """Say on a terminal that the server of `url` has not answered, once, after a few seconds."""
    if seconds == _PATIENCE and _is_terminal(sys.stderr):
        tell(f"{url}: waiting for an answer of the server")


def _one_line(text: str) -> str:
    return without_commands(" ".join(visible(part) for part in text.split("\n")))


def _print_message(line: str) -> None:
    with suppress(OSError):
        print(plain(line, getattr(sys.stderr, "encoding", None)), file=sys.stderr, flush=True)


def tell_bug(error: BaseException) -> str:
    """Return the message for an unexpected exception; print its traceback to stderr if `LSTMDUMP_DEBUG` is set."""
    if debugging():
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            _print_message(without_commands(visible(line)))
    return f"a bug in lstmdump: {type(error).__name__}: {error}; please report it, with LSTMDUMP_DEBUG=1 set"


def debugging() -> bool:
    """Return whether `LSTMDUMP_DEBUG` asks for tracebacks."""
    return os.environ.get("LSTMDUMP_DEBUG", "") not in ("", "0")


def sentence(error: Exception) -> str:
    """Return the message for an exception, as one printable line of limited length."""
    return shortened(_one_line(_describe(error)))


def _describe(error: Exception) -> str:
    if isinstance(error, LstmdumpError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        return f"{where}{error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    return _blame_limits(error) or tell_bug(error)


def _blame_limits(error: Exception) -> str | None:
    """Return the message for an exception that a limit of this process explains; None if none does."""
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return "a thread could not be started; end other processes, or raise their limits (ulimit -u, ulimit -v)"
    if not isinstance(error, ImportError):
        return None
    with suppress(ImportError, MemoryError):
        from lstmdump.sandbox import rlimits

        if (low := rlimits.describe_low()) is not None:
            return f"{error.name or 'a library'} cannot be loaded, probably because of {low}"
    return None


def width() -> int | None:
    """Return the width of the terminal in columns, or None if stdout is not a terminal."""
    if not _is_terminal(sys.stdout):
        return None
    return count_columns()


def count_columns() -> int:
    """Return the number of columns as `shutil.get_terminal_size` does, which imports much more than it needs.

    It is that of the environment or of the terminal, or 80.
    """
    try:
        columns = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        columns = 0
    if columns > 0:
        return columns
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or _COLUMNS  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return _COLUMNS


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def set_colour(when: str) -> None:
    """Set whether to use colours, one of `COLOURING`: `auto` leaves it to the environment and the terminal."""
    _colouring[:] = [when]


def colour() -> bool:
    """Return whether to colour stdout; see <https://no-color.org> and <https://force-color.org>."""
    if _colouring[-1] != "auto":
        return _colouring[-1] == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return _is_terminal(sys.stdout) and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(items: Iterable[Item], total: int, *, unit: str, quiet: bool) -> Iterator[Iterable[Item]]:
    """Yield `items`, with a progress bar if there are several and stderr is a terminal.

    Messages, and results if stdout is a terminal, appear above the bar.

    Args:
        items: The items; taking one counts the previous one as done.
        total: Their number.
        unit: What is counted, such as `models`.
        quiet: Whether to show no bar.
    """
    if quiet or total < 2 or not _is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
        yield items
        return
    from lstmdump.cli.progress_bar import Bar

    with Bar(total, unit, colour=_colouring[-1] != "never") as bar:
        _bars.append(bar)
        try:
            yield _count(items, bar)
        finally:
            _bars.remove(bar)


def _count(items: Iterable[Item], bar: Bar) -> Iterator[Item]:
    for item in items:
        yield item
        bar.advance()
