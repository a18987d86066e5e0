"""Models of TensorFlow.js with damaged JSON and damaged files of weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hostile.fuzz.models import examine, written
from hostile.fuzz.target import BYTES, JSON, Parts, Target

from lstmdump import readers
from lstmdump.model.location import Location
from lstmdump.readers.detect import Format

_MOST_READ = 4  # arrays
_SHARDS = ("weights.bin", "group1-shard1of1.bin")
_LARGEST_SEED = 60_000  # bytes


def _read(parts: Parts) -> None:
    text, weights = parts
    with written({"model.json": text, **dict.fromkeys(_SHARDS, weights)}) as directory:
        examine(readers.read(Location(directory / "model.json"), Format.TFJS), most=_MOST_READ)


def _seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    models = Path(__file__).parents[2] / "readers" / "tfjs" / "models"
    for path in sorted(file for root in (*roots, models) for file in root.rglob("model.json")):
        shards = [path.parent / name for name in _SHARDS if (path.parent / name).is_file()]
        parts = [path.read_bytes(), *(shard.read_bytes() for shard in shards)]
        if len(parts) == len(_SHARDS) and sum(map(len, parts)) < _LARGEST_SEED:
            yield parts


TARGETS = (Target("tfjs", (JSON, BYTES), _read, _seeds),)
