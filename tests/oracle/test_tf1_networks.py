"""Compare what graphs of TensorFlow 1 show that their cells are given with what they are given, and run them with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import lstmdump
from lstmdump.replay import network, trace
from lstmdump.replay.equations import State
from lstmdump.replay.network import RunOptions

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
VERSIONS = (1, 2)  # of control flow
A, B = "a/rnn/lstm_cell", "b/rnn/lstm_cell"
ENCODER, DECODER = "encoder/rnn/lstm_cell", "decoder/rnn/lstm_cell"
HALVES = ("bidirectional_rnn/fw/lstm_cell", "bidirectional_rnn/bw/lstm_cell")
HALVES_OF_A, HALVES_OF_B = (tuple(f"{around}/{half}" for half in HALVES) for around in "ab")
STACK = tuple(f"rnn/multi_rnn_cell/cell_{number}/lstm_cell" for number in (0, 1))
BOTH = ("h_in", "c_in")


Names = Mapping[str, tuple[str, ...]]
Lengths = Mapping[str, tuple[str, tuple[int, ...] | None]]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Given(NamedTuple):
    """What the cells of a case are given: first states by layer, lengths by layer, layers by the layer behind them."""

    states: Names = NOTHING
    lengths: Lengths = NOTHING
    sources: Names = NOTHING


def behind(lengths: Lengths = NOTHING) -> Given:
    return Given({}, lengths, {B: (A,)})


CASES = {
    "zeros": Given(),
    "tiled-zeros": Given(),
    "fed": Given({"rnn/lstm_cell": BOTH}),
    "fed-by-default": Given({"rnn/lstm_cell": BOTH}),
    "fed-at-once": Given(dict.fromkeys(STACK, ("state_in",)), {}, {STACK[1]: (STACK[0],)}),
    "learned": Given({"rnn/lstm_cell": ("h_first", "c_first")}),
    "computed": Given({"rnn/lstm_cell": ("to_h/BiasAdd", "to_c/BiasAdd")}),
    "encoder": Given({DECODER: (ENCODER,)}),
    "list-encoder": Given({DECODER: (ENCODER,)}),
    "halves-encoder": Given({DECODER: tuple(f"encoder/{half}" for half in HALVES)}),
    "stack-encoder": Given({DECODER: (f"encoder/{STACK[1]}",)}, {}, {f"encoder/{STACK[1]}": (f"encoder/{STACK[0]}",)}),
    "projected-encoder": Given({DECODER: (ENCODER,)}),
    "block-fed": Given({"lstm_fused_cell": BOTH}),
    "block-2-fed": Given({"lstm_fused_cell": BOTH}),
    "own-fed": Given({"mine": BOTH}),
    "own-list-fed": Given({"mine": BOTH}),
    "own-encoder": Given({DECODER: ("mine",)}),
    "lengths": Given({}, {"rnn/lstm_cell": ("rnn/Cast/x", (6, 4))}),
    "fed-lengths": Given({}, {"rnn/lstm_cell": ("lengths", None)}),
    "computed-lengths": Given({}, {"rnn/lstm_cell": ("count", None)}),
    "list-lengths": Given({}, {"rnn/lstm_cell": ("lengths", None)}),
    "halves-lengths": Given({}, dict.fromkeys(HALVES, ("lengths", None))),
    "encoder-lengths": Given({DECODER: (ENCODER,)}, {ENCODER: ("lengths", None)}),
    "list-encoder-lengths": Given({DECODER: (ENCODER,)}, {ENCODER: ("lengths", None)}),
    "raw": Given({}, {"rnn/lstm_cell": ("lengths", None)}),
    "block-lengths": Given({}, {"lstm_fused_cell": ("lengths", None)}),
    "behind": behind(),
    "behind-dropout": behind(),
    "behind-identity": behind(),
    "behind-by-steps": behind(),
    "behind-reversed": behind(),
    "behind-twice-reversed": behind(),
    "behind-dense": Given(),
    "behind-relu": Given(),
    "behind-shifted": Given(),
    "behind-with-x": Given(),
    "behind-mirrored": Given(),
    "behind-lengths": behind({one: (f"{one[0]}/rnn/Cast/x", (6, 4)) for one in (A, B)}),
    "behind-halves": Given({}, {}, dict.fromkeys(HALVES_OF_B, HALVES_OF_A)),
    "behind-halves-lengths": Given({}, dict.fromkeys((*HALVES_OF_A, *HALVES_OF_B), ("lengths", None)),
                                   dict.fromkeys(HALVES_OF_B, HALVES_OF_A)),
    "one-behind-halves": Given({}, {}, {B: HALVES_OF_A}),
    "behind-list": behind(),
    "behind-turned-list": Given(),
    "list-behind": behind(),
    "lists": behind(),
    "behind-stack": Given({}, {}, {f"a/{STACK[1]}": (f"a/{STACK[0]}",), B: (f"a/{STACK[1]}",)}),
    "behind-block": Given({"lstm_fused_cell": BOTH}, {}, {B: ("lstm_fused_cell",)}),
    "backwards": Given(),
}  # fmt: skip
IN_BRANCHES = {"list-lengths-2", "list-encoder-lengths-2"}
"""Cases whose cells are in the branches of conditions that are functions, where no cell is looked for."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tf_keras", reason="needs the extra `oracle`")
    out = tmp_path_factory.mktemp("tf1")
    done = subprocess.run(
        [sys.executable, HERE / "write_tf1_networks.py", out], capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return out


def of_all_versions(cases: Iterable[str]) -> pytest.MarkDecorator:
    names = (f"{case}-{version}" for case in cases for version in VERSIONS)
    return pytest.mark.parametrize("case", [name for name in names if name not in IN_BRANCHES])


def first_states(recorded: Mapping[str, np.ndarray], number: int) -> State | None:
    """Return the recorded first states of a cell, if they are not 0."""
    key = f"first{number}"
    return State(recorded[f"{key}/h"], recorded[f"{key}/c"]) if f"{key}/h" in recorded else None


@of_all_versions(CASES)
def test_the_graph_shows_what_the_cells_are_given(written: Path, case: str) -> None:
    with lstmdump.open(written / case) as model:
        settings = {lstm.name: lstm.settings for lstm in model.lstms}
        sources = {"/".join(path): source.names for path, source in model.model.sources().items()}
    states = {name: one.first_states_from for name, one in settings.items()}
    lengths = {name: (one.sequence_lengths_from, one.sequence_lengths) for name, one in settings.items()}
    expected = CASES[case[:-2]]
    assert states == {name: expected.states.get(name, ()) for name in settings}
    assert lengths == {name: expected.lengths.get(name, ("", None)) for name in settings}
    assert sources == expected.sources


@of_all_versions(CASES)
def test_with_what_they_are_given_the_cells_compute_what_tensorflow_computes(written: Path, case: str) -> None:
    recorded = dict(np.load(written / f"{case}.npz"))
    with lstmdump.open(written / case) as model:
        for number, lstm in enumerate(model.lstms):
            x, h, first = recorded.get(f"x{number}"), recorded.get(f"h{number}"), first_states(recorded, number)
            if x is not None and h is not None:
                mask = recorded.get("mask") if lstm.settings.sequence_lengths_from else None
                net = network.read(model, [lstm], x.shape[2])
                ((_, found),) = trace.run(net, trace.Given(x, mask, {} if first is None else {lstm.name: first}))
                np.testing.assert_allclose(found.h, h, atol=1e-5)


@of_all_versions(name for name, given in CASES.items() if given.sources)
def test_chained_cells_compute_what_tensorflow_computes(written: Path, case: str) -> None:
    recorded, sources = dict(np.load(written / f"{case}.npz")), CASES[case[:-2]].sources
    with lstmdump.open(written / case) as model:
        names = [lstm.name for lstm in model.lstms]
        chosen = [lstm for lstm in model.lstms if lstm.name in {*sources, *chain.from_iterable(sources.values())}]
        firsts = {lstm.name: first_states(recorded, names.index(lstm.name)) for lstm in chosen}
        initial = {name: first for name, first in firsts.items() if first is not None}
        net = network.read(model, chosen, recorded["x0"].shape[2], RunOptions(chain=True))
        found = list(trace.run(net, trace.Given(recorded["x0"], recorded.get("mask"), initial)))
    for cell, states in found:
        key = f"h{names.index(cell.name)}"
        if key in recorded:
            np.testing.assert_allclose(states.h, recorded[key], atol=1e-5)
