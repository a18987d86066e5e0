"""Conditions that every run on a hostile file must meet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from hostile import checks
from hostile.cases import Case, Gates, Must
from hostile.running import Ran, Server, run_anew
from support.file_watch import Watch

_SHOW = ("show", "--json", "--all")


class Judged(NamedTuple):
    """The outcome of a case: the violations, and `refused`, `read`, or `other` for other numbers than those of the good file."""

    wrong: tuple[str, ...]
    became: str


class Judge:
    """A judge that runs the command line on cases, and reports the violations.

    Args:
        workspace: A directory for this judge alone.
        secrets: The directory in which no file may be opened.
        anew: Whether each run starts a new Python process.
    """

    def __init__(self, workspace: Path, secrets: Path, *, anew: bool = False) -> None:
        self._workspace = workspace
        self._run = run_anew if anew else (server := Server()).run
        self._servers = [] if anew else [server]
        self._watch = Watch(secrets)

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        self._watch.close()

    def judge(self, case: Case) -> Judged:
        """Run the command line on `case`, and return the outcome."""
        before = _tree(case.path)
        self._watch.opened()
        shown = self._run_in("show", [*_SHOW, str(case.path)])
        output = self._workspace / "output"
        exported = self._run_in("export", ["export", str(case.path), "-o", str(output)])
        try:
            wrong = [*checks.of_run("show", shown), *checks.of_run("export", exported), *checks.of_record(shown)]
            wrong += [f"opened {name}" for name in sorted(self._watch.opened())]
            wrong += [] if _tree(case.path) == before else ["the input was changed"]
            wrong += [f"{left.name} was left in the working directory" for left in self._workspace.glob("runs/*/*")]
            files = [path for path in output.rglob("*") if not path.is_dir()]
            if exported.status:
                wrong += [f"export failed, but left {path.name}" for path in files]
                wrong += ["a good file was refused"] if case.must is Must.READ else []
                return Judged(tuple(wrong), "refused")
            wrong += ["export succeeded, but show failed"] if shown.status else self._of_table(case, shown)
            return self._judge_output(case, files, wrong)
        finally:
            for made in (output, self._workspace / "runs"):
                shutil.rmtree(made, ignore_errors=True)

    def _judge_output(self, case: Case, files: list[Path], wrong: list[str]) -> Judged:
        if len(files) != 1 or files[0].suffix != ".npz":
            return Judged((*wrong, f"export left {sorted(path.name for path in files)}"), "read")
        written = checks.read_npz(files[0])
        wrong += checks.of_arrays(written)
        same = checks.same(written, case.gates)
        if case.must is Must.REFUSED:
            wrong.append("a bad file was read")
        elif case.must is Must.READ and not (same and len(written) == len(case.gates)):
            wrong.append("not all numbers are those of the good file")
        elif case.must is Must.EITHER and not case.may_differ and not same:
            wrong.append("some numbers are not those of the good file")
        if not same:
            wrong += self._of_memory(case, written)
        return Judged(tuple(wrong), "read" if same else "other")

    def _of_table(self, case: Case, shown: Ran) -> list[str]:
        """Check that the table agrees with the record."""
        table = self._run_in("table", ["show", "--all", str(case.path)])
        return [*checks.of_run("show", table), *checks.of_table(table, shown)]

    def _of_memory(self, case: Case, written: Gates) -> Iterator[str]:
        """Check that numbers do not come from uninitialised memory: they are the same if it is filled with another byte."""
        if len(self._servers) == 1:
            self._servers.append(Server(0xAA))
        for server in self._servers[1:]:
            output = self._workspace / "again"
            run = server.run(["export", str(case.path), "-o", str(output)], self._directory("again"))
            found = list(output.rglob("*.npz"))
            again = checks.read_npz(found[0]) if found else {}
            shutil.rmtree(output, ignore_errors=True)
            if run.status == 0 and not checks.same_arrays(again, written):
                yield "the numbers come from uninitialised memory: another run gives others"

    def _run_in(self, name: str, words: list[str]) -> Ran:
        return self._run(words, self._directory(name))

    def _directory(self, command: str) -> Path:
        """Create the working directory for `command`."""
        directory = self._workspace / "runs" / command
        directory.mkdir(parents=True)
        return directory


def _tree(path: Path) -> list[object]:
    """Return name, mode, size and time of change of all files next to `path` and below."""
    return sorted(
        (str(one), stat.st_mode, stat.st_size, stat.st_mtime_ns)
        for one in path.parent.rglob("*")
        for stat in [one.lstat()]
    )
