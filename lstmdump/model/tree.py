"""The result of every reader: a tree of layers with their stored arrays, independent of formats and of LSTMs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from lstmdump.errors import CorruptModel, RefusedModel
from lstmdump.model.limits import DEFAULTS, Limits, limit_exceeded
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.sentences import listed
from lstmdump.model.settings import NOT_DESCRIBED, DeferredSettings
from lstmdump.model.tensor import Tensor

if TYPE_CHECKING:
    from lstmdump.model.network import NetworkDescription

LayerPath = tuple[str, ...]
FOUND_BY_SHAPE = "found by shape: "
NO_ARRAYS = "the file holds no arrays: the model was saved before it had weights"
NO_CLASSES = f"{FOUND_BY_SHAPE}the file holds no layer classes"
_SHOWN = 40  # characters of a name that is too long


class Weight(NamedTuple):
    """A stored array and its position in the model.

    Attributes:
        layer: The names of the layers around it, outermost first.
        leaf: Its own name.
        tensor: The array.
    """

    layer: LayerPath
    leaf: str
    tensor: Tensor


class Layer:
    """A node of the model: a layer, a cell, or a nested model.

    Attributes:
        path: The names of the layers around it and its own, outermost first; empty for the model itself.
        kind: The class that the file states, if any.
        weights: The arrays of this layer itself, by their own names (`kernel`, `W_i`, …).
        children: The layers directly within, by name, in the order of the model.
        stated: What the file states about the computation of the layer, worked out on request.
    """

    __slots__ = ("children", "kind", "path", "stated", "weights")

    def __init__(
        self,
        path: LayerPath,
        kind: str | None = None,
        weights: dict[str, Tensor] | None = None,
        *,
        stated: DeferredSettings = NOT_DESCRIBED,
    ) -> None:
        self.path = path
        self.kind = kind
        self.weights = {} if weights is None else weights
        self.children: dict[str, Layer] = {}
        self.stated = stated

    @property
    def name(self) -> str:
        """The path joined by slashes, without the name of the model: `bidirectional/forward_lstm`."""
        return "/".join(self.path)

    def walk(self) -> Iterator[Layer]:
        """Yield this layer and all below it, outer before inner, in the order of the model."""
        waiting = [self]
        while waiting:
            layer = waiting.pop()
            yield layer
            waiting.extend(reversed(layer.children.values()))


def grow(
    weights: Iterable[Weight],
    kinds: Mapping[LayerPath, str],
    settings: Mapping[LayerPath, DeferredSettings] | None = None,
    limits: Limits = DEFAULTS,
) -> Layer:
    """Build the tree of layers that holds `weights`, in their order.

    Args:
        weights: The arrays and their positions.
        kinds: The classes of layers that the file states, by path.
        settings: What else the file states about layers, by path.
        limits: The limits for depth and names.

    Raises:
        CorruptModel: Two arrays have the same layer and name.
        RefusedModel: Layers are nested deeper than `limits` allows, or have longer names.
    """
    root = Layer(())
    settings = settings or {}
    grown: dict[LayerPath, Layer] = {(): root}
    for layer, leaf, tensor in weights:
        if len(layer) > limits.nesting:
            words = f"layers are nested more than {limits.nesting} deep"
            raise limit_exceeded("nesting", words, needed=len(layer))
        if len(tensor.name) > limits.name_length:
            raise name_too_long(tensor.name)
        node = grown.get(layer)
        if node is None:
            node = grown[layer] = _grow_layer(root, layer, kinds, settings, limits)
        if leaf in node.weights:
            raise CorruptModel(f"{node.name} holds two arrays called {leaf}")
        node.weights[leaf] = tensor
    return root


def _grow_layer(
    root: Layer,
    layer: LayerPath,
    kinds: Mapping[LayerPath, str],
    settings: Mapping[LayerPath, DeferredSettings],
    limits: Limits,
) -> Layer:
    """Return the layer with the path `layer` below `root`, made with those around it if there is none."""
    node = root
    for name in layer:
        if name not in node.children:
            path = (*node.path, name)
            if sum(map(len, path)) + len(node.path) > limits.name_length:
                raise name_too_long("/".join(path))
            node.children[name] = Layer(path, kinds.get(path), stated=settings.get(path, NOT_DESCRIBED))
        node = node.children[name]
    return node


def note_states(states: Iterable[tuple[str, Tensor]]) -> list[str]:
    """Return the note on the states of stateful layers that a file holds: pairs of the name of a layer and a state."""
    known = list(states)
    names = listed(list(dict.fromkeys(name for name, _ in known)))
    batches = {tensor.shape[0] for _, tensor in known if tensor.shape}
    batch = f" (batch {batches.pop()})" if len(batches) == 1 else ""
    return [f"holds the states of {names}{batch}: they are not parameters, and --all lists them"] if known else []


def name_too_long(name: str) -> RefusedModel:
    """Return the error for a `name` that is longer than the limits allow."""
    words = f"a name of {len(name):,} characters, {name[:_SHOWN]}…"
    return limit_exceeded("name_length", words, needed=len(name))


class Source(NamedTuple):
    """The input of a layer that follows other layers and takes their outputs at every step.

    Attributes:
        layers: The paths of those layers; two for the halves of a Bidirectional.
        join: The `merge_mode` of Keras for these two: `concat`, `sum`, `mul` or `ave`.
        is_within_layer: Whether one layer of the framework holds them all, as nn.LSTM does: no other layer can be
            between them.
    """

    layers: tuple[LayerPath, ...]
    join: str = "concat"
    is_within_layer: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the layers: their paths joined by slashes."""
        return tuple(map("/".join, self.layers))


