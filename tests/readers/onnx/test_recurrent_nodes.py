from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import onnx_builders as onnx
from support.tensorflow_builders import counted

import lstmdump
from lstmdump import cli
from lstmdump.errors import CannotReplay, CorruptModel
from lstmdump.lstm import behaviour
from lstmdump.replay import run
from lstmdump.report.facts import describe, without_lstm

MADE = onnx.arrays(3, 4)
BOTH = onnx.arrays(3, 4, 2)
X = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)


def opened(tmp_path: Path, graph: onnx.Graph, **options: Any) -> lstmdump.LoadedModel:
    return lstmdump.open(onnx.write(tmp_path / "model.onnx", graph, **options))


@pytest.mark.parametrize("letter", "ifco")
@pytest.mark.parametrize("half", [0, 1])
def test_the_gates_of_both_directions_are_those_of_the_rows(letter: str, half: int, tmp_path: Path) -> None:
    expected = onnx.gates(BOTH, half)
    with opened(tmp_path, onnx.lstm(BOTH, direction="bidirectional")) as model:
        gate = model.lstms[half].gates[letter]
        assert gate.b is not None
        np.testing.assert_array_equal(gate.W.read(), expected[f"W_{letter}"])
        np.testing.assert_array_equal(gate.U.read(), expected[f"U_{letter}"])
        np.testing.assert_array_equal(gate.b.read(), expected[f"b_{letter}"])


def test_the_directions_of_a_node_are_halves(tmp_path: Path) -> None:
    with opened(tmp_path, onnx.lstm(BOTH, direction="bidirectional")) as model:
        assert [lstm.name for lstm in model.lstms] == ["rnn/forward", "rnn/backward"]
        assert [lstm.settings.direction for lstm in model.lstms] == ["forward", "backward"]
        assert [lstm.settings.go_backwards for lstm in model.lstms] == [False, True]


def test_peepholes_are_in_the_order_i_o_f(tmp_path: Path) -> None:
    with opened(tmp_path, onnx.lstm(MADE, letters="WRBP")) as model:
        (lstm,) = model.lstms
        assert lstm.gates["c"].V is None
        for place, letter in enumerate("iof"):
            peephole = lstm.gates[letter].V
            assert peephole is not None
            np.testing.assert_array_equal(peephole.read(), MADE["P"][0, 4 * place : 4 * place + 4])
        # 4 gates of 4 units on 3 inputs, with two biases, and three peepholes
        assert lstm.parameters == 4 * 4 * (3 + 4 + 2) + 3 * 4
        assert lstm.parameters_formula == "4·((3+4)·4 + 2·4) + 3·4"


def test_a_node_may_have_no_bias(tmp_path: Path) -> None:
    with opened(tmp_path, onnx.lstm(MADE, letters="WR")) as model:
        (lstm,) = model.lstms
        assert not lstm.use_bias
        assert lstm.parameters == 4 * 4 * (3 + 4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("tanh", "sigmoid")),
        ({"activations": ["Sigmoid", "Relu", "Relu"]}, ("relu", "sigmoid")),
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"]}, ("tanh", "hard_sigmoid(0.2x+0.5)")),
        (
            {"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_alpha": [1 / 6]},
            ("tanh", "hard_sigmoid(x/6+0.5)"),
        ),
        (
            {"activations": ["HardSigmoid", "Elu", "Elu"], "activation_alpha": [0.25, 0.7, 0.7],
             "activation_beta": [0.4]},
            ("ELU(alpha=0.7)", "hard_sigmoid(0.25x+0.4)"),
        ),
        ({"activations": ["Sigmoid", "Affine", "Affine"], "activation_alpha": [1.0, 1.0], "activation_beta": [0.0, 0.0]},
         ("linear", "sigmoid")),
    ],
)  # fmt: skip
def test_activations_are_in_the_words_of_keras(
    options: dict[str, Any], expected: tuple[str, str], tmp_path: Path
) -> None:
    with opened(tmp_path, onnx.lstm(MADE, **options)) as model:
        computes = describe(model).layers[0].computes
    assert (computes.activation, computes.recurrent_activation) == expected


