"""Checkpoints of TensorFlow's first format: one file, a LevelDB table of tensors or pieces of tensors.

The value of the empty key lists names, shapes, types and pieces. Each piece has an entry of its own, whose tensor
states neither shape nor type. Source: `saved_tensor_slice.proto`; still written by `Saver(write_version=V1)`.
"""

from __future__ import annotations

from collections import Counter

from lstmdump.errors import CorruptModel, ModelClosed
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.location import Location
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.readers.protobuf import Message
from lstmdump.readers.tensorflow.graph import graph_def
from lstmdump.readers.tensorflow.wire import decode, dtypes, partitions
from lstmdump.readers.tensorflow.wire.file_bytes import FileBytes
from lstmdump.readers.tensorflow.wire.partitions import Span
from lstmdump.readers.tensorflow.wire.sstable import Table


class CheckpointV1:
    """The checkpoint in the file at `location`, open for reading.

    Raises:
        CorruptModel: The checkpoint is damaged.
        UnreadableModel: The file cannot be opened.
    """

    def __init__(self, location: Location) -> None:
        self._file = FileBytes(location)
        try:
            self._table: Table | None = Table(self._file, location.limits)
            self._listed = _list_tensors(self._table, location.limits)
        except BaseException:
            self._file.close()
            raise

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, not yet read."""
        return {name: self._describe_tensor(name, entry) for name, entry in self._listed.items()}

    def close(self) -> None:
        """Close the file."""
        self._table = None
        self._file.close()

    def _describe_tensor(self, name: str, entry: Message) -> Tensor:
        shape, dtype = dtypes.shape_of(entry.message(2)), dtypes.dtype_name(entry.integer(3))
        places = [partitions.spans_of(piece, len(shape)) for piece in entry.messages(4)]
        if not places:
            raise CorruptModel(f"{name} is listed without any stored piece")
        spans = [partitions.resolved(place, shape) for place in places]
        partitions.require_whole(spans, shape)
        pieces = [(tuple(start for start, _ in span), self._describe_piece(name, dtype, place, span))
                  for place, span in zip(places, spans, strict=True)]  # fmt: skip
        if len(pieces) == 1:
            return Tensor(name, shape, dtype, pieces[0][1].fetch)

        def fetch(cuts: Cuts) -> Array:
            return decode.assembled(pieces, dtype, cuts)

        return Tensor(name, shape, dtype, fetch)

    def _describe_piece(self, name: str, dtype: str, place: tuple[Span, ...], span: tuple[Span, ...]) -> Tensor:
        shape = tuple(length for _, length in span)

        def fetch(cuts: Cuts) -> Array:
            if self._table is None:
                raise ModelClosed(f"{name} was requested after the model had been closed")
            stored = self._table.get(partitions.key_of(name, place))
            if stored is None:
                raise CorruptModel(f"{name} is listed, but not stored")
            message = Message(stored).message(2).message(3)
            tensor = graph_def.tensor_in(message, name, shape, dtype, may_be_short=False)
            if tensor is None:
                raise CorruptModel(f"{name} holds {dtype}, which is not an array of numbers")
            return tensor.fetch(cuts)

        return Tensor(name, shape, dtype, fetch)


def _list_tensors(table: Table, limits: Limits) -> dict[str, Message]:
    """Return the descriptions of all tensors in `table` by name."""
    header = table.get(b"")
    if header is None:
        raise CorruptModel("a checkpoint without its list of tensors")
    listed = Message(header, limits.nodes).message(1).messages(1)
    if len(listed) > limits.objects:
        raise limit_exceeded("objects", f"a checkpoint that lists {len(listed):,} tensors", needed=len(listed))
    found = {entry.text(1): entry for entry in listed}
    if len(found) < len(listed):
        twice = next(name for name, times in Counter(entry.text(1) for entry in listed).items() if times > 1)
        raise CorruptModel(f"a checkpoint that lists {twice} twice")
    return found
