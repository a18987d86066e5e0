"""A run needs the memory of its inputs, its outputs and the layer that is being run, however many layers there are."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.cells import random_cell
from support.layer_reading import describe, read_described, read_layer

from lstmdump.model.network import NetworkCall, NetworkInput, NetworkOutput, NetworkTensor
from lstmdump.replay import trace
from lstmdump.replay.layers.base import RunnableLayer, Signal
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks.plan import NetworkPlan
from lstmdump.replay.networks.propagation import RunnableNetwork

WIDTH = 8
X = np.zeros((2, 2000, WIDTH))
"""As large as each of the six arrays of a layer."""

MakeLayer = Callable[..., RunnableLayer]
X_GIVEN = NetworkTensor(0)


def lstm(number: int, **config: Any) -> RunnableLayer:
    name = f"lstm_{number}"
    cell = replace(random_cell(WIDTH, WIDTH, None, "float64"), name=name)
    return read_described(describe("LSTM", config, name=name), cells={name: cell})


def simple_rnn(_number: int, **config: Any) -> RunnableLayer:
    kernel = np.eye(WIDTH) / 2
    return read_layer("SimpleRNN", {"units": WIDTH, "use_bias": False, **config},
                      {"kernel": kernel, "recurrent_kernel": kernel})  # fmt: skip


def stack(layers: int, make: MakeLayer) -> NetworkPlan:
    """Return layers, each of which takes all outputs of the one before. The model gives the output of the last one."""
    calls = [NetworkCall(0), *(NetworkCall(number, (NetworkTensor(number - 1),)) for number in range(1, layers + 1))]
    return plan([make(number, return_sequences=True) for number in range(1, layers + 1)], calls, layers)


def branches(layers: int, make: MakeLayer) -> NetworkPlan:
    """Return layers that all take the input. The model gives the sum of their last outputs."""
    made = [make(number, return_state=True) for number in range(1, layers + 1)]
    last = tuple(NetworkTensor(number) for number in range(1, layers + 1))
    calls = [NetworkCall(0), *(NetworkCall(number, (X_GIVEN,)) for number in range(1, layers + 1))]
    return plan([*made, read_layer("Add")], [*calls, NetworkCall(layers + 1, last)], layers + 1)


def plan(made: list[RunnableLayer], calls: list[NetworkCall], last: int) -> NetworkPlan:
    """Return a plan in which all layers `lstm_…` are asked for, as on the command line."""
    output = NetworkOutput("y", NetworkTensor(last))
    lstms = {layer.name: number for number, layer in enumerate(made, 1) if layer.name.startswith("lstm")}
    targets = (*(NetworkTensor(call) for call in lstms.values()), output.tensor)
    network = RunnableNetwork(
        dict(enumerate(made, 1)), dict(enumerate(calls)), (NetworkInput("x", X_GIVEN),), targets, (output,), "float64"
    )
    return NetworkPlan(network, (), lstms, {}, (), RunOptions("float64"), ())


def peak(of: NetworkPlan) -> int:
    """Return the most memory that is in use while `of` is run."""
    tracemalloc.start()
    try:
        trace.run_plan(of, {"x": Signal(X)}, watch=lambda *_: None)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [lstm, simple_rnn])
@pytest.mark.parametrize("shape", [stack, branches])
def test_memory_does_not_grow_with_the_number_of_layers(
    shape: Callable[[int, MakeLayer], NetworkPlan], make: MakeLayer
) -> None:
    assert peak(shape(6, make)) - peak(shape(3, make)) < X.nbytes / 2
