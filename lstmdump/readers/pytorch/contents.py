"""What is in a saved value: the arrays of a model by their names, and what lies beside them.

People save state dicts, dictionaries with a state dict among other things, and whole modules. Which dictionary is the
state dict is told by what is in it: arrays, under names with dots.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits, limit_exceeded
from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.sentences import count, listed, plural
from lstmdump.model.tree import LayerPath
from lstmdump.readers.pytorch.layers import ModuleFacts
from lstmdump.readers.pytorch.pickle_values import PickledObject
from lstmdump.readers.pytorch.storages import PickledTensor

_STATE_DICT = "state_dict"
_OF_OPTIMIZER = frozenset({"state", "param_groups"})  # the entries of an optimizer's state dict
_LIGHTNING = "model."  # what a LightningModule usually calls the network that it trains
_BESIDE = r"(?i).*(optim|sched|scaler|loop|callback|rng).*|(.*_)?(ema|average[ds]?|swa)(_.*)?"
"""Names of entries with arrays that are not the model's, or not those that it computes with."""

_RECURRENT = ("weight_ih", "weight_hh")  # beginnings of names of an nn.LSTM that is the whole model
_SCRIPT = "__torch__."
_ORDERED = "collections.OrderedDict"
_OPENED = (PickledTensor, PickledObject, dict, list, tuple)
_MOST_HIDDEN = 1000  # names
_MOST_OTHERS = 10_000  # values that are not arrays; no genuine file has as many, and each takes a name
_ALONE = "tensor"  # the name of an array that is all that a file holds
_SHOWN = 60  # characters of the name of a class, or of a name in a note


class Contents(NamedTuple):
    """What a file holds.

    Attributes:
        arrays: The arrays of the model by name.
        beside: The other arrays by name, by the entry that holds them.
        modules: What the file states of the modules, by path.
        notes: Remarks on what it holds.
    """

    arrays: dict[str, PickledTensor]
    beside: dict[str, dict[str, PickledTensor]]
    modules: dict[LayerPath, ModuleFacts]
    notes: tuple[str, ...]


