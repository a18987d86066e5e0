from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tensorflow_builders import (
    constant,
    graph_of,
    looped_cell,
    lstm_cell,
    meta_graph,
    node,
    variable,
    write_bundle,
    zeros,
)

import lstmdump
from lstmdump.model.settings import LayerSettings
from lstmdump.readers.tensorflow.graph import cell_equations, cell_states
from lstmdump.readers.tensorflow.graph.cell_equations import Equations
from lstmdump.report.facts import describe

GENUINE = Path(__file__).parents[3] / "genuine"


def weights(*scopes: str) -> bytes:
    return b"".join(variable(f"{scope}/kernel", (7, 16)) + variable(f"{scope}/bias", (16,)) for scope in scopes)


def written(tmp_path: Path, scopes: list[str], graph: bytes = b"") -> Path:
    shapes = {"kernel": (7, 16), "bias": (16,)}
    tensors = {f"{scope}/{leaf}": np.zeros(shape, "f4") for scope in scopes for leaf, shape in shapes.items()}
    path = write_bundle(tmp_path / "x", tensors)
    if graph:
        path.with_name("x.meta").write_bytes(meta_graph(graph=graph_of(weights(*scopes), graph)))
    return path


def settings(tmp_path: Path, scopes: list[str], graph: bytes = b"") -> list[LayerSettings]:
    with lstmdump.open(written(tmp_path, scopes, graph)) as model:
        return [lstm.settings for lstm in model.lstms]


def test_a_graph_gives_the_activations_of_a_cell(tmp_path: Path) -> None:
    data = lstm_cell("rnn/lstm_cell", activations=("Relu", "Relu"), clip=(-2.0, 2.0))
    assert settings(tmp_path, ["rnn/lstm_cell"], data) == [
        LayerSettings(
            is_described=True,
            zero_output_for_mask=True,
            activation="relu",
            recurrent_activation="sigmoid",
            cell_clip=2.0,
            first_states_from=("rnn/lstm_cell/h_before", "rnn/lstm_cell/c_before"),
            sequence_lengths_from="",
        )
    ]


def test_activations_are_unknown_without_a_graph(tmp_path: Path) -> None:
    assert settings(tmp_path, ["rnn/lstm_cell"]) == [LayerSettings(is_described=True, zero_output_for_mask=True)]


def test_a_cell_with_other_equations_states_the_reason(tmp_path: Path) -> None:
    (said,) = settings(tmp_path, ["rnn/lstm_cell"], lstm_cell("rnn/lstm_cell", activations=("Relu", "Tanh")))
    assert said.cannot_replay == "its candidate goes through relu, but its cell state through tanh"
    assert said.activation is None


def test_the_graph_is_read_when_more_than_the_forget_bias_is_requested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def read(*_: object) -> Equations:
        looks.append(1)
        return Equations("softsign", "")

    monkeypatch.setattr(cell_equations, "read", read)
    with lstmdump.open(written(tmp_path, ["rnn/lstm_cell"], lstm_cell("rnn/lstm_cell"))) as model:
        assert (model.lstms[0].forget_bias, looks) == (1.0, [])
        assert model.lstms[0].stated.get_own().activation == "softsign"
        assert looks == [1]


# --- directions

HALVES = ["bidirectional_rnn/fw/lstm_cell", "bidirectional_rnn/bw/lstm_cell"]


def directions(tmp_path: Path, scopes: list[str], graph: bytes = b"") -> list[tuple[object, object]]:
    return [(said.direction, said.go_backwards) for said in settings(tmp_path, scopes, graph)]


@pytest.mark.parametrize(("fw", "bw"), [("fw", "bw"), ("FW", "BW")])
def test_two_halves_of_a_network_have_directions(fw: str, bw: str, tmp_path: Path) -> None:
    scopes = [f"around/{fw}/a/lstm_cell", f"around/{bw}/a/lstm_cell_1"]
    assert directions(tmp_path, scopes) == [("forward", False), ("backward", True)]


@pytest.mark.parametrize("scopes", [["a/bw/lstm_cell"], ["a/bw/lstm_cell", "b/fw/lstm_cell"], ["bw_1/lstm_cell"]])
def test_a_half_without_the_other_has_no_direction(scopes: list[str], tmp_path: Path) -> None:
    assert set(directions(tmp_path, scopes)) == {(None, None)}


