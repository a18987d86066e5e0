"""Compare the replay with the LSTMs of Keras 2 and 3 and of TensorFlow 1, which run in separate processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import children

from lstmdump.lstm.behaviour import Behaviour
from lstmdump.replay import equations
from lstmdump.replay.equations import CellNumbers, GateNumbers, State, States

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
MASKS = {
    "right": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0]],
    "left": [[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1], [0, 1, 1, 1, 1, 1, 1]],
    "middle": [[1, 0, 0, 1, 1, 0, 1], [0, 1, 0, 1, 0, 1, 0], [1, 1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0]],
}
LENGTHS = [7, 3, 1, 6]
Case = dict[str, Any]


def keras(library: str, *, behaviour: Case | None = None, **options: Any) -> Case:
    """Return a case of a layer with these options; those that are not of the layer go to the case."""
    case = {key: options.pop(key) for key in ("dtype", "initial", "bidirectional") if key in options}
    if "mask" in options:
        case["mask"] = MASKS[options.pop("mask")]
    names = ("activation", "recurrent_activation", "go_backwards", "zero_output_for_mask")
    known = {name: options[name] for name in names if name in options} | (behaviour or {})
    return {
        "library": library,
        "options": options,
        "behaviour": {**known, "keras": 3 if library == "keras" else 2},
        **case,
    }


def of_keras(library: str) -> dict[str, Case]:
    cases = {
        "plain": {},
        "float64": {"dtype": "float64"},
        "implementation-1": {"implementation": 1},
        "implementation-2": {"implementation": 2},
        "without-bias": {"use_bias": False},
        "initial": {"initial": True},
        "backwards": {"go_backwards": True},
        "backwards-initial-float64": {"go_backwards": True, "initial": True, "dtype": "float64"},
    }
    for activation in ("relu", "softsign", "linear", "softmax", "hard_sigmoid"):
        cases[activation] = {"activation": activation}
    for activation in ("hard_sigmoid", "relu", "softmax", "tanh"):
        cases[f"recurrent-{activation}"] = {"recurrent_activation": activation}
    for mask in MASKS:
        cases[f"{mask}"] = {"mask": mask}
        cases[f"{mask}-initial-float64"] = {"mask": mask, "initial": True, "dtype": "float64"}
        cases[f"{mask}-zero"] = {"mask": mask, "zero_output_for_mask": True}
        cases[f"{mask}-backwards"] = {"mask": mask, "go_backwards": True}
        cases[f"{mask}-backwards-zero"] = {"mask": mask, "go_backwards": True, "zero_output_for_mask": True}
        cases[f"{mask}-unrolled"] = {"mask": mask, "unroll": True}
        cases[f"{mask}-not-fused"] = {"mask": mask, "activation": "hard_sigmoid"}
        cases[f"{mask}-bidirectional"] = {
            "mask": mask,
            "bidirectional": True,
            "behaviour": {"zero_output_for_mask": True},
        }
    cases["bidirectional"] = {"bidirectional": True, "initial": True}
    cases["bidirectional-of-two"] = {"bidirectional": {"activation": "softsign"}}
    return {f"{library}-{name}": keras(library, **case) for name, case in cases.items()}


def of_tf1() -> dict[str, Case]:
    plain = {"forget_bias": 0.0}
    cases: dict[str, tuple[Case, Case]] = {
        "plain": ({}, {}),
        "forget-bias": ({"forget_bias": 2.5}, {}),
        "cell-clip": ({"cell_clip": 0.25}, {"cell_clip": 0.25}),
        "peepholes": ({"use_peepholes": True}, {}),
        "peepholes-cell-clip": ({"use_peepholes": True, "cell_clip": 0.25}, {"cell_clip": 0.25}),
        "projection": ({"num_proj": 2}, {}),
        "projection-clip": ({"num_proj": 2, "proj_clip": 0.1}, {"projection_clip": 0.1}),
        "all": ({"num_proj": 2, "proj_clip": 0.1, "cell_clip": 0.5, "use_peepholes": True},
                {"projection_clip": 0.1, "cell_clip": 0.5}),
        "relu": ({"activation": "relu"}, {"activation": "relu"}),
    }  # fmt: skip
    made = {
        name: {"library": "tf1", "options": {**plain, **options}, "behaviour": behaviour, "dtype": "float64"}
        for name, (options, behaviour) in cases.items()
    }
    for name in ("plain", "all"):
        zero = {**made[name]["behaviour"], "zero_output_for_mask": True}
        made[f"{name}-lengths"] = {**made[name], "behaviour": zero, "lengths": LENGTHS}
        made[f"{name}-bidirectional"] = {**made[f"{name}-lengths"], "bidirectional": True}
    return {f"tf1-{name}": case for name, case in made.items()}


def of_block() -> dict[str, Case]:
    every: dict[str, tuple[Case, Case]] = {
        "plain": ({}, {}),
        "cell-clip": ({"cell_clip": 0.25}, {"cell_clip": 0.25}),
        "peepholes": ({"use_peephole": True}, {}),
        "peepholes-cell-clip": ({"use_peephole": True, "cell_clip": 0.25}, {"cell_clip": 0.25}),
    }
    return {
        f"block-{name}": {"library": "block", "options": options, "behaviour": behaviour}
        for name, (options, behaviour) in every.items()
    }


KERAS = of_keras("keras") | of_keras("tf_keras")
BLOCK = of_block()
CASES = KERAS | of_tf1() | BLOCK


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the results of TensorFlow for each of `CASES`."""
    return children.run("write_states.py", tmp_path_factory.mktemp("states"), CASES)


