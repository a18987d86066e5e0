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
from support.networks import opened, read

import lstmdump
from lstmdump.errors import BadInput, LstmdumpError, OutputClash, OutputExists, OutputUnwritable
from lstmdump.export import chunks
from lstmdump.model.tree import Source
from lstmdump.replay import equations, trace
from lstmdump.replay.equations import States
from lstmdump.replay.network import Network
from lstmdump.replay.trace import Given, Place

X = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
MEMBERS = [field.name for field in fields(States)]
CHAIN = {("b",): Source((("a",),)), ("c",): Source((("a",), ("b",)))}


@pytest.fixture
def net() -> Network:
    """A layer `a` of 4 units on 3 inputs."""
    return read(opened({"a": (3, 4)}))


@pytest.fixture
def chain() -> Network:
    """`a` of 4 units on 3 inputs, `b` of 5 on what it gives, `c` of 2 on both."""
    return read(opened({"a": (3, 4), "b": (4, 5), "c": (9, 2)}, CHAIN), chain=True)


def written(net: Network, path: Path, **given: Any) -> dict[str, np.ndarray]:
    trace.write(net, Given(X, **given), Place(str(path)))
    with np.load(path) as arrays:
        return dict(arrays)


def test_each_layer_has_its_states_and_gates_of_every_step(net: Network, tmp_path: Path) -> None:
    arrays = written(net, tmp_path / "s.npz")
    wanted = equations.replay(net.cells[0], X)
    assert list(arrays) == ["__lstmdump__", "x", *(f"a/{member}" for member in MEMBERS)]
    for member in MEMBERS:
        np.testing.assert_array_equal(arrays[f"a/{member}"], getattr(wanted, member))


def test_the_input_is_written_beside_them(net: Network, tmp_path: Path) -> None:
    np.testing.assert_array_equal(written(net, tmp_path / "s.npz")["x"], X)


def test_the_record_of_the_model_is_written_with_what_was_computed(net: Network, tmp_path: Path) -> None:
    record = json.loads(written(net, tmp_path / "s.npz")["__lstmdump__"].item())
    assert (record["layers"][0]["name"], record["trace"]["layers"][0]["activation"]) == ("a", "tanh")


def test_layers_that_all_take_the_input_are_run_on_it(tmp_path: Path) -> None:
    net = read(opened({"a": (3, 4), "b": (3, 2)}))
    np.testing.assert_array_equal(written(net, tmp_path / "s.npz")["b/h"], equations.replay(net.cells[1], X).h)


def test_layers_of_a_chain_are_run_on_the_outputs_of_others(chain: Network, tmp_path: Path) -> None:
    arrays = written(chain, tmp_path / "s.npz")
    b = equations.replay(chain.cells[1], arrays["a/h"])
    c = equations.replay(chain.cells[2], np.concatenate([arrays["a/h"], b.h], axis=2))
    np.testing.assert_array_equal(arrays["b/h"], b.h)
    np.testing.assert_array_equal(arrays["c/h"], c.h)


def test_a_mask_goes_along_a_chain(chain: Network, tmp_path: Path) -> None:
    mask = np.array([[True, True, False, True, False]] * 2)
    arrays = written(chain, tmp_path / "s.npz", mask=mask)
    assert [np.isnan(arrays[f"{name}/i"]).all(axis=(0, 2)).tolist() for name in "abc"] == [
        [False, False, True, False, True]
    ] * 3


def test_each_layer_begins_with_the_states_given(net: Network) -> None:
    middle = equations.replay(net.cells[0], X[:, :2])
    first = {"a": equations.State(middle.h[:, -1], middle.c[:, -1])}
    ((_, rest),) = trace.run(net, Given(X[:, 2:], None, first))
    np.testing.assert_allclose(rest.h, equations.replay(net.cells[0], X).h[:, 2:], atol=1e-6)


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


def test_each_layer_is_computed_once(chain: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chunks, "_BAND", 1)  # each row is fetched by itself
    run: list[str] = []
    original = equations.replay
    monkeypatch.setattr(equations, "replay", lambda cell, *args, **options: run.append(cell.name) or original(cell, *args, **options))  # fmt: skip
    written(chain, tmp_path / "s.npz")
    assert run == ["a", "b", "c"]


def test_states_are_seen_while_they_are_there(chain: Network, tmp_path: Path) -> None:
    seen: list[tuple[str, tuple[int, ...]]] = []
    trace.write(chain, Given(X), Place(str(tmp_path / "s.npz")), seen=lambda cell, found: seen.append((cell.name, found.h.shape)))  # fmt: skip
    assert seen == [("a", (2, 5, 4)), ("b", (2, 5, 5)), ("c", (2, 5, 2))]


