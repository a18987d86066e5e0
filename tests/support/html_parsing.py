"""Reading HTML in tests: which elements and attributes it has, and which text."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from typing import NamedTuple

_EMPTY = {"meta", "img", "br", "wbr", "hr", "link", "input", "source", "base", "embed"}


class Element(NamedTuple):
    """The start of an element, and the elements around it."""

    tag: str
    attributes: dict[str, str]
    around: tuple[str, ...]


class Parsed(HTMLParser):
    """The elements of an HTML text in order, its text, and where it is not well-formed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.texts: list[str] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.faults.append(f"<{tag}> has an attribute twice")
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}, tuple(self._open)))
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _EMPTY:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"a declaration: {data}")

    @property
    def text(self) -> str:
        """The texts of the whole page, with a space between two of them."""
        return " ".join(self.texts)

    @property
    def structure(self) -> Counter[tuple[str, tuple[str, ...]]]:
        """How often there is which element with which attributes, whatever their values."""
        return Counter((element.tag, tuple(element.attributes)) for element in self.elements)
