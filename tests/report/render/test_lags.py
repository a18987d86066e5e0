from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from lstmdump.replay.lags import LayerLags
from lstmdump.report.render import lags as render
from lstmdump.report.render.lags import ModelLags

NORMS = (5.0, 2.5, 1.0, 0.75, 0.5, 0.1, 0.05, 0.04, 0.03, 0.02, 0.006, 0.004)  # 10 together
LAYER = LayerLags(
    "lstm_1", 2, 4, None, 12, 3, "the inputs given", "float64", NORMS, (0.5,) * 12, ((3.0, 1.0), *[(0.0, 0.0)] * 11)
)


def text(layer: LayerLags = LAYER, *notes: str, width: int | None = None, by_feature: bool = False) -> list[str]:
    model = ModelLags("m.h5", (layer,), notes)
    return render.text(model, width=width, by_feature=by_feature).splitlines()


def test_each_lag_has_a_line_with_its_norm_its_share_and_a_bar() -> None:
    lines = [line for line in text() if line.startswith("  t-")]
    assert lines[:2] == [
        "  t-0          5   50.0 %  " + "█" * 53,  # to the end of the line
        "  t-1        2.5   25.0 %  " + "█" * 26 + "▌",
    ]


def test_the_measure_is_next_to_the_name_of_the_layer() -> None:
    assert text(replace(LAYER, batch=1))[2] == (
        "lstm_1 · ‖∂h_T/∂x_{T-k}‖ of 4 units, 2 inputs · over 1 sequence of 12 steps"
    )


def test_the_measure_is_below_the_name_if_it_does_not_fit() -> None:
    assert text()[2:5] == [
        "lstm_1", "  ‖∂h_T/∂x_{T-k}‖ of 4 units, 2 inputs", "  mean over 3 sequences of 12 steps",
    ]  # fmt: skip


def test_the_remaining_lags_are_one_line_with_their_share() -> None:
    assert "  t-10 … t-11: 0.1 %" in text()


def test_one_remaining_lag_has_no_range() -> None:
    layer = replace(LAYER, norms=NORMS[:11], deviations=(0.0,) * 11)
    assert "  t-10: 0.1 %" in text(layer)


def test_lags_are_shown_up_to_95_percent() -> None:
    layer = replace(LAYER, length=40, norms=(1.0,) * 40, deviations=(0.0,) * 40)
    lines = text(layer)
    assert [line.split()[0] for line in lines if line.startswith("  t-")] == [*(f"t-{k}" for k in range(38)), "t-38"]
    assert "  t-38 … t-39: 5.0 %" in lines


def test_many_lags_are_put_into_ranges_behind_the_first_twenty() -> None:
    layer = replace(LAYER, length=100, norms=(1.0,) * 100, deviations=(0.0,) * 100)  # 95 of them have 95 %
    rows = [
        line.split("  ")[1].strip() for line in text(layer) if line.startswith("  t-") and "is the last" not in line
    ]
    assert rows == [
        *(f"t-{k}" for k in range(20)),
        *(f"t-{k} … t-{k + 9}" for k in range(20, 90, 10)),
        "t-90 … t-94",
        "t-95 … t-99: 5.0 %",
    ]


def test_a_range_of_lags_has_their_sum() -> None:
    layer = replace(LAYER, length=100, norms=(1.0,) * 100, deviations=(0.0,) * 100)
    lines = text(layer)
    assert "  from t-20 on, a line has the sums of several steps" in lines
    assert "  t-20 … t-29         10   10.0 %  " + "█" * 45 in lines  # the longest bar, to the end of the line


@pytest.mark.parametrize("lags", [41, 60, 220, 221, 986, 1_000, 100_000])
def test_a_table_has_no_more_rows_than_a_screen(lags: int) -> None:
    layer = replace(LAYER, length=None, norms=(1.0,) * lags, deviations=(0.0,) * lags)
    rows = [line for line in text(layer) if line.startswith("  t-")]
    assert 20 < len(rows) <= 41  # with that of the rest


def test_forty_lags_have_a_line_each() -> None:
    layer = replace(LAYER, length=None, norms=(1.0,) * 42, deviations=(0.0,) * 42)  # 40 of them have 95 %
    rows = [line for line in text(layer) if line.startswith("  t-")]
    assert [row.split()[0] for row in rows] == [f"t-{k}" for k in range(41)]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, '  k = 0 (t-0) is the last step given ("t-1" to whoever predicts t)'),
        ({"length": None}, '  k = 0 (t-0) is the last step ("t-1" to whoever predicts t)'),
        ({"is_masked": True}, '  k = 0 (t-0) is the last step given that is not masked ("t-1" to whoever predicts t)'),
        (
            {"goes_backwards": True},
            "  k = 0 (t-0) is the last step that the layer takes, the first of the input",
        ),
    ],
)
def test_the_head_says_which_step_is_t_0(changed: dict[str, Any], line: str) -> None:
    lines = text(replace(LAYER, **changed), width=100)
    assert lines[lines.index(next(row for row in lines if row.startswith("  lag"))) - 1] == line


def test_no_numbers_are_shown_without_an_operating_point() -> None:
    layer = replace(LAYER, length=None, norms=(), deviations=(), by_feature=(), no_point="the state does not settle")
    assert text(layer, by_feature=True)[2:] == [
        "lstm_1 · ‖∂h_T/∂x_{T-k}‖ of 4 units, 2 inputs · at x = 0",
        "  no numbers: the state does not settle",
    ]


