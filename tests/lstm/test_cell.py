from __future__ import annotations

import pytest

from lstmdump.lstm import Gate
from lstmdump.lstm.cell import Gates
from lstmdump.model.tensor import without_numbers


def test_a_gate_is_cut_once_and_only_if_it_is_asked_for() -> None:
    asked: list[str] = []

    def one(letter: str) -> Gate:
        asked.append(letter)
        return Gate(without_numbers("W", (3, 4), "float32"), without_numbers("U", (4, 4), "float32"), None)

    gates = Gates(one)
    assert gates["f"] is gates["f"]
    assert asked == ["f"]


def test_only_the_layers_that_were_asked_last_keep_their_gates() -> None:
    asked: list[int] = []

    def layer(number: int) -> Gates:
        def one(_: str) -> Gate:
            asked.append(number)
            return Gate(without_numbers("W", (3, 4), "float32"), without_numbers("U", (4, 4), "float32"), None)

        return Gates(one)

    layers = [layer(number) for number in range(257)]
    for one in layers:
        _ = one["f"]
    _ = layers[256]["f"], layers[1]["f"], layers[0]["f"]
    assert asked == [*range(257), 0]


@pytest.mark.parametrize("letter", ["x", "", "if"])
def test_there_are_four_gates(letter: str) -> None:
    gates = Gates(lambda letter: pytest.fail(f"{letter} is no gate"))
    assert (list(gates), len(gates), letter in gates) == (["i", "f", "c", "o"], 4, False)
