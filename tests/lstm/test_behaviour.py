from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from support.settings import stated
from support.tflite_builders import lstm_arrays

from lstmdump.errors import CannotReplay
from lstmdump.lstm import LSTM, Gate, LSTMWeight, Role, behaviour
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.lstm.find import read_lstm
from lstmdump.lstm.gate_layouts import CUDNN, TWO_KERNELS
from lstmdump.lstm.tf1_cells import TF1_CELL
from lstmdump.model.settings import DeferredSettings, LayerSettings
from lstmdump.model.tensor import Tensor, derived
from lstmdump.model.tree import Layer

KERAS_3 = "keras 3.9.0"
STATED = {"activation": "relu", "recurrent_activation": "softsign", "go_backwards": False}


def tensor(*shape: int) -> Any:
    array = np.zeros(shape, np.float32)
    return derived("x", shape, "float32", lambda first, last: array[first:last])


def lstm(
    settings: dict[str, Any] | None = None,
    kind: str = "LSTM",
    *,
    name: str = "one",
    direction: str | None = None,
    extra: Role | None = None,
    **options: Any,
) -> LSTM:
    """An LSTM of one unit on one input, with these SETTINGS, and an array of the role EXTRA.

    DIRECTION is the half of a Bidirectional that it is.
    """
    gate = Gate(tensor(1, 1), tensor(1, 1), tensor(1))
    shapes = {Role.DOUBLED_BIAS: (8,), Role.FUSED_KERNEL: (2, 4), Role.PEEPHOLE: (1,)}
    layouts = {Role.DOUBLED_BIAS: CUDNN, Role.FUSED_KERNEL: TF1_CELL}
    layout = TWO_KERNELS if extra is None else layouts.get(extra, TWO_KERNELS)
    weights = () if extra is None else (LSTMWeight(extra, "extra", tensor(*shapes[extra])),)
    options.setdefault("stated", stated(settings or {}, direction))
    return LSTM(name, kind, 1, 1, weights, layout, dict.fromkeys("ifco", gate), **options)


def of(settings: dict[str, Any] | None = None, producer: str = KERAS_3, **options: Any) -> Behaviour:
    return behaviour.of(lstm(settings, **options), producer)


# --- activations


def test_activations_are_those_that_the_file_states() -> None:
    found = of(STATED)
    assert (found.activation, found.recurrent_activation, found.notes) == ("relu", "softsign", ())


def test_keras_1_calls_the_recurrent_activation_the_inner_one() -> None:
    found = of({"activation": "relu", "inner_activation": "softsign"}, "keras 1.2.2 (tensorflow)")
    assert found.recurrent_activation == "softsign"


def test_no_activation_is_the_linear_one() -> None:
    assert of(STATED | {"activation": None}).activation == "linear"


def test_an_activation_that_is_an_object_stays_as_it_is() -> None:
    custom = {"module": "builtins", "class_name": "function", "config": "mine", "registered_name": "function"}
    found = of(STATED | {"recurrent_activation": custom})
    assert found.recurrent_activation == custom
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes


# The default of `LSTM.__init__` in each release.
DEFAULTS = [
    ("keras 0.x", "hard_sigmoid", 1),
    ("keras 1.x (theano)", "hard_sigmoid", 1),
    ("keras 1.2.2 (tensorflow)", "hard_sigmoid", 1),
    ("keras 2.0.0 (tensorflow)", "hard_sigmoid", 2),
    ("keras 2.2.5 (tensorflow)", "hard_sigmoid", 2),
    ("keras 2.3.0 (tensorflow)", "sigmoid", 2),
    ("keras 2.1.6-tf (tensorflow)", "hard_sigmoid", 2),
    ("keras 2.2.4-tf (tensorflow)", "hard_sigmoid", 2),
    ("keras 2.3.0-tf (tensorflow)", "sigmoid", 2),
    ("keras 2.4.0 (tensorflow)", "sigmoid", 2),
    ("keras 2.12.0", "sigmoid", 2),
    ("keras 2.12 to 2.14", "sigmoid", 2),
    ("keras 3.6 or later", "sigmoid", 3),
    ("keras 3.15.1 (tensorflow)", "sigmoid", 3),
    ("keras 10.0.0", "sigmoid", 3),
    ("keras of an unknown version", "sigmoid", 3),
    ("keras 3 (tensorflow 2.16.1)", "sigmoid", 3),
    ("tf.keras 2 (tensorflow)", "sigmoid", 2),
    ("tf.keras 2 (tensorflow 1.15.5)", "hard_sigmoid", 2),
    ("tf.keras 2 (tensorflow 2.9.3)", "sigmoid", 2),
    ("tf.keras (tensorflow 1.15.5)", "hard_sigmoid", 2),
    ("tensorflow 1", "hard_sigmoid", 2),
    ("tensorflow 1.15.5", "hard_sigmoid", 2),
    ("tensorflow 2", "sigmoid", 2),
    ("tensorflow 2.21.0", "sigmoid", 2),
]


