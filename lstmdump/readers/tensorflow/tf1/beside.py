"""What checkpoints of TensorFlow 1 hold beside the weights: moving averages, slots of optimizers, and counters.

A slot is called after its variable, `lstm/kernel/Adam`, or `train/lstm/kernel/Adam` in the scope of an optimizer; so is
the moving average that `tf.train.ExponentialMovingAverage` keeps, `lstm/kernel/ExponentialMovingAverage`. A checkpoint
that a `Saver` wrote over `average_name` holds the averages alone: they are the weights then.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from lstmdump.model.named_tuple import NamedTuple
from lstmdump.model.sentences import count, plural
from lstmdump.model.tensor import Tensor

_INTEGERS = ("int", "uint", "bool")
# Patterns are compiled when a name calls for them: together they take a tenth of the time of `show`.
_POWERS = r"(.*/)?beta[12]_power(_\d+)?"
_OPTIMIZERS = ("training", "Adam", "Nadam", "SGD", "RMSprop", "Adagrad", "Adadelta")
_OPTIMIZER = (
    r"training(?:_\d+)?/(Adam|Adamax|Nadam|SGD|RMSprop|Adagrad|Adadelta|TFOptimizer)\w*/.*|"
    r"(?:Adam|Adamax|Nadam|SGD|RMSprop|Adagrad|Adadelta)(?:_\d+)?/(?:iterations|iter|lr|"
    r"learning_rate|beta_1|beta_2|decay|rho|momentum)"
)
_COUNTERS = (
    r"(?i)(.*/)?(?:global_)?step(_\d+)?|(.*/)?[^/]*_(?:step|counter|monitor)(_\d+)?|"
    r"(.*/)?[^/]*(?:monitor|metric)[^/]*/[^/]+|(.*/)?(?:learning_rate|lr|epoch|count)(_\d+)?"
)
"""The names of single numbers that count or watch a training; TensorFlow's own counters are integers or floats."""

_AVERAGE_KIND = "ExponentialMovingAverage"
_AVERAGE = rf"(.+)/{_AVERAGE_KIND}(?:_\d{{1,9}})?"
_NUMBER = r"_\d{1,9}$"
_MAX_STEPS = 32  # no genuine scope is as deep


class Separated(NamedTuple):
    """The tensors of a checkpoint, separated.

    Attributes:
        weights: The weights of the model, by name.
        beside: The moving averages and the slots beside the weights.
        notes: The note on what lies beside the weights, and on averages in place of weights.
        holds_averages: Whether there are moving averages, beside weights or in place of them.
    """

    weights: dict[str, Tensor]
    beside: tuple[Tensor, ...]
    notes: tuple[str, ...]
    holds_averages: bool


def separate(
    tensors: Mapping[str, Tensor], trainable: Collection[str] | None, *, take_averages: bool = False
) -> Separated:
    """Return the weights among `tensors`, and what lies beside them.

    Args:
        tensors: All stored tensors by name.
        trainable: The names of the variables that training changes, if a graph lists them.
        take_averages: Whether moving averages take the places of their weights, and these lie beside them.
    """
    owners = {name: owner for name in tensors if (owner := _find_owner(name, tensors)) is not None}
    averages = {name: owner for name, owner in owners.items()
                if _match_average(name) and tensors[name].shape == tensors[owner].shape}  # fmt: skip
    taken = dict(tensors)
    swapped = {owner: name for name, owner in reversed(averages.items())} if take_averages else {}
    for owner, name in swapped.items():
        taken[owner], taken[name] = tensors[name], tensors[owner]
    weights: dict[str, Tensor] = {}
    beside: dict[str, list[Tensor]] = {}
    alone: list[str] = []
    for name, tensor in taken.items():
        match, owner = _match_average(name), owners.get(name)
        if _is_text_or_counter(name, tensor, trainable) or (match and not tensor.shape):
            continue
        if owner is not None and taken[owner].shape == tensor.shape:
            kind = _AVERAGE_KIND if match else re.sub(_NUMBER, "", name.rpartition("/")[2])
            beside.setdefault(kind, []).append(tensor)
        elif name.startswith(_OPTIMIZERS) and (optimizer := re.fullmatch(_OPTIMIZER, name)):
            if optimizer[1] and tensor.shape:
                beside.setdefault(optimizer[1], []).append(tensor)
        elif match and owner is None and match[1] not in taken and match[1] not in weights:
            weights[match[1]] = tensor
            alone.append(name)
        elif owner is None or tensor.shape:
            weights[name] = tensor
    notes = [*_note_averages(len(alone) or len(swapped), len(weights)),
             *_note_beside(beside, {owners[name] for name in owners}, take_averages=take_averages)]  # fmt: skip
    ordered = [tensor for _, group in _sort_groups(beside) for tensor in group]
    return Separated(weights, tuple(ordered), tuple(notes), bool(averages or alone))


def _match_average(name: str) -> re.Match[str] | None:
    """Return the match of the name of a moving average, whose first group is that of its variable."""
    return re.fullmatch(_AVERAGE, name) if _AVERAGE_KIND in name else None


def _find_owner(name: str, tensors: Mapping[str, Tensor]) -> str | None:
    """Return the variable that `name` is called after: the steps before its last, or the end of them."""
    steps = name.split("/")[:-1]
    names = ("/".join(steps[start:]) for start in range(min(len(steps), _MAX_STEPS)))
    return next((owner for owner in names if owner in tensors), None)


def _is_text_or_counter(name: str, tensor: Tensor, trainable: Collection[str] | None) -> bool:
    """Return whether `name` is a text, or a single number that training does not learn, by its name or by the graph.

    The graph alone does not do: a variable is in its collection `trainable` unless its author said otherwise.
    """
    if tensor.shape or tensor.dtype == "string":
        return tensor.dtype == "string"
    is_known = tensor.dtype.startswith(_INTEGERS) or re.fullmatch(_POWERS, name) or re.fullmatch(_COUNTERS, name)
    return bool(is_known) or (trainable is not None and name not in trainable)


def _note_averages(averages: int, weights: int) -> list[str]:
    """Return the note on moving averages that are in place of weights."""
    if not averages:
        return []
    rest = weights - averages
    others = f"; {plural(rest, 'other')} without an average" if rest else ""
    return [f"moving averages in place of {plural(averages, 'weight')}{others}"]


def _note_beside(beside: Mapping[str, list[Tensor]], owners: Collection[str], *, take_averages: bool) -> list[str]:
    """Return the note on what lies beside the weights, by kind: `beside 3 weights: Adam (264)`."""
    if not beside:
        return []
    words = {_AVERAGE_KIND: "the weights themselves"} if take_averages else {}
    kinds = [f"{words.get(kind, kind)} ({count(sum(tensor.size for tensor in group))})"
             for kind, group in _sort_groups(beside)]  # fmt: skip
    subject = plural(len(owners), "weight") if owners else "the weights"
    return [f"beside {subject}: {', '.join(kinds)}"]


def _sort_groups(beside: Mapping[str, list[Tensor]]) -> list[tuple[str, list[Tensor]]]:
    """Return the groups with the moving averages first."""
    return sorted(beside.items(), key=lambda group: group[0] != _AVERAGE_KIND)
