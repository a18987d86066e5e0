"""A short run of `hdf5_mutants`, and what it takes for a finding."""

from __future__ import annotations

import os
from random import Random

import pytest
from hostile import hdf5_mutants
from hostile.hdf5_mutants import Trial, compare
from hostile.mutations import mutated

FILES = 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="h5py runs in a forked process")
def test_damaged_files_hold_what_h5py_finds_in_them() -> None:
    random = Random(20261130)  # noqa: S311 - not for cryptography
    good, trial = hdf5_mutants.seeds(), Trial(None)
    for turn in range(FILES):
        trial.take(str(turn), mutated(random.choice(good), random)[1])
    trial.finish()
    assert (trial.counts["FINDINGS"], trial.counts["same"] > FILES // 10) == (0, True)


def test_every_good_file_is_plain() -> None:
    trial = Trial(None)
    good = hdf5_mutants.seeds()
    for data in good:
        trial.take("good", data)
    trial.finish()
    assert dict(trial.counts) == {"same": len(good)}


@pytest.mark.parametrize(("found", "expected"), [({"x": ["a"]}, {"x": ["b"]}), ({"x": None}, {"x": "a"})])
def test_another_value_is_a_difference(found: hdf5_mutants.Found, expected: hdf5_mutants.Found) -> None:
    assert len(compare(found, expected)) == 1


def test_what_h5py_refuses_is_not_a_difference() -> None:
    assert compare({"x": "a", "y": [float("nan")]}, {"x": ("h5py fails", ""), "y": [float("nan")]}) == []
