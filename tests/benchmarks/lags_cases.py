"""`lags` of wide layers and long inputs, compared with as many products of matrices of the same size.

The figures of the first release that had them (2026-11-22) are the standard. They cannot be measured without its code,
and times of one machine say nothing of another. So they are stated in a unit that any machine can measure: the CPU time
of a product of (m, 4m) and (4m, m) in float64 for each step, which is what a step back through an LSTM of m units cannot
do without unless it drops directions.
"""

from __future__ import annotations

import math

from benchmarks import keras_inputs, peers
from benchmarks.goals import Figure, Goal
from benchmarks.measuring import Command
from benchmarks.replay_cases import replace_times
from benchmarks.workspace import Case, Sizes, Workspace, python

FIRST = {64: 3.55, 256: 1.35, 512: 1.15}
"""The CPU time of the first release for 820 steps over that of the products, by units."""
SHARES = {64: 0.35, 256: 0.25, 512: 0.2}
"""The share of it that is allowed."""

_ONE_CORE = 'os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as on the command line'
_LAGS = f"""
import os, sys
{_ONE_CORE}
import numpy as np
import lstmdump
from lstmdump.replay import cell as cells, lags
path, steps, width = sys.argv[1:]
with lstmdump.open(path) as model:
    cell = cells.read(model.lstms[0], dtype="float64")
x = np.random.default_rng(0).standard_normal((1, int(steps), int(width)))
{peers.TIMED}
timed(lambda: lags.lags(cell, x), 1)
"""
_PRODUCTS = f"""
import os, sys
{_ONE_CORE}
import numpy as np
m, count = map(int, sys.argv[1:])
draw = np.random.default_rng(0)
left, right, out = draw.standard_normal((m, 4 * m)), draw.standard_normal((4 * m, m)), np.empty((m, m))
{peers.TIMED}
timed(lambda: [np.matmul(left, right, out=out) for _ in range(count)], 3)
"""
_INPUTS = 12
_WORK = (
    1 << 34
)  # multiplications for which the products are measured; those of all steps of 512 units are 26 times more


def count_products(units: int, steps: int) -> int:
    """Return the number of products to measure: as many as there are steps, if that does not take long."""
    return min(steps, math.ceil(_WORK / (4 * units**3)))


def _lags(units: int) -> str:
    return f"lags, {units} units"


def _products(units: int) -> str:
    return f"numpy: products of {units} × {4 * units} and {4 * units} × {units}"


def _commands(place: Workspace) -> list[Command]:
    checked, steps = replace_times(place.read_stdout), str(place.sizes.steps)
    commands = []
    for units in FIRST:
        path = keras_inputs.write_fading_keras(place.folder / f"{units}.keras", _INPUTS, units)
        count = str(count_products(units, place.sizes.steps))
        commands += [
            Command(_products(units), python(_PRODUCTS, str(units), count), checked=checked),
            Command(_lags(units), python(_LAGS, path, steps, str(_INPUTS)), checked=checked),
        ]
    return commands


def over_first(units: int, steps: int) -> Figure:
    """Return the CPU time of `lags` over that of the first release, by way of the products."""
    scale = steps / count_products(units, steps) * FIRST[units]
    return lambda one: one[_lags(units)].cpu / (one[_products(units)].cpu * scale)


def _goals(sizes: Sizes) -> list[Goal]:
    return [
        Goal(f"CPU of `lags` over that of the first release, {units} units, {sizes.steps} steps", share, "×",
             {f"{units} × {sizes.steps}": over_first(units, sizes.steps)})
        for units, share in SHARES.items()
    ]  # fmt: skip


CASES = (Case("lags: compared with products of matrices", _commands, _goals, rounds=3, warm_up=False),)
