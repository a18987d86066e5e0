"""The guard that runs work on HDF5 files in a worker process if the HDF5 library reads them, which may crash or hang.

Plain HDF5 files of a usual size, which are nearly all, are read in this process, without the library. The worker
process handles all others of a run, and all models at URLs: a server may give no sign of life for ever, and reading a
plain file from one here took more CPU time, as a forked process ends without tidying up. On a system without fork, all
work is done in this process, and a file that crashes the library ends the run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from lstmdump.errors import NoAverages, WorkerDied
from lstmdump.model import budget, locate
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.detect import Format, detect
from lstmdump.readers.hdf5.choice import NotPlain, plain_files_only

if TYPE_CHECKING:
    from lstmdump.lstm.loaded_model import LoadedModel
    from lstmdump.model.tree import Model
    from lstmdump.sandbox.worker import Box, Worker

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

VARIABLE = "LSTMDUMP_SANDBOX"
"""The environment variable that says what to do where processes cannot be confined: `require` or `off`."""


class ModelPath(NamedTuple):
    """The path of a model and how to read it. It can be pickled, so that any process can open the model.

    Attributes:
        path: The path or URL, as the user wrote it.
        limits: The limits for the model.
        format: The format, if it has been detected.
        averages: Whether moving averages take the places of the weights.
        below: The directory whose search has found it, which links must not lead out of; empty where none has.
    """

    path: str
    limits: Limits = DEFAULTS
    format: Format | None = None
    averages: bool = False
    below: str = ""

    def detected(self) -> ModelPath:
        """Return this path with its format; the format at a URL is left to the process that reads the model.

        Raises:
            UnreadableModel: The path is not a model.
        """
        if self.format is not None or locate.is_url(self.path):
            return self
        return self._replace(format=detect(locate.at(self.path, self.limits, self.below)))

    def open(self) -> LoadedModel:
        """Open the model: see `lstmdump.open`."""
        from lstmdump import readers
        from lstmdump.lstm import find_lstms
        from lstmdump.lstm.loaded_model import LoadedModel

        budget.begin(self.limits)
        location = locate.at(self.path, self.limits, self.below)
        model = readers.read(location, self.format)
        try:
            if self.averages:
                model = _take_averages(model)
            found = LoadedModel(self.path, model, find_lstms(model))
            location.require_unchanged()
        except BaseException:
            model.close()
            raise
        return found


def _take_averages(model: Model) -> Model:
    """Return `model` with moving averages in place of its weights.

    Raises:
        NoAverages: It has none.
    """
    if model.averages is None:
        raise NoAverages("the file holds no moving averages of its weights; leave --averages out")
    return model.averages()


class Guard:
    """The runner of work on models: in a worker process where the HDF5 library is needed, else in this process.

    Use it as a context manager. If an exception leaves the block, running work is ended.

    Args:
        writes: The files and directories that the work may write.
        waiting: Called while a server does not answer, with the URL and for how many seconds that has been so.
        models: The paths of models, and of directories that are searched for models: work on them may read little else.
    """

    def __init__(
        self,
        writes: tuple[str, ...] = (),
        waiting: Callable[[str, int], None] | None = None,
        models: Iterable[str] = (),
    ) -> None:
        self._writes = writes
        self._waiting = waiting
        self._models = frozenset(models)
        self._workers: dict[tuple[bool, bool], Worker] = {}  # by whether they may use the network, and read all files

    def start(self, *, network: bool = False) -> None:
        """Start the worker process now, before threads are started or much memory is used.

        Args:
            network: Start the one for models at URLs.
        """
        if (worker := self._get_worker(network=network, is_known=bool(self._models))) is not None:
            worker.start()

    def run(
        self,
        work: Callable[Concatenate[ModelPath, Parameters], Result],
        model: ModelPath,
        /,
        *args: Parameters.args,
        **options: Parameters.kwargs,
    ) -> Result:
        """Return `work(model, …)`, where `model` has its format. The arguments and the result must be picklable.

        A model among the arguments is guarded as the first one is.

        Raises:
            UnreadableModel: The path is not a model.
            WorkerDied: The file crashed the HDF5 library or made it hang, or processes cannot be confined as required.
        """
        model = model.detected()
        models = [model, *(one for one in args if isinstance(one, ModelPath))]
        is_required, network = _requires_worker(), any(locate.is_url(one.path) for one in models)
        if not is_required and not any(map(_may_use_hdf5, models)):
            return work(model, *args, **options)
        if not is_required and not network:
            try:
                with plain_files_only():
                    return work(model, *args, **options)
            except NotPlain:
                pass
        is_known = all(one.path in self._models or one.below in self._models for one in models)
        if (worker := self._get_worker(network=network, is_known=is_known)) is not None:
            if network and self._waiting is not None:
                worker.waiting = partial(self._waiting, model.path)
            result: Result = worker.do(work, model, *args, **options)
            return result
        if is_required:
            raise WorkerDied(f"{VARIABLE}=require confines the process that reads models, which this system cannot")
        return work(model, *args, **options)

    def _get_worker(self, *, network: bool, is_known: bool) -> Worker | None:
        """Return the worker for models at URLs, or for those that are known, or not; None if the system has no fork."""
        from lstmdump.sandbox import fork
        from lstmdump.sandbox.worker import Worker

        kind = (network, network or not is_known)
        if kind not in self._workers and fork.HAS_FORK:
            self._workers[kind] = Worker(box=make_box(self._writes, self._models if is_known else (), network=network))
        return self._workers.get(kind)

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            if kind is not None:
                from lstmdump.sandbox.worker import GRACE

                worker.interrupt()
                worker.end(time.monotonic() + GRACE)
            worker.dismiss()


def make_box(writes: tuple[str, ...], models: Iterable[str], *, network: bool = False) -> Box:
    """Return what a process may do that reads `models`, or any model if there are none, and writes to `writes`."""
    from lstmdump.sandbox.reads import find_places
    from lstmdump.sandbox.worker import Box

    known = () if network else tuple(models)
    return Box(writes, network, find_places(known) if known else None)


def _requires_worker() -> bool:
    """Return whether the user wants all models to be read in a confined process.

    Raises:
        WorkerDied: The variable has an unknown value.
    """
    if VARIABLE not in os.environ:
        return False
    from lstmdump.sandbox import jail

    return jail.is_required()


def _may_use_hdf5(model: ModelPath) -> bool:
    """Return whether `model` is in HDF5 files, or may be, at a URL."""
    return model.format is None or model.format.facts.uses_hdf5 or locate.is_url(model.path)
