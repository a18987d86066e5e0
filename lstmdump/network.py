"""The LSTM layers of a model, read to be run: how each computes, and what it takes for its input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lstmdump import activations, behaviour, record, replay
from lstmdump.behaviour import Behaviour
from lstmdump.errors import BadInput, CannotReplay, CorruptModel, NoForgetBias
from lstmdump.lstm import LSTM
from lstmdump.model import Source
from lstmdump.opening import OpenModel
from lstmdump.replay import CellNumbers
from lstmdump.report import Report, describe
from lstmdump.tensor import Array


class Wanted(NamedTuple):
    """How layers are to be run: what a user says beside the file, or in its place. None is what the file says.

    Attributes:
        dtype: `float32`, in which frameworks compute, or `float64`.
        chain: each layer takes the outputs of those that it follows; if not, each takes the input.
        forget_bias: that of the layers whose file does not hold it.
    """

    dtype: str = "float32"
    chain: bool = False
    activation: str | None = None
    recurrent_activation: str | None = None
    go_backwards: bool | None = None
    forget_bias: float | None = None

    @property
    def said(self) -> dict[str, Any]:
        """What counts whatever the settings of a layer are, by the names that these have."""
        settings = {name: getattr(self, name) for name in ("activation", "recurrent_activation", "go_backwards")}
        return {name: value for name, value in settings.items() if value is not None}


class Network(NamedTuple):
    """Layers, read.

    Attributes:
        report: on these layers.
        cells: the layers, each after those whose outputs it takes.
        sources: by the name of each layer that takes outputs of others, which and how joined; the rest take the input.
        wanted: how they are to be run.
        notes: what to know about how they are.
    """

    report: Report
    cells: tuple[CellNumbers, ...]
    sources: Mapping[str, Source]
    wanted: Wanted
    notes: tuple[str, ...]

    def taken(self, name: str) -> tuple[str, ...]:
        """The names of the layers whose outputs the layer NAME takes; none where it takes the input."""
        return self.sources[name].names if name in self.sources else ()

    def joined(self, name: str, outputs: Mapping[str, Array]) -> Array:
        """The input of the layer NAME, (batch, length, d), out of the OUTPUTS of others."""
        return join(self.sources[name].join, [outputs[layer] for layer in self.taken(name)])


def read(opened: OpenModel, chosen: Sequence[LSTM], input_dim: int, wanted: Wanted = Wanted()) -> Network:  # noqa: B008
    """The layers CHOSEN out of OPENED, to be run on an input of INPUT_DIM numbers at each step.

    Raises:
        BadInput: the input has another width than a layer takes.
        CannotReplay: the input of a layer is not known.
        CannotReplay, NoForgetBias, UnreadableModel: see `read_each`.
    """
    sources = _sources(opened, chosen) if wanted.chain else {}
    _insist_on_widths(chosen, sources, input_dim)
    cells, notes = read_each(_in_order(chosen, sources), opened.producer, wanted)
    report = describe(opened)
    names = {lstm.name for lstm in chosen}
    kept = report._replace(layers=tuple(layer for layer in report.layers if layer.name in names),
                           lstm_parameters=sum(lstm.parameters for lstm in chosen))  # fmt: skip
    return Network(kept, cells, sources, wanted, notes)


def read_each(lstms: Sequence[LSTM], producer: str, wanted: Wanted) -> tuple[tuple[CellNumbers, ...], tuple[str, ...]]:
    """LSTMS, layers of a model that PRODUCER wrote, each to be run by itself; and what to know about how they are.

    Raises:
        CannotReplay: a layer is no cell of the equations.
        NoForgetBias: the file does not hold it, and none is wanted.
        UnreadableModel: the numbers cannot be read.
    """
    behaviours = {lstm.name: _behaviour(lstm, producer, wanted) for lstm in lstms}
    cells = tuple(_cell(lstm, behaviours[lstm.name], wanted) for lstm in lstms)
    return cells, tuple(_notes(lstms, behaviours, wanted))


def sources_by_name(opened: OpenModel) -> dict[str, Source]:
    """By its name, the source of each layer that directly follows others, as far as the file says."""
    return {"/".join(path): source for path, source in opened.model.sources().items()}


def join(how: str, outputs: Sequence[Array]) -> Array:
    """OUTPUTS, each (batch, length, m), as Keras's merge mode HOW makes one of them: concat, sum, mul or ave."""
    if how == "concat":
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)
    if how not in _JOINS:
        raise CannotReplay(f"outputs that are joined by {how} are not replayed")
    with np.errstate(over="ignore", invalid="ignore"):  # as the replay does
        result: Array = _JOINS[how].reduce(outputs)
    return result / result.dtype.type(len(outputs)) if how == "ave" else result


_JOINS = {"sum": np.add, "mul": np.multiply, "ave": np.add}


def _sources(opened: OpenModel, chosen: Sequence[LSTM]) -> dict[str, Source]:
    """What each layer takes; those that are not in it take the input."""
    names = [lstm.name for lstm in chosen]
    every = sources_by_name(opened)
    found = {name: every[name] for name in names if name in every and set(names).issuperset(every[name].names)}
    heads = [lstm for lstm in chosen if lstm.name not in found]
    for head in heads[1:]:
        if not _are_halves(heads[0], head):
            raise CannotReplay(_no_source(head.name, names, every))
    return found


def _are_halves(one: LSTM, other: LSTM) -> bool:
    """Whether two layers are the halves of one Bidirectional."""
    around, its = (lstm.name.rpartition("/")[0] for lstm in (one, other))
    return around == its != "" and {behaviour.half(one), behaviour.half(other)} == {"forward", "backward"}


