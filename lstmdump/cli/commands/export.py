"""`lstmdump export`: write the gates of each model to an `.npz` file."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import Run
from lstmdump.cli.output_format import json_options
from lstmdump.cli.selection import PATH, Input, Selection, model_options
from lstmdump.errors import LstmdumpError
from lstmdump.export import batch, directories, outputs
from lstmdump.export.batch import Outcome
from lstmdump.export.gates import DTYPES, Exported, Job, Settings, export, export_model, plan, skipped
from lstmdump.export.layouts import table
from lstmdump.export.layouts.table import CHECKED, TargetLayout
from lstmdump.model import locate
from lstmdump.model.escape import visible
from lstmdump.report import record
from lstmdump.sandbox.guard import Guard, make_box

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from lstmdump.sandbox.worker import Box

_EPILOG = """\b
Examples:
  lstmdump export weather.h5
  lstmdump export -r models/ -o gates/ --skip-existing -j 2
  python -c "import numpy; print(numpy.load('weather.npz')['lstm_1/W_f'])" """


_OWN_SUFFIXES = (".npz",)
_MOST_WORKERS = 61  # the limit of Windows


@click.command("export", epilog=_EPILOG)
@model_options
@click.option("-o", "--output", "out", metavar="OUT", type=PATH,
              help="A file if OUT ends in .npz and there is one model, else a directory. Without it, one model's .npz "
                   "is written beside it.")  # fmt: skip
@click.option("--dtype", type=click.Choice(DTYPES), default="keep", show_default=True, help="Type of the arrays.")
@click.option("--compress", is_flag=True, help="Compress the arrays (deflate).")
@click.option(
    "--layout",
    type=click.Choice(table.WORDS),
    default=table.GATES,
    show_default=True,
    metavar="LAYOUT",
    help=f"Arrays as another runtime holds them, one of {', '.join(table.WORDS)}: `lstmdump help export`.",
)
@click.option("--all", "with_others", is_flag=True, help="Also the other arrays of the model, as they are stored.")
@click.option(
    "--check",
    is_flag=True,
    help="Run what was written in PyTorch or ONNX Runtime, where installed, and print the largest difference.",
)
@click.option("--force-layout", is_flag=True, help="Write also what that runtime computes otherwise, with a warning.")
@click.option("--fold-forget-bias", is_flag=True, help="Include in b_f the forget bias added at run time.")
@click.option("-f", "--force", is_flag=True, help="Overwrite existing outputs.")
@click.option("--skip-existing", is_flag=True, help="Skip models whose output exists.")
@click.option("-j", "--jobs", metavar="N", type=click.IntRange(1, 256), help="Use N processes; 1 by default.")
@click.option(
    "--dask",
    metavar="SCHEDULER",
    help="Use the workers of the Dask scheduler at this address, e.g. tcp://host:8786.",
)
@json_options("One JSON object per model and line.")
def export_command(
    selection: Selection,
    *,
    out: str | None,
    dtype: str,
    compress: bool,
    layout: str,
    with_others: bool,
    check: bool,
    force_layout: bool,
    fold_forget_bias: bool,
    force: bool,
    skip_existing: bool,
    jobs: int | None,
    dask: str | None,
    as_json: bool,
) -> int:
    """Write the gates of each MODEL's LSTM layers: <layer>/W_i, U_i, b_i, and so for f, c and o.

    Arrays have the same form for every layout: z = x·W + h·U + b. An output is written whole or not at all.
    """
    if force and skip_existing:
        raise click.UsageError("--force overwrites outputs that --skip-existing leaves: give one of them")
    if dask is not None and jobs is not None:
        raise click.UsageError(
            "--dask uses the workers of a scheduler, --jobs processes of this machine: give one of them"
        )
    target = table.find(layout)
    if with_others and (selection.layer is not None or (target is not None and target.arrange is None)):
        raise click.UsageError("--all writes all arrays of a model, as arrays: leave --layer and such a layout out")
    suffixes = _OWN_SUFFIXES if target is None else target.suffixes
    if check and (target is None or target.word not in CHECKED):
        raise click.UsageError(f"--check goes with --layout {' or '.join(sorted(CHECKED))}")
    out = _name_beside(selection, suffixes[0]) if out is None else out
    with (
        Run(as_json=as_json, verb="written", quiet=selection.quiet) as run,
        selection.guard(out) as guard,
        directories.held(),
    ):
        inputs = list(selection.inputs(run.fail, run.pass_over))
        if not inputs:
            run.require_models()
            return run.status
        if (refusal := outputs.refuse_file_name(out, len(inputs), suffixes)) is not None:
            raise click.UsageError(refusal)
        settings = Settings(
            dtype,
            compress,
            fold_forget_bias,
            force,
            skip_existing,
            selection.layer,
            selection.limits,
            layout,
            force_layout,
            with_others,
        )
        directory = "" if dask is None else os.getcwd()  # noqa: PTH109 - as text
        planned = plan([item.path for item in inputs], out, directory=directory, suffixes=suffixes)
        with (
            _start_executor(min(jobs or 1, len(inputs), _MOST_WORKERS), dask, _make_box(inputs, out)) as executor,
            closing(_export_all(planned, inputs, settings, executor, guard)) as outcomes,
            terminal.progress(outcomes, len(inputs), unit="models", quiet=selection.quiet) as results,
        ):
            for item, outcome in zip(inputs, results, strict=True):
                _report(run, item, outcome, quiet=selection.quiet)
                if check and target is not None and outcome.result is not None and not outcome.result.skipped:
                    _check(run, item, outcome.result, target, guard, selection)
        run.require_models()
    return run.status


def _name_beside(selection: Selection, suffix: str) -> str:
    """Return the output for the one model of `selection` where none is given: its name with `suffix`, beside it."""
    if selection.names_none:
        raise click.UsageError("no MODEL given")
    if not selection.names_one:
        raise click.UsageError("several models need a directory: give it with -o OUT")
    (model,) = selection.models
    if locate.is_url(model):
        raise click.UsageError(f"a model at a URL needs an output on this machine: give it with -o OUT{suffix}")
    return outputs.name_beside(model, suffix)


def _make_box(inputs: Iterable[Input], out: str) -> Box:
    """Return what a process may do that exports `inputs` to `out`."""
    models = {item.model.below or item.path: None for item in inputs}
    return make_box((out,), models, network=any(map(locate.is_url, models)))


def _start_executor(jobs: int, dask: str | None, box: Box) -> AbstractContextManager[Executor | None]:
    """Return the executor of the jobs; None if this process runs them."""
    if dask is not None:
        from lstmdump.cli.dask_executor import dask_executor

        return dask_executor(dask)
    if jobs == 1:
        return nullcontext()
    from lstmdump.sandbox.pool import ProcessPool

    return ProcessPool(jobs, box=box)


def _export_all(
    jobs: Iterable[Job], inputs: list[Input], settings: Settings, executor: Executor | None, guard: Guard
) -> Generator[Outcome[Job, Exported], None, None]:
    known = partial(skipped, settings=settings)
    models = {item.path: item.model for item in inputs}
    if executor is not None:
        found = ((job, models[job.model]) for job in jobs)
        whole = (job._replace(below=model.below, averages=model.averages) for job, model in found)
        return batch.run(partial(export, settings=settings), whole, executor, known=known)
    return batch.run(lambda job: guard.run(export_model, models[job.model], job, settings), jobs, known=known)


def _check(run: Run, item: Input, done: Exported, target: TargetLayout, guard: Guard, selection: Selection) -> None:
    """Run the layers in the file that was written in the runtime of `target`, and print how far it is from ours."""
    from lstmdump.export.layouts import checking

    try:
        expected = guard.run(checking.compute_expected, item.model, selection.layer, target)
        for found in checking.check(done.job.output, expected, target):
            words = f"largest difference {found.difference:.2g} from {found.runtime}"
            terminal.tell(f"{done.job.output}: {visible(found.name)}: {words}")
    except LstmdumpError as error:
        run.fail(done.job.output, str(error))


def _report(run: Run, item: Input, outcome: Outcome[Job, Exported], *, quiet: bool) -> None:
    result = outcome.result
    with run.each(item):
        if outcome.error is not None:
            raise outcome.error
        if result is not None and result.skipped:
            run.skip()
    if result is None:
        return
    job = result.job
    if run.as_json:
        fields = {"model": job.model, "output": job.output, "layers": result.layers, "bytes": result.bytes}
        terminal.write_json(record.line(fields | ({"skipped": True} if result.skipped else {})))
    elif not result.skipped:
        terminal.write(visible(job.output) + "\n")
        terminal.flush()
    for caution in () if quiet else result.cautions:
        terminal.tell(f"{job.model}: {caution}")
