"""Fuzz the parsers, guided by the code that each input reaches: `python tests/hostile/fuzz TARGET... --minutes 20`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from hostile.fuzz import registry
from hostile.fuzz.distilling import distilled

_MOST_DEATHS = 20
_REACHED = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
_FINDING, _NOT_RUN = 1, 2


class Came(NamedTuple):
    """The statistics and findings of a run."""

    executions: int
    seconds: float
    slowest: float
    findings: list[str]


def main(words: Sequence[str] | None = None) -> int:
    """Fuzz the requested targets; return 1 if there are findings, 2 if the engine is missing."""
    options = _parser().parse_args(words)
    names = list(registry.TARGETS) if "all" in options.targets else options.targets
    options.dir.mkdir(parents=True, exist_ok=True)
    if options.distil:
        for name in names:
            kept = distilled(registry.TARGETS[name], options.dir / name / "corpus", options.findings / name)
            print(f"{name}: {kept} inputs kept as regressions", flush=True)
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: atheris is not installed; pip install -e '.[fuzz]'", file=sys.stderr)
        return _NOT_RUN
    with ThreadPoolExecutor(options.jobs) as threads:
        found = list(threads.map(lambda name: _fuzz(name, options), names))
    return _FINDING if any(found) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tests/hostile/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="+", metavar="TARGET", choices=[*registry.TARGETS, "all"],
                        help=f"{', '.join(registry.TARGETS)}, or all")  # fmt: skip
    parser.add_argument("--minutes", type=float, default=1.0, help="CPU minutes for each target (1)")
    parser.add_argument("-j", "--jobs", type=int, default=1, help="the number of targets to fuzz at a time (1)")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "lstmdump-fuzz",
                        help="a directory for logs and for inputs that reach new code, kept for the next run (%(default)s)")  # fmt: skip
    parser.add_argument("--models", type=Path, action="append", default=[],
                        help="a directory of genuine models to make inputs from, in addition to those of the tests")  # fmt: skip
    parser.add_argument("--findings", type=Path, default=registry.REGRESSIONS,
                        help="a directory for the minimised inputs of findings (tests/hostile/regressions)")  # fmt: skip
    parser.add_argument("--distil", action="store_true",
                        help="do not fuzz; keep those inputs of earlier runs as regressions that reach more code")  # fmt: skip
    return parser


def _fuzz(name: str, options: argparse.Namespace) -> bool:
    """Run the target `name`, again if its process dies, and report the outcome; return whether there are findings."""
    place, log = options.dir / name, options.dir / f"{name}.log"
    (place / "corpus").mkdir(parents=True, exist_ok=True)
    executions, seconds, slowest, findings, deaths = 0, 0.0, 0.0, [], 0
    log.write_bytes(b"")
    while seconds < options.minutes * 60 and deaths < _MOST_DEATHS:
        came, died = _run(name, place, log, options.minutes * 60 - seconds, options)
        executions, seconds, slowest = executions + came.executions, seconds + came.seconds, max(slowest, came.slowest)
        findings += [one for one in came.findings if one not in findings]
        if died:
            deaths += 1
            findings += _kept(place, options.findings / name) or [f"{name}: the process died, see {log}"]
    reached = _REACHED.findall(log.read_text("utf-8", "replace"))
    edges, features, kept = reached[-1] if reached else (0, 0, 0)
    summary = (f"{name}: {executions:,} executions in {seconds / 60:.2f} CPU minutes; {edges} edges, "
            f"{features} features, {kept} inputs, the slowest {slowest:.2f} s; {len(findings) or 'no'} findings")  # fmt: skip
    words = "\n".join([*map(str, findings), summary])
    with log.open("a") as file:
        print(words, file=file)
    print(words, flush=True)
    return bool(findings)


def _run(name: str, place: Path, log: Path, seconds: float, options: argparse.Namespace) -> tuple[Came, bool]:
    """Run one process; return the outcome, and whether the process died."""
    progress = place / "progress.json"
    progress.unlink(missing_ok=True)
    command = [sys.executable, str(Path(__file__).with_name("engine.py")), name, str(place / "corpus"),
               str(options.findings / name), str(seconds), *map(str, (*registry.MODELS, *options.models))]  # fmt: skip
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(registry.ROOT)}
    with log.open("ab") as file:
        done = subprocess.run(command, stdout=file, stderr=file, env=environment, check=False)
    nothing = {"executions": 0, "seconds": 0.0, "slowest": 0.0, "findings": {}}
    report = json.loads(progress.read_text()) if progress.is_file() else nothing
    return Came(**{**report, "findings": list(report["findings"].values())}), done.returncode != 0


def _kept(place: Path, findings: Path) -> list[str]:
    """Move the inputs of which processes died to `findings`."""
    found = []
    for path in place.glob("died-*"):
        findings.mkdir(parents=True, exist_ok=True)
        found.append(str(path.rename(findings / path.name)))
    return found
