"""Going through models: each is handled, each failure is told, the rest goes on, the worst status counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lstmdump.cli import terminal
from lstmdump.errors import UnknownFormat

if TYPE_CHECKING:
    from lstmdump.cli.selection import Input

DONE = 0
DIFFERENT = 1
FAILED = 2
INTERRUPTED = 130  # by Ctrl-C; as shells have it, 128 and the signal's number


class Ended(BaseException):
    """The process was told to end, by the signal of that NUMBER, which is not that of Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status, as shells have it."""
        return 128 + self.number


class Run:
    """One run of a command over its models.

    Attributes:
        status: the exit status so far.
        as_json: whether a failure leaves a record on stdout, too.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.status = DONE
        self.as_json = as_json

    @contextmanager
    def each(self, item: Input) -> Iterator[None]:
        """Handle ITEM within; whatever goes wrong is told and does not stop the run."""
        try:
            yield
        except UnknownFormat as error:
            if not item.searched:
                self.fail(item.path, terminal.sentence(error))
        except terminal.OutputFailed:
            raise
        except Exception as error:  # noqa: BLE001 - one model, whatever is wrong with it, must not stop the rest
            self.fail(item.path, terminal.sentence(error))

    def fail(self, model: str, message: str) -> None:
        """Tell that MODEL could not be handled."""
        self.status = FAILED
        terminal.tell(f"{model}: {message}")
        if self.as_json:
            from lstmdump.report import record

            terminal.write_json(record.line(record.error(model, message)))

    def differ(self) -> None:
        """Remember that a difference was found."""
        self.status = max(self.status, DIFFERENT)
