"""The settings of a project for `lstmdump check`: the table `[tool.lstmdump.check]`."""

from __future__ import annotations

import difflib
import glob
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from lstmdump.cli.selection import marked_text
from lstmdump.model import limits as model_limits
from lstmdump.model import locate
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.opening import read_bounded
from lstmdump.report.check import Expectations, parse_shape

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT_FILE = "pyproject.toml"
TABLE = ("tool", "lstmdump", "check")

_LONGEST_VALUE = 40  # characters of a wrong value in a message


class BadSettings(click.ClickException):
    """The settings cannot be read, or hold something unknown; the message names the file."""


class _WrongValueError(Exception):
    """A value is not of the type of its key; the message says what it is."""


@dataclass(frozen=True)
class ProjectSettings:
    """The settings of a project.

    Attributes:
        file: The file that holds them; None for none.
        models: Paths, URLs and shell patterns of models; relative ones start at the directory of `file`.
        expected: The expected counts and the limits for counts.
        against: The path of the file of records; None for none.
        limits: The limits for reading each model.
    """

    file: str | None = None
    models: tuple[str, ...] = ()
    expected: Expectations = field(default_factory=Expectations)
    against: str | None = None
    limits: Limits = DEFAULTS

    def paths(self) -> Iterator[str]:
        """Yield the path of each model once, those that match a pattern in the order of their names.

        Raises:
            BadSettings: Nothing matches a pattern.
        """
        seen = set()
        for path in (path for pattern in self.models for path in self._expand(pattern)):
            same = path if locate.is_url(path) else os.path.normcase(os.path.normpath(path))
            if same not in seen:
                seen.add(same)
                yield path

    def _expand(self, pattern: str) -> list[str]:
        if locate.is_url(pattern):
            return [pattern]
        path = _join(self.file, pattern)
        if glob.escape(pattern) == pattern or os.path.lexists(path):
            return [path]
        found = sorted(glob.glob(pattern, root_dir=os.path.dirname(self.file or "") or None, recursive=True))
        if not found:
            raise BadSettings(f"{self.file}: models: nothing matches {_show(pattern)}")
        return [_join(self.file, name) for name in found]


def read(file: str | None) -> ProjectSettings:
    """Return the settings in `file`; if it is None, those of the project that the current directory is in.

    The settings of a project are in the first `pyproject.toml` with a table for lstmdump, in the current directory or
    in one above it.

    Raises:
        BadSettings: The file cannot be read, is not valid, or holds an unknown key or a value of the wrong type.
    """
    if file is None:
        return _read_project()
    tables = _parse(file, _read_file(file))
    table = _find_table(file, tables) if TABLE[0] in tables else tables
    if table is None:
        raise BadSettings(f"{file}: no table [{'.'.join(TABLE)}]")
    return _read_table(file, table)


def _read_project() -> ProjectSettings:
    for directory in _directories_upward():
        file = os.path.join(directory, PROJECT_FILE)
        if not os.path.isfile(file):
            continue
        data = _read_file(file)
        if TABLE[1].encode() not in data:  # whatever other tools make of it
            continue
        table = _find_table(file, _parse(file, data))
        if table is not None:
            return _read_table(file, table)
    return ProjectSettings()


def _directories_upward() -> Iterator[str]:
    """Yield the current directory and all above it, as relative paths, so that paths in messages stay short."""
    above = ""
    here = os.getcwd()
    while True:
        yield above
        parent = os.path.dirname(here)
        if parent == here:
            return
        here, above = parent, os.path.join(above, os.pardir)


def _read_file(file: str) -> bytes:
    try:
        return read_bounded(file)
    except OSError as error:
        raise BadSettings(f"{file}: cannot be read: {error.strerror}") from error


