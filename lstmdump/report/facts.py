"""The facts about a model, as frozen data of text and whole numbers, without arrays or open files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import accumulate

from lstmdump.errors import NoSuchLayer
from lstmdump.lstm import LSTM, behaviour
from lstmdump.lstm.behaviour import Stated
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.cell_classes import class_named
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.sentences import grouped, listed
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import FOUND_BY_SHAPE, NO_ARRAYS, Layer

_AUTOMATIC_CELL = r"(\w+_)?cell(_\d+)?"  # of any class: Keras names a cell `gru_cell` or `cell`

_WILDCARDS = dict.fromkeys(map(ord, "*?[]"))
_COMPARED = 100  # characters of two names; the time grows with their product


class WeightFacts(NamedTuple):
    """A stored array of an LSTM layer: name in the layer, path in the file, shape, and formula of the shape."""

    name: str
    tensor: str
    shape: tuple[int, ...]
    dtype: str
    parameters: int
    formula: str


class LayerFacts(NamedTuple):
    """An LSTM layer or cell, with the attributes of `lstmdump.LSTM`.

    In the JSON, `kind` is `class`, and the fields of `computes` are keys of the layer. `half` is the half of a
    Bidirectional that the layer is.
    """

    name: str
    kind: str
    input_dim: int
    units: int
    projection: int | None
    peepholes: bool
    use_bias: bool
    gate_order: str
    gate_columns: dict[str, tuple[int, int]] | None
    gate_rows: dict[str, tuple[int, int]] | None
    forget_bias: float | None
    parameters: int
    formula: str
    weights: tuple[WeightFacts, ...]
    kind_stated: bool = True
    computes: Stated = Stated()
    half: str | None = None


class OtherFacts(NamedTuple):
    """A stored array that is not part of an LSTM layer; one that lies beside the model's weights has no parameters."""

    tensor: str
    shape: tuple[int, ...]
    dtype: str
    parameters: int
    counted: bool = True


class Report(NamedTuple):
    """The report on a model.

    Attributes:
        model: The path, as given.
        lstms: The number of LSTM layers of the model, including those that are not in this report.
        lstm_parameters: The number of parameters of the layers in this report.
        total: The number of parameters of the whole model without optimizer slots, each stored array counted once;
            None if unknown.
        layers: The LSTM layers in the model's order.
        others: The model's other arrays, then those beside its weights, which are not counted; empty if not asked for.
        notes: Remarks that a careful reader should know.
    """

    model: str
    format: str
    producer: str
    lstms: int
    lstm_parameters: int
    total: int | None
    layers: tuple[LayerFacts, ...]
    others: tuple[OtherFacts, ...]
    notes: tuple[str, ...]


def describe(opened: LoadedModel, chosen: tuple[LSTM, ...] | None = None, *, with_others: bool = True) -> Report:
    """Return the report on an open model with the LSTM layers `chosen`, or all of them, without reading numbers.

    It lists the model's other arrays only `with_others`: there may be tens of thousands.
    """
    chosen = opened.lstms if chosen is None else chosen
    layers = tuple([describe_layer(lstm, opened.producer) for lstm in chosen])
    return Report(
        model=opened.path,
        format=opened.format,
        producer=opened.producer,
        lstms=len(opened.lstms),
        lstm_parameters=sum(layer.parameters for layer in layers),
        total=opened.model.parameters,
        layers=layers,
        others=tuple(_list_others(opened)) if with_others else (),
        notes=(*_select_notes(opened), *_note_other_layers(opened), *_collect_notes(chosen)),
    )


def without_lstm(opened: LoadedModel) -> str:
    """Return the sentence on a model without an LSTM layer, which names the recurrent layers that it has instead."""
    known = (*_note_other_layers(opened), *(note for note in opened.model.notes if note == NO_ARRAYS))
    return next(iter(known), "no LSTM layer in this model")


def _note_other_layers(opened: LoadedModel) -> list[str]:
    """Return the note that names the recurrent layers of a model without an LSTM layer, if the file states any."""
    if opened.lstms:
        return []
    named = dict.fromkeys(filter(None, map(_name_other, opened.model.root.walk())))
    return [f"no LSTM layer; it has {listed(list(named))}"] if named else []


def _name_other(layer: Layer) -> str | None:
    """Return the class and the name of a recurrent layer that is not an LSTM, or None for another layer.

    Without a class in the file, the arrays tell what it is like.
    """
    from lstmdump.lstm import other_layers

    if class_named(layer.kind).is_other:
        return f"{layer.kind} {_name_without_cell(layer)}"
    like = None if layer.kind else other_layers.recognise(layer)
    return None if like is None else f"{layer.name} (arrays of a{'n' if like == 'RNN' else ''} {like})"


