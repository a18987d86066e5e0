"""What an LSTM computes beside its arrays: activations, direction, clipping, and its output at masked steps.

What the file states comes first. Where it states nothing, the defaults of the release that wrote it apply:

===============================================  ==========  ====================
release                                          activation  recurrent activation
===============================================  ==========  ====================
Keras 0.x, 1.x, 2.0 to 2.2                       tanh        hard_sigmoid
tf.keras of TensorFlow 1, its PeepholeLSTMCell   tanh        hard_sigmoid
TensorFlow.js                                    tanh        hard_sigmoid
Keras 2.3 and later, tf.keras of TensorFlow 2    tanh        sigmoid
CuDNNLSTM, the cells of TensorFlow 1             tanh        sigmoid
===============================================  ==========  ====================

Source: the layers' `__init__` in each of these releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from lstmdump.errors import CannotReplay, LstmdumpError
from lstmdump.lstm.activation_names import word_with_slope
from lstmdump.lstm.cell import LSTM
from lstmdump.lstm.release import release_of
from lstmdump.model.cell_classes import CELL_CLASSES, class_named
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.sentences import conjoined
from lstmdump.model.settings import ActivationName, InvalidSetting, LayerSettings, StatedActivation, from_config

_T = TypeVar("_T")

_NO_GRAPH = ("without the graph, the activations of the cell and the bounds of its state are not known: assuming tanh "
             "and sigmoid, the defaults of TensorFlow 1, and no bounds; --activation overrides it")  # fmt: skip


_CELL_OF_PYTORCH = ("a program runs this cell step by step, and the file does not state in which order: here it runs "
                    "forwards; --go-backwards overrides it")  # fmt: skip
_NO_ORDER_OF_STEPS = ("the operators do not show in which order the steps are taken: here the layer runs forwards; "
                      "--go-backwards overrides it")  # fmt: skip
_IN_INTEGERS = ("TensorFlow Lite also rounds what it multiplies with the arrays to integers, which is not done here: "
                "the results differ by that rounding")  # fmt: skip

_CELL_OF_ONNX = ("the graph does not show in which order the cell takes the steps: here it runs forwards; "
                 "--go-backwards overrides it")  # fmt: skip
_ORDER_NOT_SHOWN = {"ONNX": _CELL_OF_ONNX, "TensorFlow Lite": _NO_ORDER_OF_STEPS}


class Behaviour(NamedTuple):
    """How a layer computes. The defaults are those of the cells of Keras 3 and of TensorFlow 1.

    Attributes:
        activation: The activation of the candidate and of the output: its name in Keras, or its configuration.
        recurrent_activation: The activation of the gates i, f and o.
        keras: The generation of Keras that defines these names: 1, 2 or 3.
        go_backwards: Whether the last step of the input comes first.
        is_aligned: Whether the outputs of a layer that goes backwards are put back into the order of the input.
        zero_output_for_mask: Whether the output of a masked step is 0 instead of the output of the step before.
        repeats_state: Whether the output of masked steps before the first other step is the initial one instead of 0.
        cell_clip: The bound of the cell state, which is kept within ± this; None for no bound.
        projection_clip: The bound of the output of the projection.
        output_activation: The activation of the output, if it is not that of the candidate.
        gate_clip: The bound of what the gates and the candidate are computed from: their activations are applied to a
            number within ± this; None for no bound.
        notes: What the file does not state, what is assumed instead, and which option overrides it.
    """

    activation: ActivationName = "tanh"
    recurrent_activation: ActivationName = "sigmoid"
    keras: int = 3
    go_backwards: bool = False
    is_aligned: bool = False
    zero_output_for_mask: bool = False
    repeats_state: bool = False
    cell_clip: float | None = None
    projection_clip: float | None = None
    output_activation: ActivationName | None = None
    gate_clip: float | None = None
    notes: tuple[str, ...] = ()


class Stated(NamedTuple):
    """What a file states of what a layer computes beside its arrays; None where the file is silent.

    Attributes:
        activation: The activation of the candidate and of the output, in words; a hard sigmoid with its slope.
        recurrent_activation: That of the gates i, f and o.
        go_backwards: Whether the last step of the input comes first.
        return_sequences: Whether the output of every step is returned.
        stateful: Whether the last states of a batch are the first of the next.
        cell_clip: The bound of the cell state.
    """

    activation: str | None = None
    recurrent_activation: str | None = None
    go_backwards: bool | None = None
    return_sequences: bool | None = None
    stateful: bool | None = None
    cell_clip: float | None = None


class _Release(NamedTuple):
    """The release that wrote a file.

    Attributes:
        keras: The generation that defines the names of activations: 1, 2 or 3.
        words: Its name in notes.
        recurrent_activation: The default of its LSTM layers.
        defaults: The recurrent activations that are the default of some release which writes such files, each with
            these releases; empty if there is only one.
    """

    keras: int
    words: str
    recurrent_activation: str
    defaults: tuple[tuple[str, str], ...] = ()


class _Unstated(NamedTuple):
    """A setting that a file does not state: its name, the value assumed, and the option that overrides it."""

    name: str
    assumed: str
    option: str


_KERAS = r"(?:tf\.)?keras (\d{1,9})(?:\.(\d{1,9}))?"  # compiled when it is first needed, as in `release`
_TENSORFLOW = r"tensorflow (\d{1,9})"
_WITH_TIME_MAJOR = ("PyTorch", "TensorFlow Lite")
_HALVES = ("forward", "backward")
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_MAX_REASON = 400  # characters
_SHOWN = 40  # characters of a value that cannot be used
_SHOWN_LENGTHS = 8

_FIRST_WITH_SIGMOID = (2, 3)  # the release of Keras
_OF_BOTH_GENERATIONS = "2.2.4-tf"  # the version that tf.keras states in TensorFlow 1.13 to 1.15, and in 2.0
_DEFAULTS_OF_2_2_4_TF = (("hard_sigmoid", "TensorFlow 1.13 to 1.15"), ("sigmoid", "TensorFlow 2.0"))
_DEFAULTS_OF_CHECKPOINTS = (("hard_sigmoid", "TensorFlow 1.14 or 1.15"), ("sigmoid", "TensorFlow 2"))


def of(lstm: LSTM, producer: str, said: Mapping[str, Any] = _NOTHING) -> Behaviour:
    """Return the behaviour of a layer.

    Args:
        lstm: The layer.
        producer: What wrote its model: `keras 2.2.4 (tensorflow)`.
        said: Settings that override those of the file, by their names in a Keras configuration.

    Raises:
        CannotReplay: The file states that the layer computes more than the equations of an LSTM, or a setting is
            invalid.
    """
    settings, release = lstm.settings.overridden(from_config(said)) if said else lstm.settings, _release(producer)
    if settings.cannot_replay is not None:
        raise CannotReplay(settings.cannot_replay[:_MAX_REASON])
    stated_half = settings.direction
    if stated_half is not None and "go_backwards" in said:
        raise CannotReplay("it is one half of a Bidirectional, which determines its direction")
    direction = stated_half if "go_backwards" in said else half(lstm)
    stated_way = _require_valid(settings.go_backwards)
    go_backwards = direction == "backward" if stated_way is None else stated_way
    _require_valid(settings.stateful)
    written_by = release_of(producer)
    masks = written_by.masks_halves and stated_half is not None and bool(_require_valid(settings.return_sequences))
    return Behaviour(
        activation=_require_valid(settings.activation) or "tanh",
        recurrent_activation=(
            _require_valid(settings.recurrent_activation) or _default_recurrent_activation(lstm, release)
        ),
        output_activation=None if "activation" in said else _find_output_activation(settings),
        keras=release.keras,
        go_backwards=go_backwards,
        is_aligned=go_backwards and (direction is not None or bool(_require_valid(settings.is_aligned))),
        zero_output_for_mask=(
            bool(_require_valid(settings.zero_output_for_mask)) or masks or lstm.layout.is_of_tensorflow_1
        ),
        repeats_state=written_by.repeats_state and not _require_valid(settings.unroll),
        gate_clip=_require_valid(settings.gate_clip),
        cell_clip=_require_valid(settings.cell_clip),
        projection_clip=_require_valid(settings.projection_clip),
        notes=tuple(_notes(lstm, settings, release, direction)),
    )


def stated(lstm: LSTM, producer: str) -> Stated:
    """Return what the file states of what a layer in a model written by `producer` computes, without assumptions.

    The class CuDNNLSTM states its activations, because it has no others.
    """
    settings = _read_settings(lstm)
    generation = _release(producer).keras if _states_generation(producer) else None
    fixed = lstm.kind_stated and class_named(lstm.kind).is_cudnn
    return Stated(
        _name_activation(settings.activation, generation) or ("tanh" if fixed else None),
        _name_activation(settings.recurrent_activation, generation) or ("sigmoid" if fixed else None),
        _drop_invalid(settings.go_backwards),
        _drop_invalid(settings.return_sequences),
        _drop_invalid(settings.stateful),
        _drop_invalid(settings.cell_clip),
    )


def list_assumed(lstm: LSTM) -> frozenset[str]:
    """Return what `of` assumes as the file does not state it: `activation`, `recurrent_activation`, `go_backwards`.

    A default that only a graph would show, and the direction of a half that is known by its name, count as assumed.
    """
    settings = _read_settings(lstm)
    names = ["go_backwards"] if settings.go_backwards is None and settings.direction is None else []
    if not _has_fixed_activations(lstm):
        activations = ("activation", "recurrent_activation")
        names += [name for name in activations if getattr(settings, name) is None]
    return frozenset(names)


def cautions(lstm: LSTM) -> Iterator[str]:
    """Yield notes on what the file states of a layer that a reader of its arrays should know."""
    settings = _read_settings(lstm)
    if is_of_the_user(lstm):
        yield f"{_word_own_class(lstm)}: the order of its gates is assumed to be that of {lstm.layout.framework}"
    if settings.policy is not None:
        stored = conjoined(sorted({weight.tensor.dtype for weight in lstm.weights}))
        yield f"the policy is {settings.policy}: the weights are {stored}, Keras computes in {computing_type(lstm)}"
    if isinstance(settings.gate_clip, float):
        yield f"what the gates and the candidate are computed from is clipped to ±{settings.gate_clip:g}"
    if (output := _find_output_activation(settings)) is not None:
        yield f"the output goes through {word_with_slope(output, None)}, unlike the candidate"
    for value in settings:
        if isinstance(value, InvalidSetting):
            yield _word_invalid(value)


def stated_half(lstm: LSTM) -> str | None:
    """Return the half of a Bidirectional that the file states a layer to be, `forward` or `backward`."""
    return _read_settings(lstm).direction


def _read_settings(lstm: LSTM) -> LayerSettings:
    """Return the settings of a layer, or none where they cannot be read: shapes and counts do not depend on them."""
    try:
        return lstm.stated.get_own()
    except LstmdumpError:  # the commands that run the layer report it
        return LayerSettings()


def is_of_the_user(lstm: LSTM) -> bool:
    """Return whether the file states that a layer of Keras is of a class that is neither Keras's nor TensorFlow's."""
    return lstm.kind_stated and lstm.kind not in CELL_CLASSES and not lstm.layout.is_of_tensorflow_1


def computing_type(lstm: LSTM) -> str | None:
    """Return the type in which Keras computes a layer by its policy; None if it is that of the weights."""
    policy = lstm.settings.policy
    return None if policy is None else policy.removeprefix("mixed_")


def describe_lengths(lstm: LSTM) -> str | None:
    """Return the lengths of the sequences that a layer is given, or what gives them; None if no step is skipped."""
    settings = lstm.settings
    if not settings.sequence_lengths_from:
        return None
    numbers = settings.sequence_lengths
    if numbers is None:
        return f"from {settings.sequence_lengths_from}"
    shown = ", ".join(map(str, numbers[:_SHOWN_LENGTHS]))
    return f"[{shown}]" if len(numbers) <= _SHOWN_LENGTHS else f"[{shown}, …]"


def half(lstm: LSTM) -> str | None:
    """Return which half of a Bidirectional a layer is, `forward` or `backward`; by name if none is stated."""
    return lstm.settings.direction or _half_by_name(lstm)


def _half_by_name(lstm: LSTM) -> str | None:
    around, _, name = lstm.name.rpartition("/")
    if lstm.settings.is_described or not around or lstm.layout.is_of_tensorflow_1:
        return None
    return next((word for word in _HALVES if name == word or name.startswith(f"{word}_")), None)


def _release(producer: str) -> _Release:
    """Return the release that `producer` names: `keras 2.2.4 (tensorflow)`, `tf.keras 2 (tensorflow 1.15.5)`."""
    keras = re.match(_KERAS, producer)
    if keras is not None and keras[2] is not None:
        version = int(keras[1]), int(keras[2])
        return _Release(
            max(1, min(version[0], 3)),
            producer.partition(" (")[0].replace("keras", "Keras"),
            "hard_sigmoid" if version < _FIRST_WITH_SIGMOID else "sigmoid",
            _DEFAULTS_OF_2_2_4_TF if _OF_BOTH_GENERATIONS in producer else (),
        )
    if producer.startswith("keras"):
        major = int(keras[1]) if keras is not None else 3
        return _Release(max(1, major), f"Keras {major}", "hard_sigmoid" if major < 2 else "sigmoid")
    if producer.startswith("tensorflow.js"):
        return _Release(2, "TensorFlow.js", "hard_sigmoid")
    tensorflow = re.search(_TENSORFLOW, producer)
    if tensorflow is not None and tensorflow[1] == "1":
        return _Release(2, f"tf.keras of TensorFlow {tensorflow[1]}", "hard_sigmoid")
    defaults = () if tensorflow is not None else _DEFAULTS_OF_CHECKPOINTS
    return _Release(2, f"tf.keras of TensorFlow {2 if tensorflow is None else tensorflow[1]}", "sigmoid", defaults)


def _default_recurrent_activation(lstm: LSTM, release: _Release) -> str:
    if _has_fixed_activations(lstm):
        return "sigmoid"
    return "hard_sigmoid" if lstm.peepholes else release.recurrent_activation


def _has_fixed_activations(lstm: LSTM) -> bool:
    return lstm.layout.has_fixed_activations or class_named(lstm.kind).is_cudnn


def _require_valid(setting: _T | InvalidSetting | None) -> _T | None:
    """Return `setting`, or None if the file does not state it.

    Raises:
        CannotReplay: The value that the file states is invalid.
    """
    if isinstance(setting, InvalidSetting):
        raise CannotReplay(_word_invalid(setting))
    return setting


def _drop_invalid(setting: _T | InvalidSetting | None) -> _T | None:
    return None if isinstance(setting, InvalidSetting) else setting


def _word_invalid(setting: InvalidSetting) -> str:
    import json

    text = json.dumps(setting.value, default=str)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f"its configuration states {shown} for {setting.key}, which is {setting.problem}"


def _find_output_activation(settings: LayerSettings) -> ActivationName | None:
    """Return the activation of the output if it is not that of the candidate."""
    found = settings.output_activation
    return None if isinstance(found, InvalidSetting) or found == settings.activation else found


def _states_generation(producer: str) -> bool:
    """Return whether `producer` states which generation of Keras wrote the model."""
    return not producer.startswith("keras") or re.match(_KERAS, producer) is not None


def _name_activation(activation: StatedActivation, generation: int | None) -> str | None:
    stated_name = _drop_invalid(activation)
    return None if stated_name is None else word_with_slope(stated_name, generation)


def _word_own_class(lstm: LSTM) -> str:
    return f"{lstm.kind} is a class of its own, which may compute more than an LSTM"


def _notes(lstm: LSTM, settings: LayerSettings, release: _Release, direction: str | None) -> Iterator[str]:
    """Yield notes on what the file does not state, and on what a replay does otherwise than Keras."""
    if lstm.layout.framework == "PyTorch":
        yield from _note_pytorch(lstm, settings)
    elif lstm.layout.framework in _ORDER_NOT_SHOWN:
        yield from _note_graph(lstm, settings)
    elif not lstm.layout.is_of_tensorflow_1:
        unstated = list(_unstated(lstm, settings, release, direction))
        in_doubt = [one for one in unstated if release.defaults and one.assumed == release.recurrent_activation]
        if surely := [one for one in unstated if one not in in_doubt]:
            yield _word_unstated(surely, release)
        yield from (_word_doubt(one, release) for one in in_doubt)
        if settings.go_backwards is None and direction is not None:
            option = "--no-go-backwards" if direction == "backward" else "--go-backwards"
            yield f"the file does not state its direction: by its name it goes {direction}s; {option} overrides it"
        if lstm.kind_stated and not class_named(lstm.kind).is_keras_lstm:
            yield _word_own_class(lstm)
    elif settings.activation is None:
        yield _NO_GRAPH
    if _require_valid(settings.time_major):
        framework = lstm.layout.framework if lstm.layout.framework in _WITH_TIME_MAJOR else "Keras"
        yield f"in {framework} its input is (length, batch, d); here it is (batch, length, d)"
    if direction is not None and settings.go_backwards is (direction == "forward"):
        yield ("the layer in the Bidirectional around it goes backwards itself: Keras returns the steps in reverse, "
               "here they are in the order of the input")  # fmt: skip


def _note_graph(lstm: LSTM, settings: LayerSettings) -> Iterator[str]:
    if settings.go_backwards is None:
        yield _ORDER_NOT_SHOWN[lstm.layout.framework]
    if settings.computes_in_integers:
        yield _IN_INTEGERS


def _note_pytorch(lstm: LSTM, settings: LayerSettings) -> Iterator[str]:
    if settings.go_backwards is None:
        yield _CELL_OF_PYTORCH
    if lstm.kind_stated and not class_named(lstm.kind).is_keras_lstm:
        yield _word_own_class(lstm)


def _unstated(lstm: LSTM, settings: LayerSettings, release: _Release, direction: str | None) -> Iterator[_Unstated]:
    if not _has_fixed_activations(lstm):
        if settings.activation is None:
            yield _Unstated("activation", "tanh", "--activation")
        if settings.recurrent_activation is None:
            assumed = _default_recurrent_activation(lstm, release)
            yield _Unstated("recurrent activation", assumed, "--recurrent-activation")
    if settings.go_backwards is None and direction is None:
        yield _Unstated("direction", "forwards", "--go-backwards")


def _word_unstated(unstated: list[_Unstated], release: _Release) -> str:
    one = len(unstated) == 1
    names, assumed, options = ([each[place] for each in unstated] for place in range(3))
    defaults, overrides = ("default", "overrides it") if one else ("defaults", "override them")
    return (f"the file does not state its {conjoined(names)}: assuming {conjoined(assumed)}, the {defaults} of "
            f"{release.words}; {conjoined(options)} {overrides}")  # fmt: skip


def _word_doubt(unstated: _Unstated, release: _Release) -> str:
    """Return the note on a default that depends on which of several releases wrote the file, without a preference."""
    cases = " and ".join(f"{value} if {releases} wrote the file" for value, releases in release.defaults)
    return (f"the file does not state its {unstated.name}: by default it is {cases}, and the file does not tell which "
            f"did; assuming {unstated.assumed}; {unstated.option} overrides it")  # fmt: skip
