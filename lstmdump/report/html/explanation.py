"""The text of `show --explain` in HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from lstmdump.lstm import LSTM
from lstmdump.report.explain import Chapter, chapters
from lstmdump.report.explain.section import Section
from lstmdump.report.html.elements import text


def explanation(lstms: Sequence[LSTM], producer: str) -> str:
    """Return the explanation of the layers of a model, a part for layers that have the same."""
    return "\n".join(map(_make_chapter, chapters(lstms, producer)))


def _make_chapter(chapter: Chapter) -> str:
    sizes = f"<p>{text(chapter.sizes)}</p>\n" if chapter.sizes else ""
    sections = "\n".join(map(_make_section, chapter.sections))
    return f'<section class="explained">\n<h4><bdi>{text(chapter.title)}</bdi></h4>\n{sizes}{sections}\n</section>'


def _make_section(section: Section) -> str:
    return f"<h5>{text(section.title)}</h5>\n" + "\n".join(_make_blocks(section))


def _make_blocks(section: Section) -> Iterator[str]:
    """Yield a paragraph for each line of prose, and a block of the rows that follow one another."""
    for is_row, lines in groupby(section.lines, key=lambda line: line.is_row):
        words = [text(line.text) for line in lines]
        if is_row:
            yield f'<pre tabindex="0">{chr(10).join(words)}</pre>'
        else:
            yield "\n".join(f"<p>{line}</p>" for line in words if line)
