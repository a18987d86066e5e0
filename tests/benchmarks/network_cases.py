"""Whole networks, compared with `predict` of Keras on the CPU, both without start-up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks import peers
from benchmarks.goals import Goal, cpu, wall
from benchmarks.measuring import Command
from benchmarks.replay_cases import replace_times
from benchmarks.workspace import Case, NotMeasured, Sizes, Workspace, python

_RUN = f"""
import os, sys
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as on the command line
import numpy as np
import lstmdump
from lstmdump.replay import trace
from lstmdump.replay.networks import plan
from lstmdump.replay.matching import GivenArray
from lstmdump.replay.network import RunOptions
path, given, times = sys.argv[1:]
x = np.load(given)
with lstmdump.open(path) as model:
    arrays = [GivenArray(None, x.shape, x.dtype.kind == "i")]
    network = plan.read(model, model.model.network(), arrays, plan.Purpose(model.lstms), RunOptions())
signals = trace.give(network, [x])
{peers.TIMED}
timed(lambda: trace.run_plan(network, signals), int(times))
"""
_TIMES = 5
_SEQUENCES = 256
_NETWORKS = {
    "embedding": "Embedding, two LSTMs, Dense",
    "convolution": "two Conv1D, Bidirectional, two Dense",
}  # fmt: skip


def _run(name: str) -> str:
    return f"network, {_NETWORKS[name]}"


def _predict(name: str) -> str:
    return f"Keras: predict, {_NETWORKS[name]}"


def _beside_keras(place: Workspace) -> list[Command]:
    if missing := peers.name_missing("keras", "tensorflow"):
        raise NotMeasured(missing)
    _write(place)
    commands, checked = [], replace_times(place.read_stdout)
    for name in _NETWORKS:
        path, x = (place.folder / f"{name}.{suffix}" for suffix in ("keras", "npy"))
        commands += [
            Command(_run(name), python(_RUN, path, x, str(_TIMES)), _predict(name), checked=checked),
            peers.keras_predict_network(path, x, _TIMES, _predict(name), checked),
        ]
    return commands


def _write(place: Workspace) -> None:
    """Write the networks and their inputs in another process, whose memory is not measured."""
    program = Path(__file__).with_name("write_networks.py")
    sequences = min(_SEQUENCES, place.sizes.steps)
    done = subprocess.run([sys.executable, program, place.folder, str(sequences)], capture_output=True, check=False)
    if done.returncode:
        raise NotMeasured("Keras did not write the networks")


def _beside_keras_goals(_sizes: Sizes) -> list[Goal]:
    times = {words: cpu(_run(name), _predict(name)) for name, words in _NETWORKS.items()}
    elapsed = {f"wall time, {words}": wall(_run(name), _predict(name)) for name, words in _NETWORKS.items()}
    return [Goal("CPU of a network over Keras's `predict`, both without start-up", 1.5, "×", times, elapsed)]


CASES = (Case("network: compared with Keras", _beside_keras, _beside_keras_goals, rounds=5, warm_up=False),)
