from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from support.cells import random_cell

from lstmdump.replay.equations import CellNumbers, States
from lstmdump.report.plot import sequences
from lstmdump.report.plot.sequences import DrawnSequence

MEMBERS = ("h", "c", "i", "f", "o", "candidate")


def states(steps: int = 3, units: int = 2, **arrays: Any) -> States:
    """Return states of two sequences, all of them 0.5 apart from `arrays`, each those of the first sequence."""
    half = np.full((2, steps, units), 0.5, np.float32)
    made = States(**{field.name: half.copy() for field in fields(States)})
    for name, values in arrays.items():
        getattr(made, name)[0] = values
    return made


def cell(units: int = 2, **behaviour: Any) -> CellNumbers:
    return random_cell(3, units, None, "float32", **behaviour)


def take(made: States, mask: list[bool] | None = None, **behaviour: Any) -> DrawnSequence:
    its_mask = None if mask is None else np.array([mask, [True] * len(mask)])
    return sequences.take("lstm", cell(made.c.shape[2], **behaviour), made, its_mask)


@pytest.mark.parametrize("name", MEMBERS)
def test_the_first_sequence_is_taken_with_units_down_and_steps_across(name: str) -> None:
    found = take(states(**{name: [[1, 2], [3, 4], [5, 6]]})).matrices[name]
    assert (found.points.tolist(), found.shape, found.block) == ([[1, 3, 5], [2, 4, 6]], (2, 3), (1, 1))


def test_all_else_is_not_kept() -> None:
    made = states()
    assert not any(np.shares_memory(matrix.points, getattr(made, name)) for name, matrix in take(made).matrices.items())


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ({"go_backwards": True}, [5, 3, 1]),  # the layer gives the last step of the input first
        ({"go_backwards": True, "is_aligned": True}, [1, 3, 5]),  # already in the order of the input
    ],
)
def test_the_steps_are_in_the_order_of_the_input(behaviour: dict[str, bool], expected: list[int]) -> None:
    found = take(states(c=[[1, 2], [3, 4], [5, 6]]), **behaviour)
    assert (found.matrices["c"].points[0].tolist(), found.is_backwards) == (expected, True)


def test_the_masked_steps_are_runs_in_the_order_of_the_input() -> None:
    found = take(states(steps=6), [False, True, True, False, False, True], go_backwards=True)
    assert found.skipped == ((0, 1), (3, 5))


def test_masked_steps_up_to_the_end_are_a_run() -> None:
    assert take(states(), [True, False, False]).skipped == ((1, 3),)


def test_without_a_mask_nothing_is_skipped() -> None:
    assert take(states()).skipped == ()


def test_masked_steps_have_no_part_in_the_scale() -> None:
    found = take(states(c=[[0.25, 0.25], [9, 9], [-1, 0.5]]), [True, False, True])
    assert found.matrices["c"].limits == (-1, 1)


def test_the_gates_of_masked_steps_are_no_gaps() -> None:
    found = take(states(i=[[0.5, 0.5], [np.nan, np.nan], [0.5, 0.5]]), [True, False, True])
    assert not found.matrices["i"].has_gaps


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_gaps(value: float) -> None:
    matrix = take(states(h=[[0.5, 0.5], [value, 0.25], [0.5, 0.5]])).matrices["h"]
    assert (matrix.has_gaps, matrix.limits) == (True, (-0.5, 0.5))


@pytest.mark.parametrize(
    ("i", "limits"),
    [
        (0.25, (0, 1)),
        (1.0, (0, 1)),
        (1.5, (0, 1.5)),  # as relu gives
        (-0.25, (-0.5, 0.5)),  # as tanh gives; f and o, which share the scale, are 0.5
        (np.nan, (0, 1)),
    ],
)
def test_gates_have_one_scale_from_0_to_1_unless_they_exceed_it(i: float, limits: tuple[float, float]) -> None:
    found = take(states(i=[[i, 0.5]] * 3))
    assert {found.matrices[gate].limits for gate in "ifo"} == {limits}


def test_a_layer_all_of_whose_steps_are_masked_has_a_scale() -> None:
    assert take(states(), [False] * 3).matrices["c"].limits == (-1, 1)


def test_a_projected_output_has_its_own_rows() -> None:
    made = replace(states(units=4), h=np.ones((2, 3, 1), np.float32))
    found = sequences.take("lstm", random_cell(3, 4, 1, "float32"), made)
    assert (found.units, found.width, found.matrices["h"].shape, found.matrices["c"].shape) == (4, 1, (1, 3), (4, 3))


STEPS = 4000


def reduced(mask: list[bool] | None = None, **arrays: Any) -> DrawnSequence:
    return take(states(STEPS, 1, **arrays), mask)


def test_a_long_sequence_is_reduced_to_what_a_page_can_show() -> None:
    matrix = reduced().matrices["h"]
    assert matrix.block == (1, 5)  # 2.9 inches × 280 points are 812 of 4,000 steps
    assert matrix.points.shape == (1, 800)


def test_many_units_are_reduced_as_well() -> None:
    assert take(states(1, 1300)).matrices["c"].block == (3, 1)  # 2.2 inches × 280 points are 616


def test_a_point_is_the_state_of_largest_modulus() -> None:
    c = np.full((STEPS, 1), 0.25)
    c[7] = -3
    assert reduced(c=c).matrices["c"].points[0, :3].tolist() == [0.25, -3, 0.25]


def test_a_point_is_the_gate_that_is_most_nearly_closed_or_open() -> None:
    f = np.full((STEPS, 1), 0.75)
    f[7], f[10], f[11] = 0.125, 0.875, 0.25
    assert reduced(f=f).matrices["f"].points[0, :3].tolist() == [0.75, 0.125, 0.875]


def test_a_masked_step_has_no_part_in_a_point() -> None:
    c = np.full((STEPS, 1), 0.25)
    c[7] = -3
    mask = np.ones(STEPS, bool)
    mask[7] = False
    assert reduced(mask.tolist(), c=c).matrices["c"].points[0, 1] == 0.25
