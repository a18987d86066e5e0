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

_FORMATS = {"keras-h5": "Keras HDF5"}
_USUAL_DTYPE = "float32"
_NARROWEST = 20
_INDENT = 2
_GAP = 2

Row = tuple[Text, Text, Text]


def table(report: Report, *, width: int | None, colour: bool, with_others: bool = False) -> str:
    """The report as text for people.

    WIDTH is the terminal's. None is no terminal: as wide as the text needs, so that no line is folded.
    """
    blocks = list(_blocks(report, with_others=with_others))
    file = StringIO()
    console = Console(
        file=file,
        width=10_000 if width is None else max(width, _NARROWEST),
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
    )
    if not colour:
        console.no_color = True
    for line in _head(report):
        console.print(line)
    widths = _widths([row for _, rows in blocks for row in rows])
    for title, rows in blocks:
        console.print()
        if title is not None:
            console.print(title)
        console.print(_grid(rows, widths))
    for line in _notes(report):
        console.print(line)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _head(report: Report) -> Iterator[ConsoleRenderable]:
    found = plural(len(report.layers), "LSTM layer") if report.layers else "no LSTM layer"
    yield Text(visible(report.model), "bold", overflow="fold")
    yield Text(f"{_FORMATS.get(report.format, report.format)} · {visible(report.producer)} · {found}")


def _notes(report: Report) -> Iterator[ConsoleRenderable]:
    if report.notes:
        yield Text()
    for note in report.notes:
        hanging = Table.grid(padding=0)
        hanging.add_row(Text("note: ", "yellow"), Text(visible(note), overflow="fold"))
        yield hanging


def _blocks(report: Report, *, with_others: bool) -> Iterator[tuple[ConsoleRenderable | None, list[Row]]]:
    """A title and rows per layer, then the other arrays if they are wanted, then the totals."""
    for layer in report.layers:
        yield _title(layer), list(_layer_rows(layer))
    if with_others and report.others:
        rows = [_row(visible(other.tensor), str(other.shape), other.parameters) for other in report.others]
        yield Text("other arrays", "bold"), rows
    if report.layers or with_others:
        yield None, list(_total_rows(report))


def _title(layer: LayerFacts) -> ConsoleRenderable:
    name = Text(visible(layer.name), "bold cyan", overflow="fold")
    return Text.assemble(name, "  ", " · ".join(_about(layer)), overflow="fold")


def _about(layer: LayerFacts) -> Iterator[str]:
    yield visible(layer.kind)
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
        yield f"forget bias +{layer.forget_bias:g} at run time"
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
    yield _row("all LSTM layers", "", report.lstm_parameters)
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


def _grid(rows: list[Row], widths: tuple[int, ...]) -> ConsoleRenderable:
    """ROWS with the same columns as every other grid of the table, as far as the terminal is wide enough."""
    grid = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    grid.add_column(width=widths[0])
    grid.add_column(width=widths[1], no_wrap=True)
    grid.add_column(width=widths[2], justify="right", no_wrap=True)
    for row in rows:
        grid.add_row(*row)
    return Padding(grid, (0, 0, 0, _INDENT))
