from __future__ import annotations

from dataclasses import replace

from support import networks

from lstmdump.model.network import (
    NetworkCall,
    NetworkDescription,
    NetworkInput,
    NetworkLayer,
    NetworkOutput,
    NetworkTensor,
)
from lstmdump.replay.networks import input_shapes

LSTMS = networks.opened({"a": (3, 4), "b": (4, 5)}).lstms


def describe(*kinds: str, shape: tuple[int | None, ...] | None = None) -> NetworkDescription:
    """Return the network of layers in a row, of which those of the class LSTM are called `a`, `b`."""
    names = iter("ab")
    layers = [NetworkLayer(("x",), "InputLayer", {})]
    layers += [NetworkLayer((next(names) if kind == "LSTM" else f"it_{number}",), kind, {})
               for number, kind in enumerate(kinds)]  # fmt: skip
    calls = [NetworkCall(0), *(NetworkCall(n + 1, (NetworkTensor(n),)) for n in range(len(kinds)))]
    last = NetworkOutput(layers[-1].name, NetworkTensor(len(kinds)))
    return NetworkDescription(tuple(layers), tuple(calls), (NetworkInput("x", NetworkTensor(0), shape),), (last,))


def infer(described: NetworkDescription) -> tuple[int | None, ...] | None:
    return input_shapes.infer(described, LSTMS).inputs[0].shape


def test_an_lstm_determines_the_width_of_its_input() -> None:
    assert infer(describe("LSTM", "LSTM")) == (None, 3)


def test_layers_that_keep_the_width_are_passed() -> None:
    assert infer(describe("Masking", "Dropout", "LSTM")) == (None, 3)


def test_a_layer_of_another_width_leaves_the_shape_unknown() -> None:
    assert infer(describe("Dense", "LSTM")) is None


def test_a_layer_that_is_run_for_each_of_several_steps_leaves_the_shape_unknown() -> None:
    described = describe("TimeDistributed")
    around = NetworkLayer(("a",), "TimeDistributed", {})
    assert infer(replace(described, layers=(described.layers[0], around))) is None


def test_a_shape_that_the_file_states_stays() -> None:
    assert infer(describe("LSTM", shape=(7, 9))) == (7, 9)
