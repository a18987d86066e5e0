"""Differences of known kinds between two models, which have to be named as what they are."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import builders, pytorch_builders

import lstmdump
from lstmdump.report.diff import comparison
from lstmdump.report.diff.verdicts import (
    AS_FLOAT32,
    DIFFERENT,
    IDENTICAL,
    QUANTISED,
    ROUNDED,
    WITHIN,
    LayerDifference,
)

D, M = 5, 4  # of another width than height, so that no block of W is square
GATES = "ifco"
Made = dict[str, np.ndarray]


def write(directory: Path, name: str, made: Made) -> Path:
    weights = [(f"lstm/{leaf}:0", values) for leaf, values in builders.fused(made).items()]
    return builders.write(directory / name, {"lstm": weights})


def compare(before: Made, after: Made) -> LayerDifference:
    with tempfile.TemporaryDirectory() as name:
        paths = write(Path(name), "a.h5", before), write(Path(name), "b.h5", after)
        with lstmdump.open(paths[0]) as a, lstmdump.open(paths[1]) as b:
            (layer,) = comparison.compare(a, b, (a.lstms, b.lstms)).layers
    return layer


def verdicts(layer: LayerDifference) -> dict[str, str]:
    return {array.array: array.verdict for array in layer.arrays}


def changed(layer: LayerDifference) -> set[str]:
    return {array.array for array in layer.arrays if array.verdict != IDENTICAL}


made = st.integers(0, 10_000).map(lambda seed: builders.gates(D, M, seed))


@given(made, st.sampled_from(["if", "ic", "io", "fc", "fo", "co"]))
@settings(max_examples=150, deadline=None)
def test_exchanged_gates_are_named(before: Made, pair: str) -> None:
    other = {pair[0]: pair[1], pair[1]: pair[0]}
    after = {name: before[f"{name[:-1]}{other.get(name[-1], name[-1])}"] for name in before}
    layer = compare(before, after)
    assert len(layer.explanations) == 1
    words = layer.explanations[0]
    assert words.endswith("are exchanged")
    assert all(f" {gate} (" in words for gate in pair)


@given(made, st.sampled_from(GATES))
@settings(max_examples=100, deadline=None)
def test_a_transposed_block_is_named(before: Made, gate: str) -> None:
    after = before | {f"U_{gate}": before[f"U_{gate}"].T}
    layer = compare(before, after)
    assert layer.explanations == (f"U_{gate}: the block is transposed",)
    assert changed(layer) == {f"U_{gate}"}


@given(made, st.sampled_from(GATES))
@settings(max_examples=100, deadline=None)
def test_a_block_that_was_stored_by_columns_is_named(before: Made, gate: str) -> None:
    kernel = before[f"W_{gate}"]
    after = before | {f"W_{gate}": kernel.reshape(M, D).T}  # as CuDNN stores it
    assert compare(before, after).explanations == (f"W_{gate}: the block is transposed",)


@given(made, st.sampled_from([1.0, 2.5, -1.0]))
@settings(max_examples=100, deadline=None)
def test_a_forget_bias_that_is_folded_is_named(before: Made, added: float) -> None:
    after = before | {"b_f": before["b_f"] + np.float32(added)}
    layer = compare(before, after)
    assert layer.explanations == (
        f"b_f: {added:g} is added in every unit, as by a forget bias that is folded in one of them",
    )
    assert changed(layer) == {"b_f"}


@given(made, st.sampled_from([f"{array}_{gate}" for array in "WUb" for gate in GATES]), st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_one_changed_number_is_found(before: Made, name: str, turn: int) -> None:
    place = np.unravel_index(turn % before[name].size, before[name].shape)
    values = before[name].copy()
    values[place] += 0.5
    layer = compare(before, before | {name: values})
    (array,) = [array for array in layer.arrays if array.verdict != IDENTICAL]
    assert (array.array, array.verdict, array.differing, array.place) == (name, DIFFERENT, 1, tuple(map(int, place)))
    assert layer.explanations == ()


@given(
    made, st.sampled_from([f"{array}_{gate}" for array in "WU" for gate in GATES]), st.sampled_from([2.0, 0.1, -1.0])
)
@settings(max_examples=100, deadline=None)
def test_a_scaled_array_is_named(before: Made, name: str, factor: float) -> None:
    layer = compare(before, before | {name: before[name] * np.float32(factor)})
    assert layer.explanations == (f"{name}: every number is multiplied by {factor:g}",)


@given(made, st.sampled_from([f"{array}_{gate}" for array in "WU" for gate in GATES]))
@settings(max_examples=100, deadline=None)
def test_rounding_to_float16_is_the_same(before: Made, name: str) -> None:
    layer = compare(before, before | {name: before[name].astype(np.float16).astype(np.float32)})
    assert verdicts(layer)[name] == ROUNDED
    assert layer.is_same


@given(made, st.sampled_from([f"{array}_{gate}" for array in "WU" for gate in GATES]))
@settings(max_examples=100, deadline=None)
def test_rounding_to_bfloat16_is_the_same(before: Made, name: str) -> None:
    bits = before[name].view(np.uint32).astype(np.uint64)
    after = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    layer = compare(before, before | {name: after})
    assert (verdicts(layer)[name], layer.is_same) == (ROUNDED, True)


@given(made, st.sampled_from([f"U_{gate}" for gate in GATES]))
@settings(max_examples=100, deadline=None)
def test_quantisation_within_half_a_step_is_the_same(before: Made, name: str) -> None:
    values = before[name].astype(np.float64)
    step = (values.max() - values.min()) / 12  # few levels, so that several numbers share one
    after = (np.round((values - values.min()) / step) * step + values.min()).astype(np.float32)
    layer = compare(before, before | {name: after})
    assert verdicts(layer)[name] in (QUANTISED, WITHIN, IDENTICAL)
    assert layer.is_same


def as_pytorch(made: Made, own: Made) -> Made:
    """Return `made` as nn.LSTM holds it, with `own` for the second of its two biases."""
    both = {leaf: np.concatenate([made[f"{array}_{gate}"].T for gate in GATES]) for leaf, array in
            (("weight_ih_l0", "W"), ("weight_hh_l0", "U"), ("bias_ih_l0", "b"))}  # fmt: skip
    return both | {"bias_hh_l0": np.concatenate([own[f"b_{gate}"] for gate in GATES])}


def compare_with_pytorch(before: Made, after: Made, own: Made) -> LayerDifference:
    with tempfile.TemporaryDirectory() as name:
        paths = (
            write(Path(name), "a.h5", before),
            pytorch_builders.write_safetensors(Path(name) / "b.safetensors", as_pytorch(after, own)),
        )
        with lstmdump.open(paths[0]) as a, lstmdump.open(paths[1]) as b:
            (layer,) = comparison.compare(a, b, (a.lstms, b.lstms)).layers
    return layer


ZEROS = {f"b_{gate}": np.zeros(M, np.float32) for gate in GATES}


@given(made)
@settings(max_examples=30, deadline=None)
def test_a_model_of_keras_and_of_pytorch_are_the_same(before: Made) -> None:
    assert compare_with_pytorch(before, before, ZEROS).is_same


@given(made, st.sampled_from([f"{array}_{gate}" for array in "WU" for gate in GATES]), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_one_changed_number_is_found_in_rows_of_pytorch(before: Made, name: str, turn: int) -> None:
    place = np.unravel_index(turn % before[name].size, before[name].shape)
    values = before[name].copy()
    values[place] += 0.5
    (array,) = [
        array for array in compare_with_pytorch(before, before | {name: values}, ZEROS).arrays if array.differing
    ]
    assert (array.array, array.differing, array.place) == (name, 1, tuple(map(int, place)))


@given(made)
@settings(max_examples=30, deadline=None)
def test_a_bias_that_is_one_of_two_is_named(before: Made) -> None:
    layer = compare_with_pytorch(before, before, {name: values + 1 for name, values in before.items()})
    assert layer.explanations == (
        "b_i, b_f, b_c, b_o: the second adds two biases, of which one is that of the first, and the other is not 0",
    )


def test_what_is_added_to_all_biases_is_not_a_forget_bias() -> None:
    before = builders.gates(D, M)
    after = before | {f"b_{gate}": before[f"b_{gate}"] + np.float32(0.5) for gate in GATES}
    assert compare(before, after).explanations == ("b_i, b_f, b_c, b_o: 0.5 is added to every number",)


def test_arrays_of_one_gate_that_are_scaled_are_named_together() -> None:
    before = builders.gates(D, M)
    after = before | {f"{array}_i": before[f"{array}_i"] * np.float32(2) for array in "WUb"}
    assert compare(before, after).explanations == ("W_i, U_i, b_i: every number is multiplied by 2",)


def test_a_difference_within_the_tolerance_is_the_same() -> None:
    before = builders.gates(D, M)
    layer = compare(before, before | {"W_i": before["W_i"] + np.float32(1e-7)})
    assert verdicts(layer)["W_i"] == WITHIN


def test_the_same_numbers_in_float64_are_equal_as_float32() -> None:
    before = builders.gates(D, M)
    after = {name: values.astype(np.float64) for name, values in before.items()}
    assert set(verdicts(compare(before, after)).values()) == {AS_FLOAT32}


def test_negative_zeros_are_not_identical_but_equal() -> None:
    before = builders.gates(D, M) | {"b_i": np.zeros(M, np.float32)}
    layer = compare(before, before | {"b_i": np.full(M, -0.0, np.float32)})
    assert layer.is_same
    assert verdicts(layer)["b_i"] != IDENTICAL


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_different(value: float) -> None:
    before = builders.gates(D, M)
    values = before["U_o"].copy()
    values[1, 2] = value
    layer = compare(before, before | {"U_o": values})
    assert verdicts(layer)["U_o"] == DIFFERENT


def test_arrays_that_are_both_not_a_number_are_the_same() -> None:
    values = builders.gates(D, M) | {"b_c": np.full(M, np.nan, np.float32)}
    assert compare(values, values).is_same
