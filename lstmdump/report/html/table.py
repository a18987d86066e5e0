"""The table of `show` in HTML, with the words of the table that is printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lstmdump.report.facts import LayerFacts, Report
from lstmdump.report.html.elements import Look, by_itself, name, text
from lstmdump.report.render import table as words
from lstmdump.report.render.page import Row

_HEADINGS = ("array", "shape and the reason for it", "parameters")


def fragment(report: Report, *, with_others: bool = False, look: Look = by_itself) -> str:
    """Return what `show` prints about a model as an HTML element.

    It has the colours of the page around it, and needs no style sheet.

    Args:
        report: The report.
        with_others: Whether to list the other arrays of the model.
        look: The look of the elements.
    """
    path, about = words.head(report)
    parts = [
        f"<div><strong>{name(path)}</strong></div>",
        f"<div{look('about')}>{text(about)}</div>",
        tables(report, with_others=with_others, look=look),
        notes(report, look=look),
    ]
    return f"<div{look('model')}>\n" + "".join(f"{part}\n" for part in parts if part) + "</div>"


def layer_fragment(layer: LayerFacts, *, look: Look = by_itself) -> str:
    """Return the table of one layer as an HTML element, which has the colours of the page around it."""
    return _make_table([_make_layer_rows(layer, look)], look)


def tables(report: Report, *, with_others: bool = False, look: Look = by_itself) -> str:
    """Return the table of the layers and the sums, and that of the other arrays; empty if there is nothing to list."""
    bodies = [_make_layer_rows(layer, look) for layer in report.layers]
    if with_others and report.others:
        bodies.append([_make_head("<strong>other arrays</strong>", look), *_make_rows(words.other_rows(report), look)])
    if bodies:
        bodies.append([_make_head("<strong>together</strong>", look), *_make_rows(words.total_rows(report), look)])
    return _make_table(bodies, look) if bodies else ""


def notes(report: Report, *, look: Look = by_itself) -> str:
    """Return the notes on a model as a list; empty if there are none."""
    items = "".join(f"<li>note: {text(note)}</li>\n" for note in report.notes)
    return f"<ul{look('notes')}>\n{items}</ul>" if items else ""


def _make_table(bodies: Iterable[Iterable[str]], look: Look) -> str:
    *left, right = _HEADINGS
    headings = "".join(f'<th scope="col"{look("heading")}>{words}</th>' for words in left)
    headings += f'<th scope="col"{look("heading-number")}>{right}</th>'
    rows = "\n".join("<tbody>\n" + "".join(f"{row}\n" for row in body) + "</tbody>" for body in bodies)
    return f"<table{look('table')}>\n<thead><tr>{headings}</tr></thead>\n{rows}\n</table>"


def _make_layer_rows(layer: LayerFacts, look: Look) -> list[str]:
    about = text(" · ".join((layer.kind, *words.describe_layer(layer))))
    head = f"<strong>{name(layer.name)}</strong> <span{look('about')}>{about}</span>"
    return [_make_head(head, look), *_make_rows(words.layer_rows(layer), look)]


def _make_head(inner: str, look: Look) -> str:
    return f'<tr><th colspan="3" scope="rowgroup"{look("layer")}>{inner}</th></tr>'


def _make_rows(rows: Iterable[Row], look: Look) -> Iterator[str]:
    for row in rows:
        kind = look("sum") if row.number.style == "bold" else ""
        yield (
            f'<tr{kind}><th scope="row"{look("name")}>{name(row.name)}</th>'
            f"<td{look('reason')}>{text(row.reason)}</td><td{look('number')}>{text(row.number.text)}</td></tr>"
        )
