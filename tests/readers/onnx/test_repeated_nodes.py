"""Steps of an unrolled cell, of which only the first few are read."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from support import large_onnx_graphs as large
from support import onnx_builders as onnx
from support.call_counts import count_more
from support.tensorflow_builders import counted

import lstmdump
from lstmdump.model.location import Location
from lstmdump.readers.onnx import reader
from lstmdump.readers.onnx.graph import OnnxNode
from lstmdump.readers.onnx.repeated_nodes import RepeatedSteps

SHAPES = {**large.shapes_of_cell("cell_1"), **large.shapes_of_cell("cell_2")}
FIRST, SECOND = large.cell(40, "cell_1"), large.cell(40, "cell_2")
IN_A_STEP = 15  # nodes; one more is before the first step


@pytest.fixture(autouse=True)
def _every_graph_is_large() -> Iterator[None]:
    with mock.patch.object(reader, "_FEW", 0):
        yield


def write(folder: Path, nodes: list[bytes]) -> Path:
    return onnx.write(folder / "m.onnx", large.graph(1, nodes, SHAPES))


def name_cells(folder: Path, nodes: list[bytes]) -> list[str]:
    """Return the names of the cells that are found in a graph with these nodes."""
    with lstmdump.open(write(folder, nodes)) as model:
        return list(model)


def test_a_further_step_takes_few_calls(tmp_path: Path) -> None:
    paths: dict[int, Path] = {}
    for steps in (400, 800):
        (folder := tmp_path / f"{steps}").mkdir()
        paths[steps] = write(folder, large.cell(steps, "cell_1"))
    assert count_more(lambda steps: reader.read(Location(paths[steps])).close(), 400) < 2 * IN_A_STEP


def test_a_further_step_is_not_read(tmp_path: Path) -> None:
    with mock.patch.object(OnnxNode, "__init__", autospec=True, side_effect=OnnxNode.__init__) as made:
        reader.read(Location(write(tmp_path, large.cell(100, "cell_1")))).close()
    assert made.call_count < 20 * IN_A_STEP  # some steps are read again where numbers get another digit


def test_a_decoder_is_found_behind_the_encoder_whose_state_it_takes(tmp_path: Path) -> None:
    decoder = large.cell(8, "cell_2", ["/cell_1/39/h", "/cell_1/39/c"], first=40)
    assert len(name_cells(tmp_path, [*FIRST, *decoder])) == 2


def test_a_cell_is_found_among_the_steps_of_another(tmp_path: Path) -> None:
    half = 1 + 20 * IN_A_STEP
    assert len(name_cells(tmp_path, [*FIRST[:half], *SECOND, *FIRST[half:]])) == 2


def test_two_cells_that_take_turns_are_found(tmp_path: Path) -> None:
    nodes = [FIRST[0], SECOND[0]]
    for at in range(1, len(FIRST), IN_A_STEP):
        nodes += FIRST[at : at + IN_A_STEP] + SECOND[at : at + IN_A_STEP]
    assert len(name_cells(tmp_path, nodes)) == 2


def test_a_cell_whose_first_step_stands_for_one_of_another_is_found(tmp_path: Path) -> None:
    at = 1 + 20 * IN_A_STEP
    step = [node.replace(b"cell_1.", b"cell_2.") for node in FIRST[at : at + IN_A_STEP]]
    others = [*FIRST[:at], *step, *FIRST[at + IN_A_STEP :]]
    assert name_cells(tmp_path, [*others, *SECOND]) == name_cells(tmp_path, [*FIRST, *SECOND])


def test_steps_that_all_differ_are_not_all_kept() -> None:
    cells, steps, size = 20, 60, 20_000
    random = np.random.default_rng(0)
    nodes = [counted(1, counted(1, f"kernel{number % cells}") + counted(6, random.bytes(size)))
             for number in range(cells * steps)]  # fmt: skip
    repeated = RepeatedSteps(b"".join(nodes), [0, *accumulate(map(len, nodes))])
    tracemalloc.start()
    for turn in range(len(nodes)):
        assert not list(repeated.follow(turn, (f"kernel{turn % cells}",)))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 24 << 20  # of 480 MB, as each run of a cell goes over the nodes of all


def take_turns(turns: Sequence[str]) -> list[bytes]:
    """Return a step of each of the cells with these names, all of which have a state before their first step."""
    nodes, before = [], dict.fromkeys(turns, 999)
    for number, called in enumerate(turns, 100):
        state = [f"/{called}/{before[called]}/{letter}" for letter in "hc"]
        nodes += large.cell(1, called, state, first=number)
        before[called] = number
    return nodes


def test_a_cell_that_stands_in_the_place_of_another_is_found(tmp_path: Path) -> None:
    nodes = take_turns(["cell_2", "cell_1"] * 7 + ["cell_1", "cell_3"] * 8)
    path = onnx.write(tmp_path / "m.onnx", large.graph(1, nodes, {**SHAPES, **large.shapes_of_cell("cell_3")}))
    with lstmdump.open(path) as model:
        assert len(model) == 3


@pytest.mark.parametrize("sequences", [3, 5, 7])
def test_a_cell_that_takes_several_sequences_in_turn_is_found(tmp_path: Path, sequences: int) -> None:
    steps = [large.cell(6, "cell")[1:] for _ in range(sequences)]
    nodes = [onnx.constant("/cell/zeros", np.zeros((1, 4)), "float32")]
    for at in range(0, len(steps[0]), IN_A_STEP):
        for number, step in enumerate(steps):
            nodes += [re.sub(rb"/cell(/\d)", rb"/%04d\1" % number, node) for node in step[at : at + IN_A_STEP]]
    path = onnx.write(tmp_path / "m.onnx", large.graph(1, nodes, large.CELL_SHAPES))
    with lstmdump.open(path) as model:
        assert len(model) == 1
