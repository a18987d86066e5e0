"""Lists of lies about the files of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hostile import good_keras
from hostile.cases import Case, Lie, Must, Scene, words
from hostile.good_keras import Sizes
from hostile.good_tensorflow import Kind, gates

EXTREMES = (0, 1, 255, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

Write = Callable[[Scene, Sizes], Path]
"""A function that writes a model with an LSTM of the given sizes, and returns the path."""


class Lies(list[Lie]):
    """The lies about one kind of file."""

    def register(self, kind: Kind, must: Must) -> Callable[[Write], Write]:
        """Register the decorated function as a lie with the function's name."""

        def remember(write: Write) -> Write:
            self.add(kind, words(write), must, write)
            return write

        return remember

    def add(self, kind: Kind, called: str, must: Must, write: Write) -> None:
        """Add a lie with the name `called`."""

        def make(scene: Scene) -> Case:
            size = good_keras.sizes(scene.random)
            return Case(kind.name, called, must, write(scene, size), gates(size, kind.layer))

        self.append(Lie(kind.name, called, make))
