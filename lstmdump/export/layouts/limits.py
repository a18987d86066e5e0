"""What a target cannot say, and how much it would be off: the reasons for which a layer is not exported to it.

The harm is measured: layers with these settings were run in the runtime without them, and compared with Keras or with
the cells of TensorFlow 1 (random weights of standard deviation 0.5, sequences of 9 to 60 steps).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from lstmdump.export.layouts.modules import Computed
from lstmdump.lstm.activation_names import word_with_slope

_HARM_OF_SLOPE = "h would be about 0.03 to 0.1 off"


class TargetLimits(NamedTuple):
    """What a target can say beside the arrays.

    Attributes:
        activations: the activations that it knows, in our words; None for any, which the user gives to it.
        gates: the same for the activations of the gates.
        peepholes: whether gates may see the cell state.
        projection: whether the output may be projected.
        clipping: whether the cell state may be clipped.
    """

    activations: Collection[str] | None = ("tanh",)
    gates: Collection[str] | None = ("sigmoid",)
    peepholes: bool = False
    projection: bool = False
    clipping: bool = False


ANYTHING = TargetLimits(None, None, peepholes=True, projection=True, clipping=True)


def list_refusals(layer: Computed, limits: TargetLimits, label: str) -> Iterator[str]:
    """Yield why `layer` cannot be computed by the target called `label`, each reason with the harm if it is known."""
    if layer.problem:
        yield layer.problem
    lstm, found = layer.lstm, layer.behaviour
    yield from _list_activations(layer, limits, label)
    if lstm.peepholes and not limits.peepholes:
        yield f"its gates see the cell state (peepholes), which {label} cannot compute"
    if lstm.projection is not None and not limits.projection:
        yield f"its output is projected to {lstm.projection}, which {label} cannot compute"
    if lstm.normalized:
        yield "its gates are normalized before activation, with arrays that are not written"
    if found is not None and found.output_activation is not None and limits.activations is not None:
        word = word_with_slope(found.output_activation, found.keras)
        yield f"its output goes through {word}, unlike its candidate, which {label} cannot compute"
    if found is not None and found.gate_clip is not None and not limits.clipping:
        yield f"what its gates are computed from is clipped to ±{found.gate_clip:g}, which {label} cannot compute"
    if found is not None and found.cell_clip is not None and not limits.clipping:
        yield (f"its cell state is clipped to ±{found.cell_clip:g}, which {label} cannot compute: h would be off where "
               "the state passes that, by up to 0.3")  # fmt: skip
    if found is not None and found.projection_clip is not None and not limits.clipping:
        yield f"its projected output is clipped to ±{found.projection_clip:g}, which {label} cannot compute"


def _list_activations(layer: Computed, limits: TargetLimits, label: str) -> Iterator[str]:
    activation, gates = layer.activations
    if limits.activations is not None and activation not in limits.activations:
        yield f"its activation is {activation}, which {label} does not compute"
    if limits.gates is not None and gates not in limits.gates:
        harm = f": {_HARM_OF_SLOPE}" if gates.startswith("hard_sigmoid") else ""
        yield f"its gates go through {gates}, which {label} does not compute{harm}"
