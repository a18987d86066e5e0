"""The table of a model as HTML: the words of the printed table, and nothing that a name could add."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import builders
from support.html_parsing import Parsed

import lstmdump
from lstmdump.report.facts import Report, describe
from lstmdump.report.html.table import fragment, layer_fragment
from lstmdump.report.render.table import table

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</td></table><h1>",
    "<!-- ",
    "]]><![CDATA[",
    "&lt;b&gt;&#0;&amp",
    "a\u202eb\u2066c",
    "a\x00b\x1b[2J\r\n\x85",
    "a\udc80b\u200b\ufffe",
]


def named(value: Any, name: str) -> Any:
    """Return the facts of a report, `value`, with every text replaced by `name`."""
    if isinstance(value, str):
        return name
    if isinstance(value, tuple):
        changed = [named(part, name) for part in value]
        return type(value)(*changed) if hasattr(value, "_fields") else tuple(changed)
    return value


@pytest.fixture
def report(tmp_path: Path) -> Report:
    with lstmdump.open(builders.one_lstm(tmp_path / "one.h5")) as opened:
        return describe(opened)._replace(model="one.h5", notes=("a note",))


def with_names(report: Report, name: str) -> Report:
    changed = named(report, name)
    return changed._replace(layers=tuple(layer._replace(gate_order="ifco") for layer in changed.layers))  # type: ignore[no-any-return]


def test_the_fragment_has_each_word_of_the_printed_table(report: Report) -> None:
    shown = Parsed(fragment(report, with_others=True)).text.split()
    assert set(table(report, width=None, colour=False, with_others=True).split()) - set(shown) == set()


def test_the_fragment_of_a_layer_has_its_arrays_only(report: Report) -> None:
    shown = Parsed(layer_fragment(report.layers[0])).text
    assert "(3, 16) = 3×4·4" in shown
    assert ("together" in shown, "one.h5" in shown) == (False, False)


def test_a_model_without_layers_has_no_table(report: Report) -> None:
    none = report._replace(layers=(), lstms=0)
    assert "table" not in {element.tag for element in Parsed(fragment(none)).elements}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_element_or_attribute_comes_from_a_name(name: str, report: Report) -> None:
    usual, hostile = (Parsed(fragment(with_names(report, word), with_others=True)) for word in ("plain", name))
    assert (usual.faults, hostile.faults) == ([], [])
    assert hostile.structure == usual.structure


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_without_invisible_characters(name: str, report: Report) -> None:
    html = fragment(with_names(report, name), with_others=True)
    assert [sign for sign in html if not sign.isprintable() and sign != "\n"] == []
    if name.isprintable():
        assert name in Parsed(html).text


def test_names_from_right_to_left_do_not_move_what_is_next_to_them(report: Report) -> None:
    texts = re.findall(r"<bdi>(.*?)</bdi>", fragment(with_names(report, "שלום")))
    assert texts.count("שלום") == 5  # the model, the layer and its three arrays


def test_a_very_long_name_is_shortened(report: Report) -> None:
    assert len(layer_fragment(with_names(report, "x" * 1_000_000).layers[0])) < 50_000


def test_the_fragment_has_no_colours_of_its_own(report: Report) -> None:
    styles = " ".join(element.attributes.get("style", "") for element in Parsed(fragment(report)).elements)
    assert re.findall(r"background|#[0-9a-f]{3}|rgb|color: (?!inherit)", styles) == []


def test_the_fragment_needs_no_numpy() -> None:
    code = "import sys, lstmdump.report.html.table; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
