"""The layers that names in a state dict stand for: modules, and in those of nn.LSTM a layer for each number.

`encoder.weight_ih_l1_reverse` is an array of the layer `encoder/l1_reverse`, whose input is the output of `encoder/l0`
and, if there is one, of `encoder/l0_reverse`. nn.GRU and nn.RNN have the same names. The arrays of an nn.LSTMCell have
no number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.sentences import listed
from lstmdump.model.settings import DeferredSettings, LayerSettings
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer, LayerPath, Source, Sources, Weight, grow

if TYPE_CHECKING:
    from lstmdump.model.network import NetworkDescription

_LEAVES = ("weight_ih", "weight_hh", "weight_hr", "bias_ih", "bias_hh")
_NUMBER, _REVERSE = "_l", "_reverse"
_MOST_DIGITS = 6
_WRAPPERS = ("module", "_orig_mod")
"""What DataParallel and torch.compile put before all names; the user gave none of them."""
_CELL = "cell"  # the name of a cell that is the whole model
_RNN = "RNN"  # in Keras a class around any cell; here the shapes say what it is

Named: TypeAlias = Sequence[tuple[str, Tensor]]
"""Arrays by their names. Two names of the same stored array have the same object."""


class ModuleFacts(NamedTuple):
    """What a file states of a module.

    Attributes:
        kind: Its class, without the package.
        batch_first: Whether its input is (batch, length, d), and not (length, batch, d).
    """

    kind: str
    batch_first: bool | None = None


class PlacedLayers(NamedTuple):
    """The layers of a model: their tree, notes on arrays, which layers follow which, and the network in each module."""

    root: Layer
    notes: tuple[str, ...]
    sources: Callable[[], Sources]
    network: Callable[[], NetworkDescription | None]


class _Place(NamedTuple):
    """Where an array is: in a module, and there in a numbered layer, if it is one of nn.LSTM or its like."""

    module: LayerPath
    leaf: str
    is_recurrent: bool = False
    number: int = -1
    is_reverse: bool = False

    @property
    def layer(self) -> LayerPath:
        """The path of the layer."""
        return (*self.module, _name(self.number, is_reverse=self.is_reverse)) if self.number >= 0 else self.module


def place(arrays: Named, limits: Limits, modules: Mapping[LayerPath, ModuleFacts] | None = None) -> PlacedLayers:
    """Return the layers of a model.

    Args:
        arrays: The arrays, in the order of the file.
        limits: The limits for depth and names.
        modules: What the file states of modules, by path.

    Raises:
        CorruptModel: Two arrays of one layer have the same name.
        RefusedModel: Modules are nested too deeply, or have too long names.
    """
    for name, _ in arrays:
        if len(name) > limits.name_length:
            raise limit_exceeded("name_length", f"a name of {len(name):,} characters", needed=len(name))
    names, stripped = _strip([name.split(".") for name, _ in arrays])
    stated = {path[stripped:]: facts for path, facts in (modules or {}).items()}
    places = _name_cell([_find_place(steps) for steps in names])
    by_layer: dict[LayerPath, list[tuple[_Place, Tensor]]] = {}
    for one, tensor in _in_order(places, [tensor for _, tensor in arrays]):
        by_layer.setdefault(one.module if one.number < 0 else one.layer, []).append((one, tensor))
    kept, notes = _drop_repeated(by_layer)
    settings = _describe(kept, stated)
    kinds = _name_kinds(kept, stated) if stated else {}
    weights = (Weight(path, one.leaf, tensor) for path, held in kept.items() for one, tensor in held)
    notes += _note_incomplete(kept)
    root = grow(weights, kinds, settings, limits)
    return PlacedLayers(root, tuple(notes), partial(_find_sources, frozenset(kept)), partial(_describe_network, kept))


def _strip(names: list[list[str]]) -> tuple[list[list[str]], int]:
    """Return `names`, in steps, without the wrappers that all of them begin with, and how many these are."""
    stripped = 0
    while names and names[0][0] in _WRAPPERS and all(len(name) > 1 and name[0] == names[0][0] for name in names):
        names = [name[1:] for name in names]
        stripped += 1
    return names, stripped


def _find_place(steps: list[str]) -> _Place:
    *module, leaf = steps
    if not leaf.startswith(_LEAVES):
        return _Place(tuple(module), leaf)
    ending = next(leaf[len(one) :] for one in _LEAVES if leaf.startswith(one))
    if not ending:
        return _Place(tuple(module), leaf, is_recurrent=True)
    digits = ending.removeprefix(_NUMBER).removesuffix(_REVERSE)
    if not ending.startswith(_NUMBER) or not digits.isdecimal() or not digits.isascii() or len(digits) > _MOST_DIGITS:
        return _Place(tuple(module), leaf)
    return _Place(tuple(module), leaf, True, int(digits), ending.endswith(_REVERSE))


def _name_cell(places: list[_Place]) -> list[_Place]:
    """Give a name to the module that is the whole model, if it is a cell: a layer cannot be without one."""
    if not any(one.is_recurrent and not one.layer for one in places):
        return places
    taken = {one.layer[0] for one in places if one.layer}
    name = _CELL
    while name in taken:
        name += "_"
    return [one._replace(module=(name,)) if not one.layer else one for one in places]


def _in_order(places: Sequence[_Place], tensors: Sequence[Tensor]) -> list[tuple[_Place, Tensor]]:
    """Return the arrays with the layers of each module in the order of their numbers, whatever the file's order is."""
    first: dict[LayerPath, int] = {}
    ranks: list[tuple[int, int, bool]] = []
    for index, one in enumerate(places):
        if one.is_recurrent:
            ranks.append((first.setdefault(one.module, index), one.number, one.is_reverse))
        else:
            ranks.append((index, -1, False))
    return [(places[index], tensors[index]) for index in sorted(range(len(places)), key=ranks.__getitem__)]


