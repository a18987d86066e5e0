"""Write the states of LSTM layers at every step of an input to `.npz`, one layer at a time.

A layer is run and its arrays are written before the next one is run, so that memory holds the input, the states of one
layer, and the outputs that later layers take. From Python::

    from lstmdump.export import states

    x = numpy.load("x.npy")  # (batch, length, d)
    with lstmdump.open("weather.h5") as model:
        net = lstmdump.network.read(model, model.lstms, x.shape[2])
    states.write(net, lstmdump.trace.Given(x), states.StatesFile("states.npz"))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lstmdump.errors import WrongSuffix
from lstmdump.export import chunks, conflicts, npz
from lstmdump.model.escape import key
from lstmdump.model.tensor import Array
from lstmdump.replay.equations import CellNumbers, State, States
from lstmdump.replay.layers.base import Signal, StateWatch
from lstmdump.replay.network import Network
from lstmdump.replay.networks.plan import NetworkPlan
from lstmdump.replay.trace import Given, run, run_plan
from lstmdump.report import record
from lstmdump.report.facts import Report
from lstmdump.report.render.trace import network_record, trace_record

MEMBERS = ("h", "c", "i", "f", "o", "candidate")
"""The arrays of a layer, in the order in which they are written."""

ENDING = ".npz"


class StatesFile(NamedTuple):
    """The file that states are written to.

    Attributes:
        path: The path, which ends in `.npz`.
        compress: Whether the arrays are deflated.
        force: Whether an existing file is overwritten.
    """

    path: str
    compress: bool = False
    force: bool = False


class CallNames:
    """Names for the calls of layers: that of the layer for its first call, and then with `#1`, `#2`, … after it."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()

    def name(self, layer: str) -> str:
        """Return the name of the next call of `layer`."""
        before = self._calls[layer]
        self._calls[layer] += 1
        return f"{layer}#{before}" if before else layer


def require_writable(file: StatesFile, model: str, inputs: Sequence[str]) -> None:
    """Check, before anything is computed, that `file` can be written, and is not one of the files that are read.

    Args:
        file: The file to write.
        model: The path of the model.
        inputs: The paths of the arrays that the user gives.

    Raises:
        WrongSuffix: The path does not end in `.npz`.
        OutputUnwritable: The path is a URL.
        OutputClash: The path is `model` or one of `inputs`.
        OutputExists: The file exists, and is not to be overwritten.
    """
    conflicts.require_local_path(file.path)
    if not file.path.endswith(ENDING):
        raise WrongSuffix(f"{file.path or 'an empty name'} does not end in {ENDING}; states are written in this format")
    conflicts.require_writable(file.path, overwrite=file.force, models=[model], inputs=inputs)


def write(
    net: Network,
    on: Given,
    file: StatesFile,
    *,
    report: Report | None = None,
    seen: Callable[[CellNumbers, States], None] = lambda _cell, _states: None,
) -> int:
    """Run the layers of `net` and write their states to `file`, which is complete, or stays as it was.

    The keys of the file are `x`, and after the name of each layer `h`, `c`, `i`, `f`, `o` and `candidate`, each
    (batch, length, m); h is (batch, length, p) where it is projected.

    Args:
        net: The layers.
        on: The input, with its mask and the states before the first step.
        file: The file to write.
        report: The report on the model; without it, the record in the file states only how the layers were run.
        seen: Called with each layer and its states before they are written.

    Returns:
        The number of bytes written.

    Raises:
        OutputExists, OutputUnwritable: The file cannot be written.
        BadInput: The shapes do not match.
        CannotReplay: The activations of a layer are unknown.
    """
    text = record.line(record_of(net, report))
    with npz.writing(file.path, compress=file.compress, overwrite=file.force) as writer:
        writer.add_text(record.KEY, text)
        writer.add([chunks.in_memory("x", on.x)])
        for cell, states in run(net, on):
            seen(cell, states)
            writer.add([chunks.in_memory(key(f"{cell.name}/{name}"), getattr(states, name)) for name in MEMBERS])
            del states  # before those of the next layer are computed
    return writer.size


def write_network(
    plan: NetworkPlan,
    given: Mapping[str, Signal],
    file: StatesFile,
    *,
    mask: Array | None = None,
    initial: Mapping[str, State] | None = None,
    report: Report | None = None,
    seen: StateWatch = lambda _cell, _states, _mask: None,
) -> tuple[int, dict[str, tuple[int, ...]]]:
    """Run a network and write the states of its LSTM layers, its inputs and outputs to `file`, complete or not at all.

    The keys of the file are `x`, or `<input>/x` for each of several inputs, the members of each layer, and
    `<output>/y`. A layer that is called again has `#1`, … after its name.

    Args:
        plan: The network.
        given: Its inputs, as `lstmdump.trace.give` returns them.
        file: The file to write.
        mask: A mask in place of those of the network, (batch, steps).
        initial: First states in place of those of the network, by the name of the LSTM layer.
        report: The report on the model; without it, the record in the file states only how the layers were run.
        seen: Called with each layer and its states before they are written.

    Returns:
        The number of bytes written, and the shapes of the outputs of the model, by name.

    Raises:
        OutputExists, OutputUnwritable: The file cannot be written.
        BadInput: An array has another shape than a layer takes.
    """
    names = CallNames()
    with npz.writing(file.path, compress=file.compress, overwrite=file.force) as writer:
        writer.add_text(record.KEY, record.line(record_of_network(plan, report)))
        for name, signal in given.items():
            place = "x" if len(given) == 1 else f"{name}/x"
            writer.add([chunks.in_memory(key(place), signal.values)])

        def add(cell: CellNumbers, states: States, its_mask: Array | None) -> None:
            seen(cell, states, its_mask)
            layer = names.name(cell.name)
            writer.add([chunks.in_memory(key(f"{layer}/{name}"), getattr(states, name)) for name in MEMBERS])

        outputs = run_plan(plan, given, mask=mask, initial=initial, watch=add)
        for name, values in outputs.items():
            writer.add([chunks.in_memory(key(f"{name}/y"), values)])
    return writer.size, {name: values.shape for name, values in outputs.items()}


def record_of_network(plan: NetworkPlan, report: Report | None) -> dict[str, Any]:
    """Return the record of `show --json` on the LSTM layers of `plan`, and under `trace` how they are run."""
    fields = {} if report is None else record.of(_keep_layers(report, set(plan.lstms)))
    return fields | {"trace": network_record(plan)}


def record_of(net: Network, report: Report | None) -> dict[str, Any]:
    """Return the record of `show --json` on the layers of `net`, and under `trace` how they are run."""
    fields = {} if report is None else record.of(_keep_layers(report, {cell.name for cell in net.cells}))
    return fields | {"trace": trace_record(net)}


def _keep_layers(report: Report, names: set[str]) -> Report:
    layers = tuple(layer for layer in report.layers if layer.name in names)
    return report._replace(layers=layers, lstm_parameters=sum(layer.parameters for layer in layers))
