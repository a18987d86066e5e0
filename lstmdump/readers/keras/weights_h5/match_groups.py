"""The matching of the groups of a `.weights.h5` to the layers of the architecture.

Wrappers hold their layers under attributes of known names. In a list, a group is named after the class of its layer,
with a number within the list:

==============  =====================================================================================================
since 3.6       the group also stores the name of the layer
Keras 3         the number counts all layers of the class, including those that are stored elsewhere
2.14 to 2.15    the number counts the layers of the class that are stored in this list
2.12, 2.13      the same, but layers with weights count twice
==============  =====================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.readers.keras.architecture.config import ConfigLayer
from lstmdump.readers.keras.weights_h5.groups import LISTS, VariableGroup, find_numbered

IsKnown = Callable[[ConfigLayer], bool]


class GroupMatch(NamedTuple):
    """A group and the layer it belongs to; one of them may be missing.

    Attributes:
        stored: the group.
        layer: the layer.
        prefix: the prefix that Keras 2 adds to the name of a Bidirectional's layer when it stores the layer.
        direction: which half of a Bidirectional the layer is: `forward`, `backward`, or empty.
    """

    stored: VariableGroup | None
    layer: ConfigLayer | None
    prefix: str = ""
    direction: str = ""


def match_groups(
    stored: VariableGroup, layer: ConfigLayer, *, is_keras_2: bool, known: IsKnown
) -> Iterator[GroupMatch]:
    """Match the groups within a group to the layers within a layer, in the order of the architecture.

    There are three passes, each over the groups that the previous one left: groups under the attributes that the layer
    is known to have, lists of groups by class and number, and finally any group with a fitting name. The groups that
    remain have no layer.

    Args:
        stored: the group.
        layer: the layer it belongs to.
        is_keras_2: whether Keras 2 wrote the file.
        known: returns whether a layer was visited before, under any model, so that it is not stored again.
    """
    # Matches are collected before any is yielded: the last pass may only use groups that none of the first two took,
    # but the layers that it serves stand among the others in the order of the architecture.
    left = {id(child): child for child in _list_layer_groups(stored)}
    waiting: list[ConfigLayer] = []
    found = [*_match_by_attribute(stored, layer, is_keras_2=is_keras_2, known=known)]
    for pair in found:
        if pair.stored is not None:
            left.pop(id(pair.stored), None)
        elif pair.layer is not None:
            waiting.append(pair.layer)
    rest = list(left.values())
    fitting = {id(one): group for one in waiting if (group := _take_fitting(one, rest)) is not None}
    for pair in found:
        yield pair if pair.stored is not None else pair._replace(stored=fitting.get(id(pair.layer)))
    yield from (GroupMatch(group, None) for group in rest)


def _list_layer_groups(stored: VariableGroup) -> Iterator[VariableGroup]:
    """Yield the groups of the layers directly below `stored` and in its lists."""
    for child in stored.in_order():
        if child.is_layer or child.key == "cell" or child.key not in (*LISTS, "cells"):
            yield child
        else:
            yield from child.in_order()


def _match_by_attribute(
    stored: VariableGroup, layer: ConfigLayer, *, is_keras_2: bool, known: IsKnown
) -> Iterator[GroupMatch]:
    if halves := layer.halves():
        for direction, child in halves:
            prefix = f"{direction}_" if is_keras_2 else ""
            yield GroupMatch(stored.child(f"{direction}_layer"), child, prefix, direction)
        return
    for key in dict.fromkeys(key for key, _ in layer.children):
        within = [child for name, child in layer.children if name == key]
        group = stored.child(*LISTS) if key == "layers" else stored.child(key)
        if group is None or not isinstance(layer.settings.get(key), list):
            yield GroupMatch(group, within[0])
            yield from (GroupMatch(None, child) for child in within[1:])
        else:
            groups = _match_list(within, group, is_keras_2=is_keras_2, known=known)
            yield from (GroupMatch(groups.get(id(child)), child) for child in within)


def _match_list(
    layers: Sequence[ConfigLayer], container: VariableGroup, *, is_keras_2: bool, known: IsKnown
) -> dict[int, VariableGroup]:
    """Return the group in `container` of each of `layers`, by the id of the layer; shared layers may have none.

    Groups are matched by names if they store them (Keras 3.6 and later), else by numbers. A shared layer is stored only
    once, under the model that Keras visited first. In the other lists, Keras 3 still counts it, so that the number of a
    group is the index of the layer among those of its class; Keras 2 does not, so that the groups in their order are
    those of the layers that are not known yet.
    """
    found: dict[int, VariableGroup] = {}
    for word in dict.fromkeys(snake_case(layer.kind) for layer in layers):
        alike = [layer for layer in layers if snake_case(layer.kind) == word]
        groups = find_numbered(container, word) or find_numbered(container, f"private{word}")
        named = {group.name: group for _, group in groups if group.name is not None}
        here = alike if len(groups) == len(alike) else [layer for layer in alike if not known(layer)]
        if named and all(layer.name in named or known(layer) for layer in alike):
            found.update((id(layer), named[layer.name]) for layer in alike if layer.name in named)
        elif is_keras_2 or len(groups) == len(alike):
            found.update((id(layer), group) for layer, (_, group) in zip(here, groups, strict=False))
        else:
            by_number = dict(groups)
            found.update((id(layer), by_number[k]) for k, layer in enumerate(alike) if k in by_number)
    return found


def _take_fitting(layer: ConfigLayer, rest: list[VariableGroup]) -> VariableGroup | None:
    """Take from `rest` the first group that has the name of `layer` or, if none has, the name of its class."""
    word = snake_case(layer.kind)
    for fits in (
        lambda group: layer.name is not None and group.name == layer.name,
        lambda group: group.name is None and group.key == layer.name,
        lambda group: group.name is None and re.fullmatch(re.escape(word) + r"(_\d+)?", group.key),
    ):
        for group in rest:
            if fits(group):
                rest.remove(group)
                return group
    return None


def snake_case(kind: str) -> str:
    """Return the name of a class as Keras writes it in a path: `my_lstm` for `MyLSTM`, `cu_dnnlstm` for `CuDNNLSTM`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
