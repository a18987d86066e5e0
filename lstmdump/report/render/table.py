"""The table of `show`: every shape with the reason for it, every count with the closed form.

The column of parameters adds up: the arrays of a layer to the layer, these and the other layers to the whole model.
"""

from __future__ import annotations

from collections.abc import Iterator

from lstmdump.model.escape import visible
from lstmdump.readers.detect import FORMATS
from lstmdump.report.facts import LayerFacts, Report
from lstmdump.report.render.page import INDENT, Page, Piece, Row, length, widths
from lstmdump.report.render.words import count, plural, shape_with_reason

_LABELS = {row.format.value: row.label for row in FORMATS}
_USUAL_DTYPE = "float32"
_DOT = " · "
_HINT = "--explain says what all of it means; lstmdump export writes the gates"
_NAME, _REASON = range(2)


def table(report: Report, *, width: int | None, colour: bool, with_others: bool = False) -> str:
    """Return the report as a table.

    Args:
        report: The report.
        width: The width of the terminal in columns; None if stdout is not a terminal, so that no line is folded.
        colour: Whether to use colours.
        with_others: Whether to list the other arrays of the model.
    """
    page = Page(width, colour=colour)
    blocks = [list(layer_rows(layer)) for layer in report.layers]
    totals = list(total_rows(report)) if report.layers or with_others else []
    needed = widths([*(row for block in blocks for row in block), *totals])
    _add_head(page, report)
    for layer, block in zip(report.layers, blocks, strict=True):
        _add_title(page, layer)
        page.columns(block, needed, folds=_REASON)
    if with_others and report.others:
        _add_others(page, report)
    if totals:
        page.blank()
        page.columns(totals, needed, folds=_REASON)
    _add_notes(page, report)
    return page.text()


def summary(report: Report, *, width: int | None, colour: bool) -> str:
    """Return the first lines of the table and its notes, without the layers."""
    page = Page(width, colour=colour)
    _add_head(page, report)
    _add_notes(page, report)
    return page.text()


def first_lines(report: Report) -> str:
    """Return the first lines of the table, and the title of each layer in `report`."""
    page = Page(None, colour=False)
    _add_head(page, report, is_part=False)
    for layer in report.layers:
        _add_title(page, layer, is_apart=False)
    if more := report.lstms - len(report.layers):
        page.line(Piece(f"… and {more:,} more"))
    return page.text().rstrip("\n")


def title(layer: LayerFacts) -> str:
    """Return the title of a layer: its name, class and sizes."""
    page = Page(None, colour=False)
    _add_title(page, layer, is_apart=False)
    return page.text().rstrip("\n")


def hint(*, width: int, colour: bool) -> str:
    """Return the line that names what says more than the table."""
    page = Page(width, colour=colour)
    page.line(Piece(_HINT, "dim"))
    return page.text()


def head(report: Report, *, is_part: bool = True) -> tuple[str, str]:
    """Return the path of the model, and its format, its producer and the number of its layers.

    Args:
        report: The report.
        is_part: Whether to say how many of the layers are in the report, if not all are.
    """
    found = plural(report.lstms, "LSTM layer") if report.lstms else "no LSTM layer"
    if is_part and len(report.layers) < report.lstms:
        found = f"{len(report.layers)} of {found}"
    return (
        visible(report.model),
        f"{_LABELS.get(report.format, report.format)} · {visible(report.producer)} · {found}",
    )


def _add_head(page: Page, report: Report, *, is_part: bool = True) -> None:
    path, about = head(report, is_part=is_part)
    page.line(Piece(path, "bold"))
    page.line(Piece(about))


def _add_title(page: Page, layer: LayerFacts, *, is_apart: bool = True) -> None:
    """Add the name of a layer and its description, on one line, or on two if they do not fit."""
    name = (Piece(visible(layer.name), "bold cyan"), Piece("  " + visible(layer.kind)))
    about = _DOT.join(describe_layer(layer))
    if is_apart:
        page.blank()
    if length(*name) + len(_DOT) + len(about) <= page.width:
        page.line(*name, Piece(_DOT + about))
    else:
        page.line(*name)
        page.line(Piece(about), indent=INDENT)