@pytest.mark.parametrize(("producer", "recurrent", "keras"), DEFAULTS, ids=[row[0] for row in DEFAULTS])
def test_unstated_activations_and_the_meaning_of_words_are_those_of_the_release(
    producer: str, recurrent: str, keras: int
) -> None:
    found = of(producer=producer)
    assert (found.activation, found.recurrent_activation, found.keras) == ("tanh", recurrent, keras)


@pytest.mark.parametrize("options", [{"kind": "CuDNNLSTM"}, {"extra": Role.DOUBLED_BIAS}, {"extra": Role.FUSED_KERNEL}])
def test_cells_of_cudnn_and_of_tensorflow_1_have_tanh_and_sigmoid(options: dict[str, Any]) -> None:
    found = of(producer="keras 2.2.4 (tensorflow)", **options)
    assert (found.activation, found.recurrent_activation) == ("tanh", "sigmoid")


def test_a_cell_with_peepholes_has_the_default_of_tensorflow_1_in_all_releases() -> None:
    found = of(producer="tf.keras 2 (tensorflow 2.9.3)", kind="PeepholeLSTMCell", extra=Role.PEEPHOLE)
    assert found.recurrent_activation == "hard_sigmoid"


def test_a_note_states_what_is_assumed_and_which_options_override_it() -> None:
    (note,) = of(producer="keras 2.2.4 (tensorflow)").notes
    assert note == (
        "the file does not state its activation, recurrent activation and direction: assuming tanh, hard_sigmoid and "
        "forwards, the defaults of Keras 2.2.4; --activation, --recurrent-activation and --go-backwards override them"
    )


def test_only_the_direction_of_a_cudnn_layer_is_unknown() -> None:
    (note,) = of(producer="keras 2.2.4 (tensorflow)", kind="CuDNNLSTM").notes
    assert note == (
        "the file does not state its direction: assuming forwards, the default of Keras 2.2.4; --go-backwards overrides it"
    )


@pytest.mark.parametrize(
    ("producer", "words"),
    [
        ("keras 2.2.4-tf (tensorflow)",
         ("the file does not state its recurrent activation: by default it is hard_sigmoid if TensorFlow 1.13 to 1.15 "
         "wrote the file and sigmoid if TensorFlow 2.0 wrote the file, and the file does not tell which did; assuming "
         "hard_sigmoid; --recurrent-activation overrides it")),
        ("tf.keras 2 (tensorflow)",
         ("the file does not state its recurrent activation: by default it is hard_sigmoid if TensorFlow 1.14 or 1.15 "
         "wrote the file and sigmoid if TensorFlow 2 wrote the file, and the file does not tell which did; assuming "
         "sigmoid; --recurrent-activation overrides it")),
    ],
)  # fmt: skip
def test_two_defaults_of_releases_that_write_the_same_are_named_alike(producer: str, words: str) -> None:
    assert of({"activation": "tanh", "go_backwards": False}, producer).notes == (words,)


def test_a_default_without_doubt_has_a_note_of_its_own() -> None:
    notes = of(producer="keras 2.2.4-tf (tensorflow)").notes
    assert notes[0].startswith("the file does not state its activation and direction: assuming tanh and forwards, ")
    assert len(notes) == 2


def test_a_stated_recurrent_activation_leaves_no_doubt() -> None:
    assert of(STATED, "keras 2.2.4-tf (tensorflow)").notes == ()


# --- what the file states, without assumptions


def stated_of(settings: dict[str, Any] | None = None, producer: str = KERAS_3, **options: Any) -> behaviour.Stated:
    return behaviour.stated(lstm(settings, **options), producer)


def test_a_file_that_states_nothing_gives_none_instead_of_defaults() -> None:
    assert stated_of() == (None, None, None, None, None, None)


def test_settings_are_stated_as_the_file_has_them() -> None:
    settings = STATED | {"return_sequences": True, "stateful": False, "cell_clip": 3}
    assert stated_of(settings) == ("relu", "softsign", False, True, False, 3.0)


