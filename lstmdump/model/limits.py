"""How far a model file is trusted: what it may hold before it is refused, and how a user allows it more.

A model file is a program for whoever reads it: a few bytes can ask for gigabytes or for hours. Each limit lies far
above what the largest genuine models come to, and each can be raised by who knows where a model comes from.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lstmdump.errors import RefusedModel


class Limits(NamedTuple):
    """What one model may hold. `LIMITS` has the words for each field: what is counted, and why there is a limit.

    Attributes:
        json_size: bytes.
        json_depth: levels.
        objects: of one kind.
        nodes: of one graph or text.
        nesting: levels.
        name_length: characters.
        unfolding: bytes for each one stored.
        seconds: of CPU time.
        memory: bytes.
    """

    json_size: int = 16 * 2**20
    json_depth: int = 200
    objects: int = 100_000
    nodes: int = 1_000_000
    nesting: int = 100
    name_length: int = 1_000
    unfolding: int = 100
    seconds: int = 1
    memory: int = 384 * 2**20


BYTES, TIMES, COUNT, SECONDS = "MiB", "x", "", "s"
"""What a limit counts, as its value is written."""


class Limit(NamedTuple):
    """The words for one field of `Limits`.

    Attributes:
        field: its name there.
        counts: what is counted.
        reason: why that many are enough, and what more could do.
    """

    field: str
    unit: str
    counts: str
    reason: str

    @property
    def name(self) -> str:
        """As the option `--limit` has it: `json-size`."""
        return self.field.replace("_", "-")

    @property
    def default(self) -> int:
        """Where nothing else is said."""
        return int(getattr(DEFAULTS, self.field))


DEFAULTS = Limits()
FREE = 64 * 2**20
"""Bytes that all arrays together may have whatever is stored: a small model of zeros, compressed, is no bomb."""

LIMITS = (
    Limit("json_size", BYTES, "bytes of one JSON text: an architecture, an index",
          "that of 700 layers has 1/4 MiB; decoded, a text takes up to 30 times its size"),
    Limit("json_depth", COUNT, "levels of lists and objects in a JSON text",
          "the deepest of 2,476 genuine models has 14; decoders recurse"),
    Limit("objects", COUNT, "arrays, links of HDF5, entries of a checkpoint, members of an archive: of each",
          "a model of 1,000 layers has 6,000 links; each takes up to 0.1 ms"),
    Limit("nodes", COUNT, "nodes of a graph, fields of a message, chunks of an array, values of a JSON text",
          "the largest graph of 2,476 genuine models has 14,857; each takes microseconds, and 200 bytes"),
    Limit("nesting", COUNT, "levels of layers or groups within each other",
          "the deepest genuine file has 10; each layer knows its whole path"),
    Limit("name_length", COUNT, "characters of a name with those of all that it stands in",
          "the longest of 2,476 genuine models has 152; names go into every output"),
    Limit("unfolding", TIMES, f"bytes that all arrays declare for each byte stored, beyond {FREE >> 20} MiB",
          "trained numbers hardly shrink; zeros shrink to a thousandth, and links to one array cost nothing"),
    Limit("seconds", SECONDS, "CPU seconds of reading a model, beyond what its size explains",
          "a damaged file can send a library in circles"),
    Limit("memory", BYTES, "bytes of memory that reading a model takes, beyond what its size explains",
          "arrays are read in pieces, so no model needs more"),
)  # fmt: skip

_FACTORS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "B": 1,
            "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}  # fmt: skip
_SUFFIXES = {BYTES: _FACTORS, TIMES: {"": 1, "x": 1}, COUNT: {"": 1}, SECONDS: {"": 1, "s": 1}}


def parse(text: str) -> tuple[str, int]:
    """The field of `Limits` and its value that TEXT, NAME=VALUE, stands for: `json-size=64MiB`, `objects=1_000_000`.

    Raises:
        ValueError: it stands for none; the message says why.
    """
    name, equals, value = text.partition("=")
    limit = next((limit for limit in LIMITS if limit.name == name.strip().replace("_", "-")), None)
    if limit is None or not equals:
        names = ", ".join(limit.name for limit in LIMITS)
        raise ValueError(f"{text!r} is not NAME=VALUE with a NAME of {names}")
    return limit.field, _value(value.strip(), limit)


def _value(text: str, limit: Limit) -> int:
    suffixes = _SUFFIXES[limit.unit]
    found = re.fullmatch(r"(\d[\d_,]{0,30}) ?([A-Za-z]*)", text, re.ASCII)
    factor = None if found is None else suffixes.get(found[2])
    if found is None or factor is None or not (number := int(re.sub("[_,]", "", found[1])) * factor):
        raise ValueError(f"{text!r} is no value for {limit.name}, which is written as {written(limit)}")
    return number


def written(limit: Limit, value: int | None = None) -> str:
    """VALUE, or the default, as one would write it: `64MiB`, `100x`, `500000`."""
    number = limit.default if value is None else value
    if limit.unit == BYTES:
        return f"{-(-number // 2**20)}MiB"
    return f"{number}{limit.unit}"


def summary() -> str:
    """All limits with their defaults, in a line: `json-size=16MiB, …`."""
    return ", ".join(f"{limit.name}={written(limit)}" for limit in LIMITS)


def limit_exceeded(field: str, found: str, *, needed: int) -> RefusedModel:
    """That a model goes past the limit FIELD, as FOUND says, and what allows it: NEEDED, at the least."""
    limit = next(limit for limit in LIMITS if limit.field == field)
    return RefusedModel(f"{found}; --limit {limit.name}={written(limit, needed)} allows it")