def other_rows(report: Report) -> list[Row]:
    """Return a row for each of the model's other arrays."""
    return [
        _make_row(visible(other.tensor), str(other.shape), other.parameters)
        if other.counted
        else _make_row(visible(other.tensor), f"{other.shape} not counted", None)
        for other in report.others
    ]


def _add_others(page: Page, report: Report) -> None:
    rows = other_rows(report)
    page.blank()
    page.line(Piece("other arrays", "bold"))
    page.columns(rows, widths(rows), folds=_NAME)


def _add_notes(page: Page, report: Report) -> None:
    if report.notes:
        page.blank()
    for note in report.notes:
        page.hanging(Piece("note: ", "yellow"), visible(note))


def describe_layer(layer: LayerFacts) -> Iterator[str]:
    """Yield the sizes of a layer and what is special about it."""
    yield f"{plural(layer.input_dim, 'input')}, {plural(layer.units, 'unit')}"
    if layer.projection is not None:
        yield f"projected to {layer.projection}"
    yield f"gates {' '.join(layer.gate_order)}"
    if not layer.use_bias:
        yield "no bias"
    if layer.peepholes:
        yield "peepholes"
    if layer.forget_bias is None:
        yield "forget bias not in the file"
    elif layer.forget_bias:
        yield f"forget bias {layer.forget_bias} added at run time"
    dtypes = sorted({weight.dtype for weight in layer.weights})
    if dtypes != [_USUAL_DTYPE]:
        yield visible(", ".join(dtypes))


def layer_rows(layer: LayerFacts) -> Iterator[Row]:
    """Yield a row for each stored array of a layer, for its gates, and for their number of parameters."""
    for weight in layer.weights:
        yield _make_row(visible(weight.name), shape_with_reason(weight.shape, weight.formula), weight.parameters, "dim")
    for name, spans in (("columns", layer.gate_columns), ("rows", layer.gate_rows)):
        if spans is not None:
            yield _make_row(name, " · ".join(f"{gate} {start}:{stop}" for gate, (start, stop) in spans.items()), None)
    if computes := _DOT.join(_describe_unusual(layer)):
        yield _make_row("computes", visible(computes), None)
    yield _make_row("parameters", f"{layer.formula} = {count(layer.parameters)}", layer.parameters, "bold")


def _describe_unusual(layer: LayerFacts) -> Iterator[str]:
    """Yield what a layer computes, as far as the file states it; nothing for a usual layer."""
    computes = layer.computes
    usual = (computes.activation or "tanh", computes.recurrent_activation or "sigmoid") == ("tanh", "sigmoid")
    turned = bool(computes.go_backwards) and layer.half != "backward"
    if usual and not turned and computes.cell_clip is None:
        return
    if computes.activation is not None:
        yield computes.activation
    if computes.recurrent_activation is not None:
        yield f"gates {computes.recurrent_activation}"
    if turned:
        yield "from the last step to the first"
    if computes.cell_clip is not None:
        yield f"c within ±{computes.cell_clip:g}"


def total_rows(report: Report) -> Iterator[Row]:
    """Yield the sums of parameters: of the layers, of the other layers, of the model."""
    chosen = "all LSTM layers" if len(report.layers) == report.lstms else "these layers"
    apart = report.total not in (None, report.lstm_parameters)
    share = f"{count(report.lstm_parameters)} of {count(report.total or 0)}" if apart else ""
    yield _make_row(chosen, share, report.lstm_parameters)
    if report.total is None:
        yield _make_row("whole model", "not stated in the file", None)
        return
    if report.total != report.lstm_parameters:
        yield _make_row("other layers", "", report.total - report.lstm_parameters)
    yield _make_row("whole model", "", report.total, "bold")


def _make_row(name: str, reason: str, parameters: int | None, style: str = "") -> Row:
    return Row(name, reason, Piece("" if parameters is None else count(parameters), style))
