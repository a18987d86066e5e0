"""`lstmdump verify`: run the layers in TensorFlow and in numpy on the same random input, and compare."""

from __future__ import annotations

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import FAILED, Run
from lstmdump.cli.output_format import json_options
from lstmdump.cli.replay_options import NumberType
from lstmdump.cli.selection import Input, Selection, model_options
from lstmdump.replay.verify import TOLERANCE, Case, LayerVerdict, ModelVerdict, case, compare
from lstmdump.report.facts import select, without_lstm
from lstmdump.report.render import verify as render
from lstmdump.sandbox.guard import Guard, ModelPath
from lstmdump.sandbox.tensorflow_client import TensorFlow

_EPILOG = """\b
Examples:
  pip install tensorflow tf-keras
  lstmdump verify weather.h5
  lstmdump verify -r models/ --json | jq 'select(.ok != true)'"""


@click.command("verify", epilog=_EPILOG)
@model_options
@click.option("--tolerance", type=NumberType("DIFFERENCE", is_positive=True), default=TOLERANCE, show_default=True,
              help="Largest difference that counts as agreement.")  # fmt: skip
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of the random input.")  # fmt: skip
@click.option("--timeout", type=NumberType("SECONDS", is_positive=True), default=120.0, show_default=True,
              help="Time limit for the start of TensorFlow, and for each layer.")  # fmt: skip
@json_options("One JSON object per model and line.")
def verify_command(selection: Selection, *, tolerance: float, seed: int, timeout: float, as_json: bool) -> int:
    """Compare the gates of each MODEL with TensorFlow, which gets the arrays as they are stored.

    TensorFlow's own cell and the equations in numpy run on the same random input, always with tanh and sigmoid: this
    checks the layout (which slice is which gate), not the activations of the layer.

    Exit status 0: all agree; 1: a difference; 2: it could not be verified.
    """
    with Run(as_json=as_json, verb="verified", quiet=selection.quiet) as run:
        inputs = list(selection.inputs(run.fail, run.pass_over))
        with (
            selection.guard() as guard,
            TensorFlow(timeout, verbose=terminal.debugging()) as tensorflow,
            terminal.progress(inputs, len(inputs), unit="models", quiet=selection.quiet) as items,
        ):
            for item in items:
                with run.each(item):
                    verdict = _verify_model(item, guard, selection, tensorflow, tolerance, seed)
                    _print(verdict, run)
                    if verdict.agrees is None:
                        run.skip()
        run.require_models("no model found, so nothing was verified")
        if not run.done and not run.status:
            run.status = FAILED
            terminal.tell("nothing was verified")
    return run.status


def _verify_model(
    item: Input, guard: Guard, selection: Selection, tensorflow: TensorFlow, tolerance: float, seed: int
) -> ModelVerdict:
    cases, missing = guard.run(_read_cases, item.model, selection.layer, seed)
    if missing is not None and not selection.quiet:
        terminal.tell(f"{item.path}: {missing}")
    layers = tuple(compare(case, tensorflow, tolerance=tolerance) for case in cases)
    return ModelVerdict(item.path, layers, tolerance, seed)


def _read_cases(model: ModelPath, layer: str | None, seed: int) -> tuple[list[Case | LayerVerdict], str | None]:
    """Read the layers of a model; without any, return the sentence that says so."""
    with model.open() as opened:
        cases = [case(lstm, seed=seed) for lstm in select(opened.lstms, layer)]
        return cases, None if cases else without_lstm(opened)


def _print(verdict: ModelVerdict, run: Run) -> None:
    """Print `verdict` and flush, because the next model may take long."""
    if run.as_json:
        terminal.write_json(render.json_line(verdict))
    else:
        terminal.write("".join(f"{line}\n" for line in render.text_lines(verdict)))
        terminal.flush()
    if verdict.agrees is False:
        run.differ()
