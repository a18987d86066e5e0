"""The page `api` of the manual, made from the signatures and docstrings of the public names."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import lstmdump
from lstmdump.python.comparison import ComparedModels
from lstmdump.python.lags import LagsResult
from lstmdump.python.states import LayerStates, ModelStates
from lstmdump.replay.lags import LayerLags
from lstmdump.report.check import Mismatch

HEAD = """# api

Every function and class for Python, as help() shows them.

Arguments, results and errors of all of it; it is typed. What is not on this page, or begins with an
underscore, may change. `lstmdump help python` introduces it by examples.
"""

NAMES: dict[str, Any] = {
    "lstmdump.open": lstmdump.open,
    "lstmdump.diff": lstmdump.diff,
    "lstmdump.check": lstmdump.check,
    "lstmdump.OpenModel": lstmdump.OpenModel,
    "lstmdump.LSTM": lstmdump.LSTM,
    "lstmdump.Gate": lstmdump.Gate,
    "lstmdump.Tensor": lstmdump.Tensor,
    "ModelStates": ModelStates,
    "LayerStates": LayerStates,
    "LagsResult": LagsResult,
    "LayerLags": LayerLags,
    "ComparedModels": ComparedModels,
    "Mismatch": Mismatch,
    "lstmdump.Limits": lstmdump.Limits,
    "lstmdump.ProcessPool": lstmdump.ProcessPool,
    "lstmdump.plot.gates": lstmdump.plot.gates,
    "lstmdump.plot.states": lstmdump.plot.states,
    "lstmdump.plot.lags": lstmdump.plot.lags,
    "lstmdump.behaviour.of": lstmdump.behaviour.of,
    "lstmdump.replay.run": lstmdump.replay.run,
    "lstmdump.network.read": lstmdump.network.read,
    "lstmdump.trace.run": lstmdump.trace.run,
    "lstmdump.batch.run": lstmdump.batch.run,
    "lstmdump.export.plan": lstmdump.export.plan,
    "lstmdump.export.export": lstmdump.export.export,
}
"""What the page describes, in its order."""

_LISTS = ("Args", "Attributes", "Raises")
_INTERNAL = frozenset({
    "of", "stated", "layout", "sizes", "fetch", "rows", "unverified", "place", "guarded", "restored", "renamed", "part",
    "_make", "_replace", "_asdict", "stored_projection", "count", "index",
})  # fmt: skip
"""Members that lstmdump itself uses."""


def make() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(_describe(name, value) for name, value in NAMES.items())])


def _describe(name: str, value: Any) -> str:
    if not inspect.isclass(value):
        return f"## {name}\n\n{_write_signature(name, value)}\n{_write_docstring(value)}"
    members = "".join(_list_members(name, value))
    return f"## {name}\n\n{_write_docstring(value)}{members}"


def _list_members(name: str, kind: type) -> Iterator[str]:
    """Yield the properties of a class, and then its methods; those of libraries are left out."""
    owners = [base for base in kind.__mro__ if base.__module__.startswith("lstmdump.")]
    seen: dict[str, Any] = {}
    for owner in reversed(owners):
        seen.update(owner.__dict__)
    public = {key: member for key, member in seen.items() if not key.startswith("_") and key not in _INTERNAL}
    documented = inspect.getdoc(kind) or ""
    properties = {key: member for key, member in public.items()
                  if isinstance(member, property) and f"    {key}: " not in documented}  # fmt: skip
    if properties:
        lines = (f"- `{key}`: {_join(inspect.getdoc(member) or '')}\n" for key, member in properties.items())
        yield "\nComputed attributes:\n\n" + "".join(lines)
    for key, member in public.items():
        if inspect.isfunction(member):
            yield f"\n### {name}.{key}\n\n{_write_signature(key, member)}\n{_write_docstring(member)}"


def _write_signature(name: str, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    shown = [
        one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values() if one.name != "self"
    ]
    words = [str(one) for one in map(_shorten, shown)]
    stars = [place for place, one in enumerate(shown) if one.kind is inspect.Parameter.KEYWORD_ONLY]
    if stars and not any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in shown):
        words.insert(stars[0], "*")
    text = f"{name}({', '.join(words)})"
    folded = textwrap.fill(text, 78, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return f"```text\n{folded}\n```\n"


class _Object:
    def __repr__(self) -> str:
        return "…"


def _shorten(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return `parameter` with `…` for a default that is an object with fields."""
    is_plain = isinstance(parameter.default, (str, int, float, tuple, type(None), type)) and not hasattr(
        parameter.default, "_fields"
    )
    return parameter if is_plain else parameter.replace(default=_Object())


def _write_docstring(value: Any) -> str:
    """Return the docstring of `value` in Markdown: its sections are lists."""
    lines: list[str] = []
    section = ""
    for line in (inspect.getdoc(value) or "").splitlines():
        if line.rstrip(":") in (*_LISTS, "Returns") and line.endswith(":"):
            section = line.rstrip(":")
            lines.append(f"{'Arguments' if section == 'Args' else section}:")
            if section != "Returns":
                lines.append("")
        elif section and line and not line.startswith(" "):
            section = ""
            lines.append(line)
        elif section in _LISTS and (item := re.fullmatch(r"    ([\w, ]+): (.*)", line)):
            lines.append(f"- {', '.join(f'`{one}`' for one in item[1].split(', '))}: {item[2]}")
        elif section in _LISTS and line:
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line if line.endswith("::") or not section else line.strip())
    return _mark_code("\n".join(lines).strip()) + "\n"


def _mark_code(text: str) -> str:
    """Return `text` with the indented blocks after `::` as blocks of code."""

    def fence(match: re.Match[str]) -> str:
        return f"```text\n{textwrap.dedent(match[1]).strip()}\n```\n\n"

    return re.sub(r"(?:^|(?<=\n))::\n\n((?:    .*\n|\n)+)", fence, text)


def _join(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())
