"""The replay, compared with `predict` of Keras, both without start-up, and the memory used."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from benchmarks import keras_inputs, peers
from benchmarks.goals import Goal, resident_over, wall
from benchmarks.measuring import Command, Usage
from benchmarks.workspace import Case, Sizes, Workspace, python

_REPLAY = f"""
import os, sys
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as on the command line
import numpy as np
import lstmdump
from lstmdump.replay import equations as replay
path, *shape, times = sys.argv[1:]
x = np.random.default_rng(0).standard_normal([int(number) for number in shape]).astype(np.float32)
with lstmdump.open(path) as model:
    cell = replay.read(model.lstms[0])
{peers.TIMED}
timed(lambda: replay.replay(cell, x), int(times))
"""
_TIMES = 5
_INPUTS = 12


class _Batch(NamedTuple):
    """The number of sequences and of steps, and the units of the layer."""

    sequences: int
    steps: int
    units: int

    def __str__(self) -> str:
        return f"{self.sequences} × {self.steps} × {self.units}"

    @property
    def states(self) -> float:
        """The size of the six arrays that a replay returns, in MiB."""
        return 6 * 4 * self.sequences * self.steps * self.units / 2**20


def _batches(sizes: Sizes) -> list[_Batch]:
    """Return the batch of the goal, and others."""
    return [_Batch(32, sizes.steps, 64), _Batch(1, sizes.steps, 64), _Batch(32, sizes.steps // 8, 512)]


def _replay(batch: _Batch) -> str:
    return f"replay, {batch}"


def _predict(batch: _Batch) -> str:
    return f"Keras: predict, {batch}"


def _start_up(batch: _Batch) -> str:
    return f"replay, start-up for {batch}"


def replace_times(read_stdout: Callable[[], str]) -> Callable[[Usage], Usage]:
    """Return a function that replaces the times of a command by those it prints, which exclude the start-up."""

    def take(usage: Usage) -> Usage:
        cpu, elapsed = (float(word) for word in read_stdout().splitlines()[-1].split())
        return usage._replace(cpu=cpu, wall=elapsed)

    return take


def _beside_keras(place: Workspace) -> list[Command]:
    commands, checked = [], replace_times(place.read_stdout)
    for batch in _batches(place.sizes):
        path = keras_inputs.write_keras(place.folder / f"{batch.units}.keras", _INPUTS, batch.units)
        shape = [str(number) for number in (batch.sequences, batch.steps, _INPUTS)]
        words = python(_REPLAY, path, *shape, str(_TIMES))
        commands += [
            Command(_replay(batch), words, _predict(batch), checked=checked),
            peers.keras_predict(path, shape, _TIMES, _predict(batch), checked),
        ]
        if batch == _batches(place.sizes)[0]:
            commands.append(Command(_start_up(batch), python(_REPLAY, path, *shape, "0")))
    return commands


def _beside_keras_goals(sizes: Sizes) -> list[Goal]:
    first, *others = _batches(sizes)
    ratios = {str(batch): wall(_replay(batch), _predict(batch)) for batch in (first, *others)}
    memory = {str(first): resident_over(_replay(first), _start_up(first))}
    promise = "Resident memory of the replay over start-up, of which the returned arrays take"
    return [
        Goal("Wall time of the replay over Keras's `predict`, both without start-up", 1.5, "×",
             {str(first): ratios.pop(str(first))}, ratios, idle=True),
        Goal(f"{promise} {first.states:.0f} MiB", round(first.states) + 8, " MiB", memory),
    ]  # fmt: skip


CASES = (Case("replay: compared with Keras", _beside_keras, _beside_keras_goals, rounds=5, warm_up=False),)
