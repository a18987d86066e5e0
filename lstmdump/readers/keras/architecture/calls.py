"""The calls of layers in a functional model, which files store under `inbound_nodes`, one node for each call.

==================  ===================================================================================================
Keras 1             `[["lstm_1", 0, 0]]`: for each tensor the layer, the index of its call, and that of the output
Keras 2, tf.keras   `[["lstm_1", 0, 0, {}]]`: with keywords; `{"a": ["lstm_1", 0, 0, {}]}` for a dict of tensors; an
                    operation on one tensor is `["lstm", 0, 0, {"y": 2.0}]`, with constants in place of tensors as
                    `["_CONSTANT_VALUE", -1, 2.0, {}]`
Keras 3             `{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["lstm", 0, 0]}}],
                    "kwargs": {}}`
==================  ===================================================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.keras.architecture.config import ConfigLayer

_TENSOR, _CONSTANT = "__keras_tensor__", "_CONSTANT_VALUE"
_AT_RANDOM = frozenset({"AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D",
                        "SpatialDropout2D", "SpatialDropout3D"})  # fmt: skip
_DROPOUTS = ("dropout", "recurrent_dropout", "dropout_W", "dropout_U")
_RECURRENT = ("initial_state", "mask", "training")
_ATTENTION = ("mask", "return_attention_scores", "training", "use_causal_mask")
_HEADS = ("value", "key", "query_mask", "value_mask", "key_mask", "attention_mask", "return_attention_scores",
          "training", "use_causal_mask")  # fmt: skip
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "Attention": _ATTENTION, "AdditiveAttention": _ATTENTION,
    "MultiHeadAttention": _HEADS, "GroupQueryAttention": _HEADS,
    "LSTM": _RECURRENT, "GRU": _RECURRENT, "SimpleRNN": _RECURRENT, "RNN": _RECURRENT, "Bidirectional": _RECURRENT,
    "BatchNormalization": ("training", "mask"), "TimeDistributed": ("training", "mask"),
    "Functional": ("training", "mask"), "Model": ("training", "mask"), "Sequential": ("training", "mask"),
    "GlobalAveragePooling1D": ("mask",), "Softmax": ("mask",),
}  # fmt: skip
_MORE_INPUTS = ("initial_state", "value", "key")
_MASKS = {"mask": None, "query_mask": 0, "value_mask": 1, "key_mask": 2}


class TensorReference(NamedTuple):
    """An output of a layer in a functional model: the layer, and the indices of its call and of the output."""

    layer: str
    call: int
    output: int


class StatedCall(NamedTuple):
    """A call as a file states it, with a `TensorReference` in place of each tensor.

    Attributes:
        arguments: The positional arguments.
        keywords: The others.
    """

    arguments: tuple[object, ...]
    keywords: Mapping[str, object]

    def references(self) -> Iterator[TensorReference]:
        """Yield all tensors in the arguments."""
        yield from _find_references([*self.arguments, *self.keywords.values()])


class CallInputs(NamedTuple):
    """What the arguments of a call are to its layer.

    Attributes:
        inputs: The tensors that it is called with.
        masks: The masks that the call names, by the index of the input.
        cannot_replay: Why the call does something else than the layer does by itself; None if it does not.
        is_training: Whether it was made with `training=True`.
        keys: The keys of the inputs, if the layer is called with a dict of tensors.
    """

    inputs: tuple[TensorReference, ...]
    masks: Mapping[int, TensorReference]
    cannot_replay: str | None = None
    is_training: bool = False
    keys: tuple[str, ...] = ()


def read_calls(nodes: object, names: Collection[str]) -> list[StatedCall]:
    """Return the calls that `nodes`, the value of `inbound_nodes`, lists; `names` are those of all layers of the model.

    Raises:
        CorruptModel: A node has no form that is known.
    """
    if nodes is None:
        return []
    if not isinstance(nodes, list):
        raise CorruptModel("the architecture does not list the calls of a layer")
    return [_read_node(node, names) for node in nodes]


def read_references(value: object) -> list[TensorReference]:
    """Return the tensors in `value`, the value of `input_layers` or `output_layers`; those of a dict by their keys."""
    return list(_find_references(_replace_listed(value, None)))


def _read_node(node: object, names: Collection[str]) -> StatedCall:
    if isinstance(node, dict) and isinstance(node.get("args"), list):
        keywords = node.get("kwargs")
        found = (
            {str(key): _replace_tensors(value) for key, value in keywords.items()} if isinstance(keywords, dict) else {}
        )
        return StatedCall(tuple(map(_replace_tensors, node["args"])), found)
    if not isinstance(node, (list, dict)):
        raise CorruptModel("the architecture states a call of a layer in an unknown form")
    return StatedCall((_replace_listed(node, None),), _collect_keywords(node, names))


def _replace_tensors(value: object) -> object:
    """Return an argument of Keras 3 with a reference in place of each tensor."""
    if isinstance(value, list):
        return [_replace_tensors(one) for one in value]
    if not isinstance(value, dict):
        return value
    config = value.get("config")
    if value.get("class_name") == _TENSOR and isinstance(config, dict):
        return _require_reference(config.get("keras_history"))
    return {key: _replace_tensors(one) for key, one in value.items()}


def _replace_listed(value: object, names: Collection[str] | None) -> object:
    """Return an argument of Keras 1 or 2 with a reference in place of each list that is one.

    Args:
        value: the argument.
        names: the names of all layers, if `value` may also hold other lists; None if it only lists tensors.
    """
    if isinstance(value, dict):
        return {key: _replace_listed(one, names) for key, one in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > 2 and isinstance(value[0], str) and type(value[1]) is int:
        if value[0] == _CONSTANT:
            return value[2]
        if type(value[2]) is int and (names is None or value[0] in names):
            return TensorReference(value[0], value[1], value[2])
    return [_replace_listed(one, names) for one in value]


def _collect_keywords(node: object, names: Collection[str]) -> dict[str, object]:
    """Return the keywords of a call in Keras 2, which are repeated for each tensor."""
    if isinstance(node, list) and len(node) > 3 and isinstance(node[0], str) and isinstance(node[3], dict):
        return {str(key): _replace_listed(value, names) for key, value in node[3].items()}
    within = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found: dict[str, object] = {}
    for one in within:
        found |= _collect_keywords(one, names)
    return found


def _require_reference(history: object) -> TensorReference:
    if (isinstance(history, list) and len(history) > 2 and isinstance(history[0], str)
            and type(history[1]) is int and type(history[2]) is int):  # fmt: skip
        return TensorReference(history[0], history[1], history[2])
    raise CorruptModel("the architecture states a tensor without the layer that it is an output of")


def _find_references(value: object) -> Iterator[TensorReference]:
    for one in _list_leaves(value):
        if isinstance(one, TensorReference):
            yield one


def _list_leaves(value: object) -> Iterator[object]:
    """Yield the values in lists and dicts, those of a dict in the order of its keys, as Keras takes them."""
    if isinstance(value, list):
        for one in value:
            yield from _list_leaves(one)
    elif isinstance(value, dict):
        for key in sorted(value):
            yield from _list_leaves(value[key])
    else:
        yield value


def number_tensors(call: StatedCall) -> tuple[tuple[TensorReference, ...], list[Any], dict[str, Any]]:
    """Return the tensors of `call`, and its arguments and keywords with `{"tensor": k}` in place of the k-th."""
    found: list[TensorReference] = []

    def number(value: object) -> object:
        if isinstance(value, TensorReference):
            found.append(value)
            return {"tensor": len(found) - 1}
        if isinstance(value, list):
            return [number(one) for one in value]
        return {key: number(one) for key, one in value.items()} if isinstance(value, dict) else value

    arguments = [number(one) for one in call.arguments]
    keywords = {key: number(one) for key, one in call.keywords.items()}
    return tuple(found), arguments, keywords


def find_inputs(layer: ConfigLayer, call: StatedCall) -> CallInputs:
    """Return what the arguments of `call`, a call of `layer`, are to it."""
    if not layer.is_of_keras:
        return CallInputs(tuple(call.references()), {})
    return _CallReader(layer, call).read()


class _CallReader:
    """Reads a call of a layer of Keras: its inputs first, then what other arguments add to them."""

    def __init__(self, layer: ConfigLayer, call: StatedCall) -> None:
        self._layer = layer
        first, *rest = call.arguments or (call.keywords.get("inputs", call.keywords.get("sequences")),)
        self._first = first
        parameters = (*_PARAMETERS.get(layer.kind, ("training",)), *("another argument" for _ in rest))
        named = {key: value for key, value in call.keywords.items() if key not in ("inputs", "sequences")}
        self._keywords = {**dict(zip(parameters, rest, strict=False)), **named}
        self._inputs: list[TensorReference] = []
        self._masks: dict[int, TensorReference] = {}
        self._problem: str | None = None
        self._is_training = False

    def read(self) -> CallInputs:
        """Return the inputs of the call."""
        self._take_inputs(self._first, "a constant in place of a tensor")
        constants = self._layer.settings.get("num_constants")
        if constants and (self._layer.kind in _PARAMETERS):
            self._refuse("constants")
        for key in _MORE_INPUTS:
            if _says_something(self._keywords.get(key)):
                self._take_inputs(self._keywords[key], key)
        for key, value in self._keywords.items():
            if key not in _MORE_INPUTS and _says_something(value):
                self._take_keyword(key, value)
        keys = tuple(sorted(self._first)) if isinstance(self._first, dict) else ()
        return CallInputs(tuple(self._inputs), self._masks, self._problem, self._is_training, keys)

    def _take_inputs(self, value: object, called: str) -> None:
        leaves = list(_list_leaves(value))
        self._inputs.extend(one for one in leaves if isinstance(one, TensorReference))
        if not all(isinstance(one, TensorReference) for one in leaves):
            self._refuse(called)

    def _take_keyword(self, key: str, value: object) -> None:
        if key == "training":
            self._is_training = True
        elif key in _MASKS:
            self._take_masks(key, list(_list_leaves(value)), _MASKS[key])
        else:
            self._refuse(key if isinstance(value, (list, dict, TensorReference)) else f"{key}={str(value)[:40]}")

    def _take_masks(self, key: str, masks: Sequence[object], start: int | None) -> None:
        for place, mask in enumerate(masks, start or 0):
            if isinstance(mask, TensorReference) and place < len(self._inputs):
                self._masks[place] = mask
            elif mask is not None:
                self._refuse(key)

    def _refuse(self, what: str) -> None:
        self._problem = self._problem or f"it is called with {what}, which is not taken into account"


def _says_something(value: object) -> bool:
    """Return whether an argument differs from its default, which is None or False."""
    return any(one is not None and one is not False for one in _list_leaves(value))


def heeds_training(layer: ConfigLayer) -> bool:
    """Return whether `layer` gives something else in training than at inference, by itself or by a layer within."""
    return any(
        one.kind == "BatchNormalization"
        or (one.kind in _AT_RANDOM and one.settings.get("rate") != 0)
        or any(one.settings.get(key) for key in _DROPOUTS)
        for one in layer.walk()
    )
