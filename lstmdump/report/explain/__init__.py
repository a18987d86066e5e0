"""The text of `show --explain`: all lessons on each layer, but what holds for every layer only once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lstmdump.errors import CannotReplay
from lstmdump.lstm import LSTM, behaviour
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.model.escape import visible
from lstmdump.report.explain.arrays import columns, parameters, rows, slices
from lstmdump.report.explain.equations import activations, equations, granted, shapes
from lstmdump.report.explain.other_frameworks import elsewhere, forget_bias
from lstmdump.report.explain.section import TABLE_INDENT, Section, Subject
from lstmdump.report.explain.time_steps import data, direction, returned, states, time
from lstmdump.report.render.page import INDENT, Page, Piece
from lstmdump.report.render.words import plural

_LESSONS = (
    equations, shapes, rows, columns, time, data, direction, slices, states, returned, parameters, forget_bias,
    activations, granted, elsewhere,
)  # fmt: skip
_WIDEST, _USUAL = 100, 80  # columns that are good to read
_MOST_NAMES = 8


class _Chapter(NamedTuple):
    """Sections that hold for the same layers, each with its place among the lessons, in order."""

    lstms: tuple[LSTM, ...]
    sections: list[tuple[int, Section]]


def explanation(lstms: Sequence[LSTM], producer: str, *, width: int | None, colour: bool) -> str:
    """Return the lessons on the layers of a model, as text for people.

    Args:
        lstms: The layers.
        producer: Who wrote the model.
        width: The columns of the terminal; None for no terminal.
        colour: Whether to use colours.
    """
    page = Page(min(width or _USUAL, _WIDEST), colour=colour)
    in_letters = not _are_of_one_size(lstms)
    subjects = [_make_subject(lstm, producer, page.width, in_letters=in_letters) for lstm in lstms]
    for place, chapter in enumerate(_make_chapters(subjects)):
        if place:
            page.blank()
            page.blank()
        page.line(Piece(_make_title(chapter.lstms, len(lstms)), "bold cyan"), Piece(", explained"))
        if in_letters:
            page.line(Piece(_describe_sizes(chapter.lstms)), indent=INDENT)
        _add_chapter(page, chapter)
    return page.text()


def _make_chapters(subjects: Sequence[Subject]) -> list[_Chapter]:
    """Return the chapters on the subjects: each section once, what holds for many layers before what holds for few."""
    places = {subject.lstm: place for place, subject in enumerate(subjects)}
    sayers: dict[tuple[int, Section], list[LSTM]] = {}
    for subject in subjects:
        for lesson_place, lesson in enumerate(_LESSONS):
            if (section := lesson(subject)) is not None:
                sayers.setdefault((lesson_place, section), []).append(subject.lstm)
    chapters: dict[tuple[LSTM, ...], _Chapter] = {}
    for said, lstms in sayers.items():
        chapters.setdefault(tuple(lstms), _Chapter(tuple(lstms), [])).sections.append(said)
    return sorted(chapters.values(), key=lambda chapter: (places[chapter.lstms[0]], -len(chapter.lstms)))


def _make_subject(lstm: LSTM, producer: str, width: int, *, in_letters: bool) -> Subject:
    try:
        return Subject(lstm, behaviour.of(lstm, producer), in_letters, width)
    except CannotReplay as error:
        return Subject(lstm, Behaviour(), in_letters, width, str(error))


def _are_of_one_size(lstms: Sequence[LSTM]) -> bool:
    return len({lstm.sizes for lstm in lstms}) == 1


def _make_title(lstms: Sequence[LSTM], of: int) -> str:
    """Return the title of a chapter on some of that many layers."""
    if len(lstms) == of > 1:
        return f"all {plural(of, 'layer')}"
    shown = ", ".join(map(_name_layer, lstms[:_MOST_NAMES]))
    return shown + (f" and {plural(len(lstms) - _MOST_NAMES, 'other layer')}" if len(lstms) > _MOST_NAMES else "")


def _describe_sizes(lstms: Sequence[LSTM]) -> str:
    """Return the sizes of the layers if they are the same, else what the letters stand for."""
    first = lstms[0]
    sizes = {"d": "inputs", "m": "units"} | ({} if first.projection is None else {"p": "outputs, projected"})
    if _are_of_one_size(lstms):
        return ", ".join(f"{letter} = {getattr(first.sizes, letter)} {word}" for letter, word in sizes.items())
    return ", ".join(f"{letter} {word}" for letter, word in sizes.items())


def _name_layer(lstm: LSTM) -> str:
    """Return the name of a layer, and which half of a Bidirectional it is if the name does not say so."""
    half = behaviour.half(lstm)
    return visible(lstm.name) + (f" ({half})" if half is not None and half not in lstm.name else "")


def _add_chapter(page: Page, chapter: _Chapter) -> None:
    for _, section in sorted(chapter.sections, key=lambda said: said[0]):
        page.blank()
        page.line(Piece(section.title, "bold"))
        for line in section.lines:
            page.line(Piece(line.text), indent=TABLE_INDENT if line.is_row else INDENT)
