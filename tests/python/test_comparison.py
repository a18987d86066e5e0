"""Comparing models from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lstmdump
from lstmdump.errors import BadExpectation, NoSuchLayer, UnreadableModel


@pytest.fixture
def weather(samples: Path) -> Path:
    return samples / "keras-2.2.0-weather.h5"


def test_a_model_is_the_same_as_itself(weather: Path) -> None:
    assert lstmdump.diff(weather, weather).is_same


def test_a_difference_is_true(samples: Path, weather: Path) -> None:
    assert lstmdump.diff(weather, samples / "keras-1.2.2-weather.h5")


def test_no_difference_is_false(weather: Path) -> None:
    assert not lstmdump.diff(weather, weather)


def test_models_that_are_open_stay_so(weather: Path) -> None:
    with lstmdump.open(weather) as model:
        lstmdump.diff(model, weather)
        assert model["lstm_1"].gates["f"].W.read().shape == (3, 6)


def test_the_text_of_a_difference_is_what_diff_prints(weather: Path) -> None:
    assert repr(lstmdump.diff(weather, weather)).splitlines() == ["lstm_1: identical", "the same"]


def test_a_difference_is_of_the_layers_that_are_chosen(weather: Path) -> None:
    with pytest.raises(NoSuchLayer):
        lstmdump.diff(weather, weather, layer="gru")


def test_an_unreadable_model_is_an_error(weather: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel):
        lstmdump.diff(weather, tmp_path / "none.h5")


def test_a_model_that_is_as_expected_has_no_mismatch(weather: Path) -> None:
    assert lstmdump.check(weather, params=240, total=254, layer_shape={"lstm_1": (3, 6)}) == ()


def test_a_count_that_differs_is_a_mismatch(weather: Path) -> None:
    (found,) = lstmdump.check(weather, params=241)
    assert (found.expected, found.actual, found.delta) == (241, 4 * ((3 + 6) * 6 + 6), -1)


def test_a_limit_that_is_exceeded_is_a_mismatch(weather: Path) -> None:
    assert [found.rule for found in lstmdump.check(weather, max_params=239, max_total=254)] == ["at most"]


def test_the_parameters_of_a_layer_are_checked(weather: Path) -> None:
    assert [found.layer for found in lstmdump.check(weather, layer_params={"lstm_1": 1})] == ["lstm_1"]


def test_a_model_agrees_with_its_record(weather: Path) -> None:
    with lstmdump.open(weather) as model:
        assert lstmdump.check(model, against=model.record()) == ()


def test_a_model_agrees_with_its_record_in_json(weather: Path) -> None:
    with lstmdump.open(weather) as model:
        assert lstmdump.check(model, against=json.loads(json.dumps(model.record()))) == ()


def test_a_record_of_another_model_has_mismatches(samples: Path, weather: Path) -> None:
    with lstmdump.open(samples / "keras-3.15-func30.keras") as other:
        assert {found.what for found in lstmdump.check(weather, against=other.record())} == {"layer"}


def test_nothing_to_compare_with_is_an_error(weather: Path) -> None:
    with pytest.raises(BadExpectation, match="nothing to compare with"):
        lstmdump.check(weather)


def test_what_is_no_record_is_an_error(weather: Path) -> None:
    with pytest.raises(BadExpectation, match="what is given is not the record of a model"):
        lstmdump.check(weather, against={"layers": []})
