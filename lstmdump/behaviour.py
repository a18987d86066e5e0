"""What an LSTM computes that its arrays do not tell: activations, direction, clipping, what it does where masked."""

from __future__ import annotations

from typing import NamedTuple

from lstmdump.lstm import LSTM


class Behaviour(NamedTuple):
    """How a layer computes. The defaults are those of the cells of Keras 3 and of TensorFlow 1.

    Attributes:
        activation: that of the candidate and of the output, by Keras's word.
        recurrent_activation: that of the gates i, f and o.
        keras: the Keras whose definitions of these words count: 1, 2 or 3.
        go_backwards: whether the last step of the input is taken first.
        is_aligned: whether the outputs of a layer that goes backwards are put in the order of the input again.
        zero_output_for_mask: whether the output of a masked step is 0, instead of that of the step before.
        cell_clip: the cell state is kept within ± this.
        projection_clip: so is the output of the projection.
        notes: what the file leaves open, and what was taken instead; how to say otherwise.
    """

    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    keras: int = 3
    go_backwards: bool = False
    is_aligned: bool = False
    zero_output_for_mask: bool = False
    cell_clip: float | None = None
    projection_clip: float | None = None
    notes: tuple[str, ...] = ()


def of(lstm: LSTM, producer: str) -> Behaviour:
    """The behaviour of LSTM, a layer of a model that PRODUCER wrote.

    Raises:
        CannotReplay: the file says that it computes what the equations of an LSTM do not.
    """
    settings = lstm.settings
    return Behaviour(
        settings.get("activation", "tanh"),
        settings.get("recurrent_activation", settings.get("inner_activation", "sigmoid")),
        1 if producer.startswith(("keras 0", "keras 1")) else 2 if producer.startswith(("keras 2", "tf.keras")) else 3,
        bool(settings.get("go_backwards", False)),
        settings.get("direction") == "backward",
        bool(settings.get("zero_output_for_mask", False)),
        settings.get("cell_clip"),
        settings.get("projection_clip"),
    )
