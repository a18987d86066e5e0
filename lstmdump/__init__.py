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
    from lstmdump import errors, network, trace
    from lstmdump.limits import Limits
    from lstmdump.lstm import LSTM, Gate
    from lstmdump.opening import OpenModel
    from lstmdump.opening import open_model as open  # noqa: A004 - `lstmdump.open`, as in gzip and tarfile
    from lstmdump.tensor import Tensor

__version__ = "0.1.0"

__all__ = ["LSTM", "Gate", "Limits", "OpenModel", "Tensor", "__version__", "errors", "network", "open", "trace"]

_HOMES = {
    "LSTM": ("lstmdump.lstm", "LSTM"),
    "Gate": ("lstmdump.lstm", "Gate"),
    "Limits": ("lstmdump.limits", "Limits"),
    "OpenModel": ("lstmdump.opening", "OpenModel"),
    "open": ("lstmdump.opening", "open_model"),
    "Tensor": ("lstmdump.tensor", "Tensor"),
    "errors": ("lstmdump.errors", None),
    "network": ("lstmdump.network", None),
    "trace": ("lstmdump.trace", None),
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