def _drop_repeated(
    by_layer: Mapping[LayerPath, list[tuple[_Place, Tensor]]],
) -> tuple[dict[LayerPath, list[tuple[_Place, Tensor]]], list[str]]:
    """Return the layers without those that have all arrays of another one, and notes on arrays with several names."""
    kept: dict[LayerPath, list[tuple[_Place, Tensor]]] = {}
    owners: dict[tuple[str | int, ...], LayerPath] = {}
    repeated: dict[str, str] = {}
    shared: list[str] = []
    seen: set[int] = set()
    for path, held in by_layer.items():
        numbers = [id(tensor) for _, tensor in held]
        leaves = [one.leaf for one, _ in held]
        owner = owners.setdefault((*leaves, *numbers), path)
        if owner != path:
            repeated["/".join(path)] = "/".join(owner)
            continue
        kept[path] = held
        if not seen.isdisjoint(numbers):
            shared += ["/".join((*path, leaf)) for leaf, at in zip(leaves, numbers, strict=True) if at in seen]
        seen.update(numbers)
    notes = [f"{name} has the very arrays of {owner}, and is listed as that" for name, owner in repeated.items()]
    also = f"{listed(shared)}: stored arrays that other names have, too; the total counts them once"
    return kept, [*notes, *([also] if shared else [])]


def _note_incomplete(layers: Mapping[LayerPath, list[tuple[_Place, Tensor]]]) -> list[str]:
    """Return the note on layers without one of the kernels, which some parametrization computes when the model runs."""
    kernels = ("weight_ih", "weight_hh")
    held: dict[LayerPath, set[str]] = {}
    for path, arrays in layers.items():
        for one, _ in arrays:
            if one.is_recurrent:
                held.setdefault(path, set()).add(one.leaf[: len(kernels[0])])
    lacking = ["/".join(path) for path, leaves in held.items() if not leaves.issuperset(kernels)]
    words = "recurrent, but without weight_ih or weight_hh as such, as under weight_norm: not read as a layer"
    return [f"{listed(lacking)}: {words}"] if lacking else []


def _name_kinds(
    layers: Mapping[LayerPath, list[tuple[_Place, Tensor]]], modules: Mapping[LayerPath, ModuleFacts]
) -> dict[LayerPath, str]:
    """Return the classes that the file states of the modules of layers."""
    known = ((path, modules.get(held[0][0].module)) for path, held in layers.items())
    return {path: facts.kind for path, facts in known if facts and facts.kind != _RNN}


def _describe(
    layers: Mapping[LayerPath, list[tuple[_Place, Tensor]]], modules: Mapping[LayerPath, ModuleFacts]
) -> dict[LayerPath, DeferredSettings]:
    """Return the settings of the recurrent layers."""
    return {
        path: DeferredSettings(partial(_read_settings, held[0][0], layers, modules.get(held[0][0].module)), 0.0)
        for path, held in layers.items()
        if held[0][0].is_recurrent
    }


def _read_settings(one: _Place, layers: Collection[LayerPath], facts: ModuleFacts | None) -> LayerSettings:
    """Return the settings of the layer at a place: nn.LSTM has no activations but tanh and sigmoid."""
    is_layer, other = one.number >= 0, one._replace(is_reverse=not one.is_reverse).layer
    halves = {False: "forward", True: "backward"}
    batch_first = None if facts is None or not is_layer else facts.batch_first
    return LayerSettings(
        is_described=True,
        direction=halves[one.is_reverse] if is_layer and (one.is_reverse or other in layers) else None,
        activation="tanh",
        recurrent_activation="sigmoid",
        go_backwards=one.is_reverse if is_layer else None,
        time_major=None if batch_first is None else not batch_first,
        zero_output_for_mask=True,
    )


def _describe_network(layers: Mapping[LayerPath, list[tuple[_Place, Tensor]]]) -> NetworkDescription | None:
    """Return the network within each module of recurrent layers."""
    from lstmdump.readers.pytorch import network  # commands that run no layer need none

    modules: dict[LayerPath, list[network.LayerShape]] = {}
    for path, held in layers.items():
        first = held[0][0]
        if first.is_recurrent:
            shapes = {one.leaf.partition("_l")[0]: tensor.shape for one, tensor in held if one.is_recurrent}
            shape = network.LayerShape(path, first.number, first.is_reverse, shapes)
            modules.setdefault(first.module, []).append(shape)
    return network.describe(modules)


def _find_sources(layers: Collection[LayerPath]) -> Sources:
    """Return which layers of nn.LSTM take the outputs of others: those with a number take those with the one before."""
    return dict(_list_sources(layers))


def _list_sources(layers: Collection[LayerPath]) -> Iterator[tuple[LayerPath, Source]]:
    for path in layers:
        found = re.fullmatch(r"l(\d{1,6})(?:_reverse)?", path[-1] if path else "")
        if found is None or found[1] == "0":
            continue
        before = [(*path[:-1], _name(int(found[1]) - 1, is_reverse=is_reverse)) for is_reverse in (False, True)]
        if before[0] in layers:
            givers = tuple(other for other in before if other in layers)
            yield path, Source(givers, is_within_layer=True)


def _name(number: int, *, is_reverse: bool) -> str:
    return f"l{number}{'_reverse' if is_reverse else ''}"
