"""Text from files made safe for HTML, and the look of elements: by classes in a page, by themselves in a notebook."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TypeAlias

from lstmdump.model.escape import shortened, visible

Look: TypeAlias = Callable[[str], str]
"""A function from the kind of an element to the attribute that gives it its look, after a space."""

_STYLES = {
    "model": "margin: 0.5em 0; text-align: left",
    "about": "opacity: 0.8",
    "table": "border-collapse: collapse; margin: 0.5em 0; color: inherit; font-size: inherit; "
    "font-variant-numeric: tabular-nums",
    "sum": "border-top: 1px solid currentColor; font-weight: bold",
    "heading": "text-align: left; padding: 0.1em 1em 0.1em 0; font-weight: normal; opacity: 0.8",
    "heading-number": "text-align: right; padding: 0.1em 0; font-weight: normal; opacity: 0.8",
    "layer": "text-align: left; padding: 0.8em 0 0.2em; font-weight: normal",
    "name": "text-align: left; padding: 0.1em 1em 0.1em 0; font-weight: inherit; overflow-wrap: anywhere",
    "reason": "text-align: left; padding: 0.1em 1em 0.1em 0",
    "number": "text-align: right; padding: 0.1em 0; white-space: nowrap",
    "bars-table": "border-collapse: collapse; margin: 0.5em 0; color: inherit; font-variant-numeric: tabular-nums",
    "bars": "padding: 0.1em 0 0.1em 1em; border: none",
    "bar": "display: block; width: 16em; height: 0.8em; fill: currentColor",
    "notes": "margin: 0.3em 0; padding-left: 1.2em",
}  # without colours of their own, so that they can be read on a light and on a dark page


def text(words: str) -> str:
    """Return `words` as text of HTML, also for an attribute in quotes: invisible characters and markup are escaped."""
    return escape(visible(shortened(words)))


def name(words: str) -> str:
    """Return a name from a file as an element, so that letters from right to left do not move what is next to it."""
    return f"<bdi>{text(words)}</bdi>"


def path(words: str) -> str:
    """Return a path as `name` does, with places where a line may be broken."""
    return f"<bdi>{text(words).replace('/', '/<wbr>')}</bdi>"


def by_class(kind: str) -> str:
    """Return the attribute for an element in a page, which has a style sheet."""
    return f' class="{kind}"'


def by_itself(kind: str) -> str:
    """Return the attribute for an element in a page of others: its whole style, empty if it needs none."""
    return f' style="{_STYLES[kind]}"' if kind in _STYLES else ""