Sources: TypeAlias = "Mapping[LayerPath, Source]"
"""The source of each layer that directly follows other recurrent layers, by the path of the layer."""


def _release_nothing() -> None:
    """Do nothing, for a model without an open file."""


def _make_empty_layer() -> Layer:
    """Return a layer without arrays, for a model whose arrays are all in its tree."""
    return Layer(())


def _describe_nothing() -> NetworkDescription | None:
    """Return None, for a file that does not describe how layers are connected."""
    return None


class Model(NamedTuple):
    """A model file, open for reading. Use it as a context manager: after it, shapes remain, and values cannot be read.

    Attributes:
        format: A value of the key `format` in the JSON output.
        producer: The program that wrote the file, as far as the file states it: `keras 2.2.4 (tensorflow)`.
        root: The tree of layers.
        notes: Notes on the file as a whole.
        countable: Whether the file states which arrays are the same, so that each can be counted once.
        release: Closes the file.
        network: Returns the network of the model's layers; None if the file does not describe how they are connected.
        sources: Returns which layers directly follow which, as far as the file states it.
        beside: Stored arrays that are not parameters of the model, such as the states of stateful layers.
        averages: Returns the same model with moving averages in place of its weights; None if the file holds none.
        stored_parameters: The number of parameters where it is not that of the arrays in the tree, because several of
            them are made of one stored array; None where it is.
        outside: Returns the layer, without a name, that holds the stored arrays outside of all layers, where it is not
            the root of the tree, because nothing but a list of all arrays needs it and there may be very many.
    """

    format: str
    producer: str
    root: Layer
    notes: tuple[str, ...] = ()
    countable: bool = True
    release: Callable[[], None] = _release_nothing
    sources: Callable[[], Sources] = dict
    network: Callable[[], NetworkDescription | None] = _describe_nothing
    beside: tuple[Tensor, ...] = ()
    averages: Callable[[], Model] | None = None
    stored_parameters: int | None = None
    outside: Callable[[], Layer] = _make_empty_layer

    def layers(self) -> Iterator[Layer]:
        """Yield all layers, outer before inner, in the model's order, after the one of the arrays outside of all."""
        yield self.outside()
        yield from self.root.walk()

    def tensors(self) -> Iterator[Tensor]:
        """Yield all stored arrays of the model once, in the order of the model, also those with several names."""
        seen: set[int] = set()
        for layer in self.layers():
            for tensor in layer.weights.values():
                if id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield tensor

    @property
    def parameters(self) -> int | None:
        """The number of parameters, with each stored array counted once; None if the file does not state it."""
        if self.stored_parameters is not None:
            return self.stored_parameters
        return sum(tensor.size for tensor in self.tensors()) if self.countable else None

    def close(self) -> None:
        """Close the file. Names, shapes and dtypes remain; reading values raises `ModelClosed`."""
        self.release()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
