from __future__ import annotations

import pytest

from lstmdump.lstm.release import KerasRelease, release_of

TENSORFLOW_KERAS = KerasRelease(2, is_tensorflow_keras=True)


@pytest.mark.parametrize(
    ("producer", "release"),
    [
        ("keras 0.3.3", KerasRelease(1, minor=3, patch=3)),
        ("keras 1.x (theano)", KerasRelease(1, is_theano=True)),
        ("keras 2.2.4 (tensorflow)", KerasRelease(2, minor=2, patch=4)),
        ("keras 2.1.6-tf (tensorflow)", TENSORFLOW_KERAS._replace(minor=1, patch=6)),
        ("keras 2.15.0 (tensorflow)", TENSORFLOW_KERAS._replace(minor=15)),
        ("keras 3.9.2", KerasRelease(3, minor=9, patch=2)),
        ("keras of an unknown version", KerasRelease(3)),
        ("keras 3 (tensorflow 2.16.1)", KerasRelease(3)),
        ("tf.keras 2 (tensorflow 1.12.0)", TENSORFLOW_KERAS._replace(minor=1, patch=6)),
        ("tf.keras 2 (tensorflow 1.15.5)", TENSORFLOW_KERAS._replace(minor=2, patch=4)),
        ("tf.keras 2 (tensorflow 2.2.0)", TENSORFLOW_KERAS._replace(minor=3)),
        ("tf.keras 2 (tensorflow 2.15.0)", TENSORFLOW_KERAS._replace(minor=4)),
        ("tf.keras 2 (tensorflow)", TENSORFLOW_KERAS._replace(minor=4)),
        ("tensorflow 1.15.5", TENSORFLOW_KERAS._replace(minor=2, patch=4)),
    ],
)
def test_the_producer_names_the_release(producer: str, release: KerasRelease) -> None:
    assert release_of(producer) == release


@pytest.mark.parametrize(
    ("producer", "masks_halves", "repeats_state"),
    [
        ("keras 1.2.2 (tensorflow)", False, True),
        ("keras 1.2.2 (theano)", False, False),
        ("keras 2.2.4 (tensorflow)", False, True),
        ("keras 2.2.4 (theano)", False, False),
        ("keras 2.2.5 (tensorflow)", False, False),
        ("keras 2.3.1 (tensorflow)", False, False),
        ("keras 2.0.8-tf (tensorflow)", False, True),
        ("keras 2.1.6-tf (tensorflow)", False, True),
        ("keras 2.2.4-tf (tensorflow)", True, False),
        ("keras 2.15.0 (tensorflow)", True, False),
        ("keras 3.0.0", True, False),
    ],
)
def test_the_release_decides_on_masked_steps(producer: str, masks_halves: bool, repeats_state: bool) -> None:
    release = release_of(producer)
    assert (release.masks_halves, release.repeats_state) == (masks_halves, repeats_state)


@pytest.mark.parametrize(
    ("producer", "reverses"),
    [
        ("keras 2.0.9 (tensorflow)", True),
        ("keras 2.2.2 (theano)", True),
        ("keras 2.2.3 (tensorflow)", False),
        ("keras 2.1.5-tf (tensorflow)", True),
        ("keras 2.1.6-tf (tensorflow)", None),
        ("keras 2.2.4-tf (tensorflow)", False),
        ("tf.keras 2 (tensorflow 2.9.3)", False),
        ("keras 3.0.0", False),
    ],
)
def test_the_release_decides_on_the_order_of_the_states_of_cells(producer: str, reverses: bool | None) -> None:
    assert release_of(producer).reverses_cells is reverses
