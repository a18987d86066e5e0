"""`lstmdump check`: compare parameter counts and shapes with expected values, for CI."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
from click.core import ParameterSource

from lstmdump.cli import project_settings, terminal
from lstmdump.cli.exit_status import DIFFERENT, DONE, FAILED, Run
from lstmdump.cli.project_settings import ProjectSettings
from lstmdump.cli.selection import PATH, Input, Selection, marked_text, model_options
from lstmdump.errors import BadExpectation, UnknownFormat
from lstmdump.export.atomic import whole_file
from lstmdump.model.escape import visible
from lstmdump.model.opening import read_bounded
from lstmdump.model.sentences import plural
from lstmdump.report import record
from lstmdump.report.check import (
    Expectations,
    Mismatch,
    Verdict,
    compare,
    compare_with_record,
    only_layers,
    pair,
    parse_shape,
    path_of,
    spelling,
)
from lstmdump.report.facts import Report, describe, select
from lstmdump.report.record import RecordedModel
from lstmdump.report.render import check as render
from lstmdump.sandbox.guard import Guard, ModelPath

_EPILOG = """\b
Examples:
  lstmdump check weather.h5 --params 240 --layer-shape lstm_1=3x6
  lstmdump show --json models/*.h5 > models.jsonl
  lstmdump check models/*.h5 --against models.jsonl --format github"""


_NOTHING_CHECKED = "no model found, so nothing was checked"


class _Count(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A whole number, with or without separators: 19,712 or 19_712."""

    name = "N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = value if isinstance(value, int) else _parse_count(str(value))
        if number is None:
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return number


class _PerLayer(click.ParamType):  # type: ignore[type-arg]
    """A pair `NAME=VALUE`; the name may contain an equals sign."""

    def __init__(self, name: str, value: Callable[[str], object]) -> None:
        self.name = name
        self._value = value

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, object]:
        if isinstance(value, tuple):
            return value
        layer, equals, text = str(value).rpartition("=")
        parsed = self._value(text) if equals and layer else None
        if parsed is None:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return layer, parsed


def _parse_count(text: str) -> int | None:
    digits = text.replace(",", "").replace("_", "")
    return int(digits) if re.fullmatch(r"[0-9]{1,18}", digits) else None


@click.command("check", epilog=_EPILOG)
@model_options
@click.option("--params", type=_Count(), help="Expected parameters of all LSTM layers together.")
@click.option("--total", type=_Count(), help="Expected parameters of the whole model.")
@click.option(
    "--layer-params",
    metavar="NAME=N",
    type=_PerLayer("NAME=N", _parse_count),
    multiple=True,
    help="Expected parameters of a layer.",
)
@click.option(
    "--layer-shape",
    metavar="NAME=DxM",
    type=_PerLayer("NAME=DxM", parse_shape),
    multiple=True,
    help="Expected inputs and units of a layer.",
)
@click.option("--max-params", type=_Count(), help="Most parameters of all LSTM layers together.")
@click.option("--max-total", type=_Count(), help="Most parameters of the whole model.")
@click.option(
    "--against",
    metavar="FILE",
    type=PATH,
    help="Compare with an earlier output of `lstmdump show --json`; without MODEL, check all models in it.",
)
@click.option(
    "--config",
    metavar="FILE",
    type=PATH,
    help="Settings of the project, instead of [tool.lstmdump.check] in pyproject.toml here or above.",
)
@click.option("--update", is_flag=True, help="Rewrite the file of --against and print what changed.")
@click.option("--format", "output_format", type=click.Choice(["text", "json", "github", "junit"]), default="text",
              show_default=True, help="Format of the output.")  # fmt: skip
def check_command(
    selection: Selection,
    *,
    params: int | None,
    total: int | None,
    layer_params: tuple[tuple[str, int], ...],
    layer_shape: tuple[tuple[str, tuple[int, int]], ...],
    max_params: int | None,
    max_total: int | None,
    against: str | None,
    config: str | None,
    update: bool,
    output_format: str,
) -> int:
    """Compare each MODEL with expectations. Exit status 0: all agree; 1: a difference; 2: it could not be checked.

    Without MODEL, check the models of the project's settings, or else those that the file of --against records.
    """
    given = Expectations(params, total, max_params, max_total, layer_params, layer_shape)
    settings = project_settings.read(config)
    baseline = settings.against if against is None else against
    if not given and not settings.expected and baseline is None:
        raise click.UsageError("nothing to compare with: give --params, --total, --layer-shape, … or --against")
    if update and (baseline is None or given or output_format != "text"):
        raise click.UsageError("--update goes with --against, and with no other expectation or format")
    partial = against is None and baseline is not None and not selection.names_none
    if update and partial:
        raise click.UsageError(f"--update of {baseline} takes the models of the settings: leave MODEL out")
    selection = _complete(selection, settings)
    recorded = None if baseline is None else _Record(_read_records(baseline, may_lack=update), baseline, partial)
    with Run(as_json=False, verb="checked", quiet=selection.quiet) as run:
        inputs = _choose_models(run, selection, recorded)
        if recorded is not None and update:
            _update(run, inputs, selection, recorded)
        else:
            verdicts = _check_all(run, inputs, selection, _combine(settings.expected, given), recorded)
            _print(run, verdicts, output_format)
            run.require_models(_NOTHING_CHECKED)
    return run.status


def _complete(selection: Selection, settings: ProjectSettings) -> Selection:
    """Return `selection` with the limits and models of `settings` where the command line gives none."""
    if click.get_current_context().get_parameter_source("limits") is not ParameterSource.COMMANDLINE:
        selection = selection._replace(limits=settings.limits)
    return selection._replace(models=tuple(settings.paths())) if selection.names_none else selection


def _combine(settings: Expectations, given: Expectations) -> Expectations:
    """Return the expectations of the settings; what the command line gives takes their place."""
    return replace(settings, **{name: value for name, value in vars(given).items() if value not in (None, ())})


def _choose_models(run: Run, selection: Selection, recorded: _Record | None) -> list[Input]:
    """Return the chosen models, or else those of the records."""
    if recorded is not None and recorded.models and selection.names_none:
        return [selection.named(path_of(entry, recorded.file)) for entry in recorded.models]
    return list(selection.inputs(run.fail, run.pass_over))


def _read_records(file: str, *, may_lack: bool) -> list[RecordedModel]:
    """Return the records in `file`; none if it does not exist and `may_lack`."""
    try:
        data = read_bounded(file)
    except FileNotFoundError as error:
        if may_lack:
            return []
        raise BadExpectation(f"{file}: no such file; make it with --update") from error
    except OSError as error:
        raise BadExpectation(f"{file}: cannot be read: {error.strerror}") from error
    try:
        return record.parse(marked_text(data) or data.decode("utf-8"))
    except (BadExpectation, UnicodeDecodeError) as error:
        reason = error if isinstance(error, BadExpectation) else "it is not valid UTF-8"
        raise BadExpectation(f"{file}: {reason}") from error


@dataclass(frozen=True)
class _Record:
    """The recorded models, and the file that holds them.

    Attributes:
        models: The records.
        file: The path of the file.
        partial: Whether a record without a model is passed over: the settings name the file, the user some models.
    """

    models: list[RecordedModel]
    file: str
    partial: bool = False

    def of(self, inputs: list[Input]) -> list[RecordedModel | None]:
        """Return the record of each input, or None."""
        return pair([item.path for item in inputs], self.models, self.file)


def _check_all(
    run: Run, inputs: list[Input], selection: Selection, expected: Expectations, recorded: _Record | None
) -> Iterator[Verdict]:
    """Yield the verdict on each input, and on each record without an input."""
    entries = recorded.of(inputs) if recorded is not None else [None] * len(inputs)
    with selection.guard() as guard:
        for item, entry in zip(inputs, entries, strict=True):
            begun = time.perf_counter()
            try:
                verdict = _check_model(item, guard, selection, expected, entry, against=recorded is not None)
            except UnknownFormat as error:
                run.refuse(item, error)
                continue
            if verdict.error is not None:
                run.fail(item.path, verdict.error)
            else:
                run.done += 1
            if verdict.mismatches:
                run.differ()
            yield replace(verdict, seconds=time.perf_counter() - begun)
    used = {id(entry) for entry in entries}
    for entry in recorded.models if recorded is not None and not recorded.partial else ():
        if id(entry) not in used:
            run.status = max(run.status, DIFFERENT)
            yield Verdict(entry.model, None, (Mismatch(None, "model", "present", None),))


def _check_model(
    item: Input,
    guard: Guard,
    selection: Selection,
    expected: Expectations,
    entry: RecordedModel | None,
    *,
    against: bool,
) -> Verdict:
    """Return the verdict on `item`.

    Raises:
        UnknownFormat: A search found the file, and it is not a model.
    """
    layer = selection.layer
    try:
        report = guard.run(_describe_model, item.model, layer)
    except Exception as error:
        if item.searched and isinstance(error, UnknownFormat):
            raise
        return Verdict(item.path, None, error=terminal.sentence(error))
    mismatches = list(compare(report, expected))
    if against:
        mismatches.extend(_compare_with_entry(report, layer, entry))
    return Verdict(item.path, report, tuple(mismatches), recorded=entry)


def _describe_model(model: ModelPath, layer: str | None) -> Report:
    with model.open() as opened:
        return describe(opened, select(opened.lstms, layer))


def _compare_with_entry(report: Report, layer: str | None, entry: RecordedModel | None) -> list[Mismatch]:
    if entry is None:
        return [Mismatch(None, "model", None, "present")]
    return list(compare_with_record(report, only_layers(entry, layer)))


def _print(run: Run, verdicts: Iterator[Verdict], output_format: str) -> None:
    if output_format == "junit":
        terminal.write_utf_8(render.junit(list(verdicts)))
        return
    printed = []
    for verdict in verdicts:
        printed.append(verdict)
        if output_format == "json":
            terminal.write_json(render.json_line(verdict))
            continue
        lines = render.github_lines(verdict) if output_format == "github" else render.text_lines(verdict)
        terminal.write("".join(f"{line}\n" for line in lines), with_commands=output_format == "github")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if output_format == "github" and summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(render.github_summary(printed))
        except OSError as error:
            run.status = FAILED
            terminal.tell(f"{summary}: the summary cannot be written: {error.strerror}")


def _update(run: Run, inputs: list[Input], selection: Selection, recorded: _Record) -> None:
    """Rewrite the file, unless a model cannot be read, whose record would be lost."""
    file = recorded.file
    if selection.layer is not None:
        raise click.UsageError("--update records all layers: leave --layer out")
    verdicts = list(_check_all(run, inputs, selection, Expectations(), recorded))
    run.require_models(_NOTHING_CHECKED)
    if run.status == FAILED:
        terminal.tell(f"{file}: not updated, because not all models could be read")
        return
    reports = []
    for verdict in verdicts:
        terminal.write("".join(f"{line}\n" for line in render.text_lines(verdict)) if verdict.mismatches else "")
        if verdict.report is not None:
            path = spelling(verdict.recorded, file, verdict.model)
            reports.append(verdict.report._replace(model=path))
    with whole_file(Path(file), overwrite=True) as out:
        out.write("".join(record.line(record.of(report)) + "\n" for report in reports).encode("utf-8"))
    changed, removed = sum(bool(verdict.mismatches) for verdict in verdicts), len(verdicts) - len(reports)
    counts = f"{changed - removed} changed or new, {removed} removed" if changed else "no change"
    terminal.write(f"{visible(file)}: {plural(len(reports), 'model')} recorded, {counts}\n")
    run.status = DONE
