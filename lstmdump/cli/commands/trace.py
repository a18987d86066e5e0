"""`lstmdump trace`: run a model on an input, and write the states of its LSTM layers to an `.npz` file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import Run
from lstmdump.cli.output_format import json_options
from lstmdump.cli.replay_options import NetworkInputs, Running, network_input_options, running_options
from lstmdump.cli.selection import PATH, Input, Selection, one_model_options
from lstmdump.model.escape import visible
from lstmdump.python import tracing
from lstmdump.report.facts import describe
from lstmdump.sandbox.guard import ModelPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lstmdump.export.states import StatesFile
    from lstmdump.model.tensor import Array
    from lstmdump.replay.equations import CellNumbers, States
    from lstmdump.replay.matching import GivenArray
    from lstmdump.replay.network import Network
    from lstmdump.replay.networks.plan import NetworkPlan
    from lstmdump.replay.saturation import LayerSummary
    from lstmdump.replay.trace import Given
    from lstmdump.report.facts import Report
    from lstmdump.report.plot.sequences import DrawnSequence

_EPILOG = """\b
Examples:
  lstmdump trace weather.h5 -i x.npy -o states.npz
  lstmdump trace translate.keras -i words=x.npy -i before=y.npy -o states.npz
  lstmdump trace stacked.keras -i x.npy --into lstm_2 -o states.npz --stats
  lstmdump trace weather.h5 -i x.npy -o states.npz --plot states.pdf
  python -c "import numpy; print(numpy.load('states.npz')['lstm_1/c'].shape)\""""


@click.command("trace", epilog=_EPILOG)
@one_model_options
@network_input_options(
    required=True, words="The input of the model, (batch, …) or one sequence; NAME=X.npy for each of several inputs."
)
@click.option("-o", "--output", "out", metavar="OUT.npz", required=True, type=PATH, help="File to write the states to.")
@running_options
@click.option("--initial-state", metavar="STATE.npz", type=PATH,
              help="Start from the h and c in this file, (m,) or (batch, m), not from those of the model; for several "
                   "layers, <layer>/h and <layer>/c.")  # fmt: skip
@click.option("--chain", is_flag=True,
              help="Feed each layer the output of the one before, where the file describes no network.")  # fmt: skip
@click.option("--dtype", type=click.Choice(("float32", "float64")), default="float32", show_default=True,
              help="Type of all numbers.")  # fmt: skip
@click.option("--stats", is_flag=True, help="Print statistics of the gates: mean, std, extremes, share saturated.")
@click.option("--plot", metavar="FILE", type=PATH,
              help="Draw the states of the first sequence as heat maps, a page for each layer: .pdf; .png or .svg for "
                   "one.")  # fmt: skip
