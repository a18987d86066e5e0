"""Work on models that a library of C reads, done in a process of its own, which the library may crash or hang.

That process is forked before h5py is imported, so it costs little, and does the work on all models of a run. Where the
system has no fork, the work is done here, and such a file takes the run with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, NamedTuple, ParamSpec, TypeVar

from lstmdump.model import budget, locate
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.readers.detect import Format, detect

if TYPE_CHECKING:
    from lstmdump.lstm.open_model import OpenModel
    from lstmdump.sandbox.worker import Worker

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

HDF5_READER = "lstmdump.readers.hdf5.file"
"""What takes longest to import of all that reads a model."""


class ModelPath(NamedTuple):
    """Where a model is, and how to read it. It goes through pickle, so that any process can open the model.

    Attributes:
        path: as the user wrote it; it may be a URL.
        limits: how much the model may hold before it is refused.
        format: its format, where that has been detected.
    """

    path: str
    limits: Limits = DEFAULTS
    format: Format | None = None

    def detected(self) -> ModelPath:
        """Return this path with its format; at a URL, it is left to the process that reads the model.

        Raises:
            UnreadableModel: there is no model.
        """
        if self.format is not None or locate.is_url(self.path):
            return self
        return self._replace(format=detect(locate.at(self.path, self.limits)))

    def open(self) -> OpenModel:
        """Open the model: see `lstmdump.open`."""
        from lstmdump import readers
        from lstmdump.lstm import find_lstms
        from lstmdump.lstm.open_model import OpenModel

        budget.begin(self.limits)
        model = readers.read(locate.at(self.path, self.limits), self.format)
        try:
            return OpenModel(self.path, model, find_lstms(model))
        except BaseException:
            model.close()
            raise


class Guard:
    """Who does the work on models: that process for those it is there for, this one for the others.

    Use it as a context manager. Where it is left by an exception, work under way is ended.
    """

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def start(self) -> None:
        """Start the process at once: before threads are, or much memory is taken."""
        if (worker := self._get_worker()) is not None:
            worker.start()

    def run(
        self,
        work: Callable[Concatenate[ModelPath, Parameters], Result],
        model: ModelPath,
        /,
        *args: Parameters.args,
        **options: Parameters.kwargs,
    ) -> Result:
        """Return `work(model, …)`, with the format of the model. All of it must go through pickle, and the result, too.

        Raises:
            UnreadableModel: there is no model.
            WorkerDied: the file crashed the library, or hung it.
        """
        model = model.detected()
        if _may_use_hdf5(model) and (worker := self._get_worker()) is not None:
            result: Result = worker.do(work, model, *args, **options)
            return result
        return work(model, *args, **options)

    def _get_worker(self) -> Worker | None:
        """Who runs that process; None where the system has no fork."""
        from lstmdump.sandbox import fork
        from lstmdump.sandbox.worker import Worker

        if self._worker is None and fork.HAS_FORK:
            self._worker = Worker(HDF5_READER)
        return self._worker

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is None:
            return
        if kind is not None:
            from lstmdump.sandbox.worker import GRACE

            self._worker.interrupt()
            self._worker.end(time.monotonic() + GRACE)
        self._worker.dismiss()


def _may_use_hdf5(model: ModelPath) -> bool:
    """Whether HDF5 is going to read `model`, or may, at a URL."""
    return model.format is None or model.format.facts.uses_hdf5 or locate.is_url(model.path)
