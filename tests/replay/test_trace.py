from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from support.networks import X, chained, one_layer

import lstmdump
from lstmdump.errors import BadInput
from lstmdump.replay import equations, trace
from lstmdump.replay.equations import States
from lstmdump.replay.network import Network
from lstmdump.replay.trace import Given

MEMBERS = [field.name for field in fields(States)]


@pytest.fixture
def net() -> Network:
    return one_layer()


@pytest.fixture
def chain() -> Network:
    return chained()


def test_each_layer_begins_with_the_states_given(net: Network) -> None:
    middle = equations.replay(net.cells[0], X[:, :2])
    first = {"a": equations.State(middle.h[:, -1], middle.c[:, -1])}
    ((_, rest),) = trace.run(net, Given(X[:, 2:], None, first))
    np.testing.assert_allclose(rest.h, equations.replay(net.cells[0], X).h[:, 2:], atol=1e-6)


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


def test_a_first_state_given_twice_is_refused(net: Network, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", **{"h": np.ones(4), "c": np.ones(4), "a/h": np.ones(4)})  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"it holds h of a twice, once as a/h$"):
        trace.first_states(net, str(tmp_path / "s.npz"), 2)


def test_a_first_state_without_c_is_refused(net: Network, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", h=np.ones(4))
    with pytest.raises(BadInput, match=r"it holds h of a, but not c; a first state is both$"):
        trace.first_states(net, str(tmp_path / "s.npz"), 2)


def test_the_example_in_the_module_runs(samples: Path, tmp_path: Path) -> None:
    example = (trace.__doc__ or "").partition("From Python::")[2]
    x = np.load(samples / "keras-2.2.0-weather.io.npz")["lstm_1|x"]
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "weather.h5").symlink_to(samples / "keras-2.2.0-weather.h5")
    code = "import lstmdump, numpy\n" + textwrap.dedent(example)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "lstm_1 (2, 9, 6)\n"


def test_the_module_is_public() -> None:
    assert lstmdump.trace is trace
