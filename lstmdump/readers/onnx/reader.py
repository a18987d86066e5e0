"""Models in the format of ONNX: the layers that are nodes of the graph, and cells that are spread over many nodes.

Source: `onnx.proto`. Nothing is executed. Only the model is opened, and files beside it that hold its numbers.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress

from lstmdump.errors import CorruptModel, UnreadableModel
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.model.sentences import listed
from lstmdump.model.settings import DeferredSettings
from lstmdump.model.tree import Layer, LayerPath, Model, Sources, Weight, grow
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.detect import Format
from lstmdump.readers.onnx import names, recurrent_nodes
from lstmdump.readers.onnx.constants import Constants
from lstmdump.readers.onnx.data_files import DataFiles
from lstmdump.readers.onnx.graph import OnnxGraph, OnnxNode
from lstmdump.readers.onnx.model_file import ModelFile, Span, as_span
from lstmdump.readers.onnx.recurrent_nodes import COUPLED, RecurrentNode
from lstmdump.readers.onnx.stored_tensors import StoredTensors
from lstmdump.readers.onnx.tensors import StoredTensor

_PRODUCER, _PRODUCER_VERSION, _GRAPH, _FUNCTION = 2, 3, 7, 25
_NODE_OF_FUNCTION, _OPERATION = 7, 4
_OF_GATES = frozenset({"Clip", "HardSigmoid", "Min", "Sigmoid"})
_FEW = 1 << 15  # bytes of a graph that is read as a whole: some hundred nodes
_LEAF = "stored:"
"""What stands before the name of an array outside of recurrent layers, so that none looks like an array of one."""


def read(location: Location) -> Model:
    """Return the model in the file at `location`.

    Raises:
        UnreadableModel: The file cannot be read, or is damaged.
    """
    beside = DataFiles(location)
    try:
        file = ModelFile(beside.open(), location.name, location.limits)
        return _read(file, beside, location.limits)
    except OSError as error:
        beside.close()
        raise UnreadableModel(f"cannot be read: {error.strerror or error}") from error
    except BaseException:
        beside.close()
        raise


class _Parts:
    """The fields of the model: its graph, its functions, and the program that wrote it.

    Raises:
        CorruptModel: There is no graph, or several.
    """

    def __init__(self, file: ModelFile) -> None:
        texts = {_PRODUCER: "", _PRODUCER_VERSION: ""}
        graphs: list[Span] = []
        self.functions: list[Span] = []
        for number, value in file.fields((0, file.size)):
            if number in texts:
                texts[number] = file.text(value)
            elif number == _GRAPH:
                graphs.append(as_span(value))
            elif number == _FUNCTION:
                self.functions.append(as_span(value))
        if len(graphs) != 1:
            raise CorruptModel(f"an ONNX model with {len(graphs)} graphs, not one")
        self.graph = graphs[0]
        version = texts[_PRODUCER_VERSION].split(" ")[0]
        self.producer = f"{texts[_PRODUCER]} {version}".strip() or "onnx"


def _read(file: ModelFile, beside: DataFiles, limits: Limits) -> Model:
    parts = _Parts(file)
    graph = _read_graph(file, parts.graph, beside, limits)
    graphs = list(recurrent_nodes.graphs_in(graph))
    stored = [one.stored for one in graphs]
    _require_stored(stored, file, beside, limits)
    found = _Found(graphs, Constants(graph, file.size + beside.stored))
    in_nodes = [tensor for tensor in found.used.values() if all(one.get(tensor.name) is not tensor for one in stored)]
    return Model(
        Format.ONNX.value,
        parts.producer,
        grow(found.weights, found.kinds, found.settings, limits),
        notes=(*_note_missing(beside), *found.notes, *_note_others(graphs), *_note_functions(file, parts.functions)),
        release=beside.close,
        sources=lambda: _find_sources(found),
        stored_parameters=sum(one.parameters for one in stored) + sum(tensor.size for tensor in in_nodes),
        outside=lambda: _place_others(stored, found.used),
    )


def _read_graph(file: ModelFile, span: Span, beside: DataFiles, limits: Limits) -> OnnxGraph:
    """Return the graph of the model; of a large one, only the nodes that are asked for are read."""
    if span[1] - span[0] > _FEW:
        from lstmdump.readers.onnx import graph_index

        with suppress(graph_index.NotIndexable):
            return graph_index.IndexedGraph(file, span, beside, limits)
    return OnnxGraph(file, span, beside, limits)


def _find_sources(found: _Found) -> Sources:
    from lstmdump.readers.onnx import connections

    return connections.find(found.layers, found.paths)


class _Found:
    """The recurrent layers of the `graphs` of a model.

    Attributes:
        weights: Their arrays.
        kinds: Their classes, by their paths.
        settings: What the graph states of them, by their paths.
        layers: Those that are nodes.
        paths: The paths of their directions.
        used: The stored tensors that the arrays are made of, by their identity.
        notes: What is to be said of them.
    """

    def __init__(self, graphs: Sequence[OnnxGraph], constants: Constants) -> None:
        self.weights: list[Weight] = []
        self.kinds: dict[LayerPath, str] = {}
        self.settings: dict[LayerPath, DeferredSettings] = {}
        self.used: dict[int, StoredTensor] = {}
        self.notes: list[str] = []
        self.layers: list[RecurrentNode] = []
        self.paths: list[list[LayerPath]] = []
        taken: set[LayerPath] = set()
        self._take_nodes(list(recurrent_nodes.find(graphs, constants)), taken)
        if any(_may_hold_cells(graph) for graph in graphs):
            self._take_cells(graphs, constants, taken)

    def _take_nodes(self, found: Sequence[RecurrentNode | OnnxNode], taken: set[LayerPath]) -> None:
        self.layers, repeated = _take_once([one for one in found if isinstance(one, RecurrentNode)])
        self.paths = names.name_layers([(layer.node, layer.directions) for layer in self.layers], taken)
        for place, (layer, halves) in enumerate(zip(self.layers, self.paths, strict=True)):
            self._use(source for value in layer.arrays.values() for source in value.sources)
            self._place(layer, halves)
            name = ", ".join(map("/".join, halves))
            if layer.kind == COUPLED:
                self.notes.append(f"{name} is an LSTM whose forget gate is 1 - i (input_forget): not read as one of "
                                  "four gates")  # fmt: skip
            if layer.ignores_reversal:
                self.notes.append(f"{name}: the graph reverses the input before; here it is that of the node itself")
            if place in repeated:
                self.notes.append(f"{name}: {repeated[place]} nodes of the graph share these arrays; what is said is "
                                  "of the first")  # fmt: skip
        for node in found:
            if isinstance(node, OnnxNode):
                called = node.name or " ".join(node.outputs[:1])
                self.notes.append(f"the {node.operation} node {called} is not read: its arrays are not stored, but "
                                  "computed when the model runs")  # fmt: skip

    def _place(self, layer: RecurrentNode, paths: Sequence[LayerPath]) -> None:
        """Place the directions of `layer` at these paths."""
        for place, path in enumerate(paths):
            self.weights += [Weight(path, letter, tensor) for letter, tensor in layer.half(place).items()]
            self.kinds[path] = layer.kind
            if layer.kind == "LSTM":
                self.settings[path] = layer.settings(place)

    def _take_cells(self, graphs: Sequence[OnnxGraph], constants: Constants, taken: set[LayerPath]) -> None:
        """Find the cells, in the few graphs that may hold some."""
        from lstmdump.readers.onnx.cells import layers, steps

        for cell in steps.find(graphs, constants):
            layer = layers.make(cell) if isinstance(cell, steps.Cell) else None
            if layer is None or not isinstance(cell, steps.Cell):
                output = cell.first.output if isinstance(cell, steps.Cell) else cell
                self.notes.append(f"the graph computes {output.name} as an LSTM does, but does not show that it is "
                                  "one: not read")  # fmt: skip
                continue
            self._use(layer.sources)
            path = names.name_cell(cell, [source.name for source in layer.sources], taken)
            self.weights += [Weight(path, leaf, tensor) for leaf, tensor in layer.arrays.items()]
            self.settings[path] = layer.settings

    def _use(self, sources: Iterable[StoredTensor]) -> None:
        self.used |= {id(source): source for source in sources}


def _may_hold_cells(graph: OnnxGraph) -> bool:
    """Return whether a graph has the operators of a cell: one adds two products, another one is a gate."""
    return graph.has_any(_OF_GATES) and next(graph.sums(), None) is not None


def _note_others(graphs: Iterable[OnnxGraph]) -> Iterator[str]:
    """Yield notes on nodes that are an LSTM of another domain, such as quantized ones of onnxruntime."""
    for graph in graphs:
        for node in graph.foreign_lstms():
            called = node.name or " ".join(node.outputs[:1])
            yield f"{called} is a {node.operation}, which is not an operator of ONNX itself: not read"


def _note_functions(file: ModelFile, functions: Iterable[Span]) -> Iterator[str]:
    """Yield notes on functions of the model with an LSTM in them, to which the graph gives the arrays."""
    for function in functions:
        fields = list(file.fields(function))
        inner = [dict(file.fields(as_span(value))) for number, value in fields if number == _NODE_OF_FUNCTION]
        if any(file.text(node.get(_OPERATION, (0, 0))) in recurrent_nodes.OPERATIONS for node in inner):
            name = next((file.text(value) for number, value in fields if number == 1), "")
            yield f"the model has a function {name} with a recurrent node in it, which is not read"


def _note_missing(beside: DataFiles) -> list[str]:
    if not beside.missing:
        return []
    are = "is" if len(beside.missing) == 1 else "are"
    return [f"{listed(beside.missing)} {are} missing: names and shapes are known, but not all numbers can be exported"]


def _require_stored(stored: Iterable[StoredTensors], file: ModelFile, beside: DataFiles, limits: Limits) -> None:
    """Check that the tensors do not declare far more bytes than the files store: several may be one in a file.

    Raises:
        RefusedModel: They declare far more.
    """
    declared = Declared(limits)
    for tensors in stored:
        declared.take(tensors.stored_size, len(tensors))
    declared.store(file.size + beside.stored)
    if not beside.missing:
        declared.require_stored()


def _take_once(layers: Sequence[RecurrentNode]) -> tuple[list[RecurrentNode], dict[int, int]]:
    """Return `layers` without those that repeat the arrays of one before, and by its place how many repeat these."""
    places: dict[tuple[object, ...], int] = {}
    once: list[RecurrentNode] = []
    repeated: dict[int, int] = {}
    for layer in layers:
        key = tuple(value.recipe for value in layer.arrays.values())
        if key in places:
            repeated[places[key]] = repeated.get(places[key], 1) + 1
        else:
            places[key] = len(once)
            once.append(layer)
    return once, repeated


def _place_others(stored: Iterable[StoredTensors], used: Container[int]) -> Layer:
    """Return the tensors of `stored` that are not `used` in recurrent layers as arrays of the model itself."""
    found = [tensor for several in stored for tensor in several.values() if tensor.is_float and id(tensor) not in used]
    return Layer((), weights={f"{_LEAF}{number}": tensor.tensor() for number, tensor in enumerate(found)})
