"""The layout of a page is that of rich, which lays out what does not fit."""

from __future__ import annotations

import pytest

from lstmdump.report.render import page as pages
from lstmdump.report.render.page import Folding, Page, Piece, Row, length, widths

ROWS = [
    Row("kernel", "(3, 16) = 3×4·4", Piece("48", "dim")),
    Row("columns", "i 0:4 · f 4:8", Piece("")),
    Row("parameters", "4·((3+4)·4 + 4) = 128", Piece("1,128", "bold")),
]


def written(width: int | None, *, colour: bool, name: str = "lstm") -> str:
    page = Page(width, colour=colour)
    page.line(Piece(name, "bold cyan"), Piece("  LSTM"))
    page.line(Piece("3 inputs"), indent=2)
    page.blank()
    page.columns(ROWS, widths(ROWS), folds=1)
    page.hanging(Piece("note: ", "yellow"), f"{name} is stored twice")
    return page.text()


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("width", [None, 40, 44, 45, 80])  # the columns take 44
def test_text_that_fits_is_laid_out_as_by_rich(
    width: int | None, colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = written(width, colour=colour)
    monkeypatch.setattr(pages, "_is_narrow", lambda *_: False)
    assert written(width, colour=colour) == plain


def test_columns_are_aligned() -> None:
    assert written(80, colour=False).splitlines()[3:6] == [
        "  kernel      (3, 16) = 3×4·4           48",
        "  columns     i 0:4 · f 4:8",
        "  parameters  4·((3+4)·4 + 4) = 128  1,128",
    ]


def test_a_formula_that_does_not_fit_is_broken_before_its_equals_sign() -> None:
    assert written(40, colour=False).splitlines()[3:7] == [
        "  kernel      (3, 16) = 3×4·4         48",
        "  columns     i 0:4 · f 4:8",
        "  parameters  4·((3+4)·4 + 4)      1,128",
        "              = 128",
    ]


def test_items_that_do_not_fit_are_broken_between_them() -> None:
    rows = [Row("columns", "i 0:6 · f 6:12 · c 12:18 · o 18:24", Piece("240"))]
    page = Page(40, colour=False)
    page.columns(rows, widths(rows), folds=1)
    assert page.text().splitlines() == [
        "  columns  i 0:6 · f 6:12 ·          240",
        "           c 12:18 · o 18:24",
    ]


def test_columns_keep_their_distance_when_they_are_folded() -> None:
    rows = [Row("name", "x" * 100, Piece("240"))]
    page = Page(40, colour=False)
    page.columns(rows, widths(rows), folds=1)
    assert page.text().splitlines()[0] == f"  name  {'x' * 27}  240"


def test_no_line_is_longer_than_the_terminal_is_wide() -> None:
    assert max(map(len, written(40, colour=False, name="a_layer_of_a_long_name" * 3).splitlines())) == 40


def test_a_character_may_take_two_columns_or_none() -> None:
    assert [length(Piece(text)) for text in ("層", "e\u0301", "×·", "a b")] == [2, 1, 2, 3]


def test_a_word_longer_than_the_line_is_folded() -> None:
    assert Folding(40, colour=False).line([Piece("x" * 50)], 0) == "x" * 40 + "\n" + "x" * 10 + "\n"


def test_further_lines_of_a_note_are_indented_by_its_label() -> None:
    lines = Folding(16, colour=False).hanging(Piece("note: "), "one two three four").splitlines()
    assert [line.rstrip() for line in lines] == ["note: one two", "      three four"]


def test_one_column_is_folded_to_make_room() -> None:
    rows = [Row("kernel", "a reason of several words", Piece("48"))]
    text = Folding(30, colour=False).columns(rows, (6, 25, 2), folds=1, spare=16, gap=2, indent=2)
    assert [line.rstrip() for line in text.splitlines()] == [
        "  kernel  a reason of       48",
        "          several words",
    ]