@pytest.mark.parametrize(
    ("producer", "words"),
    [
        ("keras 1.2.2 (theano)", "hard_sigmoid(0.2x+0.5)"),
        ("keras 2.2.4-tf (tensorflow)", "hard_sigmoid(0.2x+0.5)"),
        ("keras 2.15.0", "hard_sigmoid(0.2x+0.5)"),
        ("tf.keras 2 (tensorflow 2.9.3)", "hard_sigmoid(0.2x+0.5)"),
        ("keras 3.0.5", "hard_sigmoid(x/6+0.5)"),
        ("keras 3 (tensorflow 2.16.1)", "hard_sigmoid(x/6+0.5)"),
        ("keras of an unknown version", "hard_sigmoid"),
    ],
)
def test_a_hard_sigmoid_has_the_slope_of_its_release(producer: str, words: str) -> None:
    found = stated_of({"activation": "hard_sigmoid", "recurrent_activation": "hard_sigmoid"}, producer)
    assert (found.activation, found.recurrent_activation) == (words, words)


def test_a_function_of_the_user_called_hard_sigmoid_has_no_slope() -> None:
    own = {"module": "mine", "class_name": "function", "config": "hard_sigmoid", "registered_name": "function"}
    assert "0.5" not in str(stated_of({"activation": own}).activation)


def test_the_class_cudnnlstm_states_its_activations() -> None:
    found = stated_of({"stateful": False}, kind="CuDNNLSTM")
    assert (found.activation, found.recurrent_activation) == ("tanh", "sigmoid")


def test_shapes_of_cudnn_alone_state_no_activations() -> None:
    found = stated_of(kind="CuDNNLSTM", kind_stated=False, extra=Role.DOUBLED_BIAS)
    assert (found.activation, found.recurrent_activation) == (None, None)


def test_an_invalid_setting_is_not_stated_but_noted() -> None:
    broken = lstm({"activation": 7, "stateful": "yes"})
    assert behaviour.stated(broken, KERAS_3).activation is None
    assert list(behaviour.cautions(broken)) == [
        "its configuration states 7 for activation, which is not an activation",
        'its configuration states "yes" for stateful, which is neither true nor false',
    ]


@pytest.mark.parametrize(
    "policy",
    ["mixed_float16", {"class_name": "Policy", "config": {"name": "mixed_float16"}},
     {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}, "registered_name": None}],
)  # fmt: skip
def test_a_mixed_policy_is_noted_with_both_types(policy: object) -> None:
    made = lstm({"dtype": policy}, extra=Role.PEEPHOLE)
    assert list(behaviour.cautions(made)) == [
        "the policy is mixed_float16: the weights are float32, Keras computes in float16"
    ]


@pytest.mark.parametrize("policy", ["float32", "float16", None, 7, {"config": 7}, {"config": {"name": ["x"]}}])
def test_a_policy_of_one_type_is_not_noted(policy: object) -> None:
    assert list(behaviour.cautions(lstm({"dtype": policy}))) == []


def test_a_class_of_the_user_is_noted() -> None:
    assert list(behaviour.cautions(lstm(kind="Hand"))) == [
        (
            "Hand is a class of its own, which may compute more than an LSTM: the order of its gates is assumed to be "
            "that of Keras"
        )
    ]


def test_a_class_of_the_user_in_tensorflow_1_has_no_note_on_the_order_of_keras() -> None:
    assert list(behaviour.cautions(lstm(kind="LN_LSTMCell", extra=Role.FUSED_KERNEL))) == []


def test_settings_that_cannot_be_read_are_not_stated() -> None:
    def refuse() -> LayerSettings:
        raise CannotReplay("the graph has too many nodes there")

    broken = lstm(stated=DeferredSettings(refuse))
    assert behaviour.stated(broken, KERAS_3) == behaviour.Stated()
    assert (list(behaviour.cautions(broken)), behaviour.stated_half(broken)) == ([], None)


# --- direction


def test_a_layer_that_goes_backwards_gives_its_steps_in_that_order() -> None:
    found = of(STATED | {"go_backwards": True})
    assert (found.go_backwards, found.is_aligned) == (True, False)


@pytest.mark.parametrize(("direction", "backwards"), [("forward", False), ("backward", True)])
def test_the_backward_half_of_a_bidirectional_gives_its_steps_in_the_order_of_the_input(
    direction: str, backwards: bool
) -> None:
    found = of(STATED | {"go_backwards": backwards}, direction=direction)
    assert (found.go_backwards, found.is_aligned, found.notes) == (backwards, backwards, ())


