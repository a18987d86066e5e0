"""Models of TensorFlow Lite with damaged bytes, and FlatBuffers of any content."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from hostile.fuzz.models import examine, written
from hostile.fuzz.target import BYTES, Parts, Target
from support import tflite_builders as builders

from lstmdump import readers
from lstmdump.errors import LstmdumpError
from lstmdump.model.limits import DEFAULTS
from lstmdump.model.location import Location
from lstmdump.readers.detect import Format
from lstmdump.readers.tflite import flatbuffer
from lstmdump.readers.tflite.flatbuffer import FlatContent

_MOST_READ = 8  # arrays
_MOST_FIELDS = 12
_MOST_TABLES = 200
_LARGEST_SEED = 32_000  # bytes


def _read(parts: Parts) -> None:
    with written({"model.tflite": parts[0]}) as directory:
        examine(readers.read(Location(directory / "model.tflite"), Format.TFLITE), most=_MOST_READ)


def _walk(parts: Parts) -> None:
    """Ask for all fields of all tables, each as everything that a field can be."""
    waiting = [flatbuffer.root(FlatContent(io.BytesIO(parts[0]), len(parts[0]), DEFAULTS))]
    for _ in range(_MOST_TABLES):
        if not waiting:
            return
        table = waiting.pop()
        for field in range(_MOST_FIELDS):
            for ask in (table.text, table.raw, table.real, table.places, partial(table.vector, code="q")):
                with suppress(LstmdumpError):
                    ask(field)
            with suppress(LstmdumpError):
                waiting.extend([child] if (child := table.table(field)) is not None else [])


def _models(roots: Sequence[Path]) -> Iterator[Parts]:
    models = Path(__file__).parents[2] / "readers" / "tflite" / "models"
    for path in sorted(file for root in (*roots, models) for file in root.rglob("*.tflite")):
        if path.stat().st_size <= _LARGEST_SEED:
            yield [path.read_bytes()]
    yield [builders.fused(builders.lstm_arrays(3, 2, peepholes=True, projection=2))]
    yield [builders.fused(builders.lstm_arrays(3, 2), behind=True)]
    yield [builders.both_directions(3, 2)]
    yield [builders.basic(3, 2)]


def _tables(roots: Sequence[Path]) -> Iterator[Parts]:
    del roots
    yield [builders.flatbuffer({})]
    yield [builders.flatbuffer({0: "text", 1: {0: builders.Number("q", 7)}, 3: [{0: b"12"}, {}]})]
    yield [builders.fused(builders.lstm_arrays(1, 1))]


TARGETS = (Target("tflite", (BYTES,), _read, _models), Target("flatbuffer", (BYTES,), _walk, _tables))
