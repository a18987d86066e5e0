from __future__ import annotations

import math
from pathlib import Path

import pytest

import lstmdump
from lstmdump.replay.statistics import ArrayStatistics, Bin, LayerStatistics, TimeScales, summarise
from lstmdump.report.render import values

HISTOGRAM = (Bin(1.0, 2.0, 12), Bin(2.0, 5.0, 3), Bin(5.0, 10.0, 0), Bin(1e6, math.inf, 1))


def lines(scales: TimeScales | None = None, **layer: str) -> list[str]:
    return values.statistics([LayerStatistics("a", (), scales, **layer)]).splitlines()


@pytest.mark.parametrize(
    ("added", "formula"), [(0.0, "1/(1-σ(b_f))"), (1.0, "1/(1-σ(b_f+1.0))"), (-0.5, "1/(1-σ(b_f-0.5))")]
)
def test_the_time_scale_includes_the_forget_bias(added: float, formula: str) -> None:
    text = values.statistics([LayerStatistics("a", (), TimeScales(added, 2.0, 3.0, 4.0))])
    assert f"time scale {formula}: 2 to 4 steps, median 3" in text


@pytest.mark.parametrize(("gates", "shown"), [("ifco", True), ("f", False)])
def test_the_projection_is_printed_with_all_gates_only(gates: str, shown: bool, projected: Path) -> None:
    with lstmdump.open(projected) as model:
        assert ("rnn/lstm_cell/P  (4, 2) float32" in values.arrays(model.lstms, gates)) is shown


def test_the_projection_has_statistics_too(projected: Path) -> None:
    with lstmdump.open(projected) as model:
        last = summarise(model.lstms[0], producer=model.producer).arrays[-1]
    assert (last.name, last.mean, last.std) == ("P", 0.5, 0.0)


def test_the_activation_of_the_gate_is_named() -> None:
    assert lines(TimeScales(1.0, 2.0, 3.0, 4.0, "hard_sigmoid"))[2].startswith(
        "  time scale 1/(1-hard_sigmoid(b_f+1.0)):"
    )


def test_the_units_of_each_time_scale_are_counted_and_drawn() -> None:
    assert lines(TimeScales(0.0, 1.5, 1.7, 2e6, bins=HISTOGRAM, never_forget=6))[3:8] == [
        "    1 to 2 steps                 12  " + "█" * 36,
        "    2 to 5 steps                  3  " + "█" * 9,
        "    5 to 10 steps                 0",
        "    1,000,000 steps or more       1  " + "█" * 3,
        "    never forget                  6  " + "█" * 18,
    ]


@pytest.mark.parametrize(("peepholes", "movers"), [(False, "inputs"), (True, "inputs and peepholes")])
def test_the_caveat_names_its_source(peepholes: bool, movers: str) -> None:
    caveat = f"  At x = h = 0 only: {movers} move the gate (Tallec & Ollivier 2018)"
    assert lines(TimeScales(0.0, 2.0, 3.0, 4.0, peepholes=peepholes))[-1] == caveat


@pytest.mark.parametrize(
    ("three", "words"),
    [((2.0, 2.5, math.inf), "2 to ∞ steps, median 2.5"), ((math.inf,) * 3, "without end")],
)
def test_an_infinite_time_scale_is_printed(three: tuple[float, float, float], words: str) -> None:
    assert lines(TimeScales(0.0, *three, never_forget=1))[2] == f"  time scale 1/(1-σ(b_f)): {words}"


def test_reasons_for_missing_statistics_are_printed() -> None:
    assert lines(no_radius="it is not square", no_time_scales="the file does not hold the forget bias")[2:4] == [
        "  no spectral radius: it is not square",
        "  no time scale: the file does not hold the forget bias",
    ]


@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid"])
def test_statistics_have_at_most_80_columns(activation: str) -> None:
    array = ArrayStatistics("U_f", -1.23456e-10, -1.23456e-10, -1.23456e-10, 1.0, 1.0, -1.23456e-10)
    scales = TimeScales(0.0, 1.111, 2.222, 3.333, activation, HISTOGRAM, 1, peepholes=True)
    text = values.statistics([LayerStatistics("a", (array,), scales)])
    assert max(map(len, text.splitlines())) <= 80


def test_a_column_without_numbers_is_left_out() -> None:
    array = ArrayStatistics("W_f", 0.0, 0.0, 0.0, 0.0, 0.0)
    assert "spectral" not in values.statistics([LayerStatistics("a", (array,), None)])


def test_the_record_has_a_spectral_radius_for_recurrent_kernels() -> None:
    arrays = tuple(
        ArrayStatistics(name, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5 if name == "U_i" else None) for name in ("W_i", "U_i")
    )
    record = values.statistics_record(LayerStatistics("a", arrays, None))
    assert (record["U_i"]["spectral_radius"], "spectral_radius" in record["W_i"]) == (0.5, False)


def test_the_record_has_null_for_nan_and_infinities() -> None:
    array = ArrayStatistics("U_i", math.nan, 0.0, -math.inf, 0.0, 0.0, math.nan)
    scales = TimeScales(0.0, 2.0, 2.5, math.inf, bins=HISTOGRAM[-1:], never_forget=1)
    record = values.statistics_record(LayerStatistics("a", (array,), scales))
    assert (record["U_i"]["mean"], record["U_i"]["min"], record["U_i"]["spectral_radius"]) == (None, None, None)
    assert record["time_scale"] == {
        "min": 2.0, "median": 2.5, "max": None, "activation": "sigmoid",
        "bins": [{"from": 1e6, "to": None, "units": 1}], "never_forget": 1,
    }  # fmt: skip
