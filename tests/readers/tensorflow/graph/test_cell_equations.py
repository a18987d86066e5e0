from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from support.tensorflow_builders import clipped, float32, integer, lstm_cell, node, scalar, variable

from lstmdump.errors import CannotReplay
from lstmdump.readers.tensorflow.graph.cell_equations import Equations, read
from lstmdump.readers.tensorflow.graph.cells import cells
from lstmdump.readers.tensorflow.graph.graph_def import Graph

WEIGHTS = variable("c/kernel", (7, 16)) + variable("c/bias", (16,))
KNOWN: Mapping[str, Sequence[str]] = {"kernel": ["c/kernel"], "bias": ["c/bias"]}
PEEPHOLES = {f"w_{letter}_diag": [f"c/w_{letter}_diag"] for letter in "ifo"}


def found(data: bytes, known: Mapping[str, Sequence[str]] = KNOWN) -> Equations:
    (cell,) = cells(Graph(WEIGHTS + data))
    return read(cell, known)


def test_a_plain_cell_goes_through_tanh_and_clips_nothing() -> None:
    assert found(lstm_cell("c")) == Equations("tanh", "c/h", None, None, "c/c", "c/c_before")


@pytest.mark.parametrize(
    ("operation", "word"),
    [("Relu", "relu"), ("Relu6", "relu6"), ("Elu", "elu"), ("Selu", "selu"), ("Softplus", "softplus"), ("Exp", "exponential"),
     ("Softsign", "softsign"), ("Sigmoid", "sigmoid"), ("Identity", "linear")],
)  # fmt: skip
def test_the_operation_of_the_candidate_and_of_the_state_is_the_activation(operation: str, word: str) -> None:
    assert found(lstm_cell("c", activations=(operation, operation))).activation == word


def test_an_operation_that_is_not_an_activation_is_named() -> None:
    with pytest.raises(CannotReplay, match="its candidate goes through Rint, which is not a known activation"):
        found(lstm_cell("c", activations=("Rint", "Rint")))


def test_two_different_activations_cannot_be_replayed() -> None:
    with pytest.raises(CannotReplay, match="its candidate goes through relu, but its cell state through tanh"):
        found(lstm_cell("c", activations=("Relu", "Tanh")))


def test_an_unknown_activation_of_the_state_is_not_taken_for_linear() -> None:
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(lstm_cell("c", activations=("Identity", "Rint")))


def test_a_clipped_state_has_its_bound() -> None:
    assert found(lstm_cell("c", clip=(-0.3, 0.3))).cell_clip == 0.3


@pytest.mark.parametrize("operation", ["NextIteration", "Select", "Mul"])
def test_a_state_passed_on_without_clipping_cannot_be_replayed(operation: str) -> None:
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(lstm_cell("c", clip=(-0.3, 0.3)) + node("next", operation, "c/c", "other"))


@pytest.mark.parametrize("bounds", [(-0.3, 0.5), (0.3, 0.3), (0.5, -0.5)])
def test_bounds_that_are_not_the_same_on_both_sides_cannot_be_replayed(bounds: tuple[float, float]) -> None:
    low, high = bounds
    with pytest.raises(CannotReplay, match=f"its cell state is clipped, .* from {low} to {high}"):
        found(lstm_cell("c", clip=bounds))


def test_a_bound_on_one_side_cannot_be_replayed() -> None:
    data = lstm_cell("c", clip=(-0.3, 0.3)).replace(b"\x12\x07Minimum", b"\x12\x07Unknown")
    with pytest.raises(CannotReplay):
        found(data)


def test_a_bound_that_is_not_a_constant_cannot_be_replayed() -> None:
    data = lstm_cell("c", clip=(-0.3, 0.3))
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(data.replace(scalar("c/clip/high", 0.3), node("c/clip/high", "Placeholder")))


@pytest.mark.parametrize(
    ("between", "taken"),
    [("c/new", ("c/i", "c/j")), ("c/kept", ("c/f", "c/c_before")), ("c/h", ("c/o", "c/squashed"))],
)
def test_another_operation_in_place_of_a_product_cannot_be_replayed(between: str, taken: tuple[str, str]) -> None:
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(lstm_cell("c").replace(node(between, "Mul", *taken), node(between, "Pow", *taken)))


@pytest.mark.parametrize("gate", ["i", "f", "o"])
def test_a_gate_that_is_not_a_sigmoid_cannot_be_replayed(gate: str) -> None:
    taken = {"i": "c/split", "f": "c/add", "o": "c/split:3"}[gate]
    plain, other = (node(f"c/{gate}", operation, taken) for operation in ("Sigmoid", "Softmax"))
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(lstm_cell("c").replace(plain, other))


@pytest.mark.parametrize("gate", ["i", "o"])
def test_a_constant_added_to_another_gate_cannot_be_replayed(gate: str) -> None:
    part = {"i": "c/split", "o": "c/split:3"}[gate]
    more = node("c/more", "Add", part, "c/y") + node(f"c/{gate}", "Sigmoid", "c/more")
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(lstm_cell("c").replace(node(f"c/{gate}", "Sigmoid", part), more))


