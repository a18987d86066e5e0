"""Read layers from their descriptions, so that they can be run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lstmdump.errors import CannotReplay
from lstmdump.lstm.activation_names import get_config, unwrap
from lstmdump.lstm.release import KerasRelease
from lstmdump.model import budget
from lstmdump.model.network import NetworkDescription, NetworkLayer
from lstmdump.model.settings import finite_number
from lstmdump.model.tensor import Array, Tensor
from lstmdump.replay import activations
from lstmdump.replay.activations.elementwise import Activation
from lstmdump.replay.equations import CellNumbers
from lstmdump.replay.layers.base import RunnableLayer


class ExpectedArray(NamedTuple):
    """An array that a layer of a class has.

    Attributes:
        name: Its name in Keras 2 and 3.
        shape: Its shape; None for a length that the configuration does not determine.
        aliases: Its names in other releases.
    """

    name: str
    shape: tuple[int | None, ...]
    aliases: tuple[str, ...] = ()

    def match(self, name: str) -> int:
        """Return how many characters of `name`, that of a stored array, are a name of this one; 0 if it has none.

        The name stands alone, or after that of the layer.
        """
        aliases = (self.name, *self.aliases)
        return max(
            (len(alias) for alias in aliases if name == alias or name.endswith((f"_{alias}", f"/{alias}"))), default=0
        )


class LayerReader:
    """Reads the layers of one model.

    Attributes:
        release: What wrote the model.
        dtype: The dtype of all numbers.
        read_lstm: Returns the numbers of the LSTM that a description belongs to.
        has_fixed_batch: Whether the model states the size of its batch; None if only some of its inputs do.

    Args:
        release: What wrote the model.
        dtype: The dtype of all numbers, `float32` or `float64`.
        read_lstm: Returns the numbers of the LSTM that a description belongs to.
        build: Returns the layer of a description, for wrappers.
        build_network: Returns the layer of this name that runs a network, for wrappers of a model.
        has_fixed_batch: See the attribute.
    """

    def __init__(
        self,
        release: KerasRelease,
        dtype: str,
        read_lstm: Callable[[NetworkLayer], CellNumbers],
        build: Callable[[NetworkLayer, LayerReader], RunnableLayer],
        build_network: Callable[[str, NetworkDescription, LayerReader], RunnableLayer] | None = None,
        *,
        has_fixed_batch: bool | None = False,
    ) -> None:
        self.release = release
        self.dtype = dtype
        self.read_lstm = read_lstm
        self.has_fixed_batch = has_fixed_batch
        self._build = build
        self._build_network = build_network

    def build(self, layer: NetworkLayer) -> RunnableLayer:
        """Return the layer that `layer` describes, read.

        Raises:
            CannotReplay: It cannot be computed; the message names it.
        """
        return self._build(layer, self)

    def build_network(self, name: str, network: NetworkDescription) -> RunnableLayer:
        """Return the layer `name` that runs `network`, read.

        Raises:
            CannotReplay: A layer in it cannot be computed; the message names it.
        """
        if self._build_network is None:
            raise CannotReplay(f"{name} runs a model, which cannot be computed")
        return self._build_network(name, network, self)

    def arrays(self, layer: NetworkLayer, expected: Sequence[ExpectedArray]) -> dict[str, Array]:
        """Return the arrays of `layer` by the names in `expected`, which are in the order of Keras.

        Arrays are found by name; in files that only number them, by their order.

        Raises:
            CannotReplay: The layer has other arrays, or an array has another shape.
        """
        found = _find_arrays(layer.weights, expected)
        if found is None:
            raise CannotReplay(f"{layer.name}: its arrays {', '.join(layer.weights) or '(none)'} are not those of "
                               f"{layer.kind}, {', '.join(one.name for one in expected)}")  # fmt: skip
        for one, tensor in zip(expected, found, strict=True):
            if not _has_shape(tensor.shape, one.shape):
                raise CannotReplay(f"{layer.name}: its {one.name} is {tensor.shape}, and not {_show_shape(one.shape)}")
        return {one.name: self._read(tensor) for one, tensor in zip(expected, found, strict=True)}

    def _read(self, tensor: Tensor) -> Array:
        values = tensor.read().astype(self.dtype)
        budget.allow(values.nbytes, copies=budget.HANDED_ON)
        return values

    def activation(self, layer: NetworkLayer, key: str = "activation", default: object = "linear") -> Activation:
        """Return the activation under `key` in the configuration of `layer`; null stands for linear.

        Raises:
            CannotReplay: It is not one of Keras's own.
        """
        return self.activation_named(layer, layer.config.get(key, default))

    def activation_named(self, layer: NetworkLayer, what: object) -> Activation:
        """Return the activation that `what`, a word or an object, means in this release.

        Raises:
            CannotReplay: It is not one of Keras's own.
        """
        try:
            found = activations.named(what, self.release.keras)
        except CannotReplay as error:
            raise CannotReplay(f"{layer.name}: {str(error).partition(';')[0]}") from error
        core = unwrap(what)
        if found.mixes_units and isinstance(core, Mapping) and get_config(core).get("axis", -1) not in (-1, [-1]):
            raise CannotReplay(f"{layer.name}: its activation acts along another axis than the last")
        return found


def setting(layer: NetworkLayer, *keys: str, default: Any = None) -> Any:
    """Return the setting under the first of `keys` that the configuration of `layer` has, or `default`."""
    return next((layer.config[key] for key in keys if key in layer.config), default)


def number_setting(layer: NetworkLayer, *keys: str, default: float) -> float:
    """Return the setting as `setting` does.

    Raises:
        CannotReplay: It is not a finite number.
    """
    found = setting(layer, *keys, default=default)
    number = finite_number(found)
    if number is None:
        raise CannotReplay(f"{layer.name}: its {keys[0]} is {str(found)[:80]}, and not a number")
    return number


def _find_arrays(weights: Mapping[str, Tensor], expected: Sequence[ExpectedArray]) -> list[Tensor] | None:
    if len(weights) != len(expected):
        return None
    best = {name: max(one.match(name) for one in expected) for name in weights}  # not `kernel` of `recurrent_kernel`
    named = [[tensor for name, tensor in weights.items() if best[name] and one.match(name) == best[name]]
             for one in expected]  # fmt: skip
    if all(len(found) == 1 for found in named):
        return [found[0] for found in named]
    return None if any(named) else list(weights.values())


def _has_shape(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        length in (found, None) for length, found in zip(expected, shape, strict=True)
    )


def _show_shape(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if length is None else str(length) for length in shape)}{',' * (len(shape) == 1)})"