def half(scope: str, *reversing: str) -> bytes:
    """Return a loop over the input as `dynamic_rnn` builds it, after the operations `reversing`, if any."""
    at, data = "x", b""
    for operation in reversing:
        data, at = data + node(f"{scope}/{operation}", operation, at, "axis"), f"{scope}/{operation}"
    return data + b"".join([
        node(f"{scope}/transpose", "Transpose", at, "perm"),
        node(f"{scope}/scatter", "TensorArrayScatterV3", "array", "indices", f"{scope}/transpose", "flow"),
        node(f"{scope}/enter", "Enter", f"{scope}/scatter"),
        node(f"{scope}/read", "TensorArrayReadV3", "array", "time", f"{scope}/enter"),
        lstm_cell(scope, f"{scope}/read"),
    ])  # fmt: skip


@pytest.mark.parametrize("operation", ["ReverseV2", "ReverseSequence", "Reverse"])
def test_the_backward_half_reads_its_input_reversed(operation: str, tmp_path: Path) -> None:
    data = node("x", "Placeholder") + half(HALVES[0]) + half(HALVES[1], operation)
    assert directions(tmp_path, HALVES, data) == [("forward", False), ("backward", True)]


def test_a_backward_half_whose_input_is_not_reversed_has_no_direction(tmp_path: Path) -> None:
    data = node("x", "Placeholder") + half(HALVES[0]) + half(HALVES[1])
    assert directions(tmp_path, HALVES, data) == [("forward", False), (None, None)]


def unrolled(first_of_backward: int, behind: str = "x") -> bytes:
    data = node("x", "Placeholder") + node("turned", "ReverseSequence", "x", "lengths")
    data += node("steps", "Unpack", "x", num=b"\x18\x03") + node("others", "Unpack", behind, num=b"\x18\x03")
    step = f"others:{first_of_backward}" if first_of_backward else "others"
    return data + lstm_cell(HALVES[0], "steps") + lstm_cell(HALVES[1], step)


@pytest.mark.parametrize(("first", "behind"), [(2, "x"), (0, "turned")])
def test_the_backward_half_of_a_list_reads_the_last_step_first(first: int, behind: str, tmp_path: Path) -> None:
    assert directions(tmp_path, HALVES, unrolled(first, behind)) == [("forward", False), ("backward", True)]


@pytest.mark.parametrize("first", [0, 1])
def test_a_half_that_reads_another_step_first_has_no_direction(first: int, tmp_path: Path) -> None:
    assert directions(tmp_path, HALVES, unrolled(first)) == [("forward", False), (None, None)]


# --- genuine graphs


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("tf-0.12.1-py27-basic_fb0.ckpt", None), ("tf-0.12.1-py27-lstm_partitioned.ckpt", None),
        ("tf-0.12.1-py27-lstm_peephole.ckpt", None), ("tf-0.12.1-py27-lstm_proj.ckpt", None),
        ("tf-1.0.1-py27-static.ckpt", None), ("tf-1.1.0-py27-lstm_proj.ckpt", None),
        ("tf-1.2.1-py36-blockfused.ckpt", 3.0), ("tf-1.4.1-py36-cudnn_compatible.ckpt", None),
        ("tf-1.8.0-py36-lstm_partitioned.ckpt", None), ("tf-1.15.5-py36-block_peephole.ckpt", None),
        ("keras-2.12.0-tf1_ckpt-lstm_peephole_proj", 3.0), ("keras-2.12.0-tf1_ckpt_v1-partitioned", None),
        ("keras-2.12.0-tf1_frozen-block_lstm_v2.pb", None), ("keras-2.12.0-tf1_frozen-partitioned.pb", None),
        ("tf-keras-2.21.0-tf1_frozen-dropout_wrapped_resource.pb", None),
        ("tf-keras-2.21.0-tf1_savedmodel-block_lstm", None),
    ],
)  # fmt: skip
def test_the_cells_of_all_releases_are_plain_lstms(name: str, clip: float | None) -> None:
    with lstmdump.open(GENUINE / name) as model:
        (said,) = [lstm.settings for lstm in model.lstms]
    assert (said.activation, said.cell_clip, said.cannot_replay) == ("tanh", clip, None)


