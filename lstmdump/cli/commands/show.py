"""`lstmdump show`: print a table or a JSON object per model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from lstmdump.cli import terminal
from lstmdump.cli.exit_status import Run
from lstmdump.cli.output_format import format_options
from lstmdump.cli.selection import PATH, Input, Selection, model_options
from lstmdump.lstm import GATES, LSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.report.facts import Report, describe, select, without_lstm
from lstmdump.sandbox.guard import Guard, ModelPath

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from matplotlib.figure import Figure

    from lstmdump.cli.report_page import ReportPage
    from lstmdump.report.html.page import ModelReport
    from lstmdump.report.plot.arrays import LayerNumbers
    from lstmdump.report.plot.counts import LayerCounts
    from lstmdump.report.plot.eigenvalues import LayerEigenvalues
    from lstmdump.report.plot.kinds import DrawnLayer

_EPILOG = """\b
Examples:
  lstmdump weather.h5
  lstmdump show --json -r models/ | jq .parameters
  lstmdump weather.h5 --values -g f
  lstmdump weather.h5 --explain
  lstmdump weather.h5 --plot weather.pdf
  lstmdump weather.h5 --html report.html -i x.npy"""

_WHOLE = "all"  # sections of the explanation
_PICTURES = ("heat", "hist", "spectrum")  # those of `report.plot.kinds`, which needs numpy
_GATE_NAMES = {
    "i": "i", "input": "i",
    "f": "f", "forget": "f",
    "c": "c", "candidate": "c", "j": "c", "g": "c",
    "o": "o", "output": "o",
}  # fmt: skip


class _GateType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """A gate by a letter or a name, in upper or lower case; the value is the letter."""

    name = "GATE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        letter = _GATE_NAMES.get(str(value).lower())
        if letter is None:
            known = "i (input), f (forget), c (candidate; in other frameworks j or g) or o (output)"
            self.fail(f"{value!r} is not a gate; give {known}", param, ctx)
        return letter

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in _GATE_NAMES if name.startswith(incomplete.lower())]


class _ShowCommand(click.Command):
    """A command whose option `--explain` takes a section only if the next argument is meant as one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _attach_sections(args))


