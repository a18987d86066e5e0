"""Write inputs, run `lstmdump` and its peers in turns, and report which goals are met."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import (
    batch_cases,
    export_cases,
    lags_cases,
    machine,
    network_cases,
    remote_cases,
    replay_cases,
    runtime_cases,
    show_cases,
    tables,
)
from benchmarks.goals import Goal, Verdict, judge
from benchmarks.measuring import Command, Launcher, Round, in_turns, with_instructions
from benchmarks.workspace import OURS, QUICK, Case, NotMeasured, Sizes, Workspace, temporary

CASES = (
    *show_cases.CASES,
    *runtime_cases.CASES,
    *export_cases.CASES,
    *batch_cases.CASES,
    *remote_cases.CASES,
    *replay_cases.CASES,
    *lags_cases.CASES,
    *network_cases.CASES,
)

_IDLE = 0.1
"""The largest share of the machine's time that other processes may use on an idle machine."""


class Done(NamedTuple):
    """The outcome of a case. `lacking` is the reason if it was not run."""

    case: Case
    commands: Sequence[Command]
    rounds: Sequence[Round]
    verdicts: Sequence[Verdict]
    lacking: str
    others: float | None


def main(words: Sequence[str] | None = None) -> int:
    """Run the requested benchmarks; return 1 if a goal is missed, 2 if nothing could be run."""
    options = _parser().parse_args(words)
    chosen = [case for case in CASES if re.search(options.only, case.name)]
    if not chosen:
        return _print_error("no case matches --only; see --help for the cases")
    if not Path(OURS).exists():
        return _print_error(f"{OURS} does not exist; install lstmdump with this Python")
    if machine.is_stale():
        _print_error("the installed lstmdump, which is measured, differs from this checkout; install it again")
    done = _run_all(chosen, options)
    verdicts = [verdict for one in done for verdict in one.verdicts]
    print(tables.goals(verdicts), tables.summary(verdicts), sep="\n")
    if options.json:
        options.json.write_text(json.dumps([_record(one) for one in done], indent=1), "utf-8")
    return int(any(verdict.holds is False for verdict in verdicts))


def _print_error(why: str) -> int:
    print(f"benchmarks: {why}", file=sys.stderr)
    return 2


def _run_all(chosen: Sequence[Case], options: argparse.Namespace) -> list[Done]:
    sizes = (QUICK if options.quick else Sizes())._replace(many=options.many)
    with temporary(options.dir) as name:
        print(machine.describe(Path(name)), end="\n\n", flush=True)
        return [_run(case, Path(name), sizes, options) for case in chosen]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", metavar="REGEX", default="", help=f"cases: {'; '.join(case.name for case in CASES)}")
    parser.add_argument("--runs", metavar="N", type=int, help="run every case N times")
    parser.add_argument("--quick", action="store_true", help="run every case once on small inputs, as a test")
    parser.add_argument("--many", action="store_true", help="also measure the memory for 20,000 files in a batch")
    parser.add_argument("--dir", metavar="DIR", type=Path, help="write to DIR; by default to memory, if there is room")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures of every run to FILE")
    return parser


def _run(case: Case, above: Path, sizes: Sizes, options: argparse.Namespace) -> Done:
    """Run one case, print what its commands used, and remove what it wrote."""
    _show_progress(f"{case.name}: writing inputs")
    commands: Sequence[Command] = ()
    rounds: Sequence[Round] = ()
    lacking, idleness = "", machine.Idleness()
    with ExitStack() as stack, temporary(above) as name:
        launcher = stack.enter_context(Launcher(above))
        try:
            commands = case.prepare(Workspace(Path(name), sizes, stack, launcher.read_stdout))
            idleness = machine.Idleness()
            times = options.runs or (1 if options.quick else case.rounds)
            rounds = in_turns(
                launcher, commands, times, lambda what: _show_progress(f"{case.name}: {what}"), warm_up=case.warm_up
            )
            rounds = with_instructions(launcher, commands, rounds)
        except NotMeasured as why:
            lacking = str(why)
    others = idleness.others()
    verdicts = [
        judge(goal, rounds, lacking or _reason_not_to_judge(goal, others, options)) for goal in case.goals(sizes)
    ]
    _show_progress("")
    done = Done(case, commands, rounds, verdicts, lacking, others)
    print(_format_result(done), flush=True)
    return done


def _reason_not_to_judge(goal: Goal, others: float | None, options: argparse.Namespace) -> str:
    """Return the reason why the measurement cannot be compared with `goal`, or an empty string."""
    if options.quick:
        return "small inputs"
    if goal.idle and others is not None and others > _IDLE:
        return f"other processes used {others:.0%} of the machine"
    return ""


def _format_result(done: Done) -> str:
    if done.lacking:
        return f"## {done.case.name}\n\nNot measured: {done.lacking}.\n"
    busy = "" if done.others is None else f" Other processes used {done.others:.0%} of the machine."
    table = tables.commands(done.commands, done.rounds)
    return f"## {done.case.name}\n\nMedians of {len(done.rounds)}, in turns.{busy}\n\n{table}"


def _record(done: Done) -> dict[str, Any]:
    runs = {command.name: [one[command.name]._asdict() for one in done.rounds if command.name in one]
            for command in done.commands}  # fmt: skip
    goals = [{"promise": one.goal.promise, "limit": one.goal.limit, "unit": one.goal.unit, "measured": one.measured,
              "beside": one.beside, "holds": one.holds, "why": one.why} for one in done.verdicts]  # fmt: skip
    return {"case": done.case.name, "lacking": done.lacking, "others": done.others, "runs": runs, "goals": goals}


def _show_progress(what: str) -> None:
    """Print the progress, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{what}", end="", file=sys.stderr, flush=True)
