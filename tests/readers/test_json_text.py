"""JSON in model files: a text that exceeds a limit is not decoded."""

from __future__ import annotations

import json

import pytest

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.readers import json_text

LIMITS = DEFAULTS._replace(json_size=10_000, json_depth=5, nodes=100)


def refuse(text: str | bytes, words: str, monkeypatch: pytest.MonkeyPatch, limits: Limits = LIMITS) -> None:
    def decode(_: str) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(json, "loads", decode)
    with pytest.raises(RefusedModel, match=words):
        json_text.parse(text, "it", limits)


@pytest.mark.parametrize("text", [b'{"a": [1, "\xc3\xb6"]}', '{"a": [1, "ö"]}', '{"a": [1, "ö"]}'.encode("utf-16")])
def test_json_is_decoded(text: str | bytes) -> None:
    assert json_text.parse(text, "it", LIMITS) == {"a": [1, "ö"]}


@pytest.mark.parametrize("text", ["", "{", "{]", "[1,]", b"\xff\xfe\xfd", "1" * 5000, '"\\', '["[", "'])
def test_text_that_is_not_json_is_reported(text: str | bytes) -> None:
    with pytest.raises(CorruptModel, match="it is not valid JSON"):
        json_text.parse(text, "it", LIMITS)


@pytest.mark.parametrize("text", [b" " * 10_001, " " * 10_001])
def test_a_text_that_is_too_long_is_refused(text: str | bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(text, "it has 10,001 bytes; --limit json-size=1MiB allows it", monkeypatch)


@pytest.mark.parametrize("text", ["[" + "0," * 101, "[[]," * 51, '{"a":{},' * 51, "[" * 101])
def test_a_text_with_too_many_values_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(text, r"it holds up to 1[0-9][0-9] values; --limit nodes=1[0-9][0-9] allows it", monkeypatch)


DEEP = [
    "[[[[[[]]]]]]",
    '{"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}',
    '[{"a": [{"b": "]]]]]"}, [{"c": []}]]}]',
    '["[", "]", [[[[["\\\\", "\\""]]]]]]',
    "[" * 90,
    "[[1], [2], [3], [[[[[4]]]]]]",
    '[[[[{"a": [], "b": [], "c": [], "d": [], "e": []}]]]]',
]


@pytest.mark.parametrize("text", DEEP)
def test_a_text_that_is_too_deep_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(text, "it nests lists and objects more than 5 deep; --limit json-depth=10 allows it", monkeypatch)


@pytest.mark.parametrize("text", DEEP[:4] + DEEP[5:])
def test_a_text_of_the_allowed_depth_is_decoded(text: str) -> None:
    assert json_text.parse(text, "it", LIMITS._replace(json_depth=6)) == json.loads(text)


@pytest.mark.parametrize(
    "text", ['["' + "[" * 90 + '"]', '["\\"[[[[[[[[[[", "\\\\"]', "[" + ", ".join(["[[[[]]]]"] * 20) + "]"]
)
def test_brackets_in_strings_and_adjacent_ones_add_no_depth(text: str) -> None:
    assert json_text.parse(text, "it", LIMITS) == json.loads(text)


def test_a_text_too_deep_for_the_decoder_is_refused() -> None:
    with pytest.raises(RefusedModel, match="it nests lists and objects more than 1000000 deep"):
        json_text.parse("[" * 200_000 + "]" * 200_000, "it", DEFAULTS._replace(json_depth=1_000_000))
