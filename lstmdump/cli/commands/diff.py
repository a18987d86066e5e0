"""`lstmdump diff`: compare the LSTM layers of two models, gate by gate, whatever wrote the files."""

from __future__ import annotations

import time
from typing import NamedTuple

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import Run
from lstmdump.cli.output_format import format_options
from lstmdump.cli.replay_options import NumberType
from lstmdump.cli.selection import Selection, two_model_options
from lstmdump.errors import LstmdumpError
from lstmdump.python import comparison
from lstmdump.report.diff.verdicts import TOLERANCE, ModelDifference
from lstmdump.report.render import diff as render
from lstmdump.sandbox.guard import ModelPath

_EPILOG = """\b
Examples:
  lstmdump diff weather.h5 weather.onnx
  lstmdump diff epoch-1.keras epoch-2.keras -l 'encoder/*'
  lstmdump diff before.h5 after.pt --format github"""


class _Compared(NamedTuple):
    """The comparison, or the reason why the second model cannot be read."""

    difference: ModelDifference | None
    error: str = ""


@click.command("diff", epilog=_EPILOG)
@two_model_options
@click.option("--tolerance", type=NumberType("DIFFERENCE", is_positive=True), default=TOLERANCE, show_default=True,
              help="Largest difference that counts as the same, by the largest number of an array.")  # fmt: skip
@format_options(("text", "json", "github", "junit"), "One JSON object.")
def diff_command(selection: Selection, *, tolerance: float, output_format: str) -> int:
    """Compare the LSTM layers of models A and B, gate by gate. `check` compares counts, this compares numbers.

    Layers are paired by name, else by sizes and order, else by the nearest numbers. What explains a difference exactly
    is named: exchanged gates, a transposed block, a folded forget bias, rounding, quantisation.

    Exit status 0: the same; 1: different; 2: a model could not be read.
    """
    first, second = map(selection.named, selection.models)
    begun = time.perf_counter()
    with Run(as_json=output_format == "json", quiet=True) as run, selection.guard() as guard, run.each(first):
        found = guard.run(_compare, first.model, second.model, selection.layer, tolerance)
        if found.difference is None:
            run.fail(second.path, found.error)
        else:
            _print(found.difference, output_format, time.perf_counter() - begun)
            if not found.difference.is_same:
                run.differ()
    return run.status


def _compare(first: ModelPath, second: ModelPath, layer: str | None, tolerance: float) -> _Compared:
    with first.open() as a:
        try:
            opened = second.open()
        except LstmdumpError as error:
            return _Compared(None, str(error))
        with opened as b:
            return _Compared(comparison.compare_opened(a, b, layer, tolerance))


def _print(found: ModelDifference, output_format: str, seconds: float) -> None:
    if output_format == "json":
        terminal.write_json(render.json_line(found))
    elif output_format == "junit":
        terminal.write_utf_8(render.junit(found, seconds))
    else:
        lines = render.github_lines(found) if output_format == "github" else render.text_lines(found)
        terminal.write("".join(f"{line}\n" for line in lines), with_commands=output_format == "github")
