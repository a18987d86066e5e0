from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import exp, tanh
from typing import Any

import numpy as np
import pytest
from support.cells import random_cell

from lstmdump.errors import BadInput
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.replay import equations, lags
from lstmdump.replay.equations import CellNumbers, GateNumbers, State
from lstmdump.replay.lags import LayerLags

D, M, LENGTH, BATCH = 2, 3, 5, 3
X = np.random.default_rng(1).standard_normal((BATCH, LENGTH, D))
H = 1e-6


def cell(p: int | None = None, *, peepholes: bool = True, **behaviour: Any) -> CellNumbers:
    made = random_cell(D, M, p, "float64")
    if not peepholes:
        made = replace(made, gates={letter: replace(gate, V=None) for letter, gate in made.gates.items()})
    return replace(made, behaviour=Behaviour(**behaviour))


def last(cell: CellNumbers, x: np.ndarray, **given: Any) -> np.ndarray:
    """Return the last state h of the layer, (batch, units), wherever the outputs have it."""
    states = equations.replay(cell, x, **given)
    return states.h[:, 0 if cell.behaviour.is_aligned and cell.behaviour.go_backwards else -1]


def jacobian(cell: CellNumbers, x: np.ndarray, **given: Any) -> np.ndarray:
    """Return the derivatives of the last h with respect to `x`, (batch, units, length, d), by central differences."""
    found = np.empty((len(x), cell.width, *x.shape[1:]))
    for t, j in np.ndindex(*x.shape[1:]):
        off = np.zeros_like(x)
        off[:, t, j] = H
        found[:, :, t, j] = (last(cell, x + off, **given) - last(cell, x - off, **given)) / (2 * H)
    return found


def norms(jacobian: np.ndarray) -> list[float]:
    """Return the mean over the batch of the Frobenius norm, for each step of the input."""
    return list(np.sqrt((jacobian**2).sum((1, 3))).mean(0))


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(cell(peepholes=False), id="plain"),
        pytest.param(cell(), id="peepholes"),
        pytest.param(cell(2), id="projection"),
        pytest.param(cell(2, cell_clip=0.4), id="cell clip"),
        pytest.param(cell(2, projection_clip=0.8), id="projection clip"),
        pytest.param(cell(recurrent_activation="hard_sigmoid", keras=2), id="hard sigmoid of Keras 2"),
        pytest.param(cell(recurrent_activation="hard_sigmoid", keras=3), id="hard sigmoid of Keras 3"),
        pytest.param(cell(activation="sigmoid", recurrent_activation="tanh"), id="other activations"),
        pytest.param(cell(2, activation="relu"), id="relu"),
        pytest.param(cell(activation="softsign", recurrent_activation="hard_silu"), id="rarer activations"),
    ],
)
def test_the_norms_are_those_of_central_differences(made: CellNumbers) -> None:
    expected = norms(jacobian(made, X))
    assert min(expected) > 1e-6
    np.testing.assert_allclose(lags.lags(made, X).norms, expected[::-1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("place", "name"),
    [("activation", "softmax"), ("activation", "log_softmax"), ("recurrent_activation", "softmax"),
     ("recurrent_activation", "sparsemax")],
)  # fmt: skip
def test_gradients_pass_through_activations_that_mix_units(place: str, name: str) -> None:
    made = cell(2, **{place: name})
    np.testing.assert_allclose(lags.lags(made, X).norms, norms(jacobian(made, X))[::-1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"go_backwards": True}])
def test_the_states_before_the_first_step_may_be_given(options: dict[str, Any]) -> None:
    made, random = cell(2, **options), np.random.default_rng(2)
    first = State(random.standard_normal((BATCH, 2)), random.standard_normal((BATCH, M)))
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 1, 1, 1]], bool)  # so that the batch is divided
    found = lags.lags(made, X, mask=mask, initial=first)
    expected = np.sqrt((jacobian(made, X, mask=mask, initial=first) ** 2).sum((1, 3)))
    by_lag = np.zeros(LENGTH)
    for norms_of_one, taken in zip(expected, mask, strict=True):
        steps = norms_of_one[taken] if options else norms_of_one[taken][::-1]
        by_lag[: len(steps)] += steps / BATCH
    np.testing.assert_allclose(found.norms, by_lag, rtol=1e-6, atol=1e-9)


