"""Makes hostile files, has the command line read them, and says what became of them and what must not have."""

from __future__ import annotations

import argparse
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hostile import canaries, making
from hostile.cases import Case
from hostile.judge import Judge, Judged

_BECAME = ("refused", "read", "other")


class Tried(NamedTuple):
    """A case that was tried. GROUP is what it is counted under."""

    name: str
    group: str
    kind: str
    judged: Judged


def main(words: Sequence[str] | None = None) -> int:
    """Try hostile files; the status is 1 where one of them did what none may."""
    options = _parser().parse_args(words)
    with TemporaryDirectory(prefix="hostile-", dir=options.dir) as place:
        tried = list(_try_all(Path(place), options))
    if not tried:
        print("hostile: no case has such a name")
        return 2
    print(_tally(tried))
    failed = [one for one in tried if one.judged.wrong]
    print(f"{len(tried)} files, {len(failed)} did what none may; seed {options.seed}")
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/hostile", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="one seed gives the same files each time")
    parser.add_argument("--mutations", type=int, default=1000, metavar="N", help="how many files with changed bytes")
    parser.add_argument("--only", default="", metavar="REGEX", help="only cases whose names match")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files that did what none may")
    parser.add_argument("--anew", action="store_true", help="start Python for each file, as users do; slower")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="where to work")
    return parser


def _try_all(place: Path, options: argparse.Namespace) -> Iterator[Tried]:
    hidden = canaries.write(place / "secrets")
    with Judge(place / "work", hidden, anew=options.anew) as judge:
        for name, group, case in _cases(place, hidden, options):
            judged = judge.judge(case)
            if judged.wrong:
                print(f"{name}: {case.kind}: {'; '.join(judged.wrong)}", flush=True)
                if options.keep:
                    shutil.copytree(place / "case", options.keep / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(place / "case")
            yield Tried(name, group, case.kind, judged)


def _cases(place: Path, hidden: Path, options: argparse.Namespace) -> Iterator[tuple[str, str, Case]]:
    """Name, group and file of each case, one at a time in one place."""
    wanted = re.compile(options.only)
    for lie in making.LIES:
        if wanted.search(lie.name):
            yield lie.name, f"{lie.reader}: lies", making.lie(lie, place / "case", hidden, options.seed)
    for number in range(options.mutations):
        target = making.TARGETS[number % len(making.TARGETS)]
        name = f"{target.reader}-mutant_{number}".replace(" ", "_")
        if wanted.search(name):
            case = making.mutant(target, number, place / "case", hidden, options.seed)
            yield name, f"{target.reader}: mutants", case


def _tally(tried: Sequence[Tried]) -> str:
    """A line for each group: how many files, and what became of them."""
    groups = sorted({one.group for one in tried})
    width = max(map(len, groups))
    lines = [f"{'':{width}} {'files':>7} " + " ".join(f"{became:>7}" for became in _BECAME) + f" {'failed':>7}"]
    for group in groups:
        those = [one for one in tried if one.group == group]
        became = Counter(one.judged.became for one in those)
        failed = sum(bool(one.judged.wrong) for one in those)
        counts = " ".join(f"{became[word]:7}" for word in _BECAME)
        lines.append(f"{group:{width}} {len(those):7} {counts} {failed:7}")
    return "\n".join(lines)
