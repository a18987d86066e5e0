"""An open model as Python users have it: a mapping of its layers, its text, and what it computes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import BadInput, ModelClosed, NoLSTM, NoSuchLayer


@pytest.fixture
def weather(samples: Path) -> Iterator[lstmdump.OpenModel]:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model:
        yield model


@pytest.fixture
def torch(samples: Path) -> Iterator[lstmdump.OpenModel]:
    with lstmdump.open(samples / "torch-2.13-bidirectional.pt") as model:
        yield model


@pytest.fixture
def recorded(samples: Path) -> dict[str, np.ndarray]:
    """The input, and the output of Keras 2.2.0."""
    with np.load(samples / "keras-2.2.0-weather.io.npz") as arrays:
        return {name.rpartition("|")[2]: arrays[name] for name in arrays.files}


def test_a_layer_is_found_by_its_name(weather: lstmdump.OpenModel) -> None:
    assert weather["lstm_1"] is weather.lstms[0]


def test_a_missing_name_is_a_key_error_that_names_the_layers(weather: lstmdump.OpenModel) -> None:
    with pytest.raises(KeyError, match="no LSTM layer is called 'lstm_2'; it has lstm_1"):
        weather["lstm_2"]


def test_the_names_of_layers_are_in_a_model(weather: lstmdump.OpenModel) -> None:
    assert "lstm_1" in weather
    assert "dense_1" not in weather


def test_a_model_is_as_long_as_it_has_lstm_layers(torch: lstmdump.OpenModel) -> None:
    assert len(torch) == 4  # two layers, two directions


def test_iterating_over_a_model_gives_the_names(weather: lstmdump.OpenModel) -> None:
    assert list(weather) == ["lstm_1"]


def test_the_values_of_a_model_are_its_layers(torch: lstmdump.OpenModel) -> None:
    assert tuple(torch.values()) == torch.lstms


def test_a_model_equals_no_other_with_the_same_layers(samples: Path, weather: lstmdump.OpenModel) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as other:
        assert weather != other
        assert len({weather, other}) == 2


@pytest.mark.parametrize("take", [lambda model: model, lambda model: model["lstm_1"]], ids=["model", "layer"])
def test_what_belongs_to_an_open_file_is_not_pickled(
    weather: lstmdump.OpenModel, take: Callable[[lstmdump.OpenModel], object]
) -> None:
    with pytest.raises(TypeError, match="an open model is not copied or pickled: pass its path"):
        pickle.dumps(take(weather))


def test_the_layers_are_of_the_public_class(weather: lstmdump.OpenModel) -> None:
    assert isinstance(weather["lstm_1"], lstmdump.LSTM)


def test_the_text_of_a_model_is_the_head_of_its_table(samples: Path, weather: lstmdump.OpenModel) -> None:
    assert repr(weather).splitlines() == [
        str(samples / "keras-2.2.0-weather.h5"),
        "Keras HDF5 · keras 2.2.0 (tensorflow) · 1 LSTM layer",
        "lstm_1  LSTM · 3 inputs, 6 units · gates i f c o",
    ]


def test_of_many_layers_the_text_names_ten(weather: lstmdump.OpenModel) -> None:
    weather.lstms = weather.lstms * 12
    assert repr(weather).splitlines()[1].endswith("12 LSTM layers")
    assert repr(weather).splitlines()[-1] == "… and 2 more"
    assert len(repr(weather).splitlines()) == 2 + 10 + 1


def test_the_text_of_a_closed_model_is_the_same(samples: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model:
        before = repr(model)
    assert repr(model) == before


def test_a_notebook_shows_the_table(weather: lstmdump.OpenModel) -> None:
    assert "(3, 24) = 3×4·6" in weather._repr_html_()


def test_the_table_is_what_show_prints(weather: lstmdump.OpenModel) -> None:
    assert "  parameters        4·((3+6)·6 + 6) = 240                240\n" in weather.table()


def test_the_record_has_the_counts(weather: lstmdump.OpenModel) -> None:
    assert weather.record()["parameters"] == {"lstm": 4 * ((3 + 6) * 6 + 6), "total": 254}


def test_the_record_has_the_others_if_asked_for(weather: lstmdump.OpenModel) -> None:
    assert sum(other["parameters"] for other in weather.record(with_others=True)["others"]) == 254 - 240


def test_there_is_a_row_for_each_stored_array(weather: lstmdump.OpenModel) -> None:
    assert [(row["array"], row["shape"], row["parameters"]) for row in weather.rows()] == [
        ("kernel", (3, 24), 72),
        ("recurrent_kernel", (6, 24), 144),
        ("bias", (24,), 24),
    ]


def test_the_rows_have_the_others_if_asked_for(weather: lstmdump.OpenModel) -> None:
    assert sum(row["parameters"] for row in weather.rows(with_others=True)) == 254


def test_the_explanation_can_be_of_one_section(weather: lstmdump.OpenModel) -> None:
    assert "recurrent_kernel[:, 6:12]" in weather.explain("gates")


def test_the_texts_of_a_model_end_without_a_line_feed(weather: lstmdump.OpenModel) -> None:
    texts = [weather.table(), weather.explain(), weather.explain("gates"), weather["lstm_1"].explain("gates")]
    assert [text for text in texts if text != text.strip()] == []


def test_an_unknown_section_is_a_value_error(weather: lstmdump.OpenModel) -> None:
    with pytest.raises(ValueError, match="'gate' is not a section; there are equations, shapes"):
        weather.explain("gate")


def test_a_trace_has_the_output_that_keras_recorded(
    weather: lstmdump.OpenModel, recorded: dict[str, np.ndarray]
) -> None:
    states = weather.trace(recorded["x"])
    assert np.allclose(states["lstm_1"].h[:, -1], recorded["y"], atol=1e-6)


def test_the_states_of_the_only_layer_are_those_of_the_trace(
    weather: lstmdump.OpenModel, recorded: dict[str, np.ndarray]
) -> None:
    states = weather.trace(recorded["x"])
    assert states.c is states["lstm_1"].c
    assert states.c.shape == (2, 9, 6)


def test_a_trace_of_one_sequence_has_no_axis_for_the_batch(
    weather: lstmdump.OpenModel, recorded: dict[str, np.ndarray]
) -> None:
    states = weather.trace(recorded["x"][1])
    assert states.h.shape == (9, 6)
    assert states.y.shape == (2,)


def test_a_trace_takes_the_path_of_an_input(weather: lstmdump.OpenModel, samples: Path) -> None:
    assert weather.trace(samples / "weather.x.npy").h.shape[2] == 6


def test_a_trace_takes_an_input_by_its_name(weather: lstmdump.OpenModel, recorded: dict[str, np.ndarray]) -> None:
    with pytest.raises(BadInput, match="the model has no input words"):
        weather.trace({"words": recorded["x"]})


def test_the_states_of_pytorch_are_those_that_it_recorded(torch: lstmdump.OpenModel, samples: Path) -> None:
    with np.load(samples / "torch-2.13-bidirectional.io.npz") as arrays:
        states = torch.trace(arrays["x"], chain=True)
        assert np.allclose(states[next(iter(states))].c[:, -1], arrays["c"][0], atol=1e-6)


def test_of_several_layers_the_states_are_chosen_by_name(torch: lstmdump.OpenModel, samples: Path) -> None:
    with np.load(samples / "torch-2.13-bidirectional.io.npz") as arrays:
        states = torch.trace(arrays["x"])
    with pytest.raises(AttributeError, match=r"choose a layer, as in states\[NAME\].c"):
        _ = states.c


def test_a_trace_without_an_lstm_is_refused(samples: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model:
        model.lstms = ()
        with pytest.raises(NoLSTM):
            model.trace(np.zeros((9, 3)))


def test_a_trace_of_an_unknown_layer_is_refused(weather: lstmdump.OpenModel) -> None:
    with pytest.raises(NoSuchLayer, match="no layer matches gru"):
        weather.trace(np.zeros((9, 3)), layer="gru")


def test_a_trace_of_a_closed_model_is_refused(samples: Path) -> None:
    with lstmdump.open(samples / "keras-2.2.0-weather.h5") as model:
        pass
    with pytest.raises(ModelClosed):
        model.trace(np.zeros((9, 3)))


def test_lags_are_shares_of_the_output_of_the_model(
    weather: lstmdump.OpenModel, recorded: dict[str, np.ndarray]
) -> None:
    lags = weather.lags(recorded["x"])
    assert lags[0].symbol == "y"
    assert sum(share or 0 for share in lags.shares) == pytest.approx(1)


def test_lags_are_the_derivatives_of_the_output(weather: lstmdump.OpenModel, recorded: dict[str, np.ndarray]) -> None:
    x, step = recorded["x"][:1].astype("float64"), 1e-5
    by_differences = 0.0
    for feature in range(3):
        more, less = x.copy(), x.copy()
        more[0, -2, feature] += step
        less[0, -2, feature] -= step
        change = weather.trace(more, dtype="float64").y - weather.trace(less, dtype="float64").y
        by_differences += float(np.sum((change / (2 * step)) ** 2))
    assert weather.lags(x).norms[1] == pytest.approx(by_differences**0.5, rel=1e-4)


def test_lags_can_be_those_of_a_layer(weather: lstmdump.OpenModel, recorded: dict[str, np.ndarray]) -> None:
    assert weather.lags(recorded["x"], of="lstm_1")[0].symbol == "h_T"


def test_the_text_of_lags_is_their_table(weather: lstmdump.OpenModel, recorded: dict[str, np.ndarray]) -> None:
    assert "‖∂y/∂x_{T-k}‖ of 2 units, 3 inputs" in repr(weather.lags(recorded["x"]))


def test_a_notebook_shows_the_bars_of_lags(weather: lstmdump.OpenModel, recorded: dict[str, np.ndarray]) -> None:
    found = weather.lags(recorded["x"])
    shown = found._repr_html_()  # type: ignore[attr-defined]
    assert shown.count("<svg") == len(found.norms)
    assert "36.9" in shown


def test_the_layers_of_a_model_go_to_pytorch_under_their_names(samples: Path) -> None:
    with lstmdump.open(samples / "keras-3.15-func30.keras") as model:
        arrays = model.to_pytorch()
        name = model.lstms[0].name
    assert {key: values.shape for key, values in arrays.items()} == {
        f"{name}.weight_ih_l0": (120, 1),
        f"{name}.weight_hh_l0": (120, 30),
        f"{name}.bias_ih_l0": (120,),
        f"{name}.bias_hh_l0": (120,),
    }


def test_the_halves_of_a_bidirectional_are_one_module(torch: lstmdump.OpenModel) -> None:
    assert [name for name in torch.to_pytorch() if "weight_ih" in name][:2] == [
        "encoder.weight_ih_l0", "encoder.weight_ih_l0_reverse",
    ]  # fmt: skip


def test_an_unknown_layout_is_a_value_error(weather: lstmdump.OpenModel) -> None:
    with pytest.raises(ValueError, match="'torch' is not a layout; there are keras, pytorch"):
        weather.to_layout("torch")
