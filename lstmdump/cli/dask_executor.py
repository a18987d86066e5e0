"""The door to Dask: the machines of a cluster as an executor."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from lstmdump.cli import terminal
from lstmdump.errors import MissingDependency

if TYPE_CHECKING:
    from distributed import Client

Result = TypeVar("Result")
_PIP_LINE = "pip install distributed"
_ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss)://)?\[?([^/]+?)\]?:(\d{1,5})", re.ASCII)
_LOGGERS = ("asyncio", "distributed", "distributed.client", "tornado", "tornado.application")
"""What they tell is told again by each job that fails."""
_SECONDS = 10.0  # what a scheduler has for its first answer; Dask itself waits for ever for one that is silent


@contextmanager
def dask_executor(scheduler: str) -> Iterator[Executor]:
    """An executor whose jobs are done by the workers of the Dask scheduler at SCHEDULER, such as `tcp://host:8786`.

    Whatever way the block is left, what has not begun there is cancelled; what has, is brought to its end.

    Raises:
        MissingDependency: Dask is not installed.
        click.ClickException: no scheduler answers.
    """
    client = _client(scheduler)
    try:
        if not client.nthreads():
            terminal.tell(f"{scheduler}: the scheduler has no workers yet; waiting for them")
        executor: Executor = client.get_executor(pure=False)  # or equal jobs would be done once for all clients
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)
    finally:
        client.close()


def _client(scheduler: str) -> Client:
    address = _ADDRESS.fullmatch(scheduler)
    if address is None:
        raise click.UsageError(f"--dask {scheduler}: not the address of a scheduler, such as tcp://host:8786")
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependency(f"--dask needs Dask ({error}); {_PIP_LINE}") from error

    class ClosedByUs(Client):  # type: ignore[misc]
        def __del__(self) -> None:
            """Where it could not even connect, it would wait for itself for 20 s when Python ends."""

    if not terminal.debugging():
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with socket.create_connection((address[1], int(address[2])), _SECONDS):
            pass  # where nobody is, Dask would ask again and again until the time is over
        return _within(_SECONDS + 1, lambda: ClosedByUs(scheduler, timeout=_SECONDS, set_as_default=False))
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise click.ClickException(f"{scheduler}: no Dask scheduler answers there ({reason})") from error


def _within(seconds: float, act: Callable[[], Result]) -> Result:
    """What ACT gives; TimeoutError where it takes longer, and it is left to itself."""
    outcome: Future[Result] = Future()

    def attempt() -> None:
        try:
            outcome.set_result(act())
        except BaseException as error:  # noqa: BLE001 - for the thread that waits
            outcome.set_exception(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome.done():
        raise TimeoutError(f"no answer in {seconds:g} s")
    return outcome.result()
