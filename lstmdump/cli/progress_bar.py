"""The progress bar: the last line of the terminal, and the lines printed above it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from lstmdump.cli.stand_ins import plain
from lstmdump.sandbox import fork

_CLEAR_LINE = "\r\x1b[2K"
_SECONDS = 0.1  # between two updates of the bar; lines printed meanwhile appear with the next


class Bar:
    """A progress bar on stderr with rate and remaining time. Use it as a context manager.

    A thread draws it, so that the time is updated during a long job.

    Args:
        total: The number of items.
        unit: What is counted, such as `models`.
        colour: Whether to use colours unless `NO_COLOR` is set.
    """

    def __init__(self, total: int, unit: str, *, colour: bool = True) -> None:
        console = Console(stderr=True, no_color=None if colour else True)
        self._progress = Progress(
            BarColumn(bar_width=None, table_column=Column(ratio=1)), _FactsColumn(unit), console=console,
            auto_refresh=False, expand=True, transient=True, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=total)
        self._lines: list[Callable[[], None]] = []
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._painter = fork.thread(self._paint)

    def advance(self) -> None:
        """Count one more item as done."""
        self._progress.advance(self._task)

    def above(self, write: Callable[[], None]) -> None:
        """Call `write` to print whole lines above the bar at its next update; raise what an earlier call raised."""
        if self._failure is not None:
            raise self._failure
        with self._lock:
            self._lines.append(write)

    def __enter__(self) -> Bar:
        self._progress.start()
        self._painter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._painter.join(1)
        self._draw()
        self._progress.stop()
        if self._failure is not None and kind is None:
            raise self._failure

    def _paint(self) -> None:
        while not self._ended.wait(_SECONDS):
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        try:
            if lines:
                self._progress.console.file.write(_CLEAR_LINE)
                self._progress.console.file.flush()
            for write in lines:
                write()
            self._progress.refresh()
        except BaseException as failure:  # noqa: BLE001 - raised in the thread that owns the bar
            self._failure = failure


class _FactsColumn(ProgressColumn):
    """The column with counts, rate and time: `1,200 of 2,000 files · 310 files/s · 0:02 left`."""

    def __init__(self, unit: str) -> None:
        super().__init__(Column(no_wrap=True))
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the text for `task`; rate and time are left out until they are known."""
        facts = [f"{task.completed:,.0f} of {task.total or 0:,.0f} {self._unit}"]
        if task.speed:
            facts.append(f"{task.speed:,.{0 if task.speed >= 10 else 1}f} {self._unit}/s")
        if task.time_remaining is not None:
            facts.append(f"{_format_time(task.time_remaining)} left")
        return Text(plain(" · ".join(facts), getattr(sys.stderr, "encoding", None)), style="progress.remaining")


def _format_time(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
