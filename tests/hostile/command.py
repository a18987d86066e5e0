"""Make hostile files, read them with the command line, and report the outcomes and the violations."""

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
    """The outcome of a case, which is counted under its `group`."""

    name: str
    group: str
    kind: str
    judged: Judged


def main(words: Sequence[str] | None = None) -> int:
    """Try hostile files; return 1 if one of them causes a violation."""
    options = _parser().parse_args(words)
    with TemporaryDirectory(prefix="hostile-", dir=options.dir) as place:
        tried = list(_try_all(Path(place), options))
    if not tried:
        print("hostile: no case matches --only; try without it")
        return 2
    print(_tally(tried))
    failed = [one for one in tried if one.judged.wrong]
    print(f"{len(tried)} files, {len(failed)} with violations; seed {options.seed}")
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/hostile", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same files (1)")
    parser.add_argument("--mutations", type=int, default=1000, metavar="N", help="number of mutated files (1000)")
    parser.add_argument("--only", default="", metavar="REGEX", help="run only the cases whose names match")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files that cause violations in DIR")
    parser.add_argument("--anew", action="store_true", help="start a new Python process for each file; slower")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="the directory for temporary files")
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
    """Yield the name, group and file of each case; each file replaces the one before."""
    pattern = re.compile(options.only)
    for lie in making.LIES:
        if pattern.search(lie.name):
            yield lie.name, f"{lie.reader}: lies", making.lie(lie, place / "case", hidden, options.seed)
    for number in range(options.mutations):
        target = making.TARGETS[number % len(making.TARGETS)]
        name = f"{target.reader}-mutant_{number}".replace(" ", "_")
        if pattern.search(name):
            case = making.mutant(target, number, place / "case", hidden, options.seed)
            yield name, f"{target.reader}: mutants", case


def _tally(tried: Sequence[Tried]) -> str:
    """Return a table with a row for each group: the number of files, and of each outcome."""
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
