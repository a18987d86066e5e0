"""Opening a model: the reader's tree and the LSTM layers in it, as one object."""

from __future__ import annotations

import os
from types import TracebackType

from lstmdump.lstm import LSTM, find_lstms
from lstmdump.model import budget, location
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.tree import Model
from lstmdump.readers import read


class OpenModel:
    """A model file, open for reading, with its LSTM layers.

    Use it as a context manager. Shapes and counts are known at once and stay; numbers are read when asked for, and
    only while the model is open.

    Attributes:
        path: as it was given.
        model: the tree of all layers.
        lstms: the LSTM layers, in the model's order.
    """

    def __init__(self, path: str, model: Model, lstms: tuple[LSTM, ...]) -> None:
        self.path = path
        self.model = model
        self.lstms = lstms

    @property
    def format(self) -> str:
        """One of the words of the key `format` in the JSON output: `keras-h5`."""
        return self.model.format

    @property
    def producer(self) -> str:
        """Who wrote the file, as far as it says: `keras 2.2.4 (tensorflow)`."""
        return self.model.producer

    def close(self) -> None:
        """Let go of the file."""
        self.model.close()

    def __enter__(self) -> OpenModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_model(path: str | os.PathLike[str], *, limits: Limits = DEFAULTS) -> OpenModel:
    """Open the model at PATH, which may be a URL that fsspec knows: `s3://bucket/model.h5`.

    What goes past LIMITS is refused; who knows where a model comes from may raise them:
    `limits=lstmdump.Limits(json_size=2**30)`.

    Raises:
        UnreadableModel: there is no model, or it is damaged.
        NotAnLSTM: a layer that the file calls an LSTM has other shapes than an LSTM has.
    """
    budget.begin(limits)
    model = read(location.at(path, limits))
    try:
        return OpenModel(os.fspath(path), model, find_lstms(model))
    except BaseException:
        model.close()
        raise
