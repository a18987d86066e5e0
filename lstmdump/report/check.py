"""Expectations and what is there: a difference is a value, not an exception."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lstmdump.errors import BadExpectation
from lstmdump.report.facts import LayerFacts, Report, matching
from lstmdump.report.record import RecordedModel


@dataclass(frozen=True)
class Mismatch:
    """One difference.

    Attributes:
        layer: the layer it is in; None for the model as a whole.
        what: what differs: `parameters`, `units`, `layer`, …
        expected, actual: both sides; None where there is nothing on that side.
        rule: `is` for an expected value, `at most` for a limit.
    """

    layer: str | None
    what: str
    expected: int | str | None
    actual: int | str | None
    rule: str = "is"

    @property
    def delta(self) -> int | None:
        """Actual minus expected, where both are numbers."""
        if isinstance(self.expected, int) and isinstance(self.actual, int):
            return self.actual - self.expected
        return None


@dataclass(frozen=True)
class Verdict:
    """What became of one model: its report and its differences, or the error that kept it from being read.

    RECORDED is the record that it was compared with, if there was one.
    """

    model: str
    report: Report | None
    mismatches: tuple[Mismatch, ...] = ()
    error: str | None = None
    recorded: RecordedModel | None = None

    @property
    def good(self) -> bool:
        """Whether it was read and all agreed."""
        return self.error is None and not self.mismatches


@dataclass(frozen=True)
class Expectations:
    """What every model is held against. None and empty expect nothing."""

    params: int | None = None
    total: int | None = None
    max_params: int | None = None
    max_total: int | None = None
    layer_params: tuple[tuple[str, int], ...] = ()
    layer_shape: tuple[tuple[str, tuple[int, int]], ...] = ()

    def __bool__(self) -> bool:
        return self != Expectations()


def compare(report: Report, expected: Expectations) -> Iterator[Mismatch]:
    """The differences between a model and what was expected of every model."""
    for what, wanted, there in (("LSTM parameters", expected.params, report.lstm_parameters),
                                ("total parameters", expected.total, report.total)):  # fmt: skip
        if wanted is not None and wanted != there:
            yield Mismatch(None, what, wanted, there)
    for what, limit, there in (("LSTM parameters", expected.max_params, report.lstm_parameters),
                               ("total parameters", expected.max_total, report.total)):  # fmt: skip
        if limit is not None and (there is None or there > limit):
            yield Mismatch(None, what, limit, there, "at most")
    yield from _compare_layers({layer.name: layer for layer in report.layers}, expected)


def _compare_layers(layers: Mapping[str, LayerFacts], expected: Expectations) -> Iterator[Mismatch]:
    for name in dict.fromkeys(name for name, _ in (*expected.layer_params, *expected.layer_shape)):
        if name not in layers:
            yield Mismatch(name, "layer", "present", None)
    for name, parameters in expected.layer_params:
        if name in layers and layers[name].parameters != parameters:
            yield Mismatch(name, "parameters", parameters, layers[name].parameters)
    for name, (d, m) in expected.layer_shape:
        if name in layers and (layers[name].input_dim, layers[name].units) != (d, m):
            yield Mismatch(name, "shape", f"{d}x{m}", f"{layers[name].input_dim}x{layers[name].units}")


def compare_with_record(report: Report, expected: RecordedModel) -> Iterator[Mismatch]:
    """The differences between a model and the record that was once made of it, maybe of another format of it.

    Classes are compared where both sides state them: a checkpoint of `RNN(LSTMCell)` holds the shapes of an LSTM only.
    """
    there = {layer.name: layer for layer in report.layers}
    for wanted in expected.layers:
        layer = there.pop(wanted.name, None)
        if layer is None:
            yield Mismatch(wanted.name, "layer", "present", None)
            continue
        stated = wanted.kind_stated and layer.kind_stated
        for what, before, now in (
            ("class", wanted.kind, layer.kind if stated else wanted.kind),
            ("input_dim", wanted.input_dim, layer.input_dim),
            ("units", wanted.units, layer.units),
            ("parameters", wanted.parameters, layer.parameters),
        ):
            if before != now:
                yield Mismatch(wanted.name, what, before, now)
    for name in there:
        yield Mismatch(name, "layer", None, "present")


def only_layers(entry: RecordedModel, layer_glob: str | None) -> RecordedModel:
    """The record with only those layers whose names match LAYER_GLOB; all where it is None."""
    if layer_glob is None:
        return entry
    chosen = matching([layer.name for layer in entry.layers], layer_glob)
    return entry._replace(layers=tuple(layer for layer in entry.layers if layer.name in chosen))


def pair(models: Sequence[str], records: Sequence[RecordedModel], file: str) -> list[RecordedModel | None]:
    """For each of MODELS its record out of those in FILE, or None; each record belongs to one model.

    A record belongs to the model with its path, as written or else relative to FILE. One model and one record always
    belong together.

    Raises:
        BadExpectation: FILE holds two records of one path.
    """
    names = Counter(entry.model for entry in records)
    for name, times in names.items():
        if times > 1:
            raise BadExpectation(f"{file} records {name} {times} times")
    if len(models) == len(records) == 1:
        return [records[0]]
    left = {id(entry): entry for entry in records}
    found: list[RecordedModel | None] = [None] * len(models)
    for place in (_resolve_as_written, _resolve_beside):
        by_path = {place(entry, file): entry for entry in left.values()}
        for index, model in enumerate(models):
            entry = by_path.pop(os.path.realpath(model), None) if found[index] is None else None
            if entry is not None:
                found[index] = left.pop(id(entry))
    return found


def path_of(entry: RecordedModel, file: str) -> str:
    """Where the model of a record lies: its path as written, or else relative to FILE."""
    beside = os.path.join(os.path.dirname(file), entry.model)  # noqa: PTH118, PTH120
    return beside if not Path(entry.model).exists() and Path(beside).exists() else entry.model


def leads_to(entry: RecordedModel, file: str, model: str) -> bool:
    """Whether the path in a record of FILE, in either way of reading it, is that of MODEL."""
    return os.path.realpath(model) in (_resolve_as_written(entry, file), _resolve_beside(entry, file))


def _resolve_as_written(entry: RecordedModel, _file: str) -> str:
    return os.path.realpath(entry.model)


def _resolve_beside(entry: RecordedModel, file: str) -> str:
    return os.path.realpath(os.path.join(os.path.dirname(file), entry.model))  # noqa: PTH118, PTH120