@pytest.mark.parametrize(("direction", "backwards"), [("forward", True), ("backward", False)])
def test_reversed_halves_are_aligned_with_the_input_and_noted(direction: str, backwards: bool) -> None:
    found = of(STATED | {"go_backwards": backwards}, direction=direction)
    assert (found.go_backwards, found.is_aligned) == (backwards, backwards)
    assert "Keras returns the steps in reverse" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "backwards"),
    [
        ("bidirectional_1/backward_lstm_1", True),
        ("bidirectional_1/backward", True),
        ("bidirectional_1/forward_lstm_1", False),
        ("backward_lstm", False),  # of no Bidirectional
        ("bidirectional/backwardness", False),
    ],
)
def test_a_half_goes_by_its_name_where_the_file_states_nothing(name: str, backwards: bool) -> None:
    found = of(name=name)
    assert (found.go_backwards, found.is_aligned) == (backwards, backwards)


@pytest.mark.parametrize("value", ["both", "backward", 1, [], {"a": 1}, None])
def test_a_key_called_direction_in_a_configuration_is_the_users_own(value: object) -> None:
    assert of(STATED | {"direction": value, "return_sequences": True}) == of(STATED)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("b/backward_lstm_1", "by its name it goes backwards; --no-go-backwards overrides it"),
        ("b/forward_lstm_1", "by its name it goes forwards; --go-backwards overrides it"),
    ],
)
def test_a_note_states_that_the_direction_comes_from_the_name(name: str, words: str) -> None:
    defaults, direction = of(name=name, producer="keras 2.2.4 (tensorflow)").notes
    assert direction == f"the file does not state its direction: {words}"
    assert defaults == (
        "the file does not state its activation and recurrent activation: assuming tanh and hard_sigmoid, the "
        "defaults of Keras 2.2.4; --activation and --recurrent-activation override them"
    )


def test_the_note_on_the_name_stays_where_a_setting_is_overridden() -> None:
    found = behaviour.of(lstm(name="bidirectional_1/backward_lstm_1"), KERAS_3, {"activation": "relu"})
    assert any("by its name it goes backwards" in note for note in found.notes)


def test_a_name_does_not_count_where_the_file_states_the_direction() -> None:
    assert not of(STATED, name="model/backward_lstm").go_backwards


# --- masks


# `Bidirectional.__init__`: not in Keras up to 2.3; in tf.keras since TensorFlow 1.13.
@pytest.mark.parametrize(
    ("producer", "zero"),
    [
        ("keras 1.2.2 (tensorflow)", False),
        ("keras 2.3.1 (tensorflow)", False),
        ("keras 2.1.6-tf (tensorflow)", False),
        ("keras 2.2.4-tf (tensorflow)", True),
        ("keras 2.3.0-tf (tensorflow)", True),
        ("keras 2.4.0 (tensorflow)", True),
        ("keras 3.0.5", True),
        ("tf.keras 2 (tensorflow 2.9.3)", True),
    ],
)
def test_halves_that_return_sequences_return_0_at_masked_steps_in_later_releases(producer: str, zero: bool) -> None:
    settings = STATED | {"return_sequences": True}
    assert of(settings, producer, direction="forward").zero_output_for_mask is zero


def test_halves_that_return_the_last_output_do_not() -> None:
    assert not of(STATED | {"return_sequences": False}, direction="forward").zero_output_for_mask


def test_a_layer_outside_a_bidirectional_does_if_the_file_states_it() -> None:
    assert of(STATED | {"zero_output_for_mask": True}).zero_output_for_mask
    assert not of(STATED | {"return_sequences": True}).zero_output_for_mask


@pytest.mark.parametrize(
    ("producer", "repeats"), [("keras 2.2.4 (tensorflow)", True), ("keras 2.2.5 (tensorflow)", False), (KERAS_3, False)]
)
def test_the_initial_output_stays_at_masked_steps_in_old_releases(producer: str, repeats: bool) -> None:
    assert of(STATED, producer).repeats_state is repeats
    assert not of(STATED | {"unroll": True}, producer).repeats_state


# `dynamic_rnn` past `sequence_length`
def test_a_cell_of_tensorflow_1_returns_0_at_masked_steps() -> None:
    assert of({"activation": "tanh"}, "tensorflow 1", extra=Role.FUSED_KERNEL).zero_output_for_mask


# --- other notes


def test_the_backward_half_of_tensorflow_1_goes_backwards_without_a_note() -> None:
    found = of({"activation": "tanh"}, "tensorflow 1", direction="backward", extra=Role.FUSED_KERNEL)
    assert (found.go_backwards, found.is_aligned, found.notes) == (True, True, ())


