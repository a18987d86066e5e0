"""Good files of every reader with some bytes changed, as by a bad disk or a patient attacker."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import h5py
from hostile import good_keras, good_onnx, good_pytorch, good_tensorflow, tflite_lies
from hostile.cases import Case, Must, Scene
from hostile.good_keras import Sizes
from support import builders
from support.tensorflow_builders import Entries

_EXTREMES = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1,
             1 << 63, (1 << 64) - 1)  # fmt: skip

_GENUINE = Path(__file__).parents[1] / "genuine"

Mutation = Callable[[bytearray, Random], None]


def _place(data: bytearray, random: Random) -> int:
    return random.randrange(len(data)) if data else 0


def _bits(data: bytearray, random: Random) -> None:
    for _ in range(random.choice([1, 1, 1, 2, 8])):
        data[_place(data, random)] ^= 1 << random.randrange(8)


def _bytes(data: bytearray, random: Random) -> None:
    for _ in range(random.choice([1, 1, 2, 4])):
        data[_place(data, random)] = random.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, random.randrange(256)])


def _run(data: bytearray, random: Random) -> None:
    start = _place(data, random)
    length = min(random.choice([2, 4, 8, 16, 64, 512]), len(data) - start)
    data[start : start + length] = bytes([random.choice([0, 0xFF])]) * length


def _number(data: bytearray, random: Random) -> None:
    width = random.choice([1, 2, 4, 8])
    start = _place(data, random) // width * width
    known = (*_EXTREMES, len(data), len(data) - 1, len(data) + 1, random.randrange(len(data) + 1))
    value = random.choice(known) % (1 << 8 * width)
    data[start : start + width] = value.to_bytes(width, random.choice(["little", "little", "big"]))


def _counted(data: bytearray, random: Random) -> None:
    """Make a random number in `data` a little larger or smaller."""
    place = _place(data, random)
    data[place] = (data[place] + random.choice([-8, -2, -1, 1, 2, 8])) % 256


def _cut(data: bytearray, random: Random) -> None:
    del data[_place(data, random) :]


def _cut_and_filled(data: bytearray, random: Random) -> None:
    start = _place(data, random)
    data[start:] = bytes(len(data) - start)


def _moved(data: bytearray, random: Random) -> None:
    length = random.choice([1, 4, 8, 24, 100])
    one, other = _place(data, random), _place(data, random)
    piece = data[one : one + length]
    data[other : other + len(piece)] = piece


def _exchanged(data: bytearray, random: Random) -> None:
    width = random.choice([4, 8, 8])
    one, other = (_place(data, random) // width * width for _ in range(2))
    data[one : one + width], data[other : other + width] = data[other : other + width], data[one : one + width]


def _left_out(data: bytearray, random: Random) -> None:
    start = _place(data, random)
    del data[start : start + random.choice([1, 1, 4, 8, 64])]


def _put_in(data: bytearray, random: Random) -> None:
    start = _place(data, random)
    data[start:start] = random.choice([random.randbytes(random.choice([1, 4, 8])), data[start : start + 40]])


MUTATIONS: Sequence[Mutation] = (_bits, _bits, _bytes, _bytes, _run, _number, _number, _counted, _cut, _cut_and_filled,
                                 _moved, _exchanged, _left_out, _put_in)  # fmt: skip


def mutated(data: bytes, random: Random) -> tuple[str, bytes]:
    """Return the name of a mutation, and `data` after it, which always differs."""
    changed, done = bytearray(data), []
    while changed == data or random.random() < 0.3:
        if not changed:
            break
        mutation = random.choice(MUTATIONS)
        mutation(changed, random)
        done.append(mutation.__name__.strip("_").replace("_", " "))
    return ", ".join(done), bytes(changed)


class Target(NamedTuple):
    """Files to mutate.

    Attributes:
        reader: The reader of the files.
        write: Writes a mutated model into a directory; returns the path and the name of the mutation.
        is_sealed: Whether checksums cover all numbers and their locations, so that no change goes unnoticed.
    """

    reader: str
    write: Callable[[Scene, Sizes], tuple[Path, str]]
    layer: str
    is_sealed: bool


def make(target: Target, scene: Scene) -> Case:
    """Make a mutated file."""
    size = good_keras.sizes(scene.random)
    path, done = target.write(scene, size)
    gates = good_tensorflow.gates(size, target.layer)
    return Case(target.reader, done, Must.EITHER, path, gates, may_differ=not target.is_sealed)


def targets() -> Iterator[Target]:
    """Yield all targets."""
    for layout in good_keras.LAYOUTS:
        packed = layout.name == "keras zip"
        yield Target(layout.name, _of_hdf5(layout), layout.layer, is_sealed=False)
        if packed:
            yield Target(f"{layout.name} as it lies", _of_file(layout), layout.layer, is_sealed=True)
    for suffix in (".h5", ".keras", ".pb", ".pt", ".pth", ".safetensors", ""):
        yield Target(f"genuine {suffix or 'directory'}", _of_genuine(suffix), "", is_sealed=False)
    yield Target("keras zip architecture", _of_config, good_keras.NAME, is_sealed=False)
    yield Target("keras 2 in chunks", _of_chunks, good_keras.NAME, is_sealed=False)
    for kind in (*good_tensorflow.KINDS, good_onnx.ONNX):
        for part in kind.parts:
            sealed = not part.endswith(("saved_model.pb", "model.pb", "model.onnx"))
            yield Target(f"{kind.name} {Path(part).name}", _of_part(kind, part), kind.layer, is_sealed=sealed)
    for kind in good_pytorch.KINDS:
        sealed = kind in (good_pytorch.ARCHIVE, good_pytorch.MODULE)
        yield Target(f"{kind.name} as it lies", _of_part(kind, kind.parts[0]), kind.layer, is_sealed=sealed)
    yield Target(tflite_lies.GOOD.name, _of_part(tflite_lies.GOOD, "model.tflite"), tflite_lies.LAYER, is_sealed=False)
    for kind in (good_tensorflow.CHECKPOINT, good_tensorflow.BUNDLE, good_tensorflow.FIRST_FORMAT):
        yield Target(f"{kind.name} resealed", _of_entries(kind), kind.layer, is_sealed=False)


def _of_hdf5(layout: good_keras.Layout) -> Callable[[Scene, Sizes], tuple[Path, str]]:
    """Return a function that writes a model in `layout`, with the HDF5 file mutated before it is packed."""

    def write(scene: Scene, size: Sizes) -> tuple[Path, str]:
        done = []
        path = good_keras.make(layout, scene.directory, size, lambda file: done.append(_mutate(file, scene.random)))
        return path, done[0]

    return write


def _of_file(layout: good_keras.Layout) -> Callable[[Scene, Sizes], tuple[Path, str]]:
    def write(scene: Scene, size: Sizes) -> tuple[Path, str]:
        path = good_keras.make(layout, scene.directory, size)
        return path, _mutate(path, scene.random)

    return write


def _of_part(kind: good_tensorflow.Kind, part: str) -> Callable[[Scene, Sizes], tuple[Path, str]]:
    def write(scene: Scene, size: Sizes) -> tuple[Path, str]:
        path = kind.write(scene.directory, size)
        return path, _mutate(scene.directory / part, scene.random)

    return write


def _of_entries(kind: good_tensorflow.Kind) -> Callable[[Scene, Sizes], tuple[Path, str]]:
    """Return a function that mutates an entry of a table and makes the checksums valid again."""

    def write(scene: Scene, size: Sizes) -> tuple[Path, str]:
        done = []

        def change(entries: Entries) -> None:
            key = scene.random.choice(list(entries))
            mutation, entries[key] = mutated(entries[key], scene.random) if entries[key] else ("emptied", b"\0")
            done.append(mutation)

        return kind.write(scene.directory, size, change=change), done[0]

    return write


def _of_config(scene: Scene, size: Sizes) -> tuple[Path, str]:
    path = good_keras.make(next(one for one in good_keras.LAYOUTS if one.name == "keras zip"), scene.directory, size)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = scene.random.choice(["config.json", "config.json", "metadata.json"])
    done, members[name] = mutated(members[name], scene.random)
    builders.zipped(path, members, scene.random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    return path, done


def _of_chunks(scene: Scene, size: Sizes) -> tuple[Path, str]:
    """Mutate a file with the newer structures of HDF5, and chunks."""
    path = scene.directory / "model.h5"
    weights = dict(builders.keras_2_weights(good_keras.NAME, *size))
    options = scene.random.choice(
        [{"compression": "gzip"}, {"compression": "lzf", "shuffle": True}, {"fletcher32": True}]
    )
    with h5py.File(path, "w", libver=scene.random.choice(["latest", "earliest"])) as file:
        file.attrs["layer_names"] = [good_keras.NAME]
        group = file.create_group(good_keras.NAME)
        group.attrs["weight_names"] = list(weights)
        for name, values in weights.items():
            group.create_dataset(name, data=values, chunks=tuple(max(1, n // 2) for n in values.shape), **options)
    return path, _mutate(path, scene.random)


def _of_genuine(suffix: str) -> Callable[[Scene, Sizes], tuple[Path, str]]:
    """Return a function that mutates a framework's file with this `suffix`, or a file in a framework's directory."""
    found = sorted(path for path in _GENUINE.iterdir() if path.is_dir() != bool(suffix) and path.name.endswith(suffix))

    def write(scene: Scene, _: Sizes) -> tuple[Path, str]:
        chosen = scene.random.choice(found)
        path = scene.directory / chosen.name
        copy = shutil.copytree if chosen.is_dir() else shutil.copy
        copy(chosen, path)
        part = scene.random.choice(sorted(one for one in [path, *path.rglob("*")] if one.is_file()))
        return path, f"{part.relative_to(scene.directory)}: {_mutate(part, scene.random)}"

    return write


def _mutate(path: Path, random: Random) -> str:
    done, changed = mutated(path.read_bytes(), random)
    path.write_bytes(changed)
    return done
