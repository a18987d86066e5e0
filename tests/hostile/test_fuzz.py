"""The fuzz targets without the engine: regressions, some hundred damaged inputs each, and the detection of failures."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hostile.fuzz import command, damage, distilling, messages, minimising, registry, sections, watching
from hostile.fuzz.damage import Damage
from hostile.fuzz.target import BYTES, Parts, Target

from lstmdump.errors import CorruptModel

EXECUTIONS = 300  # of each target; `python tests/hostile/fuzz` is the long run
MOST_KEPT = 300_000  # bytes of all regressions
FEW = 8  # seeds, the smallest
KEPT = [
    pytest.param(name, path, id=f"{name}/{path.name}")
    for name in registry.TARGETS
    for path in registry.regressions(name)
]
UNREADABLE = ("detection",)  # targets whose seeds are not all valid


def words_of(found: watching.Finding | None) -> str:
    return "" if found is None else found.words


@pytest.mark.parametrize("name", registry.TARGETS)
def test_genuine_inputs_are_read(name: str) -> None:
    target = registry.TARGETS[name]
    good = [data for data in registry.seeds(target) if len(data) > 200 and name not in UNREADABLE]
    for data in good[:FEW]:
        with watching.sums_that_hold(target):
            target.run(target.padded(sections.unpacked(data)))


@pytest.mark.parametrize(("name", "path"), KEPT)
def test_regressions_are_read_or_refused(name: str, path: Path) -> None:
    assert words_of(watching.finding(registry.TARGETS[name], path.read_bytes())) == ""


def test_regressions_are_small() -> None:
    assert sum(path.stat().st_size for name in registry.TARGETS for path in registry.regressions(name)) < MOST_KEPT


@pytest.mark.parametrize("name", registry.TARGETS)
def test_damaged_inputs_are_read_or_refused(name: str) -> None:
    target = registry.TARGETS[name]
    seeds = registry.seeds(target)[:FEW]
    how = Damage(target, [sections.unpacked(data) for data in seeds])
    for turn in range(EXECUTIONS):
        damaged = how.apply(how.apply(seeds[turn % len(seeds)], turn), -turn)
        assert words_of(watching.finding(target, damaged)) == "", f"after damage {turn}"


def make_target(run: object) -> Target:
    return Target("test", (BYTES,), run, lambda _: iter([[b"x"]]))  # type: ignore[arg-type]


def test_an_error_of_lstmdump_is_not_a_finding() -> None:
    def refuse(_: Parts) -> None:
        raise CorruptModel("no")

    assert watching.finding(make_target(refuse), b"") is None


@pytest.mark.parametrize("error", [KeyError, RecursionError, AssertionError, MemoryError])
def test_every_other_exception_is_a_finding(error: type[Exception]) -> None:
    def fail(_: Parts) -> None:
        raise error

    found = watching.finding(make_target(fail), b"")
    assert found is not None
    assert found.kind == f"{error.__name__} in test_fuzz.fail"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no CPU timers")
def test_an_endless_loop_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def go_on(_: Parts) -> None:
        while True:
            pass

    monkeypatch.setattr(watching, "MOST_SECONDS", 0.05)
    found = watching.finding(make_target(go_on), b"")
    assert found is not None
    assert found.kind == "TookTooLong in test_fuzz.go_on"


@pytest.mark.parametrize("parts", [[], [b""], [b"a", b"", b"b" * 300]])
def test_packed_parts_are_unpacked(parts: Parts) -> None:
    assert sections.unpacked(sections.packed(parts)) == parts


@pytest.mark.parametrize("data", [b"\5", b"\5\0\0\0ab", b"\0\0\0\0\xff\xff\xff\xff"])
def test_any_bytes_are_valid_parts(data: bytes) -> None:
    assert all(len(part) < 3 for part in sections.unpacked(data))


def test_splitting_and_joining_a_message_keeps_the_bytes() -> None:
    data = bytes.fromhex("0801" + "120161" + "1d00000000" + "210000000000000000")  # a varint, bytes, four and eight
    found = messages.split_fields(data)
    assert found is not None
    assert messages.join_fields(found) == data


def test_a_damaged_message_can_still_be_parsed() -> None:
    inner = messages.join_fields([(0x0A, b"name"), (0x10, b"\1")])
    data = messages.join_fields([(0x0A, inner), (0x12, inner)])
    random = Random(1)  # noqa: S311 - not for cryptography
    found = [messages.damaged_message(data, data, random, lambda content: content + b"!") for _ in range(200)]
    assert all(messages.split_fields(one) is not None for one in found)
    assert len(set(found)) > 50


def test_damaged_json_is_still_json() -> None:
    random = Random(1)  # noqa: S311
    data = json.dumps({"class_name": "LSTM", "config": {"name": "a", "units": 4}}).encode()
    found = [damage.damaged_json(data, b"[[1, 2]]", random) for _ in range(200)]
    assert len({repr(json.loads(one)) for one in found}) > 50


def test_equal_seeds_give_equal_damage() -> None:
    target = registry.TARGETS["protobuf"]
    seeds = registry.seeds(target)
    how = Damage(target, [sections.unpacked(data) for data in seeds])
    assert [how.apply(seeds[-1], turn) for turn in range(50)] == [how.apply(seeds[-1], turn) for turn in range(50)]


def test_bytes_that_are_not_needed_are_removed() -> None:
    data = sections.packed([b"much", b"x" * 40 + b"needed" + b"y" * 33, b"more"])
    smallest = minimising.minimised(data, lambda smaller: b"needed" in b"".join(sections.unpacked(smaller)))
    assert sections.unpacked(smallest) == [b"needed"]


def test_an_input_that_is_parsed_further_reaches_more_lines() -> None:
    target = registry.TARGETS["protobuf"]
    empty, number = distilling.lines(target, b""), distilling.lines(target, sections.packed([b"\x08\x01"]))
    assert empty < number


def test_without_atheris_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert command.main(["protobuf", "--dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "fuzz: atheris is not installed; pip install -e '.[fuzz]'\n"


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is in the extra `fuzz`")
def test_a_short_run_reports_the_outcome(root: Path, tmp_path: Path) -> None:
    words = [sys.executable, str(root / "tests" / "hostile" / "fuzz"), "keras_0", "--minutes", "0.05"]
    done = subprocess.run(
        [*words, "--dir", str(tmp_path), "--findings", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.startswith("keras_0: "), done.stderr) == (0, True, "")
