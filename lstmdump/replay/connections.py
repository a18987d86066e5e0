"""Decide which layers of a model run on the input and which on outputs of others, and check that the widths match."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lstmdump.errors import BadInput, CannotReplay, CorruptModel
from lstmdump.lstm import LSTM, behaviour
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.sentences import listed, plural
from lstmdump.model.tensor import Array
from lstmdump.model.tree import Source


def sources_by_name(opened: LoadedModel) -> dict[str, Source]:
    """Return, by name, the source of each layer that directly follows others, as far as the file describes it."""
    return {"/".join(path): source for path, source in opened.model.sources().items()}


def join(how: str, outputs: Sequence[Array]) -> Array:
    """Join `outputs`, each (batch, length, m), as the merge mode `how` of Keras does: concat, sum, mul or ave."""
    if how == "concat":
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)
    if how not in _JOINS:
        raise CannotReplay(f"outputs joined by {how} cannot be replayed")
    with np.errstate(over="ignore", invalid="ignore"):  # as in the replay
        result: Array = _JOINS[how].reduce(outputs)
    return result / result.dtype.type(len(outputs)) if how == "ave" else result


_JOINS = {"sum": np.add, "mul": np.multiply, "ave": np.add}


def sources(opened: LoadedModel, chosen: Sequence[LSTM]) -> dict[str, Source]:
    """Return the sources of the layers in `chosen`; a layer that is not in the result takes the input.

    Raises:
        CannotReplay: The file does not describe the source of a layer, or it is not the output of other layers.
    """
    names = [lstm.name for lstm in chosen]
    every = sources_by_name(opened)
    found = {name: every[name] for name in names if name in every and set(names).issuperset(every[name].names)}
    heads = [lstm for lstm in chosen if lstm.name not in found]
    for head in heads[1:]:
        if not _are_halves(heads[0], head):
            raise CannotReplay(_explain_no_source(head.name, names, every))
    return found


def within_layers(opened: LoadedModel, chosen: Sequence[LSTM]) -> dict[str, Source]:
    """Return the sources, in `chosen`, of layers that one layer of the framework holds together with these."""
    names = {lstm.name for lstm in chosen}
    return {name: source for name, source in sources_by_name(opened).items()
            if source.is_within_layer and name in names and names.issuperset(source.names)}  # fmt: skip


def _are_halves(one: LSTM, other: LSTM) -> bool:
    """Return whether two layers are the halves of a Bidirectional, or of a network of TensorFlow 1 or PyTorch."""
    if {behaviour.half(one), behaviour.half(other)} != {"forward", "backward"}:
        return False
    if other.name == f"{one.name}_reverse":  # in PyTorch
        return True
    one_parent, other_parent = (lstm.name.rpartition("/")[0] for lstm in (one, other))
    steps = zip(one.name.lower().split("/"), other.name.lower().split("/"), strict=False)
    differing = next((set(pair) for pair in steps if pair[0] != pair[1]), set())
    return one_parent == other_parent != "" or differing == {"fw", "bw"}


def _explain_no_source(name: str, names: Sequence[str], every: Mapping[str, Source]) -> str:
    if name in every:
        left_out = ", ".join(layer for layer in every[name].names if layer not in names)
        return f"{name} takes the output of {left_out}, which -l leaves out"
    if not every:
        return f"the file does not state that {name} directly follows another LSTM layer; choose one with -l"
    before = names[names.index(name) - 1]
    return (f"{name} does not directly follow another LSTM layer: the layers between {before} and it cannot be "
            "replayed; choose layers that follow each other with -l")  # fmt: skip


def require_width(opened: LoadedModel, lstms: Sequence[LSTM], input_dim: int, *, may_chain: bool) -> None:
    """Check that all `lstms`, layers of `opened`, take an input of `input_dim` numbers at each step.

    Args:
        opened: The model.
        lstms: The layers that take the input.
        input_dim: The width of the input.
        may_chain: Whether the user could run the layers on each other's outputs instead.

    Raises:
        BadInput: A layer takes an input of another width.
    """
    names: dict[int, list[str]] = {}
    for lstm in lstms:
        names.setdefault(lstm.input_dim, []).append(lstm.name)
    if len(names) > 1:
        widths = "; ".join(f"{width}: {listed(of)}" for width, of in names.items())
        raise BadInput(f"its layers take inputs of different widths ({widths}), and this one has {input_dim}; choose "
                       f"layers with -l{_suggest_chain(opened, lstms) if may_chain else ''}")  # fmt: skip
    for width, of in names.items():
        if width != input_dim:
            raise BadInput(f"the input has {plural(input_dim, 'number')} at each step, but {listed(of)} "
                           f"take{'s' if len(of) == 1 else ''} {width}")  # fmt: skip


def _suggest_chain(opened: LoadedModel, chosen: Sequence[LSTM]) -> str:
    """Return a hint that the layers may be chained instead, if the file describes how."""
    try:
        sources(opened, chosen)
    except CannotReplay:
        return ""
    return ", or feed each the output of the one before with --chain"


def require_joining_widths(chosen: Sequence[LSTM], sources: Mapping[str, Source]) -> None:
    """Check that each layer takes as many numbers as the layers before it give.

    Raises:
        CannotReplay: A layer takes more or fewer.
    """
    by_name = {lstm.name: lstm for lstm in chosen}
    for name, source in sources.items():
        widths_of = [_get_output_width(by_name[layer]) for layer in source.names]
        width = sum(widths_of) if source.join == "concat" else widths_of[0]
        if width != by_name[name].input_dim:
            raise CannotReplay(f"{name} takes {plural(by_name[name].input_dim, 'number')} at each step, but the layers "
                               f"before it give {width}")  # fmt: skip


def _get_output_width(lstm: LSTM) -> int:
    return lstm.units if lstm.projection is None else lstm.projection


def in_order(chosen: Sequence[LSTM], sources: Mapping[str, Source]) -> list[LSTM]:
    """Return `chosen`, each layer after those whose outputs it takes, else in the order of the model.

    Raises:
        CorruptModel: The connections form a cycle.
    """
    waiting, done, ordered = list(chosen), set[str](), list[LSTM]()
    while waiting:
        ready = [lstm for lstm in waiting if lstm.name not in sources or done.issuperset(sources[lstm.name].names)]
        if not ready:
            raise CorruptModel(f"{waiting[0].name} takes its own output as input, through other layers")
        ordered.extend(ready)
        done.update(lstm.name for lstm in ready)
        waiting = [lstm for lstm in waiting if lstm.name not in done]
    return ordered
