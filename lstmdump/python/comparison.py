"""Compare models: their numbers with those of another, or their counts with what is expected."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lstmdump.errors import BadExpectation, NoLSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.python.arguments import finite_number, require_text
from lstmdump.report.diff.verdicts import TOLERANCE, ModelDifference
from lstmdump.report.facts import describe, select, without_lstm

if TYPE_CHECKING:
    from lstmdump.report.check import Mismatch


class ComparedModels(ModelDifference):
    """The comparison of two models; true where they differ, as a list of differences is.

    Attributes:
        first: The path of the first model.
        second: The path of the second model.
        layers: The comparison of each pair of layers, in the order of the first model.
        is_same: Whether all layers are the same.
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return not self.is_same

    def __repr__(self) -> str:
        from lstmdump.report.render.diff import text_lines

        return "\n".join(text_lines(self))


def diff(
    a: LoadedModel | str | os.PathLike[str],
    b: LoadedModel | str | os.PathLike[str],
    *,
    layer: str | None = None,
    tolerance: float = TOLERANCE,
) -> ComparedModels:
    """Compare the LSTM layers of two models, gate by gate, whatever wrote the files.

    `print(lstmdump.diff(a, b))` prints what `lstmdump diff` does, and `lstmdump.diff(a, b).is_same` is its verdict.

    Args:
        a: An open model, or the path of one.
        b: The other model.
        layer: A pattern of the names of the layers to compare; None for all.
        tolerance: The largest difference that counts as the same, by the largest number of an array.

    Returns:
        The comparison of each pair of layers.

    Raises:
        NoLSTM: A model has no LSTM layer.
        NoSuchLayer: No layer of a model has such a name.
        UnreadableModel: A model cannot be read.
        ValueError: `tolerance` is not a finite number from 0.
    """
    require_text("layer", layer, "a pattern of the names of layers")
    largest = finite_number("tolerance", tolerance, 0)
    with _opened(a) as first, _opened(b) as second:
        return ComparedModels(*compare_opened(first, second, layer, largest))


def compare_opened(first: LoadedModel, second: LoadedModel, layer: str | None, tolerance: float) -> ModelDifference:
    """Compare two open models as `diff` does; an error that concerns the second one begins with its path."""
    from lstmdump.report.diff import comparison

    for model in (first, second):
        if not model.lstms:
            raise NoLSTM(f"{model.path}: {without_lstm(model)}" if model is second else without_lstm(model))
    chosen = select(first.lstms, layer), select(second.lstms, layer)
    return comparison.compare(first, second, chosen, tolerance)


def check(
    model: LoadedModel | str | os.PathLike[str],
    *,
    params: int | None = None,
    total: int | None = None,
    max_params: int | None = None,
    max_total: int | None = None,
    layer_params: Mapping[str, int] | None = None,
    layer_shape: Mapping[str, tuple[int, int]] | None = None,
    against: Mapping[str, Any] | None = None,
    layer: str | None = None,
) -> tuple[Mismatch, ...]:
    """Compare the counts and shapes of a model with what is expected, without reading numbers.

    ::

        assert not lstmdump.check("weather.h5", params=240, layer_shape={"lstm_1": (3, 6)})

    Args:
        model: An open model, or the path of one.
        params: The parameters of all LSTM layers together.
        total: The parameters of the whole model.
        max_params: The most that they may be.
        max_total: The most that the whole model may have.
        layer_params: The parameters of layers, by name.
        layer_shape: Inputs and units of layers, by name.
        against: An earlier record of the model: what `record()` returned, or what `json.loads` makes of a line of
            `lstmdump show --json`.
        layer: A pattern of the names of the layers to compare; None for all.

    Returns:
        The differences; empty if the model is as expected.

    Raises:
        BadExpectation: Nothing is expected, or what no count can be, or `against` is not a record.
        NoSuchLayer: No layer has such a name.
        UnreadableModel: The model cannot be read.
    """
    from lstmdump.report import check as checks
    from lstmdump.report import record

    require_text("layer", layer, "a pattern of the names of layers")
    counts = {"params": params, "total": total, "max_params": max_params, "max_total": max_total}
    expected = checks.Expectations(
        **{argument: _count(argument, number) for argument, number in counts.items() if number is not None},
        layer_params=tuple(
            [(name, _count(f"layer_params[{name!r}]", number)) for name, number in _items("layer_params", layer_params)]
        ),
        layer_shape=tuple([(name, _shape(name, sizes)) for name, sizes in _items("layer_shape", layer_shape)]),
    )
    if not expected and against is None:
        raise BadExpectation("nothing to compare with: give params, total, layer_shape, … or against")
    with _opened(model) as opened:
        report = describe(opened, select(opened.lstms, layer))
    found = list(checks.compare(report, expected))
    if against is not None:
        found += checks.compare_with_record(report, checks.only_layers(record.parse_one(against), layer))
    return tuple(found)


def _items(argument: str, expected: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    if expected is None:
        return []
    if not isinstance(expected, Mapping):
        raise BadExpectation(f"{argument} is of type {type(expected).__name__}; give a dict with the names of layers")
    return list(expected.items())


def _shape(name: str, sizes: Any) -> tuple[int, int]:
    argument = f"layer_shape[{name!r}]"
    pair = () if isinstance(sizes, (str, bytes)) or not isinstance(sizes, Iterable) else tuple(sizes)
    if len(pair) != 2:
        raise BadExpectation(f"{argument} is {sizes!r}; give inputs and units, such as (3, 6)")
    return _count(argument, pair[0]), _count(argument, pair[1])


def _count(argument: str, number: Any) -> int:
    """Return a count: an int, or a float such as 1e6."""
    try:
        count = finite_number(argument, number, 0)
    except ValueError:
        count = 0.5
    if not count.is_integer():
        raise BadExpectation(f"{argument} is {number!r}; give a whole number from 0")
    return int(number)


@contextmanager
def _opened(model: LoadedModel | str | os.PathLike[str]) -> Iterator[LoadedModel]:
    """Open the model at a path, and close it at the end; one that is open stays so."""
    if isinstance(model, LoadedModel):
        yield model
        return
    import lstmdump

    with lstmdump.open(model) as opened:
        yield opened
