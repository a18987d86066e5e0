"""`lstmdump lags`: show how much of the last output comes from each step of the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import FAILED, Run
from lstmdump.cli.output_format import json_options
from lstmdump.cli.replay_options import Running, running_options
from lstmdump.cli.selection import PATH, Input, Selection, model_options
from lstmdump.lstm.precedence import unreadable_first
from lstmdump.model.sentences import shared
from lstmdump.report.facts import select, without_lstm
from lstmdump.sandbox.guard import Guard, ModelPath

if TYPE_CHECKING:
    from lstmdump.model.tree import Source
    from lstmdump.replay.cell import CellNumbers
    from lstmdump.replay.lags import LayerLags
    from lstmdump.replay.network import RunOptions
    from lstmdump.replay.trace import Given
    from lstmdump.report.render.lags import ModelLags

_EPILOG = """\b
Examples:
  lstmdump lags weather.h5 -i x.npy
  lstmdump lags weather.h5 -i x.npy --by-feature --plot lags.pdf
  lstmdump lags weather.h5 -i x.npy --json | jq '.layers[].lag_95'"""


@click.command("lags", epilog=_EPILOG)
@model_options
@click.option("-i", "--input", "x", metavar="X.npy", type=PATH,
              help="Real inputs: (length, d) or (batch, length, d). Without them, x = 0, which says less.")  # fmt: skip
@click.option("--unit", metavar="N", type=click.IntRange(min=0),
              help="Only this unit of h_T, counted from 0; all units by default.")  # fmt: skip
@click.option("--by-feature", is_flag=True, help="Show the share of each input feature as well.")
@click.option("--lags", "most", metavar="N", type=click.IntRange(min=1), help="Only lags below N.")
@running_options
@click.option("--plot", metavar="OUT", type=PATH, help="Draw the bars to OUT: .png, .svg or .pdf.")
@click.option("-f", "--force", is_flag=True, help="With --plot: overwrite an existing file.")
@json_options("One JSON object per model and line.")
def lags_command(
    selection: Selection,
    *,
    running: Running,
    x: str | None,
    unit: int | None,
    by_feature: bool,
    most: int | None,
    plot: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Show how much of the last output of each LSTM layer comes from x_{T-k}, k steps before the last: t-k.

    For every lag k, this is the norm of the Jacobian ∂h_T/∂x_{T-k} (exact, by the chain rule through all steps, mean
    over the sequences) and its share of the sum; then, the lags that have 95 % of the sum. How far an LSTM looks back
    depends on the inputs, not on the weights alone: give real ones.

    t-0 is the last step given, which whoever predicts t calls t-1. T is the last step that the layer processes: if the
    layer goes backwards, t-k is step k of the input.
    """
    if running.mask is not None and x is None:
        raise click.UsageError("--mask goes with --input")
    if plot is None and force:
        raise click.UsageError("--force goes with --plot")
    wanted = running.run_options("float64")
    computed: list[LayerLags] = []
    with Run(as_json=as_json, verb="computed", quiet=selection.quiet) as run, selection.guard() as guard:
        inputs = list(selection.inputs(run.fail, run.pass_over))
        if plot is not None:
            arrays = [path for path in (x, running.mask) if path is not None]
            _require_writable(plot, [item.path for item in inputs], arrays, overwrite=force)
        given = _read_inputs(x, running.mask)
        with terminal.progress(inputs, len(inputs), unit="models", quiet=selection.quiet) as items:
            for item in items:
                with run.each(item):
                    lags = _compute_lags(item, guard, selection, wanted, given, unit, most)
                    _print(lags, as_json=as_json, by_feature=by_feature, first=not computed)
                    computed += lags.layers
                    if not lags.layers:
                        run.skip()
                    _report_gaps(lags, run)
        drawn = [layer for layer in computed if layer.norms]
        if plot is not None and drawn:
            _draw(drawn, plot, by_feature=by_feature, overwrite=force)
        run.require_models()
        if not computed and not run.status:
            if selection.quiet or not selection.names_one:  # a single named model has its own message already
                terminal.tell("no LSTM layer found")
            run.status = FAILED
    return run.status