@pytest.mark.parametrize("name", ["ThresholdedRelu", "Affine", "ScaledTanh", "Nonsense"])
def test_an_activation_without_its_parameters_is_not_replayed(name: str, tmp_path: Path) -> None:
    # onnxruntime 1.32 takes 0 for those of ThresholdedRelu, Affine and ScaledTanh, ONNX states 1 for the first
    with (
        opened(tmp_path, onnx.lstm(MADE, activations=["Sigmoid", name, "Tanh"])) as model,
        pytest.raises(CannotReplay, match=rf"the activation {name} cannot be replayed"),
    ):
        run(model.lstms[0], X)


def test_clipping_has_a_note_and_is_replayed(tmp_path: Path) -> None:
    with opened(tmp_path, onnx.lstm(MADE, clip=0.5)) as model:
        (lstm,) = model.lstms
        assert behaviour.of(lstm, model.producer).gate_clip == 0.5
        assert "rnn: what the gates and the candidate are computed from is clipped to ±0.5" in describe(model).notes
        states = run(lstm, X)
    assert 1 / (1 + np.exp(0.5)) - 1e-6 <= states.i.min() <= states.i.max() <= 1 / (1 + np.exp(-0.5)) + 1e-6


def test_an_output_activation_of_its_own_has_a_note(tmp_path: Path) -> None:
    with opened(tmp_path, onnx.lstm(MADE, activations=["Sigmoid", "Tanh", "Relu"])) as model:
        assert "rnn: the output goes through relu, unlike the candidate" in describe(model).notes


def test_an_lstm_with_coupled_gates_is_not_read_as_one_of_four(tmp_path: Path) -> None:
    with opened(tmp_path, onnx.lstm(MADE, input_forget=1)) as model:
        assert not model.lstms
        assert any("forget gate is 1 - i (input_forget)" in note for note in describe(model).notes)


def test_a_node_in_reverse_gives_its_outputs_in_the_order_of_the_input(tmp_path: Path) -> None:
    with opened(tmp_path, onnx.lstm(MADE, direction="reverse")) as model:
        reverse = run(model.lstms[0], X)
    with opened(tmp_path, onnx.lstm(MADE)) as model:
        turned = run(model.lstms[0], X[:, ::-1])
    np.testing.assert_array_equal(reverse.h, turned.h[:, ::-1])


def test_first_states_that_are_not_0_are_named(tmp_path: Path) -> None:
    states = np.zeros((1, 2, 4), np.float32), np.ones((1, 2, 4), np.float32)
    with opened(tmp_path, onnx.lstm(MADE, states=states)) as model:
        assert model.lstms[0].settings.first_states_from == ("initial_c",)


def test_first_states_of_another_width_are_an_error(tmp_path: Path) -> None:
    states = np.zeros((1, 2, 5), np.float32), np.zeros((1, 2, 5), np.float32)
    with pytest.raises(CorruptModel, match=r"has 4 units, but its first state initial_h is \(1, 2, 5\)"):
        opened(tmp_path, onnx.lstm(MADE, states=states))


def test_first_states_of_0_that_are_expanded_are_not_named(tmp_path: Path) -> None:
    nodes = [
        onnx.constant("zero", 0.0, "float32"),
        onnx.node("Shape", ["X"], ["shape"]),
        onnx.node("Expand", ["zero", "shape"], ["expanded"]),
        onnx.node("ConstantOfShape", ["shape"], ["filled"]),
        onnx.node("LSTM", ["X", "W", "R", "", "", "expanded", "filled"], ["Y"], "rnn"),
    ]
    stored = [onnx.tensor(letter, MADE[letter]) for letter in "WR"]
    with opened(tmp_path, onnx.Graph(nodes, stored, [onnx.value("X")])) as model:
        assert model.lstms[0].settings.first_states_from == ()


def test_lengths_of_sequences_are_stated(tmp_path: Path) -> None:
    with opened(tmp_path, onnx.lstm(MADE, lengths=[3, 5])) as model:
        settings = model.lstms[0].settings
    assert (settings.sequence_lengths_from, settings.sequence_lengths) == ("lengths", (3, 5))


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_other_recurrent_nodes_are_named(kind: str, tmp_path: Path) -> None:
    gates = {"GRU": 3, "RNN": 1}[kind]
    stored = [onnx.tensor("W", np.ones((1, 4 * gates, 3), np.float32)),
              onnx.tensor("R", np.ones((1, 4 * gates, 4), np.float32))]  # fmt: skip
    graph = onnx.Graph([onnx.node(kind, ["X", "W", "R"], ["Y"], "encoder")], stored)
    with opened(tmp_path, graph) as model:
        assert without_lstm(model) == f"no LSTM layer; it has {kind} encoder"


