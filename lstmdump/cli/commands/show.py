"""`lstmdump show`: a table for people, or a JSON object per model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import Run
from lstmdump.cli.selection import PATH, Input, Selection, model_options
from lstmdump.errors import NoSuchLayer
from lstmdump.lstm import GATES, LSTM
from lstmdump.lstm.open_model import OpenModel
from lstmdump.report import record
from lstmdump.report.facts import Report, describe, select
from lstmdump.sandbox.guard import Guard, ModelPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lstmdump.report.plot.arrays import LayerNumbers

_EPILOG = """\b
Examples:
  lstmdump weather.h5
  lstmdump show --json -r models/ | jq .parameters
  lstmdump weather.h5 --values -g f
  lstmdump weather.h5 --explain
  lstmdump weather.h5 --plot weather.pdf"""


@click.command("show", epilog=_EPILOG)
@model_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model and line.")
@click.option("--all", "with_others", is_flag=True, help="The model's other arrays as well.")
@click.option("--values", is_flag=True, help="The arrays of every gate, and the projection, summarised.")
@click.option("-g", "--gate", "gates", type=click.Choice(list(GATES)), multiple=True,
              help="With --values, --stats or --plot: only this gate.")  # fmt: skip
@click.option("--stats", is_flag=True,
              help="Mean, std, extremes, norm per gate; spectral radius of U; the units' time scales.")  # fmt: skip
@click.option("--explain", is_flag=True, help="What it all means: equations, shapes, slices, counts, in words.")
@click.option("--plot", metavar="FILE", type=PATH,
              help="Heat maps of every gate, a page for each layer: .pdf, or .png or .svg of one layer.")  # fmt: skip
@click.option("-f", "--force", is_flag=True, help="With --plot: overwrite what is there.")
def show_command(
    selection: Selection,
    *,
    as_json: bool,
    with_others: bool,
    values: bool,
    gates: tuple[str, ...],
    stats: bool,
    explain: bool,
    plot: str | None,
    force: bool,
) -> int:
    """Show the LSTM layers of each MODEL: shapes with the reason for them, counts, gate order.

    Reads names and shapes only; --values, --stats and --plot read the numbers, too.
    """
    if values and as_json:
        raise click.UsageError("--values prints text; for numbers that a program reads, use lstmdump export")
    if explain and as_json:
        raise click.UsageError("--explain prints text; leave one of --explain and --json out")
    values = values or (bool(gates) and not stats and plot is None)
    if values and as_json:
        raise click.UsageError("with --json, --gate goes with --stats or --plot")
    if force and plot is None:
        raise click.UsageError("--force goes with --plot")
    chosen_gates = "".join(letter for letter in GATES if letter in gates) or GATES
    wanted = _ShowRequest(
        selection.layer, chosen_gates, as_json, with_others, values, stats, explain, plot is not None,
        terminal.width(), terminal.colour(),
    )  # fmt: skip
    run = Run(as_json=as_json)
    with selection.guard() as guard:
        inputs = selection.inputs(run.fail)
        if plot is None:
            for _ in _print_each(inputs, guard, wanted, run, quiet=selection.quiet):
                pass
        else:
            named = list(inputs)
            _require_writable(plot, named, overwrite=force)
            guard.start()  # before matplotlib is imported
            layers = _print_each(named, guard, wanted, run, quiet=selection.quiet)
            _plot(layers, plot, overwrite=force, with_model=not selection.names_one)
    return run.status


def _require_writable(path: str, inputs: Iterable[Input], *, overwrite: bool) -> None:
    from lstmdump.export import pictures

    pictures.require_writable(path, [item.path for item in inputs], overwrite=overwrite)


def _plot(layers: Iterator[LayerNumbers], path: str, *, overwrite: bool, with_model: bool) -> None:
    """Draw LAYERS as they come, and save them at PATH."""
    from lstmdump.export import pictures as plot

    def pages() -> Iterator[Figure]:  # matplotlib is imported when `plot` has seen to it that it can be
        from lstmdump.report.plot import heat_maps

        yield from (heat_maps.page(layer, with_model=with_model) for layer in layers)

    plot.save(pages(), path, overwrite=overwrite)


def _print_each(
    inputs: Iterable[Input], guard: Guard, wanted: _ShowRequest, run: Run, *, quiet: bool
) -> Iterator[LayerNumbers]:
    """Print what is WANTED of each model, and give what is to be drawn of it."""
    first = True
    found = False
    for item in inputs:
        found = True
        layers: tuple[LayerNumbers, ...] = ()
        with run.each(item):
            shown = guard.run(_show, item.model, wanted)
            if wanted.as_json:
                terminal.write_json(shown.text)
            else:
                terminal.write(shown.text if first else "\n" + shown.text)
            first = False
            if shown.caution and not quiet:
                terminal.tell(f"{item.path}: {shown.caution}")
            layers = shown.layers
        yield from layers
    if not found and not run.status:
        terminal.tell("no model found")


class _ShowRequest(NamedTuple):
    """What is to be shown of each model; WIDTH and COLOUR are those of the terminal."""

    layer: str | None
    gates: str
    as_json: bool
    with_others: bool
    values: bool
    stats: bool
    explain: bool
    plot: bool
    width: int | None
    colour: bool


class _Shown(NamedTuple):
    """What is written of a model; where there is something, what is told beside, and what is drawn."""

    text: str
    caution: str | None
    layers: tuple[LayerNumbers, ...] = ()


def _show(model: ModelPath, wanted: _ShowRequest) -> _Shown:
    with model.open() as opened:
        try:
            chosen = select(opened.lstms, wanted.layer)
            caution = None if chosen else "no LSTM layer in this model"
        except NoSuchLayer as error:
            chosen, caution = (), str(error)
        report, show = describe(opened, chosen), _make_line if wanted.as_json else _make_table
        return _Shown(show(opened, chosen, report, wanted), caution, _read_drawn(opened, chosen, wanted))


def _read_drawn(opened: OpenModel, chosen: tuple[LSTM, ...], wanted: _ShowRequest) -> tuple[LayerNumbers, ...]:
    """Read what is to be drawn."""
    if not wanted.plot:
        return ()
    from lstmdump.report.plot import arrays as numbers

    return tuple(numbers.read(lstm, opened.path, wanted.gates) for lstm in chosen)


def _make_line(opened: OpenModel, chosen: tuple[LSTM, ...], report: Report, wanted: _ShowRequest) -> str:
    fields = record.of(report, with_others=wanted.with_others)
    if wanted.stats:
        from lstmdump.replay.statistics import summarise
        from lstmdump.report.render.values import statistics_record

        fields["stats"] = {
            lstm.name: statistics_record(summarise(lstm, wanted.gates, producer=opened.producer)) for lstm in chosen
        }
    return record.line(fields)


def _make_table(opened: OpenModel, chosen: tuple[LSTM, ...], report: Report, wanted: _ShowRequest) -> str:
    from lstmdump.report.render.table import table

    text = table(report, width=wanted.width, colour=wanted.colour, with_others=wanted.with_others)
    if wanted.explain and report.layers:
        from lstmdump.report.explain import explanation

        text += "\n" + explanation(chosen, opened.producer, width=wanted.width, colour=wanted.colour)
    if wanted.stats or wanted.values:
        from lstmdump.replay.statistics import summarise
        from lstmdump.report.render import values as numbers

        if wanted.stats:
            text += "\n" + numbers.statistics(
                [summarise(lstm, wanted.gates, producer=opened.producer) for lstm in chosen]
            )
        if wanted.values:
            text += "\n" + numbers.arrays(chosen, wanted.gates)
    return text
