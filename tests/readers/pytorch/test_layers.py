"""What the names of PyTorch say of layers: direction, order, what follows what, and which input fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support.pytorch_builders import lstm, write_safetensors

import lstmdump
from lstmdump.lstm import behaviour
from lstmdump.replay import equations

Run = Callable[..., Any]


def stack(prefix: str = "") -> dict[str, np.ndarray]:
    """Return two layers of 4 units in both directions on 3 inputs."""
    sizes = {"_l0": 3, "_l0_reverse": 3, "_l1": 8, "_l1_reverse": 8}
    arrays = [lstm(d, 4, seed, number=number, prefix=prefix) for seed, (number, d) in enumerate(sizes.items())]
    return {name: array for one in arrays for name, array in one.items()}


@pytest.fixture
def both(tmp_path: Path) -> Path:
    return write_safetensors(tmp_path / "both.safetensors", stack("net."))


def test_the_name_says_the_direction(both: Path) -> None:
    with lstmdump.open(both) as model:
        found = {layer.name: behaviour.of(layer, model.producer) for layer in model.lstms}
        halves = {layer.name: layer.settings.direction for layer in model.lstms}
    assert {name: (one.go_backwards, one.is_aligned) for name, one in found.items()} == {
        "net/l0": (False, False), "net/l0_reverse": (True, True), "net/l1": (False, False), "net/l1_reverse": (True, True),
    }  # fmt: skip
    assert list(halves.values()) == ["forward", "backward"] * 2


def test_a_layer_in_one_direction_is_no_half(tmp_path: Path) -> None:
    with lstmdump.open(write_safetensors(tmp_path / "m", lstm())) as model:
        assert behaviour.half(model.lstms[0]) is None


def test_activations_are_stated_as_there_are_no_others(both: Path) -> None:
    with lstmdump.open(both) as model:
        stated = behaviour.stated(model.lstms[0], model.producer)
        assert (stated.activation, stated.recurrent_activation) == ("tanh", "sigmoid")
        assert behaviour.of(model.lstms[0], model.producer).notes == ()


def test_padded_steps_give_0(both: Path) -> None:
    with lstmdump.open(both) as model:
        assert behaviour.of(model.lstms[0], model.producer).zero_output_for_mask  # as pad_packed_sequence


def test_the_direction_of_a_cell_is_not_in_the_file(tmp_path: Path) -> None:
    with lstmdump.open(write_safetensors(tmp_path / "m", lstm(number="", prefix="cell."))) as model:
        (note,) = behaviour.of(model.lstms[0], model.producer).notes
    assert note.startswith("a program runs this cell step by step, and the file does not state in which order")


def test_layers_follow_those_with_the_number_before(both: Path) -> None:
    with lstmdump.open(both) as model:
        sources = {"/".join(path): source for path, source in model.model.sources().items()}
    givers = ("net/l0", "net/l0_reverse")
    assert {name: (source.names, source.join, source.is_within_layer) for name, source in sources.items()} == {
        "net/l1": (givers, "concat", True),
        "net/l1_reverse": (givers, "concat", True),
    }


def run_by_hand(path: Path, x: np.ndarray) -> np.ndarray:
    """Return the output of both layers, from the equations alone."""
    with lstmdump.open(path) as model:
        cells = {layer.name.rpartition("/")[2]: equations.read(layer) for layer in model.lstms}
    for number in (0, 1):
        forward = equations.replay(cells[f"l{number}"], x).h
        backward = equations.replay(cells[f"l{number}_reverse"], x[:, ::-1]).h[:, ::-1]
        x = np.concatenate([forward, backward], axis=-1)
    return x


def test_trace_gives_the_output_of_the_whole_module(both: Path, run: Run, tmp_path: Path) -> None:
    x = builders.numbers(2, 5, 3, seed=9)
    np.save(tmp_path / "x.npy", x)
    assert run("trace", both, "-i", tmp_path / "x.npy", "-o", tmp_path / "s.npz").status == 0
    with np.load(tmp_path / "s.npz") as states:
        np.testing.assert_allclose(states["net/y"], run_by_hand(both, x), atol=1e-6)
        np.testing.assert_array_equal(states["net/y"][..., :4], states["net/l1/h"])
        np.testing.assert_array_equal(states["net/y"][..., 4:], states["net/l1_reverse/h"])


def test_the_input_of_a_chosen_layer_comes_through_those_before_it(both: Path, run: Run, tmp_path: Path) -> None:
    x = builders.numbers(2, 5, 3, seed=9)
    np.save(tmp_path / "x.npy", x)
    run("trace", both, "-i", tmp_path / "x.npy", "-o", tmp_path / "s.npz", "-l", "net/l1")
    with np.load(tmp_path / "s.npz") as states:
        np.testing.assert_allclose(states["net/l1/h"], run_by_hand(both, x)[..., :4], atol=1e-6)


def test_an_input_of_a_later_layer_is_taken_as_its_own(both: Path, run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", builders.numbers(2, 5, 8))
    outcome = run("trace", both, "-i", tmp_path / "x.npy", "-o", tmp_path / "s.npz", "-l", "net/l1")
    assert outcome.status == 0
    assert "the input is taken as that of net/l0+l0_reverse" not in outcome.err
    assert "the input is taken as that of" in outcome.err


def test_lags_go_through_all_layers_of_the_module(both: Path, run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", builders.numbers(1, 6, 3))
    (found,) = json.loads(run("lags", both, "-i", tmp_path / "x.npy", "--json").out)["layers"]
    assert (found["name"], found["units"], len(found["lags"])) == ("net", 8, 6)


def test_modules_take_inputs_of_their_own(run: Run, tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "m", {**lstm(3, 4, prefix="a."), **lstm(5, 2, prefix="b.")})
    for name, width in (("a", 3), ("b", 5)):
        np.save(tmp_path / f"{name}.npy", builders.numbers(1, 4, width))
    given = [word for name in "ab" for word in ("-i", f"{name}={tmp_path / name}.npy")]
    assert run("trace", path, *given, "-o", tmp_path / "s.npz").status == 0
    with np.load(tmp_path / "s.npz") as states:
        assert {name: states[name].shape for name in ("a/y", "b/y")} == {"a/y": (1, 4, 4), "b/y": (1, 4, 2)}


@pytest.mark.parametrize("numbers", [("_l0", "_l2"), ("_l0_reverse",)])
def test_modules_with_missing_layers_are_run_layer_by_layer(numbers: tuple[str, ...], tmp_path: Path) -> None:
    arrays = {name: array for number in numbers for name, array in lstm(4, 4, number=number).items()}
    with lstmdump.open(write_safetensors(tmp_path / "m", arrays)) as model:
        assert model.model.network() is None
        assert len(model.lstms) == len(numbers)
