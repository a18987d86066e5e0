"""An LSTM layer as Python users have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import BadInput, CannotExpress, LayoutWarning, ModelClosed


@pytest.fixture
def model(samples: Path) -> Iterator[lstmdump.OpenModel]:
    with lstmdump.open(samples / "keras-3.15-func30.keras") as opened:
        yield opened


@pytest.fixture
def lstm(model: lstmdump.OpenModel) -> lstmdump.LSTM:
    """A layer of 30 units on 1 input, with tanh and sigmoid."""
    return model.lstms[0]


@pytest.fixture
def weather(samples: Path) -> Iterator[lstmdump.LSTM]:
    """A layer of 6 units on 3 inputs, with hard_sigmoid."""
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as opened:
        yield opened["lstm_1"]


def test_the_text_of_a_layer_is_the_first_line_of_its_table(weather: lstmdump.LSTM) -> None:
    assert repr(weather) == "lstm_1  LSTM · 3 inputs, 6 units · gates i f c o"


def test_the_text_of_the_gates_gives_their_shapes(weather: lstmdump.LSTM) -> None:
    assert repr(weather.gates).splitlines() == [
        "i (input)  W (3, 6)  U (6, 6)  b (6,)",
        "f (forget)  W (3, 6)  U (6, 6)  b (6,)",
        "c (candidate)  W (3, 6)  U (6, 6)  b (6,)",
        "o (output)  W (3, 6)  U (6, 6)  b (6,)",
    ]


def test_the_text_of_a_gate_gives_its_shapes(weather: lstmdump.LSTM) -> None:
    assert repr(weather.gates["f"]) == "Gate(W (3, 6), U (6, 6), b (6,))"


def test_a_notebook_shows_the_table_of_a_layer(weather: lstmdump.LSTM) -> None:
    assert "(6, 24) = 6×4·6" in weather._repr_html_()


def test_a_notebook_shows_the_gates_as_a_table(weather: lstmdump.LSTM) -> None:
    cells = re.findall("<t[hd]>([^<]*)", weather.gates._repr_html_())  # type: ignore[attr-defined]
    assert cells[:10] == ["gate", "W", "U", "b", "V", "i (input)", "(3, 6)", "(6, 6)", "(6,)", ""]


def test_a_notebook_shows_a_gate_as_a_table(weather: lstmdump.LSTM) -> None:
    cells = re.findall("<t[hd]>([^<]*)", weather.gates["o"]._repr_html_())
    assert cells[-4:] == ["(3, 6)", "(6, 6)", "(6,)", ""]


def test_the_record_of_a_layer_is_its_entry_in_that_of_the_model(model: lstmdump.OpenModel) -> None:
    assert model.lstms[0].record() == model.record()["layers"][0]


def test_numpy_reads_a_gate(weather: lstmdump.LSTM, samples: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(samples / "keras-2.2.0-weather.h5") as file:
        kernel = file["model_weights/lstm_1/lstm_1/kernel:0"][()]
    assert np.array_equal(np.asarray(weather.gates["f"].W), kernel[:, 6:12])


def test_an_index_reads_a_part_of_a_gate(weather: lstmdump.LSTM, samples: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(samples / "keras-2.2.0-weather.h5") as file:
        kernel = file["model_weights/lstm_1/lstm_1/recurrent_kernel:0"][()]
    assert np.array_equal(weather.gates["o"].U[2, ::-2], kernel[2, 18:24][::-2])


def test_an_array_that_numpy_makes_of_a_gate_can_be_written_to(weather: lstmdump.LSTM) -> None:
    assert np.asarray(weather.gates["f"].W).flags.writeable


def test_savez_takes_the_arrays_of_a_gate(weather: lstmdump.LSTM, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", W=weather.gates["f"].W)  # type: ignore[arg-type]
    with np.load(tmp_path / "f.npz") as saved:
        assert saved["W"].shape == (3, 6)


def test_an_array_of_a_closed_model_is_refused(samples: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as opened:
        kernel = opened["lstm_1"].gates["f"].W
    with pytest.raises(ModelClosed, match="requested after the model had been closed"):
        np.asarray(kernel)


def test_a_trace_of_a_layer_has_the_c_of_every_step(lstm: lstmdump.LSTM, samples: Path) -> None:
    states = lstm.trace(np.load(samples / "func30.x.npy").reshape(1, 60, 1))
    assert states.c.shape == (1, 60, 30)
    assert states.name == lstm.name


def test_a_trace_of_a_layer_keeps_its_equation(lstm: lstmdump.LSTM, samples: Path) -> None:
    states = lstm.trace(np.load(samples / "func30.x.npy").reshape(60, 1))
    before, after = states.c[:-1], states.c[1:]
    assert np.allclose(after, states.f[1:] * before + states.i[1:] * states.candidate[1:], atol=1e-6)


def test_the_states_of_a_layer_go_to_a_dictionary(lstm: lstmdump.LSTM) -> None:
    assert list(lstm.trace(np.zeros((2, 1))).to_dict()) == ["h", "c", "i", "f", "o", "candidate"]


def test_a_mask_is_among_the_states(lstm: lstmdump.LSTM) -> None:
    states = lstm.trace(np.zeros((3, 1)), mask=[1, 0, 1])
    assert states.mask is not None
    assert states.mask.tolist() == [True, False, True]
    assert np.array_equal(states.c[1], states.c[0])


def test_the_mask_of_a_layer_that_goes_backwards_is_in_the_order_of_its_states(lstm: lstmdump.LSTM) -> None:
    states = lstm.trace(np.zeros((3, 1)), mask=[1, 1, 0], go_backwards=True)
    assert states.mask is not None
    assert states.mask.tolist() == np.isfinite(states.i[:, 0]).tolist() == [False, True, True]


def test_a_trace_begins_with_the_states_that_are_given(weather: lstmdump.LSTM) -> None:
    h, c = np.zeros(6), np.full(6, 0.5)
    states = weather.trace(np.zeros((1, 3)), initial=(h, c), dtype="float64")
    assert np.allclose(states.c[0], states.f[0] * c + states.i[0] * states.candidate[0])


def test_a_state_of_another_width_is_refused(weather: lstmdump.LSTM) -> None:
    with pytest.raises(BadInput, match=r"initial: h of lstm_1: it is \(5,\); the first state is \(6,\) or \(1, 6\)"):
        weather.trace(np.zeros((1, 3)), initial=(np.zeros(5), np.zeros(6)))


@pytest.mark.parametrize("initial", [np.zeros((2, 6)), (np.zeros(6),)])
def test_states_that_are_not_a_pair_are_refused(weather: lstmdump.LSTM, initial: object) -> None:
    with pytest.raises(BadInput, match=r"the states of lstm_1 are a pair, \(h, c\)"):
        weather.trace(np.zeros((1, 3)), initial=initial)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.zeros((9, 4)), r"\(9, 4\)"),
        ([[0.0, np.nan, 0.0]], r"x: it holds NaN at \[0, 1\]"),
        ([["a", "b", "c"]], "x: it holds text, not real numbers"),
        ([[object()]], "x: it holds Python objects"),
        ([[1.0], [1.0, 2.0]], "x: numpy makes no array of it"),
        (np.zeros((0, 3)), r"x: it is \(0, 3\), which is empty"),
        (3.0, "x: it is .*, which has no axis"),
        ([[1e39, 0, 0]], r"too large for float32; use dtype=\"float64\""),
    ],
    ids=["width", "NaN", "text", "objects", "ragged", "empty", "number", "too large"],
)  # fmt: skip
def test_an_input_that_does_not_fit_is_refused(weather: lstmdump.LSTM, x: object, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        weather.trace(x)  # type: ignore[arg-type]


def test_lags_of_a_layer_are_those_of_its_own_output(weather: lstmdump.LSTM, samples: Path) -> None:
    lags = weather.lags(np.load(samples / "weather.x.npy"))
    assert (lags[0].name, lags[0].symbol) == ("lstm_1", "h_T")


def test_lags_without_an_input_are_at_zero(weather: lstmdump.LSTM) -> None:
    assert weather.lags()[0].operating_point == "x = 0, from the state reached there"


def test_pytorch_takes_a_layer_under_the_names_of_its_module(lstm: lstmdump.LSTM) -> None:
    kernel = np.asarray(lstm.gates["c"].W)
    assert np.array_equal(lstm.to_pytorch()["weight_ih_l0"][60:90], kernel.T)


def test_the_second_bias_for_pytorch_adds_nothing(lstm: lstmdump.LSTM) -> None:
    assert not lstm.to_pytorch()["bias_hh_l0"].any()


def test_onnx_takes_the_gates_in_its_order(lstm: lstmdump.LSTM) -> None:
    blocks = lstm.to_onnx()["W"][0].reshape(4, 30, 1)
    assert [
        np.array_equal(block, np.asarray(lstm.gates[gate].W).T) for block, gate in zip(blocks, "iofc", strict=True)
    ] == [True] * 4


def test_keras_takes_the_stored_kernel(lstm: lstmdump.LSTM) -> None:
    assert np.array_equal(lstm.to_keras()["kernel"], lstm.weights[0].tensor.read())


def test_flax_has_a_kernel_for_each_gate(lstm: lstmdump.LSTM) -> None:
    assert np.array_equal(lstm.to_flax()["ig/kernel"], np.asarray(lstm.gates["c"].W))


def test_flax_nnx_calls_the_forget_gate_otherwise(lstm: lstmdump.LSTM) -> None:
    assert np.array_equal(lstm.to_flax_nnx()["if_/kernel"], np.asarray(lstm.gates["f"].W))


def test_openvino_takes_the_forget_gate_first(lstm: lstmdump.LSTM) -> None:
    assert np.array_equal(lstm.to_openvino()["R"][0][:30], np.asarray(lstm.gates["f"].U).T)


def test_the_json_of_rtneural_is_a_dictionary(lstm: lstmdump.LSTM) -> None:
    found = lstm.to_layout("rtneural")
    assert isinstance(found, dict)
    assert found["layers"][0]["type"] == "lstm"


def test_the_header_of_c_is_a_text(lstm: lstmdump.LSTM) -> None:
    assert "#pragma once" in lstm.to_layout("c")


def test_a_layout_can_be_of_another_type(lstm: lstmdump.LSTM) -> None:
    found = lstm.to_layout("pytorch", dtype="float16")
    assert isinstance(found, dict)
    assert found["weight_ih_l0"].dtype == np.float16


def test_what_pytorch_does_not_compute_is_refused(weather: lstmdump.LSTM) -> None:
    with pytest.raises(CannotExpress, match=r"hard_sigmoid.*; force=True returns its arrays all the same"):
        weather.to_pytorch()


def test_what_pytorch_does_not_compute_is_a_warning_if_forced(weather: lstmdump.LSTM) -> None:
    with pytest.warns(LayoutWarning, match="hard_sigmoid"):
        weather.to_pytorch(force=True)


def test_a_forget_bias_that_is_folded_is_a_warning(samples: Path) -> None:
    with lstmdump.open(samples / "tf-1.12-basic-lstm-cell") as opened:
        lstm = opened.lstms[0]
        with pytest.warns(LayoutWarning, match="the forget bias 1, which the cell adds at run time, is included"):
            arrays = lstm.to_keras()
        assert np.allclose(arrays["bias"][64:128], np.asarray(lstm.gates["f"].b) + 1)


def test_the_text_of_stored_arrays_is_short(weather: lstmdump.LSTM) -> None:
    tensor = repr(weather.weights[0].tensor)
    assert repr(weather.weights[0]) == f"LSTMWeight(role=Role.KERNEL, name='kernel', tensor={tensor})"


def test_a_missing_gate_is_a_key_error_that_names_the_gates(weather: lstmdump.LSTM) -> None:
    with pytest.raises(KeyError, match="no gate is called 'forget'; there are i, f, c, o"):
        weather.gates["forget"]
    assert "forget" not in weather.gates


def test_the_text_of_one_result_of_lags_fits_a_line(weather: lstmdump.LSTM) -> None:
    (result,) = weather.lags(np.ones((9, 3)))
    assert repr(result).startswith(f"<lags of lstm_1: 9 shares, {result.shares[0]:.1%}, {result.shares[1]:.1%}, ")
    assert repr(result).endswith(f"; 95 % at t-{result.lag_95}>")
    assert len(repr(result)) < 120
