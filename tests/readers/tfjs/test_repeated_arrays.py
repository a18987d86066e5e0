"""Which arrays of a graph count as copies: those of whole steps, never two of one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from lstmdump.readers.tfjs import repeated_arrays
from lstmdump.readers.tfjs.manifest import ManifestEntry

READ = "/ReadVariableOp"
KERNELS = ["cell/MatMul", "cell/MatMul_1"]
BIASES = ["cell/add", "cell/add_1"]


def model_of(*cells: Mapping[str, str]) -> Any:
    layers = [
        SimpleNamespace(
            stated=SimpleNamespace(shows_equations=True),
            weights={leaf: SimpleNamespace(name=name + READ) for leaf, name in cell.items()},
        )
        for cell in cells
    ]
    return SimpleNamespace(root=SimpleNamespace(walk=lambda: layers))


class Stored:
    """Arrays of which those in `equal` have the same values."""

    def __init__(self, names: Sequence[str], equal: Sequence[str]) -> None:
        self.entries = {name + READ: ManifestEntry(name + READ, (3,), "float32", None, "") for name in names}
        self._equal = [name + READ for name in equal]

    def find_equal(self, names: Sequence[str]) -> list[list[str]]:
        found = [name for name in names if name in self._equal]
        return [found] if len(found) > 1 else []


def copies_of(names: Sequence[str], equal: Sequence[str], apart: Any, merged: Any) -> dict[str, str]:
    stored: Any = Stored(names, equal)
    _, copies = repeated_arrays.describe(
        lambda copies: merged if copies else apart, stored, [name + READ for name in names], READ
    )
    return {name.removesuffix(READ): first.removesuffix(READ) for name, first in copies.items()}


def test_equal_biases_of_two_gates_are_no_copies() -> None:
    cell = dict(zip(("W_i", "W_f", "b_i", "b_f"), KERNELS + BIASES, strict=True))
    other = {"W_i": "other/MatMul"}
    assert copies_of([*cell.values(), "other/MatMul"], BIASES, model_of(cell, other), model_of(other)) == {}


def test_arrays_of_another_step_are_copies() -> None:
    first, second = ({"kernel": KERNELS[turn], "bias": BIASES[turn]} for turn in (0, 1))
    assert copies_of(KERNELS + BIASES, KERNELS + BIASES, model_of(first, second), model_of(first)) == {
        "cell/MatMul_1": "cell/MatMul",
        "cell/add_1": "cell/add",
    }


def test_another_cell_with_the_same_bias_keeps_its_own() -> None:
    first, second = ({"kernel": KERNELS[turn], "bias": BIASES[turn]} for turn in (0, 1))
    assert copies_of(KERNELS + BIASES, BIASES, model_of(first, second), model_of()) == {}


def test_equal_arrays_that_no_cell_has_are_no_copies() -> None:
    cell = {"kernel": "cell/MatMul"}
    assert copies_of(["cell/MatMul", "a/add", "a/add_1"], ["a/add", "a/add_1"], model_of(cell), model_of(cell)) == {}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a/lstm_cell/MatMul_2", "a/lstm_cell/MatMul"),
        ("a/lstm_cell_1/MatMul", "a/lstm_cell/MatMul"),
        ("a/while/body/_7/model/a/while/lstm_cell/MatMul_1", "a/lstm_cell/MatMul"),
        ("a/stacked_rnn_cells_3/lstm_cell_1/Cast_1", "a/stacked_rnn_cells/lstm_cell_1/Cast"),
        ("lstm_1/MatMul", "lstm_1/MatMul"),
        ("a_1/b_2/MatMul", "a_1/b_2/MatMul"),
    ],
)
def test_only_numbers_of_steps_and_loops_are_left_out_of_a_place(name: str, place: str) -> None:
    assert repeated_arrays._name_place(name).removeprefix("/") == place
