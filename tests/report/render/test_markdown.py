"""Markdown folded to the width of a terminal."""

from __future__ import annotations

import pytest

from lstmdump.report.render.markdown import fold


def test_a_paragraph_is_folded_to_the_width() -> None:
    assert fold("one two\nthree four five\n", width=14, colour=False) == "one two three\nfour five\n"


def test_paragraphs_stay_apart() -> None:
    assert fold("one\n\n\ntwo\n", width=40, colour=False) == "one\n\ntwo\n"


def test_an_item_of_a_list_is_indented_by_its_mark() -> None:
    assert fold("- one two\n  three\n- four\n", width=10, colour=False) == "- one two\n  three\n- four\n"


def test_a_numbered_item_is_indented_by_its_mark() -> None:
    assert fold("10. one two three\n", width=12, colour=False) == "10. one two\n    three\n"


def test_a_dash_within_a_paragraph_does_not_begin_an_item() -> None:
    assert fold("one -\ntwo\n", width=40, colour=False) == "one - two\n"


def test_fenced_code_keeps_its_lines_and_is_indented() -> None:
    assert fold("```sh\na  b\n\nc\n```\n", width=40, colour=False) == "    a  b\n\n    c\n"


@pytest.mark.parametrize(("width", "indent"), [(14, 4), (13, 3), (10, 0), (5, 0)])
def test_fenced_code_is_indented_as_far_as_it_fits(width: int, indent: int) -> None:
    assert fold(f"```\n{'x' * 10}\n```\n", width=width, colour=False) == " " * indent + "x" * 10 + "\n"


def test_indented_code_keeps_its_lines() -> None:
    assert fold("    a  b c d e f\n    c\n", width=8, colour=False) == "    a  b c d e f\n    c\n"


def test_a_table_keeps_its_lines() -> None:
    assert fold("| a | b |\n| --- | --- |\n", width=8, colour=False) == "| a | b |\n| --- | --- |\n"


def test_code_after_a_paragraph_is_a_block_of_its_own() -> None:
    assert fold("one\n```\na\n```\ntwo\n", width=40, colour=False) == "one\n\n    a\n\ntwo\n"


def test_a_heading_is_bold_with_colour() -> None:
    assert fold("# one\n", width=40, colour=True) == "\x1b[1m# one\x1b[0m\n"


def test_a_heading_is_unchanged_without_colour() -> None:
    assert fold("## one\n", width=40, colour=False) == "## one\n"


def test_a_link_shows_its_target() -> None:
    assert fold("see [the\npage](https://a.b/c-d).\n", width=80, colour=False) == "see the page <https://a.b/c-d>.\n"


def test_an_address_is_not_broken() -> None:
    assert fold("at <https://a.b/c-d-e>\n", width=10, colour=False) == "at\n<https://a.b/c-d-e>\n"


def test_a_short_span_of_code_stays_on_a_line() -> None:
    assert fold("run `pip install x`\n", width=30, colour=False) == "run `pip install x`\n"
    assert fold("before one runs `pip install x`\n", width=30, colour=False) == "before one runs\n`pip install x`\n"


def test_a_long_span_of_code_is_folded() -> None:
    assert fold("run `pip install one two`\n", width=20, colour=False) == "run `pip install one\ntwo`\n"


def test_an_empty_page_is_an_empty_line() -> None:
    assert fold("", width=10, colour=False) == "\n"