def _require_writable(plot: str, models: Sequence[str], arrays: Sequence[str], *, overwrite: bool) -> None:
    from lstmdump.export import pictures

    pictures.require_writable(plot, models, arrays, overwrite=overwrite)


def _read_inputs(x: str | None, mask: str | None) -> Given | None:
    from lstmdump.replay import inputs
    from lstmdump.replay.trace import Given

    if x is None:
        return None
    values = inputs.sequences(x, "float64")
    return Given(values, None if mask is None else inputs.mask(mask, (values.shape[0], values.shape[1])))


def _compute_lags(
    item: Input, guard: Guard, selection: Selection, wanted: RunOptions, given: Given | None, unit: int | None,
    most: int | None,
) -> ModelLags:  # fmt: skip
    from lstmdump.report.render.lags import ModelLags

    input_dim = None if given is None else given.x.shape[2]
    cells, notes = guard.run(_read, item.model, selection.layer, wanted, input_dim)
    if not cells and not selection.quiet:
        terminal.tell(f"{item.path}: {notes[0]}")
    layers = [_compute_layer_lags(cell, given, unit, most) for cell in cells]
    own = shared(((layer.name, note) for layer in layers for note in layer.notes), len(layers))
    return ModelLags(item.path, tuple(layers), (*notes, *own))


def _compute_layer_lags(cell: CellNumbers, given: Given | None, unit: int | None, most: int | None) -> LayerLags:
    from lstmdump.replay import lags

    if given is None:
        return lags.lags_without_input(cell, unit=unit, most=most)
    return lags.lags(cell, given.x, unit=unit, most=most, mask=given.mask)


def _read(
    model: ModelPath, layer: str | None, wanted: RunOptions, input_dim: int | None
) -> tuple[Sequence[CellNumbers], Sequence[str]]:
    """Return the layers of a model, and notes; without layers, the note that says so.

    With `input_dim`, the layers must take that many numbers a step.
    """
    from lstmdump.replay import connections, network

    with model.open() as opened:
        if not opened.lstms:
            return (), (without_lstm(opened),)
        chosen = select(opened.lstms, layer)
        with unreadable_first(chosen):
            if input_dim is not None:
                connections.require_width(opened, chosen, input_dim, may_chain=False)
            cells, notes = network.read_each(chosen, opened.producer, wanted)
        sources = {} if input_dim is None else connections.sources_by_name(opened)
        follow = (_note_source(lstm.name, sources[lstm.name]) for lstm in chosen if lstm.name in sources)
        return cells, (*notes, *follow)


def _note_source(name: str, source: Source) -> str:
    """Return the note that the input given replaces the output that the layer `name` takes in the model."""
    return f"{name}: takes the input given, although in the model it takes the output of {' and '.join(source.names)}"


def _print(lags: ModelLags, *, as_json: bool, by_feature: bool, first: bool) -> None:
    """Print `lags` and flush, because the next model may take long."""
    from lstmdump.report.render import lags as render

    if as_json:
        terminal.write_json(render.json_line(lags, by_feature=by_feature))
    elif lags.layers:
        shown = render.text(lags, width=terminal.width(), by_feature=by_feature)
        terminal.write(shown if first else "\n" + shown)
        terminal.flush()


def _report_gaps(lags: ModelLags, run: Run) -> None:
    """Report the layers for which there are no numbers."""
    from lstmdump.report.render.lags import explain_gaps

    if gaps := explain_gaps(lags.layers):
        run.fail(lags.model, "; ".join(gaps), has_record=True)


def _draw(layers: list[LayerLags], path: str, *, by_feature: bool, overwrite: bool) -> None:
    from lstmdump.export import pictures as plot

    def figures() -> Iterator[Any]:  # matplotlib is imported only after `save` has checked that it is installed
        from lstmdump.report.plot.lags import figure

        yield from (figure(layer, by_feature=by_feature) for layer in layers)

    plot.save(figures(), path, overwrite=overwrite)
