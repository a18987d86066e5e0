"""The settings of a layer that a file states, in one type for all formats."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from lstmdump.model.named_tuple import NamedTuple

_MOST_STEPS = 2**31
_MIXED_POLICIES = ("mixed_float16", "mixed_bfloat16")

ActivationName: TypeAlias = str | Mapping[str, Any]
"""An activation as in a configuration: its Keras name, or the JSON of an object or a function."""


class InvalidSetting(NamedTuple):
    """A setting whose value in the file cannot be used.

    Attributes:
        key: Its name in the configuration.
        value: The value in the configuration.
        problem: What is wrong with the value: `not an activation`.
    """

    key: str
    value: object
    problem: str


StatedActivation: TypeAlias = ActivationName | InvalidSetting | None
StatedFlag: TypeAlias = bool | InvalidSetting | None
StatedBound: TypeAlias = float | InvalidSetting | None


class LayerSettings(NamedTuple):
    """The settings of a layer; None stands for what the file does not state.

    Attributes:
        is_described: Whether the file describes the layer at all, by a configuration or a graph.
        direction: The half of a Bidirectional that the layer is, `forward` or `backward`.
        activation: The activation of the candidate and of the output.
        recurrent_activation: The activation of the gates i, f and o.
        output_activation: The activation of the output, if it is not that of the candidate.
        go_backwards: Whether the layer takes the last step first; of a half, as this half has it.
        is_aligned: Whether the outputs of a layer that takes the last step first are in the order of its input.
        return_sequences: Whether the layer returns the output of every step.
        return_state: Whether the layer also returns its last states.
        stateful: Whether the last states of a batch are the first of the next.
        time_major: Whether the input is (length, batch, d).
        zero_output_for_mask: Whether the output of a masked step is 0.
        unroll: Whether Keras unrolls the loop over the steps, which changes the output at masked steps in old releases.
        gate_clip: The bound of what the activations of the gates and of the candidate are applied to.
        cell_clip: The bound of the cell state.
        projection_clip: The bound of the projected output.
        unit_forget_bias: Whether the forget bias was 1 before the training.
        time_steps: The length of the sequences that the layer was built for.
        policy: The policy of Keras that computes in another type than that of the weights: `mixed_float16`.
        first_states_from: The layers or inputs that give the states before the first step; empty if they are 0.
        stored_states: The arrays of the file with the last states of a stateful layer; empty if there are none.
        sequence_lengths_from: What gives the lengths of the sequences, behind which steps are skipped; empty if no step
            is skipped.
        sequence_lengths: These lengths, if the model has the same for every input.
        feeds: The cell of the same stack that takes its output; None if the layer around it returns the output.
        returned_units: The units of the last cell of that stack, whose output the layer around it returns.
        time_distributed: The number of TimeDistributed around it, each of which adds an axis to the data.
        input_from: What computes the input of the layer, if that is neither the model's input nor another LSTM layer.
        is_masked: Whether a mask of the model skips steps.
        computes_in_integers: Whether its framework rounds inputs and states to integers before it multiplies them.
        cannot_replay: Why the layer does not compute what an LSTM computes.
    """

    is_described: bool = False
    direction: str | None = None
    activation: StatedActivation = None
    recurrent_activation: StatedActivation = None
    output_activation: StatedActivation = None
    go_backwards: StatedFlag = None
    is_aligned: StatedFlag = None
    return_sequences: StatedFlag = None
    return_state: StatedFlag = None
    stateful: StatedFlag = None
    time_major: StatedFlag = None
    zero_output_for_mask: StatedFlag = None
    unroll: StatedFlag = None
    gate_clip: StatedBound = None
    cell_clip: StatedBound = None
    projection_clip: StatedBound = None
    unit_forget_bias: bool | None = None
    time_steps: int | None = None
    policy: str | None = None
    first_states_from: tuple[str, ...] | None = None
    stored_states: tuple[str, ...] | None = None
    sequence_lengths_from: str | None = None
    sequence_lengths: tuple[int, ...] | None = None
    feeds: str | None = None
    returned_units: int | None = None
    time_distributed: int | None = None
    input_from: str | None = None
    is_masked: bool | None = None
    computes_in_integers: bool | None = None
    cannot_replay: str | None = None

    def overridden(self, by: LayerSettings) -> LayerSettings:
        """Return these settings, replaced by those that `by` states; `is_described` stays as it is."""
        stated = {name: value for name, value in by._asdict().items() if value is not None}
        return self._replace(**{**stated, "is_described": self.is_described})


class DeferredSettings:
    """The settings of a layer, worked out when they are first requested.

    Most commands never request them, and for a cell in a graph they take a walk through the graph. What a layer is
    given besides its input takes a longer one, through the layers around it, and is needed by fewer commands.

    Args:
        work_out: Returns the settings.
        forget_bias: See the attribute.
        gate_order: See the attribute.
        shows_equations: See the attribute.
        add_given: Adds to the settings what the layer is given by others, if `work_out` leaves that out.

    Attributes:
        forget_bias: The constant that the cell adds to b_f at run time; None if unknown.
        gate_order: The order of the gates in the columns of the arrays, if the class does not state it: `ifoc`; empty
            if each gate has arrays of its own.
        shows_equations: Whether a graph shows that these arrays are all that the cell computes with.
    """

    __slots__ = ("_add_given", "_own", "_settings", "_work_out", "forget_bias", "gate_order", "shows_equations")

    def __init__(
        self,
        work_out: Callable[[], LayerSettings],
        forget_bias: float | None = None,
        gate_order: str | None = None,
        *,
        shows_equations: bool = False,
        add_given: Callable[[LayerSettings], LayerSettings] | None = None,
    ) -> None:
        self._work_out = work_out
        self._add_given = add_given
        self._own: LayerSettings | None = None
        self._settings: LayerSettings | None = None
        self.forget_bias = forget_bias
        self.gate_order = gate_order
        self.shows_equations = shows_equations

    def get(self) -> LayerSettings:
        """Return the settings."""
        if self._settings is None:
            self._settings = self.get_own() if self._add_given is None else self._add_given(self.get_own())
        return self._settings

    def with_stored_states(self, names: tuple[str, ...]) -> DeferredSettings:
        """Return these settings for a layer whose last states the file holds in the arrays `names`."""
        return DeferredSettings(
            self.get_own,
            self.forget_bias,
            self.gate_order,
            shows_equations=self.shows_equations,
            add_given=lambda _: self.get()._replace(stored_states=names),
        )

    def get_own(self) -> LayerSettings:
        """Return the settings, which may be without those of what the layer is given by others."""
        if self._own is None:
            self._own = self._work_out()
        return self._own


NOT_DESCRIBED = DeferredSettings(LayerSettings)
"""The settings of a layer that the file does not describe."""


def from_config(config: Mapping[str, Any], direction: str | None = None) -> LayerSettings:
    """Return the settings that a configuration of Keras, of any release, states.

    Args:
        config: The configuration of a layer or its cell, with what applies to it from the layers around it.
        direction: The half of a Bidirectional that the layer is.
    """
    return LayerSettings(
        is_described=bool(config) or direction is not None,
        direction=direction,
        activation=_activation(config, "activation"),
        recurrent_activation=(
            _activation(config, "recurrent_activation") or _activation(config, "inner_activation")  # Keras 1
        ),
        go_backwards=_flag(config, "go_backwards", null=False),
        return_sequences=_flag(config, "return_sequences"),
        return_state=_flag(config, "return_state"),
        stateful=_flag(config, "stateful"),
        time_major=_flag(config, "time_major"),
        zero_output_for_mask=_flag(config, "zero_output_for_mask"),
        unroll=_flag(config, "unroll"),
        cell_clip=bound(config.get("cell_clip"), "cell_clip"),
        projection_clip=bound(config.get("projection_clip"), "projection_clip"),
        unit_forget_bias=_unit_forget_bias(config),
        time_steps=_time_steps(config),
        policy=_mixed_policy(config),
    )


def bound(value: object, key: str) -> StatedBound:
    """Return `value`, that of the setting `key`, as a bound; None if it is None."""
    if value is None:
        return None
    number = finite_number(value)
    return InvalidSetting(key, value, "not a positive number") if number is None or number <= 0 else number


def _activation(config: Mapping[str, Any], key: str) -> StatedActivation:
    """Return the activation under `key`; null stands for linear in Keras."""
    if key not in config:
        return None
    value = config[key]
    if value is None:
        return "linear"
    if not value or not isinstance(value, (str, Mapping)):
        return InvalidSetting(key, value, "not an activation")
    return value


def _flag(config: Mapping[str, Any], key: str, *, null: bool | None = None) -> StatedFlag:
    """Return the flag under `key`, or `null` if the configuration has null there."""
    if key not in config:
        return None
    value = config[key]
    if value is None:
        return null
    return value if isinstance(value, bool) else InvalidSetting(key, value, "neither true nor false")


def _unit_forget_bias(config: Mapping[str, Any]) -> bool | None:
    if config.get("forget_bias_init") == "one":  # Keras 1
        return True
    value = config.get("unit_forget_bias")
    return value if isinstance(value, bool) else None


def _time_steps(config: Mapping[str, Any]) -> int | None:
    shape = config.get("batch_input_shape", config.get("batch_shape"))
    if isinstance(shape, Mapping):  # as TensorFlow writes a tuple
        shape = shape.get("items")
    if not isinstance(shape, (list, tuple)) or len(shape) != 3:
        return None
    return shape[1] if type(shape[1]) is int and 0 < shape[1] < _MOST_STEPS else None


def _mixed_policy(config: Mapping[str, Any]) -> str | None:
    """Return the policy under `dtype`, a word or an object, if it is one of two types."""
    policy = config.get("dtype")
    if isinstance(policy, Mapping) and isinstance(policy.get("config"), Mapping):
        policy = policy["config"].get("name")
    return policy if policy in _MIXED_POLICIES else None


def finite_number(setting: object) -> float | None:
    """Return `setting` as a number; None if it is not a number, too large or not finite.

    Some releases of Keras 2 store a number of numpy as `{"type": "ndarray", "value": 6}`.
    """
    if isinstance(setting, Mapping) and setting.get("type") == "ndarray":
        setting = setting.get("value")
    if isinstance(setting, bool) or not isinstance(setting, (int, float)):
        return None
    try:
        number = float(setting)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
