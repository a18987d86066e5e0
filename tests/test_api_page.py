"""The page `api` of the manual is that of the code."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import api_page

import lstmdump

PAGE = Path(lstmdump.__file__).parent / "manual" / "api.md"


def test_the_page_is_made_of_the_docstrings(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        PAGE.write_text(api_page.make(), "utf-8")
    assert PAGE.read_text("utf-8") == api_page.make()


@pytest.mark.parametrize("name", [name for name in lstmdump.__all__ if name not in ("__version__", "errors")])
def test_a_public_name_is_on_the_page(name: str) -> None:
    assert f"lstmdump.{name}" in {part for known in api_page.NAMES for part in (known, known.rpartition(".")[0])}
