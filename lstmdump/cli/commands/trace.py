"""`lstmdump trace`: write the states and gates of every step of an input to an `.npz` file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import Run
from lstmdump.cli.output_format import json_options
from lstmdump.cli.replay_options import Running, running_options
from lstmdump.cli.selection import PATH, Input, Selection, one_model_options
from lstmdump.errors import NoLSTM
from lstmdump.lstm.precedence import unreadable_first
from lstmdump.model.escape import visible
from lstmdump.report.facts import describe, select, without_lstm
from lstmdump.sandbox.guard import ModelPath

if TYPE_CHECKING:
    from lstmdump.export.states import StatesFile
    from lstmdump.replay.equations import CellNumbers, States
    from lstmdump.replay.network import Network, RunOptions
    from lstmdump.replay.saturation import LayerSummary
    from lstmdump.replay.trace import Given
    from lstmdump.report.facts import Report

_EPILOG = """\b
Examples:
  lstmdump trace weather.h5 -i x.npy -o states.npz
  lstmdump trace stacked.keras -i x.npy -o states.npz --chain --stats
  python -c "import numpy; print(numpy.load('states.npz')['lstm_1/c'].shape)\""""


@click.command("trace", epilog=_EPILOG)
@one_model_options
@click.option("-i", "--input", "x", metavar="X.npy", required=True, type=PATH,
              help="The input: (length, d) or (batch, length, d).")  # fmt: skip
@click.option("-o", "--output", "out", metavar="OUT.npz", required=True, type=PATH, help="File to write the states to.")
@running_options
@click.option("--initial-state", metavar="STATE.npz", type=PATH,
              help="Start from the h and c in this file, (m,) or (batch, m), instead of 0; for several layers, "
                   "<layer>/h and <layer>/c.")  # fmt: skip
@click.option("--chain", is_flag=True, help="Feed each layer the output of the layer that it directly follows.")
@click.option("--dtype", type=click.Choice(("float32", "float64")), default="float32", show_default=True,
              help="Type of all numbers.")  # fmt: skip
@click.option("--stats", is_flag=True, help="Print statistics of the gates: mean, std, extremes, share saturated.")
@click.option("--compress", is_flag=True, help="Compress the arrays (deflate).")
@click.option("-f", "--force", is_flag=True, help="Overwrite an existing file.")
@json_options("Print one JSON object.")
def trace_command(
    selection: Selection,
    *,
    running: Running,
    x: str,
    out: str,
    initial_state: str | None,
    chain: bool,
    dtype: str,
    stats: bool,
    compress: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Run the LSTM layers of MODEL on an input, and write the states of every step: <layer>/h, c, i, f, o, candidate.

    Each array is (batch, length, m). The layers run in numpy, with the settings in the file. Several layers each take
    the input itself or, with --chain, the output of the previous layer.
    """
    from lstmdump.export import states
    from lstmdump.replay import inputs, trace

    run, item = Run(as_json=as_json), selection.named(selection.models[0])
    file = states.StatesFile(out, compress, force)
    wanted = running.run_options(dtype, chain=chain)
    values = inputs.sequences(x, dtype)
    try:
        with selection.guard() as guard:
            states.require_writable(file, item.path, [path for path in (x, running.mask, initial_state) if path])
            net, report = guard.run(_read_network, item.model, selection.layer, values.shape[2], wanted)
    except Exception as error:  # noqa: BLE001 - any failure of the model or of the output is reported
        run.fail(item.path, terminal.sentence(error))
        return run.status
    passed = None if running.mask is None else inputs.mask(running.mask, values.shape[:2])
    first = {} if initial_state is None else trace.first_states(net, initial_state, len(values))
    with run.each(item):
        _trace(item, net, report, trace.Given(values, passed, first), file, stats=stats, as_json=as_json)
        for note in () if selection.quiet else net.notes_on_states:
            terminal.tell(f"{item.path}: {note}")
    return run.status


def _read_network(model: ModelPath, layer: str | None, input_dim: int, wanted: RunOptions) -> tuple[Network, Report]:
    """Read the chosen layers of a model, and describe it."""
    from lstmdump.replay import network

    with model.open() as opened:
        if not opened.lstms:
            raise NoLSTM(without_lstm(opened))
        chosen = select(opened.lstms, layer)
        with unreadable_first(chosen):
            return network.read(opened, chosen, input_dim, wanted), describe(opened)


def _trace(
    item: Input, net: Network, report: Report, on: Given, file: StatesFile, *, stats: bool, as_json: bool
) -> None:
    from lstmdump.export import states as export
    from lstmdump.replay.saturation import summarise
    from lstmdump.report.render import trace as render

    summaries: list[LayerSummary] = []

    def look(cell: CellNumbers, states: States) -> None:
        if stats or as_json:
            summaries.append(summarise(cell, states, on.mask))

    size = export.write(net, on, file, report=report, seen=look)
    if as_json:
        terminal.write_json(render.json_line(net, summaries, item.path, file.path, size, with_statistics=stats))
        return
    terminal.write(visible(file.path) + "\n")
    if stats:
        terminal.write("\n" + render.statistics(summaries))
    terminal.flush()