def test_one_unit_has_its_row_of_the_jacobian() -> None:
    expected = norms(jacobian(cell(), X)[:, 1:2])
    np.testing.assert_allclose(lags.lags(cell(), X, unit=1).norms, expected[::-1], rtol=1e-6)


def test_each_feature_has_its_column_of_the_jacobian() -> None:
    expected = np.sqrt((jacobian(cell(), X) ** 2).sum(1)).mean(0)
    np.testing.assert_allclose(lags.lags(cell(), X).by_feature, expected[::-1], rtol=1e-6)


def test_the_deviation_is_that_over_the_batch() -> None:
    expected = np.sqrt((jacobian(cell(), X) ** 2).sum((1, 3))).std(0)
    np.testing.assert_allclose(lags.lags(cell(), X).deviations, expected[::-1], rtol=1e-5)


@pytest.mark.parametrize("is_aligned", [False, True])
def test_of_a_layer_that_goes_backwards_lag_k_is_step_k_of_the_input(is_aligned: bool) -> None:
    made = cell(go_backwards=True, is_aligned=is_aligned)
    found = lags.lags(made, X)
    np.testing.assert_allclose(found.norms, norms(jacobian(made, X)), rtol=1e-6)
    assert found.notes == ("it goes backwards: t-k is step k of the input, counted from 0",)


def test_a_note_states_that_masked_steps_are_not_lags() -> None:
    assert lags.lags(cell(), X, mask=MASK).notes == ("t-k counts only the steps that are not masked",)


MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 1], [1, 1, 0, 1, 0]], bool)


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("zero_output_for_mask", [False, True])
def test_masked_steps_are_not_lags(go_backwards: bool, zero_output_for_mask: bool) -> None:
    behaviour = {"go_backwards": go_backwards, "zero_output_for_mask": zero_output_for_mask}
    expected = np.zeros((BATCH, LENGTH))
    for one, (x, taken) in enumerate(zip(X, MASK, strict=True)):
        steps = np.sqrt((jacobian(cell(go_backwards=go_backwards), x[None, taken]) ** 2).sum((1, 3)))[0]
        expected[one, : len(steps)] = steps if go_backwards else steps[::-1]
    np.testing.assert_allclose(lags.lags(cell(**behaviour), X, mask=MASK).norms, expected.mean(0), rtol=1e-6)


def test_a_fully_masked_sequence_has_no_influence() -> None:
    mask = np.array([[1] * LENGTH, [1] * LENGTH, [0] * LENGTH], bool)
    expected = np.array(lags.lags(cell(), X[:2]).norms) * 2 / 3
    np.testing.assert_allclose(lags.lags(cell(), X, mask=mask).norms, expected, rtol=1e-12)


def test_only_the_requested_lags_are_computed_and_a_note_states_it() -> None:
    found = lags.lags(cell(), X, most=2)
    assert (found.norms, found.is_complete) == (lags.lags(cell(), X).norms[:2], False)
    assert found.notes == ("steps before t-1 are not counted: the shares are of the other steps",)


def test_as_many_lags_as_steps_are_complete() -> None:
    found = lags.lags(cell(), X, most=LENGTH)
    assert (found.notes, found.is_complete) == ((), True)


def test_as_many_lags_as_unmasked_steps_are_complete() -> None:
    mask = np.arange(LENGTH) < np.full((BATCH, 1), 2)
    assert lags.lags(cell(), X, most=2, mask=mask).is_complete


def test_sequences_computed_separately_give_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lags.lags(cell(), X)
    monkeypatch.setattr(lags, "_AT_ONCE", 1)
    np.testing.assert_allclose(lags.lags(cell(), X).norms, whole.norms, rtol=1e-12)


def sigma(z: float) -> float:
    return 1 / (1 + exp(-z))


