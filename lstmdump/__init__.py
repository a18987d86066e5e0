"""Show, export, check and run the LSTM layers in Keras and TensorFlow model files, without the framework.

::

    import lstmdump

    with lstmdump.open("weather.h5") as model:
        for lstm in model.lstms:
            print(lstm.name, lstm.input_dim, lstm.units, lstm.parameters)
            lstm.gates["f"].W.read()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lstmdump import errors
    from lstmdump.export import batch
    from lstmdump.lstm import LSTM, Gate
    from lstmdump.lstm.open_model import OpenModel
    from lstmdump.lstm.open_model import open_model as open  # noqa: A004 - `lstmdump.open`, as in gzip and tarfile
    from lstmdump.model.limits import Limits
    from lstmdump.model.tensor import Tensor
    from lstmdump.replay import network, trace

__version__ = "0.1.0"

__all__ = [
    "LSTM",
    "Gate",
    "Limits",
    "OpenModel",
    "Tensor",
    "__version__",
    "batch",
    "behaviour",
    "errors",
    "network",
    "open",
    "processes",
    "trace",
]

_HOMES = {
    "LSTM": ("lstmdump.lstm", "LSTM"),
    "Gate": ("lstmdump.lstm", "Gate"),
    "Limits": ("lstmdump.model.limits", "Limits"),
    "OpenModel": ("lstmdump.lstm.open_model", "OpenModel"),
    "open": ("lstmdump.lstm.open_model", "open_model"),
    "Tensor": ("lstmdump.model.tensor", "Tensor"),
    "errors": ("lstmdump.errors", None),
    "batch": ("lstmdump.export.batch", None),
    "behaviour": ("lstmdump.lstm.behaviour", None),
    "processes": ("lstmdump.sandbox.pool", None),
    "network": ("lstmdump.replay.network", None),
    "trace": ("lstmdump.replay.trace", None),
}


def __getattr__(name: str) -> object:
    """The public name, imported when it is first asked for: `lstmdump --version` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lstmdump' has no attribute {name!r}")
    import importlib

    module, attribute = _HOMES[name]
    home = importlib.import_module(module)
    found: object = home if attribute is None else getattr(home, attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
