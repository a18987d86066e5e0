"""The result of `lags` in HTML: a bar for each lag, and the sentence that answers the question."""

from __future__ import annotations

from lstmdump.replay.lags import LayerLags
from lstmdump.report.html.elements import Look, by_class, by_itself, name, text
from lstmdump.report.render import lags as words
from lstmdump.report.render.lags import LagRow, ModelLags


def fragment(model: ModelLags) -> str:
    """Return the lags of a model as an HTML element, which has the colours of the page around it."""
    return f"<div{by_itself('model')}>\n{section(model, look=by_itself)}\n</div>"


def section(model: ModelLags, *, look: Look = by_class) -> str:
    """Return the lags of the layers of a model."""
    has_one_input = len({layer.input for layer in model.layers}) < 2
    layers = "\n".join(_make_layer(layer, look, has_one_input=has_one_input) for layer in model.layers)
    notes = "".join(f"<li>note: {text(note)}</li>\n" for note in model.notes)
    return layers + (f"\n<ul{look('notes')}>\n{notes}</ul>" if notes else "")


def _make_layer(layer: LayerLags, look: Look, *, has_one_input: bool) -> str:
    of = name(layer.name) if has_one_input else f"{name(layer.name)} by {name(str(layer.input))}"
    about = f"{words.describe_norm(layer)} · {words.describe_point(layer)}"
    head = f"<h4>{of}</h4>\n<p{look('about')}>{_set_indices(text(about))}</p>"
    if layer.no_point is not None:
        return f"<section{look('lags')}>\n{head}\n<p>no numbers: {text(layer.no_point)}</p>\n</section>"
    rows = words.lag_rows(layer)
    summed = f"<p>{text(words.SUMMED)}</p>\n" if len(rows) < layer.telling else ""
    rest = f"<p>{text(words.name_rest(layer))}</p>\n" if words.name_rest(layer) else ""
    return (
        f"<section{look('lags')}>\n{head}\n<p><strong>{text(words.write_answer(layer))}</strong></p>\n"
        f"<p>{text(words.define_lag_0(layer))}</p>\n{summed}{_make_table(rows, look)}\n{rest}</section>"
    )


def _set_indices(words: str) -> str:
    return words.replace("x_{T-k}", "x<sub>T−k</sub>").replace("h_T", "h<sub>T</sub>")


def _make_table(rows: list[LagRow], look: Look) -> str:
    heads = "".join(f'<th scope="col">{word}</th>' for word in ("lag", "norm", "share"))
    body = "".join(f"{_make_row(row, look)}\n" for row in rows)
    head = f"<tr>{heads}<td{look('bars')}></td></tr>"
    return f"<table{look('bars-table')}><thead>{head}</thead>\n<tbody>\n{body}</tbody></table>"


def _make_row(row: LagRow, look: Look) -> str:
    return (
        f'<tr><th scope="row">{text(row.name)}</th><td>{text(row.norm)}</td><td>{text(row.share)}</td>'
        f"<td{look('bars')}>{_draw_bar(row.part or 0.0, look)}</td></tr>"
    )


def _draw_bar(part: float, look: Look) -> str:
    """Return a bar for `part` of the longest; a part above 0 is always visible."""
    width = max(100 * part, 0.5) if part > 0 else 0.0
    return (
        f'<svg{look("bar")} viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{width:.2f}" height="1"></rect></svg>'
    )
