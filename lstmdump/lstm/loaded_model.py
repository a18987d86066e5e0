"""An open model: the tree of its layers and the LSTM layers in it, as one object."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from lstmdump.lstm.cell import LSTM
from lstmdump.model.tree import Model

Opened = TypeVar("Opened", bound="LoadedModel")


class LoadedModel:
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

    def __enter__(self: Opened) -> Opened:  # noqa: PYI019 - typing.Self came with Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
