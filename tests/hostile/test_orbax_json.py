"""Orbax checkpoints with wrong JSON."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from random import Random

import pytest
from hostile import json_lies

import lstmdump
from lstmdump.errors import LstmdumpError
from lstmdump.report import record
from lstmdump.report.facts import describe


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lie", sorted(json_lies.lies()))
@pytest.mark.parametrize("file", ["_METADATA", "array_metadatas/process_0", "_sharding"])
def test_wrong_json_is_read_or_refused(file: str, lie: str, seed: int, root: Path, tmp_path: Path) -> None:
    checkpoint = Path(shutil.copytree(root / "tests" / "cases" / "orbax-keras3.15-jax", tmp_path / "checkpoint"))
    path = checkpoint / "1" / "pytree" / file
    path.write_bytes(json_lies.lies()[lie](json.loads(path.read_text()), Random(seed)))  # noqa: S311 - repeatable
    with contextlib.suppress(LstmdumpError), lstmdump.open(checkpoint) as model:
        assert record.line(record.of(describe(model), with_others=True))