def with_peepholes(state_of_o: str = "c/c", letters: str = "ifo") -> bytes:
    data, states = lstm_cell("c"), {"i": "c/c_before", "f": "c/c_before", "o": state_of_o}
    for letter, part in {"i": "c/split", "f": "c/add", "o": "c/split:3"}.items():
        if letter in letters:
            seen = variable(f"c/w_{letter}_diag", (4,))
            seen += node(f"c/see_{letter}", "Mul", f"c/w_{letter}_diag/read", states[letter])
            seen += node(f"c/sum_{letter}", "AddV2", part, f"c/see_{letter}")
            data = data.replace(
                node(f"c/{letter}", "Sigmoid", part), seen + node(f"c/{letter}", "Sigmoid", f"c/sum_{letter}")
            )
    return data


def test_known_peepholes_are_part_of_the_equations() -> None:
    assert found(with_peepholes(), {**KNOWN, **PEEPHOLES}).activation == "tanh"


def test_unknown_peepholes_cannot_be_replayed() -> None:
    with pytest.raises(CannotReplay, match="other than through the known peepholes"):
        found(with_peepholes())


def test_peepholes_that_the_graph_does_not_use_cannot_be_replayed() -> None:
    with pytest.raises(CannotReplay, match="other than through the known peepholes"):
        found(with_peepholes(letters="if"), {**KNOWN, **PEEPHOLES})


def test_an_output_gate_with_the_previous_state_cannot_be_replayed() -> None:
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(with_peepholes("c/c_before"), {**KNOWN, **PEEPHOLES})


PROJECTION = {"projection/kernel": ["c/projection/kernel"]}


def projected(*after: bytes) -> bytes:
    kernel = variable("c/projection/kernel", (4, 2))
    return lstm_cell("c") + kernel + node("c/p", "MatMul", "c/h", "c/projection/kernel/read") + b"".join(after)


def test_the_output_of_a_projected_cell_is_the_product() -> None:
    assert found(projected(), {**KNOWN, **PROJECTION}) == Equations("tanh", "c/p", None, None, "c/c", "c/c_before")


def test_a_clipped_projection_has_its_bound() -> None:
    data = projected(clipped("c/m", "c/p", -0.1, 0.1))
    assert found(data, {**KNOWN, **PROJECTION}) == Equations("tanh", "c/m", None, 0.1, "c/c", "c/c_before")


def test_a_projection_passed_on_without_clipping_is_not_clipped() -> None:
    data = projected(clipped("c/m", "c/p", -0.1, 0.1), node("next", "NextIteration", "c/p"))
    assert found(data, {**KNOWN, **PROJECTION}).projection_clip is None


def test_a_projection_that_the_graph_does_not_use_cannot_be_replayed() -> None:
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(lstm_cell("c"), {**KNOWN, **PROJECTION})


def test_an_unknown_bias_cannot_be_replayed() -> None:
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(lstm_cell("c"), {"kernel": ["c/kernel"]})


def block(operation: str, **attributes: bytes) -> bytes:
    places = ["length", "x", "cs", "h", "w", "wci", "wcf", "wco", "b"]
    inputs = places[1:] if operation == "LSTMBlockCell" else places
    return b"".join(variable(name, (4,)) for name in places[4:]) + node("cell", operation, *inputs, **attributes)


@pytest.mark.parametrize(("operation", "clip"), [("LSTMBlockCell", 3.0), ("BlockLSTM", 3.0), ("BlockLSTMV2", None)])
def test_a_block_cell_without_the_attribute_has_the_default_clip(operation: str, clip: float | None) -> None:
    assert found(block(operation)) == Equations("tanh", "cell:6", clip, None, "cell:1", "cs")


@pytest.mark.parametrize(("stored", "clip"), [(2.5, 2.5), (0.0, None), (-1.0, None)])
def test_a_block_cell_clips_only_to_a_positive_bound(stored: float, clip: float | None) -> None:
    assert found(block("BlockLSTM", cell_clip=float32(4, stored))).cell_clip == clip


def test_a_block_cell_has_the_known_peepholes_or_none() -> None:
    data = block("BlockLSTM", use_peephole=integer(5, 1))
    assert found(data, {**KNOWN, **PEEPHOLES}).activation == "tanh"
    with pytest.raises(CannotReplay, match="other than through the known peepholes"):
        found(data)


def test_an_activation_without_an_input_cannot_be_replayed() -> None:
    taken = node("c/squashed", "Tanh", "c/c")
    with pytest.raises(CannotReplay, match="more than the equations of an LSTM"):
        found(lstm_cell("c").replace(taken, node("c/squashed", "Tanh")))


def test_the_search_ends_in_a_graph_with_too_many_nodes_around_a_cell() -> None:
    chains = b"".join(node(f"j{k}", "Tanh", "c/split:1") for k in range(50))
    products = b"".join(node(f"m{k}-{n}", "Mul", f"j{k}", "c/i") for k in range(50) for n in range(50))
    data = lstm_cell("c").replace(node("c/new", "Mul", "c/i", "c/j"), node("c/new", "Pow", "c/i", "c/j"))
    with pytest.raises(CannotReplay, match="more nodes around the cell than any genuine one"):
        found(data + chains + products)
