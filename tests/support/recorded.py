"""The recordings beside the models in `tests/whole`, as files that commands take."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WHOLE = Path(__file__).parents[1] / "whole"


class Recorded:
    """A model in `tests/whole` with what the framework recorded of it.

    Args:
        name: The name of the model without its suffix.
        folder: The directory for the files of inputs.
    """

    def __init__(self, name: str, folder: Path) -> None:
        (self.model,) = (path for path in WHOLE.iterdir() if path.stem == name and path.suffix in (".h5", ".keras"))
        self.arrays = dict(np.load(WHOLE / f"{name}.io.npz"))
        self._folder = folder

    def save(self, key: str) -> Path:
        """Return the path of a `.npy` file with the array `key`."""
        path = self._folder / f"{key.replace('/', '-').replace('#', '-')}.npy"
        np.save(path, self.arrays[key])
        return path

    def give(self, *names: str) -> list[object]:
        """Return the options that give the inputs `names`, by name if they are several."""
        paths = [self.save(f"x/{name}") for name in names]
        words = [f"{name}={path}" for name, path in zip(names, paths, strict=True)] if len(names) > 1 else paths
        return [option for word in words for option in ("-i", word)]
