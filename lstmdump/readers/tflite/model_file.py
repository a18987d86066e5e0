"""TensorFlow Lite models: a FlatBuffer with the file identifier `TFL3`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from lstmdump.errors import ModelClosed, UnreadableModel
from lstmdump.model.location import Location
from lstmdump.model.sentences import listed
from lstmdump.model.settings import DeferredSettings
from lstmdump.model.tree import LayerPath, Model, Weight, grow
from lstmdump.readers.declared_sizes import Declared
from lstmdump.readers.detect import Format
from lstmdump.readers.tflite import connections, fused, names, network, notes, others, unfused
from lstmdump.readers.tflite.cell import LiteCell
from lstmdump.readers.tflite.constants import StoredConstants
from lstmdump.readers.tflite.flatbuffer import FlatContent
from lstmdump.readers.tflite.schema import FlatModel, Subgraph

_MOST_SHOWN = 5  # names of variables
_RUNTIME = "min_runtime_version"
_VERSION = re.compile(rb"\d{1,4}(?:\.\d{1,4}){0,3}")
_WRITERS = {"MLIR Converted.": "MLIR", "TOCO Converted.": "TOCO"}


def read(location: Location) -> Model:
    """Return the model in the file at `location`.

    Raises:
        UnreadableModel: The file cannot be read, is damaged, or holds no numbers.
    """
    try:
        file = location.open(buffered=False)
        size = file.seek(0, 2)
    except OSError as error:
        raise UnreadableModel(f"cannot be read: {error.strerror or error}") from error
    try:
        return _read(file, size, location)
    except BaseException:
        file.close()
        raise


def _read(file: BinaryIO, size: int, location: Location) -> Model:
    content = FlatContent(file, size, location.limits)
    flat = FlatModel(content)
    constants = StoredConstants(flat, _open_file(file), location.name)
    graphs = list(_in_order(flat, constants))
    by_graph = {graph: list(_find_cells(graph, constants)) for graph in graphs}
    cells = _merge([cell for found_there in by_graph.values() for cell in found_there])
    unproven = [name for graph in graphs for name in unfused.unproven(graph, by_graph[graph], constants)]
    paths = _name_cells(cells)
    found = list(_place(cells, paths, graphs, constants))
    missing = others.unassigned(flat, constants)
    if missing and not found:
        shown = listed(list(missing)[:_MOST_SHOWN])
        raise UnreadableModel(
            f"it holds no numbers: it reads variables that nothing in the file assigns ({shown}); convert the model "
            "again, for instance with TFLiteConverter.from_keras_model"
        )
    _require_stored(found, size, location)
    kinds = {path: kind for cell, path in zip(cells, paths, strict=True) if (kind := _choose_kind(cell, path))}
    settings = {path: _defer(cell, cells, constants) for cell, path in zip(cells, paths, strict=True)}
    placed = dict(zip(paths, cells, strict=True))
    return Model(
        Format.TFLITE.value,
        _describe_producer(flat),
        grow(found, kinds, settings, location.limits),
        notes=tuple(notes.of(placed, unproven, missing)),
        release=file.close,
        network=lambda: network.describe(by_graph, placed, constants),
        sources=lambda: connections.sources(placed, constants),
    )


def _open_file(file: BinaryIO) -> Callable[[], BinaryIO]:
    def get() -> BinaryIO:
        if file.closed:
            raise ModelClosed("an array was requested after the model had been closed")
        return file

    return get


def _in_order(flat: FlatModel, constants: StoredConstants) -> Iterator[Subgraph]:
    """Yield the subgraphs in the order in which they are run: the body of a loop where the loop is."""
    bodies: dict[int, list[int]] = {}
    for body, loop in constants.loops.items():
        bodies.setdefault(loop.outer.number, []).append(body)
    waiting, seen = [*range(len(flat.subgraphs))][::-1], set()
    while waiting:
        number = waiting.pop()
        if number not in seen:
            seen.add(number)
            yield flat.subgraphs[number]
            waiting.extend(bodies.get(number, [])[::-1])


def _find_cells(graph: Subgraph, constants: StoredConstants) -> Iterator[LiteCell]:
    for operator in graph.operators:
        yield from fused.cells(graph, operator, constants)
    lstms = unfused.cells(graph, constants)
    yield from lstms
    if not lstms:
        yield from others.cells(graph, constants)


def _merge(cells: Sequence[LiteCell]) -> list[LiteCell]:
    """Return `cells`, those of the same arrays once: a layer that is used twice, or in several entry points."""
    known: dict[tuple[object, ...], LiteCell] = {}
    for cell in cells:
        known.setdefault(cell.identity or (id(cell),), cell)
    return list(known.values())


def _name_cells(cells: Sequence[LiteCell]) -> list[LayerPath]:
    """Return the paths of layers: by the names in the file, or numbered by kind."""
    found = [names.find_path(cell.names, is_of_tensorflow_1="weights" in cell.arrays) for cell in cells]
    kinds = [_word_kind(cell) for cell, path in zip(cells, found, strict=True) if path is None]
    numbered = iter(names.number(kinds))
    return names.distinct([next(numbered) if path is None else path for path in found])


def _word_kind(cell: LiteCell) -> str:
    """Return what layers of this kind are called if the file does not: `lstm`."""
    return {"GRU": "gru", "SimpleRNN": "rnn"}.get(cell.kind or "", "lstm")


def _choose_kind(cell: LiteCell, path: LayerPath) -> str | None:
    """Return the class that the file states: by the operator, or by the scope of a cell of TensorFlow 1."""
    return cell.kind or (names.class_in(path) if "weights" in cell.arrays else None)


def _defer(cell: LiteCell, cells: Sequence[LiteCell], constants: StoredConstants) -> DeferredSettings:
    return DeferredSettings(
        lambda: connections.complete(cell, cells, constants),
        cell.forget_bias,
        cell.order,
        shows_equations=True,
    )


def _place(
    cells: Sequence[LiteCell], paths: Sequence[LayerPath], graphs: Sequence[Subgraph], constants: StoredConstants
) -> Iterator[Weight]:
    """Yield the arrays of the LSTMs, then those of other operators, each buffer once."""
    known: set[str] = set()
    for cell, path in zip(cells, paths, strict=True):
        for leaf, tensor in cell.arrays.items():
            known.add(tensor.name)
            yield Weight(path, leaf, tensor)
    counts: dict[str, int] = {}
    for graph in graphs:
        operators: dict[int, LayerPath] = {}
        for operator, leaf, tensor in others.weights(graph, constants):
            if tensor.name in known:
                continue
            known.add(tensor.name)
            if id(operator) not in operators:
                word = others.describe(operator)
                counts[word] = counts.get(word, 0) + 1
                operators[id(operator)] = (f"{word} {counts[word]}",)
            yield Weight(operators[id(operator)], leaf, tensor)


def _require_stored(weights: Sequence[Weight], size: int, location: Location) -> None:
    """Check the number of arrays; their bytes have been compared with those of their buffers."""
    declared = Declared(location.limits)
    declared.store(size)
    for weight in weights:
        declared.take(weight.tensor.size)
    declared.require_stored()


def _describe_producer(flat: FlatModel) -> str:
    """Return what wrote the file, as far as it states that: `tensorflow lite (MLIR, runtime 2.3.0+)`."""
    version = _VERSION.match(flat.metadata(_RUNTIME))
    parts = [_WRITERS.get(flat.description, "")]
    parts += [] if version is None else [f"runtime {version[0].decode()}+"]
    known = ", ".join(filter(None, parts))
    return f"tensorflow lite ({known})" if known else "tensorflow lite"
