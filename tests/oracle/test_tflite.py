"""Compare the gates and outputs of models of TensorFlow Lite with those of its interpreter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import children
from support import tflite_builders as builders
from support.tflite_builders import Graph, Number

import lstmdump
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.tensor import Array
from lstmdump.replay import equations
from lstmdump.replay.equations import State

pytestmark = pytest.mark.oracle
D, M, P, STEPS = 3, 4, 2, 6
EXACT = 1e-5


def one_step() -> bytes:
    graph = Graph()
    arrays = builders.lstm_arrays(D, M, peepholes=True)
    x, y = graph.tensor((1, D), "x"), graph.tensor((1, M), "y")
    graph.inputs, graph.outputs = [x], [y]
    builders.add_lstm(graph, arrays, x, y, name="LSTM")
    return builders.model(graph)


BUILT = {
    "built-peepholes": builders.fused(builders.lstm_arrays(D, M, peepholes=True), steps=STEPS),
    "built-projection": builders.fused(
        builders.lstm_arrays(D, M, peepholes=True, projection=P),
        steps=STEPS,
        options={0: Number("b", 4), 1: Number("f", 0.4), 2: Number("f", 0.3)},
    ),
    "built-relu": builders.fused(builders.lstm_arrays(D, M), steps=STEPS, options={0: Number("b", 1)}),
    "built-both": builders.both_directions(D, M, steps=STEPS),
    "built-basic": builders.basic(D, M),
    "built-step": one_step(),
}


def inputs_of(name: str) -> dict[str, Array]:
    random = np.random.default_rng(4)
    shapes = {
        "built-both": [(STEPS, 1, D)],
        "built-basic": [(1, D), (1, M), (1, M)],
        "built-step": [(1, D)],
    }.get(name, [(1, STEPS, D)])
    return {f"x{place}": random.standard_normal(shape).astype("f4") for place, shape in enumerate(shapes)}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tflite")
    for name, data in BUILT.items():
        (out / f"{name}.tflite").write_bytes(data)
        np.savez(out / f"{name}.x.npz", **inputs_of(name))
    return children.run("write_tflite.py", out)


def opened(written: Path, name: str) -> LoadedModel:
    return lstmdump.open(written / f"{name}.tflite")


def recorded(written: Path, name: str) -> dict[str, Array]:
    with np.load(written / f"{name}.run.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    "name",
    ["fused-float32", "fused-float16", "fused-dynamic", "fused-int8", "loop-float32", "loop-softsign", "loop-keras3"],
)
def test_the_gates_are_the_numbers_that_the_interpreter_holds(written: Path, name: str) -> None:
    gates = {key: array for key, array in recorded(written, name).items() if key[0] in "WUb"}
    with opened(written, name) as model:
        read = {array.name.rpartition("/")[2]: array.read().astype("f4") for array in model.lstms[0].arrays()}
    assert sorted(read) == sorted(gates)
    for key, array in read.items():
        np.testing.assert_array_equal(array, gates[key], err_msg=key)


@pytest.mark.parametrize(
    "name",
    ["fused-float32", "fused-float16", "fused-clip", "loop-float32", "loop-softsign", "loop-keras3", "built-peepholes",
     "built-projection", "built-relu"],
)  # fmt: skip
def test_the_outputs_are_those_of_the_interpreter(written: Path, name: str) -> None:
    found = recorded(written, name)
    with opened(written, name) as model:
        states = equations.run(model.lstms[0], found["x0"])
    np.testing.assert_allclose(states.h, found["y0"], rtol=0, atol=EXACT)


def test_the_bound_of_the_state_is_reached(written: Path) -> None:
    found = recorded(written, "fused-clip")
    with opened(written, "fused-clip") as model:
        lstm = model.lstms[0]
        states = equations.run(lstm, np.concatenate([found["x0"]] * 3, axis=1))
    assert np.abs(states.c).max() == 10.0


def test_both_halves_of_one_operator_are_those_of_the_interpreter(written: Path) -> None:
    found = recorded(written, "built-both")
    with opened(written, "built-both") as model:
        halves = [equations.run(lstm, found["x0"].swapaxes(0, 1)).h for lstm in model.lstms]
    for half, key in zip(halves, ("y0", "y1"), strict=True):
        np.testing.assert_allclose(half.swapaxes(0, 1), found[key], rtol=0, atol=EXACT)


def test_a_step_of_the_basic_operator_is_that_of_the_interpreter(written: Path) -> None:
    found = recorded(written, "built-basic")
    with opened(written, "built-basic") as model:
        states = equations.run(model.lstms[0], found["x0"][None], initial=State(found["x1"], found["x2"]))
    np.testing.assert_allclose(states.h[:, 0], found["y0"], rtol=0, atol=EXACT)
    np.testing.assert_allclose(states.c[:, 0], found["y1"], rtol=0, atol=EXACT)


def test_a_step_of_the_full_operator_is_that_of_the_interpreter(written: Path) -> None:
    found = recorded(written, "built-step")
    with opened(written, "built-step") as model:
        states = equations.run(model.lstms[0], found["x0"][None])
    np.testing.assert_allclose(states.h[:, 0], found["y0"], rtol=0, atol=EXACT)
