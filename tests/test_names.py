from __future__ import annotations

import pytest

from lstmdump.names import visible


@pytest.mark.parametrize("text", ["lstm_1", "a b", "lstm_é日本", "α×β·γ"])
def test_what_can_be_seen_is_left_alone(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb", "a\\nb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("a\udcffb", "a\\udcffb"),
        ("a\x00b", "a\\x00b"),
    ],
)
def test_what_a_terminal_would_act_on_or_hide_is_escaped(text: str, expected: str) -> None:
    assert visible(text) == expected
