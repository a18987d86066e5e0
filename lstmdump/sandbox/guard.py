"""Work on models that a library of C reads, done in a process of its own, which the library may crash or hang.

That process is forked before h5py is imported, so it costs little, and does the work on all models of a run. Where the
system has no fork, the work is done here, and such a file takes the run with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from lstmdump.model import locate
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.readers.detect import detect

if TYPE_CHECKING:
    from lstmdump.sandbox.worker import Worker

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

HDF5_READER = "lstmdump.readers.hdf5.file"
"""What takes longest to import of all that reads a model."""


class Guard:
    """Who does the work on models: that process for those it is there for, this one for the others.

    Use it as a context manager. Where it is left by an exception, work under way is ended. LIMITS are those of all
    models.
    """

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self._limits = limits
        self._worker: Worker | None = None

    def start(self) -> None:
        """Start the process at once: before threads are, or much memory is taken."""
        if (worker := self._its_worker()) is not None:
            worker.start()

    def do(
        self, model: str, work: Callable[Parameters, Result], /, *args: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        """What WORK makes of the file or URL MODEL. It, its arguments and its result must go through pickle.

        Raises:
            UnreadableModel: there is no model.
            WorkerDied: the file crashed the library, or hung it.
        """
        if self._is_of_hdf5(model) and (worker := self._its_worker()) is not None:
            result: Result = worker.do(work, *args, **options)
            return result
        return work(*args, **options)

    def _its_worker(self) -> Worker | None:
        """Who runs that process; None where the system has no fork."""
        from lstmdump.sandbox import fork
        from lstmdump.sandbox.worker import Worker

        if self._worker is None and fork.HAS_FORK:
            self._worker = Worker(HDF5_READER)
        return self._worker

    def _is_of_hdf5(self, model: str) -> bool:
        """Whether HDF5 is going to read MODEL, or may, where it lies elsewhere and has not been looked at."""
        return locate.is_url(model) or detect(locate.at(model, self._limits)).facts.uses_hdf5

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
