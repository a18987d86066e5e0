"""Goals, and whether they are met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.measuring import Round

Figure = Callable[[Round], float]
"""A number from one round; the median of all rounds is compared with the goal."""


class Goal(NamedTuple):
    """A limit for one or several figures.

    Attributes:
        promise: The measured quantity, as a noun phrase.
        limit: The largest allowed figure.
        unit: The unit after the numbers: `×`, ` ms`, ` MiB`.
        figures: The figures, by the name of the measured input.
        beside: Other figures, which are only shown.
        idle: Whether the goal can be judged on an idle machine only.
    """

    promise: str
    limit: float
    unit: str
    figures: Mapping[str, Figure]
    beside: Mapping[str, Figure] = {}
    idle: bool = False


class Verdict(NamedTuple):
    """The verdict on a goal. `holds` is None if it was not measured; `why` is the reason, or the failure."""

    goal: Goal
    measured: Mapping[str, float]
    beside: Mapping[str, float]
    holds: bool | None
    why: str = ""


def judge(goal: Goal, rounds: Sequence[Round], lacking: str = "") -> Verdict:
    """Compare the figures with `goal`. `lacking` is the reason if it cannot be judged."""
    taken = {name: _take_median(figure, rounds) for name, figure in goal.figures.items()}
    beside = {
        name: value for name, figure in goal.beside.items() if (value := _take_median(figure, rounds)[0]) is not None
    }
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


def _take_median(figure: Figure, rounds: Sequence[Round]) -> tuple[float | None, str]:
    """Return the median of `figure`, None if no round has it, and the failure of a command that it needs."""
    values, failure = [], ""
    for one in rounds:
        try:
            values.append(figure({name: usage for name, usage in one.items() if not usage.failure}))
        except KeyError as lacking:  # a command that was not run in this round, or failed
            name = lacking.args[0]
            failure = f"{name}: {one[name].failure}" if name in one else failure
        except (TypeError, ZeroDivisionError):  # a value that is unknown on this system
            continue
    return median(values) if values else None, failure


# --- the usual figures, by the names of commands


def cpu(name: str, against: str, start_up: str = "") -> Figure:
    """Return the CPU time of `name`, minus that of `start_up`, divided by that of `against`."""
    return lambda one: (one[name].cpu - (one[start_up].cpu if start_up else 0)) / one[against].cpu


def start_up(name: str, against: str) -> Figure:
    """Return the instructions of `name` divided by those of `against`; where they are not counted, the CPU times."""

    def ratio(one: Round) -> float:
        ours, theirs = one[name].instructions, one[against].instructions
        return cpu(name, against)(one) if ours is None or theirs is None else ours / theirs

    return ratio


def resident(name: str) -> Figure:
    """Return the resident memory of `name`, in MiB."""
    return lambda one: one[name].resident


def wall(name: str, against: str) -> Figure:
    """Return the wall time of `name` divided by that of `against`."""
    return lambda one: one[name].wall / one[against].wall


def cpu_each(name: str, number: int, start_up: str = "", against: str = "") -> Figure:
    """Return the CPU time of `name`, minus that of `start_up`, for each of `number` models.

    In ms, or divided by that of `against`.
    """
    return lambda one: (
        (one[name].cpu - (one[start_up].cpu if start_up else 0)) / number / (one[against].cpu if against else 1)
    )


def resident_over(name: str, start_up: str) -> Figure:
    """Return the resident memory of `name` minus that of `start_up`, in MiB."""
    return lambda one: one[name].resident - one[start_up].resident


def read_over(name: str, other: str) -> Figure:
    """Return the amount read by `name` minus that by `other`, in KiB."""
    return lambda one: (one[name].read - one[other].read) / 1024  # type: ignore[operator]
