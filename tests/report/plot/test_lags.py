from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from lstmdump.export import pictures
from lstmdump.replay.lags import LayerLags
from lstmdump.report.plot.lags import figure

NORMS = (8.0, *(0.1,) * 19)
LAYER = LayerLags("lstm_1", 2, 4, None, 20, 3, "the inputs given", "float64", NORMS, (0.0,) * 20, ((1.0, 3.0),) * 20)


def test_each_bar_is_as_high_as_the_share_of_its_lag() -> None:
    (axes,) = figure(replace(LAYER, norms=(3.0, 1.0))).axes
    assert [bar.get_height() for bar in axes.patches] == [75.0, 25.0]


@pytest.mark.parametrize(("symbol", "shown"), [("h_T", r"\partial h_T /"), ("y", r"\partial y /")])
def test_the_axis_names_what_is_influenced(symbol: str, shown: str) -> None:
    (axes,) = figure(replace(LAYER, symbol=symbol)).axes
    assert shown in axes.get_ylabel()


def test_there_are_a_few_bars_beyond_95_percent() -> None:
    assert LAYER.lag_95 == 15  # 9.5 of 9.9 are 95.96 %
    (axes,) = figure(LAYER).axes
    assert len(axes.patches) == 20
    assert axes.lines[0].get_xdata()[0] == 15.5


@pytest.mark.parametrize(("is_complete", "words"), [(True, "95 %"), (False, "95 % of these lags")])
def test_the_line_at_95_percent_is_labelled(is_complete: bool, words: str) -> None:
    (axes,) = figure(replace(LAYER, is_complete=is_complete)).axes
    assert [text.get_text() for text in axes.texts] == [words]


def test_the_title_names_the_layer_the_units_and_the_inputs() -> None:
    assert figure(LAYER).get_suptitle() == (
        "lstm_1\ninfluence of each step on the last output (4 units; 3 sequences of 20 steps)"
    )


def test_the_title_of_one_unit_without_input() -> None:
    layer = replace(LAYER, unit=2, length=None, batch=1, operating_point="x = 0, from the state reached there")
    assert figure(layer).get_suptitle().endswith("(unit 2; x = 0, from the state reached there)")


def test_the_shares_of_features_are_rows_below() -> None:
    _, below, _ = figure(replace(LAYER, norms=(1.0,), by_feature=((1.0, 3.0),)), by_feature=True).axes
    assert below.images[0].get_array().tolist() == [[25.0], [75.0]]


def test_without_shares_bars_have_no_height() -> None:
    axes, *_ = figure(replace(LAYER, norms=(0.0, 0.0), by_feature=((0.0, 0.0),) * 2), by_feature=True).axes
    assert [bar.get_height() for bar in axes.patches] == [0.0, 0.0]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_figure_is_saved_without_a_warning(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"lags{suffix}"
    pictures.save((figure(layer, by_feature=True) for layer in [LAYER]), str(path), overwrite=False)
    assert path.stat().st_size > 1000