def _attach_sections(arguments: list[str]) -> list[str]:
    """Return the arguments with `--explain=SECTION` in place of `--explain`, whose next argument may be a model."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    attached = []
    rest = iter(enumerate(options))
    for place, argument in rest:
        word = _WHOLE
        if argument == "--explain" and _is_meant_as_section(*options[place + 1 : place + 2]):
            _, word = next(rest)
        attached.append(f"{argument}={word}" if argument == "--explain" else argument)
    return [*attached, *arguments[len(options) :]]


def _is_meant_as_section(word: str = "-") -> bool:
    """Return whether `word` is neither an option nor, by the look of it or on the disk, a path."""
    from pathlib import Path

    return not (
        word.startswith("-") or set(word) & set("./\\") or Path(word).exists() or Path(f"{word}.index").exists()
    )


class _ExplainedSection(click.ParamType):  # type: ignore[type-arg]
    """A section of the explanation, or all of them."""

    name = "SECTION"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from lstmdump.report.explain import SECTIONS

        word = str(value).lower()
        if word != _WHOLE and word not in SECTIONS:
            self.fail(f'no section (or file) "{value}"; the sections are {", ".join(SECTIONS)}', param, ctx)
        return word

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from lstmdump.report.explain import SECTIONS

        return [CompletionItem(section) for section in SECTIONS if section.startswith(incomplete.lower())]


@click.command("show", cls=_ShowCommand, epilog=_EPILOG)
@model_options
@format_options(("table", "json", "csv"), "One JSON object per model and line.")
@click.option("--all", "with_others", is_flag=True, help="List the model's other arrays as well.")
@click.option("--values", is_flag=True, help="Print the arrays of every gate, and the projection, summarised.")
@click.option("-g", "--gate", "gates", type=_GateType(), multiple=True,
              help="With --values, --stats or --plot: only this gate: i, f, c or o, or its name; the candidate is also "
                   "j, as in TensorFlow, and g, as in PyTorch.")  # fmt: skip
@click.option("--stats", is_flag=True,
              help="Print mean, std, extremes, norm per gate; spectral radius of U; time scales.")  # fmt: skip
@click.option("--explain", metavar="[SECTION]", type=_ExplainedSection(),
              help="Explain in words what all of it means; or only equations, shapes, time, gates, states, parameters, "
                   "forget-bias, activations or frameworks.")  # fmt: skip
@click.option("--plot", metavar="FILE", type=PATH,
              help="Draw heat maps of every gate, a page for each layer: .pdf; .png or .svg for one.")  # fmt: skip
@click.option("--plot-kind", "plot_kinds", type=click.Choice(_PICTURES), multiple=True,
              help="With --plot: heat maps, histograms, or the spectrum, which is the eigenvalues of U; more than once "
                   "for a page of each.")  # fmt: skip
@click.option("--html", metavar="FILE", type=PATH,
              help="Write a page to hand on: tables, explanation and heat maps of all models.")  # fmt: skip
@click.option("-i", "--input", "words", metavar="[NAME=]X.npy", multiple=True, type=PATH,
              help="With --html: real inputs, for which the page has the lags, as lstmdump lags.")  # fmt: skip
@click.option("-f", "--force", is_flag=True, help="With --plot or --html: overwrite an existing file.")
def show_command(
    selection: Selection,
    *,
    output_format: str,
    with_others: bool,
    values: bool,
    gates: tuple[str, ...],
    stats: bool,
    explain: str | None,
    plot: str | None,
    plot_kinds: tuple[str, ...],
    html: str | None,
    words: tuple[str, ...],
    force: bool,
) -> int:
    """Show the LSTM layers of each MODEL: shapes with the reason for them, counts, gate order.

    Reads names and shapes only; --values, --stats, --plot and --html read the numbers, too.
    """
    drawn = plot if html is None else html
    values = values or (bool(gates) and not stats and drawn is None and output_format == "table")
    _require_compatible(output_format, values=values, gates=gates, stats=stats, explain=explain, plot=drawn)
    if force and drawn is None:
        raise click.UsageError("--force goes with --plot or --html")
    if plot_kinds and plot is None:
        raise click.UsageError("--plot-kind goes with --plot")
    if words and html is None:
        raise click.UsageError("--input goes with --html; lstmdump lags prints what it gives")
    chosen_gates = "".join(letter for letter in GATES if letter in gates) or GATES
    is_plain_table = output_format == "table" and not (values or stats or explain or drawn)
    request = _ShowRequest(
        selection.layer, chosen_gates, output_format, with_others, values, stats, explain,
        () if plot is None else tuple(dict.fromkeys(plot_kinds)) or _PICTURES[:1],
        terminal.width(), terminal.colour(), hint=is_plain_table and not selection.quiet,
    )  # fmt: skip
    if output_format == "csv":
        _write_csv_head()
    as_json = output_format == "json"
    page = None
    if html is not None:
        from lstmdump.cli.commands import lags
        from lstmdump.cli.report_page import ReportPage

        page = ReportPage(html, words, selection.layer, lags.compute, overwrite=force)
    start_run = Run if page is None else page.start_run
    with start_run(as_json=as_json, verb="shown", quiet=selection.quiet) as run, selection.guard() as guard:
        inputs: Iterable[Input] = selection.inputs(run.fail, run.pass_over)
        if page is not None:
            inputs = list(inputs)
            page.start(item.path for item in inputs)
        if plot is None:
            for _ in _print_each(inputs, guard, request, run, page, quiet=selection.quiet):
                pass
        else:
            named = list(inputs)
            _require_writable(plot, named, overwrite=force, kinds=request.pictures)
            guard.start()  # before matplotlib is imported
            layers = _print_each(named, guard, request, run, page, quiet=selection.quiet)
            _plot(layers, plot, overwrite=force, with_model=not selection.names_one)
        if page is not None:
            page.write()
        run.require_models()
    return run.status


def _require_compatible(
    output_format: str, *, values: bool, gates: tuple[str, ...], stats: bool, explain: str | None, plot: str | None
) -> None:
    """Raise a usage error for options that the format has no place for."""
    if output_format == "table":
        return
    option = f"--{output_format}" if output_format == "json" else f"--format {output_format}"
    if values:
        raise click.UsageError("--values prints text; for numbers that a program can read, use lstmdump export")
    if explain:
        raise click.UsageError(f"--explain prints text; leave one of --explain and {option} out")
    if stats and output_format == "csv":
        raise click.UsageError("--stats has no rows in CSV; use --json")
    if gates and not stats and plot is None:
        raise click.UsageError(
            f"with {option}, --gate goes with {'--stats or ' if output_format == 'json' else ''}--plot"
        )


def _write_csv_head() -> None:
    from lstmdump.report.render import csv_rows

    terminal.write_utf_8(csv_rows.head())


def _require_writable(path: str, inputs: Iterable[Input], *, overwrite: bool, kinds: tuple[str, ...]) -> None:
    from lstmdump.export import pictures

    pictures.require_writable(path, [item.path for item in inputs], overwrite=overwrite)
    pictures.require_room(path, len(kinds), "give one --plot-kind")


def _plot(layers: Iterator[DrawnLayer], path: str, *, overwrite: bool, with_model: bool) -> None:
    """Draw `layers` one by one, and save the pages to `path`."""
    from lstmdump.export import pictures as plot

    def pages() -> Iterator[Figure]:  # matplotlib is imported only after `save` has checked that it is installed
        from lstmdump.report.plot.pages import page

        yield from (page(layer, with_model=with_model) for layer in layers)

    plot.save(pages(), path, overwrite=overwrite)


def _print_each(
    inputs: Iterable[Input], guard: Guard, request: _ShowRequest, run: Run, page: ReportPage | None, *, quiet: bool
) -> Iterator[DrawnLayer]:
    """Print what is requested of each model, add it to `page`, and yield the layers to draw."""
    first = True
    any_layer = False
    for item in inputs:
        layers: tuple[DrawnLayer, ...] = ()
        with run.each(item):
            asked = request if page is None else request._replace(drawn_in_page=page.most_drawn)
            shown = guard.run(_show, item.model, asked)
            _write(shown.text, request.output_format, first=first)
            first = False
            any_layer = any_layer or not shown.caution
            for remark in shown.remarks if not quiet else ():
                terminal.tell(f"{item.path}: {remark}")
            layers = shown.layers
            if page is not None and shown.report is not None:
                page.add(shown.report, item, guard, has_layers=not shown.caution)
        yield from layers
    if request.hint and request.width is not None and any_layer:
        from lstmdump.report.render.table import hint

        terminal.write("\n" + hint(width=request.width, colour=request.colour))


def _write(text: str, output_format: str, *, first: bool) -> None:
    if output_format == "json":
        terminal.write_json(text)
    elif output_format == "csv":
        terminal.write_utf_8(text)
    else:
        terminal.write(text if first else "\n" + text)


class _ShowRequest(NamedTuple):
    """What to show of each model; `width` and `colour` are those of the terminal, `pictures` the kinds to draw.

    With `hint`, a last line on a terminal names the commands that say more. `drawn_in_page` is the number of layers
    that a page has room to draw; None without a page.
    """

    layer: str | None
    gates: str
    output_format: str
    with_others: bool
    values: bool
    stats: bool
    explain: str | None
    pictures: tuple[str, ...]
    width: int | None
    colour: bool
    hint: bool
    drawn_in_page: int | None = None


class _Shown(NamedTuple):
    """The output on a model: the text; a caution for stderr, if there is one; the layers to draw; notes for stderr.

    `report` is for the page, if there is one.
    """

    text: str
    caution: str | None
    layers: tuple[LayerNumbers | LayerCounts | LayerEigenvalues, ...] = ()
    notes: tuple[str, ...] = ()
    report: ModelReport | None = None

    @property
    def remarks(self) -> Iterator[str]:
        """The lines for stderr."""
        if self.caution:
            yield self.caution
        yield from (f"note: {note}" for note in self.notes)


def _show(model: ModelPath, request: _ShowRequest) -> _Shown:
    with model.open() as opened:
        chosen = select(opened.lstms, request.layer)
        caution = None if chosen else without_lstm(opened)
        report = describe(opened, chosen, with_others=request.with_others)
        show = _FORMATS[request.output_format]
        text, drawn = show(opened, chosen, report, request), _read_drawn(opened, chosen, request)
        notes = report.notes if request.output_format == "csv" else ()
        if request.drawn_in_page is None:
            return _Shown(text, caution, drawn, notes)
        from lstmdump.report.html import model as html

        most, gates, others = request.drawn_in_page, request.gates, request.with_others
        in_page = html.describe(opened, chosen, report, gates=gates, most_drawn=most, with_others=others)
        return _Shown(text, caution, drawn, notes, in_page)


def _read_drawn(opened: LoadedModel, chosen: tuple[LSTM, ...], request: _ShowRequest) -> tuple[DrawnLayer, ...]:
    """Read what is to be drawn; nothing without `--plot`."""
    if not request.pictures:
        return ()
    from lstmdump.report.plot import kinds

    return tuple(kinds.read(kind, lstm, opened.path, request.gates) for lstm in chosen for kind in request.pictures)


def _make_line(opened: LoadedModel, chosen: tuple[LSTM, ...], report: Report, request: _ShowRequest) -> str:
    from lstmdump.report import record

    fields = record.of(report, with_others=request.with_others)
    if request.stats:
        from lstmdump.replay.statistics import summarise
        from lstmdump.report.render.values import statistics_record

        fields["stats"] = {
            lstm.name: statistics_record(summarise(lstm, request.gates, producer=opened.producer)) for lstm in chosen
        }
    return record.line(fields)


def _make_table(opened: LoadedModel, chosen: tuple[LSTM, ...], report: Report, request: _ShowRequest) -> str:
    from lstmdump.report.render.table import summary, table

    section = None if request.explain == _WHOLE else request.explain
    if section is not None and report.layers:
        text = summary(report, width=request.width, colour=request.colour)
    else:
        text = table(report, width=request.width, colour=request.colour, with_others=request.with_others)
    if request.explain is not None and report.layers:
        from lstmdump.report.explain import explanation

        text += "\n" + explanation(chosen, opened.producer, width=request.width, colour=request.colour, section=section)
    if request.stats or request.values:
        from lstmdump.replay.statistics import summarise
        from lstmdump.report.render import values as numbers

        if request.stats:
            text += "\n" + numbers.statistics(
                [summarise(lstm, request.gates, producer=opened.producer) for lstm in chosen]
            )
        if request.values:
            text += "\n" + numbers.arrays(chosen, request.gates)
    return text


def _make_rows(_opened: LoadedModel, _chosen: tuple[LSTM, ...], report: Report, request: _ShowRequest) -> str:
    from lstmdump.report.render import csv_rows

    return csv_rows.rows(report, with_others=request.with_others)


_FORMATS = {"table": _make_table, "json": _make_line, "csv": _make_rows}
