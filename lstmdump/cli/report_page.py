"""The page of `show --html`: what is reported of each model, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from lstmdump.cli.exit_status import Run
from lstmdump.cli.replay_options import NetworkInputs
from lstmdump.errors import OutputExists, WrongSuffix
from lstmdump.export import conflicts
from lstmdump.export.atomic import already_there, whole_file
from lstmdump.model.escape import visible
from lstmdump.python import influence
from lstmdump.report.html import page as html
from lstmdump.report.html.page import ModelReport, ReportPart

if TYPE_CHECKING:
    from lstmdump.cli.selection import Input
    from lstmdump.python.given import RunInputs
    from lstmdump.report.render.lags import ModelLags
    from lstmdump.sandbox.guard import Guard

ComputeLags: TypeAlias = "Callable[[Input, Guard, RunInputs, str | None], ModelLags]"
_SUFFIXES = (".html", ".htm")


class ReportPage:
    """A page on several models.

    Args:
        path: The file to write.
        words: The inputs of the models, each `FILE` or `NAME=FILE`; without any, no lags are computed.
        layer: The pattern of the layers.
        compute_lags: Computes the lags of a model from the inputs and `layer`.
        overwrite: Whether `path` may be an existing file.
    """

    def __init__(
        self,
        path: str,
        words: tuple[str, ...],
        layer: str | None,
        compute_lags: ComputeLags,
        *,
        overwrite: bool,
    ) -> None:
        self._path = path
        self._given = NetworkInputs(words, None)
        self._layer = layer
        self._compute_lags = compute_lags
        self._overwrite = overwrite
        self._inputs: RunInputs | None = None
        self._models: list[ModelReport] = []

    @property
    def most_drawn(self) -> int:
        """The number of layers that can still be drawn."""
        return html.MOST_DRAWN - sum(model.drawn for model in self._models)

    def start_run(self, *, as_json: bool, verb: str, quiet: bool) -> Run:
        """Return a run whose failures also go into this page."""
        return _PageRun(self, as_json=as_json, verb=verb, quiet=quiet)

    def start(self, models: Iterable[str]) -> None:
        """Check that the page can be written, and read the inputs.

        Raises:
            WrongSuffix: The path is not that of a page.
            OutputUnwritable: The path is a URL.
            OutputExists: The file exists and may not be overwritten.
            OutputClash: The file is one of `models`, or an input.
            BadInput: An input cannot be read.
        """
        if not self._path.lower().endswith(_SUFFIXES):
            raise WrongSuffix(f"{visible(self._path)} is not the name of a page; use .html")
        conflicts.require_writable(self._path, overwrite=self._overwrite, models=models, inputs=self._given.paths)
        if self._given.words:
            self._inputs = self._given.gather(influence.DTYPE, mask=None, initial=None)

    def add(self, model: ModelReport, item: Input, guard: Guard, *, has_layers: bool) -> None:
        """Add what is reported of a model, and compute its lags if there are inputs and layers."""
        self._models.append(model)
        if self._inputs is not None and has_layers:
            from lstmdump.report.html import lags as lags_in_html

            computed = self._compute_lags(item, guard, self._inputs, self._layer)
            lags = ReportPart("lags", "How far back it looks", lags_in_html.section(computed))
            self._models[-1] = model._replace(parts=(model.parts[0], lags, *model.parts[1:]))

    def fail(self, path: str, message: str) -> None:
        """Add that the model at `path` could not be read, or that its lags could not be computed."""
        if self._models and self._models[-1].path == path and not self._models[-1].problem:
            self._models[-1] = self._models[-1]._replace(problem=message)
        else:
            self._models.append(ModelReport(path, problem=message))

    def write(self) -> None:
        """Write the page: all of it, or nothing.

        Raises:
            OutputExists: The file was created since the check, and may not be overwritten.
            OutputUnwritable: The file cannot be written.
        """
        if not self._models:
            return
        try:
            with whole_file(self._path, overwrite=self._overwrite) as file:
                file.write(html.page(self._models).encode())
        except OutputExists as error:
            raise already_there(visible(self._path)) from error


class _PageRun(Run):
    """A run whose failures also go into a page."""

    def __init__(self, page: ReportPage, *, as_json: bool, verb: str, quiet: bool) -> None:
        super().__init__(as_json=as_json, verb=verb, quiet=quiet)
        self._page = page

    def fail(self, model: str, message: str, *, has_record: bool = False) -> None:
        """Report that `model` could not be handled, also in the page."""
        super().fail(model, message, has_record=has_record)
        self._page.fail(model, message)