def one_unit(*, u_c: float = 0.0, b_f: float = 0.0, w_c: float = 1.0, **behaviour: Any) -> CellNumbers:
    """Return a cell of one unit on one input, where only the candidate depends on the input and on h."""
    kinds = {"i": (0.0, 0.0, 0.0), "f": (0.0, 0.0, b_f), "c": (w_c, u_c, 0.0), "o": (0.0, 0.0, 0.0)}
    gates = {
        letter: GateNumbers(np.array([[w]]), np.array([[u]]), np.array([b]), None)
        for letter, (w, u, b) in kinds.items()
    }
    return CellNumbers("one", "float64", gates, None, Behaviour(**behaviour))


def test_a_cell_of_one_unit_computed_by_hand() -> None:
    # i = o = 1/2, f = σ(1), candidate = tanh(x): c_2 = f·tanh(x_1)/2 + tanh(x_2)/2, h_2 = tanh(c_2)/2
    first, second = 0.3, -0.7
    f = sigma(1.0)
    c = f * tanh(first) / 2 + tanh(second) / 2
    slope = (1 - tanh(c) ** 2) / 2
    expected = [slope * (1 - tanh(second) ** 2) / 2, slope * f * (1 - tanh(first) ** 2) / 2]
    found = lags.lags(one_unit(b_f=1.0), np.array([[[first], [second]]]))
    np.testing.assert_allclose(found.norms, expected, rtol=1e-12)
    assert found.total == pytest.approx(sum(expected))
    assert found.shares == pytest.approx([value / sum(expected) for value in expected])
    assert found.cumulative == pytest.approx([expected[0] / sum(expected), 1.0])


def test_without_input_the_state_stays_and_each_lag_takes_the_same_step() -> None:
    # at x = 0, h = c = 0 stays: ∂h_T/∂x_{T-k} = 1/2 · f^k · 1/2 with f = σ(1)
    found = lags.lags_without_input(one_unit(b_f=1.0))
    expected = [sigma(1.0) ** k / 4 for k in range(len(found.norms))]
    np.testing.assert_allclose(found.norms, expected, rtol=1e-12)
    assert found.total == pytest.approx(1 / 4 / (1 - sigma(1.0)), rel=1e-5)
    assert (found.length, found.operating_point) == (None, "x = 0, from the state reached there")
    assert (found.is_complete, found.notes) == (True, (lags.NOT_BY_WEIGHTS,))


def test_without_input_the_state_is_the_one_that_zeros_lead_to() -> None:
    made = cell(peepholes=False)  # with them, one c grows without end
    states = equations.replay(made, np.zeros((1, 300, D)))
    expected = norms(jacobian(made, np.zeros((1, 5, D)), initial=State(states.h[:, -1], states.c[:, -1])))
    np.testing.assert_allclose(lags.lags_without_input(made).norms[:5], expected[::-1], rtol=1e-5)


def test_without_input_a_state_that_never_settles_has_no_numbers() -> None:
    made = one_unit(b_f=9.0, recurrent_activation="hard_sigmoid")  # f = 1
    drifting = replace(made, gates={**made.gates, "c": replace(made.gates["c"], b=np.array([1.0]))})
    found = lags.lags_without_input(drifting, most=3)
    assert found.no_point == "the state does not settle in 10,000 steps of x = 0 from h = c = 0"
    assert (found.norms, found.shares, found.lag_95, found.feature_shares) == ((), (), None, ())


def test_without_input_lags_that_do_not_fade_are_bounded() -> None:
    found = lags.lags_without_input(one_unit(b_f=9.0, recurrent_activation="hard_sigmoid"))
    assert (len(found.norms), found.is_complete, found.notes[-1]) == (
        1_000,
        False,
        "steps before t-999 are not counted: the shares are of the other steps",
    )


def summary(*values: float, features: tuple[tuple[float, ...], ...] = ((1.0,),)) -> LayerLags:
    return LayerLags("a", 1, 1, None, 3, 1, "", "float64", values, (0.0,) * len(values), features)


