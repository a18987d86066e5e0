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
from lstmdump.lstm import LSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.lstm.precedence import unreadable_first
from lstmdump.model.sentences import shared
from lstmdump.report.facts import select, without_lstm
from lstmdump.sandbox.guard import Guard, ModelPath

if TYPE_CHECKING:
    from lstmdump.model.tensor import Array
    from lstmdump.replay.lags import LayerLags
    from lstmdump.replay.matching import GivenArray
    from lstmdump.replay.network import Network, RunOptions
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
        values = given.read("float64")
        wanted = _LagsRequest(
            of or selection.layer, given.into, given.describe(values), running.mask is not None,
            initial_state is not None, running.run_options("float64"),
        )  # fmt: skip
        task = _Task(given, values, running.mask, initial_state, unit, most)
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


class _LagsRequest(NamedTuple):
    """What is to be read of each model.

    Attributes:
        layer: The pattern of the LSTM layers whose last output counts; None for the output of the model.
        into: The name of the layer whose own input the only array is.
        given: What is known of the arrays.
        has_mask: Whether a mask is given.
        has_states: Whether first states are given.
        options: How the layers are run.
    """

    layer: str | None
    into: str | None
    given: Sequence[GivenArray]
    has_mask: bool
    has_states: bool
    options: RunOptions


class _Task(NamedTuple):
    """What is to be computed of each model."""

    given: NetworkInputs
    arrays: Sequence[Array]
    mask: str | None
    initial_state: str | None
    unit: int | None
    most: int | None


def _require_writable(plot: str, models: Sequence[str], arrays: Sequence[str], *, overwrite: bool) -> None:
    from lstmdump.export import pictures

    pictures.require_writable(plot, models, arrays, overwrite=overwrite)


def _compute_lags(item: Input, guard: Guard, wanted: _LagsRequest, task: _Task, *, quiet: bool) -> ModelLags:
    from lstmdump.replay.networks.plan import NetworkPlan
    from lstmdump.report.render.lags import ModelLags

    found = guard.run(_read, item.model, wanted)
    if isinstance(found, NetworkPlan):
        layers, notes = _compute_network(found, task), found.notes
    else:
        if not found.cells and not quiet:
            terminal.tell(f"{item.path}: {found.notes[0]}")
        layers, notes = _compute_alone(found, task)
    own = shared(((layer.name, note) for layer in layers for note in layer.notes), len({one.name for one in layers}))
    return ModelLags(item.path, tuple(layers), (*notes, *own))


def _compute_alone(net: Network, task: _Task) -> tuple[list[LayerLags], tuple[str, ...]]:
    """Return the lags of layers that each take the input, with notes on how they are run."""
    from lstmdump.replay import inputs, lags, omissions, trace

    if not task.arrays:
        return [lags.lags_without_input(cell, unit=task.unit, most=task.most) for cell in net.cells], net.notes
    x = inputs.as_sequences(task.arrays[0], task.given.paths[0], "float64")
    mask = None if task.mask is None else inputs.mask(task.mask, (len(x), x.shape[1]))
    first = {} if task.initial_state is None else trace.first_states(net, task.initial_state, len(x))
    left_out = net.supplied(has_mask=mask is not None, with_states=first).omissions
    layers = [lags.lags(cell, x, unit=task.unit, most=task.most, mask=mask, initial=first.get(cell.name))
              for cell in net.cells]  # fmt: skip
    return layers, (*net.notes, *omissions.notes(left_out, len(net.cells)))


def _compute_network(plan: NetworkPlan, task: _Task) -> list[LayerLags]:
    from lstmdump.replay import inputs, trace
    from lstmdump.replay.networks import lags as network_lags

    if not task.arrays:
        return network_lags.lags_without_input(plan, unit=task.unit, most=task.most)
    signals = trace.give(plan, task.arrays)
    shape = next(iter(signals.values())).values.shape
    mask = None if task.mask is None else inputs.mask(task.mask, (shape[0], shape[1]))
    first = {} if task.initial_state is None else trace.first_states(plan, task.initial_state, shape[0])
    return network_lags.lags(plan, signals, unit=task.unit, most=task.most, mask=mask, initial=first)


def _read(model: ModelPath, wanted: _LagsRequest) -> Network | NetworkPlan:
    """Read what is needed of a model: its network, or LSTM layers alone where it describes none.

    Of a model without LSTM layers, the only note says so.
    """
    from lstmdump.replay import network
    from lstmdump.replay.networks import lags as network_lags

    with model.open() as opened:
        if not opened.lstms:
            return network.Network((), {}, wanted.options, (without_lstm(opened),))
        chosen = select(opened.lstms, wanted.layer)
        described = opened.model.network()
        with unreadable_first(chosen):
            if described is None:
                return _read_alone(opened, select(chosen, wanted.into), wanted)
            asked = network_lags.Asked(
                chosen, wanted.layer is not None, wanted.into, wanted.has_mask, wanted.has_states
            )
            return network_lags.read(opened, described, wanted.given, asked, wanted.options)


def _read_alone(opened: LoadedModel, chosen: Sequence[LSTM], wanted: _LagsRequest) -> Network:
    """Read LSTM layers, each to be run by itself on the same input."""
    from lstmdump.replay import connections, matching, network

    if wanted.given:
        connections.require_width(opened, chosen, matching.require_one(wanted.given).shape[-1], may_chain=False)
    cells, notes = network.read_each(chosen, opened.producer, wanted.options)
    return network.Network(cells, {}, wanted.options, notes, tuple(network.list_omissions(opened, chosen)))


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
