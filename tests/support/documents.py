"""Blocks of Python in documents, and what they show."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

CUT = "[…]"  # lines of the output that a document omits, or a part of a line
_BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n*```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
_DRIVER = """
import ast, contextlib, io, json, sys

names, shown = {"__name__": "__main__"}, []
for code in json.load(sys.stdin):
    body = ast.parse(code).body
    last = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
        value = None if last is None else eval(compile(last, "<cell>", "eval"), names)
        if value is not None:
            print(repr(value))
    shown.append(output.getvalue())
json.dump(shown, sys.stdout)
"""


NOTEBOOK = "Each block of this page is a cell of a notebook"
"""What a page says whose blocks of Python are the cells of one notebook."""


class Cell(NamedTuple):
    """A block of Python, and the block of text that follows it: what it shows; None if there is none."""

    code: str
    output: str | None

    @property
    def missing(self) -> list[str]:
        """The modules that it imports, and that are not installed."""
        trees = list(ast.walk(ast.parse(self.code)))
        names = [alias.name for tree in trees if isinstance(tree, ast.Import) for alias in tree.names]
        names += [tree.module for tree in trees if isinstance(tree, ast.ImportFrom) and tree.module]
        return [name for name in names if importlib.util.find_spec(name.partition(".")[0]) is None]


def cells(text: str) -> list[Cell]:
    """Return the blocks of Python in a document."""
    return [Cell(*found.groups()) for found in re.finditer(_BLOCK, text)]


def run(codes: Sequence[str], folder: Path) -> list[str]:
    """Return what `codes` show, run one after the other as the cells of a notebook, with `repr` for values."""
    done = subprocess.run([sys.executable, "-c", _DRIVER], input=json.dumps(codes), capture_output=True, text=True,
                          cwd=folder, check=False)  # fmt: skip
    if (done.returncode, done.stderr) != (0, ""):
        raise AssertionError(done.stderr)
    outputs: list[str] = json.loads(done.stdout)
    return outputs


def pattern(shown: str) -> str:
    """Return a regular expression for the output that a document shows, with anything for `CUT`."""
    lines = [".*" if line == CUT else re.escape(line) for line in shown.rstrip("\n").split("\n")]
    return "\n".join(lines).replace(re.escape(CUT), r"[^\n]*")


def matches(shown: str | None, made: str) -> bool:
    """Return whether a document shows what was `made`."""
    lines = [line.rstrip() for line in made.rstrip("\n").split("\n")]
    return re.fullmatch(pattern(shown or ""), "\n".join(lines), re.DOTALL) is not None
