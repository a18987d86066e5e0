"""Lists of paths, as they come."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lstmdump import cli, readers
from lstmdump.cli import selection
from lstmdump.cli.selection import Selection
from lstmdump.errors import RefusedModel
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.location import Location
from lstmdump.model.tree import Model
from lstmdump.readers.detect import Format


@pytest.mark.parametrize("options", [[], ["-0"]])
def test_a_model_is_shown_before_the_list_is_ended(options: list[str], model: Path) -> None:
    command = [sys.executable, "-m", "lstmdump", "show", "--json", "-T", "-", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(str(model).encode() + (b"\0" if options else b"\n"))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["model"] == str(model)
        process.stdin.close()
        assert (process.stdout.read(), process.wait(60)) == (b"", 0)


def listed(content: bytes, tmp_path: Path, *, null: bool = False) -> list[str]:
    (tmp_path / "list").write_bytes(content)
    failures: list[tuple[str, str]] = []
    chosen = Selection((), str(tmp_path / "list"), null=null, recursive=(), layer=None, quiet=False)
    paths = [item.path for item in chosen.inputs(lambda *failure: failures.append(failure))]
    assert failures == []
    return paths


@pytest.mark.parametrize("block", [1, 3, 1 << 16])
def test_a_path_may_lie_across_what_is_read_at_once(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "_BLOCK", block)
    assert listed(b"first\nsecond\n\nthird", tmp_path) == ["first", "second", "third"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n", b"\r\n"])
def test_a_list_of_nothing_names_none(content: bytes, tmp_path: Path) -> None:
    assert listed(content, tmp_path) == []


@pytest.mark.parametrize("content", [b"a", b"a\n", b"a\r\n", b"\xef\xbb\xbfa\n", b"\xff\xfea\0\n\0", b"\xfe\xff\0a"])
def test_one_path_is_one_path_however_it_is_written(content: bytes, tmp_path: Path) -> None:
    assert listed(content, tmp_path) == ["a"]


def test_between_nuls_a_path_may_hold_any_sign(tmp_path: Path) -> None:
    assert listed(b"a\nb\0c\r\0", tmp_path, null=True) == ["a\nb", "c\r"]


def test_a_list_that_never_separates_is_one_path(tmp_path: Path) -> None:
    assert [len(path) for path in listed(bytes(1 << 20), tmp_path)] == [1 << 20]


def test_a_list_is_not_read_before_a_model_is_taken() -> None:
    stream = io.BufferedReader(io.BytesIO(b"a\n" * 100_000))  # type: ignore[arg-type]
    taken = selection._split_paths(stream, b"\n")
    next(taken)
    assert stream.tell() < 100_000


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> list[Limits]:
    """The limits that readers are given, who then refuse whatever it is."""
    given: list[Limits] = []

    def refuse(location: Location, _: Format | None) -> Model:
        given.append(location.limits)
        raise RefusedModel("it is a test")

    monkeypatch.setattr(readers, "read", refuse)
    monkeypatch.setattr("lstmdump.sandbox.fork.HAS_FORK", False)  # so that it is this process that reads
    return given


@pytest.mark.parametrize(
    "words", [["show"], ["export", "-o", "x.npz"], ["check", "--params", "1"], ["verify"]], ids=lambda words: words[0]
)
def test_readers_are_given_the_limits(words: list[str], trusted: list[Limits], model: Path) -> None:
    cli.run([*words, str(model), "--limit", "objects=7", "--limit", "json-size=1GiB"])
    cli.run([*words, str(model)])
    assert trusted == [DEFAULTS._replace(objects=7, json_size=2**30), DEFAULTS]
