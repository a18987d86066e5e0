"""The shapes of inputs that a file does not state: a Sequential whose first layer was given no shape.

The LSTM layer that takes such an input, directly or behind layers that leave the width as it is, determines its width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lstmdump.lstm import LSTM
from lstmdump.model.network import NetworkDescription, NetworkTensor

_KEEP_WIDTH = frozenset({
    "Masking", "Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "Activation",
    "ReLU", "LeakyReLU", "ELU", "PReLU", "BatchNormalization", "LayerNormalization", "UnitNormalization",
})  # fmt: skip
_OF_STEPS = frozenset({"LSTM", "CuDNNLSTM", "RNN", "Bidirectional"})


def infer(described: NetworkDescription, lstms: Sequence[LSTM]) -> NetworkDescription:
    """Return `described` with the shapes of inputs that the `lstms` determine, where the file states none."""
    unknown = {one.tensor for one in described.inputs if one.shape is None}
    widths: dict[NetworkTensor, int] = {}
    for lstm in lstms if unknown else ():
        layer = described.find_layer(lstm.name)
        if layer is not None and described.layers[layer].kind in _OF_STEPS:
            for call in described.calls_of(layer):
                widths.setdefault(_find_start(described, call), lstm.input_dim)
    inputs = tuple(replace(one, shape=(None, widths[one.tensor])) if one.tensor in unknown & widths.keys() else one
                   for one in described.inputs)  # fmt: skip
    return replace(described, inputs=inputs)


def _find_start(described: NetworkDescription, call: int) -> NetworkTensor:
    """Return the tensor from which layers that keep the width lead to the input of a call."""
    tensor = described.calls[call].inputs[0]
    while described.layer_of(tensor.call).kind in _KEEP_WIDTH:
        tensor = described.calls[tensor.call].inputs[0]
    return tensor