def _name_without_cell(layer: Layer) -> str:
    """Return the name of a layer; that of its cell, which has the class of the layer, is left out."""
    *outer, last = layer.path
    is_cell_of_layer = not (layer.kind or "").endswith("Cell") and re.fullmatch(_AUTOMATIC_CELL, last) is not None
    return "/".join(outer) if outer and is_cell_of_layer else layer.name


def _select_notes(opened: LoadedModel) -> Iterator[str]:
    """Yield the notes on the model; that layers were found by shape only if there are some."""
    return (note for note in opened.model.notes if opened.lstms or not note.startswith(FOUND_BY_SHAPE))


def _collect_notes(lstms: tuple[LSTM, ...]) -> tuple[str, ...]:
    """Return the notes on the layers, each note once, behind the names of its layers."""
    notes = grouped((lstm.name, note) for lstm in lstms for note in (*lstm.notes, *behaviour.cautions(lstm)))
    return tuple(f"{', '.join(names)}: {note}" for note, names in notes.items())


def select(lstms: tuple[LSTM, ...], layer_glob: str | None) -> tuple[LSTM, ...]:
    """Return those of `lstms` whose names match the shell pattern `layer_glob`; all of them if it is None.

    Raises:
        NoSuchLayer: There are layers, but none of them matches.
    """
    if layer_glob is None:
        return lstms
    chosen = matching([lstm.name for lstm in lstms], layer_glob)
    if lstms and not chosen:
        raise NoSuchLayer(f"no layer matches {layer_glob}; {name_nearest(layer_glob, lstms)}")
    return tuple(lstm for lstm in lstms if lstm.name in chosen)


def name_nearest(name: str, lstms: Sequence[LSTM]) -> str:
    """Return the words that name the layers that there are, the most similar to `name` first."""
    names = [lstm.name for lstm in lstms]
    return f"it has {listed(_nearest_first(name, names))}" if names else "it has no LSTM layer"


def matching(names: Sequence[str], layer_glob: str) -> frozenset[str]:
    """Return those of `names` that match the shell pattern `layer_glob`, or else those inside a layer that matches.

    So `bidirectional` selects both of its halves.
    """
    matches = frozenset(name for name in names if fnmatchcase(name, layer_glob))
    return matches or frozenset(
        name
        for name in names
        if any(fnmatchcase(outer, layer_glob) for outer in accumulate(name.split("/"), _join_names))
    )


def _nearest_first(layer_glob: str, names: Sequence[str]) -> list[str]:
    """Return `names` by their similarity to what `layer_glob` says; equally similar ones stay in order."""
    from difflib import SequenceMatcher

    said = layer_glob[:_COMPARED].translate(_WILDCARDS).lower()
    return sorted(names, key=lambda name: -SequenceMatcher(None, said, name[:_COMPARED].lower()).ratio())


def _join_names(outer: str, name: str) -> str:
    return f"{outer}/{name}"


def describe_layer(lstm: LSTM, producer: str) -> LayerFacts:
    """Return the facts about an LSTM layer of a model that `producer` wrote, without reading numbers."""
    return LayerFacts(
        name=lstm.name,
        kind=lstm.kind,
        input_dim=lstm.input_dim,
        units=lstm.units,
        projection=lstm.projection,
        peepholes=lstm.peepholes,
        use_bias=lstm.use_bias,
        gate_order=lstm.gate_order,
        gate_columns=lstm.gate_columns,
        gate_rows=lstm.gate_rows,
        forget_bias=lstm.forget_bias,
        parameters=lstm.parameters,
        formula=lstm.parameters_formula,
        weights=tuple(
            [
                WeightFacts(name, tensor.name, tensor.shape, tensor.dtype, tensor.size, role.formula(lstm.sizes))
                for role, name, tensor in lstm.weights
            ]
        ),
        kind_stated=lstm.kind_stated,
        computes=behaviour.stated(lstm, producer),
        half=behaviour.stated_half(lstm),
    )


def _list_others(opened: LoadedModel) -> Iterator[OtherFacts]:
    inside = {weight.tensor.name for lstm in opened.lstms for weight in lstm.weights}
    yield from (_describe_other(tensor) for tensor in opened.model.tensors() if tensor.name not in inside)
    yield from (_describe_beside(tensor) for tensor in opened.model.beside)


def _describe_other(tensor: Tensor) -> OtherFacts:
    return OtherFacts(tensor.name, tensor.shape, tensor.dtype, tensor.size)


def _describe_beside(tensor: Tensor) -> OtherFacts:
    return OtherFacts(tensor.name, tensor.shape, tensor.dtype, 0, counted=False)
