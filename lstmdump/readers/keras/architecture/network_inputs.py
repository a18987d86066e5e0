"""The inputs of a network: their names and shapes, also where Keras makes an InputLayer that the file does not list.

A Sequential of Keras 1 and 2 may begin with a layer that states the shape of its input. Keras then names the input
after this layer: `lstm_1_input`; Keras 1 after its class, with a number: `lstm_input_1`.
"""

from __future__ import annotations

from collections import Counter

from lstmdump.model.network import NetworkInput, NetworkTensor
from lstmdump.readers.keras.architecture.config import Config, ConfigLayer

_BATCH_SHAPES = ("batch_shape", "batch_input_shape")
_WITHOUT_STEPS = frozenset({"Dense", "Highway", "MaxoutDense"})
_IDS = "Embedding"


class InputNames:
    """The names of inputs that Keras makes, in a file of that generation of Keras."""

    def __init__(self, keras: int) -> None:
        self._keras = keras
        self._times: Counter[str] = Counter()

    def name_for(self, layer: ConfigLayer) -> str:
        """Return the name of the input of `layer`."""
        if self._keras > 1:
            return f"{layer.name or f'{layer.kind.lower()}_1'}_input"
        prefix = f"{layer.kind.lower()}_input"
        self._times[prefix] += 1
        return f"{prefix}_{self._times[prefix]}"


def describe_input(
    name: str, tensor: NetworkTensor, config: Config, kind: str = "InputLayer", built: object = None
) -> NetworkInput:
    """Return the description of an input.

    Args:
        name: its name.
        tensor: the call that stands for it.
        config: the configuration of its InputLayer, or of the layer that takes it.
        kind: the class of this layer.
        built: the shape that the model was built with, if the file states one.
    """
    shape = _read_batch_shape(config, kind) or _read_shape(built)
    batch = shape[0] if shape else None
    dtype = config.get("input_dtype", config.get("dtype"))
    return NetworkInput(
        name,
        tensor,
        None if shape is None else tuple(shape[1:]),
        isinstance(dtype, str) and dtype.startswith(("int", "uint")),
        batch,
    )


def _read_batch_shape(config: Config, kind: str) -> list[int | None] | None:
    stated = next((config[key] for key in _BATCH_SHAPES if config.get(key) is not None), None)
    if stated is None and isinstance(config.get("input_shape"), list):
        stated = [None, *config["input_shape"]]
    if stated is None and ("input_dim" in config or "input_length" in config):
        length, width = config.get("input_length"), config.get("input_dim")
        stated = [None, length] if kind == _IDS else [None, width] if kind in _WITHOUT_STEPS else [None, length, width]
    return _read_shape(stated)


def _read_shape(value: object) -> list[int | None] | None:
    """Return the shape in `value`, with None for lengths that are not fixed; None if it is not a shape."""
    if not isinstance(value, list) or not value:
        return None
    return value if all(one is None or type(one) is int for one in value) else None


def find_first_config(layer: ConfigLayer) -> tuple[Config, str]:
    """Return the configuration that states the input of `layer`, and its class: that of the first layer in a model."""
    listed = layer.settings.get("layers")
    while isinstance(listed, list) and listed and isinstance(listed[0], dict):
        first = listed[0]
        if first.get("class_name") == "InputLayer" and isinstance(first.get("config"), dict):
            return first["config"], "InputLayer"
        if not layer.children:
            break
        layer = layer.children[0][1]
        listed = layer.settings.get("layers")
    return layer.settings, layer.kind
