from __future__ import annotations

from lstmdump.report.render.folding import Folding
from lstmdump.report.render.page import Piece, Row


def test_a_word_that_is_too_long_is_cut() -> None:
    assert Folding(40, colour=False).line([Piece("x" * 50)], 0) == "x" * 40 + "\n" + "x" * 10 + "\n"


def test_further_lines_of_a_note_begin_beside_its_label() -> None:
    lines = Folding(16, colour=False).hanging(Piece("note: "), "one two three four").splitlines()
    assert [line.rstrip() for line in lines] == ["note: one two", "      three four"]


def test_one_column_gives_way_to_the_others() -> None:
    rows = [Row("kernel", "a reason of several words", Piece("48"))]
    text = Folding(30, colour=False).columns(rows, (6, 25, 2), folds=1, spare=16, gap=2, indent=2)
    assert [line.rstrip() for line in text.splitlines()] == [
        "  kernel  a reason of       48",
        "          several words",
    ]
