"""The result of `trace`: a table of gate statistics, or a JSON object."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lstmdump.lstm.activation_names import word
from lstmdump.model.escape import visible
from lstmdump.replay.cell import CellNumbers
from lstmdump.replay.network import Network
from lstmdump.replay.networks.plan import NetworkPlan
from lstmdump.replay.saturation import GateSummary, LayerSummary
from lstmdump.report import record
from lstmdump.report.render.words import count, plural

_NUMBERS = ("mean", "std", "min", "max")
_SHARES = ("low", "high")
_LEGEND = ("low, high: the share of values below 0.1 and above 0.9, of the candidate beyond\n"
           "±0.9: the saturated ones, as Karpathy, Johnson and Li (2015) count them\n")  # fmt: skip


def statistics(layers: Sequence[LayerSummary]) -> str:
    """Return a line per gate: statistics over all units and steps."""
    tables = ("\n".join((*_list_gates(name, layer), "")) for name, layer in _number_calls(layers))
    return "\n".join(tables) + "\n" + _LEGEND


def _number_calls(layers: Sequence[LayerSummary]) -> Iterator[tuple[str, LayerSummary]]:
    """Yield each layer behind its name in the file of states: with `#1`, … where it is called again."""
    calls: Counter[str] = Counter()
    for layer in layers:
        number = calls[layer.name]
        calls[layer.name] += 1
        yield f"{layer.name}#{number}" if number else layer.name, layer


def _list_gates(name: str, layer: LayerSummary) -> Iterator[str]:
    yield f"{visible(name)}  {_describe_layer(layer)}"
    yield f"  {'':9}" + "".join(f"{column:>11}" for column in (*_NUMBERS, *_SHARES))
    for gate_name, gate in layer.gates.items():
        numbers = "".join(f"{getattr(gate, column):>11.4g}" for column in _NUMBERS)
        yield (
            f"  {gate_name:9}"
            + numbers
            + "".join(f"{_format_percent(getattr(gate, column)):>11}" for column in _SHARES)
        )


def _describe_layer(layer: LayerSummary) -> str:
    words = f"{plural(layer.batch, 'sequence')} of {plural(layer.steps, 'step')}, {plural(layer.units, 'unit')}"
    return f"{words}; {count(layer.passed_over)} masked steps left out" if layer.passed_over else words


def _format_percent(share: float) -> str:
    return f"{100 * share:.1f} %" if math.isfinite(share) else "nan"


def json_line(
    network: Network, layers: Sequence[LayerSummary], model: str, output: str, size: int, *, with_statistics: bool
) -> str:
    """Return the result as one line of JSON; `lstmdump help json` lists the keys."""
    summaries = {layer.name: layer for layer in layers}
    return record.line({
        "model": model,
        "output": output,
        "layers": [
            _record_layer(layer_record(network, cell), summaries[cell.name], with_statistics=with_statistics)
            for cell in network.cells
        ],
        "bytes": size,
        "notes": list(network.notes_on_states),
    })  # fmt: skip


def network_json_line(
    plan: NetworkPlan,
    layers: Sequence[LayerSummary],
    outputs: Mapping[str, tuple[int, ...]],
    model: str,
    output: str,
    size: int,
    *,
    with_statistics: bool,
) -> str:
    """Return the result of a network as one line of JSON, with its inputs and the shapes of its `outputs`."""
    about = {one["name"]: one for one in network_record(plan)["layers"]}
    return record.line({
        "model": model,
        "output": output,
        "inputs": [one.input.name for one in plan.inputs],
        "layers": [
            _record_layer({**about[one.name], "name": name}, one, with_statistics=with_statistics)
            for name, one in _number_calls(layers)
        ],
        "outputs": [{"name": name, "shape": list(shape)} for name, shape in outputs.items()],
        "bytes": size,
        "notes": list(plan.notes_on_states),
    })  # fmt: skip


def layer_record(network: Network, cell: CellNumbers) -> dict[str, Any]:
    """Return how the layer `cell` of `network` is run, as JSON."""
    source = network.sources.get(cell.name)
    join = source.join if source is not None and len(source.layers) > 1 else None
    return _describe_run(cell, network.taken(cell.name), join)


def trace_record(network: Network) -> dict[str, Any]:
    """Return how the layers of `network` are run: the key `trace` of the record in a file of states."""
    return {
        "dtype": network.options.dtype,
        "chain": network.options.chain,
        "layers": [layer_record(network, cell) for cell in network.cells],
        "notes": list(network.notes_on_states),
    }


def network_record(plan: NetworkPlan) -> dict[str, Any]:
    """Return how the network of `plan` is run: the key `trace` of the record in a file of states."""
    return {
        "dtype": plan.options.dtype,
        "chain": True,
        "inputs": [one.input.name for one in plan.inputs],
        "layers": [_describe_run(cell, plan.takes[cell.name], None) for cell in plan.chosen],
        "outputs": [one.name for one in plan.network.outputs],
        "notes": list(plan.notes_on_states),
    }


def _describe_run(cell: CellNumbers, takes: Sequence[str], join: str | None) -> dict[str, Any]:
    settings = cell.behaviour
    return {
        "name": cell.name,
        "units": cell.units,
        "activation": word(settings.activation),
        "recurrent_activation": word(settings.recurrent_activation),
        "go_backwards": settings.go_backwards,
        "takes": list(takes),
        "join": join,
    }


def _record_layer(about: Mapping[str, Any], summary: LayerSummary, *, with_statistics: bool) -> dict[str, Any]:
    saturated = {name: _select_columns(gate, _SHARES) for name, gate in summary.gates.items()}
    made = {
        **about,
        "steps": summary.steps,
        "batch": summary.batch,
        "saturated": saturated,
    }
    if with_statistics:
        made["stats"] = {name: _select_columns(gate, _NUMBERS) for name, gate in summary.gates.items()}
    return made


def _select_columns(gate: GateSummary, names: Sequence[str]) -> dict[str, float | None]:
    return {name: record.finite(getattr(gate, name)) for name in names}
