"""Tests that the judge distinguishes good runs from bad ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hostile import canaries, checks, making, mutations
from hostile.cases import Case, Must
from hostile.judge import Judge
from hostile.running import Ran, Server
from support import builders
from support.file_watch import Watch

from lstmdump.sandbox.fork import HAS_FORK

GOOD = Ran(0, b'{"model": "x"}\n', b"lstmdump: x: no LSTM layer in this model\n", 1 << 20, left=False)
REFUSED = Ran(2, b'{"model": "x", "error": "it is damaged"}\n', b"lstmdump: x: it is damaged\n", 1 << 20, left=False)
GATES = {"lstm_1/W_i": builders.numbers(3, 4), "lstm_1/b_i": builders.numbers(4)}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    place = tmp_path_factory.mktemp("judge")
    with Judge(place / "work", canaries.write(place / "secrets")) as made:
        yield made


forking = pytest.mark.skipif(not HAS_FORK, reason="the files are tried in forked processes")


@pytest.mark.parametrize("ran", [GOOD, REFUSED])
def test_a_good_run_is_good(ran: Ran) -> None:
    assert [*checks.of_run("show", ran), *checks.of_record(ran)] == []


@pytest.mark.parametrize(
    ("ran", "words"),
    [
        (GOOD._replace(status=1), "show ended with 1"),
        (GOOD._replace(status=-11), "show ended with -11"),
        (REFUSED._replace(err=b""), "show reports 0 lines instead of one"),
        (REFUSED._replace(err=REFUSED.err * 2), "show reports 2 lines instead of one"),
        (REFUSED._replace(err=b"lstmdump: x: a bug in lstmdump: KeyError\n"), "show has a bug"),
        (GOOD._replace(err=b"HDF5-DIAG: Error detected\n"), "show has a bug"),
        (GOOD._replace(err=b"warning: x\n"), "show reports a line without the prefix"),
        (REFUSED._replace(err=b"lstmdump: " + b"x" * 5000), "show reports a line of 5010 characters"),
        (GOOD._replace(out="a\u202eb\n".encode()), "show writes the character U+202E"),
        (GOOD._replace(err=b"lstmdump: \x1b[2J"), "show writes the character U+001B"),
        (GOOD._replace(out=b"\xff\n"), "show writes invalid UTF-8"),
        (GOOD._replace(out=b'{"x": 31337.0078125}\n'), "show writes the secret"),
        (GOOD._replace(memory=1 << 30), "show used 1024 MiB"),
        (GOOD._replace(left=True), "show left a process behind"),
    ],
)
def test_a_bad_run_is_reported(ran: Ran, words: str) -> None:
    assert any(found.startswith(words) for found in checks.of_run("show", ran))


@pytest.mark.parametrize(
    ("ran", "words"),
    [
        (GOOD._replace(out=b""), "show writes 0 lines instead of one"),
        (GOOD._replace(out=REFUSED.out), "the record and the exit status of show disagree"),
        (REFUSED._replace(out=GOOD.out), "the record and the exit status of show disagree"),
    ],
)
def test_a_record_that_contradicts_the_status_is_reported(ran: Ran, words: str) -> None:
    assert list(checks.of_record(ran)) == [words]


def test_a_name_interpreted_as_markup_is_reported() -> None:
    shown = GOOD._replace(out=b'{"layers": [{"name": "[bold]x"}, {"name": "y\\u001b"}]}')
    table = GOOD._replace(out=b"LSTM x  y\\x1b  LSTM")
    assert list(checks.of_table(table, shown)) == ["the table lacks the layer '[bold]x'"]


def test_good_arrays_are_equal_under_other_names_and_in_other_types() -> None:
    assert checks.same({"other/W_i": GATES["lstm_1/W_i"].astype("f8")}, GATES)


def test_an_empty_archive_has_no_wrong_arrays() -> None:
    assert checks.same({}, GATES)


@pytest.mark.parametrize("number", [0.0, np.nan])
def test_an_array_with_one_other_number_is_different(number: float) -> None:
    changed = GATES["lstm_1/W_i"].copy()
    changed[1, 2] = number
    assert not checks.same({"lstm_1/W_i": changed}, GATES)


def test_a_good_array_under_the_name_of_another_is_different() -> None:
    assert not checks.same({"lstm_1/W_i": GATES["lstm_1/b_i"]}, GATES)


def test_secrets_and_keys_with_control_characters_are_reported() -> None:
    written = {"a\x1b": np.zeros(2), "b": np.array([1, canaries.SECRET], "f4")}
    assert list(checks.of_arrays(written)) == ["a key of the archive is 'a\\x1b'", "b holds the secret"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has inotify")
def test_the_opening_of_a_file_is_detected(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).touch()
    watch = Watch(tmp_path)
    (tmp_path / "other").read_bytes()
    assert watch.opened() == {"other"}
    assert watch.opened() == set()
    watch.close()


@forking
def test_the_server_returns_the_status_and_output_of_the_command_line(model: Path, tmp_path: Path) -> None:
    server = Server()
    good, bad = server.run(["show", "--json", str(model)], tmp_path), server.run(["show", "none"], tmp_path)
    server.close()
    assert (good.status, json.loads(good.out)["parameters"]["lstm"], good.err) == (0, 128, b"")
    assert (bad.status, bad.out, bad.err) == (2, b"", b"lstmdump: none: no such file or directory\n")


@forking
@pytest.mark.parametrize(
    ("must", "gates", "words"),
    [
        (Must.READ, {"lstm_1/W_i": np.zeros((3, 4))}, "not all numbers are those of the good file"),
        (Must.EITHER, {"lstm_1/W_i": np.zeros((3, 4))}, "some numbers are not those of the good file"),
        (Must.REFUSED, {}, "a bad file was read"),
    ],
)
def test_an_outcome_other_than_the_required_one_is_reported(
    must: Must, gates: dict[str, np.ndarray], words: str, judge: Judge, model: Path
) -> None:
    assert judge.judge(Case("keras 2", "good", must, model, gates)).wrong == (words,)


@forking
def test_a_good_file_that_is_refused_is_reported(judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"no model")
    judged = judge.judge(Case("keras 2", "good", Must.READ, tmp_path / "model.h5", GATES))
    assert (judged.wrong, judged.became) == (("a good file was refused",), "refused")


@forking
def test_files_left_in_the_working_directory_are_reported(
    judge: Judge, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def littering(_: list[str], directory: Path) -> Ran:
        (directory / "litter").touch()
        return REFUSED

    monkeypatch.setattr(judge, "_run", littering)
    judged = judge.judge(Case("keras 2", "good", Must.REFUSED, model, {}))
    assert judged.wrong == ("litter was left in the working directory",) * 2


def test_equal_seeds_give_equal_files_and_different_seeds_different_ones(tmp_path: Path) -> None:
    lie = next(lie for lie in making.LIES if lie.name == "bundle-entry_is_garbage")
    made = [making.lie(lie, tmp_path / str(turn), tmp_path, seed).path for turn, seed in enumerate((1, 1, 2))]
    one, same, other = (path.with_name("model.index").read_bytes() for path in made)
    assert one == same != other


def test_a_mutant_differs_from_the_good_file() -> None:
    assert all(mutations.mutated(b"good", making.drawing(seed))[1] != b"good" for seed in range(300))


def test_the_names_of_cases_are_unique() -> None:
    assert len({lie.name for lie in making.LIES}) == len(making.LIES)
