"""`lstmdump show`: a table for people, or a JSON object per model."""

from __future__ import annotations

from typing import NamedTuple

import click

from lstmdump import record
from lstmdump.cli import terminal
from lstmdump.cli.inputs import Selection, model_options
from lstmdump.cli.run import Run
from lstmdump.limits import Limits
from lstmdump.lstm import GATES
from lstmdump.opening import OpenModel, open_model
from lstmdump.render.text import no_match
from lstmdump.report import Report, describe, select

_EPILOG = """\b
Examples:
  lstmdump weather.h5
  lstmdump show --json -r models/ | jq .parameters
  lstmdump weather.h5 --values -g f
  lstmdump weather.h5 --explain"""


@click.command("show", epilog=_EPILOG)
@model_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model and line.")
@click.option("--all", "with_others", is_flag=True, help="The model's other arrays as well.")
@click.option("--values", is_flag=True, help="The arrays of every gate, and the projection, summarised.")
@click.option("-g", "--gate", "gates", type=click.Choice(list(GATES)), multiple=True,
              help="With --values or --stats: only this gate.")  # fmt: skip
@click.option("--stats", is_flag=True,
              help="Mean, std, extremes, norm per gate; spectral radius of U; the units' time scales.")  # fmt: skip
@click.option("--explain", is_flag=True, help="What it all means: equations, shapes, slices, counts, in words.")
def show_command(
    selection: Selection,
    *,
    as_json: bool,
    with_others: bool,
    values: bool,
    gates: tuple[str, ...],
    stats: bool,
    explain: bool,
) -> int:
    """Show the LSTM layers of each MODEL: shapes with the reason for them, counts, gate order.

    Reads names and shapes only; --values and --stats read the numbers, too.
    """
    if values and as_json:
        raise click.UsageError("--values prints text; for numbers that a program reads, use lstmdump export")
    if explain and as_json:
        raise click.UsageError("--explain prints text; leave one of --explain and --json out")
    values = values or (bool(gates) and not stats)
    if values and as_json:
        raise click.UsageError("--gate goes with --values or --stats")
    chosen_gates = "".join(letter for letter in GATES if letter in gates) or GATES
    wanted = _Wanted(
        selection.layer, selection.limits, chosen_gates, as_json, with_others, values, stats, explain,
        terminal.width(), terminal.colour(),
    )  # fmt: skip
    run = Run(as_json=as_json)
    first = True
    found = False
    with selection.guard() as guard:
        for item in selection.inputs(run.fail):
            found = True
            with run.each(item):
                shown = guard.do(item.path, _show, item.path, wanted)
                if as_json:
                    terminal.write_json(shown.text)
                else:
                    terminal.write(shown.text if first else "\n" + shown.text)
                first = False
                if shown.caution and not selection.quiet:
                    terminal.tell(f"{item.path}: {shown.caution}")
    if not found and not run.status:
        terminal.tell("no model found")
    return run.status


class _Wanted(NamedTuple):
    """What is to be shown of each model; WIDTH and COLOUR are those of the terminal."""

    layer: str | None
    limits: Limits
    gates: str
    as_json: bool
    with_others: bool
    values: bool
    stats: bool
    explain: bool
    width: int | None
    colour: bool


class _Shown(NamedTuple):
    """What is written of a model, and, where there is one, what is told beside."""

    text: str
    caution: str | None


def _show(path: str, wanted: _Wanted) -> _Shown:
    with open_model(path, limits=wanted.limits) as opened:
        report = describe(opened, wanted.layer)
        text = _line(opened, report, wanted) if wanted.as_json else _table(opened, report, wanted)
        return _Shown(text, _nothing_there(report, wanted.layer, len(opened.lstms)))


def _nothing_there(report: Report, layer: str | None, found: int) -> str | None:
    """That a model has no LSTM layer, or none of FOUND that matches LAYER."""
    if report.layers:
        return None
    return no_match(layer, found) if found else "no LSTM layer in this model"


def _line(opened: OpenModel, report: Report, wanted: _Wanted) -> str:
    fields = record.of(report, with_others=wanted.with_others)
    if wanted.stats:
        from lstmdump.render.values import statistics_record
        from lstmdump.statistics import summarise

        chosen = select(opened.lstms, wanted.layer)
        fields["stats"] = {
            lstm.name: statistics_record(summarise(lstm, wanted.gates, producer=opened.producer)) for lstm in chosen
        }
    return record.line(fields)


def _table(opened: OpenModel, report: Report, wanted: _Wanted) -> str:
    from lstmdump.render.table import table

    text = table(report, width=wanted.width, colour=wanted.colour, with_others=wanted.with_others)
    if wanted.explain and report.layers:
        from lstmdump.render.explain import explanation

        chosen = select(opened.lstms, wanted.layer)
        text += "\n" + explanation(chosen, opened.producer, width=wanted.width, colour=wanted.colour)
    if wanted.stats or wanted.values:
        from lstmdump.render import values as numbers
        from lstmdump.statistics import summarise

        chosen = select(opened.lstms, wanted.layer)
        if wanted.stats:
            text += "\n" + numbers.statistics(
                [summarise(lstm, wanted.gates, producer=opened.producer) for lstm in chosen]
            )
        if wanted.values:
            text += "\n" + numbers.arrays(chosen, wanted.gates)
    return text
