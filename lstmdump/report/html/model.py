"""The report on an open model: its table, the heat maps of its gates, and the explanation of its layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lstmdump.lstm import GATES, LSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.sentences import count
from lstmdump.report.facts import Report, without_lstm
from lstmdump.report.html import explanation, heat_maps, table
from lstmdump.report.html.elements import by_class, text
from lstmdump.report.html.page import MOST_DRAWN, ModelReport, ReportPart
from lstmdump.report.render.table import head


def describe(
    opened: LoadedModel,
    chosen: Sequence[LSTM],
    report: Report,
    *,
    gates: str = GATES,
    most_drawn: int = MOST_DRAWN,
    with_others: bool = False,
) -> ModelReport:
    """Return the report on the layers `chosen` of an open model, whose facts are `report`.

    Args:
        opened: The model.
        chosen: The layers.
        report: The facts about them.
        gates: The gates to draw.
        most_drawn: The number of layers to draw.
        with_others: Whether to list the model's other arrays.
    """
    _, about = head(report)
    parts = [ReportPart("table", "", _make_table(opened, report, with_others=with_others))]
    if chosen:
        maps = "\n".join(_draw(chosen, gates, most_drawn))
        parts += [
            ReportPart("heat maps", "Heat maps of the gates", maps),
            ReportPart("explanation", "What all of it means", explanation.explanation(chosen, opened.producer)),
        ]
    return ModelReport(report.model, about, tuple(parts), drawn=min(len(chosen), most_drawn))


def _make_table(opened: LoadedModel, report: Report, *, with_others: bool) -> str:
    caution = [] if report.layers else [f"<p>{text(without_lstm(opened))}</p>"]
    shown = table.tables(report, with_others=with_others, look=by_class), table.notes(report, look=by_class)
    return "\n".join([*caution, *filter(None, shown)])


def _draw(chosen: Sequence[LSTM], gates: str, most: int) -> Iterator[str]:
    yield (
        "<p>Red is above 0, blue below, white 0; darker is further from 0. All pictures of a row have the same scale. "
        "In grey, the shade is the distance from 0, and the numbers below a picture tell the sides apart.</p>"
    )
    if len(chosen) > most:
        drawn = f"The first {count(most)} of {count(len(chosen))} layers are drawn" if most else "No layer is drawn"
        yield f"<p>{drawn}: a page has the heat maps of {MOST_DRAWN} layers at most. Choose layers with -l.</p>"
    yield from (heat_maps.section(lstm, gates) for lstm in chosen[:most])