def test_json_says_first_why_there_are_no_numbers() -> None:
    layer = replace(LAYER, length=None, norms=(), deviations=(), by_feature=(), no_point="the state does not settle")
    layer = replace(layer, is_complete=False)
    made = json.loads(render.json_line(ModelLags("m.h5", (layer,), ("n",)), by_feature=True))
    assert made["notes"] == ["lstm_1: no numbers: the state does not settle; give real inputs with -i", "n"]
    (only,) = made["layers"]
    assert (only["lags"], only["by_feature"], only["complete"], only["lag_95"], only["total"]) == (
        [], [], False, None, None,
    )  # fmt: skip


def test_the_answer_is_a_sentence() -> None:
    assert "95 % of the influence on h_T comes from the last 5 steps (t-0 … t-4); t-4 has" in text()
    assert "5.0 %." in text()


def test_all_steps_of_the_input_are_not_presented_as_a_finding() -> None:
    layer = replace(LAYER, norms=(1.0,) * 7, deviations=(0.0,) * 7, length=7)
    assert " ".join(text(layer)[-2:]) == (
        "The input has 7 steps, too few to say how far back the influence on h_T goes; give a longer one."
    )


def test_an_input_of_one_step_shows_nothing_about_lags() -> None:
    layer = replace(LAYER, norms=(1.0,), deviations=(0.0,), length=1)
    assert text(layer)[-2].startswith("The input has one step, too few to say how far back")


def test_the_answer_for_one_step() -> None:
    layer = replace(LAYER, norms=(1.0, 0.01), deviations=(0.0, 0.0))
    assert text(layer)[-1] == "95 % of the influence on h_T comes from the last step alone: t-0 has 99.0 %."


def test_with_limited_lags_the_answer_is_about_these() -> None:
    assert text(replace(LAYER, is_complete=False))[-2:] == [
        "Of these lags alone, 95 % comes from the last 5 steps (t-0 … t-4); t-4 has",
        "5.0 %.",
    ]


def test_missing_shares_are_dashes() -> None:
    lines = text(replace(LAYER, norms=(0.0, 0.0), deviations=(0.0, 0.0)))
    assert "  t-0          0        —" in lines
    assert lines[-1] == "The influence on h_T has no shares: it is 0, or not a finite number."


def test_a_share_above_0_is_not_shown_as_0() -> None:
    layer = replace(LAYER, norms=(1.0, 1e-9), deviations=(0.0, 0.0))
    assert any(line.startswith("  t-1      1e-09  < 0.1 %  ▏") for line in text(layer))


def test_one_unit_is_named() -> None:
    assert any("of unit 3, 2 inputs" in line for line in text(replace(LAYER, unit=3)))


def test_without_input_the_operating_point_is_named() -> None:
    layer = replace(LAYER, length=None, operating_point="x = 0, from the state reached there")
    assert "  at x = 0, from the state reached there" in text(layer)


@pytest.mark.parametrize("width", [None, 80, 60])
def test_no_line_is_wider_than_the_terminal(width: int | None) -> None:
    lines = text(LAYER, "lstm_1: " + "a long word " * 30, width=width, by_feature=True)
    assert max(map(len, lines)) <= (width or 80)


def test_notes_are_indented_below_their_text() -> None:
    assert text(LAYER, "lstm_1: " + "abc " * 30)[-2:] == [
        "note: lstm_1: " + " ".join(["abc"] * 16), "      " + " ".join(["abc"] * 14)
    ]  # fmt: skip


def test_features_have_a_line_each_with_their_shares_by_lag() -> None:
    lines = text(by_feature=True)
    first = next(k for k, line in enumerate(lines) if line.startswith("  feature"))
    assert lines[first].split() == ["feature", "share", *(f"t-{k}" for k in range(6))]
    assert lines[first + 1].split() == ["0", "75.0", "%", "75.0", "%", *["0.0", "%"] * 5]


def test_control_characters_in_names_are_escaped() -> None:
    assert "\x1b" not in "".join(text(replace(LAYER, name="a\x1bb"), "a\x1bb: note"))


def json_of(layer: LayerLags, *, by_feature: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(render.json_line(ModelLags("m.h5", (layer,), ("n",)), by_feature=by_feature))
    return made


def test_json_has_each_lag_and_the_total() -> None:
    layer = replace(LAYER, norms=(3.0, 1.0), deviations=(0.5, 0.25))
    assert json_of(layer) == {
        "model": "m.h5",
        "layers": [
            {
                "name": "lstm_1", "of": "h_T", "input": None, "input_dim": 2, "units": 4, "unit": None,
                "length": 12, "batch": 3,
                "operating_point": "the inputs given", "dtype": "float64",
                "lags": [
                    {"lag": 0, "norm": 3.0, "std": 0.5, "share": 0.75, "cumulative": 0.75},
                    {"lag": 1, "norm": 1.0, "std": 0.25, "share": 0.25, "cumulative": 1.0},
                ],
                "complete": True, "lag_95": 1, "total": 4.0,
            }
        ],
        "notes": ["n"],
    }  # fmt: skip


def test_json_has_features_on_request() -> None:
    layer = replace(LAYER, norms=(3.0, 1.0), deviations=(0.5, 0.25), by_feature=((2.0, 1.0), (1.0, 0.0)))
    assert json_of(layer, by_feature=True)["layers"][0]["by_feature"] == [
        {"feature": 0, "norm": 3.0, "share": 0.75, "lags": [2.0, 1.0]},
        {"feature": 1, "norm": 1.0, "share": 0.25, "lags": [1.0, 0.0]},
    ]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_nan_and_infinities_are_null(number: float) -> None:
    made = json_of(replace(LAYER, norms=(number,), deviations=(number,)))["layers"][0]
    assert (made["lags"], made["lag_95"], made["total"]) == (
        [{"lag": 0, "norm": None, "std": None, "share": None, "cumulative": None}], None, None,
    )  # fmt: skip
