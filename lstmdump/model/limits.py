"""Limits on what a model file may contain before it is refused, and how a user raises them.

A few bytes in a model file can demand gigabytes or hours. Each limit is far above what the largest genuine models need,
and can be raised by users who know where a model comes from.
"""

from __future__ import annotations

import re

from lstmdump.errors import RefusedModel
from lstmdump.model.named_tuple import NamedTuple


class Limits(NamedTuple):
    """The limits for one model; `LIMITS` describes what each field counts, and why there is a limit.

    Attributes:
        json_size: Bytes of a JSON text.
        json_depth: Levels of a JSON text.
        objects: Objects of one kind.
        nodes: Nodes of a graph or values of a text.
        nesting: Levels of layers.
        name_length: Characters of a name.
        unfolding: Declared bytes for each stored byte.
        seconds: Seconds of CPU time.
        memory: Bytes of memory.
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
"""The unit of a limit, as written after its value."""


class Limit(NamedTuple):
    """The description of one field of `Limits`.

    Attributes:
        field: The name of the field.
        unit: The unit of its value.
        counts: What is counted.
        reason: Why that many are enough, and what more could do.
    """

    field: str
    unit: str
    counts: str
    reason: str

    @property
    def name(self) -> str:
        """The name in the option `--limit`: `json-size`."""
        return self.field.replace("_", "-")

    @property
    def default(self) -> int:
        """The value without `--limit`."""
        return int(getattr(DEFAULTS, self.field))


DEFAULTS = Limits()
FREE = 64 * 2**20
"""Bytes that all arrays together may declare in any case: a small compressed model of zeros is not a zip bomb."""

LIMITS = (
    Limit("json_size", BYTES, "bytes of one JSON text or pickle: an architecture, an index, the names in a state dict",
          "that of 700 layers has 1/4 MiB; decoded, a text takes up to 30 times its size"),
    Limit("json_depth", COUNT, "levels of lists and objects in a JSON text",
          "the deepest of 2,476 genuine models has 14; decoders recurse"),
    Limit("objects", COUNT,
          "arrays, links of HDF5, entries of a checkpoint or directory, members of an archive: of each",
          "a model of 1,000 layers has 6,000 links; each takes up to 0.1 ms"),
    Limit("nodes", COUNT,
          "nodes of a graph, fields of a message, chunks of an array, values of a JSON text, opcodes of a pickle",
          "the largest graph of 2,476 genuine models has 14,857; each takes microseconds, and 200 bytes"),
    Limit("nesting", COUNT, "levels of layers or groups within each other",
          "the deepest genuine file has 10; each layer knows its whole path"),
    Limit("name_length", COUNT,
          "characters of a name with those of all layers or groups around it, bytes of a key of a table",
          "the longest of 2,476 genuine models has 152; names go into every output"),
    Limit("unfolding", TIMES, f"bytes that all arrays declare for each byte stored, beyond {FREE >> 20} MiB",
          "trained values hardly compress; zeros compress to a thousandth, and links to one array cost nothing"),
    Limit("seconds", SECONDS, "CPU seconds of reading a model, beyond what its size explains",
          "a damaged file can make a library loop forever"),
    Limit("memory", BYTES, "bytes of memory that reading a model takes, beyond what its size explains",
          "arrays are read in pieces, so no model needs more"),
)  # fmt: skip

_FACTORS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "B": 1,
            "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}  # fmt: skip
_SUFFIXES = {BYTES: _FACTORS, TIMES: {"": 1, "x": 1}, COUNT: {"": 1}, SECONDS: {"": 1, "s": 1}}


def parse(text: str) -> tuple[str, int]:
    """Parse NAME=VALUE, such as `json-size=64MiB` or `objects=1_000_000`, into a field of `Limits` and its value.

    Raises:
        ValueError: `text` is not of this form; the message says why.
    """
    name, equals, value = text.partition("=")
    limit = next((limit for limit in LIMITS if limit.name == name.strip().replace("_", "-")), None)
    if limit is None or not equals:
        names = ", ".join(limit.name for limit in LIMITS)
        raise ValueError(f"{text!r} is not NAME=VALUE, where NAME is one of {names}")
    return limit.field, _parse_value(value.strip(), limit)


def _parse_value(text: str, limit: Limit) -> int:
    suffixes = _SUFFIXES[limit.unit]
    found = re.fullmatch(r"(\d[\d_,]{0,30}) ?([A-Za-z]*)", text, re.ASCII)
    factor = None if found is None else suffixes.get(found[2])
    if found is None or factor is None or not (number := int(re.sub("[_,]", "", found[1])) * factor):
        raise ValueError(f"{text!r} is not a value for {limit.name}; give one such as {written(limit)}")
    return number


def written(limit: Limit, value: int | None = None) -> str:
    """Return `value`, or the default, with its unit: `64MiB`, `100x`, `500000`."""
    number = limit.default if value is None else value
    if limit.unit == BYTES:
        return f"{-(-number // 2**20)}MiB"
    return f"{number}{limit.unit}"


def summary() -> str:
    """Return all limits with their defaults in one line: `json-size=16MiB, …`."""
    return ", ".join(f"{limit.name}={written(limit)}" for limit in LIMITS)


def limit_exceeded(field: str, found: str, *, needed: int) -> RefusedModel:
    """Return the error for a model that exceeds a limit.

    Args:
        field: The field of `Limits`.
        found: The start of the message: what exceeds the limit.
        needed: The smallest value that would allow it.
    """
    limit = next(limit for limit in LIMITS if limit.field == field)
    return RefusedModel(f"{found}; --limit {limit.name}={written(limit, needed)} allows it")
