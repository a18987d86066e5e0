"""Show, export, check, run and compare the LSTM layers in model files, without the framework that wrote them.

::

    import lstmdump

    with lstmdump.open("weather.h5") as model:
        for lstm in model.lstms:
            print(lstm.name, lstm.input_dim, lstm.units, lstm.parameters)
            lstm.gates["f"].W.read()
        states = model.trace("x.npy")  # h, c and the gates of every step

`lstmdump help api` describes every name.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # that of `typing`, whose import takes longer than that of this module
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from lstmdump import errors, export, replay
    from lstmdump.export import batch
    from lstmdump.lstm import Gate, behaviour
    from lstmdump.model.limits import Limits
    from lstmdump.model.tensor import Tensor
    from lstmdump.python import plot
    from lstmdump.python.comparison import check, diff
    from lstmdump.python.layer import LSTMLayer as LSTM  # noqa: N814 - a class whose name is an acronym
    from lstmdump.python.open_model import OpenModel
    from lstmdump.replay import network, trace
    from lstmdump.sandbox.pool import ProcessPool

__version__ = "0.2.0"

__all__ = [
    "LSTM",
    "Gate",
    "Limits",
    "OpenModel",
    "ProcessPool",
    "Tensor",
    "__version__",
    "batch",
    "behaviour",
    "check",
    "diff",
    "errors",
    "export",
    "network",
    "open",
    "plot",
    "replay",
    "trace",
]

_HOMES = {
    "LSTM": ("lstmdump.python.layer", "LSTMLayer"),
    "Gate": ("lstmdump.lstm", "Gate"),
    "Limits": ("lstmdump.model.limits", "Limits"),
    "OpenModel": ("lstmdump.python.open_model", "OpenModel"),
    "ProcessPool": ("lstmdump.sandbox.pool", "ProcessPool"),
    "Tensor": ("lstmdump.model.tensor", "Tensor"),
    "batch": ("lstmdump.export.batch", None),
    "behaviour": ("lstmdump.lstm.behaviour", None),
    "check": ("lstmdump.python.comparison", "check"),
    "diff": ("lstmdump.python.comparison", "diff"),
    "errors": ("lstmdump.errors", None),
    "export": ("lstmdump.export", None),
    "network": ("lstmdump.replay.network", None),
    "plot": ("lstmdump.python.plot", None),
    "replay": ("lstmdump.replay", None),
    "trace": ("lstmdump.replay.trace", None),
}

# What had another place or name in 0.1 works until 0.3: modules by their path, then what is in them.
_MOVED = {
    "batch": "lstmdump.export.batch",
    "behaviour": "lstmdump.lstm.behaviour",
    "limits": "lstmdump.model.limits",
    "network": "lstmdump.replay.network",
    "processes": "lstmdump.sandbox.pool",
    "tensor": "lstmdump.model.tensor",
    "trace": "lstmdump.replay.trace",
}
_ALIASES = {"plot": "lstmdump.python.plot"}
"""Public modules that can be imported by their public names, `import lstmdump.plot`, too."""
_RENAMED = {
    "lstmdump.replay.network.Wanted": "lstmdump.replay.network.RunOptions",
    "lstmdump.replay.trace.Place": "lstmdump.export.states.StatesFile",
    "lstmdump.replay.trace.write": "lstmdump.export.states.write",
    "lstmdump.sandbox.pool.Processes": "lstmdump.sandbox.pool.ProcessPool",
}


class _MovedModules:
    """Import a module under its public name, or with a DeprecationWarning under that of 0.1, for `sys.meta_path`."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        package, _, module = name.rpartition(".")
        homes = _MOVED | _ALIASES
        if package != "lstmdump" or module not in homes:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self, origin=homes[module])  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:  # noqa: ARG002
        return None

    def exec_module(self, module: ModuleType) -> None:
        import importlib

        name = module.__name__.rpartition(".")[2]
        home = (_MOVED | _ALIASES)[name]
        if name in _MOVED:
            _warn(module.__name__, home)
        new = _with_old_names(importlib.import_module(home))
        module.__dict__["__getattr__"] = lambda name: getattr(new, name)


def _with_old_names(module: ModuleType) -> ModuleType:
    """Let `module` know the names that its content had in 0.1, too."""

    def get(name: str) -> object:
        path = f"{module.__name__}.{name}"
        if path not in _RENAMED:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        import importlib

        _warn(path, _RENAMED[path])
        home, _, new_name = _RENAMED[path].rpartition(".")
        value: object = getattr(importlib.import_module(home), new_name)
        return value

    module.__dict__.setdefault("__getattr__", get)
    return module


def _warn(old: str, new: str) -> None:
    import warnings

    warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=3)


sys.meta_path.append(_MovedModules())


def open(  # noqa: A001 - as in gzip
    path: str | os.PathLike[str], *, limits: Limits | None = None, averages: bool = False
) -> OpenModel:
    """Open the model at `path`, which may be a URL that fsspec knows: `s3://bucket/model.h5`.

    Names, shapes and counts are known at once; numbers are read when they are asked for.

    Args:
        path: The file, directory or prefix of a model in any format that `lstmdump help formats` lists.
        limits: How much a model may hold before it is refused; raise them for models that you trust:
            `limits=lstmdump.Limits(json_size=2**30)`.
        averages: Whether the moving averages that a checkpoint of TensorFlow 1 holds take the places of its weights.

    Returns:
        The open model: use it as a context manager, or call its `close`.

    Raises:
        UnreadableModel: There is no model, or it is damaged.
        NoAverages: `averages` is true, and the file holds none.
        NotAnLSTM: The file calls a layer an LSTM, but its shapes are not those of an LSTM.
        ValueError: A limit is not a whole number from 1.
    """
    from lstmdump.model.limits import DEFAULTS
    from lstmdump.python.arguments import checked_limits
    from lstmdump.python.keywords import python_words
    from lstmdump.python.open_model import OpenModel
    from lstmdump.sandbox.guard import ModelPath

    chosen = DEFAULTS if limits is None else checked_limits(limits)
    with python_words():
        return OpenModel.of(ModelPath(os.fsdecode(path), chosen, averages=averages).open())


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `lstmdump --version` needs none of them."""
    if name not in _HOMES and name not in _MOVED:
        raise AttributeError(f"module 'lstmdump' has no attribute {name!r}")
    import importlib

    if name not in _HOMES:
        return importlib.import_module(f"lstmdump.{name}")
    module, attribute = _HOMES[name]
    home = importlib.import_module(module)
    value: object = _with_old_names(home) if attribute is None else getattr(home, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
