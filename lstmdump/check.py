"""Expectations and what is there: a difference is a value, not an exception."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lstmdump.record import RecordedModel
from lstmdump.report import Report, matches


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
    """What became of one model: its report and its differences, or the error that kept it from being read."""

    model: str
    report: Report | None
    mismatches: tuple[Mismatch, ...] = ()
    error: str | None = None

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
    layer_params: Mapping[str, int] = field(default_factory=dict)
    layer_shape: Mapping[str, tuple[int, int]] = field(default_factory=dict)

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
    layers = {layer.name: layer for layer in report.layers}
    for name in dict.fromkeys((*expected.layer_params, *expected.layer_shape)):
        layer = layers.get(name)
        if layer is None:
            yield Mismatch(name, "layer", "present", None)
            continue
        if name in expected.layer_params and layer.parameters != expected.layer_params[name]:
            yield Mismatch(name, "parameters", expected.layer_params[name], layer.parameters)
        if name in expected.layer_shape and (layer.input_dim, layer.units) != expected.layer_shape[name]:
            wanted_d, wanted_m = expected.layer_shape[name]
            yield Mismatch(name, "shape", f"{wanted_d}x{wanted_m}", f"{layer.input_dim}x{layer.units}")


def compare_with_record(report: Report, expected: RecordedModel) -> Iterator[Mismatch]:
    """The differences between a model and the record that was once made of it."""
    there = {layer.name: layer for layer in report.layers}
    for wanted in expected.layers:
        layer = there.pop(wanted.name, None)
        if layer is None:
            yield Mismatch(wanted.name, "layer", "present", None)
            continue
        for what, before, now in (
            ("class", wanted.kind, layer.kind),
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
    return replace(entry, layers=tuple(layer for layer in entry.layers if matches(layer.name, layer_glob)))


def pair(models: Sequence[str], records: Sequence[RecordedModel], file: str) -> list[RecordedModel | None]:
    """For each of MODELS its record out of those in FILE, or None.

    A record belongs to the model with its path, as written or else relative to FILE. One model and one record always
    belong together.
    """
    if len(models) == len(records) == 1:
        return [records[0]]
    as_written: dict[str, RecordedModel] = {}
    beside_file: dict[str, RecordedModel] = {}
    for entry in records:
        as_written.setdefault(_absolute(entry.model), entry)
        beside_file.setdefault(_absolute(os.path.join(os.path.dirname(file), entry.model)), entry)  # noqa: PTH118, PTH120
    return [as_written.get(_absolute(model)) or beside_file.get(_absolute(model)) for model in models]


def path_of(entry: RecordedModel, file: str) -> str:
    """Where the model of a record lies: its path as written, or else relative to FILE."""
    beside = os.path.join(os.path.dirname(file), entry.model)  # noqa: PTH118, PTH120
    return beside if not Path(entry.model).exists() and Path(beside).exists() else entry.model


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute() keeps `..`
