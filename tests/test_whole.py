"""Whole models, with what the frameworks recorded of them: `tests/whole/manifest.json`.

A row names a model and its producer, the inputs and outputs as `[name, shape, dtype]` in the order of the model, and

- under `io` a `.npz` with `x/<input>`, `y/<output>` and `lstm/<layer>#<call>/h`, the output of an LSTM at every step in
  the order in which it takes them, computed in float32;
- under `lags` a `.npz` with `<output>|<input>` or `<output>|emb:<Embedding>#<call>`: (batch, steps), the norm of the
  derivative of the last output by each step, computed in float64;
- `refused`: the layer that cannot be computed, where no output can; `not_computed`: the outputs behind such a layer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstmdump
from lstmdump.errors import CannotReplay
from lstmdump.replay import trace
from lstmdump.replay.cell import CellNumbers
from lstmdump.replay.equations import State, States
from lstmdump.replay.lags import LayerLags
from lstmdump.replay.matching import GivenArray
from lstmdump.replay.network import RunOptions
from lstmdump.replay.networks import lags as network_lags
from lstmdump.replay.networks import plan
from lstmdump.replay.networks.plan import NetworkPlan, Purpose

HERE = Path(__file__).parent / "whole"
ROWS: list[dict[str, Any]] = json.loads((HERE / "manifest.json").read_text("utf-8"))
RUN = [row for row in ROWS if "refused" not in row]
REFUSED = [row for row in ROWS if "refused" in row]

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["file"]))
each_row_that_runs = pytest.mark.parametrize("row", RUN, ids=lambda row: str(row["file"]))


def describe_inputs(row: dict[str, Any]) -> list[GivenArray]:
    return [GivenArray(name, tuple(shape), dtype == "int32") for name, shape, dtype in row["inputs"]]


def read(row: dict[str, Any], layers: str = "", *, with_outputs: bool = True) -> NetworkPlan:
    """Read the network of a model up to its outputs, and to the LSTM layers whose names begin with `layers`."""
    with lstmdump.open(HERE / row["file"]) as opened:
        described = opened.model.network()
        assert described is not None
        chosen = [lstm for lstm in opened.lstms if lstm.name.startswith(layers)]
        return plan.read(opened, described, describe_inputs(row), Purpose(chosen, with_outputs), RunOptions())


def run(row: dict[str, Any], read_plan: NetworkPlan) -> tuple[dict[str, np.ndarray], dict[str, list[np.ndarray]]]:
    """Return the outputs by name, and for each LSTM the h of its calls, each in the order in which it takes the steps."""
    recorded = np.load(HERE / row["io"])
    found: dict[str, list[np.ndarray]] = {}

    def watch(cell: CellNumbers, states: States, _mask: np.ndarray | None) -> None:
        turned = states.h[:, ::-1] if cell.behaviour.is_aligned else states.h
        found.setdefault(cell.name.rpartition("/")[2], []).append(turned)

    given = trace.give(read_plan, [recorded[f"x/{name}"] for name, *_ in row["inputs"]])
    return trace.run_plan(read_plan, given, watch=watch), found


def list_states(row: dict[str, Any]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield the LSTM layers by their own names, each with h and the mask of a call, in the order of the steps taken.

    Cells in an RNN are left out: the recording holds the output of the RNN.
    """
    recorded = np.load(HERE / row["io"])
    for key in recorded.files:
        place, _, member = key.rpartition("/")
        if key.startswith("lstm/") and not key.startswith("lstm/rnn") and member == "h":
            h = recorded[key]
            mask = recorded[f"{place}/mask"] if f"{place}/mask" in recorded else np.ones(h.shape[:2])
            yield place.removeprefix("lstm/").partition("#")[0], h, mask.astype(bool)


@each_row
def test_inputs_and_outputs_are_those_of_the_framework(row: dict[str, Any]) -> None:
    with lstmdump.open(HERE / row["file"]) as opened:
        described = opened.model.network()
    assert described is not None
    assert [one.name for one in described.inputs] == [name for name, *_ in row["inputs"]]
    for one, (_, shape, _) in zip(described.inputs, row["inputs"], strict=True):
        assert one.shape is not None
        assert [
            length for length, stated in zip(shape[1:], one.shape, strict=True) if stated not in (None, length)
        ] == []
    assert [one.name for one in described.outputs] == [name for name, *_ in row["outputs"]]


