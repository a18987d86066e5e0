"""The page of `show --html`: whole, well-formed, and without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from support import builders
from support.html_parsing import Parsed

import lstmdump
from lstmdump.replay import lags
from lstmdump.report.facts import describe
from lstmdump.report.html import model as model_in_html
from lstmdump.report.html.lags import section
from lstmdump.report.html.page import MOST_DRAWN, ModelReport, ReportPart, page
from lstmdump.report.render.lags import ModelLags, text

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style><h1>",
    "<!-- ",
    "javascript:alert(1)",
    "a\u202eb\u2066c\x00\x1b[2J\udc80",
]


def report(path: Path, most_drawn: int = MOST_DRAWN) -> ModelReport:
    with lstmdump.open(path) as opened:
        return model_in_html.describe(opened, opened.lstms, describe(opened), most_drawn=most_drawn)


def structure(html: str) -> object:
    """Return the elements with their attributes, without the places where a path may be broken."""
    return Parsed(html.replace("<wbr>", "")).structure


def write_named(path: Path, name: str) -> Path:
    """Write a model of two layers with `name` in their names, as far as HDF5 can hold it."""
    word = name.replace("/", "⁄").replace("\x00", "").replace("\udc80", "")
    return builders.write(path, {key: builders.keras_2_weights(key) for key in (word, f"{word}_2")})


def layer_lags(name: str) -> lags.LayerLags:
    return lags.LayerLags(
        name, 1, 1, None, 3, 1, "the inputs given", "float64", (2.0, 1.0, 0.0), (0.0,) * 3, ((2.0,), (1.0,), (0.0,)),
        input=name,
    )  # fmt: skip


def test_the_page_is_well_formed(model: Path) -> None:
    parsed = Parsed(page([report(model), ModelReport("x", problem="broken")]))
    assert parsed.faults == []
    assert [element.tag for element in parsed.elements[:3]] == ["html", "head", "meta"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_element_or_attribute_comes_from_a_name(name: str, tmp_path: Path) -> None:
    usual, hostile = (report(write_named(tmp_path / f"{place}.h5", word)) for place, word in enumerate(("plain", name)))
    pages = [
        page([made._replace(path=word, about=word), ModelReport(word, problem=word)])
        for made, word in ((usual, "plain"), (hostile, name))
    ]
    assert structure(pages[1]) == structure(pages[0])
    assert [sign for sign in pages[1] if not sign.isprintable() and sign not in "\n\xa0"] == []
    assert Parsed(pages[1]).faults == []


@pytest.mark.parametrize("name", HOSTILE)
def test_no_element_of_the_lags_comes_from_a_name(name: str) -> None:
    usual, hostile = (
        section(ModelLags(word, (layer_lags(word), layer_lags(f"{word}2")), (word,))) for word in ("plain", name)
    )
    assert structure(hostile) == structure(usual)


def test_nothing_is_fetched_and_nothing_runs(model: Path) -> None:
    parsed = Parsed(page([report(model), report(model)]))
    attributes = [pair for element in parsed.elements for pair in element.attributes.items()]
    assert {value.partition(":")[0] for key, value in attributes if key == "src"} == {"data"}
    assert {value[0] for key, value in attributes if key == "href"} == {"#"}
    assert [key for key, _ in attributes if key.startswith("on") or key == "style"] == []
    assert {element.tag for element in parsed.elements} & {"script", "link", "iframe", "object", "form"} == set()


def test_the_policy_allows_the_style_sheet_and_pictures_in_the_page_only(model: Path) -> None:
    html = page([report(model)])
    policy = next(e for e in Parsed(html).elements if e.attributes.get("http-equiv") == "Content-Security-Policy")
    sheet = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert sheet is not None
    digest = base64.b64encode(hashlib.sha256(sheet[1].encode()).digest()).decode()
    assert policy.attributes["content"].split("; ") == [
        "default-src 'none'", f"style-src 'sha256-{digest}'", "img-src data:", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert "url(" not in sheet[1]


def test_each_link_leads_to_a_place_of_the_page(model: Path) -> None:
    elements = Parsed(page([report(model), ModelReport("x", problem="y"), report(model)])).elements
    places = [element.attributes["id"] for element in elements if "id" in element.attributes]
    links = [element.attributes["href"][1:] for element in elements if "href" in element.attributes]
    assert set(links) <= set(places)
    assert len(places) == len(set(places))
    assert {"model-1", "model-2", "model-3"} <= set(links)


def test_a_model_that_cannot_be_read_is_in_the_contents_and_has_its_reason(model: Path) -> None:
    shown = Parsed(page([report(model), ModelReport("bad.h5", problem="cut short")])).text
    assert "bad.h5   could not be read" in shown
    assert "could not be read: cut short" in shown


def test_what_could_not_be_computed_is_named_beside_what_could(model: Path) -> None:
    shown = Parsed(page([report(model)._replace(problem="a wrong width")])).text
    assert "lags could not be computed: a wrong width" in shown
    assert "(3, 16) = 3×4·4" in shown


def test_layers_beyond_the_bound_are_not_drawn_and_the_page_says_which_option_helps(tmp_path: Path) -> None:
    path = builders.write(tmp_path / "x.h5", {f"l{k}": builders.keras_2_weights(f"l{k}") for k in range(5)})
    made = report(path, most_drawn=2)
    maps = next(part.html for part in made.parts if part.word == "heat maps")
    assert (made.drawn, maps.count('<section class="maps">')) == (2, 2)
    assert "The first 2 of 5 layers are drawn" in maps
    assert "with -l" in maps
    assert "No layer is drawn" in next(part.html for part in report(path, 0).parts if part.word == "heat maps")


def test_a_model_without_layers_has_its_caution(tmp_path: Path) -> None:
    path = builders.write(tmp_path / "x.h5", {"dense": builders.dense("dense")})
    assert [part.word for part in report(path).parts] == ["table"]
    assert "no LSTM layer" in page([report(path)])


def test_the_explanation_has_the_words_that_are_printed(model: Path) -> None:
    from lstmdump.report.explain import explanation

    with lstmdump.open(model) as opened:
        printed = explanation(opened.lstms, opened.producer, width=80, colour=False)
    shown = Parsed(page([report(model)])).text.split()
    assert set(printed.replace(", explained", "").split()) - set(shown) == set()


def test_the_lags_have_the_words_that_are_printed() -> None:
    lags_of_model = ModelLags("x.h5", (layer_lags("lstm_1"),), ("a note",))
    shown = Parsed(section(lags_of_model)).text
    printed = text(lags_of_model, width=None, by_feature=False)
    sentences = [line.strip() for line in printed.splitlines() if line.startswith(("  k = 0", "95 %", "note"))]
    assert len(sentences) == 3
    assert [sentence for sentence in sentences if sentence not in shown] == []
    assert [word for word in ("66.7 %", "33.3 %", "0.0 %", "t-0", "t-1", "t-2") if word not in shown] == []


def test_the_longest_bar_has_the_largest_share() -> None:
    bars = [
        e.attributes["width"] for e in Parsed(section(ModelLags("x", (layer_lags("l"),)))).elements if e.tag == "rect"
    ]
    assert bars == ["100.00", "50.00", "0.00"]


def test_a_layer_without_an_operating_point_has_the_reason() -> None:
    without = layer_lags("l").__class__(
        "l", 1, 1, None, None, 1, lags.WITHOUT_INPUT, "float64", (), (), (), no_point=lags.UNSETTLED
    )
    assert np.char.find(section(ModelLags("x", (without,))), "no numbers: the state does not settle") > 0


def test_the_same_models_give_the_same_page(model: Path) -> None:
    assert page([report(model)]) == page([report(model)])


def test_parts_without_a_title_have_no_heading() -> None:
    html = page([ModelReport("x", "about", (ReportPart("table", "", "<p>t</p>"), ReportPart("a", "A", "<p>a</p>")))])
    assert [element.tag for element in Parsed(html).elements if element.tag == "h3"] == ["h3"]
