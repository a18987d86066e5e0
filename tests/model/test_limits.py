"""The table of limits: values, parsing of `--limit`, and messages."""

from __future__ import annotations

import pytest

from lstmdump import cli
from lstmdump.model import limits
from lstmdump.model.limits import DEFAULTS, LIMITS, Limits


def test_each_limit_is_described() -> None:
    assert [limit.field for limit in LIMITS] == list(Limits._fields)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("objects=1_000_000", ("objects", 1_000_000)),
        ("objects=1,000,000", ("objects", 1_000_000)),
        ("json-size=1234", ("json_size", 1234)),
        ("json-size=64MiB", ("json_size", 64 * 2**20)),
        ("json_size=64 MiB", ("json_size", 64 * 2**20)),
        ("memory=2GB", ("memory", 2_000_000_000)),
        ("unfolding=2000x", ("unfolding", 2000)),
        ("unfolding=2000", ("unfolding", 2000)),
        ("seconds=60s", ("seconds", 60)),
    ],
)
def test_a_value_is_written_with_or_without_its_unit(text: str, value: tuple[str, int]) -> None:
    assert limits.parse(text) == value


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_a_written_limit_can_be_parsed(limit: limits.Limit) -> None:
    assert limits.parse(f"{limit.name}={limits.written(limit)}") == (limit.field, getattr(DEFAULTS, limit.field))


@pytest.mark.parametrize("text", ["", "objects", "=1", "depth=1", "limits=1"])
def test_the_error_for_an_unknown_limit_lists_the_limits(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=VALUE, where NAME is one of json-size, json-depth"):
        limits.parse(text)


@pytest.mark.parametrize(
    "text", ["objects=", "objects=0", "objects=-1", "objects=1x", "objects=1.5", "objects=MiB", "memory=1 zebibyte"]
)
def test_the_error_for_an_invalid_value_gives_a_valid_one(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"is not a value for (objects; give one such as 100000|memory; give one such as 384MiB)"
    ):
        limits.parse(text)


def test_the_error_for_an_exceeded_limit_names_the_option_that_raises_it() -> None:
    error = limits.limit_exceeded("json_size", "config.json has 16,777,217 bytes", needed=16 * 2**20 + 1)
    assert str(error) == "config.json has 16,777,217 bytes; --limit json-size=17MiB allows it"


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_help_does_not_split_a_limit_across_lines(limit: limits.Limit, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["show", "--help"])
    assert f"{limit.name}={limits.written(limit)}" in capsys.readouterr().out
