"""What is in a saved value: the arrays of a model by their names, and what lies beside them.

People save state dicts, dictionaries with a state dict among other things, and whole modules. Which dictionary is the
state dict is told by what is in it: arrays, under names with dots.
"""

# Annotations are not postponed here: a NamedTuple compiles each that is, and every `show` would wait for it.
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import Limits, limit_exceeded
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
    """Finds the arrays in a value. Each collection is visited once, so that cycles end, and so does time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._visited: set[int] = set()
        self.arrays: dict[str, PickledTensor] = {}
        self.modules: dict[LayerPath, ModuleFacts] = {}
        self.others: dict[str, str] = {}

    def collect(self, value: Any, path: tuple[str, ...] = ()) -> None:
        """Add the arrays in `value`, which is at `path`, outer before inner, in the order of the file.

        Raises:
            CorruptModel: Two arrays have the same name.
            RefusedModel: Values are nested too deeply.
        """
        waiting = [(path, value)]
        while waiting:
            at, one = waiting.pop()
            if isinstance(one, PickledTensor):
                self._add(".".join(at) or _ALONE, one)
            elif isinstance(one, (dict, list, tuple, PickledObject)) and id(one) not in self._visited:
                self._visited.add(id(one))
                waiting.extend(reversed([((*at, *steps), inner) for steps, inner in self._open(one, at)]))

    def _add(self, name: str, tensor: PickledTensor) -> None:
        if name in self.arrays:
            raise CorruptModel(f"two arrays are called {name[:_SHOWN]}")
        self.arrays[name] = tensor

    def _open(self, value: Any, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yield what is directly in `value`, each with the steps of its name."""
        if len(at) > self._limits.nesting:
            words = f"values are nested more than {self._limits.nesting} deep"
            raise limit_exceeded("nesting", words, needed=2 * len(at))
        if isinstance(value, PickledObject):
            yield from self._open_object(value, at)
            return
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        yield from (((str(key),), inner) for key, inner in pairs if isinstance(key, (str, int)))

    def _open_object(self, value: PickledObject, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        held = value.attributes
        path = tuple(step for steps in at for step in steps.split("."))
        if isinstance(held.get("_modules"), dict):
            self.modules[path] = _read_facts(value, held)
            yield from _list_module(held)
        elif value.kind.startswith(_SCRIPT):
            self.modules[path] = _read_facts(value, held)
            yield from (((str(key),), inner) for key, inner in held.items() if _is_of_script(inner))
        else:
            self.others.setdefault(".".join(at), value.kind)
            parts = (held, value.entries or {}, dict(enumerate(value.items or ())))
            yield from (((str(key),), inner) for part in parts for key, inner in part.items())


def _is_of_script(value: Any) -> bool:
    """Return whether an attribute of a script is an array or a module; lists in it repeat those."""
    return isinstance(value, (PickledTensor, PickledObject))


def _list_module(held: Mapping[Any, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the arrays and the modules of a module, as its state dict has them."""
    hidden = held.get("_non_persistent_buffers_set")
    left_out = {name for name in hidden if isinstance(name, str)} if isinstance(hidden, (list, tuple)) else set()
    for kind in ("_parameters", "_buffers", "_modules"):
        part = held.get(kind)
        for name, inner in part.items() if isinstance(part, dict) else ():
            if isinstance(name, str) and not (kind == "_buffers" and name in left_out):
                yield (name,), inner


def _read_facts(value: PickledObject, held: Mapping[Any, Any]) -> ModuleFacts:
    batch_first = held.get("batch_first")
    return ModuleFacts(value.kind.rpartition(".")[2][:_SHOWN], batch_first if isinstance(batch_first, bool) else None)


def read(value: Any, limits: Limits) -> Contents:
    """Return what a saved value holds.

    Raises:
        CorruptModel: Two arrays have the same name.
        RefusedModel: Values are nested too deeply.
    """
    parts, beside = _divide(value)
    model = _Collector(limits)
    for name, part in parts.items():
        model.collect(part, (name,) if name else ())
    rest: dict[str, dict[str, PickledTensor]] = {}
    for name, part in beside.items():
        other = _Collector(limits)
        other.collect(part, (name,))
        if other.arrays:
            rest[name] = other.arrays
    notes = [*_note_beside(model.arrays, rest), *_note_others(model.others), *_note_nothing(value, model.arrays)]
    return Contents(model.arrays, rest, model.modules, tuple(notes))


def _divide(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is the model, by the first step of its names, and what lies beside it."""
    if not isinstance(value, dict) or _is_state_dict(value):
        return {"": value}, {}
    entries = {str(key): inner for key, inner in value.items()}
    if _OF_OPTIMIZER.issubset(entries):
        return {}, entries
    state_dict = entries.get(_STATE_DICT)
    if isinstance(state_dict, (dict, PickledObject)):
        return {"": _without_prefix(state_dict)}, _without(entries, [_STATE_DICT])
    parts = [key for key, inner in entries.items() if _may_be_model(inner) and not re.fullmatch(_BESIDE, key)]
    if not parts:
        return {"": value}, {}
    chosen = {"": entries[parts[0]]} if len(parts) == 1 else {key: entries[key] for key in parts}
    return chosen, _without(entries, parts)


def _without(entries: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    return {key: inner for key, inner in entries.items() if key not in names}


def _is_state_dict(value: Mapping[Any, Any]) -> bool:
    return any(isinstance(inner, PickledTensor) and isinstance(key, str) and ("." in key or key.startswith(_RECURRENT))
               for key, inner in value.items())  # fmt: skip


def _may_be_model(value: Any) -> bool:
    """Return whether an entry is a module, or a dictionary with arrays."""
    if isinstance(value, PickledObject):
        return "_modules" in value.attributes or value.kind.startswith(_SCRIPT)
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
