from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import reference
from support.cells import NUMBERS, PEEPHOLES, X, one_unit, random_cell, states

import lstmdump
from lstmdump.errors import BadInput
from lstmdump.replay import equations
from lstmdump.replay.equations import State, States


@pytest.mark.parametrize("key", ["h", "c", "i", "f", "o", "candidate"])
@pytest.mark.parametrize("numbers", [NUMBERS, NUMBERS | PEEPHOLES, NUMBERS | {"P": -2.0}], ids=["plain", "V", "P"])
def test_every_step_has_the_states_and_gates_of_the_equations(numbers: dict[str, float], key: str) -> None:
    expected = [step[key] for step in reference.one_unit(X, numbers)]
    np.testing.assert_allclose(getattr(states(one_unit(numbers)), key)[0, :, 0], expected, rtol=1e-12)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape)


def same(one: States, other: States, *keys: str) -> None:
    for key in keys or vars(one):
        np.testing.assert_allclose(getattr(one, key), getattr(other, key), rtol=1e-12, err_msg=key)


def part(made: States, *at: Any) -> States:
    return States(**{key: values[at] for key, values in vars(made).items()})


def test_a_projection_makes_h_of_another_width() -> None:
    made = equations.replay(random_cell(3, 5, 2, "float32"), np.zeros((4, 6, 3)))
    assert (made.h.shape, made.c.shape, made.o.shape) == ((4, 6, 2), (4, 6, 5), (4, 6, 5))


def test_each_sequence_of_a_batch_is_independent() -> None:
    cell, x = random_cell(3, 5, None, "float64"), np.random.default_rng(1).standard_normal((4, 6, 3))
    alone = np.concatenate([equations.replay(cell, one[None]).h for one in x])
    np.testing.assert_allclose(equations.replay(cell, x).h, alone, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_arrays_have_the_requested_dtype(dtype: str) -> None:
    made = equations.replay(random_cell(3, 5, 2, dtype), np.ones((1, 2, 3)))
    assert {values.dtype for values in vars(made).values()} == {np.dtype(dtype)}


def test_activations_are_those_of_the_behaviour() -> None:
    cell = random_cell(3, 5, None, "float64", activation="sigmoid", recurrent_activation="tanh")
    x = np.ones((1, 1, 3))
    z = {letter: x[0, 0] @ gate.W + gate.b for letter, gate in cell.gates.items()}
    c = np.tanh(z["i"]) / (1 + np.exp(-z["c"]))
    expected = np.tanh(z["o"] + c * cell.gates["o"].V) / (1 + np.exp(-c))
    np.testing.assert_allclose(equations.replay(cell, x).h[0, 0], expected)


def test_an_input_without_steps_is_accepted() -> None:
    assert equations.replay(random_cell(3, 5, None, "float32"), np.zeros((2, 0, 3))).h.shape == (2, 0, 5)


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 5)])
def test_an_input_of_another_shape_is_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        equations.replay(random_cell(3, 5, None, "float32"), np.zeros(shape))
    assert str(caught.value) == f"the input is {shape}, but random takes (batch, length, 3)"


ALL = slice(None)
EITHER = pytest.mark.parametrize("dtype", ["float32", "float64"])


def test_a_sequence_longer_than_a_block_is_one_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, x = random_cell(3, 5, 2, "float64"), random(4, 11, 3)
    whole = equations.replay(cell, x)
    monkeypatch.setattr(equations, "_BYTES", 3 * 4 * 11 * 5 * 8)  # of three steps
    same(equations.replay(cell, x), whole)


def test_a_batch_larger_than_a_block_is_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, x, first = random_cell(3, 5, None, "float64"), random(7, 4, 3), State(random(7, 5), random(7, 5))
    whole = equations.replay(cell, x, initial=first)
    monkeypatch.setattr(equations, "_SEQUENCES", 3)
    same(equations.replay(cell, x, initial=first), whole)


def test_an_empty_batch_is_accepted() -> None:
    assert equations.replay(random_cell(3, 5, None, "float32"), np.zeros((0, 4, 3))).c.shape == (0, 4, 5)


def test_a_sequence_continues_from_the_given_state() -> None:
    cell, x = random_cell(3, 5, 2, "float64"), random(4, 6, 3)
    whole = equations.replay(cell, x)
    same(
        equations.replay(cell, x[:, 2:], initial=State(whole.h[:, 1], whole.c[:, 1])), part(whole, ALL, slice(2, None))
    )


