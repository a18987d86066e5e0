"""Arguments that the command line refuses are refused in Python, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import BadExpectation, BadInput


@pytest.fixture
def model(samples: Path) -> Iterator[lstmdump.OpenModel]:
    with lstmdump.open(samples / "keras-3.15-func30.keras") as opened:
        yield opened


X = np.zeros((5, 1))


@pytest.mark.parametrize("dtype", ["float16", "int32", "float99", "keep", "", None, np.int8])
def test_a_run_in_another_type_is_refused(model: lstmdump.OpenModel, dtype: object) -> None:
    for one in (model, model["lstm"]):
        with pytest.raises(ValueError, match="is not a type to compute in; there are float32, float64"):
            one.trace(X, dtype=dtype)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64")])
def test_a_type_may_be_one_of_numpy(model: lstmdump.OpenModel, dtype: str) -> None:
    assert model.trace(X, dtype=dtype).c.dtype == np.float64
    assert model["lstm"].to_layout("keras", dtype=dtype)["bias"].dtype == np.float64  # type: ignore[index]


@pytest.mark.parametrize("dtype", ["int8", "float99", "complex64", None, np.int8])
def test_a_layout_in_another_type_is_refused(model: lstmdump.OpenModel, dtype: object) -> None:
    for one in (model, model["lstm"]):
        with pytest.raises(ValueError, match="is not a type to return; there are keep, float16, float32, float64"):
            one.to_layout("pytorch", dtype=dtype)  # type: ignore[arg-type]


@pytest.mark.parametrize("most", [0, -1, 1.5, "3"])
def test_a_number_of_lags_below_1_is_refused(model: lstmdump.OpenModel, most: object) -> None:
    for one in (model, model["lstm"]):
        with pytest.raises(ValueError, match=r"most is .*; give a whole number from 1"):
            one.lags(X, most=most)  # type: ignore[arg-type]


def test_a_number_of_lags_may_be_one_of_numpy(model: lstmdump.OpenModel) -> None:
    assert len(model["lstm"].lags(X, most=np.int64(2)).norms) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [1.5, "1", [], float("nan"), np.zeros(3)])
def test_a_unit_that_is_not_a_whole_number_is_refused(model: lstmdump.OpenModel, unit: object) -> None:
    for one in (model, model["lstm"]):
        for x in (X, None):
            with pytest.raises(ValueError, match=r"^unit is .*; give a whole number$"):
                one.lags(x, unit=unit)  # type: ignore[arg-type]


def test_a_unit_may_be_one_of_numpy(model: lstmdump.OpenModel) -> None:
    assert model["lstm"].lags(X, unit=np.int64(2))[0].unit == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [5, True, b"lstm", ["lstm"], {}, np.zeros(3)])
def test_a_name_that_is_not_a_text_is_a_type_error(model: lstmdump.OpenModel, name: object, samples: Path) -> None:
    path = samples / "keras-3.15-func30.keras"
    for argument, call in (
        ("layer", lambda: model.trace(X, layer=name)),  # type: ignore[arg-type]
        ("into", lambda: model.trace(X, into=name)),  # type: ignore[arg-type]
        ("of", lambda: model.lags(X, of=name)),  # type: ignore[arg-type]
        ("into", lambda: model.lags(X, into=name)),  # type: ignore[arg-type]
        ("layer", lambda: lstmdump.diff(path, path, layer=name)),  # type: ignore[arg-type]
        ("layer", lambda: lstmdump.check(path, params=1, layer=name)),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=rf"^{argument} is of type {type(name).__name__}; give .* as a text$"):
            call()


def test_a_layer_is_not_the_name_of_one(model: lstmdump.OpenModel) -> None:
    with pytest.raises(TypeError, match="into is of type LSTMLayer; give the name of a layer as a text"):
        model.trace(X, into=model["lstm"])  # type: ignore[arg-type]


@pytest.mark.parametrize("argument", ["activation", "recurrent_activation"])
@pytest.mark.parametrize("value", [np.tanh, 5, b"tanh", np.zeros(3)])
def test_an_activation_is_a_name(model: lstmdump.OpenModel, argument: str, value: object) -> None:
    for call in (model.trace, model.lags, model["lstm"].trace, model["lstm"].lags):
        with pytest.raises(TypeError, match=rf"^{argument} is of type .*; give the name of one as a text$"):
            call(X, **{argument: value})  # type: ignore[arg-type, operator]


@pytest.mark.parametrize("value", [1, "no", [], np.zeros(3)])
def test_a_direction_is_true_or_false(model: lstmdump.OpenModel, value: object) -> None:
    for call in (model.trace, model.lags, model["lstm"].trace, model["lstm"].lags):
        with pytest.raises(TypeError, match=r"^go_backwards is of type .*; give True, False or None$"):
            call(X, go_backwards=value)  # type: ignore[operator]


def test_a_direction_may_be_one_of_numpy(model: lstmdump.OpenModel) -> None:
    x = np.arange(5.0)[:, None]
    found = model["lstm"].trace(x, go_backwards=np.bool_(True))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.h, model["lstm"].trace(x, go_backwards=True).h)


@pytest.mark.parametrize("value", ["1.0", b"1", [1.0], float("nan"), float("inf"), {}, 10**400])
def test_a_forget_bias_that_is_not_a_finite_number_is_refused(model: lstmdump.OpenModel, value: object) -> None:
    for call in (model.trace, model.lags, model["lstm"].trace, model["lstm"].lags):
        with pytest.raises(ValueError, match=r"^forget_bias is .*; give a finite number$"):
            call(X, forget_bias=value)  # type: ignore[operator]


@pytest.mark.parametrize("dtype", [5, True, b"abc", object(), np.zeros(3)])
def test_what_numpy_takes_for_no_type_is_refused(model: lstmdump.OpenModel, dtype: object) -> None:
    with pytest.raises(ValueError, match=r"is not a type to compute in; there are float32, float64$"):
        model.trace(X, dtype=dtype)  # type: ignore[arg-type]


def test_a_run_needs_an_input(model: lstmdump.OpenModel) -> None:
    for one in (model, model["lstm"]):
        with pytest.raises(BadInput, match=r"^x: it is None; give an array, or the path of an .npy file$"):
            one.trace(None)  # type: ignore[arg-type]


def test_the_names_of_inputs_are_texts(model: lstmdump.OpenModel) -> None:
    with pytest.raises(BadInput, match=r"^x: it names an input 1; the names of inputs are texts$"):
        model.trace({1: X})  # type: ignore[dict-item]


@pytest.mark.parametrize("x", [object(), b"abc", [object()]])
def test_an_input_that_is_not_made_of_numbers_is_named_for_it(model: lstmdump.OpenModel, x: object) -> None:
    with pytest.raises(BadInput, match=r"^x: it holds (Python objects|bytes|text)"):
        model.trace(x)  # type: ignore[arg-type]


def test_the_mask_of_a_masked_array_is_not_lost_in_silence(model: lstmdump.OpenModel) -> None:
    masked = np.ma.array(X, mask=[[0], [0], [0], [0], [1]])
    with pytest.raises(BadInput, match=r"^x: it is a masked array, whose mask would be lost; give its numbers"):
        model.trace(masked)
    assert model.trace(np.ma.array(X)).c.shape == (5, 30)


def test_first_states_of_no_layer_are_refused(model: lstmdump.OpenModel) -> None:
    with pytest.raises(BadInput, match=r"^initial: it names no layer; there is lstm$"):
        model.trace(X, initial={})


@pytest.mark.parametrize("section", [[], {}, np.zeros(3), 5])
def test_a_section_that_is_not_a_text_is_a_value_error(model: lstmdump.OpenModel, section: object) -> None:
    for one in (model, model["lstm"]):
        with pytest.raises(ValueError, match=r"is not a section"):
            one.explain(section)  # type: ignore[arg-type]


@pytest.mark.parametrize("limits", [5, {"json_size": 1}, (1, 2)])
def test_limits_are_those_of_the_class(samples: Path, limits: object) -> None:
    with pytest.raises(TypeError, match=r"^limits is of type (int|dict|tuple); give lstmdump.Limits\(…\)$"):
        lstmdump.open(samples / "keras-2.2.0-weather.h5", limits=limits)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", ["1", None, 0, -1, 1.5])
def test_a_limit_that_is_not_a_whole_number_is_refused(samples: Path, size: object) -> None:
    limits = lstmdump.Limits(json_size=size)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^the limit json_size is .*; give a whole number from 1$"):
        lstmdump.open(samples / "keras-2.2.0-weather.h5", limits=limits)


def test_a_path_may_be_made_of_bytes(samples: Path) -> None:
    with lstmdump.open(bytes(samples / "keras-2.2.0-weather.h5")) as opened:  # type: ignore[arg-type]
        assert list(opened) == ["lstm_1"]


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf"), None, "1e-6", np.zeros(3)])
def test_a_tolerance_that_is_not_a_number_from_0_is_refused(samples: Path, tolerance: object) -> None:
    path = samples / "keras-2.2.0-weather.h5"
    with pytest.raises(ValueError, match=r"^tolerance is .*; give a finite number from 0$"):
        lstmdump.diff(path, path, tolerance=tolerance)  # type: ignore[arg-type]


@pytest.mark.parametrize("argument", ["params", "total", "max_params", "max_total"])
@pytest.mark.parametrize("value", ["240", 1.5, -1, float("nan"), float("inf"), [], np.zeros(3)])
def test_a_count_that_is_not_a_whole_number_is_a_bad_expectation(samples: Path, argument: str, value: object) -> None:
    with pytest.raises(BadExpectation, match=rf"^{argument} is .*; give a whole number from 0$"):
        lstmdump.check(samples / "keras-2.2.0-weather.h5", **{argument: value})  # type: ignore[arg-type]


def test_a_count_may_be_a_whole_float_or_one_of_numpy(samples: Path) -> None:
    path = samples / "keras-2.2.0-weather.h5"
    assert lstmdump.check(path, params=np.int64(240), max_params=1e6) == ()  # type: ignore[arg-type]
    sizes = np.array([3, 6])
    assert lstmdump.check(path, layer_shape={"lstm_1": sizes}) == ()  # type: ignore[dict-item]


@pytest.mark.parametrize(("argument", "value", "reason"), [
    ("layer_params", [("lstm_1", 240)], "layer_params is of type list; give a dict with the names of layers"),
    ("layer_params", "lstm_1", "layer_params is of type str; give a dict with the names of layers"),
    ("layer_params", {"lstm_1": "240"}, "layer_params['lstm_1'] is '240'; give a whole number from 0"),
    ("layer_params", {"lstm_1": None}, "layer_params['lstm_1'] is None; give a whole number from 0"),
    ("layer_shape", 5, "layer_shape is of type int; give a dict with the names of layers"),
    ("layer_shape", {"lstm_1": "3x6"}, "layer_shape['lstm_1'] is '3x6'; give inputs and units, such as (3, 6)"),
    ("layer_shape", {"lstm_1": 3}, "layer_shape['lstm_1'] is 3; give inputs and units, such as (3, 6)"),
    ("layer_shape", {"lstm_1": (3, 6, 1)}, "layer_shape['lstm_1'] is (3, 6, 1); give inputs and units, such as (3, 6)"),
    ("layer_shape", {"lstm_1": ("3", 6)}, "layer_shape['lstm_1'] is '3'; give a whole number from 0"),
    ("against", '{"model": "a.h5", "layers": []}',
     "what is given is a text, not the record of a model; give what json.loads makes of it"),
])  # fmt: skip
def test_an_expectation_of_another_form_is_refused(samples: Path, argument: str, value: object, reason: str) -> None:
    with pytest.raises(BadExpectation) as raised:
        lstmdump.check(samples / "keras-2.2.0-weather.h5", **{argument: value})  # type: ignore[arg-type]
    assert str(raised.value) == reason
