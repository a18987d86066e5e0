from __future__ import annotations

import subprocess
import sys
import warnings

import matplotlib as mpl
import pytest

from lstmdump.report.plot import style


def test_settings_of_the_user_are_ignored() -> None:
    with mpl.rc_context({"text.usetex": True, "lines.linewidth": 9.0}), style.applied():
        assert (mpl.rcParams["text.usetex"], mpl.rcParams["lines.linewidth"]) == (False, 1.5)


def test_settings_of_the_user_are_restored() -> None:
    before = dict(mpl.rcParams)
    with style.applied():
        assert mpl.rcParams["svg.fonttype"] == "none"
    assert dict(mpl.rcParams) == before


def test_no_warning_is_shown() -> None:
    with warnings.catch_warnings(record=True) as shown, style.applied():
        warnings.warn("a glyph is not in the font", stacklevel=1)
    assert shown == []


def test_a_later_warning_is_shown() -> None:
    with style.applied():
        pass
    with pytest.warns(UserWarning, match="after"):
        warnings.warn("after", stacklevel=1)


def test_a_figure_needs_no_display_and_no_pyplot() -> None:
    code = (
        "from lstmdump.report.plot import style; style.page(); import sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [("lstm_1/é", "lstm_1/é"), ("a\x1b[2J", "a\\x1b[2J"), ("日本", "\\u65e5\\u672c"), ("😈\u200b", "😈\\u200b")],
)
def test_characters_that_cannot_be_drawn_are_escaped(text: str, shown: str) -> None:
    assert style.legible(text) == shown


def test_a_name_of_any_length_is_a_line_of_a_hundred_characters() -> None:
    assert len(style.legible("x" * 900)) <= 100
