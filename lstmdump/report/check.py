"""Comparison of models with expectations; a difference is a value, not an exception."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lstmdump.errors import BadExpectation
from lstmdump.report.facts import LayerFacts, Report, matching
from lstmdump.report.record import RecordedLayer, RecordedModel


@dataclass(frozen=True)
class Mismatch:
    """One difference.

    Attributes:
        layer: The name of the layer; None for the model as a whole.
        what: The quantity that differs: `parameters`, `units`, `layer`, …
        expected, actual: Both sides; None where one is missing.
        rule: `is` for an expected value, `at most` for a limit.
    """

    layer: str | None
    what: str
    expected: int | str | None
    actual: int | str | None
    rule: str = "is"

    @property
    def delta(self) -> int | None:
        """Actual minus expected if both are numbers, else None."""
        if isinstance(self.expected, int) and isinstance(self.actual, int):
            return self.actual - self.expected
        return None


@dataclass(frozen=True)
class Verdict:
    """The result for one model: the report and the differences, or the error if it could not be read.

    `recorded` is the record that the model was compared with, if there was one; `seconds` the time that it took.
    """

    model: str
    report: Report | None
    mismatches: tuple[Mismatch, ...] = ()
    error: str | None = None
    recorded: RecordedModel | None = None
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the model was read and agrees with all expectations."""
        return self.error is None and not self.mismatches


@dataclass(frozen=True)
class Expectations:
    """The values that every model is compared with; None and empty expect nothing."""

    params: int | None = None
    total: int | None = None
    max_params: int | None = None
    max_total: int | None = None
    layer_params: tuple[tuple[str, int], ...] = ()
    layer_shape: tuple[tuple[str, tuple[int, int]], ...] = ()

    def __bool__(self) -> bool:
        return self != Expectations()


def parse_shape(text: str) -> tuple[int, int] | None:
    """Return the inputs and units that `text` states, such as `3x6`; None if it is of another form."""
    sizes = re.fullmatch(r"(\d{1,18})[xX×](\d{1,18})", text)
    return (int(sizes[1]), int(sizes[2])) if sizes else None


def compare(report: Report, expected: Expectations) -> Iterator[Mismatch]:
    """Yield the differences between a model and the expectations."""
    for what, value, actual in (("LSTM parameters", expected.params, report.lstm_parameters),
                                ("total parameters", expected.total, report.total)):  # fmt: skip
        if value is not None and value != actual:
            yield Mismatch(None, what, value, actual)
    for what, limit, actual in (("LSTM parameters", expected.max_params, report.lstm_parameters),
                               ("total parameters", expected.max_total, report.total)):  # fmt: skip
        if limit is not None and (actual is None or actual > limit):
            yield Mismatch(None, what, limit, actual, "at most")
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
    """Yield the differences between a model and an earlier record of it, which may be of another format.

    Classes, and what a layer computes, are compared if both sides state them: a checkpoint of `RNN(LSTMCell)` holds
    only the shapes of an LSTM.
    """
    unmatched = {layer.name: layer for layer in report.layers}
    for recorded in expected.layers:
        layer = unmatched.pop(recorded.name, None)
        if layer is None:
            yield Mismatch(recorded.name, "layer", "present", None)
            continue
        stated = recorded.kind_stated and layer.kind_stated
        for what, before, now in (
            ("class", recorded.kind, layer.kind if stated else recorded.kind),
            ("input_dim", recorded.input_dim, layer.input_dim),
            ("units", recorded.units, layer.units),
            ("parameters", recorded.parameters, layer.parameters),
        ):
            if before != now:
                yield Mismatch(recorded.name, what, before, now)
        yield from _compare_computes(recorded, layer)
    for name in unmatched:
        yield Mismatch(name, "layer", None, "present")