def _parse(file: str, data: bytes) -> dict[str, Any]:
    try:
        text = marked_text(data) or data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadSettings(f"{file}: not valid UTF-8") from error
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and whole numbers of thousands of digits
        raise BadSettings(f"{file}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise BadSettings(f"{file}: not valid TOML: nested too deeply") from error
    return tables


def _find_table(file: str, tables: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the table for `check` in `tables`; None if there is no table for lstmdump."""
    tool = tables.get(TABLE[0])
    own = tool.get(TABLE[1]) if isinstance(tool, dict) else None
    if own is None:
        return None
    place = ".".join(TABLE[:2])
    if not isinstance(own, dict):
        raise BadSettings(f"{file}: [{place}] is not a table")
    for key in own:
        if key != TABLE[2]:
            hint = f"; it belongs into [{'.'.join(TABLE)}]" if key in KEYS else _suggest(key, TABLE[2:])
            raise BadSettings(f"{file}: unknown key {_show(key)} in [{place}]{hint}")
    table = own.get(TABLE[2])
    if table is not None and not isinstance(table, dict):
        raise BadSettings(f"{file}: [{'.'.join(TABLE)}] is not a table")
    return table


def _read_table(file: str, table: Mapping[str, Any]) -> ProjectSettings:
    values = {}
    for key, value in table.items():
        if key not in KEYS:
            raise BadSettings(f"{file}: unknown key {_show(key)}{_suggest(key, tuple(KEYS))}")
        try:
            values[key.replace("-", "_")] = KEYS[key](value)
        except _WrongValueError as error:
            raise BadSettings(f"{file}: {key}: {error}") from error
    models, limits, against = (values.pop(name, None) for name in ("models", "limit", "against"))
    return ProjectSettings(
        file, models or (), Expectations(**values), against and _join(file, against), limits or DEFAULTS
    )


def _join(file: str | None, path: str) -> str:
    """Return `path`, which stands in `file`, relative to the current directory."""
    return os.path.join(os.path.dirname(file or ""), path)


def _suggest(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key.lower().replace("_", "-"), known, n=1)
    return f"; did you mean {_show(near[0])}?" if near else f"; known are {', '.join(known)}"


def _show(value: object) -> str:
    """Return a value as the file has it, or its type in words."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    written = json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else str(value)
    return written if len(written) <= _LONGEST_VALUE else f"{written[: _LONGEST_VALUE - 1]}…"


# The values of the keys. Each function raises _WrongValueError for a value of the wrong type.


def _to_path(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _WrongValueError(f"{_show(value)} is not a path")
    return value


def _to_paths(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        hint = f"; write [{_show(value)}]" if isinstance(value, str) else ""
        raise _WrongValueError(f"{_show(value)} is not a list of paths{hint}")
    return tuple(map(_to_path, value))


def _to_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        hint = "; write it without quotes, such as 19_712" if isinstance(value, str) else ""
        raise _WrongValueError(f"{_show(value)} is not a whole number{hint}")
    return value


def _to_shape(value: object) -> tuple[int, int]:
    shape = parse_shape(value) if isinstance(value, str) else None
    if shape is None:
        raise _WrongValueError(f'{_show(value)} is not inputs and units, such as "3x6"')
    return shape


def _by_layer(convert: Callable[[object], object], example: str) -> Callable[[object], tuple[tuple[str, object], ...]]:
    """Return a function that converts a table of layers, whose values `convert` converts."""

    def to_pairs(value: object) -> tuple[tuple[str, object], ...]:
        if not isinstance(value, dict):
            raise _WrongValueError(f"{_show(value)} is not a table, such as {example}")
        pairs = []
        for layer, each in value.items():
            try:
                pairs.append((layer, convert(each)))
            except _WrongValueError as error:
                hint = "; put a name with dots in quotes" if isinstance(each, dict) else ""
                raise _WrongValueError(f"{_show(layer)}: {error}{hint}") from error
        return tuple(pairs)

    return to_pairs


def _to_limits(value: object) -> Limits:
    if not isinstance(value, dict):
        raise _WrongValueError(f'{_show(value)} is not a table, such as {{ json-size = "64MiB" }}')
    fields: dict[str, int] = {}
    names = tuple(limit.name for limit in model_limits.LIMITS)
    for name, each in value.items():
        if name not in names:
            raise _WrongValueError(f"unknown limit {_show(name)}{_suggest(name, names)}")
        if not isinstance(each, (int, str)) or isinstance(each, bool):
            raise _WrongValueError(f"{_show(name)}: {_show(each)} is not a value")
        try:
            fields.update([model_limits.parse(f"{name}={each}")])
        except ValueError as error:
            raise _WrongValueError(str(error)) from error
    return Limits(**fields)


KEYS: Mapping[str, Callable[[object], Any]] = {
    "models": _to_paths,
    "params": _to_count,
    "total": _to_count,
    "layer-params": _by_layer(_to_count, "{ lstm_1 = 240 }"),
    "layer-shape": _by_layer(_to_shape, '{ lstm_1 = "3x6" }'),
    "max-params": _to_count,
    "max-total": _to_count,
    "limit": _to_limits,
    "against": _to_path,
}