@pytest.mark.parametrize(
    ("values", "lag"), [((1.0,), 0), ((95.0, 5.0), 0), ((94.0, 1.0, 5.0), 1), ((1.0, 1.0, 1.0), 2)]
)
def test_the_lag_that_completes_95_percent(values: tuple[float, ...], lag: int) -> None:
    assert summary(*values).lag_95 == lag


def test_the_sum_of_many_lags_is_computed_only_a_few_times() -> None:
    class Norms(tuple[float, ...]):
        __slots__ = ()
        sums = 0

        def __iter__(self) -> Iterator[float]:
            Norms.sums += 1
            return super().__iter__()

    found = summary()
    found = replace(found, norms=Norms([1.0] * 100), deviations=(0.0,) * 100)
    assert (found.lag_95, Norms.sums < 10) == (94, True)


@pytest.mark.parametrize(("count", "telling"), [(5, 5), (12, 12), (10, 10)])
def test_lags_worth_showing_have_95_percent_of_the_total_and_are_at_least_ten(count: int, telling: int) -> None:
    assert summary(*(1.0,) * count).telling == telling
    assert summary(100.0, *(0.01,) * 50).telling == 10


def test_features_have_their_shares_over_all_lags() -> None:
    assert summary(1.0, 1.0, features=((1.0, 3.0), (1.0, 5.0))).feature_shares == (0.2, 0.8)


def test_without_any_influence_there_are_no_shares() -> None:
    shut = one_unit(recurrent_activation="hard_sigmoid")
    shut = replace(shut, gates={**shut.gates, "i": replace(shut.gates["i"], b=np.array([-9.0]))})
    found = lags.lags(shut, np.ones((1, 2, 1)))
    assert (found.norms, found.shares, found.cumulative, found.lag_95, found.feature_shares) == (
        (0.0, 0.0), (None, None), (None, None), None, (None,),
    )  # fmt: skip
    assert found.notes == ("no step of the input has any influence: all derivatives are 0 there",)


def test_an_influence_too_large_for_float64_is_noted_and_has_no_shares() -> None:
    exploding = one_unit(u_c=0.0, w_c=1e200)
    found = lags.lags(exploding, np.zeros((1, 2, 1)))
    assert (found.shares, found.lag_95) == ((None, None), None)
    assert found.notes == ("from t-0 on, the influence is not finite, so there are no shares",)


def test_a_model_that_holds_nan_has_no_numbers_without_input() -> None:
    found = lags.lags_without_input(one_unit(b_f=np.nan))
    assert (found.norms, found.lag_95) == ((), None)
    assert found.no_point == "the state does not stay finite at x = 0 from h = c = 0"


def test_an_influence_below_the_smallest_number_is_zero() -> None:
    found = lags.lags(one_unit(b_f=-200.0), np.zeros((1, 400, 1)))
    assert (found.norms[0], found.norms[3:], len(found.norms)) == (0.25, (0.0,) * 397, 400)


@pytest.mark.parametrize("shape", [(4, 2), (1, 4, 3)])
def test_an_input_of_another_shape_is_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        lags.lags(cell(), np.zeros(shape))
    assert str(caught.value) == f"the input is {shape}, but random takes (batch, length, 2)"


def test_a_mask_of_another_shape_is_refused_with_both_shapes() -> None:
    with pytest.raises(BadInput) as caught:
        lags.lags(cell(), X, mask=np.ones((BATCH, 2), bool))
    assert str(caught.value) == "the mask is (3, 2), but the input has (batch, length) = (3, 5)"


def test_a_fully_masked_input_is_refused() -> None:
    with pytest.raises(BadInput):
        lags.lags(cell(), X, mask=np.zeros((BATCH, LENGTH), bool))


@pytest.mark.parametrize("unit", [-1, 3])
def test_a_unit_out_of_range_is_refused(unit: int) -> None:
    with pytest.raises(BadInput) as caught:
        lags.lags(cell(), X, unit=unit)
    assert str(caught.value) == f"random has no unit {unit}; its 3 are numbered from 0 to 2"