@pytest.mark.parametrize(("letter", "shapes"), [("h", ((4, 3), (4, 5))), ("c", ((4, 2), (4, 2)))])
def test_a_first_state_of_another_shape_is_refused(letter: str, shapes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(BadInput) as caught:
        equations.replay(random_cell(3, 5, 2, "float32"), np.zeros((4, 6, 3)), initial=State(*map(np.zeros, shapes)))
    expected = (4, 2) if letter == "h" else (4, 5)
    assert str(caught.value) == f"the initial {letter} is {shapes[letter == 'c']}, but random takes {expected}"


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(BadInput):
        equations.replay(random_cell(3, 5, None, "float32"), np.zeros((4, 6, 3)), mask=np.ones((4, 5), bool))


# --- backwards


def test_backwards_is_the_reversed_sequence() -> None:
    x = random(4, 6, 3)
    expected = equations.replay(random_cell(3, 5, None, "float64"), x[:, ::-1])
    same(equations.replay(random_cell(3, 5, None, "float64", go_backwards=True), x), expected)


def test_backwards_and_aligned_keeps_the_step_order_of_the_input() -> None:
    x = random(4, 6, 3)
    expected = equations.replay(random_cell(3, 5, None, "float64"), x[:, ::-1])
    made = equations.replay(random_cell(3, 5, None, "float64", go_backwards=True, is_aligned=True), x)
    same(made, part(expected, ALL, slice(None, None, -1)))


# --- masks


def test_a_mask_of_all_steps_changes_nothing() -> None:
    cell, x = random_cell(3, 5, None, "float64"), random(4, 6, 3)
    same(equations.replay(cell, x, mask=np.ones((4, 6), bool)), equations.replay(cell, x))


def test_unmasked_steps_have_the_states_of_the_sequence_without_masked_steps() -> None:
    cell, x, taken = random_cell(3, 5, 2, "float64"), random(4, 6, 3), [1, 2, 4]
    mask = np.isin(np.arange(6), taken) | np.zeros((4, 1), bool)
    same(part(equations.replay(cell, x, mask=mask), ALL, taken), equations.replay(cell, x[:, taken]))


def test_each_sequence_has_its_own_mask() -> None:
    cell, x, mask = random_cell(3, 5, None, "float64"), random(4, 6, 3), random(4, 6) > 0
    made = equations.replay(cell, x, mask=mask)
    for k in range(4):
        same(part(made, slice(k, k + 1)), equations.replay(cell, x[k : k + 1], mask=mask[k : k + 1]))


def test_a_mask_applies_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, x, mask = random_cell(3, 5, None, "float64"), random(4, 11, 3), random(4, 11) > 0.7
    whole = equations.replay(cell, x, initial=State(random(4, 5), random(4, 5)), mask=mask)
    monkeypatch.setattr(equations, "_BYTES", 1)
    same(equations.replay(cell, x, initial=State(random(4, 5), random(4, 5)), mask=mask), whole)


@pytest.mark.parametrize("key", ["h", "c"])
def test_a_masked_step_keeps_the_state(key: str) -> None:
    mask = np.array([[True, False, False, True]])
    states = getattr(equations.replay(random_cell(3, 5, None, "float64"), random(1, 4, 3), mask=mask), key)
    assert (states[0, 1] == states[0, 0]).all()
    assert (states[0, 2] == states[0, 0]).all()
    assert (states[0, 3] != states[0, 0]).all()


@pytest.mark.parametrize("key", ["i", "f", "o", "candidate"])
def test_a_masked_step_has_no_gates(key: str) -> None:
    mask = random(4, 6) > 0
    gates = getattr(equations.replay(random_cell(3, 5, None, "float64"), random(4, 6, 3), mask=mask), key)
    assert (np.isnan(gates).all(2) == ~mask).all()
    assert (np.isnan(gates).any(2) == ~mask).all()


def test_the_input_of_a_masked_step_does_not_matter() -> None:
    cell, x, mask = random_cell(3, 5, None, "float64"), random(4, 6, 3), random(4, 6) > 0
    expected = equations.replay(cell, x, mask=mask)
    x[~mask] = np.nan
    same(equations.replay(cell, x, mask=mask), expected)


def test_before_the_first_unmasked_step_the_output_is_zero_and_the_state_is_the_initial_one() -> None:
    first, mask = State(random(2, 5), random(2, 5)), np.array([[False, False, True]] * 2)
    made = equations.replay(random_cell(3, 5, None, "float64"), random(2, 3, 3), initial=first, mask=mask)
    assert not made.h[:, :2].any()
    assert (made.c[:, :2] == first.c[:, None]).all()


def test_masked_steps_keep_the_initial_state() -> None:
    cell, x, first = random_cell(3, 5, None, "float64"), random(2, 3, 3), State(random(2, 5), random(2, 5))
    made = equations.replay(cell, x, initial=first, mask=np.array([[False, False, True]] * 2))
    same(part(made, ALL, [2]), equations.replay(cell, x[:, 2:], initial=first))


def test_the_initial_output_is_repeated_where_the_release_does() -> None:
    x = np.random.default_rng(1).standard_normal((1, 3, 3))
    initial, mask = equations.State(np.full((1, 5), 0.5), np.ones((1, 5))), np.array([[False, False, True]])
    cell = random_cell(3, 5, None, "float64", repeats_state=True)
    made = equations.replay(cell, x, initial=initial, mask=mask)
    assert made.h[0, :2].tolist() == [[0.5] * 5] * 2
    np.testing.assert_allclose(made.h[:, 2], equations.replay(cell, x[:, 2:], initial=initial).h[:, 0])


def test_zero_output_for_mask_zeroes_the_output_and_keeps_the_state() -> None:
    x, mask = random(4, 6, 3), random(4, 6) > 0
    kept = equations.replay(random_cell(3, 5, None, "float64"), x, mask=mask)
    made = equations.replay(random_cell(3, 5, None, "float64", zero_output_for_mask=True), x, mask=mask)
    np.testing.assert_array_equal(made.h, np.where(mask[..., None], kept.h, 0))
    same(made, kept, "c", "i")


def test_backwards_reverses_the_mask_too() -> None:
    x, mask = random(4, 6, 3), random(4, 6) > 0
    expected = equations.replay(random_cell(3, 5, None, "float64"), x[:, ::-1], mask=mask[:, ::-1])
    same(equations.replay(random_cell(3, 5, None, "float64", go_backwards=True), x, mask=mask), expected)


# --- clipping, and what is too large


def test_the_cell_state_is_clipped_before_the_output_is_computed() -> None:
    made = equations.replay(random_cell(3, 5, None, "float64", cell_clip=0.25), random(4, 6, 3))
    c = made.f[:, 1:] * made.c[:, :-1] + made.i[:, 1:] * made.candidate[:, 1:]
    assert (abs(c) > 0.25).any()
    np.testing.assert_allclose(made.c[:, 1:], np.clip(c, -0.25, 0.25))
    np.testing.assert_allclose(made.h, made.o * np.tanh(made.c))


def test_the_projection_is_clipped() -> None:
    cell = random_cell(3, 5, 2, "float64", projection_clip=0.25)
    made = equations.replay(cell, random(4, 6, 3))
    assert cell.projection is not None
    h = (made.o * np.tanh(made.c)) @ cell.projection
    assert (abs(h) > 0.25).any()
    np.testing.assert_allclose(made.h, np.clip(h, -0.25, 0.25))


@EITHER
@pytest.mark.parametrize("size", [1e30, 1e300, np.inf, np.nan])
def test_numbers_too_large_give_no_warning(dtype: str, size: float) -> None:
    x = np.array([[[1.0] * 3, [size] * 3, [-size] * 3]])
    assert equations.replay(random_cell(3, 5, 2, dtype), x).h.shape == (1, 3, 2)


def test_a_sequence_that_is_not_finite_does_not_affect_the_others() -> None:
    cell, x = random_cell(3, 5, None, "float64"), random(4, 6, 3)
    expected = part(equations.replay(cell, x), slice(1, None))
    x[0, 2] = np.inf
    same(part(equations.replay(cell, x), slice(1, None)), expected)


# --- what is given stays as it was, and memory


def test_the_arguments_are_not_modified() -> None:
    x, first, mask = random(4, 6, 3), State(random(4, 5), random(4, 5)), random(4, 6) > 0
    before = [array.copy() for array in (x, *first, mask)]
    equations.replay(random_cell(3, 5, None, "float64", go_backwards=True), x, initial=first, mask=mask)
    assert all((now == then).all() for now, then in zip((x, *first, mask), before, strict=True))


@pytest.mark.parametrize(
    ("shape", "units"), [((1, 20_000, 8), 16), ((20_000, 1, 8), 16), ((32, 820, 8), 16), ((1, 4_000, 1_000), 1)]
)
def test_little_more_memory_is_used_than_that_of_the_states(shape: tuple[int, ...], units: int) -> None:
    cell, x = random_cell(shape[2], units, None, "float32"), np.zeros(shape)
    tracemalloc.start()
    try:
        made = equations.replay(cell, x, mask=np.ones(shape[:2], bool))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < sum(values.nbytes for values in vars(made).values()) + (2 << 20)


@pytest.mark.parametrize("name", ["keras-1.2.2-weather", "keras-2.2.0-weather"])
def test_a_layer_of_a_model_gives_the_output_of_the_keras_that_wrote_it(name: str, samples: Path) -> None:
    recorded = np.load(samples / f"{name}.io.npz")
    with lstmdump.open(samples / f"{name}.h5") as model:
        made = equations.run(model.lstms[0], recorded["lstm_1|x"])
    np.testing.assert_allclose(made.h[:, -1], recorded["lstm_1|y"], atol=1e-6)


def test_one_sequence_is_run_without_an_axis_for_the_batch(model: Path) -> None:
    x, first = random(2, 5, 3), State(random(2, 4), random(2, 4))
    mask = np.array([[True, False, True, True, True]] * 2)
    with lstmdump.open(model) as opened:
        lstm = opened.lstms[0]
        both = equations.run(lstm, x, initial=first, mask=mask, dtype="float64")
        one = equations.run(lstm, x[1], initial=State(first.h[1], first.c[1]), mask=mask[1], dtype="float64")
    assert one.c.shape == (5, 4)
    same(one, part(both, 1))


def test_an_input_of_another_width_is_refused(model: Path) -> None:
    with lstmdump.open(model) as opened, pytest.raises(BadInput, match=r"lstm_1 takes \(batch, length, 3\)$"):
        equations.run(opened.lstms[0], random(5, 2))
