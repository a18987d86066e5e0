"""An executor that runs jobs on the machines of a Dask cluster."""

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
"""Loggers that are silenced: each failed job reports the same."""
_SECONDS = 10.0  # for the scheduler's first answer; Dask itself waits forever for a silent one


@contextmanager
def dask_executor(scheduler: str) -> Iterator[Executor]:
    """Yield an executor whose jobs run on the workers of a Dask scheduler.

    When the block is left, jobs that have not started are cancelled, and running jobs finish.

    Args:
        scheduler: The address of the scheduler, such as `tcp://host:8786`.

    Raises:
        MissingDependency: Dask is not installed.
        click.ClickException: No scheduler answers at this address.
    """
    client = _connect(scheduler)
    try:
        if not client.nthreads():
            terminal.tell(f"{scheduler}: the scheduler has no workers yet; waiting for them")
        executor: Executor = client.get_executor(pure=False)  # or equal jobs would run only once for all clients
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)
    finally:
        client.close()


def _connect(scheduler: str) -> Client:
    address = _ADDRESS.fullmatch(scheduler)
    if address is None:
        raise click.UsageError(f"--dask {scheduler}: not the address of a scheduler, such as tcp://host:8786")
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependency(f"--dask needs Dask ({error}); {_PIP_LINE}") from error

    class ClosedByUs(Client):  # type: ignore[misc]
        def __del__(self) -> None:
            """Do nothing: a client that could not connect would wait for itself for 20 s when Python exits."""

    if not terminal.debugging():
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with socket.create_connection((address[1], int(address[2])), _SECONDS):
            pass  # where nothing listens, Dask would retry until its timeout
        return _run_within(_SECONDS + 1, lambda: ClosedByUs(scheduler, timeout=_SECONDS, set_as_default=False))
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise click.ClickException(f"{scheduler}: no Dask scheduler answers at this address ({reason})") from error


def _run_within(seconds: float, act: Callable[[], Result]) -> Result:
    """Run `act` in a thread and return its result; raise `TimeoutError` and abandon the thread after `seconds`."""
    outcome: Future[Result] = Future()

    def attempt() -> None:
        try:
            outcome.set_result(act())
        except BaseException as error:  # noqa: BLE001 - passed to the waiting thread
            outcome.set_exception(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome.done():
        raise TimeoutError(f"no answer in {seconds:g} s")
    return outcome.result()
