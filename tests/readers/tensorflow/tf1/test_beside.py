"""Moving averages and slots of optimizers: beside the weights, or averages in place of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support.tensorflow_builders import meta_graph, split_cell, variable, write_bundle

import lstmdump
from lstmdump.errors import NoAverages

D, M = 3, 4
SCOPE = "rnn/basic_lstm_cell"
CASES = Path(__file__).parents[3] / "cases"


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Return a cell of 128 numbers and a dense layer of 4."""
    made = builders.gates(D, M, seed)
    kernel = np.concatenate([np.concatenate([made[f"W_{g}"], made[f"U_{g}"]]) for g in "icfo"], axis=1)
    bias = np.concatenate([made[f"b_{g}"] for g in "icfo"])
    return {f"{SCOPE}/kernel": kernel, f"{SCOPE}/bias": bias, "out/w": builders.numbers(M, 1, seed=seed)}


def ending(tensors: Mapping[str, np.ndarray], *endings: str) -> dict[str, np.ndarray]:
    return {f"{name}/{last}": values for name, values in tensors.items() for last in endings}


RAW, AVERAGES = weights(), ending(weights(seed=1), "ExponentialMovingAverage")
SLOTS = ending(weights(seed=2), "Adam", "Adam_1") | {"beta1_power": np.array(0.9, "f4")}
NOTE = "beside 3 weights: ExponentialMovingAverage (132), Adam (264)"


@pytest.fixture
def both(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "both", RAW | AVERAGES | SLOTS)


def read(path: Path, **options: Any) -> tuple[list[float], int | None, tuple[str, ...]]:
    """Return the numbers of W_f, the total and the notes on the model."""
    with lstmdump.open(path, **options) as model:
        return model.lstms[0].gates["f"].W.read().tolist(), model.model.parameters, model.model.notes


def test_what_lies_beside_the_weights_is_told_in_one_note_and_not_counted(both: Path) -> None:
    assert read(both) == (builders.gates(D, M)["W_f"].tolist(), 132, (NOTE,))


def test_slots_alone_have_a_note(tmp_path: Path) -> None:
    assert read(write_bundle(tmp_path / "x", RAW | SLOTS))[1:] == (132, ("beside 3 weights: Adam (264)",))


def test_averages_take_the_places_of_the_weights_on_demand(both: Path) -> None:
    numbers, total, notes = read(both, averages=True)
    assert (numbers, total) == (builders.gates(D, M, 1)["W_f"].tolist(), 132)
    assert notes == (
        "moving averages in place of 3 weights",
        "beside 3 weights: the weights themselves (132), Adam (264)",
    )


def test_a_weight_without_an_average_keeps_its_place(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", RAW | {name: AVERAGES[name] for name in list(AVERAGES)[:2]})
    numbers, total, notes = read(path, averages=True)
    assert (numbers, total) == (builders.gates(D, M, 1)["W_f"].tolist(), 132)
    assert notes[0] == "moving averages in place of 2 weights; 1 other without an average"


def test_a_checkpoint_without_averages_has_none_to_take(tmp_path: Path) -> None:
    with pytest.raises(NoAverages, match="leave averages out"):
        lstmdump.open(write_bundle(tmp_path / "x", RAW | SLOTS), averages=True)


@pytest.mark.parametrize("averages", [False, True])
def test_averages_alone_are_the_weights(averages: bool, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", AVERAGES)
    numbers, total, notes = read(path, averages=averages)
    assert (numbers, total) == (builders.gates(D, M, 1)["W_f"].tolist(), 132)
    assert notes == ("moving averages in place of 3 weights",)


def test_averages_alone_belong_to_the_cells_of_the_graph(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "x", AVERAGES)
    graph = variable(f"{SCOPE}/kernel", (D + M, 4 * M)) + variable(f"{SCOPE}/bias", (4 * M,)) + split_cell(SCOPE, 0.5)
    path.with_name("x.meta").write_bytes(meta_graph(graph=graph))
    with lstmdump.open(path) as model:
        assert [(lstm.name, lstm.forget_bias) for lstm in model.lstms] == [(SCOPE, 0.5)]


@pytest.mark.parametrize("name", ["model.ckpt", "nometa.ckpt"])
def test_a_genuine_checkpoint_of_averages_alone_is_read(name: str) -> None:
    # TensorFlow 1.12 wrote it, and the numbers beside it
    with lstmdump.open(CASES / "ema_only-tf1.12" / name) as model:
        (lstm,) = model.lstms
        assert (lstm.name, lstm.input_dim, lstm.units, lstm.parameters) == (SCOPE, 3, 4, 128)
        assert lstm.weights[0].tensor.name == f"{SCOPE}/kernel/ExponentialMovingAverage"
        numbers = {weight.tensor.name: weight.tensor.read() for weight in lstm.weights}
    with np.load(CASES / "ema.average.npz") as stored:
        recorded = stored["rnn|basic_lstm_cell|kernel"].tolist()
    assert numbers[f"{SCOPE}/kernel/ExponentialMovingAverage"].tolist() == recorded


def test_the_average_of_a_loss_is_not_a_weight(tmp_path: Path) -> None:
    loss = {"cross_entropy/ExponentialMovingAverage": np.array(2.5, "f4")}
    assert read(write_bundle(tmp_path / "x", RAW | loss))[1:] == (132, ())


def test_all_lists_what_lies_beside_without_counting_it(both: Path, run: Any) -> None:
    (fields,) = map(json.loads, run("--json", "--all", both).out.splitlines())
    uncounted = [other["tensor"] for other in fields["others"] if other.get("counted") is False]
    assert sorted(uncounted) == sorted([*AVERAGES, *(name for name in SLOTS if name != "beta1_power")])
    assert sum(other["parameters"] for other in fields["others"]) == 4


def test_show_takes_averages(both: Path, run: Any) -> None:
    (fields,) = map(json.loads, run("--json", "--averages", both).out.splitlines())
    assert fields["layers"][0]["weights"][0]["tensor"] == f"{SCOPE}/kernel/ExponentialMovingAverage"


def test_export_takes_averages(both: Path, run: Any, tmp_path: Path) -> None:
    assert run("export", both, "--averages", "-o", tmp_path / "o.npz").status == 0
    with np.load(tmp_path / "o.npz") as written:
        assert written[f"{SCOPE}/W_f"].tolist() == builders.gates(D, M, 1)["W_f"].tolist()


def test_trace_takes_averages(both: Path, run: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", builders.numbers(2, 5, D))
    outputs = []
    for options in ([], ["--averages"]):
        out = tmp_path / f"{len(options)}.npz"
        words = ["trace", both, *options, "-i", tmp_path / "x.npy", "--forget-bias", "1", "-o", out]
        assert run(*words).status == 0
        with np.load(out) as written:
            outputs.append(written[f"{SCOPE}/h"])
    assert np.abs(outputs[0] - outputs[1]).max() > 0.01


def test_check_takes_averages(both: Path, run: Any) -> None:
    assert run("check", both, "--averages", "--params", "128", "--total", "132").status == 0


def test_a_model_without_averages_is_an_error_of_one_line(tmp_path: Path, run: Any) -> None:
    path = builders.one_lstm(tmp_path / "a.h5")
    outcome = run("show", "--averages", path)
    assert outcome.status == 2
    assert outcome.err == (
        f"lstmdump: {path}: the file holds no moving averages of its weights; leave --averages out\n"
    )
