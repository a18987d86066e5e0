from __future__ import annotations

from pathlib import Path

import builders
import numpy as np
import pytest
from tensorflow_builders import meta_graph, split_cell, write_bundle

import lstmdump
from lstmdump.render import values
from lstmdump.statistics import LayerStatistics, TimeScales, summarise

D, M, P = 3, 4, 2


@pytest.fixture
def projected(tmp_path: Path) -> Path:
    scope = "rnn/lstm_cell"
    tensors = {f"{scope}/kernel": builders.numbers(D + P, 4 * M), f"{scope}/bias": np.zeros(4 * M, "f4"),
               f"{scope}/projection/kernel": np.full((M, P), 0.5, "f4")}  # fmt: skip
    path = write_bundle(tmp_path / "x", tensors)
    path.with_name("x.meta").write_bytes(meta_graph(graph=split_cell(scope, 1.0)))
    return path


@pytest.mark.parametrize(
    ("added", "formula"), [(0.0, "1/(1-σ(b_f))"), (1.0, "1/(1-σ(b_f+1.0))"), (-0.5, "1/(1-σ(b_f-0.5))")]
)
def test_the_time_scale_says_what_is_added_to_the_bias(added: float, formula: str) -> None:
    text = values.statistics([LayerStatistics("a", (), TimeScales(added, 2.0, 3.0, 4.0))])
    assert f"time scale {formula}: 2 to 4 steps, half of the units below 3" in text


@pytest.mark.parametrize(("gates", "shown"), [("ifco", True), ("f", False)])
def test_the_projection_belongs_to_all_gates_together(gates: str, shown: bool, projected: Path) -> None:
    with lstmdump.open(projected) as model:
        assert ("rnn/lstm_cell/P  (4, 2) float32" in values.arrays(model.lstms, gates)) is shown


def test_the_projection_has_statistics_too(projected: Path) -> None:
    with lstmdump.open(projected) as model:
        last = summarise(model.lstms[0], "ifco").arrays[-1]
    assert (last.name, last.mean, last.std) == ("P", 0.5, 0.0)
