"""Many tiny models of each kind, as hard links to the same files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import tensorflow_inputs
from benchmarks.workspace import SAMPLES


def _sample(name: str) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        source = SAMPLES / name
        return Path((shutil.copytree if source.is_dir() else shutil.copyfile)(source, path))

    return write


def _tf1(path: Path) -> Path:
    tensorflow_inputs.write_tf1(path / "model.ckpt", 3, 4)
    return path


TINY: dict[str, Callable[[Path], Path]] = {
    ".h5": _sample("keras-2.2.0-weather.h5"),
    ".h5 of Keras 1": _sample("keras-1.2.2-weather.h5"),
    ".keras": _sample("keras-3.15-func30.keras"),
    "checkpoint": _sample("keras-3.15-every-format/checkpoint"),
    "checkpoint of TensorFlow 1": _tf1,
    "SavedModel": _sample("tf-keras-2.21-func30-savedmodel"),
}
"""Functions that write one model of each kind: files of a few KB, except for the larger SavedModel of Keras."""


def many(folder: Path, write: Callable[[Path], Path], number: int) -> list[Path]:
    """Write `number` models in `folder`, and return the paths."""
    folder.mkdir()
    first = write(folder / "0")
    return [first, *(_linked(first, folder / str(k)) for k in range(1, number))]


def _linked(source: Path, target: Path) -> Path:
    """Create `target` as a hard link to a file, or as a directory of hard links."""
    if not source.is_dir():
        os.link(source, target)
        return target
    target.mkdir()
    for path in source.iterdir():
        _linked(path, target / path.name)
    return target


def listed(file: Path, paths: Iterable[Path]) -> Path:
    """Write `paths` to `file`, one per line, and return it."""
    file.write_text("".join(f"{path}\n" for path in paths), "utf-8")
    return file
