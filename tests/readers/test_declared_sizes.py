"""The declared sizes of arrays compared with the stored bytes."""

from __future__ import annotations

import numpy as np
import pytest

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS, FREE
from lstmdump.readers.declared_sizes import Declared, Extents


def declared(*sizes: int, stored: int = 0) -> None:
    made = Declared(DEFAULTS._replace(unfolding=10, objects=3))
    made.store(stored)
    for size in sizes:
        made.take(size)
    made.require_stored()


def test_arrays_may_declare_the_allowed_multiple_and_the_free_bytes() -> None:
    declared(FREE, 10_000, stored=1000)


def test_one_byte_more_is_refused() -> None:
    with pytest.raises(RefusedModel, match=r"declare 67,118,865 bytes, but 1,000 .* --limit unfolding=11x"):
        declared(FREE, 10_000, 1, stored=1000)


def test_the_bytes_of_several_files_are_added() -> None:
    made = Declared(DEFAULTS._replace(unfolding=10))
    made.store(1000)
    made.store(1000)
    made.take(FREE + 20_000)
    made.require_stored()
    made.take(1)
    with pytest.raises(RefusedModel):
        made.require_stored()


def test_too_many_arrays_are_refused() -> None:
    declared(1, 1, 1, stored=1000)
    with pytest.raises(RefusedModel, match="more than 3 arrays; --limit objects=8 allows it"):
        declared(1, 1, 1, 1, stored=1000)


@pytest.mark.parametrize("stored", [0, 1, 1000])
def test_the_limit_named_in_the_message_allows_the_arrays(stored: int) -> None:
    with pytest.raises(RefusedModel) as refused:
        declared(FREE, 123_456, stored=stored)
    needed = int(str(refused.value).rpartition("unfolding=")[2].partition("x")[0])
    made = Declared(DEFAULTS._replace(unfolding=needed))
    made.store(max(1, stored))
    made.take(FREE + 123_456)
    made.require_stored()


def test_adjacent_arrays_are_accepted_in_any_order() -> None:
    extents = Extents(40)
    for start in (20, 0, 30, 10):
        extents.take(f"at {start}", start, 10)
    extents.require_disjoint()


@pytest.mark.parametrize(("start", "size"), [(10, 10), (5, 6), (19, 1), (0, 40), (12, 2)])
def test_overlapping_arrays_are_an_error(start: int, size: int) -> None:
    extents = Extents(40)
    extents.take("one", 10, 10)
    extents.take("other", start, size)
    with pytest.raises(CorruptModel, match=r"(one and other|other and one) overlap in the file"):
        extents.require_disjoint()


def test_an_empty_array_does_not_overlap() -> None:
    extents = Extents(40)
    extents.take("one", 10, 10)
    extents.take("none", 12, 0)
    extents.require_disjoint()


@pytest.mark.parametrize(("start", "size"), [(40, 1), (39, 2), (0, 41), (41, 0), (2**64, 2**64)])
def test_an_array_beyond_the_end_of_the_file_is_an_error(start: int, size: int) -> None:
    with pytest.raises(CorruptModel, match="one reaches beyond the end of the file"):
        Extents(40).take("one", start, size)


@pytest.mark.parametrize("seed", range(300))
def test_arrays_are_an_error_only_if_they_share_a_byte(seed: int) -> None:
    draw = np.random.default_rng(seed)
    extents, owned = Extents(), set[int]()
    for _ in range(12):
        start, size = int(draw.integers(100)), int(draw.integers(6))
        own = set(range(start, start + size))
        extents.take("x", start, size)
        if own & owned:
            with pytest.raises(CorruptModel):
                extents.require_disjoint()
            return
        owned |= own
        if draw.random() < 0.5:
            extents.require_disjoint()
    extents.require_disjoint()
