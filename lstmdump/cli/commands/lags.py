"""`lstmdump lags`: show how much of the last output comes from each step of the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import FAILED, Run
from lstmdump.cli.output_format import json_options
from lstmdump.cli.replay_options import NetworkInputs, Running, network_input_options, running_options
from lstmdump.cli.selection import PATH, Input, Selection, model_options
from lstmdump.errors import BadInput, CannotReplay
from lstmdump.python import influence
from lstmdump.sandbox.guard import Guard, ModelPath

if TYPE_CHECKING:
    from lstmdump.python.given import RunInputs
    from lstmdump.replay.lags import LayerLags
    from lstmdump.replay.network import Network
    from lstmdump.replay.networks.plan import NetworkPlan
    from lstmdump.report.render.lags import ModelLags

_EPILOG = """\b
Examples:
  lstmdump lags weather.h5 -i x.npy
  lstmdump lags weather.h5 -i x.npy --by-feature --plot lags.pdf
  lstmdump lags weather.h5 -i x.npy --of lstm_1
  lstmdump lags weather.h5 -i x.npy --json | jq '.layers[].lag_95'"""


@click.command("lags", epilog=_EPILOG)
@model_options
@network_input_options(
    required=False,
    words="Real inputs, (batch, …); NAME=X.npy for each of several. Without them, x = 0, which says less.",
)
@click.option("--of", metavar="LAYER", help="Take the last output of this LSTM layer, not that of the model.")
@click.option("--unit", metavar="N", type=click.IntRange(min=0),
              help="Only this unit of the output, counted from 0; all units by default.")  # fmt: skip
@click.option("--by-feature", is_flag=True, help="Show the share of each input feature as well.")
@click.option("--lags", "most", metavar="N", type=click.IntRange(min=1), help="Only lags below N.")
@running_options
@click.option("--initial-state", metavar="STATE.npz", type=PATH,
              help="Start from the h and c in this file, as trace does, not from those of the model.")  # fmt: skip
@click.option("--plot", metavar="OUT", type=PATH, help="Draw the bars to OUT: .png, .svg or .pdf.")
@click.option("-f", "--force", is_flag=True, help="With --plot: overwrite an existing file.")
@json_options("One JSON object per model and line.")
def lags_command(
    selection: Selection,
    *,
    running: Running,
    given: NetworkInputs,
    of: str | None,
    unit: int | None,
    by_feature: bool,
    most: int | None,
    initial_state: str | None,
    plot: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Show how much of the last output comes from x_{T-k}, k steps before the last: t-k.

    The output is y, that of the model, if it can be computed up to there, else h_T of its LSTM layers. For every lag
    k, this is the norm of the Jacobian ∂y/∂x_{T-k} (exact, by the chain rule through all layers and steps, mean over
    the sequences) and its share of the sum; then, the lags that have 95 % of the sum. How far a model looks back
    depends on the inputs, not on the weights alone: give real ones.

    t-0 is the last step given, which whoever predicts t calls t-1. Of an Embedding, the vectors count.
    """
    for option, path in (("--mask", running.mask), ("--initial-state", initial_state)):
        if path is not None and not given.words:
            raise click.UsageError(f"{option} goes with --input")
    if plot is None and force:
        raise click.UsageError("--force goes with --plot")
    computed: list[LayerLags] = []
    with Run(as_json=as_json, verb="computed", quiet=selection.quiet) as run, selection.guard() as guard:
        inputs = list(selection.inputs(run.fail, run.pass_over))
        if plot is not None:
            arrays = [path for path in (*given.paths, running.mask, initial_state) if path is not None]
            _require_writable(plot, [item.path for item in inputs], arrays, overwrite=force)
        supplied = given.gather(influence.DTYPE, mask=running.mask, initial=initial_state)
        wanted = influence.LagsRequest(
            of or selection.layer, given.into, supplied.describe(), running.mask is not None,
            initial_state is not None, running.run_options(influence.DTYPE),
        )  # fmt: skip
        task = _Task(supplied, unit, most)
        with terminal.progress(inputs, len(inputs), unit="models", quiet=selection.quiet) as items:
            for item in items:
                with run.each(item):
                    lags = _compute_lags(item, guard, wanted, task, quiet=selection.quiet)
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


class _Task(NamedTuple):
    """What is to be computed of each model."""

    given: RunInputs
    unit: int | None
    most: int | None


def compute(item: Input, guard: Guard, given: RunInputs, layer: str | None) -> ModelLags:
    """Compute the lags of a model for `given`, of its output, or of the LSTM layers that match `layer`.

    Raises:
        LstmdumpError: See `lstmdump.python.influence.read` and `compute` there.
    """
    from lstmdump.replay.network import RunOptions

    options = RunOptions(influence.DTYPE)
    wanted = influence.LagsRequest(layer, None, given.describe(), has_mask=False, has_states=False, options=options)
    try:
        return _compute_lags(item, guard, wanted, _Task(given, None, None), quiet=True)
    except (BadInput, CannotReplay) as error:  # which name an option that only this command has
        raise type(error)(str(error).replace("--into LAYER", "lstmdump lags --into LAYER")) from error


def _require_writable(plot: str, models: Sequence[str], arrays: Sequence[str], *, overwrite: bool) -> None:
    from lstmdump.export import pictures

    pictures.require_writable(plot, models, arrays, overwrite=overwrite)


def _compute_lags(item: Input, guard: Guard, wanted: influence.LagsRequest, task: _Task, *, quiet: bool) -> ModelLags:
    from lstmdump.replay.network import Network

    found = guard.run(_read, item.model, wanted)
    if isinstance(found, Network) and not found.cells and not quiet:
        terminal.tell(f"{item.path}: {found.notes[0]}")
    return influence.compute(item.path, found, task.given, unit=task.unit, most=task.most)


def _read(model: ModelPath, wanted: influence.LagsRequest) -> Network | NetworkPlan:
    with model.open() as opened:
        return influence.read(opened, wanted)


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