class _Collector:
    """Finds the arrays in values. Each collection is visited once, so that cycles end, and so does time.

    Args:
        limits: The limits for names and nesting.
        visited: The collections that were visited before, by another collector.
    """

    def __init__(self, limits: Limits, visited: set[int]) -> None:
        self._limits = limits
        self._visited = visited
        self.arrays: dict[str, PickledTensor] = {}
        self.modules: dict[LayerPath, ModuleFacts] = {}
        self.others: dict[str, str] = {}

    def collect(self, value: Any, name: str = "") -> None:
        """Add the arrays in `value`, which is called `name`, outer before inner, in the order of the file.

        Raises:
            CorruptModel: Two arrays have the same name.
            RefusedModel: Values are nested too deeply, or their names are too long.
        """
        waiting: list[tuple[str, Any, int, Any]] = [("", name, 0, value)]
        while waiting:
            outer, key, depth, one = waiting.pop()
            at = self._join(outer, key)
            if isinstance(one, PickledTensor):
                self._add(at or _ALONE, one)
            elif depth > self._limits.nesting:
                words = f"values are nested more than {self._limits.nesting} deep"
                raise limit_exceeded("nesting", words, needed=2 * depth)
            else:
                waiting.extend(reversed([(at, key, depth + 1, inner) for key, inner in self._open(one, at)]))

    def _add(self, name: str, tensor: PickledTensor) -> None:
        if name in self.arrays:
            raise CorruptModel(f"two arrays are called {name[:_SHOWN]}")
        self._require_few(self.arrays)
        self.arrays[name] = tensor

    def _add_module(self, at: str, value: PickledObject, held: Mapping[Any, Any]) -> None:
        self._require_few(self.modules)
        if at.count(".") <= self._limits.nesting:
            self.modules[tuple(at.split(".")) if at else ()] = _read_facts(value, held)

    def _require_few(self, found: Collection[Any]) -> None:
        if len(found) >= self._limits.objects:
            words = f"more than {self._limits.objects:,} arrays or modules"
            raise limit_exceeded("objects", words, needed=2 * len(found))

    def _join(self, outer: str, key: Any) -> str:
        name = f"{outer}.{key}" if outer else str(key)
        if len(name) > self._limits.name_length:
            raise limit_exceeded("name_length", f"a name of {len(name):,} characters", needed=len(name))
        return name

    def _open(self, value: Any, at: str) -> list[tuple[Any, Any]]:
        """Return what is directly in `value`, if it is a collection that was not visited yet, each with its key."""
        if isinstance(value, PickledObject):
            return list(self._open_object(value, at)) if self._is_new(value) else []
        return self._list(value)

    def _list(self, part: Any) -> list[tuple[Any, Any]]:
        """Return the collections and arrays in `part`, if that is a collection that was not visited yet."""
        if not isinstance(part, (dict, list, tuple)) or not self._is_new(part):
            return []
        pairs = part.items() if isinstance(part, dict) else enumerate(part)
        return [pair for pair in pairs if isinstance(pair[1], _OPENED) and isinstance(pair[0], (str, int))]

    def _is_new(self, value: Any) -> bool:
        """Return whether `value` was not visited yet, and note that it is now."""
        if id(value) in self._visited:
            return False
        self._visited.add(id(value))
        return True

    def _open_object(self, value: PickledObject, at: str) -> Iterator[tuple[Any, Any]]:
        held = value.attributes
        if isinstance(held.get("_modules"), dict):
            self._add_module(at, value, held)
            yield from self._list(held.get("_parameters"))
            if buffers := self._list(held.get("_buffers")):
                hidden = _list_hidden(held)
                yield from (pair for pair in buffers if pair[0] not in hidden)
            yield from self._list(held["_modules"])
        elif value.kind.startswith(_SCRIPT):
            self._add_module(at, value, held)
            yield from (pair for pair in self._list(held) if isinstance(pair[1], (PickledTensor, PickledObject)))
        elif value.kind == _ORDERED:
            yield from self._list_pairs(value)
        else:
            if len(self.others) < _MOST_OTHERS:
                self.others.setdefault(at, value.kind)
            for part in (held, value.entries, value.items):
                yield from self._list(part)

    def _list_pairs(self, value: PickledObject) -> Iterator[tuple[Any, Any]]:
        """Yield the pairs that a dictionary of Python 2 is made of."""
        pairs = value.args[0] if isinstance(value.args, tuple) and value.args else ()
        if isinstance(pairs, (list, tuple)) and self._is_new(pairs):
            found = (pair for pair in pairs if isinstance(pair, (list, tuple)) and len(pair) == 2)
            yield from ((pair[0], pair[1]) for pair in found if isinstance(pair[0], str))
        yield from self._list(value.entries)


def _list_hidden(held: Mapping[Any, Any]) -> set[str]:
    """Return the names of the buffers that are not saved in state dicts."""
    names = held.get("_non_persistent_buffers_set")
    return (
        {name for name in names[:_MOST_HIDDEN] if isinstance(name, str)} if isinstance(names, (list, tuple)) else set()
    )


def _read_facts(value: PickledObject, held: Mapping[Any, Any]) -> ModuleFacts:
    batch_first = held.get("batch_first")
    return ModuleFacts(value.kind.rpartition(".")[2][:_SHOWN], batch_first if isinstance(batch_first, bool) else None)


def read(value: Any, limits: Limits) -> Contents:
    """Return what a saved value holds.

    Raises:
        CorruptModel: Two arrays have the same name.
        RefusedModel: Values are nested too deeply.
    """
    visited: set[int] = set()
    parts, beside = _divide(value)
    model = _Collector(limits, visited)
    for name, part in parts.items():
        model.collect(part, name)
    rest: dict[str, dict[str, PickledTensor]] = {}
    for name, part in beside.items():
        other = _Collector(limits, visited)
        other.collect(part, name[: limits.name_length])
        if other.arrays:
            rest[name] = other.arrays
    notes = [*_note_beside(model.arrays, rest), *_note_others(model.others), *_note_nothing(value, model.arrays)]
    return Contents(model.arrays, rest, model.modules, tuple(notes))


