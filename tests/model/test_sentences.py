from __future__ import annotations

import pytest

from lstmdump.model.sentences import conjoined, grouped, plural, shared


@pytest.mark.parametrize(("number", "words"), [(0, "0 layers"), (1, "1 layer"), (19_712, "19,712 layers")])
def test_one_is_singular(number: int, words: str) -> None:
    assert plural(number, "layer") == words


@pytest.mark.parametrize(("words", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_the_last_word_is_joined_by_and(words: list[str], text: str) -> None:
    assert conjoined(words) == text


def test_a_note_is_given_once_with_the_names_of_its_layers() -> None:
    assert grouped([("a", "n"), ("b", "other"), ("c", "n")]) == {"n": ["a", "c"], "other": ["b"]}


@pytest.mark.parametrize(
    ("names", "layers", "words"),
    [("ab", 2, "a, b: n"), ("abc", 3, "all 3 layers: n"), ("abcdefghij", 11, "a, b, c, d, e, f, g, h and 2 more: n")],
)
def test_a_note_on_many_layers_stays_short(names: str, layers: int, words: str) -> None:
    assert list(shared(((name, "n") for name in names), layers)) == [words]
