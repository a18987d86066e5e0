"""The result of `lags`: bars as text, or a JSON object per model."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count as count_from
from typing import Any, NamedTuple

from lstmdump.model.escape import visible
from lstmdump.model.sentences import shared
from lstmdump.replay.lags import LayerLags
from lstmdump.report import record
from lstmdump.report.render.words import bar, count, plural

_WIDTH = 80  # columns, if stdout is not a terminal
_NARROWEST = 40
_SCREEN = 40  # rows of a table
_SINGLE = 20  # lags with a row each, if not all have one
_NONE = "—"
_TIE = "\N{NO-BREAK SPACE}"
_CELL = 9  # columns of a number in the table of features

SUMMED = f"from t-{_SINGLE} on, a line has the sums of several steps"
"""The remark above a table with ranges of lags."""


@dataclass(frozen=True)
class ModelLags:
    """The lags of the layers of one model; each note begins with the names of its layers."""

    model: str
    layers: tuple[LayerLags, ...]
    notes: tuple[str, ...] = ()


class LagRow(NamedTuple):
    """A row of the table: a lag or a range of lags, its numbers, and its share as part of the largest share."""

    name: str
    norm: str
    share: str
    part: float | None


def text(model: ModelLags, *, width: int | None, by_feature: bool) -> str:
    """Return a line per lag up to 95 % of the influence, and the answer in a sentence.

    Args:
        model: The lags of the layers of a model.
        width: The width of the terminal in columns; None if stdout is not a terminal.
        by_feature: Whether to add the shares of the input features.
    """
    columns = _WIDTH if width is None else max(width, _NARROWEST)
    lines = [visible(model.model)]
    has_one_input = len({layer.input for layer in model.layers}) < 2
    for layer in model.layers:
        name = layer.name if has_one_input else f"{layer.name} by {layer.input}"
        lines += ["", *_format_title(name, layer, columns)]
        if layer.no_point is not None:
            lines += _indent(f"no numbers: {layer.no_point}", columns)
            continue
        lines += [*_indent(define_lag_0(layer), columns), *_list_lags(layer, columns)]
        if by_feature:
            lines += ["", *_list_features(layer, columns)]
        lines += ["", *_fold(write_answer(layer), columns)]
    notes = [line for note in model.notes for line in _fold(f"note: {visible(note)}", columns, "      ")]
    return "\n".join([*lines, *([""] if notes else []), *notes, ""])


def describe_point(layer: LayerLags) -> str:
    """Return where the Jacobian is computed: `mean over 2 sequences of 9 steps`."""
    if layer.length is None:
        return f"at {layer.operating_point}" if layer.no_point is None else "at x = 0"
    sequences = f"{plural(layer.batch, 'sequence')} of {plural(layer.length, 'step')}"
    return f"over {sequences}" if layer.batch == 1 else f"mean over {sequences}"


def describe_norm(layer: LayerLags) -> str:
    """Return the Jacobian whose norm is shown: `‖∂y/∂x_{T-k}‖ of 1 unit, 3 inputs`."""
    of = plural(layer.units, "unit") if layer.unit is None else f"unit {layer.unit}"
    return f"‖∂{layer.symbol}/∂x_{{T-k}}‖ of {of}, {plural(layer.input_dim, 'input')}"


def _format_title(name: str, layer: LayerLags, width: int) -> list[str]:
    parts = visible(name), describe_norm(layer), describe_point(layer)
    whole = " · ".join(parts)
    return [whole] if len(whole) <= width else [parts[0], f"  {parts[1]}", f"  {parts[2]}"]


def define_lag_0(layer: LayerLags) -> str:
    """Return which step has the lag 0: who predicts the value at t calls the last step given t-1."""
    if layer.goes_backwards:
        return "k = 0 (t-0) is the last step that the layer takes, the first of the input"
    step = "the last step" if layer.length is None else "the last step given"
    step += " that is not masked" if layer.is_masked else ""
    return f'k = 0 (t-0) is {step} ("t-1" to whoever predicts t)'


def _indent(sentence: str, width: int) -> list[str]:
    return [f"  {line}" for line in _fold(sentence, width - 2)]


def _list_lags(layer: LayerLags, width: int) -> Iterator[str]:
    """Yield a line per lag worth showing, or per range of lags if they are many, and one for the rest."""
    rows = lag_rows(layer)
    label = max(len("lag"), *(len(row.name) for row in rows))
    if len(rows) < layer.telling:
        yield f"  {SUMMED}"
    yield f"  {'lag':{label}}  {'norm':>9}  {'share':>7}"
    room = width - len(f"  {'':{label}}  {'':>9}  {'':>7}  ")
    for row in rows:
        drawn = "" if row.part is None else bar(row.part, room)
        yield f"  {row.name:{label}}  {row.norm:>9}  {row.share:>7}  {drawn}".rstrip()
    if rest := name_rest(layer):
        yield f"  {rest}"


def lag_rows(layer: LayerLags) -> list[LagRow]:
    """Return a row per lag worth showing, or per range of lags if they are many."""
    ranges = [(lags, _add(layer.shares, lags)) for lags in _divide_into_ranges(layer.telling)]
    largest = max((share for _, share in ranges if share is not None), default=0.0)
    return [
        LagRow(
            _name_range(lags),
            _format_norm(_add(layer.norms, lags) or 0.0),
            _format_percent(share),
            None if share is None else share / largest,
        )
        for lags, share in ranges
    ]


def name_rest(layer: LayerLags) -> str:
    """Return the lags that have no row, with the sum of their shares; empty if all have one."""
    shown, shares = layer.telling, layer.shares
    if shown == len(layer.norms):
        return ""
    rest = None if shares[0] is None else sum(share or 0.0 for share in shares[shown:])
    return f"{_name_range(range(shown, len(layer.norms)))}: {_format_percent(rest)}"


def _divide_into_ranges(lags: int) -> list[range]:
    """Return each lag by itself if a screen has room for them, else the first ones, and then ranges of equal length."""
    if lags <= _SCREEN:
        return [range(lag, lag + 1) for lag in range(lags)]
    fewest = (lags - _SINGLE) / (_SCREEN - _SINGLE)
    step = next(size for power in count_from(1) for size in (10**power, 2 * 10**power, 5 * 10**power) if size >= fewest)
    first = [range(lag, lag + 1) for lag in range(_SINGLE)]
    return first + [range(lag, min(lag + step, lags)) for lag in range(_SINGLE, lags, step)]


def _add(numbers: Sequence[float | None], lags: range) -> float | None:
    """Return the sum of the numbers of some lags; None if one of them has none."""
    chosen = [number for number in numbers[lags.start : lags.stop] if number is not None]
    return sum(chosen) if len(chosen) == len(lags) else None


def _name_range(lags: range) -> str:
    first, last = _name_lag(lags[0]), _name_lag(lags[-1])
    return first if first == last else f"{first} … {last}"


def _list_features(layer: LayerLags, width: int) -> Iterator[str]:
    """Yield a line per input feature: its share, and the part of each lag in it."""
    total = sum(layer.feature_norms)
    lags = min(layer.telling, max(1, (width - len("  feature") - _CELL) // _CELL))
    yield "  feature" + f"{'share':>{_CELL}}" + "".join(f"{_name_lag(lag):>{_CELL}}" for lag in range(lags))
    for feature, share in enumerate(layer.feature_shares):
        parts = [None if share is None else norms[feature] / total for norms in layer.by_feature[:lags]]
        yield f"  {feature:<7}" + "".join(f"{_format_percent(part):>{_CELL}}" for part in (share, *parts))


def write_answer(layer: LayerLags) -> str:
    """Return the number of steps that have 95 % of the influence, as a sentence."""
    lag = layer.lag_95
    if lag is None:
        return f"The influence on {layer.symbol} has no shares: it is 0, or not a finite number."
    if layer.is_complete and lag + 1 == len(layer.norms) and (layer.length is not None or layer.is_fixed_length):
        given = plural(lag + 1, "step") if lag else "one step"
        if layer.is_fixed_length:
            return f"The model takes {given}: 95 % of the influence on {layer.symbol} needs all of them."
        return (f"The input has {given}, too few to say how far back the influence on {layer.symbol} goes; give a "
                "longer one.")  # fmt: skip
    share = _format_percent(layer.shares[lag])
    begin = f"95 % of the influence on {layer.symbol}" if layer.is_complete else "Of these lags alone, 95 %"
    if lag == 0:
        return f"{begin} comes from the last step alone: t-0 has {share}."
    return f"{begin} comes from the last {count(lag + 1)} steps (t-0 … {_name_lag(lag)}); {_name_lag(lag)} has {share}."


def _fold(sentence: str, width: int, indent: str = "") -> list[str]:
    """Return `sentence` in lines of `width` columns; a number stays on the line of its per cent sign."""
    whole = sentence.replace(" %", f"{_TIE}%")
    lines = textwrap.wrap(whole, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_TIE, " ") for line in lines]


def _name_lag(lag: int) -> str:
    return f"t-{lag}"


def _format_norm(norm: float) -> str:
    return f"{norm:.3g}" if math.isfinite(norm) else _NONE


def _format_percent(share: float | None) -> str:
    """Return `share` as a percentage: `12.3 %`; a share above 0 is not shown as 0."""
    if share is None:
        return _NONE
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def json_line(model: ModelLags, *, by_feature: bool) -> str:
    """Return the result as one line of JSON; `lstmdump help json` lists the keys."""
    layers = [
        _record_layer(layer) | ({"by_feature": _record_features(layer)} if by_feature else {}) for layer in model.layers
    ]
    return record.line({"model": model.model, "layers": layers, "notes": [*explain_gaps(model.layers), *model.notes]})


def explain_gaps(layers: Sequence[LayerLags]) -> list[str]:
    """Return why layers have no numbers, a sentence for each reason."""
    gaps = [
        (layer.name, f"no numbers: {layer.no_point}; give real inputs with -i")
        for layer in layers
        if layer.no_point is not None
    ]
    return list(shared(gaps, len(layers)))


def _record_layer(layer: LayerLags) -> dict[str, Any]:
    parts = zip(layer.norms, layer.deviations, layer.shares, layer.cumulative, strict=True)
    return {
        "name": layer.name,
        "of": layer.symbol,
        "input": layer.input,
        "input_dim": layer.input_dim,
        "units": layer.units,
        "unit": layer.unit,
        "length": layer.length,
        "batch": layer.batch,
        "operating_point": layer.operating_point,
        "dtype": layer.dtype,
        "lags": [
            {
                "lag": lag,
                "norm": record.finite(norm),
                "std": record.finite(std),
                "share": share,
                "cumulative": cumulative,
            }
            for lag, (norm, std, share, cumulative) in enumerate(parts)
        ],
        "complete": layer.is_complete,
        "lag_95": layer.lag_95,
        "total": record.finite(layer.total) if layer.norms else None,
    }


def _record_features(layer: LayerLags) -> list[dict[str, Any]]:
    return [
        {
            "feature": feature,
            "norm": record.finite(norm),
            "share": share,
            "lags": [record.finite(row[feature]) for row in layer.by_feature],
        }
        for feature, (norm, share) in enumerate(zip(layer.feature_norms, layer.feature_shares, strict=True))
    ]
