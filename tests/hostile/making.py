"""All lies, a selection of them, and the files made by them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from hostile import (
    archive_lies,
    attribute_lies,
    bundle_lies,
    file_lies,
    graph_lies,
    hdf5_lies,
    keras_lies,
    mutations,
    object_lies,
    onnx_lies,
    pytorch_lies,
    tflite_lies,
)
from hostile.cases import Case, Lie, Scene
from hostile.mutations import Target

LIES: Sequence[Lie] = (
    *hdf5_lies.lies(),
    *attribute_lies.lies(),
    *keras_lies.lies(),
    *archive_lies.lies(),
    *file_lies.LIES,
    *bundle_lies.LIES,
    *object_lies.LIES,
    *graph_lies.LIES,
    *onnx_lies.LIES,
    *pytorch_lies.LIES,
    *tflite_lies.LIES,
)
TARGETS: Sequence[Target] = tuple(mutations.targets())

_GOOD = "nothing at all"
_JSON = "json"


def some(seed: int, times: int = 1) -> list[Lie]:
    """Return each kind of lie for at most `times` readers, and all good files."""
    kinds: dict[str, list[Lie]] = {}
    for lie in LIES:
        start = lie.kind.find(_JSON)
        kinds.setdefault(lie.kind[max(start, 0) :], []).append(lie)
    random = drawing(seed)
    chosen = {
        lie.name
        for kind, lies in kinds.items()
        for lie in (lies if kind == _GOOD or len(lies) <= times else random.sample(lies, times))
    }
    return [lie for lie in LIES if lie.name in chosen]


def lie(lie: Lie, directory: Path, secrets: Path, seed: int) -> Case:
    """Create `directory`, and make the file of `lie` for `seed` in it."""
    directory.mkdir(parents=True)
    return lie.make(Scene(directory, secrets, drawing(seed, lie.name)))


def mutant(target: Target, number: int, directory: Path, secrets: Path, seed: int) -> Case:
    """Create `directory`, and make the mutant `number` of `target` for `seed` in it."""
    directory.mkdir(parents=True)
    return mutations.make(target, Scene(directory, secrets, drawing(seed, target.reader, number)))


def drawing(*seeds: object) -> Random:
    """Return a random generator for `seeds`."""
    return Random(" ".join(map(str, seeds)))  # noqa: S311 - the same seed must give the same file