def test_the_halves_of_a_genuine_bidirectional_network_have_directions() -> None:
    with lstmdump.open(GENUINE / "keras-2.12.0-tf1_ckpt_v1-bidir_dynamic") as model:
        assert [lstm.settings.direction for lstm in model.lstms] == ["forward", "backward"]


# --- cells with names of their own


def test_a_cell_with_a_name_of_its_own_has_its_peepholes_and_its_projection(tmp_path: Path) -> None:
    scope, m, p = "rnn/mine", 4, 2
    shapes = {"kernel": (5 + p, 4 * m), "bias": (4 * m,), "w_i_diag": (m,), "w_f_diag": (m,), "w_o_diag": (m,)}
    tensors = {f"{scope}/{leaf}": np.zeros(shape, "f4") for leaf, shape in shapes.items()}
    tensors[f"{scope}/projection/kernel"] = np.zeros((m, p), "f4")
    path = write_bundle(tmp_path / "x", tensors)
    graph = b"".join(variable(name, values.shape) for name, values in tensors.items()) + lstm_cell(scope)
    path.with_name("x.meta").write_bytes(meta_graph(graph=graph))
    with lstmdump.open(path) as model:
        assert [(lstm.input_dim, lstm.projection, lstm.peepholes) for lstm in model.lstms] == [(5, p, True)]


# --- what a cell is given besides its input


def looped(tmp_path: Path, **options: Any) -> list[LayerSettings]:
    data = node("h_first", "Placeholder") + zeros("c_first") + node("lengths", "Placeholder")
    return settings(tmp_path, ["rnn/lstm_cell"], data + looped_cell("rnn/lstm_cell", **options))


def test_first_states_and_lengths_are_those_in_the_graph(tmp_path: Path) -> None:
    (said,) = looped(tmp_path, lengths="lengths")
    assert said.first_states_from == ("h_first",)
    assert (said.sequence_lengths_from, said.sequence_lengths) == ("lengths", None)


def test_a_cell_without_lengths_states_that_all_steps_count(tmp_path: Path) -> None:
    assert looped(tmp_path)[0].sequence_lengths_from == ""


def test_without_a_graph_it_is_not_known_what_a_cell_is_given(tmp_path: Path) -> None:
    (said,) = settings(tmp_path, ["rnn/lstm_cell"])
    assert (said.first_states_from, said.sequence_lengths_from) == (None, None)


def test_the_own_settings_of_a_cell_are_known_without_a_walk_through_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_states, "first_states", lambda *_: pytest.fail("searched"))
    with lstmdump.open(written(tmp_path, ["rnn/lstm_cell"], lstm_cell("rnn/lstm_cell"))) as model:
        record = describe(model)
    assert record.layers[0].computes.activation == "tanh"


def test_a_cell_that_takes_the_input_in_reverse_goes_backwards(tmp_path: Path) -> None:
    data = node("h_first", "Placeholder") + zeros("c_first") + node("turned", "ReverseSequence", "x", "lengths")
    (said,) = settings(tmp_path, ["rnn/lstm_cell"], data + looped_cell("rnn/lstm_cell", "turned"))
    assert (said.direction, said.go_backwards) == (None, True)


@pytest.mark.parametrize(("axis", "backwards"), [(0, True), (1, True), (2, None), (-1, None)])
def test_features_in_reverse_are_no_direction(axis: int, backwards: bool | None, tmp_path: Path) -> None:
    data = node("h_first", "Placeholder") + zeros("c_first") + constant("axis", np.array([axis], "<i4"))
    data += node("turned", "ReverseV2", "x", "axis") + looped_cell("rnn/lstm_cell", "turned")
    assert settings(tmp_path, ["rnn/lstm_cell"], data)[0].go_backwards is backwards


def test_an_input_that_is_reversed_twice_is_in_order(tmp_path: Path) -> None:
    data = node("h_first", "Placeholder") + zeros("c_first") + node("once", "Reverse", "x", "axes")
    data += node("twice", "Reverse", "once", "axes") + looped_cell("rnn/lstm_cell", "twice")
    assert settings(tmp_path, ["rnn/lstm_cell"], data)[0].go_backwards is None
