"""Encode the answers of a worker process, and decode them without trusting the process.

A damaged model may take the worker over, and whoever unpickles what it then sends runs any code. An answer is a pickle,
too, but of plain values, in which one function stands for everything else: it makes an array of numbers, or an object
of a class in `KNOWN` out of its attributes. No constructor and no method of the class is called for that.
"""

from __future__ import annotations

import builtins
import io
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from importlib import import_module
from typing import Any, NoReturn

from lstmdump.sandbox.answer_opcodes import require_known

KNOWN = (
    "lstmdump.cli.commands.diff._Compared",
    "lstmdump.cli.commands.show._Shown",
    "lstmdump.errors",
    "lstmdump.export.gates.Exported",
    "lstmdump.export.gates.Job",
    "lstmdump.export.layouts.checking.ExpectedModule",
    "lstmdump.lstm.behaviour",
    "lstmdump.model.network",
    "lstmdump.model.tree.Source",
    "lstmdump.python.comparison.ComparedModels",
    "lstmdump.python.lags.LagsResult",
    "lstmdump.python.states",
    "lstmdump.readers.detect.Format",
    "lstmdump.replay.activations.elementwise",
    "lstmdump.replay.activations.softmax",
    "lstmdump.replay.cell",
    "lstmdump.replay.equations",
    "lstmdump.replay.lags.LayerLags",
    "lstmdump.replay.layers",
    "lstmdump.replay.matching",
    "lstmdump.replay.network",
    "lstmdump.replay.networks",
    "lstmdump.replay.omissions.Omission",
    "lstmdump.replay.verify",
    "lstmdump.report.check.Mismatch",
    "lstmdump.report.diff.verdicts",
    "lstmdump.report.facts",
    "lstmdump.report.html.page.ModelReport",
    "lstmdump.report.html.page.ReportPart",
    "lstmdump.report.plot.arrays",
    "lstmdump.report.plot.counts",
    "lstmdump.report.plot.eigenvalues",
    "lstmdump.sandbox.tensorflow_client.Request",
)
"""The classes that may cross: by their names, or all that are defined in a module or package."""

_REMADE = frozenset({
    "lstmdump.replay.activations.elementwise.make_again",
    "lstmdump.replay.layers.operations.elementwise.find",
})  # fmt: skip
"""Functions that look up what they make by a name; objects whose `__reduce__` returns one cross as its arguments."""

_NUMBERS = "biufc"  # kinds of dtypes without pointers
_DTYPE = rf"[<>|=][{_NUMBERS}]\d{{1,2}}"
_PLAIN = {"range": range, "slice": slice}


def encode(value: object) -> bytes:
    """Return `value` as an answer.

    Raises:
        TypeError: It holds an object that may not cross.
    """
    stream = io.BytesIO()
    _Encoder(stream, protocol=5).dump(value)
    return stream.getvalue()


def decode(answer: bytes) -> Any:
    """Return the value in `answer`.

    Raises:
        pickle.UnpicklingError: It is damaged, or not an answer.
    """
    require_known(answer)
    try:
        return _Decoder(io.BytesIO(answer)).load()
    except MemoryError:
        raise
    except Exception as error:
        raise pickle.UnpicklingError(f"the answer is invalid: {error}") from error


def _restore(kind: str, *parts: object) -> NoReturn:
    """Stand in an answer for the function that decodes it."""
    raise NotImplementedError(kind, *parts)


class _Encoder(pickle.Pickler):
    def reducer_override(self, value: object) -> Any:
        if value is _restore:
            return NotImplemented
        kind = type(value)
        name = _name(kind)
        if kind.__module__ == "builtins" and isinstance(value, Exception):
            return _restore, ("error", kind.__name__, *map(_as_text, value.args))
        if kind.__module__ == "numpy":
            return _reduce_numpy(value)
        if isinstance(value, (range, slice)):
            return _restore, ("plain", kind.__name__, *value.__reduce__()[1])
        if not _is_known(name):
            raise TypeError(f"{value!r:.80} is a {name}, which is not listed in {__name__}.KNOWN")
        return _restore, _take_apart(value, name)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _is_known(name: str) -> bool:
    return any(name == known or name.startswith(f"{known}.") for known in KNOWN)


