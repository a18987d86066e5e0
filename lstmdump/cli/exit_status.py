"""Exit statuses, and runs over several models: each failure is reported, and the worst status counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from lstmdump.cli import terminal
from lstmdump.errors import ModelPart, UnknownFormat
from lstmdump.model.sentences import count

if TYPE_CHECKING:
    from lstmdump.cli.selection import Input

DONE = 0
DIFFERENT = 1
FAILED = 2


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

    As a context manager, it ends a run over several models with their sum on stderr, unless it is interrupted.

    Args:
        as_json: Whether a failure is also written to stdout as a record.
        verb: What is done to a model, for the sum: `written`.
        quiet: Whether to leave the sum out.

    Attributes:
        status: The exit status so far.
        as_json: As given.
        done: The number of models that were handled.
        failed: The number of models, lists and directories that could not be handled.
        skipped: The number of models that were left out: their output exists, or they have nothing for the command.
        foreign: The number of files that a search found and that are not models.
        different: The number of models with a difference.
    """

    def __init__(self, *, as_json: bool, verb: str = "done", quiet: bool = False) -> None:
        self.status = DONE
        self.as_json = as_json
        self.done = self.failed = self.skipped = self.foreign = self.different = 0
        self._verb = verb
        self._quiet = quiet

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        models = self._count_models()
        if error is not None or self._quiet or not models or models + self.foreign < 2:
            return
        difference = f" ({count(self.different)} different)" if self.different else ""
        terminal.tell(
            f"{count(self.done)} {self._verb}{difference}, {count(self.failed)} failed, "
            f"{count(self.skipped + self.foreign)} passed over"
        )

    def _count_models(self) -> int:
        return self.done + self.failed + self.skipped

    @contextmanager
    def each(self, item: Input) -> Iterator[None]:
        """Handle `item` in the block; a failure is reported and does not stop the run."""
        try:
            others = self.skipped + self.failed
            yield
            self.done += self.skipped + self.failed == others
        except UnknownFormat as error:
            self.refuse(item, error)
        except terminal.OutputFailed:
            raise
        except Exception as error:  # noqa: BLE001 - no failure of one model may stop the others
            self.fail(item.path, terminal.sentence(error))

    def fail(self, model: str, message: str, *, has_record: bool = False) -> None:
        """Report that `model` could not be handled; with `has_record`, stdout has a record that says so already."""
        self.status = FAILED
        self.failed += 1
        terminal.tell(f"{model}: {message}")
        if self.as_json and not has_record:
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
        """Count a model as left out; within `each`, the one in the block."""
        self.skipped += 1

    def require_models(self, words: str = "no model found") -> None:
        """Fail with the message `words` if there was no model at all."""
        if not self._count_models():
            self.status = FAILED
            terminal.tell(words)

    def differ(self) -> None:
        """Count a model with a difference, and set the exit status, unless it is worse already."""
        self.different += 1
        self.status = max(self.status, DIFFERENT)
