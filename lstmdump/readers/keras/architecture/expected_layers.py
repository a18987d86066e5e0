"""The layers of an architecture that may hold arrays, each with the names it can have in a Keras HDF5 file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from lstmdump.model.cell_classes import CELL_CLASSES, class_named
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.settings import DeferredSettings
from lstmdump.model.tree import LayerPath
from lstmdump.readers.keras.architecture.config import (
    CONTAINERS,
    NO_WRAPPERS,
    ConfigLayer,
    WrapperContext,
    context_within,
    layer_settings,
)

_GATED_SETTINGS = ("recurrent_activation", "inner_activation")
_SESSION_NUMBER = r"_\d{1,9}$"  # compiled when it is first needed

Steps = tuple[tuple[str, ...], ...]


class LeafLayer(NamedTuple):
    """A layer of the architecture that contains no other layers, and so may hold arrays.

    Attributes:
        steps: for each name in its path, outermost first, the forms it can have in the file; the first is the default.
        layer: the layer.
        certain: whether all layers around it are of Keras's own classes, so that its arrays must be stored.
        frozen: whether it is not trainable; Keras stores frozen layers after all others of their group.
        in_stack: the number of cells in its stack, including itself; 0 if it is not a stacked cell.
        shared: the number that marks a layer that is in the model more than once, with the direction in a wrapper.
        around: the wrappers around it that affect what it computes.
    """

    steps: Steps
    layer: ConfigLayer
    certain: bool
    frozen: bool
    in_stack: int
    shared: tuple[object, ...] | None
    around: WrapperContext = NO_WRAPPERS

    @property
    def settings(self) -> DeferredSettings:
        """The settings that its configuration states, with what the wrappers around it add or change."""
        return layer_settings(
            self.layer.settings, self.around, self.layer.inbound_nodes, is_called_by_keras=self.certain
        )

    @property
    def units(self) -> int | None:
        """The units that the configuration states."""
        return stated_units(self.layer)

    @property
    def input_dim(self) -> int | None:
        """The width of the input, which the configuration of the first layer of a model states."""
        shape = self.layer.settings.get("batch_input_shape")
        last = shape[-1] if isinstance(shape, list) and shape else self.layer.settings.get("input_dim")
        return _read_whole_number(last)

    @property
    def use_bias(self) -> bool | None:
        """Whether the configuration states a bias; None for Keras 1, which does not state it and always has one."""
        value = self.layer.settings.get("use_bias")
        return value if isinstance(value, bool) else None

    @property
    def is_lstm(self) -> bool:
        """Whether its class is one of Keras's own LSTM classes."""
        return class_named(self.layer.kind).must_fit

    @property
    def is_gated(self) -> bool:
        """Whether its configuration is that of a gated recurrent layer, of any class."""
        return is_gated(self.layer)

    @property
    def is_recurrent(self) -> bool:
        """Whether it is gated by its configuration, of another recurrent class of Keras, or the cell of an RNN."""
        return is_recurrent(self.layer) or self.is_own_cell

    @property
    def is_own_cell(self) -> bool:
        """Whether it is the cell of an RNN, of a class of the user."""
        return self.around.rnn is not None and self.layer.kind not in CELL_CLASSES

    def may_have(self, units: int) -> bool:
        """Return whether the configuration allows `units`; that of an LSTMCell omits them in Keras 2.0.9 to 2.1.0."""
        return self.units in (units, None)

    def path_in(self, scope: str) -> LayerPath:
        """Return the path of the layer, each name in the form that it has in `scope`."""
        return tuple(form or forms[0] for forms, (form, _) in zip(self.steps, self._find_steps(scope), strict=True))

    def rank_in(self, scope: str) -> tuple[int, int] | None:
        """Return how well `scope` names the layer, or None if its own name is not in it; a higher rank is better.

        The rank is the number of its names that are in the scope, then how far out its own name is.
        """
        along = self._find_steps(scope)
        if not along or along[-1][0] is None:
            return None
        return sum(form is not None for form, _ in along), -along[-1][1]

    def scope_from(self, scope: str) -> str | None:
        """Return `scope` from the layer's own name on, or None if the name is not in it."""
        along = self._find_steps(scope)
        return None if not along or along[-1][0] is None else scope[along[-1][1] :]

    def _find_steps(self, scope: str) -> list[tuple[str | None, int]]:
        """Return the form that each step has in `scope`, after the step before it, and its offset; None if missing."""
        # A step may contain slashes, so the scope is searched as text, with a slash at each end to find whole steps.
        # A step that is missing is skipped: Keras leaves some wrappers out of the names of the arrays.
        found: list[tuple[str | None, int]] = []
        text, place = f"/{scope}/", 0
        for forms in self.steps:
            form = next((form for form in forms if f"/{form}/" in text[place:]), None)
            start = place if form is None else text.index(f"/{form}/", place)
            place = start if form is None else start + len(form) + 1
            found.append((form, start))
        return found


