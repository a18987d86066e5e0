"""Classes of cells that the user wrote: the file states them, whatever their settings are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import builders

import lstmdump
from lstmdump.report.facts import describe

CASES = Path(__file__).parents[2] / "cases"
NOTE = "Hand is a class of its own, which may compute more than an LSTM: the order of its gates is assumed to be that of Keras"


def rnn(name: str, *cells: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of an RNN of one cell, or of several in a stack."""
    stack = {"class_name": "StackedRNNCells", "config": {"name": "stacked_rnn_cells", "cells": list(cells)}}
    return {"class_name": "RNN", "config": {"name": name, "cell": cells[0] if len(cells) == 1 else stack}}


def hand(name: str) -> dict[str, Any]:
    return {"class_name": "my>Hand", "config": {"name": name, "units": 4}}


def facts_of(path: Path) -> list[tuple[str, str, bool]]:
    with lstmdump.open(path) as model:
        return [(lstm.name, lstm.kind, lstm.kind_stated) for lstm in model.lstms]


@pytest.mark.parametrize("name", ["custom_cell-keras3.15.keras", "custom_cell-keras3.15.h5"])
def test_a_cell_in_an_rnn_has_its_own_class_in_both_formats(name: str) -> None:
    assert facts_of(CASES / name) == [("custom/hand_1", "Hand", True)]


@pytest.mark.parametrize("name", ["custom_cell-keras3.15.keras", "custom_cell-keras3.15.h5"])
def test_a_cell_of_an_own_class_is_noted(name: str) -> None:
    with lstmdump.open(CASES / name) as model:
        assert describe(model).notes == (f"custom/hand_1: {NOTE}",)


def in_h5(path: Path, config: dict[str, Any], *scopes: str) -> Path:
    """Write an HDF5 file with a layer `hand` whose arrays are in these scopes."""
    weights = [array for scope in scopes for array in builders.keras_2_weights(scope)]
    return builders.write(path, {"hand": weights}, config=builders.sequential(config))


@pytest.mark.parametrize("scope", ["hand/hand", "sequential/hand/hand"])
def test_a_cell_with_the_name_of_its_layer_is_named_alike_in_both_formats(scope: str, tmp_path: Path) -> None:
    h5 = in_h5(tmp_path / "a.h5", rnn("hand", hand("hand")), scope)
    names = {"layers/rnn": "hand", "layers/rnn/cell": "hand"}
    keras = builders.keras_zip(
        tmp_path / "a.keras",
        builders.sequential(rnn("hand", hand("hand"))),
        {"layers/rnn/cell": builders.cell()},
        names,
    )
    assert facts_of(h5) == facts_of(keras) == [("hand/hand", "Hand", True)]


def test_cells_of_an_own_class_in_a_stack_have_it(tmp_path: Path) -> None:
    path = in_h5(tmp_path / "a.h5", rnn("hand", hand("low"), hand("high")), "hand/low", "hand/high")
    assert facts_of(path) == [("hand/low", "Hand", True), ("hand/high", "Hand", True)]


@pytest.mark.parametrize("scope", ["rnn_1", "hand"])
def test_a_cell_whose_name_is_not_in_the_names_of_its_arrays_has_its_class(scope: str, tmp_path: Path) -> None:
    path = in_h5(tmp_path / "a.h5", rnn("hand", hand("mine")), scope)
    assert facts_of(path) == [("hand/mine", "Hand", True)]


def test_a_layer_inside_a_layer_of_an_own_class_does_not_have_that_class(tmp_path: Path) -> None:
    path = in_h5(tmp_path / "a.h5", hand("hand"), "hand/inner/lstm_cell")
    assert facts_of(path) == [("hand/inner", "LSTM", False)]


def test_the_cell_of_a_layer_of_an_own_class_does_not_have_that_class_in_an_archive(tmp_path: Path) -> None:
    names = {"layers/hand": "hand", "layers/hand/cell": "lstm_cell"}
    path = builders.keras_zip(
        tmp_path / "a.keras", builders.sequential(hand("hand")), {"layers/hand/cell": builders.cell()}, names
    )
    assert [(kind, stated) for _, kind, stated in facts_of(path)] == [("LSTM", False)]
