"""What is to be reached, and whether it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.measuring import Round

Figure = Callable[[Round], float]
"""A number out of one round; the median of all rounds is what counts."""


class Goal(NamedTuple):
    """A limit for one or several figures.

    Attributes:
        promise: what is measured, as a noun phrase.
        limit: no figure may be larger.
        unit: what stands behind the numbers: `×`, ` ms`, ` MiB`.
        figures: by what they are taken of.
        beside: figures that are shown with them and not judged.
        idle: it can be judged on an idle machine only.
    """

    promise: str
    limit: float
    unit: str
    figures: Mapping[str, Figure]
    beside: Mapping[str, Figure] = {}
    idle: bool = False


class Verdict(NamedTuple):
    """How a goal came out. `holds` is None where it was not measured; `why` says why, or what failed."""

    goal: Goal
    measured: Mapping[str, float]
    beside: Mapping[str, float]
    holds: bool | None
    why: str = ""


def judge(goal: Goal, rounds: Sequence[Round], lacking: str = "") -> Verdict:
    """Hold what was measured against GOAL. LACKING says why it cannot be judged."""
    taken = {name: _taken(figure, rounds) for name, figure in goal.figures.items()}
    beside = {name: value for name, figure in goal.beside.items() if (value := _taken(figure, rounds)[0]) is not None}
    measured = {name: value for name, (value, _) in taken.items() if value is not None}
    failures = sorted({failure for _, failure in taken.values() if failure})
    missing = [name for name in taken if name not in measured]
    if lacking:
        return Verdict(goal, measured, beside, None, lacking)
    if failures or any(value > goal.limit for value in measured.values()):
        return Verdict(goal, measured, beside, holds=False, why="; ".join(failures))
    if missing:
        return Verdict(goal, measured, beside, None, f"not measured: {', '.join(missing)}")
    return Verdict(goal, measured, beside, holds=True)


def _taken(figure: Figure, rounds: Sequence[Round]) -> tuple[float | None, str]:
    """The median of FIGURE, None where no round gives it, and what failed of that which it is taken of."""
    values, failure = [], ""
    for one in rounds:
        try:
            values.append(figure({name: usage for name, usage in one.items() if not usage.failure}))
        except KeyError as lacking:  # a command that was not run in this round, or failed
            name = lacking.args[0]
            failure = f"{name}: {one[name].failure}" if name in one else failure
        except (TypeError, ZeroDivisionError):  # something that cannot be told here
            continue
    return median(values) if values else None, failure


# --- the usual figures, by the names of commands


def cpu(name: str, against: str, start_up: str = "") -> Figure:
    """The CPU time of NAME, less that of START_UP, over that of AGAINST."""
    return lambda one: (one[name].cpu - (one[start_up].cpu if start_up else 0)) / one[against].cpu


def wall(name: str, against: str) -> Figure:
    """The wall time of NAME over that of AGAINST."""
    return lambda one: one[name].wall / one[against].wall


def cpu_each(name: str, number: int, start_up: str = "") -> Figure:
    """The CPU time of NAME, less that of START_UP, for each of its NUMBER models, in ms."""
    return lambda one: (one[name].cpu - (one[start_up].cpu if start_up else 0)) / number


def resident_over(name: str, start_up: str) -> Figure:
    """How much more memory NAME had resident than START_UP, in MiB."""
    return lambda one: one[name].resident - one[start_up].resident


def read_over(name: str, other: str) -> Figure:
    """How much more NAME read than OTHER, in KiB."""
    return lambda one: (one[name].read - one[other].read) / 1024  # type: ignore[operator]