def _as_text(value: object) -> object:
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def _take_apart(value: Any, name: str) -> tuple[Any, ...]:
    """Return what `_restore` is to make `value` of."""
    if isinstance(value, Enum):
        return ("member", name, value.value)
    if isinstance(value, tuple):
        return ("tuple", name, *value)
    if isinstance(value, Exception):
        return ("exception", name, *map(_as_text, value.args))
    if _has_own_reduce(type(value)):
        function, arguments = value.__reduce__()
        return ("remade", f"{function.__module__}.{function.__qualname__}", *arguments)
    return ("object", name, vars(value))


def _has_own_reduce(kind: type) -> bool:
    return any("__reduce__" in vars(base) for base in kind.__mro__[:-1])  # but `object`


def _reduce_numpy(value: Any) -> tuple[Any, ...]:
    import numpy as np

    if isinstance(value, np.ufunc):
        return _restore, ("function", value.__name__)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in _NUMBERS:
        data = pickle.PickleBuffer(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        return _restore, ("array", value.dtype.str, value.shape, data, isinstance(value, np.generic))
    raise TypeError(f"a {_name(type(value))} cannot be sent")


class _Decoder(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) != (__name__, _restore.__name__):
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return lambda kind, *parts: _MAKERS[kind](*parts)  # a new one each time: an answer may set its attributes


def _make_array(dtype: object, shape: tuple[int, ...], data: bytes | bytearray, is_scalar: bool) -> Any:
    import numpy as np

    if not isinstance(dtype, str) or not re.fullmatch(_DTYPE, dtype):
        raise ValueError(f"{dtype!r:.80} is not a dtype of numbers")
    writable = data if isinstance(data, bytearray) else bytearray(data)
    made = np.frombuffer(writable, dtype).reshape(shape)
    return made[()] if is_scalar else made


def _find_ufunc(name: str) -> Any:
    import numpy as np

    found = getattr(np, name)
    if not isinstance(found, np.ufunc):
        raise TypeError(f"{name} is not a function of numpy")
    return found


def _find_kind(name: str, base: type) -> Any:
    """Return the class that has the full `name`.

    Raises:
        ValueError: It may not cross.
    """
    found = _find(name) if _is_known(name) else None
    if not isinstance(found, type) or not issubclass(found, base) or _name(found) != name:
        raise ValueError(f"{name:.80} is not a class that may cross")
    return found


def _find(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return vars(sys.modules.get(module) or import_module(module)).get(attribute)


def _make_tuple(name: str, *values: object) -> Any:
    kind = _find_kind(name, tuple)
    if len(values) != len(kind._fields):
        raise ValueError(f"{name} has {len(kind._fields)} fields, not {len(values)}")
    return tuple.__new__(kind, values)


def _make_object(name: str, attributes: Mapping[str, object]) -> Any:
    kind = _find_kind(name, object)
    if hides := [one for one in attributes if callable(getattr(kind, one, None))]:
        raise ValueError(f"{name}.{hides[0]} is not an attribute")
    made = object.__new__(kind)
    vars(made).update(attributes)
    return made


def _make_error(name: str, *arguments: object) -> Any:
    kind = getattr(builtins, name)
    if not isinstance(kind, type) or not issubclass(kind, Exception):
        raise TypeError(f"{name} is not an exception")
    return kind(*arguments)


def _make_again(name: str, *arguments: object) -> Any:
    if name not in _REMADE:
        raise ValueError(f"{name:.80} is not a function that may be called")
    return _find(name)(*arguments)


_MAKERS: Mapping[str, Callable[..., Any]] = {
    "array": _make_array,
    "error": _make_error,
    "exception": lambda name, *arguments: _find_kind(name, Exception)(*arguments),
    "function": _find_ufunc,
    "member": lambda name, value: _find_kind(name, Enum)(value),
    "object": _make_object,
    "plain": lambda name, *arguments: _PLAIN[name](*arguments),
    "remade": _make_again,
    "tuple": _make_tuple,
}
