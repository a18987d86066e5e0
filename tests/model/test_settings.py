from __future__ import annotations

from typing import Any

import pytest

from lstmdump.model.settings import (
    NOT_DESCRIBED,
    DeferredSettings,
    InvalidSetting,
    LayerSettings,
    finite_number,
    from_config,
)


def test_settings_are_worked_out_when_first_requested() -> None:
    times = []
    deferred = DeferredSettings(lambda: times.append(1) or LayerSettings(activation="tanh"), forget_bias=1.0)
    assert (deferred.forget_bias, times) == (1.0, [])
    assert (deferred.get().activation, deferred.get().cell_clip, times) == ("tanh", None, [1])


def test_a_layer_that_is_not_described_has_no_settings() -> None:
    assert NOT_DESCRIBED.get() == from_config({}) == LayerSettings()
    assert not LayerSettings().is_described


@pytest.mark.parametrize(("config", "direction"), [({"name": "x"}, None), ({}, "forward")])
def test_a_configuration_or_a_bidirectional_describes_a_layer(config: dict[str, Any], direction: str | None) -> None:
    assert from_config(config, direction).is_described


@pytest.mark.parametrize("key", ["cannot_replay", "direction", "is_described", "time_steps", "dropout"])
def test_other_keys_of_a_configuration_are_ignored(key: str) -> None:
    assert from_config({key: "backward"}) == LayerSettings(is_described=True)


@pytest.mark.parametrize("key", ["go_backwards", "return_sequences", "return_state", "stateful", "time_major", "unroll",
                                 "zero_output_for_mask"])  # fmt: skip
@pytest.mark.parametrize("value", [True, False])
def test_flags_are_those_of_the_configuration(key: str, value: bool) -> None:
    assert getattr(from_config({key: value}), key) is value


def test_a_direction_of_null_is_forwards() -> None:
    assert from_config({"go_backwards": None}).go_backwards is False


def test_a_setting_of_the_wrong_type_is_kept_as_invalid() -> None:
    assert from_config({"stateful": 1}).stateful == InvalidSetting("stateful", 1, "neither true nor false")
    assert from_config({"inner_activation": ""}).recurrent_activation == InvalidSetting(
        "inner_activation", "", "not an activation"
    )


def test_stated_settings_override_others() -> None:
    settings = from_config({"activation": "relu", "go_backwards": True, "stateful": True}, "forward")
    changed = settings.overridden(from_config({"activation": None, "go_backwards": False}))
    assert changed == settings._replace(activation="linear", go_backwards=False)


def test_overriding_a_setting_does_not_make_a_layer_described() -> None:
    assert LayerSettings().overridden(from_config({"activation": "relu"})) == LayerSettings(activation="relu")


@pytest.mark.parametrize(("setting", "number"), [(2, 2.0), (-0.5, -0.5), (0, 0.0)])
def test_a_number_is_returned_as_a_float(setting: object, number: float) -> None:
    assert finite_number(setting) == number


@pytest.mark.parametrize(
    "setting", [None, "1", [1.0], {}, True, float("nan"), float("inf"), pytest.param(10**400, id="too large")]
)
def test_anything_but_a_finite_number_becomes_none(setting: object) -> None:
    assert finite_number(setting) is None
