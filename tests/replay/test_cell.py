from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import reference
from support.cells import NUMBERS, X, one_unit, states, tensor

import lstmdump
from lstmdump.errors import CannotReplay, NoForgetBias
from lstmdump.lstm import LSTM, LSTMWeight, Role
from lstmdump.replay import equations


def test_the_forget_bias_is_added_to_b_f() -> None:
    expected = reference.one_unit(X, NUMBERS | {"b_f": NUMBERS["b_f"] + 1.5})
    np.testing.assert_allclose(states(one_unit(NUMBERS, forget_bias=1.5)).c[0, -1, 0], expected[-1]["c"], rtol=1e-12)


def test_a_forget_bias_that_the_file_does_not_hold_can_be_given() -> None:
    lstm = one_unit(NUMBERS, forget_bias=None)
    with pytest.raises(NoForgetBias):
        states(lstm)
    assert states(lstm, forget_bias=1.5).c.tolist() == states(one_unit(NUMBERS, forget_bias=1.5)).c.tolist()


def test_a_forget_bias_that_the_file_holds_stays() -> None:
    lstm = one_unit(NUMBERS, forget_bias=0.0)
    assert states(lstm, forget_bias=1.5).c.tolist() == states(lstm).c.tolist()


def test_a_layer_without_bias_adds_none() -> None:
    bare = {name: value for name, value in NUMBERS.items() if not name.startswith("b")}
    expected = reference.one_unit(X, {"b_i": 0.0, "b_f": 0.0, "b_c": 0.0, "b_o": 0.0, **bare})
    np.testing.assert_allclose(states(one_unit(bare)).h[0, -1, 0], expected[-1]["h"], rtol=1e-12)


def test_a_normalized_cell_is_refused() -> None:
    weight = LSTMWeight(Role.NORMALIZATION, "input/gamma", tensor("gamma", 1.0))
    lstm = one_unit(NUMBERS)
    with pytest.raises(CannotReplay):
        equations.read(LSTM("one", "x", 1, 1, (weight,), lstm.layout, lstm.gates))


def test_the_memory_for_reading_a_cell_is_requested(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[tuple[int, int]] = []
    monkeypatch.setattr("lstmdump.model.budget.allow", lambda size, *, copies=0: allowed.append((size, copies)))
    with lstmdump.open(model) as opened:
        allowed.clear()
        equations.read(opened.lstms[0], dtype="float64")
    assert sum(size for size, copies in allowed if copies == 2) >= 128 * 8
