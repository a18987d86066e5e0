from __future__ import annotations

import pytest

from lstmdump.errors import CorruptModel, NotAnLSTM
from lstmdump.lstm import LSTM, find_lstms
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Model, Weight, grow

THREE = {"kernel": (3, 16), "recurrent_kernel": (4, 16), "bias": (16,)}
TWELVE = {f"{a}_{g}": shape for g in "icfo" for a, shape in (("W", (3, 4)), ("U", (4, 4)), ("b", (4,)))}


def find(shapes: dict[str, tuple[int, ...]], kind: str | None = None, dtype: str = "float32") -> tuple[LSTM, ...]:
    def fetch(_: object) -> None:
        raise AssertionError

    weights = [Weight(("x",), leaf, Tensor(f"x/{leaf}", shape, dtype, fetch)) for leaf, shape in shapes.items()]  # type: ignore[arg-type]
    return find_lstms(Model("keras-h5", "keras", grow(weights, {} if kind is None else {("x",): kind})))


@pytest.mark.parametrize("shapes", [THREE, TWELVE, {"W": (3, 16), "U": (4, 16), "b": (16,)}])
def test_each_layout_gives_the_same_sizes_and_the_same_count(shapes: dict[str, tuple[int, ...]]) -> None:
    (lstm,) = find(shapes)
    assert (lstm.input_dim, lstm.units, lstm.parameters) == (3, 4, 4 * ((3 + 4) * 4 + 4))


@pytest.mark.parametrize(("shapes", "order"), [(THREE, "ifco"), (TWELVE, "icfo")])
def test_the_gate_order_is_that_of_the_file(shapes: dict[str, tuple[int, ...]], order: str) -> None:
    assert find(shapes)[0].gate_order == order


def test_columns_are_those_of_the_gates() -> None:
    assert find(THREE)[0].gate_columns == {"i": (0, 4), "f": (4, 8), "c": (8, 12), "o": (12, 16)}


def test_twelve_arrays_have_no_columns_per_gate() -> None:
    assert find(TWELVE)[0].gate_columns is None


def test_a_bias_of_eight_times_the_units_is_in_cudnn_layout() -> None:
    (lstm,) = find({**THREE, "bias": (32,)})
    assert (lstm.kind, lstm.parameters) == ("CuDNNLSTM", 4 * ((3 + 4) * 4 + 2 * 4))


def test_the_cudnn_layout_is_noted() -> None:
    assert "CuDNN's layout" in find({**THREE, "bias": (32,)})[0].notes[0]


@pytest.mark.parametrize("kind", ["GRU", "SimpleRNN", "ConvLSTM2D"])
def test_a_layer_of_another_class_is_never_an_lstm(kind: str) -> None:
    assert find(THREE, kind) == ()


@pytest.mark.parametrize(
    "shapes",
    [
        {**THREE, "recurrent_kernel": (4, 12)},
        {**THREE, "kernel": (3, 12)},
        {**THREE, "bias": (2, 16)},
        {**THREE, "kernel": (3, 3, 2, 16)},
        {"kernel": (3, 16), "bias": (16,)},
        {**TWELVE, "W_f": (3, 3)},
        {key: shape for key, shape in TWELVE.items() if key != "U_o"},
    ],
)
def test_other_shapes_are_an_error_only_where_the_file_states_an_lstm(shapes: dict[str, tuple[int, ...]]) -> None:
    assert find(shapes) == ()
    with pytest.raises(NotAnLSTM):
        find(shapes, "LSTM")


@pytest.mark.parametrize(("kind", "bias"), [("LSTM", (32,)), ("CuDNNLSTM", (16,))])
def test_the_bias_must_fit_the_class(kind: str, bias: tuple[int, ...]) -> None:
    with pytest.raises(NotAnLSTM, match="bias"):
        find({**THREE, "bias": bias}, kind)


def test_integer_arrays_are_not_weights() -> None:
    with pytest.raises(NotAnLSTM, match="kernel holds int8, not floating-point numbers"):
        find(THREE, "LSTM", "int8")


def test_additional_arrays_are_noted() -> None:
    (lstm,) = find({**THREE, "gamma": (4,)}, "LayerNormLSTM")
    assert lstm.notes == ("also holds gamma, which an LSTM does not have; the class may compute more",)


def test_an_array_without_rows_is_not_a_kernel() -> None:
    assert find({"kernel": (0, 16), "recurrent_kernel": (4, 16)}) == ()


@pytest.mark.parametrize(("kind", "stated"), [("LSTM", True), (None, False)])
@pytest.mark.parametrize("shapes", [THREE, TWELVE])
def test_the_class_comes_from_the_file_or_from_the_shapes(
    shapes: dict[str, tuple[int, ...]], kind: str | None, stated: bool
) -> None:
    (lstm,) = find(shapes, kind)
    assert (lstm.kind, lstm.kind_stated) == ("LSTM", stated)


def test_two_layers_of_one_name_are_refused() -> None:
    weights = [
        Weight(path, leaf, Tensor("x", shape, "float32", lambda _: None))  # type: ignore[arg-type, return-value]
        for path in (("a/b",), ("a", "b"))
        for leaf, shape in THREE.items()
    ]
    with pytest.raises(CorruptModel, match="two LSTM layers are called a/b"):
        find_lstms(Model("keras-h5", "keras", grow(weights, {})))
