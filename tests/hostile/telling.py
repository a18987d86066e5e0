"""The lies that TensorFlow's files tell, as they are put down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hostile import good_keras
from hostile.cases import Case, Lie, Must, Scene, words
from hostile.good_keras import Sizes
from hostile.good_tensorflow import Kind, gates

EXTREMES = (0, 1, 255, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

Write = Callable[[Scene, Sizes], Path]
"""Writes a file about an LSTM of some sizes, and gives the path of the model."""


class Lies(list[Lie]):
    """Those of one kind of file."""

    def told_by(self, kind: Kind, must: Must) -> Callable[[Write], Write]:
        """A lie called as its function is."""

        def remember(write: Write) -> Write:
            self.add(kind, words(write), must, write)
            return write

        return remember

    def add(self, kind: Kind, called: str, must: Must, write: Write) -> None:
        """A lie that is CALLED so."""

        def make(scene: Scene) -> Case:
            size = good_keras.sizes(scene.random)
            return Case(kind.name, called, must, write(scene, size), gates(size, kind.layer))

        self.append(Lie(kind.name, called, make))
