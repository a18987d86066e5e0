"""Operators that are a whole LSTM, in forms that converters do not write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tflite_builders as builders
from support.tflite_builders import Graph, Number

import lstmdump
from lstmdump.errors import CannotReplay, CorruptModel
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.tensor import Array
from lstmdump.replay import equations
from lstmdump.report.facts import describe

TANH = {0: Number("b", 4)}
D, M, P = 3, 4, 2


def opened(data: bytes, directory: Path) -> LoadedModel:
    path = directory / "model.tflite"
    path.write_bytes(data)
    return lstmdump.open(path)


def notes_of(model: LoadedModel) -> tuple[str, ...]:
    return describe(model).notes


def settings_of(data: bytes, directory: Path) -> Any:
    with opened(data, directory) as model:
        return model.lstms[0].settings


@pytest.mark.parametrize("behind", [False, True])
def test_the_gates_are_the_transposes_of_the_operands(behind: bool, tmp_path: Path) -> None:
    arrays = builders.lstm_arrays(D, M, peepholes=True, projection=P)
    with opened(builders.fused(arrays, behind=behind), tmp_path) as model:
        lstm = model.lstms[0]
        for letter, gate in zip("ifco", builders.GATES, strict=True):
            np.testing.assert_array_equal(lstm.gates[letter].W.read(), arrays[f"input_to_{gate}"].T)
            np.testing.assert_array_equal(lstm.gates[letter].U.read(), arrays[f"recurrent_to_{gate}"].T)
            bias, peephole = lstm.gates[letter].b, lstm.gates[letter].V
            assert bias is not None
            np.testing.assert_array_equal(bias.read(), arrays[f"{gate}_gate_bias"])
            if letter != "c":
                assert peephole is not None
                np.testing.assert_array_equal(peephole.read(), arrays[f"cell_to_{gate}"])
        assert lstm.projection_kernel is not None
        np.testing.assert_array_equal(lstm.projection_kernel.read(), arrays["projection"].T)


def test_the_sizes_and_the_count_are_those_of_the_operands(tmp_path: Path) -> None:
    arrays = builders.lstm_arrays(D, M, peepholes=True, projection=P)
    with opened(builders.fused(arrays), tmp_path) as model:
        lstm = model.lstms[0]
        assert (lstm.input_dim, lstm.units, lstm.projection) == (D, M, P)
        assert lstm.parameters == 4 * ((D + P) * M + M) + 3 * M + M * P == sum(array.size for array in arrays.values())


def test_the_options_are_the_bounds_and_the_activation(tmp_path: Path) -> None:
    options = {0: Number("b", 1), 1: Number("f", 0.5), 2: Number("f", 0.25), 3: Number("B", 1)}
    found = settings_of(builders.fused(builders.lstm_arrays(D, M), options=options), tmp_path)
    assert (found.activation, found.cell_clip, found.projection_clip, found.time_major) == ("relu", 0.5, 0.25, True)


def test_a_bound_of_0_is_none(tmp_path: Path) -> None:
    found = settings_of(builders.fused(builders.lstm_arrays(D, M)), tmp_path)
    assert (found.cell_clip, found.projection_clip, found.time_major) == (None, None, False)


def test_an_unknown_activation_is_not_replayed(tmp_path: Path) -> None:
    data = builders.fused(builders.lstm_arrays(D, M), options={0: Number("b", 5)})
    with (
        opened(data, tmp_path) as model,
        pytest.raises(CannotReplay, match="its activation is number 5 of TensorFlow Lite"),
    ):
        equations.run(model.lstms[0], np.zeros((1, 2, D), "f4"))


def test_a_projection_bias_is_named_and_counted_and_not_replayed(tmp_path: Path) -> None:
    arrays = builders.lstm_arrays(D, M, projection=P) | {"projection_bias": np.ones(P, "f4")}
    with opened(builders.fused(arrays), tmp_path) as model:
        lstm = model.lstms[0]
        assert lstm.parameters_formula == f"4·(({D}+{P})·{M} + {M}) + {M}·{P} + {P}"
        assert lstm.parameters == sum(array.size for array in arrays.values())
        assert any("a bias is added to the projected output: projection_bias" in note for note in notes_of(model))
        with pytest.raises(CannotReplay, match="it adds a bias to its projected output"):
            equations.run(lstm, np.zeros((1, 2, D), "f4"))


def test_layer_normalization_is_named_and_not_replayed(tmp_path: Path) -> None:
    arrays = builders.lstm_arrays(D, M) | dict.fromkeys(builders.NORMALIZATION, np.ones(M, "f4"))
    with opened(builders.fused(arrays), tmp_path) as model:
        lstm = model.lstms[0]
        assert lstm.normalized
        assert any("the gates are normalized" in note for note in notes_of(model))
        with pytest.raises(CannotReplay, match="its gates are normalized before activation"):
            equations.run(lstm, np.zeros((1, 2, D), "f4"))


def test_a_cell_without_an_input_gate_is_named_and_not_cut(tmp_path: Path) -> None:
    arrays = builders.lstm_arrays(D, M)
    coupled = {
        leaf: array for leaf, array in arrays.items() if not leaf.endswith("_to_input") and leaf != "input_gate_bias"
    }
    with opened(builders.fused(coupled), tmp_path) as model:
        assert model.lstms == ()
        assert notes_of(model)[0].startswith("lstm: has no input gate: i is 1 - f")
        assert model.model.parameters == sum(array.size for array in coupled.values())


@pytest.mark.parametrize("missing", ["input_to_output", "recurrent_to_forget"])
def test_an_operator_without_a_kernel_is_corrupt(missing: str, tmp_path: Path) -> None:
    arrays = builders.lstm_arrays(D, M)
    graph = Graph()
    x, y = graph.tensor((1, 5, D)), graph.tensor((1, 5, M))
    builders.add_lstm(graph, arrays, x, y)
    name, inputs, outputs, options, others = graph.operators[0]
    place = 1 + builders.LEAVES.index(missing)
    graph.operators[0] = (name, [-1 if at == place else one for at, one in enumerate(inputs)], outputs, options, others)
    with pytest.raises(CorruptModel, match=f"an LSTM operator has no {missing}"):
        opened(builders.model(graph), tmp_path)


def test_an_operator_whose_kernel_is_computed_is_corrupt(tmp_path: Path) -> None:
    graph = Graph()
    x, y, computed = graph.tensor((1, 5, D)), graph.tensor((1, 5, M)), graph.tensor((M, D), "computed")
    graph.operator("TANH", [x], [computed])
    builders.add_lstm(graph, builders.lstm_arrays(D, M), x, y)
    name, inputs, *others = graph.operators[1]
    graph.operators[1] = (name, [inputs[0], computed, *inputs[2:]], *others)
    with pytest.raises(CorruptModel, match="takes computed as input_to_input, which holds no numbers"):
        opened(builders.model(graph), tmp_path)


def test_an_operator_for_a_single_step_has_no_sequence(tmp_path: Path) -> None:
    graph = Graph()
    x, y = graph.tensor((1, D), "x"), graph.tensor((1, M), "y")
    graph.inputs, graph.outputs = [x], [y]
    builders.add_lstm(graph, builders.lstm_arrays(D, M), x, y, name="LSTM")
    with opened(builders.model(graph), tmp_path) as model:
        assert [(lstm.input_dim, lstm.units) for lstm in model.lstms] == [(D, M)]


def test_the_kernel_of_the_basic_operator_has_the_order_of_tensorflow_1(tmp_path: Path) -> None:
    with opened(builders.basic(D, M), tmp_path) as model:
        lstm = model.lstms[0]
        weights = lstm.weights[0].tensor.read()
        assert lstm.gate_order == "icfo"
        # the second M rows are those of the candidate, the first D columns those of x
        np.testing.assert_array_equal(lstm.gates["c"].W.read(), weights[M : 2 * M, :D].T)
        np.testing.assert_array_equal(lstm.gates["f"].U.read(), weights[2 * M : 3 * M, D:].T)


def test_the_first_states_of_the_basic_operator_are_inputs_of_the_model(tmp_path: Path) -> None:
    assert settings_of(builders.basic(D, M), tmp_path).first_states_from == ("the input h", "the input c")


def test_an_operator_of_both_directions_is_two_layers(tmp_path: Path) -> None:
    with opened(builders.both_directions(D, M), tmp_path) as model:
        found = [(lstm.name, lstm.settings.direction, lstm.settings.go_backwards) for lstm in model.lstms]
        assert found == [("lstm", "forward", False), ("lstm_1", "backward", True)]
        first = builders.lstm_arrays(D, M, seed=1)["input_to_input"]
        np.testing.assert_array_equal(model.lstms[1].gates["i"].W.read(), first.T)


def test_the_input_of_both_directions_is_time_major_by_default(tmp_path: Path) -> None:
    data = builders.both_directions(D, M, options={0: Number("b", 4)})
    assert settings_of(data, tmp_path).time_major is True


def test_layers_that_share_all_arrays_are_one(tmp_path: Path) -> None:
    graph, arrays = Graph(), builders.lstm_arrays(M, M)
    x, h, y = (graph.tensor((1, 5, M)) for _ in range(3))
    builders.add_lstm(graph, arrays, x, h)
    name, inputs, _, options, others = graph.operators[0]
    graph.operator(name, [h, *inputs[1:]], [y], options, others)
    with opened(builders.model(graph), tmp_path) as model:
        assert len(model.lstms) == 1


def test_a_reversed_input_makes_a_layer_go_backwards(tmp_path: Path) -> None:
    graph = Graph()
    x, turned, y = graph.tensor((1, 5, D)), graph.tensor((1, 5, D)), graph.tensor((1, 5, M))
    graph.operator("REVERSE_V2", [x, graph.constant(np.array([1], "i4"))], [turned])
    builders.add_lstm(graph, builders.lstm_arrays(D, M), turned, y)
    found = settings_of(builders.model(graph), tmp_path)
    assert (found.go_backwards, found.direction) == (True, None)


def test_states_that_are_not_kept_are_0(tmp_path: Path) -> None:
    graph = Graph()
    x, y = graph.tensor((1, 5, D)), graph.tensor((1, 5, M))
    states = [graph.constant(np.zeros((1, M), "f4")) for _ in range(2)]
    builders.add_lstm(graph, builders.lstm_arrays(D, M), x, y, states=states)
    found = settings_of(builders.model(graph), tmp_path)
    assert (found.stateful, found.first_states_from) == (None, ())


def test_a_sequence_of_another_recurrent_operator_is_named(tmp_path: Path) -> None:
    graph = Graph()
    x, y, state = graph.tensor((1, 5, D)), graph.tensor((1, 5, M)), graph.tensor((1, M), is_variable=True)
    arrays: list[Array] = [np.ones(shape, "f4") for shape in ((M, D), (M, M), (M,))]
    graph.operator("UNIDIRECTIONAL_SEQUENCE_RNN", [x, *map(graph.constant, arrays), state], [y])
    with opened(builders.model(graph), tmp_path) as model:
        assert notes_of(model) == ("no LSTM layer; it has SimpleRNN rnn",)
        assert model.model.parameters == M * D + M * M + M


def test_an_input_whose_numbers_are_reversed_and_not_its_steps_is_that_of_another_operator(tmp_path: Path) -> None:
    graph = Graph()
    x, turned, y = graph.tensor((1, 5, D)), graph.tensor((1, 5, D), "turned"), graph.tensor((1, 5, M))
    graph.operator("REVERSE_V2", [x, graph.constant(np.array([2], "i4"))], [turned])
    builders.add_lstm(graph, builders.lstm_arrays(D, M), turned, y)
    found = settings_of(builders.model(graph), tmp_path)
    assert (found.go_backwards, found.input_from) == (False, "turned")