@each_row
def test_each_lstm_is_a_layer_of_the_network(row: dict[str, Any]) -> None:
    with lstmdump.open(HERE / row["file"]) as opened:
        described = opened.model.network()
        assert described is not None
        names = {layer.name for outer in described.layers for layer in outer.walk()}
        assert {lstm.name for lstm in opened.lstms} <= names


@each_row_that_runs
def test_outputs_are_computed_as_the_framework_does(row: dict[str, Any]) -> None:
    recorded = np.load(HERE / row["io"])
    outputs, _ = run(row, read(row))
    assert list(outputs) == [name for name, *_ in row["outputs"] if name not in row.get("not_computed", ())]
    for name, values in outputs.items():
        np.testing.assert_allclose(values, recorded[f"y/{name}"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("row", [row for row in RUN if any(list_states(row))], ids=lambda row: str(row["file"]))
def test_the_outputs_of_lstm_layers_are_those_of_the_framework_where_no_step_is_masked(row: dict[str, Any]) -> None:
    _, found = run(row, read(row))
    for name, h, mask in list_states(row):
        close = [np.abs(made - h)[mask].max() for made in found[name] if made.shape == h.shape]
        assert min(close) < 1e-5


@pytest.mark.parametrize("row", [row for row in RUN if "lags" in row], ids=lambda row: str(row["file"]))
def test_the_influence_of_each_step_is_that_of_the_framework(row: dict[str, Any]) -> None:
    recorded, arrays = np.load(HERE / row["lags"]), np.load(HERE / row["io"])
    with lstmdump.open(HERE / row["file"]) as opened:
        described = opened.model.network()
        assert described is not None
        asked = network_lags.Asked(opened.lstms)
        found = network_lags.read(opened, described, describe_inputs(row), asked, RunOptions("float64"))
    signals = trace.give(found, [arrays[f"x/{name}"].astype("float64" if dtype == "float32" else dtype)
                                 for name, _, dtype in row["inputs"]])  # fmt: skip
    lags = network_lags.lags(found, signals)
    keys = [key for key in recorded.files if key.partition("|")[0] not in row.get("not_computed", ())]
    assert len(lags) == len(keys)
    for key in keys:
        expected = recorded[key].mean(0)[::-1]
        close = [np.abs(np.array(one.norms) - expected).max() for one in lags if is_of(one, key, len(expected))]
        assert min(close) < 1e-6 * expected.max()


def test_a_layer_alone_gives_at_masked_steps_what_keras_2_2_4_does() -> None:
    """Before the first step that is not masked, that is the initial state."""
    recorded = np.load(HERE / "masked_states-keras2.2.4.io.npz")
    x = recorded["x/x"]
    initial = State(recorded["x/h"], recorded["x/c"])
    with lstmdump.open(HERE / "masked_states-keras2.2.4.h5") as opened:
        states = lstmdump.replay.run(opened.lstms[0], x, initial=initial, mask=x.any(axis=2))
    np.testing.assert_allclose(states.h, recorded["y/lstm_1"], atol=1e-6)


def is_of(lags: LayerLags, key: str, steps: int) -> bool:
    """Return whether `lags` are those of the output and the input in `key`; calls of an Embedding differ in length."""
    output, _, source = key.partition("|")
    of = source.removeprefix("emb:").partition("#")[0]
    return lags.name == output and (lags.input or "").partition("#")[0] == of and len(lags.norms) == steps


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: str(row["file"]))
def test_a_layer_that_cannot_be_computed_is_named(row: dict[str, Any]) -> None:
    with pytest.raises(CannotReplay, match=row["refused"]):
        read(row)


@pytest.mark.parametrize(
    ("file", "layer"), [("lambda_between-tfkeras2.21.keras", "before"), ("custom_head-keras2.2.4.h5", "bi")]
)
def test_lstm_layers_before_a_layer_that_cannot_be_computed_are_run(file: str, layer: str) -> None:
    (row,) = (row for row in REFUSED if row["file"] == file)
    _, found = run(row, read(row, layer, with_outputs=False))
    compared = 0
    for name, h, _ in list_states(row):
        if name in found:
            np.testing.assert_allclose(found[name][0], h, atol=1e-5)
            compared += 1
    assert compared == len(found) > 0
