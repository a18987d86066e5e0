"""The parts of a TensorFlow Lite model that matter here: operators, tensors and buffers, decoded when asked for.

Source: `tensorflow/lite/schema/schema.fbs`, whose fields are numbered in the order of their declaration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lstmdump.errors import CorruptModel
from lstmdump.readers.tflite.flatbuffer import FLOAT32, INT8, INT32, UINT8, UINT32, UINT64, FlatContent, FlatTable, root

# The builtin operators that are looked at.
ADD, CONCATENATION, CONV_2D, DEPTHWISE_CONV_2D, DEQUANTIZE, EMBEDDING_LOOKUP = 0, 2, 3, 4, 6, 7
FULLY_CONNECTED, LOGISTIC, LSTM, MUL, RELU, RELU6, RESHAPE, RNN, SVDF = 9, 14, 16, 18, 19, 21, 22, 24, 27
TANH, CUSTOM, EMBEDDING_LOOKUP_SPARSE, UNIDIRECTIONAL_SEQUENCE_RNN, GATHER, TRANSPOSE = 28, 32, 33, 35, 36, 39
SUB, DIV, SQUEEZE, UNIDIRECTIONAL_SEQUENCE_LSTM, STRIDED_SLICE, BIDIRECTIONAL_SEQUENCE_RNN = 41, 42, 43, 44, 45, 46
SPLIT, BIDIRECTIONAL_SEQUENCE_LSTM, CAST, PRELU, MAXIMUM, MINIMUM, SLICE = 49, 52, 53, 54, 55, 57, 65
TRANSPOSE_CONV, EXPAND_DIMS, PACK, UNPACK, ABS, SPLIT_V, REVERSE_V2, ELU = 67, 70, 83, 88, 101, 102, 105, 111
LESS, SELECT, LOGICAL_AND, ZEROS_LIKE, FILL, QUANTIZE, SELECT_V2 = 58, 64, 86, 93, 94, 114, 123
WHILE, BATCH_MATMUL, CONV_3D, CONV_3D_TRANSPOSE, VAR_HANDLE, READ_VARIABLE = 119, 126, 132, 141, 142, 143
ASSIGN_VARIABLE, RELU_0_TO_1 = 144, 152
_BEHIND_OLD_CODES = 127  # in the field of one byte, for operators that are newer than it
MISSING = -1
"""The index of an optional input that an operator does not have."""

DTYPES = ("float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8", "float64",
          "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4", "bfloat16")  # fmt: skip
"""The types of elements by their number in the schema."""
_WIDTHS = {"float32": 4, "float16": 2, "int32": 4, "uint8": 1, "int64": 8, "bool": 1, "int16": 2, "complex64": 8,
           "int8": 1, "float64": 8, "complex128": 16, "uint64": 8, "uint32": 4, "uint16": 2, "bfloat16": 2}  # fmt: skip
MOST_DIMENSIONS = 8
_INTERNAL_OFFSET = 1  # an offset of 0 or 1 stands for a buffer whose numbers are in the FlatBuffer


class IntegerScales:
    """How stored integers stand for numbers: (integer - zero point) times scale.

    Attributes:
        scales: One for the whole tensor, or one for each index of a dimension.
        zero_points: As many; empty if they are 0.
        dimension: The dimension that several scales belong to.
    """

    __slots__ = ("dimension", "scales", "zero_points")

    def __init__(self, scales: tuple[float, ...], zero_points: tuple[int, ...], dimension: int) -> None:
        self.scales = scales
        self.zero_points = zero_points
        self.dimension = dimension

    @property
    def key(self) -> tuple[object, ...]:
        """What is equal for equal quantizations."""
        return self.scales, self.zero_points, self.dimension


class TensorEntry:
    """A tensor of a subgraph.

    Attributes:
        dtype: The type of its elements, one of `DTYPES`, or `unknown`.
        buffer: The number of the buffer with its numbers; the first one stands for none.
        is_variable: Whether it is a state of an operator.
        is_sparse: Whether only some of its numbers are stored.
    """

    __slots__ = ("_shape", "_table", "buffer", "dtype", "is_sparse", "is_variable")

    def __init__(self, table: FlatTable) -> None:
        kind = table.number(1, INT8)
        self.dtype = DTYPES[kind] if 0 <= kind < len(DTYPES) else "unknown"
        self.buffer = table.number(2, UINT32)
        self.is_variable = bool(table.number(5, UINT8))
        self.is_sparse = table.has(6)
        self._table = table
        self._shape: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape.

        Raises:
            CorruptModel: It has more dimensions than an operator takes.
        """
        if self._shape is None:
            self._shape = self._table.vector(0, "i")
            if len(self._shape) > MOST_DIMENSIONS:
                raise CorruptModel(f"a tensor has {len(self._shape)} dimensions")
        return self._shape

    @property
    def fixed_shape(self) -> tuple[int | None, ...]:
        """Its shape, with None for a length that the file leaves open; `shape` has 1 there."""
        stated = self._table.vector(7, "i")
        signature = stated if len(stated) == len(self.shape) else self.shape
        return tuple([None if length < 0 else length for length in signature])

    @property
    def name(self) -> str:
        """Its name, which may be empty, and that of other tensors as well."""
        return self._table.text(3)

    @property
    def quantization(self) -> IntegerScales | None:
        """How its integers stand for numbers, if they do."""
        return _read_quantization(self._table.table(4))

    @property
    def size(self) -> int | None:
        """The number of bytes that its elements take; None if they are not numbers of whole bytes."""
        width = _WIDTHS.get(self.dtype)
        return None if width is None else width * math.prod(self.shape)