def test_cells_of_tensorflow_1_are_clipped_as_the_file_states() -> None:
    settings = {"activation": "tanh", "cell_clip": 3, "projection_clip": 0.5}
    found = of(settings, "tensorflow 1", extra=Role.FUSED_KERNEL)
    assert (found.cell_clip, found.projection_clip, found.notes) == (3.0, 0.5, ())


def test_a_cell_of_tensorflow_1_whose_graph_computes_something_else_cannot_be_replayed() -> None:
    found = DeferredSettings(lambda: LayerSettings(cannot_replay="its candidate goes through Erf"))
    with pytest.raises(CannotReplay, match="its candidate goes through Erf"):
        of(producer="tensorflow 1", extra=Role.FUSED_KERNEL, stated=found)


@pytest.mark.parametrize(("settings", "noted"), [({}, True), ({"activation": "tanh"}, False)])
def test_a_cell_of_tensorflow_1_without_its_graph_has_a_note(settings: dict[str, Any], noted: bool) -> None:
    notes = of({"forget_bias": 1.0, **settings}, "tensorflow 1", extra=Role.FUSED_KERNEL).notes
    words = "without the graph, the activations of the cell and the bounds of its state are not known"
    assert [note.startswith(words) for note in notes] == [True] * noted


def test_a_custom_class_is_replayed_with_a_note() -> None:
    assert of(STATED, kind="MyLSTM").notes == ("MyLSTM is a class of its own, which may compute more than an LSTM",)


def test_a_time_major_layer_has_a_note_on_its_input() -> None:
    assert of(STATED | {"time_major": True}).notes == (
        "in Keras its input is (length, batch, d); here it is (batch, length, d)",
    )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("activation", 5, "5 for activation, which is not an activation"),
        ("activation", "", '"" for activation, which is not an activation'),
        ("recurrent_activation", ["tanh"], '["tanh"] for recurrent_activation, which is not an activation'),
        ("go_backwards", "yes", '"yes" for go_backwards, which is neither true nor false'),
        ("go_backwards", 1, "1 for go_backwards, which is neither true nor false"),
        ("zero_output_for_mask", [], "[] for zero_output_for_mask, which is neither true nor false"),
        ("stateful", "x" * 1000, '"' + "x" * 39 + "… for stateful, which is neither true nor false"),
        ("cell_clip", -1.0, "-1.0 for cell_clip, which is not a positive number"),
        pytest.param(
            "cell_clip", 10**400, "1" + "0" * 39 + "… for cell_clip, which is not a positive number", id="too large"
        ),
        ("cell_clip", True, "true for cell_clip, which is not a positive number"),
        ("cell_clip", float("nan"), "NaN for cell_clip, which is not a positive number"),
    ],
)
def test_a_setting_of_a_wrong_type_is_refused(key: str, value: object, words: str) -> None:
    with pytest.raises(CannotReplay) as caught:
        of(STATED | {key: value})
    assert str(caught.value) == f"its configuration states {words}"


def of_tensorflow_lite(**settings: Any) -> tuple[str, ...]:
    """Return the notes on a layer of TensorFlow Lite with these settings."""
    arrays = {
        name: Tensor(name, array.shape, "float32", array.__getitem__) for name, array in lstm_arrays(3, 4).items()
    }
    stated = DeferredSettings(
        lambda: LayerSettings(True, activation="tanh", recurrent_activation="sigmoid", **settings)
    )
    layer = Layer(("lstm",), "LSTM", arrays, stated=stated)
    return behaviour.of(read_lstm(layer, "", ("TensorFlow Lite",)), "tensorflow lite").notes


def test_a_layer_of_tensorflow_lite_whose_operators_state_all_has_no_note() -> None:
    assert of_tensorflow_lite(go_backwards=False, computes_in_integers=False) == ()


def test_a_layer_of_tensorflow_lite_without_an_order_of_steps_is_assumed_to_go_forwards() -> None:
    (note,) = of_tensorflow_lite(go_backwards=None)
    assert note == (
        "the operators do not show in which order the steps are taken: here the layer runs forwards; "
        "--go-backwards overrides it"
    )


def test_integers_in_tensorflow_lite_are_not_computed_with() -> None:
    (note,) = of_tensorflow_lite(go_backwards=False, computes_in_integers=True)
    assert note.startswith("TensorFlow Lite also rounds what it multiplies with the arrays to integers")


def test_the_input_of_tensorflow_lite_may_be_time_major() -> None:
    (note,) = of_tensorflow_lite(go_backwards=False, time_major=True)
    assert note == "in TensorFlow Lite its input is (length, batch, d); here it is (batch, length, d)"
