from __future__ import annotations

import json

import numpy as np
from support.networks import opened, read

from lstmdump.replay.saturation import GateSummary, LayerSummary
from lstmdump.report.render import trace as render_trace

GATE = GateSummary(0.5, 0.25, 0.0, 1.0, 0.125, 0.0)
LAYER = LayerSummary("a\x1b", 2, 9, 6, 3, {"i": GATE, "candidate": GATE._replace(mean=np.nan, low=np.nan)})


def test_each_gate_has_a_line() -> None:
    assert render_trace.statistics([LAYER]).splitlines()[:4] == [
        r"a\x1b  2 sequences of 9 steps, 6 units; 3 masked steps left out",
        "                  mean        std        min        max        low       high",
        "  i                0.5       0.25          0          1     12.5 %      0.0 %",
        "  candidate        nan       0.25          0          1        nan      0.0 %",
    ]


def test_the_table_fits_a_terminal() -> None:
    assert max(map(len, render_trace.statistics([LAYER]).splitlines())) <= 80


def test_json_has_no_nan() -> None:
    line = render_trace.json_line(
        read(opened({"a": (3, 4)})), [LAYER._replace(name="a")], "m.h5", "s.npz", 7, with_statistics=True
    )
    layer = json.loads(line)["layers"][0]
    assert (layer["saturated"]["candidate"], layer["stats"]["candidate"]["mean"]) == ({"low": None, "high": 0.0}, None)


def test_json_has_statistics_on_request_only() -> None:
    summaries = [LAYER._replace(name="a")]
    line = render_trace.json_line(read(opened({"a": (3, 4)})), summaries, "m.h5", "s.npz", 7, with_statistics=False)
    assert "stats" not in json.loads(line)["layers"][0]