class _LeafContext(NamedTuple):
    """The context of a layer, from the layers around it."""

    steps: Steps
    certain: bool = True
    frozen: bool = False
    in_stack: int = 0
    turn: tuple[str, ...] = ()
    around: WrapperContext = NO_WRAPPERS


def stated_units(layer: ConfigLayer) -> int | None:
    """Return the units that the configuration of `layer` states, or None if it does not state a number."""
    return _read_whole_number(layer.settings.get("units", layer.settings.get("output_dim")))


def is_gated(layer: ConfigLayer) -> bool:
    """Return whether the configuration of `layer` is that of a gated recurrent layer, of any class."""
    return class_named(layer.kind).must_fit or any(key in layer.settings for key in _GATED_SETTINGS)


def is_recurrent(layer: ConfigLayer) -> bool:
    """Return whether `layer` is recurrent: gated by its configuration, or of another class that Keras has."""
    return is_gated(layer) or class_named(layer.kind).is_other


def find_leaf_layers(layer: ConfigLayer, around: Steps = ()) -> Iterator[LeafLayer]:
    """Return an iterator over the layers within `layer`, or itself, that contain no others, in the order of the model.

    The two halves of a Bidirectional are listed separately, even if the configuration states one layer for both.

    Args:
        layer: the layer, wrapper or model.
        around: the names of the layers around it, each in the forms that it can have in a file.
    """
    return _find_leaves(layer, _list_forms(layer.name), _LeafContext(around))


def expected_but_missing(expected: Iterable[LeafLayer], is_stored: Callable[[LeafLayer], bool]) -> str | None:
    """Return the message for the first LSTM layer that must have arrays but does not, or None if all have them."""
    for leaf in expected:
        if leaf.is_lstm and leaf.certain and not is_stored(leaf):
            name = "/".join(forms[0] for forms in leaf.steps) or "without a name"
            return (
                f"config and arrays disagree: the configuration names an LSTM layer {name}, "
                "but no arrays are stored for it"
            )
    return None


def _find_leaves(layer: ConfigLayer, forms: tuple[str, ...], place: _LeafContext) -> Iterator[LeafLayer]:
    steps = (*place.steps, forms) if forms else place.steps
    frozen = place.frozen or layer.settings.get("trainable") is False
    if not layer.children:
        shared = None if layer.shared_id is None else (layer.shared_id, *place.turn)
        yield LeafLayer(steps, layer, place.certain, frozen, place.in_stack, shared, place.around)
        return
    in_stack = len(layer.children) if layer.kind == "StackedRNNCells" else 0
    within_this = _LeafContext(steps, place.certain and layer.kind in CONTAINERS, frozen, in_stack, place.turn)
    if halves := layer.halves():
        for direction, child in halves:
            around = context_within(layer, child, place.around, direction)
            turned = _LeafContext(steps, within_this.certain, frozen, 0, (*place.turn, direction), around)
            yield from _find_leaves(child, _list_direction_names(f"{direction}_", child), turned)
        return
    for _, child in layer.children:
        around = context_within(layer, child, place.around)
        yield from _find_leaves(child, _list_forms(child.name), within_this._replace(around=around))


def _list_forms(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _list_direction_names(direction: str, layer: ConfigLayer) -> tuple[str, ...]:
    """Return the names of a half of a Bidirectional; Keras 1.0.8 to 1.1 and Keras 3 add the direction to them."""
    name = layer.name or "layer"
    if name.startswith(direction):
        return direction + name, name
    return tuple(dict.fromkeys((direction + name, direction + name.removeprefix("forward_"), name)))


def without_session_number(name: str) -> str:
    """Return `name` without the number that TensorFlow adds to a scope that the session has used before."""
    return re.sub(_SESSION_NUMBER, "", name)


def session_numbers(scope: str) -> tuple[int, ...]:
    """Return the session number of each step of `scope`, or 0 for a step without one."""
    found = (re.search(_SESSION_NUMBER, step) for step in scope.split("/"))
    return tuple(int(number[0][1:]) if number else 0 for number in found)


def _read_whole_number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
