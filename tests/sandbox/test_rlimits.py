"""Limits of a worker process on systems that cannot enforce them, and limits that the user has set."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmdump.model.limits import DEFAULTS
from lstmdump.sandbox import rlimits
from lstmdump.sandbox.rlimits import ProcessBudget


def test_a_system_without_limits_may_have_a_file_in_the_place_of_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wine has the files of Linux there; on Windows, any user may make such a directory on the drive."""
    (tmp_path / "statm").write_text("100 10 1")
    monkeypatch.setattr(rlimits, "_STATUS", str(tmp_path / "statm"))
    monkeypatch.setattr(rlimits, "_CAN_LIMIT", False)
    monkeypatch.delattr(rlimits, "resource", raising=False)
    budget = ProcessBudget(lambda: None)
    budget.begin(DEFAULTS)
    budget.allow(2**30, 2)
    budget.end()
    assert (budget.own, budget.running) == (0, False)


@pytest.mark.skipif(not hasattr(rlimits, "resource"), reason="a system without such limits")
@pytest.mark.parametrize(
    ("memory", "files", "words"),
    [
        (78 << 20, 1024, "the limit of 78 MiB of memory (ulimit -v)"),
        (8 << 30, 8, "the limit of 8 open files (ulimit -n)"),
        (8 << 30, 1024, None),
        (-1, -1, None),  # infinity, as most systems say it
    ],
)
def test_low_limits_are_described(memory: int, files: int, words: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {rlimits.resource.RLIMIT_AS: memory, rlimits.resource.RLIMIT_NOFILE: files}
    monkeypatch.setattr(rlimits.resource, "getrlimit", lambda kind: (found[kind], -1))
    assert rlimits.describe_low() == words
