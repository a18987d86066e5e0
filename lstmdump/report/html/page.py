"""One page on several models, which needs neither network nor script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from lstmdump import __version__
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.sentences import plural
from lstmdump.report.html import style
from lstmdump.report.html.elements import path, text

MOST_DRAWN = 24
"""The most layers with heat maps in a page: those of a large layer take a quarter of a megabyte."""


class ReportPart(NamedTuple):
    """A part of the report on a model: a word for the contents, the title, and the HTML."""

    word: str
    title: str
    html: str


class ModelReport(NamedTuple):
    """The report on a model.

    Attributes:
        path: The path, as given.
        about: The format, the producer, and the number of layers.
        parts: What is reported, in order.
        problem: Why something could not be read or computed; empty if there is nothing.
        drawn: The number of layers with heat maps.
    """

    path: str
    about: str = ""
    parts: tuple[ReportPart, ...] = ()
    problem: str = ""
    drawn: int = 0

    @property
    def lacks(self) -> str:
        """What could not be read or computed, if there is a problem."""
        return "lags could not be computed" if self.parts else "could not be read"


def page(models: Sequence[ModelReport]) -> str:
    """Return the page on `models` as HTML."""
    title = _choose_title(models)
    sections = "\n".join(_make_model(model, number) for number, model in enumerate(models, start=1))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{style.policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="lstmdump {text(__version__)}">
<title>{text(title)}</title>
<style>{style.SHEET}</style>
</head>
<body>
<header>
<h1>{text(title)}</h1>
{_make_contents(models)}</header>
<main>
{sections}
</main>
<footer>Written by lstmdump {text(__version__)}, which reads LSTM layers out of model files.</footer>
</body>
</html>
"""


def _choose_title(models: Sequence[ModelReport]) -> str:
    if len(models) > 1:
        return f"LSTM layers of {plural(len(models), 'model')}"
    return f"LSTM layers of {PurePath(models[0].path).name or models[0].path}"


def _make_contents(models: Sequence[ModelReport]) -> str:
    """Return the table of contents; that of one model is in its section."""
    if len(models) < 2:
        return ""
    items = "".join(f"<li>{_make_entry(model, number)}</li>\n" for number, model in enumerate(models, start=1))
    return f'<nav aria-label="Contents"><ol class="contents">\n{items}</ol></nav>\n'


def _make_entry(model: ModelReport, number: int) -> str:
    link = f'<a href="#model-{number}">{path(model.path)}</a>'
    about = f' <span class="about">{text(model.about)}{" · " if model.problem else ""}</span>' if model.about else ""
    return link + about + (f' <span class="problem">{text(model.lacks)}</span>' if model.problem else "")


def _make_model(model: ModelReport, number: int) -> str:
    inner = "\n".join(_make_inner(model, number))
    return f'<section class="model" id="model-{number}">\n<h2>{path(model.path)}</h2>\n{inner}\n</section>'


def _make_inner(model: ModelReport, number: int) -> Iterator[str]:
    if model.about:
        yield f'<p class="about">{text(model.about)}</p>'
    titled = [(place, part) for place, part in enumerate(model.parts) if part.title]
    if len(titled) > 1:
        items = "".join(f'<li><a href="#model-{number}-{place}">{text(part.word)}</a></li>' for place, part in titled)
        yield f'<ul class="parts">{items}</ul>'
    if model.problem:
        yield f'<p class="problem">{text(model.lacks)}: {text(model.problem)}</p>'
    for place, part in enumerate(model.parts):
        if part.title:
            yield f'<h3 id="model-{number}-{place}">{text(part.title)}</h3>'
        yield part.html