def _read_quantization(table: FlatTable | None) -> IntegerScales | None:
    if table is None or not (scales := table.vector(2, "f")):
        return None
    return IntegerScales(scales, table.vector(3, "q"), table.number(6, INT32))


class LiteOperator:
    """An operator of a subgraph.

    Attributes:
        code: Its number; `CUSTOM` for one with a name of its own.
        custom: That name.
        inputs: The indices of its inputs in the subgraph; `MISSING` for those that it does not have.
        outputs: The indices of its outputs.
    """

    __slots__ = ("_table", "code", "custom", "inputs", "outputs")

    def __init__(self, table: FlatTable, codes: Sequence[tuple[int, str]], tensors: int) -> None:
        kind = table.number(0, UINT32)
        if kind >= len(codes):
            raise CorruptModel(f"an operator has the code {kind:,}, but the file lists {len(codes)}")
        self.code, self.custom = codes[kind]
        self.inputs = table.vector(1, "i")
        self.outputs = table.vector(2, "i")
        self._table = table
        indices = self.inputs + self.outputs
        if indices and (min(indices) < MISSING or max(indices) >= tensors):
            index = next(index for index in indices if not MISSING <= index < tensors)
            raise CorruptModel(f"an operator takes the tensor {index:,}, but its subgraph has {tensors:,}")

    def input(self, place: int) -> int:
        """Return the index of an input; `MISSING` if there is none."""
        return self.inputs[place] if place < len(self.inputs) else MISSING

    @property
    def options(self) -> FlatTable | None:
        """The options of a builtin operator; None if they are all the defaults."""
        return self._table.table(4)

    def option(self, field: int, default: int = 0) -> int:
        """Return an option that is a small number or a flag."""
        options = self.options
        return default if options is None else options.number(field, UINT8, default)

    def index(self, field: int) -> int:
        """Return an option that is the number of a subgraph."""
        options = self.options
        return 0 if options is None else options.number(field, INT32)

    def real(self, field: int) -> float:
        """Return an option that is a floating-point number."""
        options = self.options
        return 0.0 if options is None else options.number(field, FLOAT32)


