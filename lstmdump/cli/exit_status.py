"""Exit statuses, and runs over several models: each failure is reported, and the worst status counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lstmdump.cli import terminal
from lstmdump.errors import ModelPart, UnknownFormat

if TYPE_CHECKING:
    from lstmdump.cli.selection import Input

DONE = 0
DIFFERENT = 1
FAILED = 2
INTERRUPTED = 130  # by Ctrl-C; 128 plus the number of the signal, as in shells


class Ended(BaseException):
    """The request to end the process by a signal other than that of Ctrl-C.

    Attributes:
        number: The number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status, as in shells."""
        return 128 + self.number


class Run:
    """One run of a command over its models.

    Attributes:
        status: The exit status so far.
        as_json: Whether a failure is also written to stdout as a record.
        done: The number of models that were handled.
        failed: The number of models, lists and directories that could not be handled.
        skipped: The number of models that were left out because their output exists.
        foreign: The number of files that a search found and that are not models.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.status = DONE
        self.as_json = as_json
        self.done = self.failed = self.skipped = self.foreign = 0

    @contextmanager
    def each(self, item: Input) -> Iterator[None]:
        """Handle `item` in the block; a failure is reported and does not stop the run."""
        try:
            yield
            self.done += 1
        except UnknownFormat as error:
            self.refuse(item, error)
        except terminal.OutputFailed:
            raise
        except Exception as error:  # noqa: BLE001 - no failure of one model may stop the others
            self.fail(item.path, terminal.sentence(error))

    def fail(self, model: str, message: str) -> None:
        """Report that `model` could not be handled."""
        self.status = FAILED
        self.failed += 1
        terminal.tell(f"{model}: {message}")
        if self.as_json:
            from lstmdump.report import record

            terminal.write_json(record.line(record.error(model, message)))

    def refuse(self, item: Input, error: UnknownFormat) -> None:
        """Report that `item` is not a model; if a search found it, only count it, unless it is a part of a model."""
        if not item.searched:
            self.fail(item.path, terminal.sentence(error))
        elif not isinstance(error, ModelPart):
            self.pass_over()

    def pass_over(self) -> None:
        """Count a file that a search found and that is not a model."""
        self.foreign += 1

    def skip(self) -> None:
        """Count a model that is left out because its output exists."""
        self.skipped += 1

    def require_models(self, words: str = "no model found") -> None:
        """Fail with the message `words` if there was no model at all."""
        if not (self.done or self.failed or self.skipped):
            self.status = FAILED
            terminal.tell(words)

    def differ(self) -> None:
        """Set the exit status for a difference, unless it is worse already."""
        self.status = max(self.status, DIFFERENT)
