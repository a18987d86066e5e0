"""What `torch.save` and `torch.jit.save` write: state dicts, checkpoints with optimizers, whole modules, TorchScript.

Their pickles are interpreted and never executed: see `pickle_machine`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import NO_CLASSES, Model
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.detect import ZIP_MAGIC, Format
from lstmdump.readers.pytorch import contents, layers
from lstmdump.readers.pytorch.arrays import ITEM_SIZES, ByteBuffer, View, tensor_in
from lstmdump.readers.pytorch.open_file import OpenFile
from lstmdump.readers.pytorch.storages import PickledStorage, PickledTensor

if TYPE_CHECKING:  # each file needs one of them
    from lstmdump.readers.pytorch.archive import SavedArchive
    from lstmdump.readers.pytorch.legacy import LegacyFile

_PYTORCH, _SCRIPT = "pytorch", "pytorch (torchscript)"
_FROZEN = "holds constants of a program, which have no names and are not read; save the module before it is frozen"


def read(location: Location) -> Model:
    """Return the model in the file at `location`.

    Raises:
        UnreadableModel: The file cannot be read, is damaged, or exceeds a limit.
    """
    file = OpenFile(location)
    try:
        return _read(file, location.limits)
    except BaseException:
        file.close()
        raise


def _open(file: OpenFile, limits: Limits) -> SavedArchive | LegacyFile:
    """Return the container that `file` is."""
    if file.read(0, min(len(ZIP_MAGIC), file.size)) == ZIP_MAGIC:
        from lstmdump.readers.pytorch.archive import SavedArchive

        return SavedArchive(file, limits)
    from lstmdump.readers.pytorch.legacy import LegacyFile

    return LegacyFile(file, limits)


def _read(file: OpenFile, limits: Limits) -> Model:
    container = _open(file, limits)
    held = contents.read(container.value, limits)
    opened = _Tensors(container, limits)
    arrays = [(name, opened.get(name, one)) for name, one in held.arrays.items()]
    beside = [opened.get(name, one) for part in held.beside.values() for name, one in part.items()]
    opened.require_stored()
    container.require_disjoint()
    placed = layers.place(arrays, limits, held.modules)
    classes = () if held.modules or not arrays else (NO_CLASSES,)
    return Model(
        Format.PYTORCH.value,
        _SCRIPT if container.is_script else _PYTORCH,
        placed.root,
        notes=(*classes, *held.notes, *placed.notes, *([_FROZEN] if container.is_frozen else [])),
        release=file.close,
        sources=placed.sources,
        network=placed.network,
        beside=tuple(beside),
    )


_Key: TypeAlias = tuple[str, View]
"""What tells stored arrays apart: the key of the storage, and which view of it."""


class _Tensors:
    """The arrays of a model, each stored one once, whatever it is called."""

    def __init__(self, container: SavedArchive | LegacyFile, limits: Limits) -> None:
        self._container = container
        self._buffers: dict[PickledStorage, ByteBuffer] = {}
        self._tensors: dict[_Key, Tensor] = {}
        self._declared = Declared(limits)
        self._declared.store(container.stored)

    def get(self, name: str, pickled: PickledTensor) -> Tensor:
        """Return the array that is called `name`, or that was called otherwise before."""
        storage, view = pickled
        if self._container.is_big_endian:
            view = view._replace(is_big_endian=True)
        key = (storage.key, view)
        found = self._tensors.get(key)
        if found is None:
            found = self._tensors[key] = tensor_in(name, view, self._open_buffer(storage))
            self._declared.take(found.size * ITEM_SIZES.get(view.dtype, 1))
        return found

    def _open_buffer(self, storage: PickledStorage) -> ByteBuffer:
        buffer = self._buffers.get(storage)
        if buffer is None:
            buffer = self._buffers[storage] = self._container.buffer(storage)
        return buffer

    def require_stored(self) -> None:
        """Check that the arrays do not declare far more than is stored: strides of 0 repeat what is stored once.

        Raises:
            RefusedModel: They do.
        """
        self._declared.require_stored()