def test_a_node_whose_arrays_the_model_computes_has_a_note(tmp_path: Path) -> None:
    nodes = [onnx.node("Relu", ["X"], ["W"]), onnx.node("LSTM", ["X", "W", "R"], ["Y"], "made")]
    with opened(tmp_path, onnx.Graph(nodes, [onnx.tensor("R", MADE["R"])], [onnx.value("X")])) as model:
        assert not model.lstms
        assert any(note.startswith("the LSTM node made is not read") for note in describe(model).notes)


def test_nodes_without_names_and_of_one_name_are_told_apart(tmp_path: Path) -> None:
    stored = [onnx.tensor(f"{letter}{k}", values) for k in range(4) for letter, values in onnx.arrays(3, 4).items()]
    nodes = [
        onnx.node("LSTM", ["X", f"W{k}", f"R{k}"], [f"Y{k}"], name) for k, name in enumerate(["", "", "a/b", "/a/b"])
    ]
    with opened(tmp_path, onnx.Graph(nodes, stored)) as model:
        assert [lstm.name for lstm in model.lstms] == ["LSTM", "LSTM_1", "a/b", "a/b_1"]


def test_two_nodes_whose_arrays_are_computed_alike_are_one_layer(tmp_path: Path) -> None:
    nodes = []
    for k in range(2):
        nodes.append(onnx.node("Transpose", ["turned"], [f"R{k}"], perm=[0, 2, 1]))
        nodes.append(onnx.node("LSTM", ["X", "W", f"R{k}"], [f"Y{k}"], f"rnn{k}"))
    stored = [onnx.tensor("W", MADE["W"]), onnx.tensor("turned", MADE["R"].transpose(0, 2, 1))]
    with opened(tmp_path, onnx.Graph(nodes, stored)) as model:
        assert [lstm.name for lstm in model.lstms] == ["rnn0"]


def test_two_nodes_whose_arrays_are_cut_from_other_places_are_two_layers(tmp_path: Path) -> None:
    both = np.concatenate([MADE["R"], MADE["R"]])
    nodes = []
    for k in range(2):
        nodes += [onnx.constant(f"start{k}", [k]), onnx.constant(f"end{k}", [k + 1])]
        nodes.append(onnx.node("Slice", ["both", f"start{k}", f"end{k}"], [f"R{k}"]))
        nodes.append(onnx.node("LSTM", ["X", "W", f"R{k}"], [f"Y{k}"], f"rnn{k}"))
    with opened(tmp_path, onnx.Graph(nodes, [onnx.tensor("W", MADE["W"]), onnx.tensor("both", both)])) as model:
        assert [lstm.name for lstm in model.lstms] == ["rnn0", "rnn1"]


def test_two_nodes_with_the_same_arrays_are_one_layer(tmp_path: Path) -> None:
    nodes = [onnx.node("LSTM", ["X", "W", "R"], [f"Y{k}"], f"rnn{k}") for k in range(2)]
    with opened(tmp_path, onnx.Graph(nodes, [onnx.tensor(letter, MADE[letter]) for letter in "WR"])) as model:
        assert [lstm.name for lstm in model.lstms] == ["rnn0"]
        assert any("2 nodes of the graph share these arrays" in note for note in describe(model).notes)


def test_an_array_of_two_nodes_is_counted_once(tmp_path: Path) -> None:
    stored = [onnx.tensor(name, MADE[name[0]]) for name in ("W0", "W1", "R0", "R1", "B")]
    nodes = [onnx.node("LSTM", ["X", f"W{k}", f"R{k}", "B"], [f"Y{k}"], f"rnn{k}") for k in range(2)]
    with opened(tmp_path, onnx.Graph(nodes, stored)) as model:
        assert model.model.parameters == 2 * 4 * 4 * (3 + 4) + 2 * 4 * 4


