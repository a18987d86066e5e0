from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import weakref
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.networks import X, chained, one_layer, opened, read

from lstmdump.errors import BadInput, OutputClash, OutputExists, OutputUnwritable, WrongSuffix
from lstmdump.export import chunks, states
from lstmdump.export.states import StatesFile
from lstmdump.model.tree import Source
from lstmdump.replay import equations
from lstmdump.replay.equations import States
from lstmdump.replay.network import Network
from lstmdump.replay.trace import Given
from lstmdump.report.facts import describe

MEMBERS = [field.name for field in fields(States)]


@pytest.fixture
def net() -> Network:
    return one_layer()


@pytest.fixture
def chain() -> Network:
    return chained()


def written(net: Network, path: Path, **given: Any) -> dict[str, np.ndarray]:
    states.write(net, Given(X, **given), StatesFile(str(path)))
    with np.load(path) as arrays:
        return dict(arrays)


def test_each_layer_has_its_states_and_gates_of_every_step(net: Network, tmp_path: Path) -> None:
    arrays = written(net, tmp_path / "s.npz")
    expected = equations.replay(net.cells[0], X)
    assert list(arrays) == ["__lstmdump__", "x", *(f"a/{member}" for member in MEMBERS)]
    for member in MEMBERS:
        np.testing.assert_array_equal(arrays[f"a/{member}"], getattr(expected, member))


def test_the_input_is_written_beside_them(net: Network, tmp_path: Path) -> None:
    np.testing.assert_array_equal(written(net, tmp_path / "s.npz")["x"], X)


def test_the_record_of_the_model_is_written_with_what_was_computed(net: Network, tmp_path: Path) -> None:
    report = describe(opened({"a": (3, 4)}))
    states.write(net, Given(X), StatesFile(str(tmp_path / "s.npz")), report=report)
    record = json.loads(np.load(tmp_path / "s.npz")["__lstmdump__"].item())
    assert (record["layers"][0]["name"], record["trace"]["layers"][0]["activation"]) == ("a", "tanh")


def test_without_a_report_the_record_states_how_the_layers_were_run(net: Network, tmp_path: Path) -> None:
    record = json.loads(written(net, tmp_path / "s.npz")["__lstmdump__"].item())
    assert (list(record), record["trace"]["layers"][0]["activation"]) == (["trace"], "tanh")


def test_layers_that_all_take_the_input_are_run_on_it(tmp_path: Path) -> None:
    net = read(opened({"a": (3, 4), "b": (3, 2)}))
    np.testing.assert_array_equal(written(net, tmp_path / "s.npz")["b/h"], equations.replay(net.cells[1], X).h)


def test_layers_of_a_chain_are_run_on_the_outputs_of_others(chain: Network, tmp_path: Path) -> None:
    arrays = written(chain, tmp_path / "s.npz")
    b = equations.replay(chain.cells[1], arrays["a/h"])
    c = equations.replay(chain.cells[2], np.concatenate([arrays["a/h"], b.h], axis=2))
    np.testing.assert_array_equal(arrays["b/h"], b.h)
    np.testing.assert_array_equal(arrays["c/h"], c.h)


def test_a_mask_is_passed_along_a_chain(chain: Network, tmp_path: Path) -> None:
    mask = np.array([[True, True, False, True, False]] * 2)
    arrays = written(chain, tmp_path / "s.npz", mask=mask)
    assert [np.isnan(arrays[f"{name}/i"]).all(axis=(0, 2)).tolist() for name in "abc"] == [
        [False, False, True, False, True]
    ] * 3


