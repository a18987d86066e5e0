from __future__ import annotations

import pytest

from lstmdump.report.render.words import bar


@pytest.mark.parametrize(
    ("share", "drawn"), [(1.0, "████"), (0.5, "██"), (0.625, "██▌"), (0.0, ""), (0.001, "▏"), (0.99, "████")]
)
def test_a_bar_is_as_long_as_its_share_to_an_eighth_of_a_column(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn
