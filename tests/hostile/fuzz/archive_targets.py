"""The directory of a zip archive as lstmdump reads it, against `zipfile`."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hostile.fuzz.target import BYTES, Parts, Target

from lstmdump.model.zip.directory import Member, read_plain, read_stored

_MOST = 1 << 16  # bytes of a directory
_CONTENT = {
    "config.json": b"{}",
    "metadata.json": b'{"keras_version": "3.15"}',
    "model.weights.h5": b"\x89HDF\r\n\x1a\n",
}


def _read_directory(parts: Parts) -> None:
    file = io.BytesIO(parts[0])
    members = read_plain(file, _MOST)
    if members is None:
        return
    with zipfile.ZipFile(io.BytesIO(parts[0])) as archive:
        infos = archive.infolist()
        assert members == [Member(*(getattr(info, attribute) for attribute in Member._fields)) for info in infos]
        for member, info in zip(members, infos, strict=True):
            content = read_stored(file, member)
            assert content is None or content == archive.read(info), f"{member.filename} differs"


def _seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for comment in (b"", b"comment"):
            into = io.BytesIO()
            with zipfile.ZipFile(into, "w", kind) as archive:
                archive.comment = comment
                for name, content in _CONTENT.items():
                    with archive.open(zipfile.ZipInfo(name), "w", force_zip64=name.endswith(".h5")) as member:
                        member.write(content)
            yield [into.getvalue()]
    for root in roots:
        for path in sorted(root.rglob("*.keras")):
            if path.is_file():
                yield [path.read_bytes()]


TARGETS = (Target("zip_directory", (BYTES,), _read_directory, _seeds),)
