"""Many models in one call of `export`: time and memory for each, two processes, Ctrl-C, existing outputs."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import copies, keras_inputs
from benchmarks.goals import Figure, Goal, cpu_each, resident_over, wall
from benchmarks.keras_inputs import units
from benchmarks.measuring import Command, Interrupt, Usage, Words
from benchmarks.show_cases import YARDSTICK
from benchmarks.workspace import OURS, Case, NotMeasured, Sizes, Workspace

_H5 = copies.TINY[".h5"]
_START_UP = "export, 1 file"


def _export(paths: Path, out: Path, *options: str) -> Words:
    return [OURS, "export", "-q", "-T", paths, "-o", out, *options]


def _inputs(place: Workspace, number: int, write: Callable[[Path], Path] = _H5, folder: str = "models") -> Path:
    """Write `number` tiny models, and return a list of them."""
    paths = copies.many(place.folder / folder, write, number)
    return copies.listed(place.folder / f"{folder}.txt", paths)


def _first(place: Workspace, paths: Path, number: int) -> Path:
    """Write a list of the first `number` models in the list at `paths`."""
    lines = paths.read_text("utf-8").splitlines()[:number]
    return copies.listed(place.folder / f"first-{number}.txt", map(Path, lines))


# --- each file


def _several(kind: str, sizes: Sizes) -> str:
    return f"export, {sizes.shown:,} {kind}"


def _each(place: Workspace) -> list[Command]:
    commands = [YARDSTICK]
    for turn, (kind, write) in enumerate(copies.TINY.items()):
        paths, out = _inputs(place, place.sizes.shown, write, f"models-{turn}"), place.folder / "out"
        commands.append(Command(_several(kind, place.sizes), _export(paths, out), YARDSTICK.name, clears=[out]))
    return commands


def _each_goals(sizes: Sizes) -> list[Goal]:
    number = sizes.shown
    each = {kind: cpu_each(_several(kind, sizes), number, against=YARDSTICK.name) for kind in copies.TINY}
    promise = f"CPU of `export` of {number:,} small files in one call, each, over `import click, json`"
    return [Goal(promise, 0.03, "×", {".h5": each.pop(".h5")}, each)]


# --- two processes


def _jobs(number: int) -> str:
    return f"export -j {number}"


def _two(place: Workspace) -> list[Command]:
    if (os.cpu_count() or 1) < 2:
        raise NotMeasured("there is only one core")
    paths, out = _inputs(place, place.sizes.exported), place.folder / "out"
    return [
        Command(_jobs(1), _export(paths, out, "-j", "1"), clears=[out]),
        Command(_jobs(2), _export(paths, out, "-j", "2"), _jobs(1), clears=[out]),
    ]


def _two_goals(sizes: Sizes) -> list[Goal]:
    promise = f"Wall time of `export -j 2` of {sizes.exported:,} files over `-j 1`"
    return [Goal(promise, 0.65, "×", {".h5": wall(_jobs(2), _jobs(1))}, idle=True)]


# --- memory


def _numbers(sizes: Sizes) -> list[int]:
    return [sizes.exported // 10, sizes.exported, *([sizes.exported * 10] if sizes.many else [])]


def _of(number: int, jobs: str) -> str:
    return f"export -j {jobs}, {number:,} files"


def _memory(place: Workspace) -> list[Command]:
    numbers, out = _numbers(place.sizes), place.folder / "out"
    paths = _inputs(place, max(numbers))
    return [
        Command(_of(number, jobs), _export(_first(place, paths, number), out, "-j", jobs),
                _of(numbers[0], jobs) if number > numbers[0] else "", clears=[out])
        for jobs in "12" for number in numbers
    ]  # fmt: skip


def _memory_goals(sizes: Sizes) -> list[Goal]:
    few, *more = _numbers(sizes)

    def grown(number: int) -> dict[str, Figure]:
        return {f"-j {jobs}": resident_over(_of(number, jobs), _of(few, jobs)) for jobs in "12"}

    return [Goal(f"Resident memory for {number:,} files more than for {few:,}", 4, " MiB", grown(number))
            for number in more]  # fmt: skip


# --- existing outputs


def _rest(sizes: Sizes) -> int:
    return sizes.exported // 20


def _existing(place: Workspace) -> list[Command]:
    number, out, done = place.sizes.exported, place.folder / "out", place.folder / "done"
    paths = _inputs(place, number)
    rest = _rest(place.sizes)

    def restore(usage: Usage) -> Usage:
        """Check the number of outputs written, and remove them for the next run."""
        written = place.read_stdout().splitlines()
        for path in written:
            Path(path).unlink()
        return usage if len(written) == rest else usage._replace(failure=f"{len(written)} outputs, not {rest}")

    def keep(usage: Usage) -> Usage:
        shutil.copytree(out, done, copy_function=os.link, dirs_exist_ok=True)
        for path in sorted(done.iterdir())[:rest]:
            path.unlink()
        return usage

    one = place.folder / "one.npz"
    first = paths.read_text("utf-8").partition("\n")[0]
    return [
        Command(_START_UP, [OURS, "export", "-q", first, "-o", one], clears=[one]),
        Command("export, all", _export(paths, out), clears=[out, done], checked=keep),
        Command(
            "export --skip-existing, the rest", _export(paths, done, "--skip-existing"), "export, all", checked=restore
        ),
    ]


def _existing_goals(sizes: Sizes) -> list[Goal]:
    number, rest = sizes.exported, _rest(sizes)

    def skipped(one: dict[str, Usage]) -> float:
        each = (one["export, all"].cpu - one[_START_UP].cpu) / number
        return (one["export --skip-existing, the rest"].cpu - one[_START_UP].cpu - rest * each) / (number - rest) / each

    promise = f"CPU of `--skip-existing` for an existing output over one that is written ({rest:,} of {number:,})"
    return [Goal(promise, 0.1, "×", {".h5": skipped})]


# --- a list of 100,000


def _listed(number: int) -> str:
    return f"export --skip-existing -T -, {number:,} paths"


def _list(place: Workspace) -> list[Command]:
    """Create all outputs, so that only the handling of the list is measured."""
    number, out, folder = place.sizes.listed, place.folder / "out", place.folder / "models"
    models = copies.many(folder, _H5, number)
    outputs = place.folder / "0.npz"
    outputs.write_bytes(b"there")
    out.mkdir()
    for model in models:
        os.link(outputs, out / f"{model.name}.npz")
    commands = []
    for few in (1, number // 10, number):
        paths = copies.listed(place.folder / f"{few}.txt", models[:few])
        commands.append(Command(_listed(few), _export(Path("-"), out, "--skip-existing"), stdin=paths))
    return commands


def _list_goals(sizes: Sizes) -> list[Goal]:
    many, fewer = sizes.listed, sizes.listed // 10

    def slower(one: dict[str, Usage]) -> float:
        return cpu_each(_listed(many), many, _listed(1))(one) / cpu_each(_listed(fewer), fewer, _listed(1))(one)

    def milliseconds(one: dict[str, Usage]) -> float:
        return cpu_each(_listed(many), many, _listed(1))(one)

    promise = f"CPU for each path of `-T -` less start-up, {many:,} paths over {fewer:,}"
    return [
        Goal(
            promise,
            1.2,
            "×",
            {"existing outputs": slower},
            {"ms for each path": milliseconds, "MiB for all": resident_over(_listed(many), _listed(1))},
        )
    ]


# --- Ctrl-C


def _pressed(what: str) -> str:
    return f"Ctrl-C during export, {what}"


def _interrupted(place: Workspace) -> list[Command]:
    place.need(3 * place.sizes.large)
    m, number = units(place.sizes.large), place.sizes.exported
    large = keras_inputs.write_h5(place.folder / "large.h5", m, m)
    paths, out = _inputs(place, number), place.folder / "out"
    begun, some = Interrupt(out, 0, 0.03), Interrupt(out, max(1, number // 50))
    runs: dict[str, tuple[Words, Interrupt]] = {
        "-j 1": (_export(paths, out, "-j", "1"), some),
        "-j 2": (_export(paths, out, "-j", "2"), some),
        "400 MB": ([OURS, "export", "-q", large, "-o", out / "x.npz"], begun),
        "--compress, 400 MB": (
            [OURS, "export", "-q", "--compress", large, "-o", out / "x.npz"],
            begun._replace(delay=1),
        ),
    }
    return [
        Command(_pressed(what), words, clears=[out], ends_with=130, checked=_clean(out), interrupt=when)
        for what, (words, when) in runs.items()
    ]


def _clean(out: Path) -> Callable[[Usage], Usage]:
    """Return a function that makes a run a failure if anything but complete outputs is left."""

    def check(usage: Usage) -> Usage:
        left = [path.name for path in out.iterdir() if path.name.startswith(".")] if out.exists() else []
        whole = all(zipfile.is_zipfile(path) for path in out.glob("[!.]*"))
        return (
            usage if whole and not left else usage._replace(failure=f"left behind: {', '.join(left) or 'partial file'}")
        )

    return check


def _interrupted_goals(_: Sizes) -> list[Goal]:
    def stopping(name: str) -> Figure:
        return lambda one: one[name].stopping / 1e3  # type: ignore[operator]

    figures = {what: stopping(_pressed(what)) for what in ("-j 1", "-j 2", "400 MB", "--compress, 400 MB")}
    return [Goal("From Ctrl-C to the end of `export`, with only complete outputs left", 1, " s", figures)]


CASES = (
    Case("batch: small files", _each, _each_goals, rounds=5, warm_up=False),
    Case("batch: two processes", _two, _two_goals, rounds=5, warm_up=False),
    Case("batch: memory", _memory, _memory_goals, rounds=1, warm_up=False),
    Case("batch: existing outputs", _existing, _existing_goals, rounds=3),
    Case("batch: a long list", _list, _list_goals, rounds=3, warm_up=False),
    Case("batch: Ctrl-C", _interrupted, _interrupted_goals, rounds=3, warm_up=False),
)
