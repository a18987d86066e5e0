"""The text of `show --explain`: all sections on each layer, those that are the same for several layers once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

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

Lesson: TypeAlias = Callable[[Subject], "Section | None"]

_LESSONS: tuple[Lesson, ...] = (
    equations, shapes, rows, columns, time, data, direction, slices, states, returned, parameters, forget_bias,
    activations, granted, elsewhere,
)  # fmt: skip
SECTIONS: dict[str, tuple[Lesson, ...]] = {
    "equations": (equations,),
    "shapes": (shapes, rows, columns),
    "time": (time, data, direction),
    "gates": (slices,),
    "states": (states, returned),
    "parameters": (parameters,),
    "forget-bias": (forget_bias,),
    "activations": (activations, granted),
    "frameworks": (elsewhere,),
}
"""The lessons that `--explain SECTION` chooses, by the name of the section."""
_WIDEST, _USUAL = 100, 80  # columns; longer lines of prose are hard to read
_MOST_NAMES = 8


class Chapter(NamedTuple):
    """Sections that are the same for some layers.

    Attributes:
        title: The names of the layers.
        sizes: The meaning of the letters, or the sizes; empty if all layers of the model have the same sizes.
        sections: The sections in the order of the lessons.
    """

    title: str
    sizes: str
    sections: tuple[Section, ...]


class _Shared(NamedTuple):
    """Sections that are the same for some layers, each behind the index of its lesson."""

    lstms: tuple[LSTM, ...]
    sections: list[tuple[int, Section]]


def explanation(
    lstms: Sequence[LSTM], producer: str, *, width: int | None, colour: bool, section: str | None = None
) -> str:
    """Return the explanation of the layers of a model as text.

    Args:
        lstms: The layers.
        producer: The program that wrote the model.
        width: The width of the terminal in columns; None if stdout is not a terminal.
        colour: Whether to use colours.
        section: The only one of `SECTIONS` to write; None for all.
    """
    page = Page(min(width or _USUAL, _WIDEST), colour=colour)
    for place, chapter in enumerate(chapters(lstms, producer, width=page.width, section=section)):
        if place:
            page.blank()
            page.blank()
        page.line(Piece(chapter.title, "bold cyan"), Piece(", explained"))
        if chapter.sizes:
            page.line(Piece(chapter.sizes), indent=INDENT)
        _add_sections(page, chapter.sections)
    return page.text()


def chapters(
    lstms: Sequence[LSTM], producer: str, *, width: int = _USUAL, section: str | None = None
) -> Iterator[Chapter]:
    """Yield the explanation of the layers of a model; see `explanation`. The lines of tables fit into `width`."""
    lessons = _LESSONS if section is None else SECTIONS[section]
    in_letters = not _are_of_one_size(lstms)
    subjects = [_make_subject(lstm, producer, width, in_letters=in_letters) for lstm in lstms]
    for shared in _share_sections(subjects, lessons):
        sizes = _describe_sizes(shared.lstms) if in_letters else ""
        ordered = sorted(shared.sections, key=lambda numbered: numbered[0])
        yield Chapter(_make_title(shared.lstms, len(lstms)), sizes, tuple(section for _, section in ordered))


def _share_sections(subjects: Sequence[Subject], lessons: Sequence[Lesson]) -> list[_Shared]:
    """Return the chapters on the subjects, in the order of the lessons.

    Every lesson gives a section for every subject. Equal sections are kept once, with all of their layers, and the
    sections of the same layers make a chapter. Chapters are in the order of their first layers; of those that begin
    with one layer, the chapter on most layers is first.
    """
    places = {subject.lstm: place for place, subject in enumerate(subjects)}
    layers_of: dict[tuple[int, Section], list[LSTM]] = {}
    for subject in subjects:
        for lesson_place, lesson in enumerate(lessons):
            if (section := lesson(subject)) is not None:
                layers_of.setdefault((lesson_place, section), []).append(subject.lstm)
    found: dict[tuple[LSTM, ...], _Shared] = {}
    for section_of_lesson, lstms in layers_of.items():
        found.setdefault(tuple(lstms), _Shared(tuple(lstms), [])).sections.append(section_of_lesson)
    return sorted(found.values(), key=lambda shared: (places[shared.lstms[0]], -len(shared.lstms)))


def _make_subject(lstm: LSTM, producer: str, width: int, *, in_letters: bool) -> Subject:
    try:
        return Subject(lstm, behaviour.of(lstm, producer), in_letters, width)
    except CannotReplay as error:
        return Subject(lstm, Behaviour(), in_letters, width, str(error))


def _are_of_one_size(lstms: Sequence[LSTM]) -> bool:
    return len({lstm.sizes for lstm in lstms}) == 1


def _make_title(lstms: Sequence[LSTM], of: int) -> str:
    """Return the title of a chapter on `lstms`, which are some or all of the `of` layers of the model."""
    if len(lstms) == of > 1:
        return f"all {plural(of, 'layer')}"
    shown = ", ".join(map(_name_layer, lstms[:_MOST_NAMES]))
    return shown + (f" and {plural(len(lstms) - _MOST_NAMES, 'other layer')}" if len(lstms) > _MOST_NAMES else "")


def _describe_sizes(lstms: Sequence[LSTM]) -> str:
    """Return the sizes of the layers if they are the same, else the meaning of the letters."""
    first = lstms[0]
    sizes = {"d": "inputs", "m": "units"} | ({} if first.projection is None else {"p": "outputs, projected"})
    if _are_of_one_size(lstms):
        return ", ".join(f"{letter} = {getattr(first.sizes, letter)} {word}" for letter, word in sizes.items())
    return ", ".join(f"{letter} {word}" for letter, word in sizes.items())


def _name_layer(lstm: LSTM) -> str:
    """Return the name of a layer, with the half of a Bidirectional that it is unless the name contains that."""
    half = behaviour.half(lstm)
    return visible(lstm.name) + (f" ({half})" if half is not None and half not in lstm.name else "")


def _add_sections(page: Page, sections: Sequence[Section]) -> None:
    for section in sections:
        page.blank()
        page.line(Piece(section.title, "bold"))
        for line in section.lines:
            page.line(Piece(line.text), indent=TABLE_INDENT if line.is_row else INDENT)
