from __future__ import annotations

import random
import sys
import unicodedata
from pathlib import PureWindowsPath
from urllib.parse import unquote

import pytest

from lstmdump.model.escape import key, shortened, visible


@pytest.mark.parametrize("text", ["lstm_1", "a b", "lstm_é日本", "α×β·γ", "a\u00a0b", "modèle　1"])
def test_visible_characters_are_not_escaped(text: str) -> None:
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
        ("a\u3164b", "a\\u3164b"),
        ("a\ufe0fb", "a\\ufe0fb"),
        ("a\U000e0101b", "a\\U000e0101b"),
        ("日本\xad", "日本\\xad"),
    ],
)
def test_characters_that_a_terminal_would_interpret_or_hide_are_escaped(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_all_control_format_and_line_separator_characters_of_unicode_are_escaped() -> None:
    hidden = [sign for sign in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(sign) in
              ("Cc", "Cf", "Cs", "Zl", "Zp")]  # fmt: skip
    assert not set(hidden) & set(visible("日".join(hidden)))


@pytest.mark.parametrize(
    "name",
    ["lstm_1", "bidirectional/forward_lstm", "rnn/multi_rnn_cell/cell_0/basic_lstm_cell", "aux/lstm", "my layer", "é日本",
     "a.b", ".x", "a-b", "x(1)", "n" * 60_000],
)  # fmt: skip
def test_an_ordinary_layer_name_is_its_own_key(name: str) -> None:
    assert key(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("..", ".%2E"),
        ("../../x", ".%2E/.%2E/x"),
        (".", "%2E"),
        ("a/./b", "a/%2E/b"),
        ("a. /b", "a.%20/b"),
        ("/etc/passwd", "%2Fetc/passwd"),
        ("//host/share", "%2F/host/share"),
        ("a//b", "a%2F/b"),
        ("a/", "a%2F"),
        ("", ""),
        ("/", "%2F"),
        ("..\\..\\x", "..%5C..%5Cx"),
        ("C:\\x", "C%3A%5Cx"),
        ("a:0", "a%3A0"),
        ("a?*", "a%3F%2A"),
        ("100%", "100%25"),
        ("a\x00b", "a%00b"),
        ("a\u202eb", "a%E2%80%AEb"),
        ("a\udcff", "a%ED%B3%BF"),
    ],
)
def test_what_is_not_portable_in_a_path_is_escaped_in_a_key(name: str, expected: str) -> None:
    assert key(name) == expected


@pytest.mark.parametrize("name", ["..", "/", "a//b/", "a\\b", "%2E", "C:x", "\u202e", "%", "a%2Fb"])
def test_unquoting_a_key_restores_the_name(name: str) -> None:
    assert unquote(key(name)) == name


def test_keys_stay_below_their_directory_on_every_system_and_are_unique() -> None:
    draw = random.Random(1)  # noqa: S311 - the same names each time
    names = {"".join(draw.choices("ab./\\:% \x1b\u202e日\udc80", k=draw.randrange(12))) for _ in range(5000)}
    keys = {key(name) for name in names}
    for made in keys:
        path, parts = PureWindowsPath(made), made.split("/")
        assert path.anchor == ""
        assert made == "" or not {"", ".", ".."} & set(parts)
        assert all(part == part.rstrip(". ") for part in (*parts, *path.parts))
    assert len(keys) == len(names)


def test_the_middle_of_a_long_text_is_left_out() -> None:
    text = shortened("a" * 500 + "b" * 1000 + "c" * 500, 1000)
    assert (len(text) <= 1000, text[:480], text[-480:]) == (True, "a" * 480, "c" * 480)
    assert " … 1,040 characters … " in text


@pytest.mark.parametrize("text", ["", "a" * 1000])
def test_a_short_text_is_not_shortened(text: str) -> None:
    assert shortened(text, 1000) == text
