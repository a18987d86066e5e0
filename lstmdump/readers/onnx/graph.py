"""The graph of a model: nodes, the tensors stored in it, and the graphs within nodes. Nothing is executed.

Source: `onnx.proto`. The outputs of nodes, the inputs of the graph and the stored tensors are values, each with a name
of its own; a graph within a node also sees the values of the graphs around it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.readers.onnx.data_files import DataFiles
from lstmdump.readers.onnx.model_file import ModelFile, Span, as_number, as_span, signed
from lstmdump.readers.onnx.stored_tensors import StoredTensors
from lstmdump.readers.onnx.tensors import StoredTensor

NODE, INITIALIZER, INPUT, OUTPUT = 1, 5, 11, 12
_TEXTS_OF_NODE = frozenset({1, 2, 3, 4, 7})  # its inputs, outputs, name, operator and domain
_ATTRIBUTE, _METADATA = 5, 9  # of a node
_FLOAT, _INTEGER, _TEXT, _TENSOR, _GRAPH, _FLOATS, _INTEGERS, _TEXTS = range(2, 10)  # of an attribute
_FEW = 64  # numbers or texts of an attribute
_STANDARD = ("", "ai.onnx")  # the domain of the operators of ONNX itself
_LONGEST_NOTE = 2000  # bytes of what an exporter noted of a node

if TYPE_CHECKING:
    from typing import Protocol

    class Makers(Protocol):
        """The node that gives each value, by its name."""

        def get(self, name: str, /) -> OnnxNode | None:
            """Return the node that gives `name`, or None."""

        def __contains__(self, name: str, /) -> bool:
            """Return whether a node gives `name`."""


class Attribute:
    """An attribute of a node, of which only what is asked for is read."""

    __slots__ = ("_file", "_found")

    def __init__(self, file: ModelFile, found: list[tuple[int, int | Span]]) -> None:
        self._file, self._found = file, found

    def integer(self) -> int:
        """Return the integer, 0 if there is none."""
        return signed(as_number(self._last(_INTEGER) or 0))

    def integers(self) -> tuple[int, ...]:
        """Return the list of integers; a long one is cut short."""
        values: list[int] = []
        for value in self._values(_INTEGERS):
            values += [signed(value)] if isinstance(value, int) else self._file.integers(value)
        return tuple(values[:_FEW])

    def number(self) -> float:
        """Return the floating-point number, 0 if there is none."""
        value = self._last(_FLOAT)
        return 0.0 if value is None else self._file.float32(as_span(value))

    def numbers(self) -> tuple[float, ...]:
        """Return the list of floating-point numbers, packed or not; a long one is cut short."""
        values: list[float] = []
        for value in self._values(_FLOATS):
            start, stop = as_span(value)
            stop = min(stop, start + 4 * _FEW)
            values += [self._file.float32((place, place + 4)) for place in range(start, stop - 3, 4)]
        return tuple(values[:_FEW])

    def text(self) -> str:
        """Return the text, empty if there is none."""
        value = self._last(_TEXT)
        return "" if value is None else self._file.text(value)

    def texts(self) -> tuple[str, ...]:
        """Return the list of texts; a long one is cut short."""
        return tuple(self._file.text(value) for value in self._values(_TEXTS)[:_FEW])

    def span(self, number: int) -> Span | None:
        """Return the position of the field `number`, a message, or None.

        Raises:
            CorruptModel: It is stored in several parts, which no program does.
        """
        values = self._values(number)
        if len(values) > 1:
            raise CorruptModel(f"a value of an attribute is stored in {len(values)} parts")
        return as_span(values[0]) if values else None

    def _last(self, wanted: int) -> int | Span | None:
        """Return the last of the fields `wanted`, which counts, or None."""
        return next((value for number, value in reversed(self._found) if number == wanted), None)

    def _values(self, wanted: int) -> list[int | Span]:
        return [value for number, value in self._found if number == wanted]


class OnnxNode:
    """A node of a graph.

    Attributes:
        name: Its name, which may be empty.
        operation: The name of its operator, without those of other domains than that of ONNX, which have the domain
            in front: `com.microsoft.QAttention`.
        inputs: The names of the values that it takes; empty for one that is left out.
        outputs: The names of the values that it gives.
        home: The graph that it is in.
    """

    __slots__ = ("_fields", "_file", "_graphs", "_parsed", "home", "inputs", "name", "operation", "outputs")

    def __init__(self, file: ModelFile, span: Span, home: OnnxGraph) -> None:
        self.home, self._file = home, file
        self._fields: list[tuple[int, int | Span]] | None = None  # those that are rarely asked for
        self._parsed: dict[str, Attribute] | None = None
        self._graphs: dict[str, OnnxGraph] | None = None
        inputs: list[str] = []
        outputs: list[str] = []
        name = operation = domain = ""
        for number, value in file.fields_with_texts(span, _TEXTS_OF_NODE):
            if not isinstance(value, str):
                if self._fields is None:
                    self._fields = []
                self._fields.append((number, value))
            elif number == 1:
                inputs.append(value)
            elif number == 2:
                outputs.append(value)
            elif number == 3:
                name = value
            elif number == 4:
                operation = value
            else:
                domain = value
        self.name, self.inputs, self.outputs = name, tuple(inputs), tuple(outputs)
        self.operation = operation if domain in _STANDARD else f"{domain}.{operation}"

    def _find(self, wanted: int) -> list[Span]:
        return [as_span(value) for number, value in self._fields or () if number == wanted]

    def __repr__(self) -> str:
        return f"OnnxNode({self.operation!r}, {self.name!r})"

    @property
    def attributes(self) -> dict[str, Attribute]:
        """The attributes by name."""
        if self._parsed is None:
            listed = [self._parse_attribute(span) for span in self._find(_ATTRIBUTE)]
            self._parsed = dict(listed)
            if len(self._parsed) < len(listed):
                raise CorruptModel(f"a node {self.operation} of the graph has two attributes of one name")
        return self._parsed

    def input(self, place: int) -> str:
        """Return the name of the value that it takes at `place`, or an empty text if it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def integer(self, name: str, default: int = 0) -> int:
        """Return the attribute `name`, an integer."""
        return self.attributes[name].integer() if name in self.attributes else default

    def text(self, name: str, default: str = "") -> str:
        """Return the attribute `name`, a text."""
        return self.attributes[name].text() if name in self.attributes else default

    def metadata(self) -> dict[str, str]:
        """Return what the exporter noted of the node, by key; long texts are left out."""
        found = {}
        for span in self._find(_METADATA)[:_FEW]:
            entry = dict(self._file.fields(span))
            key, value = (as_span(entry.get(number, (0, 0))) for number in (1, 2))
            if value[1] - value[0] <= _LONGEST_NOTE:
                found[self._file.text(key)] = self._file.text(value)
        return found

    def tensor(self) -> StoredTensor | None:
        """Return the tensor that the node, a `Constant`, gives, if that is its attribute."""
        return self.stored("value") if self.operation == "Constant" else None

    def stored(self, attribute: str) -> StoredTensor | None:
        """Return the tensor in `attribute`, which has the name of the first output, or None if there is none."""
        span = self.attributes[attribute].span(_TENSOR) if attribute in self.attributes else None
        name = self.outputs[0] if self.outputs else ""
        return None if span is None else StoredTensor(self._file, span, self.home.beside, name, keeps_name=False)

    def graph(self, attribute: str) -> OnnxGraph | None:
        """Return the graph in `attribute`, the same object every time, or None if there is none.

        Raises:
            RefusedModel: Graphs are nested too deeply.
        """
        span = self.attributes[attribute].span(_GRAPH) if attribute in self.attributes else None
        if span is None:
            return None
        self._graphs = self._graphs or {}
        if attribute not in self._graphs:
            self._graphs[attribute] = OnnxGraph(self._file, span, self.home.beside, self.home.limits, self)
        return self._graphs[attribute]

    def _parse_attribute(self, span: Span) -> tuple[str, Attribute]:
        found = list(self._file.fields(span))
        name = next((self._file.text(value) for number, value in reversed(found) if number == 1), "")
        return name, Attribute(self._file, found)


