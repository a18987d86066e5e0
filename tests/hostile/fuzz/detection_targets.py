"""The detection of formats by content and name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hostile.fuzz.models import written
from hostile.fuzz.target import BYTES, Parts, Target

from lstmdump.model.location import Location
from lstmdump.readers.detect import Format, detect

_HEAD = 1500  # bytes: more than the detection reads of a file that is not a zip archive
_LONGEST_NAME = 60
_STARTS = (b"version https://git-lfs.github.com/spec/v1\n", b"\x93NUMPY\1\0", b"\x1f\x8b\x08\0", b"GGUF\3\0\0\0", b"\x80\4\x95",
           b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b" <!DOCTYPE html>", b"\x08\7\x12\7pytorch", b"\x40\0\0\0\0\0\0\0{\"a\":1}",
           b"\0\0\0\0TFL3", b'{"weight_map": {"/layers": ["a.weights.h5"]}}', b"PK\3\4", b"a,b\n1,2\n", bytes(257) + b"ustar")  # fmt: skip


def _detect(parts: Parts) -> None:
    name, content = parts
    plain = "".join(sign for sign in name.decode("utf-8", "replace") if sign not in "/\0")[:_LONGEST_NAME]
    called = plain if plain.strip(".") else "model"
    with written({called: content, "beside.index": b""}) as directory:
        found = detect(Location(directory / called))
    assert isinstance(found, Format)


def _seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    yield from ([b"model", start] for start in _STARTS)
    yield from ([name, b"\x0a\4\x0a\2ab"] for name in (b"beside.data-00000-of-00001", b"beside.meta", b"x.meta"))
    for root in roots:
        for path in sorted(root.iterdir()):
            if path.is_file():
                data = path.read_bytes()
                yield [path.suffix.encode(), data[:_HEAD] + (data[-_HEAD:] if data[:2] == b"PK" else data[-48:])]


TARGETS = (Target("detection", (BYTES, BYTES), _detect, _seeds),)