def _compare_computes(recorded: RecordedLayer, layer: LayerFacts) -> Iterator[Mismatch]:
    """Yield the differences in what the layer computes beside its arrays, where both sides state it."""
    now = layer.computes._asdict()
    for what, before in recorded.computes._asdict().items():
        if None not in (before, now[what]) and before != now[what]:
            yield Mismatch(recorded.name, what, _word_setting(before), _word_setting(now[what]))


def _word_setting(value: str | float | bool) -> str:
    """Return a setting as in JSON, so that it is not taken for a count."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def only_layers(entry: RecordedModel, layer_glob: str | None) -> RecordedModel:
    """Return the record with only those layers whose names match `layer_glob`; with all of them if it is None."""
    if layer_glob is None:
        return entry
    chosen = matching([layer.name for layer in entry.layers], layer_glob)
    return entry._replace(layers=tuple(layer for layer in entry.layers if layer.name in chosen))


def pair(models: Sequence[str], records: Sequence[RecordedModel], file: str) -> list[RecordedModel | None]:
    """Return the record of each of `models`, or None; each record belongs to at most one model.

    A record belongs to the model at the path in it, taken as written, or else relative to `file`, which holds the
    records, or else with slashes in place of the backslashes of Windows. One model and one record always belong
    together.

    Raises:
        BadExpectation: `file` holds two records of one path.
    """
    names = Counter(entry.model for entry in records)
    for name, times in names.items():
        if times > 1:
            raise BadExpectation(f"{file} records {name} {times} times")
    if len(models) == len(records) == 1:
        return [records[0]]
    unpaired = {id(entry): entry for entry in records}
    paired: list[RecordedModel | None] = [None] * len(models)
    real_path = _PathResolver()
    for place in range(len(_list_places("", file))):
        by_path = {real_path(_list_places(entry.model, file)[place]): entry for entry in unpaired.values()}
        for index, model in enumerate(models):
            entry = by_path.pop(real_path(model), None) if paired[index] is None else None
            if entry is not None:
                paired[index] = unpaired.pop(id(entry))
    return paired


class _PathResolver:
    """A function that returns what `os.path.realpath` does, a tenth of the time for many paths in one directory."""

    def __init__(self) -> None:
        self._directories: dict[str, str] = {}
        self._paths: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        if path not in self._paths:
            self._paths[path] = self._resolve(path)
        return self._paths[path]

    def _resolve(self, path: str) -> str:
        directory, name = os.path.split(path)
        if name in ("", os.curdir, os.pardir) or os.path.islink(path):  # noqa: PTH114 - a tenth of the time
            return os.path.realpath(path)
        if directory not in self._directories:
            self._directories[directory] = os.path.realpath(directory)
        return os.path.join(self._directories[directory], name)  # noqa: PTH118


def path_of(entry: RecordedModel, file: str) -> str:
    """Return the path of the model of a record: as written or, if only that exists, relative to `file`."""
    places = _list_places(entry.model, file)
    return next((place for place in places if Path(place).exists()), entry.model)


def spelling(entry: RecordedModel | None, file: str, model: str, separator: str = os.sep) -> str:
    """Return the path of `model` for its record in `file`, with `/` on every system.

    Args:
        entry: The earlier record of the model, whose spelling is kept if it leads to the model.
        file: The path of the file.
        model: The path of the model as given.
        separator: What separates the parts of a path on this system.
    """
    if entry is not None:
        spellings = _spell(entry.model)
        places = map(os.path.realpath, _list_places(entry.model, file))
        known = dict(zip(places, (one for one in spellings for _ in range(2)), strict=True))
        model = known.get(os.path.realpath(model), model)
    return model.replace(separator, "/")


def _list_places(path: str, file: str) -> list[str]:
    """Return where the model of a record in `file` may be: at `path`, relative to `file`; the same with slashes."""
    folder = os.path.dirname(file)  # noqa: PTH120
    return [place for one in _spell(path) for place in (one, os.path.join(folder, one))]  # noqa: PTH118


def _spell(path: str) -> tuple[str, str]:
    """Return `path` as written, and as Windows means it."""
    return path, path.replace("\\", "/")