def test_names_are_escaped_as_in_an_export(tmp_path: Path) -> None:
    assert list(written(read(opened({"a:b": (3, 4)})), tmp_path / "s.npz"))[2] == "a%3Ab/h"


def test_nothing_is_left_of_what_fails(net: Network, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        trace.write(net, Given(X[:, :, :2]), Place(str(tmp_path / "s.npz")))
    assert list(tmp_path.iterdir()) == []


def test_arrays_may_be_deflated(net: Network, tmp_path: Path) -> None:
    zeros = Given(np.zeros((50, 50, 3), np.float32))
    sizes = [trace.write(net, zeros, Place(str(tmp_path / f"{flag}.npz"), compress=flag)) for flag in (False, True)]
    assert sizes[1] < sizes[0] / 2


def test_a_model_that_holds_nan_is_run_in_silence(net: Network, tmp_path: Path) -> None:
    net.cells[0].gates["i"].W[:] = np.inf
    assert np.isnan(written(net, tmp_path / "s.npz")["a/h"]).any()


@pytest.mark.parametrize("names", [("h", "c"), ("a/h", "a/c")])
def test_first_states_of_one_layer_go_by_either_name(names: tuple[str, str], net: Network, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **dict(zip(names, (np.ones(4), np.full(4, 2.0)), strict=True)))  # type: ignore[arg-type]
    found = trace.first_states(net, str(tmp_path / "s.npz"), 2)
    assert (found["a"].h.tolist(), found["a"].c.tolist()) == ([[1.0] * 4] * 2, [[2.0] * 4] * 2)


def test_first_states_of_several_layers_go_by_their_names(chain: Network, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **{"b/h": np.ones(5), "b/c": np.ones(5)})  # type: ignore[arg-type]
    assert list(trace.first_states(chain, str(tmp_path / "s.npz"), 2)) == ["b"]


def test_first_states_of_several_layers_need_names(chain: Network, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", h=np.ones(5), c=np.ones(5))
    with pytest.raises(BadInput, match=r"it holds h; it may hold a/h, a/c, b/h, b/c, c/h, c/c$"):
        trace.first_states(chain, str(tmp_path / "s.npz"), 2)


def test_a_first_state_is_given_once(net: Network, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **{"h": np.ones(4), "c": np.ones(4), "a/h": np.ones(4)})  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"it holds h of a twice, once as a/h$"):
        trace.first_states(net, str(tmp_path / "s.npz"), 2)


def test_a_first_state_is_both_h_and_c(net: Network, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", h=np.ones(4))
    with pytest.raises(BadInput, match=r"it holds h of a, but not c; a first state is both$"):
        trace.first_states(net, str(tmp_path / "s.npz"), 2)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("s.npy", LstmdumpError, "does not end in .npz"),
        ("", LstmdumpError, "^an empty name does not end in .npz"),
        ("s3://bucket/s.npz", OutputUnwritable, "is a URL"),
        ("there.npz", OutputExists, "is there already; use --force"),
        ("directory.npz", OutputExists, "is a directory"),
        ("model.npz", OutputClash, "is itself one of the models to be read"),
        ("state.npz", OutputClash, "is itself one of the files to be read"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_at_once(
    name: str, error: type[Exception], words: str, tmp_path: Path
) -> None:
    for there in ("there.npz", "model.npz", "state.npz"):
        (tmp_path / there).write_bytes(b"")
    (tmp_path / "directory.npz").mkdir()
    with pytest.raises(error, match=words):
        trace.insist_on_place(
            Place(name if "://" in name or not name else str(tmp_path / name)),
            str(tmp_path / "model.npz"),
            [str(tmp_path / "state.npz")],
        )


def test_what_is_there_may_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"")
    trace.insist_on_place(Place(str(tmp_path / "s.npz"), force=True), "no.h5", ["no.npy"])


def test_the_example_of_the_module_is_real(samples: Path, tmp_path: Path) -> None:
    example = (trace.__doc__ or "").partition("From Python::")[2]
    x = np.load(samples / "keras-2.2.0-weather.io.npz")["lstm_1|x"]
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "weather.h5").symlink_to(samples / "keras-2.2.0-weather.h5")
    code = "import lstmdump, numpy\n" + textwrap.dedent(example)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "lstm_1 (2, 9, 6)\n"


def test_what_python_runs_is_public() -> None:
    assert lstmdump.trace is trace
