"""Fuzz one target with atheris in this process: `python engine.py TARGET CORPUS FINDINGS SECONDS MODELS...`.

The output is the log, and the seconds are CPU time. The statistics are written to `progress.json` in the parent directory
of the corpus, every second and at the end.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from hashlib import sha256
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["lstmdump", "zipfile"]):
    from hostile.fuzz import registry, watching
from hostile.fuzz.damage import Damage
from hostile.fuzz.minimising import minimised
from hostile.fuzz.sections import unpacked
from hostile.fuzz.target import Target

_MOST_MEMORY = 512 << 20  # bytes in addition to those of the process at its start
_LONGEST = 1 << 17  # bytes of an input
_HANGS_AFTER = 120  # seconds of wall time for one input, for hangs outside Python, which cannot be interrupted
_OFTEN = 64  # executions between checks of the time


class Run:
    """A run of `target` for `seconds`, which writes the inputs that fail to the directory `findings`."""

    def __init__(self, target: Target, findings: Path, progress: Path, seconds: float) -> None:
        self._target = target
        self._findings = findings
        self._progress = progress
        self._seconds = seconds
        self._executions = 0
        self._kinds: dict[str, str] = {}
        self._last_report = 0.0
        self._slowest = 0.0
        self._parent = os.getppid()

    def one(self, data: bytes) -> None:
        """Run the target on `data`, and keep the input if it fails in a new way."""
        self._executions += 1
        start = time.process_time()
        found = watching.finding(self._target, data)
        if (used := time.process_time() - start) > self._slowest:
            self._slowest = used
            self._progress.with_name("slowest").write_bytes(data)
        if found is not None and found.kind not in self._kinds:
            self._keep(data, found)
        if self._executions % _OFTEN == 0 or found is not None:
            self._look_at_the_time()

    def _keep(self, data: bytes, found: watching.Finding) -> None:
        def does_the_same(smaller: bytes) -> bool:
            again = watching.finding(self._target, smaller)
            return again is not None and again.kind == found.kind

        small = data if found.kind.startswith(watching.TookTooLong.__name__) else minimised(data, does_the_same)
        self._findings.mkdir(parents=True, exist_ok=True)
        words = re.sub(r"[^\w.]+", "-", found.kind)
        path = self._findings / f"{words}-{sha256(small).hexdigest()[:8]}"
        path.write_bytes(small)
        self._kinds[found.kind] = str(path)
        print(f"FOUND {path}\n{found.words}", file=sys.stderr, flush=True)

    def _look_at_the_time(self) -> None:
        used = time.process_time()
        if used > self._last_report + 1 or used > self._seconds:
            self._last_report = used
            progress = {
                "executions": self._executions,
                "seconds": used,
                "slowest": self._slowest,
                "findings": self._kinds,
            }
            self._progress.with_suffix(".new").write_text(json.dumps(progress))
            self._progress.with_suffix(".new").replace(self._progress)
        if used > self._seconds or os.getppid() != self._parent:
            sys.stderr.flush()
            os._exit(0)  # libFuzzer can only stop after a number of runs or a wall time


def main() -> None:
    """Fuzz until the time is over, or the process dies."""
    name, corpus, findings, seconds, *models = sys.argv[1:]
    target, place = registry.TARGETS[name], Path(corpus)
    seeds = registry.seeds(target, tuple(map(Path, models)))
    for data in [*seeds, *(path.read_bytes() for path in registry.regressions(name))]:
        (place / sha256(data).hexdigest()[:16]).write_bytes(data)
    damage = Damage(target, [unpacked(data) for data in seeds], lambda data: atheris.Mutate(data, len(data) + 64))
    run = Run(target, Path(findings), place.parent / "progress.json", float(seconds))
    _limit_memory()
    options = [f"-artifact_prefix={place.parent}/died-", f"-max_len={_LONGEST}", f"-timeout={_HANGS_AFTER}",
               "-len_control=0", "-reload=0", "-rss_limit_mb=0",
               "-report_slow_units=1000000", corpus]  # fmt: skip
    atheris.Setup(
        [sys.argv[0], *options], run.one, custom_mutator=lambda data, most, seed: damage.apply(data, seed, most)
    )
    atheris.Fuzz()


def _limit_memory() -> None:
    sizes = Path("/proc/self/statm")
    if sizes.is_file():  # on Linux; macOS does not enforce this limit
        most = int(sizes.read_text().split()[0]) * resource.getpagesize() + _MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
