"""An open model as users of Python have it."""

from __future__ import annotations

from lstmdump.lstm.loaded_model import LoadedModel


class OpenModel(LoadedModel):
    """A model file, open for reading, with its LSTM layers.

    Use it as a context manager. Shapes and counts are known at once and stay; numbers are read when asked for, and
    only while the model is open.

    Attributes:
        path: as it was given.
        model: the tree of all layers.
        lstms: the LSTM layers, in the model's order.
    """

    @classmethod
    def of(cls, loaded: LoadedModel) -> OpenModel:
        """Return `loaded` with what Python users call."""
        return cls(loaded.path, loaded.model, loaded.lstms)