def _no_source(name: str, names: Sequence[str], every: Mapping[str, Source]) -> str:
    if name in every:
        left_out = ", ".join(layer for layer in every[name].names if layer not in names)
        return f"{name} takes the output of {left_out}, which -l leaves out"
    if not every:
        return f"the file does not say that {name} directly follows another LSTM layer; choose one with -l"
    before = names[names.index(name) - 1]
    return (f"{name} does not directly follow another LSTM layer: what lies between {before} and it is not replayed; "
            "choose layers that follow each other with -l")  # fmt: skip


def _insist_on_widths(chosen: Sequence[LSTM], sources: Mapping[str, Source], input_dim: int) -> None:
    by_name = {lstm.name: lstm for lstm in chosen}
    heads = [lstm for lstm in chosen if lstm.name not in sources]
    if len({lstm.input_dim for lstm in heads}) > 1:
        widths = ", ".join(f"{lstm.name}: {lstm.input_dim}" for lstm in heads)
        raise BadInput(f"its layers take inputs of different widths ({widths}); choose one with -l, or feed each the "
                       "output of the one before with --chain")  # fmt: skip
    for lstm in heads:
        if lstm.input_dim != input_dim:
            raise BadInput(f"the input has {input_dim} numbers at each step, but {lstm.name} takes {lstm.input_dim}")
    for name, source in sources.items():
        widths_of = [_width(by_name[layer]) for layer in source.names]
        width = sum(widths_of) if source.join == "concat" else widths_of[0]
        if width != by_name[name].input_dim:
            raise CannotReplay(f"{name} takes {by_name[name].input_dim} numbers at each step, but what it follows "
                               f"gives {width}")  # fmt: skip


def _width(lstm: LSTM) -> int:
    return lstm.units if lstm.projection is None else lstm.projection


def _in_order(chosen: Sequence[LSTM], sources: Mapping[str, Source]) -> list[LSTM]:
    """CHOSEN, each behind those whose outputs it takes, else in the model's order."""
    waiting, done, ordered = list(chosen), set[str](), list[LSTM]()
    while waiting:
        ready = [lstm for lstm in waiting if lstm.name not in sources or done.issuperset(sources[lstm.name].names)]
        if not ready:
            raise CorruptModel(f"{waiting[0].name} takes its own output for its input, by way of other layers")
        ordered.extend(ready)
        done.update(lstm.name for lstm in ready)
        waiting = [lstm for lstm in waiting if lstm.name not in done]
    return ordered


def _behaviour(lstm: LSTM, producer: str, wanted: Wanted) -> Behaviour:
    """How LSTM computes, as the file says, or as is WANTED."""
    try:
        found = behaviour.of(lstm, producer, wanted.said)
        for what, option in _activations(found):
            activations.named(what, found.keras, option)
    except CannotReplay as error:
        raise CannotReplay(f"{lstm.name}: {error}") from error
    return found


def _activations(found: Behaviour) -> tuple[tuple[object, str], ...]:
    """Its activations, each with the option that says otherwise."""
    return (found.activation, "--activation"), (found.recurrent_activation, "--recurrent-activation")


def _cell(lstm: LSTM, found: Behaviour, wanted: Wanted) -> CellNumbers:
    try:
        return replay.read(lstm, found, dtype=wanted.dtype, forget_bias=wanted.forget_bias)
    except NoForgetBias as error:
        raise NoForgetBias(f"{lstm.name}: {error}; say it with --forget-bias N: TensorFlow's cells add 1.0 where they "
                           "are not told otherwise") from error  # fmt: skip
    except CannotReplay as error:
        raise CannotReplay(f"{lstm.name}: {error}") from error


def _notes(lstms: Iterable[LSTM], behaviours: Mapping[str, Behaviour], wanted: Wanted) -> Iterator[str]:
    """What to know about how the layers are run, each sentence once, behind the names of those that it is true of."""
    names: dict[str, list[str]] = {}
    for lstm in lstms:
        found = behaviours[lstm.name]
        for note in (*found.notes, *_own_notes(lstm, found, wanted)):
            names.setdefault(note, []).append(lstm.name)
    return (f"{', '.join(of)}: {note}" for note, of in names.items())


def _own_notes(lstm: LSTM, found: Behaviour, wanted: Wanted) -> Iterator[str]:
    doubts = (activations.doubt(what, found.keras, option) for what, option in _activations(found))
    yield from filter(None, doubts)
    if found.go_backwards and not found.is_aligned:
        yield "it goes backwards: its first step is at the last of the input"
    if lstm.forget_bias is None:
        yield f"a forget bias of {wanted.forget_bias} is added to b_f, as given: the file does not hold it"
    elif wanted.forget_bias is not None and wanted.forget_bias != lstm.forget_bias:
        yield f"--forget-bias is passed over: the file holds it, and it is {lstm.forget_bias}"


def layer_record(network: Network, cell: CellNumbers) -> dict[str, Any]:
    """How CELL is run, for JSON."""
    found = cell.behaviour
    source = network.sources.get(cell.name)
    return {
        "name": cell.name,
        "units": cell.units,
        "activation": activations.word(found.activation),
        "recurrent_activation": activations.word(found.recurrent_activation),
        "go_backwards": found.go_backwards,
        "takes": list(network.taken(cell.name)),
        "join": source.join if source is not None and len(source.layers) > 1 else None,
    }


def record_of(network: Network) -> dict[str, Any]:
    """The record of `show --json`, and under `trace` how the layers are run."""
    return record.of(network.report) | {
        "trace": {
            "dtype": network.wanted.dtype,
            "chain": network.wanted.chain,
            "layers": [layer_record(network, cell) for cell in network.cells],
            "notes": list(network.notes),
        }
    }