class OnnxGraph:
    """A graph: that of the model, or one within a node.

    Attributes:
        beside: The files that hold its numbers.
        limits: How far it is trusted.
        around: The node that it is in, or None.
        outer: The graph around it, or None.
        depth: How many graphs are around it.
        nodes: Its nodes, in the order of the file, in which each comes after those whose outputs it takes.
        stored: The tensors stored in it, by name.
        arguments: The names of its inputs.
        inputs: The names of its inputs, without those of stored tensors.
        outputs: The names of its outputs.
        makers: The node that gives each value, by its name.

    Raises:
        CorruptModel: The bytes are not those of a graph.
        RefusedModel: It is too large, or graphs are nested too deeply.
    """

    def __init__(
        self, file: ModelFile, span: Span, beside: DataFiles, limits: Limits, around: OnnxNode | None = None
    ) -> None:
        self.beside, self.limits, self.around = beside, limits, around
        self.outer = outer = None if around is None else around.home
        self.depth: int = 0 if outer is None else outer.depth + 1
        if self.depth > limits.nesting:
            raise limit_exceeded("nesting", f"graphs are nested more than {limits.nesting} deep", needed=self.depth)
        self.nodes: list[OnnxNode] = []
        self.stored = StoredTensors(file, beside, limits)
        inputs: list[Span] = []
        outputs: list[Span] = []
        for number, value in file.fields(span):
            if number == NODE:
                self.nodes.append(OnnxNode(file, as_span(value), self))
            elif number == INITIALIZER:
                self.stored.add(as_span(value))
            elif number == INPUT:
                inputs.append(as_span(value))
            elif number == OUTPUT:
                outputs.append(as_span(value))
        self._set_values(file, inputs, outputs)
        self.makers: Makers = self._index_makers()

    def _set_values(self, file: ModelFile, inputs: list[Span], outputs: list[Span]) -> None:
        self._input_spans = {self._read_name(file, one): one for one in inputs}
        self.arguments = tuple(self._input_spans)
        self.inputs = tuple(name for name in self._input_spans if name not in self.stored)
        self.outputs = tuple(self._read_name(file, one) for one in outputs)

    @cached_property
    def takers(self) -> dict[str, list[OnnxNode]]:
        """The nodes of this graph that take each value, by its name, and have an output: others compute nothing."""
        found: dict[str, list[OnnxNode]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs if node.outputs else ()):
                found.setdefault(name, []).append(node)
        return found

    def nodes_with(self, operations: Collection[str]) -> Iterator[OnnxNode]:
        """Yield the nodes with one of `operations`."""
        return (node for node in self.nodes if node.operation in operations)

    def has_any(self, operations: Collection[str]) -> bool:
        """Return whether there is a node with one of `operations`."""
        return next(iter(self.nodes_with(operations)), None) is not None

    def foreign_lstms(self) -> Iterator[OnnxNode]:
        """Yield the nodes with an LSTM of another domain than that of ONNX."""
        return (node for node in self.nodes if "." in node.operation and "LSTM" in node.operation)

    def sums(self) -> Iterator[OnnxNode]:
        """Yield the nodes that add two products, or what passes these on."""
        return filter(adds_products, self.nodes_with(("Add",)))

    def pass_over_steps(self, total: OnnxNode, arrays: tuple[str, ...]) -> None:
        """Do not yield in `sums` those of further steps of a cell, if they can be told without reading them."""

    def find_takers(self, name: str) -> Iterator[OnnxNode]:
        """Yield the nodes that take the value `name`, and have an output, in the order of the graph."""
        return iter(self.takers.get(name, ()))

    def require_one_maker(self, name: str) -> None:
        """Check that the value `name` is not given twice, if that was not checked when the graph was read."""

    def maker(self, name: str) -> OnnxNode | None:
        """Return the node that gives the value `name`, in this graph or one around it; None for any other value."""
        home = self.home_of(name)
        return None if home is None else home.makers.get(name)

    def tensor(self, name: str) -> StoredTensor | None:
        """Return the stored tensor `name`, of this graph or one around it, or that of a `Constant`; else None."""
        home = self.home_of(name)
        if home is None:
            return None
        node = home.makers.get(name)
        return home.stored.get(name) if node is None else node.tensor()

    def home_of(self, name: str) -> OnnxGraph | None:
        """Return the innermost graph, of this one and those around it, that has the value `name`."""
        graph: OnnxGraph | None = self
        while graph is not None and not graph.has(name):
            graph = graph.outer
        return graph

    def has(self, name: str) -> bool:
        """Return whether the value `name` is one of this graph itself."""
        return name in self.makers or name in self.stored or name in self._input_spans

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Return the integers of the constant `name`, a short vector or a scalar; None if it is anything else."""
        if (tensor := self.tensor(name)) is not None:
            return tensor.integers()
        if (node := self.maker(name)) is None or node.operation != "Constant":
            return None
        if "value_ints" in node.attributes:
            return node.attributes["value_ints"].integers()
        return (node.integer("value_int"),) if "value_int" in node.attributes else None

    def number(self, name: str) -> float | None:
        """Return the number of the constant `name`; None if it is anything else."""
        if (tensor := self.tensor(name)) is not None:
            return tensor.number()
        if (node := self.maker(name)) is None or node.operation != "Constant":
            return None
        if "value_float" in node.attributes:
            return node.attributes["value_float"].number()
        return float(node.integer("value_int")) if "value_int" in node.attributes else None

    def _index_makers(self) -> dict[str, OnnxNode]:
        found: dict[str, OnnxNode] = {}
        for node in self.nodes:
            for name in filter(None, node.outputs):
                if name in found or name in self.stored:
                    raise CorruptModel(f"two nodes or tensors of the graph give the value {name}")
                found[name] = node
        return found

    @staticmethod
    def _read_name(file: ModelFile, span: Span) -> str:
        names = [value for number, value in file.fields(span) if number == 1]
        return file.text(names[-1]) if names else ""


def adds_products(node: OnnxNode) -> bool:
    """Return whether `node` adds two products, or what passes these on."""
    if node.operation != "Add" or len(node.inputs) != 2 or not node.outputs:
        return False
    makers = map(node.home.makers.get, node.inputs)
    return all(maker is not None and maker.operation in ("Mul", "Identity") for maker in makers)
