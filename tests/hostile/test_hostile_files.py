"""A quick run: each lie for some readers, and some mutants of every file. `python tests/hostile` is the long run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import canaries, making
from hostile.cases import Case, Lie, Must
from hostile.judge import Judge
from hostile.mutations import Target

from lstmdump.sandbox.fork import HAS_FORK

pytestmark = pytest.mark.skipif(not HAS_FORK, reason="the files are tried in forked processes")

SEED = 1
MUTANTS = 2
CHOSEN = making.some(SEED)
ENDLESS = sorted((Path(__file__).parent / "regressions" / "hdf5").iterdir())
ANEW = [lie for lie in CHOSEN if lie.kind in ("numbers are in another file", "weights are a link", "graph is empty")]


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return canaries.write(tmp_path_factory.mktemp("hidden") / "secrets")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory, hidden: Path) -> Iterator[Judge]:
    with Judge(tmp_path_factory.mktemp("work"), hidden) as made:
        yield made


@pytest.mark.parametrize("lie", CHOSEN, ids=lambda lie: lie.name)
def test_a_hostile_file_causes_no_violation(lie: Lie, judge: Judge, hidden: Path, tmp_path: Path) -> None:
    assert judge.judge(making.lie(lie, tmp_path / "case", hidden, SEED)).wrong == ()


@pytest.mark.parametrize("number", range(MUTANTS))
@pytest.mark.parametrize("target", making.TARGETS, ids=lambda target: target.reader.replace(" ", "_"))
def test_a_mutant_causes_no_violation(target: Target, number: int, judge: Judge, hidden: Path, tmp_path: Path) -> None:
    assert judge.judge(making.mutant(target, number, tmp_path / "case", hidden, SEED)).wrong == ()


@pytest.mark.parametrize("lie", ANEW, ids=lambda lie: lie.name)
def test_a_hostile_file_causes_no_violation_in_a_new_process(lie: Lie, hidden: Path, tmp_path: Path) -> None:
    with Judge(tmp_path / "work", hidden, anew=True) as judge:
        assert judge.judge(making.lie(lie, tmp_path / "case", hidden, SEED)).wrong == ()


@pytest.mark.parametrize("path", ENDLESS, ids=lambda path: path.name)
def test_a_file_that_makes_the_hdf5_library_loop_is_refused(path: Path, judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    copied = Path(shutil.copy(path, tmp_path / "case"))
    judged = judge.judge(Case("hdf5", path.name, Must.REFUSED, copied, {}))
    assert (judged.became, judged.wrong) == ("refused", ())