class Subgraph:
    """A graph of operators: the model itself, or the body or condition of a loop.

    Attributes:
        number: Its index in the model.
        name: Its name.
        inputs: The indices of its inputs.
        outputs: The indices of its outputs.
        operators: Its operators, in the order in which they are run.
        producers: The operator that computes a tensor, by the index of the tensor.
        count: The number of its tensors.
    """

    __slots__ = ("_content", "_known", "_places", "_takers", "count", "inputs", "name", "number", "operators",
                 "outputs", "producers")  # fmt: skip

    def __init__(self, number: int, table: FlatTable, content: FlatContent, codes: Sequence[tuple[int, str]]) -> None:
        self.number = number
        self._content = content
        self.name = table.text(4)
        self._places = table.places(0)
        self._known: dict[int, TensorEntry] = {}
        self.count = len(self._places)
        self.inputs = self._check(table.vector(1, "i"))
        self.outputs = self._check(table.vector(2, "i"))
        self.operators = [LiteOperator(FlatTable(content, at), codes, self.count) for at in table.places(3)]
        self.producers: dict[int, LiteOperator] = {}
        self._takers: dict[int, list[LiteOperator]] | None = None
        for operator in self.operators:
            for index in operator.outputs:
                self.producers[index] = operator
        self.producers.pop(MISSING, None)

    @property
    def takers(self) -> dict[int, list[LiteOperator]]:
        """The operators that take a tensor, by its index."""
        if self._takers is None:
            self._takers = {}
            for operator in self.operators:
                for index in dict.fromkeys(operator.inputs):
                    self._takers.setdefault(index, []).append(operator)
        return self._takers

    def tensor(self, index: int) -> TensorEntry:
        """Return a tensor, whose index has been checked."""
        known = self._known.get(index)
        if known is None:
            known = self._known[index] = TensorEntry(FlatTable(self._content, self._places[index]))
        return known

    def _check(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        for index in indices:
            if not 0 <= index < self.count:
                raise CorruptModel(f"{self.name or 'a subgraph'} takes the tensor {index:,}, but has {self.count:,}")
        return indices


class StoredBuffer:
    """The numbers of a tensor in the file: where they begin, and how many bytes there are."""

    __slots__ = ("offset", "size")

    def __init__(self, table: FlatTable, length: int) -> None:
        offset, size = table.number(1, UINT64), table.number(2, UINT64)
        if offset > _INTERNAL_OFFSET:
            if offset + size > length:
                raise CorruptModel("a buffer reaches beyond the end of the file")
            self.offset, self.size = offset, size
        else:
            self.offset, self.size = table.extent(0)


class FlatModel:
    """A TensorFlow Lite model.

    Attributes:
        content: The file.
        subgraphs: Its graphs; the first one is run.
        description: What wrote it, in its own words: `MLIR Converted.`
    """

    __slots__ = ("_buffers", "_known", "_metadata", "content", "description", "subgraphs")

    def __init__(self, content: FlatContent) -> None:
        table = root(content)
        codes = [_read_code(FlatTable(content, at)) for at in table.places(1)]
        self.content = content
        self.description = table.text(3)
        self._buffers = table.places(4)
        self._known: dict[int, StoredBuffer] = {}
        self._metadata = table.places(6)
        self.subgraphs = [
            Subgraph(number, FlatTable(content, at), content, codes) for number, at in enumerate(table.places(2))
        ]

    def buffer(self, number: int) -> StoredBuffer:
        """Return a buffer.

        Raises:
            CorruptModel: There is none of that number, or it reaches beyond the end of the file.
        """
        known = self._known.get(number)
        if known is None:
            if number >= len(self._buffers):
                raise CorruptModel(f"a tensor is in buffer {number:,}, but the file has {len(self._buffers):,}")
            table = FlatTable(self.content, self._buffers[number])
            known = self._known[number] = StoredBuffer(table, self.content.size)
        return known

    def metadata(self, name: str) -> bytes:
        """Return the content of an entry of the metadata; empty if there is none."""
        for at in self._metadata:
            entry = FlatTable(self.content, at)
            if entry.text(0) == name:
                buffer = self.buffer(entry.number(1, UINT32))
                return self.content.raw(buffer.offset, buffer.size)
        return b""


def _read_code(table: FlatTable) -> tuple[int, str]:
    """Return the code of an operator and the name of a custom one. Old files state the code in one byte only."""
    old, new = table.number(0, INT8), table.number(3, INT32)
    return (new if old == _BEHIND_OLD_CODES else max(old, new)), table.text(1)
