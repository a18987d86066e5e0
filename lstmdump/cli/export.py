"""`lstmdump export`: the gates of each model into an `.npz` file."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import click

from lstmdump import record
from lstmdump.cli import terminal
from lstmdump.cli.inputs import Input, Selection, model_options
from lstmdump.cli.run import Run
from lstmdump.errors import UnknownFormat
from lstmdump.export import DTYPES, Exported, Job, Settings, export, plan
from lstmdump.names import visible

_EPILOG = """\b
Examples:
  lstmdump export weather.h5 -o weather.npz
  lstmdump export -r models/ -o gates/ --skip-existing -j 2
  python -c "import numpy; print(numpy.load('weather.npz')['lstm_1/W_f'])" """


_MOST_WORKERS = 61  # what Windows allows


@dataclass(frozen=True)
class _Failure:
    message: str
    unknown: bool


@click.command("export", epilog=_EPILOG)
@model_options
@click.option("-o", "--output", "out", metavar="OUT", required=True, type=click.Path(),
              help="A file where OUT ends in .npz and there is one model, else a directory.")  # fmt: skip
@click.option("--dtype", type=click.Choice(DTYPES), default="keep", show_default=True, help="Convert the numbers.")
@click.option("--compress", is_flag=True, help="Deflate the arrays.")
@click.option("--fold-forget-bias", is_flag=True, help="Add the forget bias of the run time to b_f.")
@click.option("-f", "--force", is_flag=True, help="Overwrite what is there.")
@click.option("--skip-existing", is_flag=True, help="Leave what is there.")
@click.option("-j", "--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Work in N processes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model and line.")
def export_command(
    selection: Selection,
    *,
    out: str,
    dtype: str,
    compress: bool,
    fold_forget_bias: bool,
    force: bool,
    skip_existing: bool,
    jobs: int,
    as_json: bool,
) -> int:
    """Write the gates of each MODEL's LSTM layers: <layer>/W_i, U_i, b_i, and so for f, c and o.

    Every array has one form whatever the model's layout was: z = x·W + h·U + b. An output is whole, or as it was.
    """
    if force and skip_existing:
        raise click.UsageError("--force overwrites what --skip-existing leaves: give one of them")
    run = Run(as_json=as_json)
    inputs = list(selection.inputs(run.fail))
    if not inputs:
        if not run.status:
            terminal.tell("no model found")
        return run.status
    settings = Settings(dtype, compress, fold_forget_bias, force, skip_existing, selection.layer)
    planned = list(plan([item.path for item in inputs], out))
    with terminal.progress(
        _results(planned, settings, jobs), len(planned), unit="models", quiet=selection.quiet
    ) as results:
        for item, result in zip(inputs, results, strict=True):
            _report(run, item, result, quiet=selection.quiet)
    return run.status


def _results(planned: list[Job], settings: Settings, jobs: int) -> Iterator[Exported | _Failure]:
    work = partial(_attempt, settings=settings)
    if jobs == 1 or len(planned) == 1:
        yield from map(work, planned)
        return
    workers = min(jobs, len(planned), _MOST_WORKERS)
    with ProcessPoolExecutor(workers, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        try:
            yield from pool.map(work, planned)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _attempt(job: Job, settings: Settings) -> Exported | _Failure:
    try:
        return export(job, settings)
    except Exception as error:  # noqa: BLE001 - one model, whatever is wrong with it, must not stop the rest
        return _Failure(terminal.sentence(error), isinstance(error, UnknownFormat))


def _report(run: Run, item: Input, result: Exported | _Failure, *, quiet: bool) -> None:
    if isinstance(result, _Failure):
        if not (result.unknown and item.searched):
            run.fail(item.path, result.message)
        return
    job = result.job
    if run.as_json:
        fields = {"model": job.model, "output": job.output, "layers": result.layers, "bytes": result.bytes}
        terminal.write_json(record.line(fields | ({"skipped": True} if result.skipped else {})))
    elif not result.skipped:
        terminal.write(visible(job.output) + "\n")
    for caution in () if quiet else result.cautions:
        terminal.tell(f"{job.model}: {caution}")
    if result.layers == 0 and not quiet:
        terminal.tell(f"{job.model}: no LSTM layer written")
