"""The calls in pickles of PyTorch that stand for arrays: a view of a storage, which is in another place of the file.

Source: `torch/_utils.py`, `torch/storage.py` and `torch/serialization.py` in PyTorch 2.13, and files of 1.x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.pytorch.arrays import ITEM_SIZES, View
from lstmdump.readers.pytorch.pickle_machine import PickleCalls
from lstmdump.readers.pytorch.pickle_values import PickledName, PickledObject

_UNTYPED = "UntypedStorage"
_STORAGE = "Storage"
_STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128", "QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32",
}  # fmt: skip
_OTHER_WIDTHS = {"qint8": 1, "quint8": 1, "qint32": 4}
_MOST = 1 << 60  # elements; beyond, sizes in bytes have more than 63 bits
_PLAIN_TENSORS = ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer")
_MOST_AXES = 64  # of an array in PyTorch
_LONGEST_KEY = 100  # characters
_MAX_WORD = 40  # characters of the name of a type


class PickledStorage(NamedTuple):
    """A storage: numbers of one type, one after the other, in another place of the file.

    Attributes:
        key: The name of that place.
        dtype: The type of the numbers; None if each array states its own.
        length: The number of elements that the file declares; bytes if there is no type.
        start: The first element, of one that is a part of another.
    """

    key: str
    dtype: str | None
    length: int
    start: int = 0

    @property
    def size(self) -> int | None:
        """The declared size in bytes; None if that of an element is not known."""
        width = 1 if self.dtype is None else ITEM_SIZES.get(self.dtype, _OTHER_WIDTHS.get(self.dtype))
        return None if width is None else width * (self.start + self.length)


class PickledTensor(NamedTuple):
    """An array: a view of a storage, whose elements count from the first one of the storage."""

    storage: PickledStorage
    view: View


def _make_storage(identifier: Any) -> Any:
    """Return the storage for a persistent id: ("storage", class, key, device, number of elements, part of another)."""
    if not isinstance(identifier, tuple) or len(identifier) < 5 or identifier[0] != "storage":
        is_class = isinstance(identifier, tuple) and len(identifier) > 1 and identifier[0] == "module"
        return identifier[1] if is_class else PickledObject(None, identifier)
    _, kind, key, _, length, *part = identifier
    if not isinstance(key, str) or len(key) > _LONGEST_KEY or not _is_size(length) or not isinstance(kind, PickledName):
        raise CorruptModel("the pickle describes a storage by something other than a class, a name and a size")
    dtype = None if kind.name == _UNTYPED else _name_dtype(kind.name.removesuffix(_STORAGE))
    found = PickledStorage(key, dtype, length)
    return _take_part(found, part[0]) if part and part[0] is not None else found


def _name_dtype(word: str) -> str:
    return _STORAGES.get(word, word[:_MAX_WORD])


def _take_part(storage: PickledStorage, part: Any) -> PickledStorage:
    """Return the part of a storage that another one is: (its key, offset, size)."""
    if not isinstance(part, tuple) or len(part) != 3 or not all(map(_is_size, part[1:])):
        raise CorruptModel("the pickle describes the part of a storage by something other than an offset and a size")
    _, start, length = part
    if start + length > storage.length:
        raise CorruptModel(f"a part of the storage {storage.key} reaches beyond its end")
    return storage._replace(start=start, length=length)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _are_sizes(value: Any) -> bool:
    if not isinstance(value, (tuple, list)) or len(value) > _MOST_AXES:
        return False
    for one in value:  # noqa: SIM110 - `all` takes twice as long for the two or three numbers of each array
        if type(one) is not int or not 0 <= one < _MOST:
            return False
    return True


def _rebuild_tensor(args: Any) -> Any:
    """Return the array of (storage, offset, shape, strides, …)."""
    storage, start, shape, strides, *rest = _unpack(args, 4)
    return _make_tensor(storage, start, shape, strides, None, _find_turns(rest[2] if len(rest) > 2 else None))


def _rebuild_typed_tensor(args: Any) -> Any:
    """Return the array of (storage of bytes, offset, shape, strides, requires_grad, hooks, dtype, …)."""
    storage, start, shape, strides, _, _, dtype, *rest = _unpack(args, 7)
    word = dtype.name[:_MAX_WORD] if isinstance(dtype, PickledName) else "unknown"
    return _make_tensor(storage, start, shape, strides, word, _find_turns(rest[0] if rest else None))


def _find_turns(metadata: Any) -> str:
    """Return what is to be done with the stored numbers, which is not done here: `conj` or `neg`."""
    if not metadata or not isinstance(metadata, dict):
        return ""
    return " ".join(word for word in ("conj", "neg") if metadata.get(word))


def _make_tensor(storage: Any, start: Any, shape: Any, strides: Any, dtype: str | None, turns: str) -> PickledTensor:
    is_sound = isinstance(storage, PickledStorage) and _is_size(start) and _are_sizes(shape) and _are_sizes(strides)
    if not is_sound or len(shape) != len(strides):
        raise CorruptModel("the pickle describes an array by something other than a storage, offset, shape and strides")
    word = dtype or storage.dtype or "unknown"
    view = View(f"{turns} of {word}" if turns else word, tuple(shape), tuple(strides), storage.start + start)
    extent = view.extent
    if storage.dtype is not None and extent and start + extent > storage.length:
        raise CorruptModel(f"an array of shape {view.shape[:8]} reaches beyond the end of its storage, which has "
                           f"{storage.length:,} elements")  # fmt: skip
    return PickledTensor(storage, view)


def _unpack(args: Any, least: int) -> Any:
    if not isinstance(args, tuple) or len(args) < least:
        raise CorruptModel("the pickle makes an array of too few arguments")
    return args


def _take_first(args: Any) -> Any:
    """Return the first argument: of a function that passes it on."""
    return args[0] if isinstance(args, tuple) and args else PickledObject(None, args)


def _rebuild_from_type(args: Any) -> Any:
    """Return the array of (function, class, arguments, attributes), if the class computes nothing else."""
    function, kind, inner, *_ = _unpack(args, 3)
    known = CALLS.known.get(function.full) if isinstance(function, PickledName) else None
    if known is None or not isinstance(kind, PickledName) or kind.full not in _PLAIN_TENSORS:
        return PickledObject(kind, args)
    return known(inner)


def _make_ordered(args: Any) -> Any:
    """Return a new dictionary; or, as Python 2 wrote it, an object of (pairs,)."""
    return {} if not args else PickledObject(PickledName("collections", "OrderedDict"), args)


def _make_default(_: Any) -> Any:
    """Return a new dictionary, whatever it gives for other keys."""
    return {}


_KNOWN: Mapping[str, Callable[[Any], Any]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_typed_tensor,
    "torch._utils._rebuild_qtensor": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _take_first,
    "torch._utils._rebuild_parameter_with_state": _take_first,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    "torch.jit._pickle.restore_type_tag": _take_first,
    "torch.jit._pickle.build_tensorlist": _take_first,
    "torch.Size": _take_first,
    "collections.OrderedDict": _make_ordered,
    "collections.defaultdict": _make_default,
    "__builtin__.set": _take_first,
    "builtins.set": _take_first,
}
CALLS = PickleCalls(_KNOWN, _make_storage)
"""What a machine needs to know to read pickles of PyTorch."""
