"""Writes inputs, runs `lstmdump` beside its peers in turns, and says which goals hold."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import batch_cases, export_cases, machine, remote_cases, replay_cases, show_cases, tables
from benchmarks.goals import Goal, Verdict, judge
from benchmarks.measuring import Command, Launcher, Round, in_turns
from benchmarks.workspace import OURS, QUICK, Case, NotMeasured, Sizes, Workspace, temporary

CASES = (*show_cases.CASES, *export_cases.CASES, *batch_cases.CASES, *remote_cases.CASES, *replay_cases.CASES)

_IDLE = 0.1
"""The share of the machine that others may take while it is idle."""


class Done(NamedTuple):
    """A case that was run. `lacking` says why it was not."""

    case: Case
    commands: Sequence[Command]
    rounds: Sequence[Round]
    verdicts: Sequence[Verdict]
    lacking: str
    others: float | None


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are asked for; the status is 1 where a goal was missed, 2 where nothing could be run."""
    options = _parser().parse_args(words)
    chosen = [case for case in CASES if re.search(options.only, case.name)]
    if not chosen:
        return _complain("no case has such a name")
    if not Path(OURS).exists():
        return _complain(f"{OURS} is not there; install lstmdump with this Python")
    if machine.stale():
        _complain("the lstmdump that is installed, and so measured, is not that of this checkout")
    done = _run_all(chosen, options)
    verdicts = [verdict for one in done for verdict in one.verdicts]
    print(tables.goals(verdicts), tables.summary(verdicts), sep="\n")
    if options.json:
        options.json.write_text(json.dumps([_record(one) for one in done], indent=1), "utf-8")
    return int(any(verdict.holds is False for verdict in verdicts))


def _complain(why: str) -> int:
    print(f"benchmarks: {why}", file=sys.stderr)
    return 2


def _run_all(chosen: Sequence[Case], options: argparse.Namespace) -> list[Done]:
    sizes = (QUICK if options.quick else Sizes())._replace(many=options.many)
    with temporary(options.dir) as name:
        print(machine.described(Path(name)), end="\n\n", flush=True)
        return [_run(case, Path(name), sizes, options) for case in chosen]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", metavar="REGEX", default="", help=f"cases: {'; '.join(case.name for case in CASES)}")
    parser.add_argument("--runs", metavar="N", type=int, help="run every case so many times")
    parser.add_argument("--quick", action="store_true", help="small inputs, once each, to see that all of it works")
    parser.add_argument("--many", action="store_true", help="20,000 files, too, for the memory of a batch")
    parser.add_argument("--dir", metavar="DIR", type=Path, help="where to write; in memory where there is room")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure of every run to FILE, too")
    return parser


def _run(case: Case, above: Path, sizes: Sizes, options: argparse.Namespace) -> Done:
    """Run one case, print what its commands used, and remove what it wrote."""
    _tell(f"{case.name}: writing inputs")
    commands: Sequence[Command] = ()
    rounds: Sequence[Round] = ()
    lacking, idleness = "", machine.Idleness()
    with ExitStack() as stack, temporary(above) as name:
        launcher = stack.enter_context(Launcher(above))
        try:
            commands = case.prepare(Workspace(Path(name), sizes, stack, launcher.said))
            idleness = machine.Idleness()
            times = options.runs or (1 if options.quick else case.rounds)
            rounds = in_turns(
                launcher, commands, times, lambda what: _tell(f"{case.name}: {what}"), warm_up=case.warm_up
            )
        except NotMeasured as why:
            lacking = str(why)
    others = idleness.others()
    verdicts = [judge(goal, rounds, lacking or _unfit(goal, others, options)) for goal in case.goals(sizes)]
    _tell("")
    done = Done(case, commands, rounds, verdicts, lacking, others)
    print(_told(done), flush=True)
    return done


def _unfit(goal: Goal, others: float | None, options: argparse.Namespace) -> str:
    """Why what was measured is nothing to judge GOAL by."""
    if options.quick:
        return "small inputs"
    if goal.idle and others is not None and others > _IDLE:
        return f"other processes took {others:.0%} of the machine"
    return ""


def _told(done: Done) -> str:
    if done.lacking:
        return f"## {done.case.name}\n\nNot measured: {done.lacking}.\n"
    busy = "" if done.others is None else f" Other processes took {done.others:.0%} of the machine meanwhile."
    table = tables.commands(done.commands, done.rounds)
    return f"## {done.case.name}\n\nMedians of {len(done.rounds)}, in turns.{busy}\n\n{table}"


def _record(done: Done) -> dict[str, Any]:
    runs = {command.name: [one[command.name]._asdict() for one in done.rounds if command.name in one]
            for command in done.commands}  # fmt: skip
    goals = [{"promise": one.goal.promise, "limit": one.goal.limit, "unit": one.goal.unit, "measured": one.measured,
              "beside": one.beside, "holds": one.holds, "why": one.why} for one in done.verdicts]  # fmt: skip
    return {"case": done.case.name, "lacking": done.lacking, "others": done.others, "runs": runs, "goals": goals}


def _tell(what: str) -> None:
    """What goes on, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{what}", end="", file=sys.stderr, flush=True)