def _divide(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is the model, by the first step of its names, and what lies beside it."""
    if isinstance(value, PickledObject) and value.kind == _ORDERED:
        value = _as_dict(value)
    if not isinstance(value, dict) or _is_state_dict(value):
        return {"": value}, {}
    entries = {str(key): inner for key, inner in value.items()}
    if _OF_OPTIMIZER.issubset(entries):
        return {}, entries
    state_dict = entries.get(_STATE_DICT)
    if isinstance(state_dict, (dict, PickledObject)):
        whole = (
            _as_dict(state_dict)
            if isinstance(state_dict, PickledObject) and state_dict.kind == _ORDERED
            else state_dict
        )
        return {"": _without_prefix(whole)}, _without(entries, [_STATE_DICT])
    may_be = {id(inner): _may_be_model(inner) for inner in {id(one): one for one in entries.values()}.values()}
    parts = [key for key, inner in entries.items() if may_be[id(inner)] and not re.fullmatch(_BESIDE, key[:_SHOWN])]
    if not parts:
        return {"": value}, {}
    chosen = {"": entries[parts[0]]} if len(parts) == 1 else {key: entries[key] for key in parts}
    return chosen, _without(entries, parts)


def _without(entries: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    left_out = frozenset(names)
    return {key: inner for key, inner in entries.items() if key not in left_out}


def _as_dict(value: PickledObject) -> Any:
    """Return the dictionary of the pairs that Python 2 wrote, or `value` if it is something else."""
    pairs = value.args[0] if isinstance(value.args, tuple) and value.args else ()
    if not isinstance(pairs, (list, tuple)):
        return value
    found = (pair for pair in pairs if isinstance(pair, (list, tuple)) and len(pair) == 2)
    return {pair[0]: pair[1] for pair in found if isinstance(pair[0], str)} | (value.entries or {})


def _is_state_dict(value: Mapping[Any, Any]) -> bool:
    return any(isinstance(inner, PickledTensor) and isinstance(key, str) and ("." in key or key.startswith(_RECURRENT))
               for key, inner in value.items())  # fmt: skip


def _may_be_model(value: Any) -> bool:
    """Return whether an entry is a module, or a dictionary with arrays."""
    if isinstance(value, PickledObject):
        return "_modules" in value.attributes or value.kind.startswith((_SCRIPT, _ORDERED))
    return isinstance(value, dict) and any(isinstance(inner, PickledTensor) for inner in value.values())


def _without_prefix(state_dict: Any) -> Any:
    """Return a state dict without the name of the network in the LightningModule, if all names begin with it."""
    if not isinstance(state_dict, dict) or not all(str(key).startswith(_LIGHTNING) for key in state_dict):
        return state_dict
    return {str(key).removeprefix(_LIGHTNING): inner for key, inner in state_dict.items()}


def _note_beside(arrays: Mapping[str, Any], rest: Mapping[str, Mapping[str, PickledTensor]]) -> Iterator[str]:
    if rest:
        kinds = [f"{name[:_SHOWN]} ({count(sum(_count_elements(one) for one in held.values()))})"
                 for name, held in rest.items()]  # fmt: skip
        subject = f"beside {plural(len(arrays), 'weight')}" if arrays else "without weights"
        yield f"{subject}: {listed(kinds)}"


def _count_elements(tensor: PickledTensor) -> int:
    total = 1
    for length in tensor.view.shape:
        total *= length
    return total


def _note_others(others: Mapping[str, str]) -> Iterator[str]:
    """Yield the note on values that may hold numbers in a form of their own, such as quantized arrays."""
    named = [f"{name[:_SHOWN]} ({kind[:_SHOWN]})" for name, kind in others.items() if name and kind]
    if named:
        yield f"not read, as they are not arrays: {listed(named)}"


def _note_nothing(value: Any, arrays: Mapping[str, Any]) -> Iterator[str]:
    if arrays:
        return
    what = "something else"
    if isinstance(value, PickledObject):
        what = f"an object of {value.kind[:_SHOWN] or 'an unknown class'}"
    elif isinstance(value, dict):
        what = f"a dictionary of {listed([str(key)[:_SHOWN] for key in value])}" if value else "an empty dictionary"
    elif isinstance(value, (list, tuple)):
        what = f"a list of {plural(len(value), 'value')}"
    yield f"the file holds no arrays of a model: it is {what}"
