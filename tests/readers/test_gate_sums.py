from __future__ import annotations

import pytest

from lstmdump.readers.gate_sums import GatePart, find_part, read_terms


@pytest.mark.parametrize(
    ("start", "stop", "part"),
    [(0, 5, GatePart(0, 5)), (10, 15, GatePart(2, 5)), (15, None, GatePart(3, 5)), (15, 20, GatePart(3, 5)),
     (0, None, None), (1, 5, None), (20, 25, None), (16, None, None), (5, 5, None)],
)  # fmt: skip
def test_a_part_is_one_of_four_of_equal_width(start: int, stop: int | None, part: GatePart | None) -> None:
    assert find_part(start, stop) == part


def test_all_terms_of_a_sum_are_read() -> None:
    inner = {"sum": [("a", None), ("b", GatePart(1))], "a": [], "b": []}
    read: list[tuple[str, GatePart | None]] = []

    def read_term(name: str, part: GatePart | None) -> list[tuple[str, GatePart | None]]:
        read.append((name, part))
        return inner[name]

    assert read_terms("sum", read_term)
    assert sorted(read) == [("a", None), ("b", GatePart(1)), ("sum", None)]


def test_a_term_that_is_none_of_a_gate_ends_the_sum() -> None:
    assert not read_terms("sum", lambda _name, _part: None)


def test_a_sum_in_a_circle_ends() -> None:
    assert not read_terms("sum", lambda name, part: [(name, part)])