@pytest.mark.parametrize("attribute", ["then_branch", "else_branch"])
def test_nodes_in_the_branches_of_a_graph_are_read(attribute: str, tmp_path: Path) -> None:
    inner = onnx.Graph([onnx.node("LSTM", ["X", "W", "R"], ["Y"], "inner")])
    stored = [onnx.tensor(letter, MADE[letter]) for letter in "WR"]
    graph = onnx.Graph([onnx.node("If", ["condition"], ["Y"], "if", **{attribute: inner})], stored, [onnx.value("X")])
    with opened(tmp_path, graph) as model:
        assert [lstm.name for lstm in model.lstms] == ["inner"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"R": np.zeros((1, 16, 5), np.float32)}, r"an LSTM of 4 units, but its W|an LSTM of 4 units, but its R"),
        ({"B": np.zeros((1, 16), np.float32)}, r"its B is \(1, 16\), not \(1, 32\)"),
        ({"W": np.zeros((2, 16, 3), np.float32)}, r"its W is \(2, 16, 3\), not \(1, 16, 3\)"),
    ],
)
def test_arrays_of_other_shapes_are_an_error(changed: dict[str, np.ndarray], words: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel, match=words):
        opened(tmp_path, onnx.lstm({**MADE, **changed}, hidden_size=4))


def test_the_operators_of_other_domains_are_not_those_of_onnx(tmp_path: Path) -> None:
    stored = [onnx.tensor(letter, MADE[letter]) for letter in "WR"]
    nodes = [onnx.node("LSTM", ["X", "W", "R"], ["Y"], "rnn", domain="com.example")]
    with opened(tmp_path, onnx.Graph(nodes, stored)) as model:
        assert not model.lstms


def test_other_arrays_are_counted_and_listed(tmp_path: Path) -> None:
    stored = [onnx.tensor("dense", np.ones((4, 2), np.float32)), onnx.tensor("shape", np.ones(3, np.int64))]
    graph = onnx.lstm(MADE)
    with opened(tmp_path, onnx.Graph(graph.parts[0][1], [*graph.parts[1][1], *stored])) as model:
        report = describe(model)
    assert [(one.tensor, one.parameters) for one in report.others] == [("dense", 8)]
    assert report.total == report.lstm_parameters + 8


@pytest.mark.parametrize(
    ("nodes", "taken", "is_backwards"),
    [
        ([onnx.constant("from", [-1]), onnx.constant("to", [-(2**63)]), onnx.constant("axis", [0]),
          onnx.node("Slice", ["X", "from", "to", "axis", "from"], ["turned"])], "turned", True),
        ([onnx.constant("from", [-1]), onnx.constant("to", [-(2**63)]), onnx.constant("axis", [1]),
          onnx.node("Slice", ["X", "from", "to", "axis", "from"], ["cut"]),
          onnx.node("Transpose", ["cut"], ["turned"], perm=[1, 0, 2])], "turned", True),
        ([onnx.constant("from", [-1]), onnx.constant("to", [-(2**63)]), onnx.constant("axis", [2]),
          onnx.node("Slice", ["X", "from", "to", "axis", "from"], ["turned"])], "turned", False),
        ([onnx.node("ReverseSequence", ["X", "lengths"], ["turned"], batch_axis=1, time_axis=0)], "turned", False),
        ([onnx.node("Shape", ["X"], ["shape"]), onnx.constant("zero", 0), onnx.constant("one", [1]),
          onnx.node("Gather", ["shape", "zero"], ["steps"]), onnx.node("Gather", ["shape", "one"], ["batch"]),
          onnx.node("Expand", ["steps", "batch"], ["all"]),
          onnx.node("ReverseSequence", ["X", "all"], ["turned"], batch_axis=1, time_axis=0)], "turned", True),
    ],
)  # fmt: skip
def test_an_input_that_the_graph_reverses_is_taken_backwards(
    nodes: list[bytes], taken: str, is_backwards: bool, tmp_path: Path
) -> None:
    nodes = [*nodes, onnx.node("LSTM", [taken, "W", "R"], ["Y"], "rnn")]
    stored = [onnx.tensor(letter, MADE[letter]) for letter in "WR"]
    with opened(tmp_path, onnx.Graph(nodes, stored, [onnx.value("X"), onnx.value("lengths")])) as model:
        assert model.lstms[0].settings.go_backwards is is_backwards


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clip": 0.5}, "what its gates are computed from is clipped to ±0.5, which torch.nn.LSTM cannot"),
        ({"activations": ["Sigmoid", "Tanh", "Relu"]}, "its output goes through relu, unlike its candidate"),
    ],
)
def test_what_another_runtime_cannot_compute_is_not_exported_to_it(
    options: dict[str, Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = onnx.write(tmp_path / "model.onnx", onnx.lstm(MADE, **options))
    assert cli.run(["export", str(path), "--layout", "pytorch", "-o", str(tmp_path / "out.npz")]) == 2
    assert words in capsys.readouterr().err


def test_clipping_is_a_difference_of_two_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(onnx.write(tmp_path / f"{clip}.onnx", onnx.lstm(MADE, clip=clip))) for clip in (0.5, 0.25)]
    assert cli.run(["diff", *paths]) == 1
    assert "gate_clip" in capsys.readouterr().out


def test_a_quantized_node_of_onnxruntime_has_a_note(tmp_path: Path) -> None:
    nodes = [onnx.node("DynamicQuantizeLSTM", ["X", "W", "R"], ["Y"], "rnn", domain="com.microsoft")]
    with opened(tmp_path, onnx.Graph(nodes)) as model:
        assert describe(model).notes == (
            "rnn is a com.microsoft.DynamicQuantizeLSTM, which is not an operator of ONNX itself: not read",
        )


def test_a_function_of_the_model_with_an_lstm_has_a_note(tmp_path: Path) -> None:
    function = counted(1, "encode") + counted(7, onnx.node("LSTM", ["X", "W", "R"], ["Y"]))
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx.model(onnx.Graph([])) + counted(25, function))
    with lstmdump.open(path) as model:
        assert describe(model).notes == (
            "the model has a function encode with a recurrent node in it, which is not read",
        )


