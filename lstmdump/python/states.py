"""The states of LSTM layers at every step, as `trace` of a model or of a layer returns them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lstmdump.model.escape import key, visible
from lstmdump.model.sentences import listed
from lstmdump.model.tensor import Array
from lstmdump.replay.equations import States

MEMBERS = ("h", "c", "i", "f", "o", "candidate")


@dataclass(frozen=True, repr=False)
class LayerStates(States):
    """The states and gates of a layer at every step.

    Attributes:
        h: The output, (batch, length, m), or (batch, length, p) where it is projected.
        c: The cell state, (batch, length, m).
        i: The input gate, (batch, length, m).
        f: The forget gate, (batch, length, m).
        o: The output gate, (batch, length, m).
        candidate: The candidate, (batch, length, m).
        mask: False where a step was skipped, (batch, length), in the order of the arrays; None if none was.
        name: The name of the layer.
        notes: Remarks on how the layer was run by itself, and on what was left out.

    A single sequence has no axis for the batch. The gates of a skipped step are NaN.
    """

    mask: Array | None = None
    name: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shapes = ", ".join(f"{member} {getattr(self, member).shape}" for member in MEMBERS)
        masked = "" if self.mask is None else f", mask {self.mask.shape}"
        line = f"<states of {visible(self.name) or 'a layer'}: {shapes}{masked}>"
        return "\n".join([line, *(f"note: {visible(note)}" for note in self.notes)])

    def to_dict(self) -> dict[str, Array]:
        """Return the arrays by name, ready for `numpy.savez(path, **states.to_dict())`; the mask if there is one."""
        found = {member: getattr(self, member) for member in MEMBERS}
        return found if self.mask is None else found | {"mask": self.mask}


@dataclass(frozen=True, repr=False)
class ModelStates(Mapping[str, LayerStates]):
    """The states of the LSTM layers of a model, by the name of the layer, and the outputs of the model.

    A layer that the model calls again has `#1`, … after its name. If there is one layer, its arrays are attributes of
    this object as well: `states.c`.

    Attributes:
        layers: The states of each layer.
        outputs: The outputs of the model, by name, each (batch, …); empty if the model could not be run to its end.
        notes: Remarks on how the layers were run, and on what was left out.
    """

    layers: Mapping[str, LayerStates]
    outputs: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> LayerStates:
        try:
            return self.layers[name]
        except KeyError as error:
            raise KeyError(f"no states of {name!r}; there are those of {listed(list(self.layers))}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        lines = [repr(states) for states in self.layers.values()]
        lines += [f"<output {visible(name)} {values.shape}>" for name, values in self.outputs.items()]
        return "\n".join([*lines, *(f"note: {visible(note)}" for note in self.notes)])

    def _only(self) -> LayerStates:
        if len(self.layers) != 1:
            names = listed([repr(name) for name in self.layers]) if self.layers else "none"
            raise AttributeError(f"choose a layer, as in states[NAME].c: there are {names}")
        return next(iter(self.layers.values()))

    @property
    def name(self) -> str:
        """The name of the only layer."""
        return self._only().name

    @property
    def h(self) -> Array:
        """The output of the only layer, (batch, length, m), or (batch, length, p) where it is projected."""
        return self._only().h

    @property
    def c(self) -> Array:
        """The cell state of the only layer, (batch, length, m)."""
        return self._only().c

    @property
    def i(self) -> Array:
        """The input gate of the only layer, (batch, length, m)."""
        return self._only().i

    @property
    def f(self) -> Array:
        """The forget gate of the only layer, (batch, length, m)."""
        return self._only().f

    @property
    def o(self) -> Array:
        """The output gate of the only layer, (batch, length, m)."""
        return self._only().o

    @property
    def candidate(self) -> Array:
        """The candidate of the only layer, (batch, length, m)."""
        return self._only().candidate

    @property
    def mask(self) -> Array | None:
        """The mask of the only layer, (batch, length); None if no step was skipped."""
        return self._only().mask

    @property
    def y(self) -> Array:
        """The only output of the model, (batch, …)."""
        if len(self.outputs) != 1:
            names = listed([repr(name) for name in self.outputs]) if self.outputs else "none"
            raise AttributeError(f"choose an output, as in states.outputs[NAME]: there are {names}")
        return next(iter(self.outputs.values()))

    def to_dict(self) -> dict[str, Array]:
        """Return all arrays under the keys of `lstmdump trace`: `lstm_1/c`, …, `<output>/y`.

        Beside them are masks, such as `lstm_1/mask`, which the file that the command writes does not hold.
        """
        found = {key(f"{name}/{member}"): values for name, states in self.layers.items()
                 for member, values in states.to_dict().items()}  # fmt: skip
        return found | {key(f"{name}/y"): values for name, values in self.outputs.items()}


def without_batch(states: LayerStates) -> LayerStates:
    """Return `states` of a batch of one without the axis of the batch."""
    arrays = {member: getattr(states, member)[0] for member in MEMBERS}
    return LayerStates(**arrays, mask=None if states.mask is None else states.mask[0], name=states.name)
