"""The table of `show`: every shape with its reason, every count with its closed form.

The column of parameters adds up: the arrays of a layer to the layer, the layers and all else to the whole model.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

from rich.console import Console, ConsoleRenderable
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lstmdump.names import visible
from lstmdump.render.text import count, plural, shape_with_reason
from lstmdump.report import LayerFacts, Report

_FORMATS = {"keras-h5": "Keras HDF5", "keras-weights-h5": "Keras weights", "keras-zip": "Keras model",
            "saved-model": "SavedModel", "tf-checkpoint": "TensorFlow checkpoint",
            "tf-graph": "TensorFlow graph"}  # fmt: skip
_USUAL_DTYPE = "float32"
_NARROWEST = 40
_SHORTEST = 12
_UNBOUNDED = 10_000
_INDENT = 2
_GAP = 2
_DOT = " · "
_NAME, _REASON, _COUNT = range(3)

Row = tuple[Text, Text, Text]


def table(report: Report, *, width: int | None, colour: bool, with_others: bool = False) -> str:
    """The report as text for people.

    WIDTH is the terminal's. None is no terminal: as wide as the text needs, so that no line is folded.
    """
    file = StringIO()
    console = Console(
        file=file,
        width=_UNBOUNDED if width is None else max(width, _NARROWEST),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
        highlight=False,
    )
    rows = [list(_layer_rows(layer)) for layer in report.layers]
    totals = list(_total_rows(report)) if report.layers or with_others else []
    widths = _widths([*(row for block in rows for row in block), *totals])
    _print_head(console, report)
    for layer, block in zip(report.layers, rows, strict=True):
        _print_title(console, layer)
        console.print(_grid(block, widths, folds=_REASON, within=console.width))
    if with_others and report.others:
        _print_others(console, report)
    if totals:
        console.print()
        console.print(_grid(totals, widths, folds=_REASON, within=console.width))
    _print_notes(console, report)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _print_head(console: Console, report: Report) -> None:
    found = plural(report.lstms, "LSTM layer") if report.lstms else "no LSTM layer"
    if len(report.layers) < report.lstms:
        found = f"{len(report.layers)} of {found}"
    console.print(Text(visible(report.model), "bold", overflow="fold"))
    console.print(Text(f"{_FORMATS.get(report.format, report.format)} · {visible(report.producer)} · {found}"))


def _print_title(console: Console, layer: LayerFacts) -> None:
    """The name and what it names, on one line, or on two where one is too short."""
    name = Text.assemble((visible(layer.name), "bold cyan"), "  ", visible(layer.kind), overflow="fold")
    about = " · ".join(_about(layer))
    console.print()
    if name.cell_len + len(_DOT) + len(about) <= console.width:
        console.print(name.append(_DOT + about))
    else:
        console.print(name)
        console.print(Padding(Text(about), (0, 0, 0, _INDENT)))


def _print_others(console: Console, report: Report) -> None:
    rows = [_row(visible(other.tensor), str(other.shape), other.parameters) for other in report.others]
    console.print()
    console.print(Text("other arrays", "bold"))
    console.print(_grid(rows, _widths(rows), folds=_NAME, within=console.width))


def _print_notes(console: Console, report: Report) -> None:
    if report.notes:
        console.print()
    for note in report.notes:
        hanging = Table.grid(padding=0)
        hanging.add_row(Text("note: ", "yellow"), Text(visible(note), overflow="fold"))
        console.print(hanging)


def _about(layer: LayerFacts) -> Iterator[str]:
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
        yield ", ".join(dtypes)


def _layer_rows(layer: LayerFacts) -> Iterator[Row]:
    for weight in layer.weights:
        yield _row(weight.name, shape_with_reason(weight.shape, weight.formula), weight.parameters, "dim")
    if layer.gate_columns is not None:
        columns = " · ".join(f"{gate} {start}:{stop}" for gate, (start, stop) in layer.gate_columns.items())
        yield _row("columns", columns, None)
    yield _row("parameters", f"{layer.formula} = {count(layer.parameters)}", layer.parameters, "bold")


def _total_rows(report: Report) -> Iterator[Row]:
    chosen = "all LSTM layers" if len(report.layers) == report.lstms else "these layers"
    apart = report.total not in (None, report.lstm_parameters)
    share = f"{count(report.lstm_parameters)} of {count(report.total or 0)}" if apart else ""
    yield _row(chosen, share, report.lstm_parameters)
    if report.total is None:
        yield _row("whole model", "the file does not tell", None)
        return
    if report.total != report.lstm_parameters:
        yield _row("all else", "", report.total - report.lstm_parameters)
    yield _row("whole model", "", report.total, "bold")


def _row(name: str, reason: str, parameters: int | None, style: str = "") -> Row:
    number = "" if parameters is None else count(parameters)
    return Text(name, overflow="fold"), Text(reason, overflow="fold"), Text(number, style)


def _widths(rows: list[Row]) -> tuple[int, ...]:
    return tuple(max((cell.cell_len for cell in column), default=0) for column in zip(*rows, strict=True))


def _grid(rows: list[Row], widths: tuple[int, ...], *, folds: int, within: int) -> ConsoleRenderable:
    """ROWS in columns of WIDTHS; the column FOLDS gives way where they do not fit WITHIN the terminal."""
    spare = within - _INDENT - _GAP * (len(widths) - 1) - sum(widths[:folds] + widths[folds + 1 :])
    grid = Table.grid(padding=0)  # the gap is part of the columns' width: releases of rich count padding differently
    for index, width in enumerate(widths):
        fitting = min(width, max(spare, _SHORTEST)) if index == folds else width
        gap = 0 if index == _COUNT else _GAP
        grid.add_column(width=fitting + gap, justify="right" if index == _COUNT else "left")
    for row in rows:
        grid.add_row(*row)
    return Padding(grid, (0, 0, 0, _INDENT))
