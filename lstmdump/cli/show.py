"""`lstmdump show`: a table for people, or a JSON object per model."""

from __future__ import annotations

import click

from lstmdump import record
from lstmdump.cli import terminal
from lstmdump.cli.inputs import Selection, model_options
from lstmdump.cli.run import Run
from lstmdump.lstm import GATES
from lstmdump.opening import OpenModel, open_model
from lstmdump.render.text import no_match
from lstmdump.report import Report, describe, select

_EPILOG = """\b
Examples:
  lstmdump weather.h5
  lstmdump show --json -r models/ | jq .parameters
  lstmdump weather.h5 --values -g f"""


@click.command("show", epilog=_EPILOG)
@model_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model and line.")
@click.option("--all", "with_others", is_flag=True, help="The model's other arrays as well.")
@click.option("--values", is_flag=True, help="The arrays of every gate, and the projection, summarised.")
@click.option("-g", "--gate", "gates", type=click.Choice(list(GATES)), multiple=True,
              help="With --values or --stats: only this gate.")  # fmt: skip
@click.option("--stats", is_flag=True, help="Mean, std, min, max and norm per gate, and the forget gate's time scale.")
def show_command(
    selection: Selection,
    *,
    as_json: bool,
    with_others: bool,
    values: bool,
    gates: tuple[str, ...],
    stats: bool,
) -> int:
    """Show the LSTM layers of each MODEL: shapes with the reason for them, counts, gate order.

    Reads names and shapes only; --values and --stats read the numbers, too.
    """
    if values and as_json:
        raise click.UsageError("--values prints text; for numbers that a program reads, use lstmdump export")
    values = values or (bool(gates) and not stats)
    if values and as_json:
        raise click.UsageError("--gate goes with --values or --stats")
    chosen_gates = "".join(letter for letter in GATES if letter in gates) or GATES
    run = Run(as_json=as_json)
    first = True
    found = False
    for item in selection.inputs(run.fail):
        found = True
        with run.each(item), open_model(item.path, limits=selection.limits) as opened:
            report = describe(opened, selection.layer)
            if as_json:
                fields = record.of(report, with_others=with_others)
                if stats:
                    _add_statistics(fields, opened, selection.layer, chosen_gates)
                terminal.write_json(record.line(fields))
            else:
                text = _text(
                    opened, report, selection.layer, chosen_gates, with_others=with_others, values=values, stats=stats
                )
                terminal.write(text if first else "\n" + text)
            first = False
            if not selection.quiet:
                _tell_if_empty(report, selection.layer, len(opened.lstms))
    if not found and not run.status:
        terminal.tell("no model found")
    return run.status


def _tell_if_empty(report: Report, layer: str | None, found: int) -> None:
    """Say on stderr that a model has no LSTM layer, or none of FOUND that matches LAYER."""
    if report.layers:
        return
    if found:
        terminal.tell(f"{report.model}: {no_match(layer, found)}")
    else:
        terminal.tell(f"{report.model}: no LSTM layer in this model")


def _text(
    opened: OpenModel, report: Report, layer: str | None, gates: str, *, with_others: bool, values: bool, stats: bool
) -> str:
    from lstmdump.render.table import table

    text = table(report, width=terminal.width(), colour=terminal.colour(), with_others=with_others)
    if stats or values:
        from lstmdump.render import values as numbers
        from lstmdump.statistics import summarise

        chosen = select(opened.lstms, layer)
        if stats:
            text += "\n" + numbers.statistics([summarise(lstm, gates) for lstm in chosen])
        if values:
            text += "\n" + numbers.arrays(chosen, gates)
    return text


def _add_statistics(fields: dict[str, object], opened: OpenModel, layer: str | None, gates: str) -> None:
    from lstmdump.render.values import statistics_record
    from lstmdump.statistics import summarise

    chosen = select(opened.lstms, layer)
    fields["stats"] = {lstm.name: statistics_record(summarise(lstm, gates)) for lstm in chosen}
