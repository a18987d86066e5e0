"""What a layer computes, from its configuration and from those of the wrappers around it.

Up to Keras 2 a Bidirectional states one layer, whose copy goes the other way; Keras 3, and a user who gives a
`backward_layer`, state both. The direction of a cell is that of the RNN around it. Of several cells in an RNN only the
first meets the input: those after it take its outputs in the order in which it gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from lstmdump.readers.keras.architecture.config import ConfigLayer

Settings = Mapping[str, Any]

_OF_THE_RNN = ("go_backwards", "return_sequences", "stateful", "time_major", "zero_output_for_mask")


class Around(NamedTuple):
    """What stands around a layer and bears on what it computes.

    Attributes:
        direction: which half of a Bidirectional it is: `forward`, `backward`, or empty.
        is_turned: whether its configuration is that of the other half.
        rnn: the configuration of the layer whose cell it is.
        follows: whether another cell of the same layer comes before it.
    """

    direction: str = ""
    is_turned: bool = False
    rnn: Settings | None = None
    follows: bool = False


NOTHING = Around()


def inside(layer: ConfigLayer, child: ConfigLayer, around: Around, direction: str = "") -> Around:
    """What stands around CHILD, a layer of LAYER, which itself stands in AROUND; DIRECTION is its half's, if any."""
    if direction:
        stated = any(key == f"{direction}_layer" for key, _ in layer.children)
        return Around(direction, direction == "backward" and not stated)
    if layer.kind == "StackedRNNCells":
        return around._replace(follows=around.follows or child is not layer.children[0][1])
    if any(key == "cell" for key, _ in layer.children):
        return around._replace(rnn=layer.settings)
    return NOTHING


def effective(settings: Settings, around: Around) -> Settings:
    """The configuration SETTINGS of a layer as it is at work AROUND all that."""
    if around is NOTHING:
        return settings
    merged = {
        **settings,
        **{key: around.rnn[key] for key in _OF_THE_RNN if around.rnn is not None and key in around.rnn},
    }
    if around.direction:
        merged["direction"] = around.direction
        if around.is_turned and isinstance(backwards := merged.get("go_backwards", False), bool):
            merged["go_backwards"] = not backwards
    elif around.follows:
        merged["go_backwards"] = False
    return merged
