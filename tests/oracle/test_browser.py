"""The page of `show --html` in chromium: nothing runs past its sides, is forbidden, or cannot be read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import browser, builders

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(browser.PROGRAM is None, reason="chromium is not installed"),
]
SAMPLES = Path(__file__).parents[2] / "sample_models"
NAMES = [
    "<script>alert(1)<⁄script>",
    '"><img src=x onerror=alert(1)>',
    "a\u202eb\u2066c",
    "x" * 300,
    "z" + "\u0301" * 30,
]

CONTRAST = """(() => {
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => { const [r, g, b] = parse(colour).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = element => { for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor; if ((parse(colour)[3] ?? 1) > 0) return colour; }
    return 'rgb(255, 255, 255)'; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let worst = [100, ''];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, words = walker.currentNode.textContent.trim();
    if (!words || getComputedStyle(element).display === 'none') continue;
    const [one, two] = [light(getComputedStyle(element).color), light(behind(element))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < worst[0]) worst = [ratio, words];
  }
  return worst;
})()"""
"""The least contrast of a text to what is behind it, as WCAG 2.2 defines it, and the text."""

PAST_THE_SIDE = """[...document.querySelectorAll('body *')].filter(element => !element.closest('pre, svg')
  && element.getBoundingClientRect().right > innerWidth + 1).map(element => element.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    with browser.started(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page on genuine models, one with hostile names, a large one, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("models")
    weights = {name: builders.keras_2_weights(name, 3, 7) for name in NAMES}
    hostile = builders.write(folder / "<b>hostile.h5", weights)
    large = builders.write(folder / "large.h5", {"l": builders.keras_2_weights("l", 300, 400)})
    (folder / "cut.h5").write_bytes(large.read_bytes()[:5000])
    models = [SAMPLES / "keras-2.2.0-weather.h5", SAMPLES / "tf-1.12-basic-lstm-cell",
              SAMPLES / "torch-2.13-bidirectional.pt", hostile, large, folder / "cut.h5"]  # fmt: skip
    made = folder / "report.html"
    command = [sys.executable, "-m", "lstmdump", "show", "-q", *models, "--html", made, "-i", SAMPLES / "weather.x.npy"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_the_page_fits_and_can_be_read(width: int, scheme: str, chromium: browser.Browser, page: Path) -> None:
    chromium.open(page, width=width, scheme=scheme)
    assert chromium.evaluate("[innerWidth, document.documentElement.scrollWidth <= innerWidth]") == [width, True]
    assert chromium.evaluate(PAST_THE_SIDE) == []
    ratio, words = chromium.evaluate(CONTRAST)
    assert ratio >= 4.5, words
    assert chromium.complaints == []


@pytest.mark.parametrize(("scheme", "is_light"), [("light", True), ("dark", False)])
def test_the_page_follows_the_scheme(scheme: str, is_light: bool, chromium: browser.Browser, page: Path) -> None:
    chromium.open(page, width=1400, scheme=scheme)
    behind = chromium.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (behind == "rgb(255, 255, 255)") is is_light


def test_the_page_is_light_on_paper(chromium: browser.Browser, page: Path) -> None:
    chromium.open(page, width=700, scheme="dark", media="print")
    assert chromium.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.evaluate(CONTRAST)[0] >= 4.5


def test_the_page_can_be_printed(chromium: browser.Browser, page: Path) -> None:
    chromium.open(page, width=1400)
    assert chromium.pdf().startswith(b"%PDF-")


def test_the_policy_is_in_force(chromium: browser.Browser, page: Path) -> None:
    chromium.open(page, width=1400)
    blocked = chromium.evaluate(
        """new Promise(done => {
             document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));
             const image = document.createElement('img'); image.src = 'http://127.0.0.1:9/x.png';
             document.body.append(image); })"""
    )
    assert blocked == "img-src"


def test_each_picture_is_shown(chromium: browser.Browser, page: Path) -> None:
    chromium.open(page, width=1400)
    count, broken = chromium.evaluate(
        "[document.images.length, [...document.images].filter(image => !image.naturalWidth).length]"
    )
    assert (count > 100, broken) == (True, 0)


def test_names_make_no_elements(chromium: browser.Browser, page: Path) -> None:
    chromium.open(page, width=1400)
    assert chromium.evaluate("document.querySelectorAll('script, main img:not([src^=\"data:image/png\"])').length") == 0
