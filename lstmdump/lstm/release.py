"""The release of Keras that wrote a model, as far as it decides on what layers compute.

Some rules follow from what Keras computes, and others from its source: `rnn` in `backend`, `StackedRNNCells` and
`TimeDistributed` of each release. A file of tf.keras states a version of Keras that several releases of TensorFlow
share; see `_KERAS_OF_TENSORFLOW`.
"""

from __future__ import annotations

import re

from lstmdump.model.named_tuple import NamedTuple

# Patterns are compiled when they are first needed: each takes as long as the import of a module.
_KERAS = r"(tf\.)?keras (\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(\S*)"
_TENSORFLOW = r"tensorflow (\d{1,9})(?:\.(\d{1,9}))?"
_FIRST_OF_TENSORFLOW = 4  # Keras 2.4 is that of TensorFlow; files of tf.keras before it add -tf

_WITH_OUTPUT_BEFORE = (2, 5)  # from this release of Keras 2 on, `rnn` repeats its outputs, and not a state
_WITH_OUTPUT_BEFORE_IN_TENSORFLOW = (2, 4)
_WITH_CELLS_IN_ORDER = (2, 3)
_OF_SEVERAL_TENSORFLOWS = (1, 6)  # TensorFlow 1.9 to 1.12, of which 1.11 is the first with cells in order
_LAST_TO_JOIN_BY_AND = 3

# The first release of TensorFlow whose tf.keras is Keras 2 with these further numbers.
_KERAS_OF_TENSORFLOW = (((2, 3), (4, 0)), ((2, 2), (3, 0)), ((1, 13), (2, 4)), ((1, 9), (1, 6)), ((0, 0), (0, 8)))


class KerasRelease(NamedTuple):
    """What wrote the model, as far as it decides on what layers compute.

    Attributes:
        keras: The generation of Keras: 1, 2 or 3.
        is_tensorflow_keras: Whether it is the Keras 2 of TensorFlow (tf.keras, tf_keras), and not Keras 2 by itself.
        is_theano: Whether the backend was Theano, which turns the kernels of convolutions.
        minor: The second number of its version, as 2 in Keras 2.2.4; 0 if not stated.
        patch: The third number of its version; 0 if not stated.
    """

    keras: int = 3
    is_tensorflow_keras: bool = False
    is_theano: bool = False
    minor: int = 0
    patch: int = 0

    @property
    def within_generation(self) -> tuple[int, int]:
        """The second and third number of the version."""
        return self.minor, self.patch

    @property
    def masks_halves(self) -> bool:
        """Whether the halves of a Bidirectional that return sequences return 0 at masked steps."""
        return self.keras == 3 or (
            self.is_tensorflow_keras and self.within_generation >= _WITH_OUTPUT_BEFORE_IN_TENSORFLOW
        )

    @property
    def repeats_state(self) -> bool:
        """Whether a recurrent layer returns the first of its states at masked steps, also before the first other step.

        The others return the output of the step before, and 0 before the first step that is not masked.
        """
        if self.is_theano or self.keras != 2:
            return not self.is_theano and self.keras == 1
        first = _WITH_OUTPUT_BEFORE_IN_TENSORFLOW if self.is_tensorflow_keras else _WITH_OUTPUT_BEFORE
        return self.within_generation < first

    @property
    def reverses_cells(self) -> bool | None:
        """Whether the states of a stack of cells are in reverse order of the cells; None if the version leaves it open.

        They are in Keras 2.0.9 to 2.2.2, and in tf.keras up to TensorFlow 1.10.
        """
        if self.keras != 2:
            return False
        if not self.is_tensorflow_keras:
            return self.within_generation < _WITH_CELLS_IN_ORDER
        if self.within_generation == _OF_SEVERAL_TENSORFLOWS:
            return None
        return self.within_generation < _OF_SEVERAL_TENSORFLOWS

    @property
    def joins_masks_by_or(self) -> bool:
        """Whether a step behind a merging layer counts if it counts in any input, and not only if it does in all.

        Source: Keras 3.3.3 and 3.4.1.
        """
        return self.keras == 3 and self.minor > _LAST_TO_JOIN_BY_AND


_TENSORFLOW_JS = "tensorflow.js"
_OF_TENSORFLOW_JS = KerasRelease(2, minor=2)
"""TensorFlow.js follows Keras 2.2: masked steps return a state, and a stack's states are in reverse order of its cells.

Source: `rnn` and `StackedRNNCells` in `tfjs-layers/src/layers/recurrent.ts`, release 4.22.
"""


def release_of(producer: str) -> KerasRelease:
    """Return the release that `producer` names: `keras 2.2.4 (tensorflow)`, `tf.keras 2 (tensorflow 2.15.0)`."""
    is_theano = "(theano)" in producer
    found = re.match(_KERAS, producer)
    if producer.startswith(_TENSORFLOW_JS):
        return _OF_TENSORFLOW_JS
    if found is None:
        return _of_tensorflow(producer) if producer.startswith("tensorflow") else KerasRelease(is_theano=is_theano)
    generation = max(1, min(int(found[2]), 3))
    if found[1] and generation == 2 and found[3] is None:
        return _of_tensorflow(producer)
    minor, patch = int(found[3] or 0), int(found[4] or 0)
    of_tensorflow = bool(found[1]) or "-tf" in found[5] or minor >= _FIRST_OF_TENSORFLOW
    return KerasRelease(generation, generation == 2 and of_tensorflow, is_theano, minor, patch)


def _of_tensorflow(producer: str) -> KerasRelease:
    """Return the Keras 2 of the TensorFlow that `producer` names; of a late one if it names none."""
    found = re.search(_TENSORFLOW, producer)
    last = _KERAS_OF_TENSORFLOW[0]
    version = last[0] if found is None or found[2] is None else (int(found[1]), int(found[2]))
    minor, patch = next(keras for first, keras in _KERAS_OF_TENSORFLOW if version >= first)
    return KerasRelease(2, is_tensorflow_keras=True, minor=minor, patch=patch)
