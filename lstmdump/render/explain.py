"""What `show --explain` says: all lessons on each layer, but what holds for every layer only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from lstmdump import behaviour
from lstmdump.behaviour import Behaviour
from lstmdump.errors import CannotReplay
from lstmdump.lstm import LSTM
from lstmdump.names import visible
from lstmdump.render.lessons.arrays import columns, parameters, rows, slices
from lstmdump.render.lessons.elsewhere import elsewhere, forget_bias
from lstmdump.render.lessons.equations import activations, equations, shapes
from lstmdump.render.lessons.section import TABLE_INDENT, Section, Subject
from lstmdump.render.lessons.steps import data, direction, returned, states, time
from lstmdump.render.page import INDENT, Page, Piece
from lstmdump.render.text import plural

_LESSONS = (
    equations, shapes, rows, columns, time, data, direction, slices, states, returned, parameters, forget_bias,
    activations, elsewhere,
)  # fmt: skip
_WIDEST, _USUAL = 100, 80  # columns that are good to read
_MOST_NAMES = 8
_LETTERS = "d inputs and m units"

Sections: TypeAlias = "tuple[Section, ...]"


def explanation(lstms: Sequence[LSTM], producer: str, *, width: int | None, colour: bool) -> str:
    """The lessons on LSTMS, of a model that PRODUCER wrote, as text for people.

    WIDTH is the terminal's; None is no terminal.
    """
    page = Page(min(width or _USUAL, _WIDEST), colour=colour)
    in_letters = len({tuple(lstm.sizes.items()) for lstm in lstms}) > 1
    told = {lstm: _sections(_subject(lstm, producer, page.width, in_letters=in_letters)) for lstm in lstms}
    shared = frozenset[Section].intersection(*map(frozenset, told.values())) if len(told) > 1 else frozenset()
    chapters = [(_listed(sayers, with_sizes=in_letters), own) for own, sayers in _alike(told, shared).items()]
    if shared:
        title = f"all {plural(len(told), 'layer')}" + (f", of {_LETTERS}" if in_letters else "")
        chapters.insert(0, (title, tuple(filter(shared.__contains__, told[lstms[0]]))))
    for place, (title, sections) in enumerate(chapters):
        _add(page, title, sections, apart=place > 0)
    return page.text()


def _subject(lstm: LSTM, producer: str, width: int, *, in_letters: bool) -> Subject:
    try:
        return Subject(lstm, behaviour.of(lstm, producer), in_letters, width)
    except CannotReplay as error:
        return Subject(lstm, Behaviour(), in_letters, width, str(error))


def _sections(subject: Subject) -> Sections:
    found = (lesson(subject) for lesson in _LESSONS)
    return tuple(section for section in found if section is not None)


def _alike(told: Mapping[LSTM, Sections], shared: frozenset[Section]) -> dict[Sections, list[LSTM]]:
    """Of what is TOLD of each layer, that which is not SHARED by all, with the layers that it holds for."""
    sayers: dict[Sections, list[LSTM]] = {}
    for lstm, sections in told.items():
        if own := tuple(section for section in sections if section not in shared):
            sayers.setdefault(own, []).append(lstm)
    return sayers


def _listed(lstms: Sequence[LSTM], *, with_sizes: bool) -> str:
    """The names of layers of the same sizes."""
    shown = ", ".join(visible(lstm.name) for lstm in lstms[:_MOST_NAMES])
    if len(lstms) > _MOST_NAMES:
        shown += f" and {plural(len(lstms) - _MOST_NAMES, 'other layer')}"
    return shown + (f", d = {lstms[0].input_dim}, m = {lstms[0].units}" if with_sizes else "")


def _add(page: Page, title: str, sections: Sections, *, apart: bool) -> None:
    if apart:
        page.blank()
        page.blank()
    page.line(Piece("explained: "), Piece(title, "bold cyan"))
    for section in sections:
        page.blank()
        page.line(Piece(section.title, "bold"))
        for line in section.lines:
            page.line(Piece(line.text), indent=TABLE_INDENT if line.is_row else INDENT)