def test_a_reversed_input_of_a_node_of_two_directions_has_a_note(tmp_path: Path) -> None:
    nodes = [onnx.constant("from", [-1]), onnx.constant("to", [-(2**63)]), onnx.constant("axis", [0]),
             onnx.node("Slice", ["X", "from", "to", "axis", "from"], ["turned"]),
             onnx.node("LSTM", ["turned", "W", "R"], ["Y"], "rnn", direction="bidirectional")]  # fmt: skip
    stored = [onnx.tensor(letter, BOTH[letter]) for letter in "WR"]
    with opened(tmp_path, onnx.Graph(nodes, stored, [onnx.value("X")])) as model:
        assert any("the graph reverses the input before" in note for note in describe(model).notes)


def follow(names: list[str], taken: list[str]) -> onnx.Graph:
    """Return a graph of nodes with these names, each with the value that it takes; they give `Y0`, `Y1`, …."""
    nodes = [onnx.node("LSTM", [x, f"W{k}", f"R{k}"], [f"Y{k}"], name)
             for k, (name, x) in enumerate(zip(names, taken, strict=True))]  # fmt: skip
    stored = [onnx.tensor(f"{letter}{k}", MADE[letter]) for k in range(len(names)) for letter in "WR"]
    return onnx.Graph(nodes, stored, [onnx.value("X")])


@pytest.mark.parametrize(
    ("names", "taken", "expected"),
    [
        (["/encoder/LSTM", "/encoder/LSTM_1"], ["X", "Y0"], ["encoder/l0", "encoder/l1"]),
        (["/LSTM"], ["X"], ["l0"]),
        (["/a/b/LSTM", "/c/LSTM"], ["X", "Y0"], ["a/b/l0", "c/l0"]),
        (["/encoder/LSTM", "/encoder/LSTM_1"], ["X", "X"], ["encoder/LSTM", "encoder/LSTM_1"]),  # called twice
        (["encoder/LSTM"], ["X"], ["encoder/LSTM"]),  # not of torch
    ],
)
def test_the_nodes_of_a_module_of_torch_are_its_layers(
    names: list[str], taken: list[str], expected: list[str], tmp_path: Path
) -> None:
    with opened(tmp_path, follow(names, taken)) as model:
        assert [lstm.name for lstm in model.lstms] == expected
