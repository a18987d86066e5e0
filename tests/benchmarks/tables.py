"""Tables of results in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from statistics import median

from benchmarks.goals import Verdict
from benchmarks.measuring import Command, Round, Usage

_MARKS = {True: "met", False: "**missed**", None: "not judged"}
_LONGEST = 100


def goals(verdicts: Sequence[Verdict]) -> str:
    """Return a table with a row for each goal."""
    rows = [("goal", "at most", "measured", "")]
    rows += [
        (one.goal.promise, f"{one.goal.limit:g}{one.goal.unit}", _format_measured(one), _MARKS[one.holds])
        for one in verdicts
    ]
    return _format_table(rows, "<><<")


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return a sentence with the number of goals that are met."""
    held, missed, open_ = (sum(one.holds is holds for one in verdicts) for holds in (True, False, None))
    return f"Of {len(verdicts)} goals, {held} are met, {missed} are missed, {open_} could not be judged."


def _format_measured(verdict: Verdict) -> str:
    parts = [_join_values(verdict.measured), verdict.why, f"({_join_values(verdict.beside)})" if verdict.beside else ""]
    return "; ".join(part for part in parts if part)


def _join_values(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_format_value(value)}" for name, value in values.items())


def _format_value(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def commands(of: Sequence[Command], rounds: Sequence[Round]) -> str:
    """Return a table of commands: medians of CPU, wall time and memory, and the CPU ratio to the command compared with.

    Instructions have a column if they are counted.
    """
    rows: list[tuple[str, ...]] = [("command", "CPU ms", "wall ms", "MiB", "M instructions", "CPU ratio", "to")]
    rows += [_make_row(command, rounds) for command in of]
    if not any(row[4] for row in rows[1:]):
        rows = [(*row[:4], *row[5:]) for row in rows]
    return _format_table(rows, "<" + ">" * (len(rows[0]) - 2) + "<")


def _make_row(command: Command, rounds: Sequence[Round]) -> tuple[str, ...]:
    runs = [one[command.name] for one in rounds if command.name in one]
    counting = [usage for usage in runs if not usage.failure]
    if not counting:
        why = command.lacks or next((usage.failure for usage in runs), "not run")
        return command.name, "", "", "", "", "", _shorten(why)
    ratio = _find_ratio(command, rounds)
    count = counting[0].instructions
    return (command.name, *_format_medians(counting), "" if count is None else f"{count:,.0f}",
            "" if ratio is None else f"{ratio:.2f}", command.against)  # fmt: skip


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _format_medians(runs: Sequence[Usage]) -> tuple[str, str, str]:
    wall = median(usage.wall for usage in runs)
    return (
        f"{median(usage.cpu for usage in runs):,.0f}",
        f"{wall:,.0f}",
        f"{median(usage.resident for usage in runs):,.0f}",
    )


def _find_ratio(command: Command, rounds: Sequence[Round]) -> float | None:
    pairs = [
        (one[command.name], one[command.against]) for one in rounds if {command.name, command.against} <= one.keys()
    ]
    ratios = [ours.cpu / other.cpu for ours, other in pairs if not ours.failure and not other.failure]
    return median(ratios) if ratios else None


def _format_table(rows: Sequence[Sequence[str]], sides: str) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip_longest(*cells, fillvalue="")]
    rule = [
        "-" * (width - (side == ">")) + (":" if side == ">" else "") for width, side in zip(widths, sides, strict=True)
    ]
    head, *body = [
        [f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)] for row in cells
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *body))