def test_one_layer_at_a_time_is_in_memory(chain: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alive: weakref.WeakSet[States] = weakref.WeakSet()
    most = []

    class Counted(States):
        __hash__ = object.__hash__

    def counting(*args: Any, **options: Any) -> States:
        most.append(len(alive))
        made = Counted(**vars(original(*args, **options)))
        alive.add(made)
        return made

    original = equations.replay
    monkeypatch.setattr(equations, "replay", counting)
    written(chain, tmp_path / "s.npz")
    assert most == [0, 0, 0]


def test_each_layer_is_computed_only_once(chain: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chunks, "_BAND", 1)  # each row is fetched by itself
    run: list[str] = []
    original = equations.replay
    monkeypatch.setattr(equations, "replay", lambda cell, *args, **options: run.append(cell.name) or original(cell, *args, **options))  # fmt: skip
    written(chain, tmp_path / "s.npz")
    assert run == ["a", "b", "c"]


def test_seen_is_called_with_the_states_of_each_layer(chain: Network, tmp_path: Path) -> None:
    seen: list[tuple[str, tuple[int, ...]]] = []
    states.write(chain, Given(X), StatesFile(str(tmp_path / "s.npz")), seen=lambda cell, found: seen.append((cell.name, found.h.shape)))  # fmt: skip
    assert seen == [("a", (2, 5, 4)), ("b", (2, 5, 5)), ("c", (2, 5, 2))]


def test_names_are_escaped_as_in_an_export(tmp_path: Path) -> None:
    assert list(written(read(opened({"a:b": (3, 4)})), tmp_path / "s.npz"))[2] == "a%3Ab/h"


def test_a_failure_leaves_no_file(net: Network, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        states.write(net, Given(X[:, :, :2]), StatesFile(str(tmp_path / "s.npz")))
    assert list(tmp_path.iterdir()) == []


def test_arrays_may_be_deflated(net: Network, tmp_path: Path) -> None:
    zeros = Given(np.zeros((50, 50, 3), np.float32))
    sizes = [
        states.write(net, zeros, StatesFile(str(tmp_path / f"{flag}.npz"), compress=flag)) for flag in (False, True)
    ]
    assert sizes[1] < sizes[0] / 2


def test_a_model_that_holds_nan_gives_no_warning(net: Network, tmp_path: Path) -> None:
    net.cells[0].gates["i"].W[:] = np.inf
    assert np.isnan(written(net, tmp_path / "s.npz")["a/h"]).any()


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("s.npy", WrongSuffix, "does not end in .npz"),
        ("", WrongSuffix, "^an empty name does not end in .npz"),
        ("s3://bucket/s.npz", OutputUnwritable, "is a URL"),
        ("there.npz", OutputExists, "already exists; use --force"),
        ("directory.npz", OutputExists, "is a directory"),
        ("model.npz", OutputClash, "is itself one of the models to be read"),
        ("state.npz", OutputClash, "is itself one of the files to be read"),
    ],
)
def test_a_file_that_cannot_be_written_is_reported_at_once(
    name: str, error: type[Exception], words: str, tmp_path: Path
) -> None:
    for there in ("there.npz", "model.npz", "state.npz"):
        (tmp_path / there).write_bytes(b"")
    (tmp_path / "directory.npz").mkdir()
    with pytest.raises(error, match=words):
        states.require_writable(
            StatesFile(name if "://" in name or not name else str(tmp_path / name)),
            str(tmp_path / "model.npz"),
            [str(tmp_path / "state.npz")],
        )


def test_an_existing_file_may_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"")
    states.require_writable(StatesFile(str(tmp_path / "s.npz"), force=True), "no.h5", ["no.npy"])


def test_the_example_in_the_module_runs(samples: Path, tmp_path: Path) -> None:
    example = (states.__doc__ or "").partition("From Python::")[2]
    np.save(tmp_path / "x.npy", np.load(samples / "keras-2.2.0-weather.io.npz")["lstm_1|x"])
    (tmp_path / "weather.h5").symlink_to(samples / "keras-2.2.0-weather.h5")
    code = "import lstmdump, numpy\n" + textwrap.dedent(example)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert np.load(tmp_path / "states.npz")["lstm_1/c"].shape == (2, 9, 6)


def test_the_record_states_how_the_layers_are_run() -> None:
    settings = {("a",): {"activation": "sigmoid", "recurrent_activation": "hard_sigmoid"}}
    model = opened({"a": (3, 4), "b": (4, 4)}, {("b",): Source((("a",),))}, settings)
    made = states.record_of(read(model, chain=True, dtype="float64"), describe(model))
    assert (made["model"], made["trace"]["dtype"], made["trace"]["chain"]) == ("m.h5", "float64", True)
    assert [layer["takes"] for layer in made["trace"]["layers"]] == [[], ["a"]]
    assert made["trace"]["layers"][0] == {
        "name": "a", "units": 4, "activation": "sigmoid", "recurrent_activation": "hard_sigmoid",
        "go_backwards": False, "takes": [], "join": None,
    }  # fmt: skip


def test_the_record_is_of_the_layers_chosen() -> None:
    model = opened({"a": (3, 4), "b": (4, 4)})
    made = states.record_of(read(model, layers="a"), describe(model))
    assert ([layer["name"] for layer in made["layers"]], made["parameters"]["lstm"]) == (["a"], 128)


def test_the_record_names_an_activation_that_is_an_object() -> None:
    settings = {("a",): {"activation": {"class_name": "ReLU", "config": {"max_value": 6.0}}}}
    made = states.record_of(read(opened({"a": (3, 4)}, settings=settings)), None)
    assert "ReLU" in made["trace"]["layers"][0]["activation"]
