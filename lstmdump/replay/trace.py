"""Run the LSTM layers of a model on an input, and give their states and gates at every step.

One layer is run at a time, so that memory holds the input, the states of one layer, and the outputs that later layers
take. From Python::

    x = numpy.load("x.npy")  # (batch, length, d)
    with lstmdump.open("weather.h5") as model:
        net = lstmdump.network.read(model, model.lstms, x.shape[2])
    for cell, states in lstmdump.trace.run(net, lstmdump.trace.Given(x)):
        print(cell.name, states.c.shape)  # (batch, length, m)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lstmdump.errors import BadInput
from lstmdump.model.escape import key
from lstmdump.model.tensor import Array
from lstmdump.replay import equations
from lstmdump.replay import inputs as replay_inputs
from lstmdump.replay.equations import CellNumbers, State, States
from lstmdump.replay.layers.base import RunContext, Signal, StateWatch
from lstmdump.replay.matching import MatchedInput
from lstmdump.replay.network import Network
from lstmdump.replay.networks import propagation
from lstmdump.replay.networks.plan import NetworkPlan


class Given(NamedTuple):
    """The input of the layers.

    Attributes:
        x: The input, (batch, length, d).
        mask: True where there is a step, (batch, length); None if no step is masked.
        initial: The states before the first step, by the name of the layer; 0 for layers that are not in it.
    """

    x: Array
    mask: Array | None = None
    initial: Mapping[str, State] = {}


def first_states(net: Network | NetworkPlan, path: str, batch: int) -> dict[str, State]:
    """Read the first states of the layers of `net` from the `.npz` file at `path`, by the name of the layer.

    The file holds `<layer>/h` and `<layer>/c`, each (width,) or (batch, width); `h` and `c` will do for a single layer.

    Raises:
        BadInput: The file does not exist, or holds something else.
    """
    widths = {(cell.name, member): width for cell in net.cells
              for member, width in (("h", cell.width), ("c", cell.units))}  # fmt: skip
    alone = {member: (net.cells[0].name, member) for member in "hc"} if len(net.cells) == 1 else {}
    places = alone | {key("/".join(place)): place for place in widths}
    wanted = {name: widths[place] for name, place in places.items()}
    found = replay_inputs.first_states(path, wanted, batch, net.options.dtype)
    by_layer: dict[str, dict[str, Array]] = {}
    for name, values in found.items():
        layer, member = places[name]
        if member in by_layer.get(layer, {}):
            raise BadInput(f"{path}: it holds {member} of {layer} twice, once as {name}")
        by_layer.setdefault(layer, {})[member] = values
    for layer, members in by_layer.items():
        if len(members) < 2:
            raise replay_inputs.missing_state(path, layer, "hc".replace(next(iter(members)), ""))
    return {layer: State(**members) for layer, members in by_layer.items()}


def run(net: Network, on: Given) -> Iterator[tuple[CellNumbers, States]]:
    """Run the layers of `net`, and yield each with its states, after the layers whose outputs it takes.

    Raises:
        BadInput: The shapes do not match.
        CannotReplay: The activations of a layer are unknown.
    """
    outputs: dict[str, Array] = {}
    for number, cell in enumerate(net.cells):
        x = net.joined(cell.name, outputs) if net.taken(cell.name) else on.x
        found = equations.replay(cell, x, initial=on.initial.get(cell.name), mask=on.mask)
        awaited = {name for later in net.cells[number + 1 :] for name in net.taken(later.name)}
        outputs = {name: h for name, h in {**outputs, cell.name: found.h}.items() if name in awaited}
        del x
        yield cell, found
        del found  # before those of the next layer are computed


def give(plan: NetworkPlan, arrays: Sequence[Array]) -> dict[str, Signal]:
    """Return `arrays` as the inputs that they are by `plan`, by name, with the axis of the batch."""
    return {one.input.name: Signal(_convert(plan, one, arrays[one.array])) for one in plan.inputs}


def _convert(plan: NetworkPlan, one: MatchedInput, array: Array) -> Array:
    values = array[None] if one.is_single else array
    if array.dtype.kind in "iu" and plan.network.takes_ids(one.input):
        return np.ascontiguousarray(values)
    return np.ascontiguousarray(values, plan.options.dtype)


def run_plan(
    plan: NetworkPlan,
    given: Mapping[str, Signal],
    *,
    mask: Array | None = None,
    initial: Mapping[str, State] | None = None,
    watch: StateWatch | None = None,
) -> dict[str, Array]:
    """Run a network; return the outputs of the model that are part of it, by name, each (batch, …).

    Args:
        plan: The network.
        given: Its inputs, as `give` returns them.
        mask: A mask in place of those that the layers determine, (batch, steps).
        initial: First states in place of those of the network, by the name of the LSTM layer.
        watch: Is called with the states of each LSTM layer that is asked for, in the order of the computation.

    Raises:
        BadInput: An array has another shape than a layer takes.
    """

    def watch_chosen(cell: CellNumbers, states: States, its_mask: Array | None) -> None:
        if watch is not None and cell.name in plan.lstms:
            watch(cell, states, its_mask)

    outputs = plan.network.outputs
    tape = propagation.forward(
        plan.network,
        given,
        mask=mask,
        context=RunContext(initial or {}, watch_chosen),
        wanted=[one.tensor for one in outputs],
    )
    return {one.name: np.ascontiguousarray(tape[one.tensor].values) for one in outputs}