def directions(recorded: Path, name: str) -> list[tuple[dict[str, np.ndarray], States]]:
    """Return the results of TensorFlow for each direction of a case, and the replay."""
    case = CASES[name]
    with np.load(recorded / f"{name}.npz") as file:
        arrays = dict(file)
    mask = np.array(case["mask"], bool) if "mask" in case else None
    if "lengths" in case:
        mask = np.arange(arrays["x"].shape[1]) < np.array(case["lengths"])[:, None]
    made = []
    for n in range(2 if case.get("bidirectional") else 1):
        results = {key[2:]: values for key, values in arrays.items() if key.startswith(f"{n}/")}
        first = State(results["first_h"], results["first_c"]) if "first_h" in results else None
        states = equations.replay(cell(case, n, results, arrays["x"]), arrays["x"], initial=first, mask=mask)
        made.append((results, states))
    return made


def cell(case: Case, direction: int, results: dict[str, np.ndarray], x: np.ndarray) -> CellNumbers:
    """Return the numbers of a layer, cut by hand."""
    kernel, order = results["kernel"], "ifco" if "keras" in case["library"] else "icfo"
    d, units = x.shape[2], kernel.shape[1] // 4
    recurrent = results.get("recurrent_kernel", kernel[d:])
    bias = results.get("bias", np.zeros(4 * units, x.dtype)).copy()
    gates = {}
    for place, letter in enumerate(order):
        at = slice(place * units, (place + 1) * units)
        bias[at] += case["options"].get("forget_bias", 0) if letter == "f" else 0
        gates[letter] = GateNumbers(kernel[:d, at], recurrent[:, at], bias[at], results.get(f"w_{letter}_diag"))
    options = dict(case["behaviour"])
    if direction:
        own = case["bidirectional"] if isinstance(case["bidirectional"], dict) else {}
        options |= {**own, "go_backwards": True, "is_aligned": True}
    return CellNumbers("cell", str(x.dtype), gates, results.get("projection_kernel"), Behaviour(**options))


@pytest.mark.parametrize("name", CASES)
def test_every_output_equals_that_of_tensorflow(recorded: Path, name: str) -> None:
    for results, ours in directions(recorded, name):
        tolerance = TOLERANCE[str(ours.h.dtype)]
        np.testing.assert_allclose(ours.h, results["h"], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [name for name in CASES if name not in BLOCK])
def test_the_last_cell_state_is_that_of_tensorflow(recorded: Path, name: str) -> None:
    for (results, ours), last in zip(directions(recorded, name), (-1, 0), strict=False):
        tolerance = TOLERANCE[str(ours.c.dtype)]
        np.testing.assert_allclose(ours.c[:, last], results["last_c"], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("key", ["c", "i", "f", "o", "candidate"])
@pytest.mark.parametrize("name", BLOCK)
def test_every_state_and_gate_is_that_of_tensorflow(recorded: Path, name: str, key: str) -> None:
    ((results, ours),) = directions(recorded, name)
    np.testing.assert_allclose(getattr(ours, key), results[key], rtol=1e-5, atol=1e-5)