@click.option("--compress", is_flag=True, help="Compress the arrays (deflate).")
@click.option("-f", "--force", is_flag=True, help="Overwrite existing files.")
@json_options("Print one JSON object.")
def trace_command(
    selection: Selection,
    *,
    running: Running,
    given: NetworkInputs,
    out: str,
    initial_state: str | None,
    chain: bool,
    dtype: str,
    stats: bool,
    plot: str | None,
    compress: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Run MODEL on an input, and write the states of its LSTM layers at every step: h, c, i, f, o, candidate.

    Each is <layer>/h, … of (batch, length, m). All runs in numpy, with what lies around the layers: the input is that
    of the model, and its output is written as <output>/y. An input that fits an LSTM layer only is taken as its own,
    as is any input where the file does not describe the network.
    """
    from lstmdump.export import states
    from lstmdump.replay import trace
    from lstmdump.replay.networks.plan import NetworkPlan

    run, item = Run(as_json=as_json), selection.named(selection.models[0])
    file = states.StatesFile(out, compress, force)
    supplied = given.gather(dtype, mask=running.mask, initial=initial_state)
    wanted = tracing.TraceRequest(selection.layer, given.into, running.mask is not None, initial_state is not None,
                                  running.run_options(dtype, chain=chain))  # fmt: skip
    try:
        with selection.guard() as guard:
            read = [path for path in (*given.paths, running.mask, initial_state) if path]
            states.require_writable(file, item.path, read)
            if plot is not None:
                _require_writable(plot, item.path, read, overwrite=force)
            net, report = guard.run(_read_network, item.model, supplied.describe(), wanted)
            if plot is not None:
                _require_room(plot, net)
    except Exception as error:  # noqa: BLE001 - any failure of the model or of the output is reported
        run.fail(item.path, terminal.sentence(error))
        return run.status
    ready = tracing.prepare(net, supplied)
    job = _Job(item, file, report, stats=stats, as_json=as_json, plot=plot)
    with run.each(item):
        if isinstance(ready.net, NetworkPlan):
            _trace_network(job, ready.net, ready)
        else:
            _trace_layers(job, ready.net, trace.Given(ready.x, ready.mask, ready.initial))
        for note in () if selection.quiet else ready.net.notes_on_states:
            terminal.tell(f"{item.path}: {note}")
    return run.status


class _Job(NamedTuple):
    """What is to be written, printed and drawn."""

    item: Input
    file: StatesFile
    report: Report
    stats: bool
    as_json: bool
    plot: str | None


def _require_writable(plot: str, model: str, inputs: Sequence[str], *, overwrite: bool) -> None:
    from lstmdump.export import pictures

    pictures.require_writable(plot, [model], inputs, overwrite=overwrite)


def _require_room(plot: str, net: Network | NetworkPlan) -> None:
    """Check that `plot` has room for a page for each layer and call."""
    from lstmdump.export import pictures
    from lstmdump.replay.networks.plan import NetworkPlan

    pictures.require_room(plot, net.calls_of_chosen if isinstance(net, NetworkPlan) else len(net.cells))


def _read_network(
    model: ModelPath, given: Sequence[GivenArray], wanted: tracing.TraceRequest
) -> tuple[Network | NetworkPlan, Report]:
    with model.open() as opened:
        return tracing.read(opened, given, wanted), describe(opened)


def _trace_layers(job: _Job, net: Network, on: Given) -> None:
    """Run layers that each take the input or, with `--chain`, the output of another layer."""
    from lstmdump.export import states as export
    from lstmdump.report.render import trace as render

    seen = _SeenLayers(job)
    size = export.write(net, on, job.file, report=job.report,
                        seen=lambda cell, states: seen.look(cell, states, on.mask))  # fmt: skip
    seen.draw()
    if job.as_json:
        line = render.json_line(net, seen.summaries, job.item.path, job.file.path, size, with_statistics=job.stats)
        terminal.write_json(line)
    else:
        _print(job, seen.summaries)


def _trace_network(job: _Job, plan: NetworkPlan, ready: tracing.PreparedRun) -> None:
    """Run a network from its inputs to the layers and outputs that are asked for."""
    from lstmdump.export import states as export
    from lstmdump.report.render import trace as render

    seen = _SeenLayers(job)
    size, outputs = export.write_network(
        plan, ready.signals, job.file, mask=ready.mask, initial=ready.initial, report=job.report, seen=seen.look
    )
    seen.draw()
    if job.as_json:
        line = render.network_json_line(
            plan, seen.summaries, outputs, job.item.path, job.file.path, size, with_statistics=job.stats
        )
        terminal.write_json(line)
    else:
        _print(job, seen.summaries)


class _SeenLayers:
    """What is kept of each layer that has been run, for `job`.

    Attributes:
        summaries: The summaries of its gates, if they are printed.
    """

    def __init__(self, job: _Job) -> None:
        from lstmdump.export import states

        self.summaries: list[LayerSummary] = []
        self._job = job
        self._sequences: list[DrawnSequence] = []
        self._names = states.CallNames()

    def look(self, cell: CellNumbers, states: States, mask: Array | None) -> None:
        """Keep what is needed of the states of a layer; `mask` is in the order of the input."""
        if self._job.stats or self._job.as_json:
            from lstmdump.replay.saturation import summarise

            self.summaries.append(summarise(cell, states, mask))
        if self._job.plot is not None and len(states.c):
            from lstmdump.report.plot import sequences

            self._sequences.append(sequences.take(self._names.name(cell.name), cell, states, mask))

    def draw(self) -> None:
        """Draw the layers, if a picture is asked for."""
        from lstmdump.export import pictures

        def pages() -> Iterator[Figure]:  # matplotlib is imported only after `save` has checked that it is installed
            from lstmdump.report.plot import trace

            yield from (trace.page(sequence) for sequence in self._sequences)

        if self._job.plot is not None:
            pictures.save(pages(), self._job.plot, overwrite=self._job.file.force)


def _print(job: _Job, summaries: Sequence[LayerSummary]) -> None:
    from lstmdump.report.render import trace as render

    terminal.write(visible(job.file.path) + "\n")
    if job.stats:
        terminal.write("\n" + render.statistics(summaries))
    terminal.flush()
