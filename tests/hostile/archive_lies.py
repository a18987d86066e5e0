"""Zip archives whose structure contradicts their content."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from hostile import good_keras
from hostile.cases import Case, Lie, Must, Scene, words
from hostile.good_keras import NAME
from support import builders

_WEIGHTS = "model.weights.h5"

Members = dict[str, bytes]


Archiving = Callable[[Path, Members, Scene], object]
_ARCHIVES: list[tuple[Must, Archiving]] = []


def _archive(must: Must) -> Callable[[Archiving], Archiving]:
    def remember(write: Archiving) -> Archiving:
        _ARCHIVES.append((must, write))
        return write

    return remember


def lies() -> Iterator[Lie]:
    """Return all lies about archives."""
    for must, write in _ARCHIVES:
        yield Lie("keras zip", words(write), _with_archive(must, write))


def _with_archive(must: Must, write: Archiving) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        size = good_keras.sizes(scene.random)
        path = scene.directory / "model.keras"
        write(path, good_keras.members(size), scene)
        return Case("keras zip", words(write), must, path, good_keras.gates(size))

    return make


def _one(scene: Scene) -> str:
    return scene.random.choice(["config.json", _WEIGHTS])


@_archive(Must.READ)
def _deflated(path: Path, members: Members, _: Scene) -> None:
    builders.zipped(path, members, zipfile.ZIP_DEFLATED)


@_archive(Must.READ)
def _with_a_comment(path: Path, members: Members, scene: Scene) -> None:
    builders.zipped(path, members)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = scene.random.randbytes(scene.random.choice([1, 65535]))


@_archive(Must.READ)
def _members_outside_the_directory(path: Path, members: Members, scene: Scene) -> None:
    away = os.path.relpath(scene.secrets, scene.directory)
    builders.zipped(path, members | {f"{away}/planted": b"x", "/tmp/planted": b"x", "../../planted\x1b": b"x"})  # noqa: S108


@_archive(Must.REFUSED)
def _weights_outside_the_archive(path: Path, members: Members, scene: Scene) -> None:
    away = os.path.relpath(scene.secrets, scene.directory)
    builders.zipped(path, {f"{away}/{name}" if name == _WEIGHTS else name: data for name, data in members.items()})


@_archive(Must.REFUSED)
def _weights_are_a_link(path: Path, members: Members, scene: Scene) -> None:
    link = zipfile.ZipInfo(_one(scene))
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(*((link, f"{scene.secrets}/secret.weights.h5") if name == link.filename else (name, data)))


@_archive(Must.REFUSED)
def _a_member_twice(path: Path, members: Members, scene: Scene) -> None:
    name = _one(scene)
    other = builders.saved_bytes({f"layers/{NAME}/cell": builders.cell(seed=20_000)})
    path.write_bytes(_zip_of([*members.items(), (name, other if name == _WEIGHTS else members[name])]))


@_archive(Must.REFUSED)
def _a_member_is_missing(path: Path, members: Members, scene: Scene) -> None:
    del members[_one(scene)]
    builders.zipped(path, members)


@_archive(Must.REFUSED)
def _a_wrong_checksum(path: Path, members: Members, scene: Scene) -> None:
    name = _one(scene)
    _patched(path, members, name, central=(16, struct.pack("<I", scene.random.getrandbits(32))))


@_archive(Must.EITHER)
def _a_wrong_size(path: Path, members: Members, scene: Scene) -> None:
    name = _one(scene)
    size = scene.random.choice([0, 1, len(members[name]) - 1, len(members[name]) + 1, 1 << 30, 0xFFFFFFFE, 0xFFFFFFFF])
    place = scene.random.choice([20, 24])
    _patched(path, members, name, central=(place, struct.pack("<I", size)), deflated=scene.random.random() < 0.5)


@_archive(Must.EITHER)
def _both_sizes_are_wrong(path: Path, members: Members, scene: Scene) -> None:
    size = scene.random.choice([0, 100, 1 << 31, 0xFFFFFFFE])
    _patched(path, members, _one(scene), central=(20, struct.pack("<II", size, size)))


@_archive(Must.REFUSED)
def _a_member_has_another_offset(path: Path, members: Members, scene: Scene) -> None:
    place = scene.random.choice([1, 10_000_000, 0xFFFFFFFE])
    _patched(path, members, _one(scene), central=(42, struct.pack("<I", place)))


@_archive(Must.REFUSED)
def _two_members_overlap(path: Path, members: Members, _: Scene) -> None:
    _patched(path, members, _WEIGHTS, central=(42, struct.pack("<I", 0)))


@_archive(Must.REFUSED)
def _another_name_before_the_member(path: Path, members: Members, scene: Scene) -> None:
    name = _one(scene)
    _patched(path, members, name, local=(30, b"X"))


@_archive(Must.REFUSED)
def _a_member_is_encrypted(path: Path, members: Members, scene: Scene) -> None:
    _patched(path, members, _one(scene), central=(8, struct.pack("<H", 1)))


@_archive(Must.REFUSED)
def _an_unknown_compression(path: Path, members: Members, scene: Scene) -> None:
    _patched(
        path,
        members,
        _one(scene),
        central=(10, struct.pack("<H", scene.random.choice([1, 6, 9, 12, 14, 93, 99, 65535]))),
    )


@_archive(Must.REFUSED)
def _deflated_garbage(path: Path, members: Members, scene: Scene) -> None:
    _patched(path, members, _one(scene), central=(10, struct.pack("<H", 8)))


@_archive(Must.REFUSED)
def _an_architecture_that_inflates_without_end(path: Path, members: Members, _: Scene) -> None:
    builders.zipped(path, members | {"config.json": b" " * (80 << 20)}, zipfile.ZIP_DEFLATED)


@_archive(Must.REFUSED)
def _weights_that_inflate_without_end(path: Path, members: Members, _: Scene) -> None:
    builders.zipped(path, members | {_WEIGHTS: members[_WEIGHTS] + bytes(90 << 20)}, zipfile.ZIP_DEFLATED)


@_archive(Must.EITHER)
def _thousands_of_members(path: Path, members: Members, _: Scene) -> None:
    builders.zipped(path, {f"x/{number}": b"" for number in range(5000)} | members)


@_archive(Must.EITHER)
def _a_wrong_count(path: Path, members: Members, scene: Scene) -> None:
    _ending(path, members, 8, struct.pack("<HH", *[scene.random.choice([0, 1, 2, 4, 65534, 65535])] * 2))


@_archive(Must.EITHER)
def _a_directory_at_another_offset(path: Path, members: Members, scene: Scene) -> None:
    _ending(
        path,
        members,
        scene.random.choice([12, 16]),
        struct.pack("<I", scene.random.choice([0, 1, 99, 1 << 31, 0xFFFFFFFF])),
    )


@_archive(Must.EITHER)
def _garbage_around_it(path: Path, members: Members, scene: Scene) -> None:
    builders.zipped(path, members)
    path.write_bytes(
        b"PK\3\4"
        + scene.random.randbytes(50)
        + path.read_bytes()
        + scene.random.randbytes(scene.random.choice([0, 50]))
    )


@_archive(Must.REFUSED)
def _cut_short(path: Path, members: Members, scene: Scene) -> None:
    builders.zipped(path, members)
    data = path.read_bytes()
    path.write_bytes(data[: scene.random.randrange(len(data))])


@_archive(Must.REFUSED)
def _weights_are_pickled(path: Path, members: Members, _: Scene) -> None:
    del members[_WEIGHTS]
    builders.zipped(path, members | {"model.weights.npz": b"\x80\x04cos\nsystem\n."})


@_archive(Must.REFUSED)
def _weights_are_not_hdf5(path: Path, members: Members, scene: Scene) -> None:
    builders.zipped(
        path, members | {_WEIGHTS: scene.random.choice([b"", b"\x89HDF\r\n\x1a\n", b"\x80\x04.", b"PK\3\4" * 99])}
    )


@_archive(Must.REFUSED)
def _weights_are_an_archive(path: Path, members: Members, _: Scene) -> None:
    builders.zipped(path, members | {_WEIGHTS: _zip_of(list(members.items()))})


def _zip_of(members: list[tuple[str, bytes]]) -> bytes:
    """Return an archive of `members`, of which two may have the same name."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, data in members:
            if name not in archive.namelist():
                archive.writestr(name, data)
                continue
            archive.writestr(name[:-1] + "~", data)
    made = into.getvalue()
    names = [name for name, _ in members]
    for name in {name for name in names if names.count(name) > 1}:
        made = made.replace(name[:-1].encode() + b"~", name.encode())
    return made


def _patched(path: Path, members: Members, name: str, *, central: tuple[int, bytes] | None = None,
             local: tuple[int, bytes] | None = None, deflated: bool = False) -> None:  # fmt: skip
    """Write an archive, with the bytes at an offset of `name`'s `central` directory entry or `local` header overwritten."""
    builders.zipped(path, members, zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    encoded = name.encode()
    if central is not None:
        start = data.rindex(encoded) - 46
        data[start + central[0] : start + central[0] + len(central[1])] = central[1]
    if local is not None:
        start = data.index(encoded) - 30
        data[start + local[0] : start + local[0] + len(local[1])] = local[1]
    path.write_bytes(data)


def _ending(path: Path, members: Members, place: int, content: bytes) -> None:
    builders.zipped(path, members)
    data = bytearray(path.read_bytes())
    start = data.rindex(b"PK\5\6") + place
    data[start : start + len(content)] = content
    path.write_bytes(data)
