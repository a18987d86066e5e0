"""Networks in which Keras 3 computes the mask of a layer by operations on the ids."""

from __future__ import annotations

import numpy as np
from support.layer_reading import KERAS_3, make_tensor

from lstmdump.model.network import (
    NetworkCall,
    NetworkDescription,
    NetworkInput,
    NetworkLayer,
    NetworkOutput,
    NetworkTensor,
)
from lstmdump.replay.layers import registry
from lstmdump.replay.layers.base import Signal
from lstmdump.replay.layers.reading import LayerReader
from lstmdump.replay.networks import lags as network_lags
from lstmdump.replay.networks import propagation
from lstmdump.replay.networks.propagation import RunnableNetwork

TABLE = np.array([[9.0], [1.0], [2.0], [3.0]])
IDS = np.array([[3, 1, 0]])
OUTPUT, IDS_GIVEN = NetworkTensor(3), NetworkTensor(0)


def network() -> RunnableNetwork:
    """Return the mean of the vectors of all ids that are not 0."""
    layers = (
        NetworkLayer(("ids",), "InputLayer", {}),
        NetworkLayer(("embedding",), "Embedding", {"input_dim": 4, "output_dim": 1, "mask_zero": True},
                     {"embeddings": make_tensor("embeddings", TABLE)}),
        NetworkLayer(("not_equal",), "NotEqual", {"is_operation": True, "arguments": [{"tensor": 0}, 0], "keywords": {}}),
        NetworkLayer(("mean",), "GlobalAveragePooling1D", {}),
    )  # fmt: skip
    calls = (
        NetworkCall(0),
        NetworkCall(1, (IDS_GIVEN,)),
        NetworkCall(2, (IDS_GIVEN,)),
        NetworkCall(3, (NetworkTensor(1),), NetworkTensor(2)),
    )
    inputs = (NetworkInput("ids", IDS_GIVEN, (3,), is_integer=True),)
    described = NetworkDescription(layers, calls, inputs, (NetworkOutput("mean", OUTPUT),))
    return propagation.read(described, [OUTPUT], LayerReader(KERAS_3, "float64", lambda _: None, registry.build))  # type: ignore[arg-type,return-value]


def test_the_mask_is_computed_from_the_ids() -> None:
    tape = propagation.forward(network(), {"ids": Signal(IDS)})
    assert tape[OUTPUT].values.tolist() == [[2.0]]


def test_a_mask_that_is_given_replaces_it() -> None:
    mask = np.array([[True, False, True]])
    tape = propagation.forward(network(), {"ids": Signal(IDS)}, mask=mask, keep=True)
    assert tape[OUTPUT].values.tolist() == [[6.0]]
    found = propagation.backward(network(), tape, {OUTPUT: np.ones((1, 1, 1))}, [NetworkTensor(1)])
    assert np.asarray(found[NetworkTensor(1)]).tolist() == [[[[0.5], [0.0], [0.5]]]]


def test_an_operation_on_ids_leaves_them_whole() -> None:
    assert network().takes_ids(network().inputs[0])


def test_the_influence_is_that_of_the_vectors_only() -> None:
    assert [source.name for source in network_lags.find_sources(network(), {"ids": Signal(IDS)})] == ["embedding"]


def test_a_mask_that_is_given_counts_in_a_layer_with_initial_states() -> None:
    """Keras 3 itself leaves out a mask that comes with the input there: 10 + 1 + 2 + 3, and without the 2."""
    settings = {"units": 1, "activation": "linear", "use_bias": False}
    weights = {name: make_tensor(name, np.ones((1, 1))) for name in ("kernel", "recurrent_kernel")}
    layers = (NetworkLayer(("x",), "InputLayer", {}), NetworkLayer(("state",), "InputLayer", {}),
              NetworkLayer(("rnn",), "SimpleRNN", settings, weights))  # fmt: skip
    x, state, made = NetworkTensor(0), NetworkTensor(1), NetworkTensor(2)
    calls = (NetworkCall(0), NetworkCall(1), NetworkCall(2, (x, state)))
    inputs = (NetworkInput("x", x, (3, 1)), NetworkInput("state", state, (1,)))
    described = NetworkDescription(layers, calls, inputs, (NetworkOutput("rnn", made),))
    read = propagation.read(described, [made], LayerReader(KERAS_3, "float64", lambda _: None, registry.build))  # type: ignore[arg-type,return-value]
    given = {"x": Signal(np.array([[[1.0], [2.0], [3.0]]])), "state": Signal(np.array([[10.0]]))}
    assert propagation.forward(read, given)[made].values.tolist() == [[16.0]]
    mask = np.array([[True, False, True]])
    assert propagation.forward(read, given, mask=mask)[made].values.tolist() == [[14.0]]
