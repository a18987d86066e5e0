"""Read the LSTM layers of a model so that they can be run: how each computes, and what it takes as input."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lstmdump.errors import CannotReplay, NoForgetBias
from lstmdump.lstm import LSTM, behaviour
from lstmdump.lstm.behaviour import Behaviour
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.sentences import shared
from lstmdump.model.tensor import Array
from lstmdump.model.tree import Source
from lstmdump.replay import activations, connections, equations, matching, omissions
from lstmdump.replay.equations import CellNumbers
from lstmdump.replay.matching import GivenArray
from lstmdump.replay.omissions import Omission


class RunOptions(NamedTuple):
    """How to run layers: what the user states in addition to the file, or instead of it. None leaves it to the file.

    Attributes:
        dtype: `float32`, in which frameworks compute, or `float64`.
        chain: Each layer takes the outputs of the layers before it; if not, each takes the input, unless one layer of
            the framework holds both.
        forget_bias: The forget bias of layers whose file does not hold it.
    """

    dtype: str = "float32"
    chain: bool = False
    activation: str | None = None
    recurrent_activation: str | None = None
    go_backwards: bool | None = None
    forget_bias: float | None = None

    @property
    def overrides(self) -> dict[str, Any]:
        """The settings that override those of the layers, by the names of these."""
        settings = {name: getattr(self, name) for name in ("activation", "recurrent_activation", "go_backwards")}
        return {name: value for name, value in settings.items() if value is not None}


_BACKWARDS = "it goes backwards: its first step is the last step of the input"


class Network(NamedTuple):
    """Layers that have been read.

    Attributes:
        cells: The layers, each after those whose outputs it takes.
        sources: The source of each layer that takes outputs of others, by name; the other layers take the input.
        options: How the layers are run.
        notes: Remarks on how the layers are run.
        omissions: What the layers are given in the model, and not by this run, unless the user gives it.
    """

    cells: tuple[CellNumbers, ...]
    sources: Mapping[str, Source]
    options: RunOptions
    notes: tuple[str, ...]
    omissions: tuple[Omission, ...] = ()

    @property
    def notes_on_states(self) -> tuple[str, ...]:
        """The notes, with those on what is left out, and on layers whose steps are not in the order of the input."""
        left_out = omissions.notes(self.omissions, len(self.cells))
        return (*self.notes, *left_out, *note_backwards(self.cells))

    def supplied(self, *, has_mask: bool, with_states: Collection[str]) -> Network:
        """Return the layers for a run in which the user gives a mask, or first states to the layers `with_states`."""
        left_out = omissions.without(self.omissions, has_mask=has_mask, with_states=with_states)
        return self._replace(omissions=tuple(left_out))

    def taken(self, name: str) -> tuple[str, ...]:
        """Return the names of the layers whose outputs the layer `name` takes; empty if it takes the input."""
        return self.sources[name].names if name in self.sources else ()

    def joined(self, name: str, outputs: Mapping[str, Array]) -> Array:
        """Return the input of the layer `name`, (batch, length, d), joined from the `outputs` of others."""
        return connections.join(self.sources[name].join, [outputs[layer] for layer in self.taken(name)])


def note_backwards(cells: Collection[CellNumbers]) -> Iterator[str]:
    """Yield a note on the layers whose steps are not in the order of the input."""
    backwards = [cell.name for cell in cells if cell.behaviour.go_backwards and not cell.behaviour.is_aligned]
    yield from shared(((name, _BACKWARDS) for name in backwards), len(cells))


def read(opened: LoadedModel, chosen: Sequence[LSTM], input_dim: int, wanted: RunOptions = RunOptions()) -> Network:  # noqa: B008
    """Read the layers `chosen` of `opened`, to be run on an input of `input_dim` numbers at each step.

    Raises:
        BadInput: The input has another width than a layer takes.
        CannotReplay: The input of a layer is not known.
        CannotReplay, NoForgetBias, UnreadableModel: See `read_each`.
    """
    sources = connections.sources(opened, chosen) if wanted.chain else connections.within_layers(opened, chosen)
    heads = [lstm for lstm in chosen if lstm.name not in sources]
    connections.require_width(opened, heads, input_dim, may_chain=not wanted.chain)
    connections.require_joining_widths(chosen, sources)
    cells, notes = read_each(connections.in_order(chosen, sources), opened.producer, wanted)
    return Network(cells, sources, wanted, notes, tuple(list_omissions(opened, chosen, chained=sources)))


def list_omissions(
    opened: LoadedModel, chosen: Sequence[LSTM], *, chained: Collection[str] | None = None
) -> Iterator[Omission]:
    """Yield what the layers `chosen` of `opened` are given in the model and not by a run of each by itself.

    Args:
        opened: The model.
        chosen: The layers that are run.
        chained: The layers that take the outputs of others in this run, too; None if layers cannot be chained in it.
    """
    names, sources = [lstm.name for lstm in chosen], connections.sources_by_name(opened)
    for lstm in chosen:
        yield from omissions.of_layer(lstm)
        if lstm.name in sources and lstm.name not in (chained or ()):
            yield omissions.of_source(lstm.name, sources[lstm.name], None if chained is None else names)


def read_given(
    opened: LoadedModel, chosen: Sequence[LSTM], given: Sequence[GivenArray], options: RunOptions
) -> Network:
    """Read the layers `chosen` of `opened`, which describes no network, to be run on the only array `given`.

    Raises:
        BadInput: Several arrays are given, or the array has another width than a layer takes.
        CannotReplay, NoForgetBias, UnreadableModel: See `read`.
    """
    return read(opened, chosen, matching.require_one(given).shape[-1], options)


def read_each(
    lstms: Sequence[LSTM], producer: str, wanted: RunOptions
) -> tuple[tuple[CellNumbers, ...], tuple[str, ...]]:
    """Read `lstms`, layers of a model that `producer` wrote, each to be run by itself; return them with notes.

    Raises:
        CannotReplay: A layer computes something else than the equations of an LSTM.
        NoForgetBias: The file does not hold the forget bias, and `wanted` gives none.
        UnreadableModel: The numbers cannot be read.
    """
    behaviours = {lstm.name: _read_behaviour(lstm, producer, wanted) for lstm in lstms}
    cells = tuple(_read_cell(lstm, behaviours[lstm.name], wanted) for lstm in lstms)
    return cells, tuple(_collect_notes(lstms, behaviours, wanted))


def read_one(lstm: LSTM, producer: str, wanted: RunOptions) -> tuple[CellNumbers, list[str]]:
    """Read `lstm` as `read_each` does; return it with its notes, which do not name it."""
    found = _read_behaviour(lstm, producer, wanted)
    stateful = (one.note for one in omissions.of_stateful_layer(lstm))
    return _read_cell(lstm, found, wanted), [*found.notes, *_note_layer(lstm, found, wanted), *stateful]


def _read_behaviour(lstm: LSTM, producer: str, wanted: RunOptions) -> Behaviour:
    """Return how `lstm` computes, according to the file, or to `wanted`."""
    try:
        found = behaviour.of(lstm, producer, wanted.overrides)
        for what, option in _list_activations(found):
            activations.named(what, found.keras, option)
    except CannotReplay as error:
        raise CannotReplay(f"{lstm.name}: {error}") from error
    return found


def _list_activations(found: Behaviour) -> tuple[tuple[object, str], ...]:
    """Return the activations, each with the option that overrides it."""
    output = () if found.output_activation is None else ((found.output_activation, "--activation"),)
    return (found.activation, "--activation"), (found.recurrent_activation, "--recurrent-activation"), *output


def _read_cell(lstm: LSTM, found: Behaviour, wanted: RunOptions) -> CellNumbers:
    try:
        return equations.read(lstm, found, dtype=wanted.dtype, forget_bias=wanted.forget_bias)
    except NoForgetBias as error:
        raise NoForgetBias(f"{lstm.name}: {error}; give it with --forget-bias N: TensorFlow's cells add 1.0 "
                           "by default") from error  # fmt: skip
    except CannotReplay as error:
        raise CannotReplay(f"{lstm.name}: {error}") from error


def _collect_notes(lstms: Iterable[LSTM], behaviours: Mapping[str, Behaviour], wanted: RunOptions) -> Iterator[str]:
    """Yield remarks on how the layers are run."""
    notes = ((lstm.name, note) for lstm in lstms for found in (behaviours[lstm.name],)
             for note in (*found.notes, *_note_layer(lstm, found, wanted)))  # fmt: skip
    return shared(notes, len(behaviours))


def _note_layer(lstm: LSTM, found: Behaviour, wanted: RunOptions) -> Iterator[str]:
    doubts = (activations.doubt(what, found.keras, option) for what, option in _list_activations(found))
    yield from filter(None, doubts)
    if (computed := behaviour.computing_type(lstm)) is not None:
        yield f"the policy is {lstm.settings.policy}: Keras computes in {computed}, the replay in {wanted.dtype}"
    if lstm.forget_bias is None:
        yield f"a forget bias of {wanted.forget_bias} is added to b_f, as given: the file does not hold it"
    elif wanted.forget_bias is not None and wanted.forget_bias != lstm.forget_bias:
        yield f"--forget-bias is ignored: the file holds a forget bias of {lstm.forget_bias}"
