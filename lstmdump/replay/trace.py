"""What the LSTM layers of a model make of an input, at every step: their states and gates, written to `.npz`.

A layer at a time is computed, written and let go, so that what is in memory is the input, the states of one layer, and
the outputs that others have yet to take. From Python::

    x = numpy.load("x.npy")  # (batch, length, d)
    with lstmdump.open("weather.h5") as model:
        net = lstmdump.network.read(model, model.lstms, x.shape[2])
    for cell, states in lstmdump.trace.run(net, lstmdump.trace.Given(x)):
        print(cell.name, states.c.shape)  # (batch, length, m)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from lstmdump.errors import BadInput, LstmdumpError, OutputExists
from lstmdump.export import atomic, conflicts, npz
from lstmdump.export.chunks import Output
from lstmdump.model.escape import key
from lstmdump.model.tensor import Array, Cuts, Tensor
from lstmdump.replay import equations, network
from lstmdump.replay import inputs as replay_inputs
from lstmdump.replay.equations import CellNumbers, State, States
from lstmdump.replay.network import Network
from lstmdump.report import record

MEMBERS = ("h", "c", "i", "f", "o", "candidate")
ENDING = ".npz"


class Given(NamedTuple):
    """What layers are run on.

    Attributes:
        x: the input, (batch, length, d).
        mask: true where there is a step, (batch, length); None where each is one.
        initial: by the names of layers, the states before the first step; they are 0 where there is none.
    """

    x: Array
    mask: Array | None = None
    initial: Mapping[str, State] = {}


class Place(NamedTuple):
    """The file that states are written to: PATH.

    Attributes:
        compress: deflate the arrays.
        force: overwrite what is there.
    """

    path: str
    compress: bool = False
    force: bool = False


def insist_on_place(place: Place, model: str, inputs: Sequence[str]) -> None:
    """See to it, before anything is computed, that a file can be written to PLACE, and is none of those that are read.

    Raises:
        LstmdumpError: its name does not end in `.npz`.
        OutputUnwritable: it is a URL.
        OutputClash: it is MODEL or one of INPUTS.
        OutputExists: it is there, and is not to be overwritten.
    """
    path = place.path
    atomic.insist_that_it_is_here(path)
    if not path.endswith(ENDING):
        raise LstmdumpError(f"{path or 'an empty name'} does not end in {ENDING}, which the states are written as")
    conflicts.insist_that_it_is_no_model(path, model)
    conflicts.insist_that_it_is_none_of(path, inputs)
    if os.path.isdir(path):
        raise OutputExists(f"{path} is a directory")
    if os.path.lexists(path) and not place.force:
        raise OutputExists(f"{path} is there already; use --force")


def first_states(net: Network, path: str, batch: int) -> dict[str, State]:
    """The states before the first step of each layer of NET that the `.npz` file at PATH has some for.

    It holds `h` and `c`, each (width,) or (batch, width), where there is one layer, and `<layer>/h`, `<layer>/c`.

    Raises:
        BadInput: there is no such file, or it holds something else.
    """
    widths = {(cell.name, member): width for cell in net.cells
              for member, width in (("h", cell.width), ("c", cell.units))}  # fmt: skip
    alone = {member: (net.cells[0].name, member) for member in "hc"} if len(net.cells) == 1 else {}
    places = alone | {key("/".join(place)): place for place in widths}
    wanted = {name: widths[place] for name, place in places.items()}
    found = replay_inputs.first_states(path, wanted, batch, net.wanted.dtype)
    by_layer: dict[str, dict[str, Array]] = {}
    for name, values in found.items():
        layer, member = places[name]
        if member in by_layer.get(layer, {}):
            raise BadInput(f"{path}: it holds {member} of {layer} twice, once as {name}")
        by_layer.setdefault(layer, {})[member] = values
    for layer, members in by_layer.items():
        if len(members) < 2:
            raise replay_inputs.lacks(path, layer, "hc".replace(next(iter(members)), ""))
    return {layer: State(**members) for layer, members in by_layer.items()}


def run(net: Network, on: Given) -> Iterator[tuple[CellNumbers, States]]:
    """Each layer of NET with its states, those before it whose outputs it takes.

    Raises:
        BadInput: the shapes do not go together.
        CannotReplay: the activations of a layer are unknown.
    """
    outputs: dict[str, Array] = {}
    for number, cell in enumerate(net.cells):
        x = net.joined(cell.name, outputs) if net.taken(cell.name) else on.x
        found = equations.replay(cell, x, initial=on.initial.get(cell.name), mask=on.mask)
        awaited = {name for later in net.cells[number + 1 :] for name in net.taken(later.name)}
        outputs = {name: h for name, h in {**outputs, cell.name: found.h}.items() if name in awaited}
        del x
        yield cell, found
        del found  # before the next layer's are computed


def write(
    net: Network, on: Given, place: Place, *, seen: Callable[[CellNumbers, States], None] = lambda _cell, _states: None
) -> int:
    """Write what the layers of NET make of the input to a file, and return its bytes. It is whole, or as it was.

    Its keys are `x`, and behind the name of each layer `h`, `c`, `i`, `f`, `o` and `candidate`, each (batch, length,
    m); h is (batch, length, p) where it is projected. SEEN is given each layer's states while they are there.

    Raises:
        OutputExists, OutputUnwritable: the file cannot be written.
        BadInput, CannotReplay: see `run`.
    """
    current = _Current(run(net, on), seen)
    arrays = [Output("x", _held("x", on.x), on.x.dtype.name)]
    for cell in net.cells:
        for member in MEMBERS:
            shape = (*on.x.shape[:2], cell.width if member == "h" else cell.units)
            name = key(f"{cell.name}/{member}")
            arrays.append(Output(name, current.tensor(cell.name, member, shape, cell.dtype), cell.dtype))
    text = record.line(network.record_of(net))
    return npz.write(place.path, {record.KEY: text}, arrays, compress=place.compress, overwrite=place.force)


class _Current:
    """The layer that is being written: computed when the first of its arrays is asked for, gone with the next one."""

    def __init__(
        self, layers: Iterator[tuple[CellNumbers, States]], seen: Callable[[CellNumbers, States], None]
    ) -> None:
        self._layers = layers
        self._seen = seen
        self._layer: str | None = None
        self._states: States | None = None

    def tensor(self, layer: str, member: str, shape: tuple[int, ...], dtype: str) -> Tensor:
        """An array of LAYER; all of one layer are to be read before those of the next."""

        def fetch(cuts: Cuts) -> Array:
            values: Array = getattr(self._of(layer), member)
            return values[cuts]

        return Tensor(f"{layer}/{member}", shape, dtype, fetch)

    def _of(self, layer: str) -> States:
        while self._states is None or self._layer != layer:
            self._states = None
            cell, self._states = next(self._layers)
            self._layer = cell.name
            self._seen(cell, self._states)
        return self._states


def _held(name: str, values: Array) -> Tensor:
    return Tensor(name, values.shape, values.dtype.name, lambda cuts: values[cuts])
