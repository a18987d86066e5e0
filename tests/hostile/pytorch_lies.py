"""Pickles of PyTorch that call, point beyond what is stored, or cost far more than their size; safetensors that lie."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile import json_lies
from hostile.cases import Must, Scene
from hostile.good_keras import Sizes
from hostile.good_pytorch import ARCHIVE, KINDS, LEGACY, SAFETENSORS, archive, arrays, legacy
from hostile.good_tensorflow import Kind
from hostile.lie_lists import EXTREMES, Lies
from support.pytorch_builders import Call, Name, New, Persistent, Raw, Stored, opcodes, pickled, write_header

LIES = Lies()
_KERNEL = "encoder.weight_ih_l0"

for _kind in KINDS:
    LIES.add(_kind, "nothing at all", Must.READ, lambda scene, size, write=_kind.write: write(scene.directory, size))


def _with_entry(called: str, must: Must, make: Callable[[Scene], Any]) -> None:
    """Add lies in which an entry of the state dict is what `make` makes."""

    def lie(write: Callable[..., Path]) -> Callable[[Scene, Sizes], Path]:
        return lambda scene, size: write(scene.directory, size, change=lambda made: {**made, "other": make(scene)})

    for kind, write in ((ARCHIVE, archive), (LEGACY, legacy)):
        LIES.add(kind, called, must, lie(write))


def _kernel(called: str, must: Must, change: Callable[[Stored, Scene], Any]) -> None:
    """Add lies in which the kernel is changed."""

    def lie(write: Callable[..., Path]) -> Callable[[Scene, Sizes], Path]:
        return lambda scene, size: write(
            scene.directory, size, change=lambda made: {**made, _KERNEL: change(_in_full(made[_KERNEL]), scene)}
        )

    for kind, write in ((ARCHIVE, archive), (LEGACY, legacy)):
        LIES.add(kind, called, must, lie(write))


def _in_full(stored: Stored) -> Stored:
    rows, columns = stored.shape
    return stored._replace(strides=(columns, 1), numel=rows * columns)


def _planting(scene: Scene) -> str:
    return f"touch {scene.secrets}/planted"


# Code

_with_entry("a call of a shell", Must.READ, lambda scene: Call(Name("os", "system"), (_planting(scene),)))
_with_entry(
    "code that is run",
    Must.READ,
    lambda scene: Call(Name("builtins", "exec"), (f"open({str(scene.secrets / 'planted')!r}, 'w')",)),
)
_with_entry(
    "a file that is opened", Must.READ, lambda scene: Call(Name("io", "open"), (str(scene.secrets / "secret.json"),))
)
_with_entry(
    "a function of functions", Must.READ, lambda _: Call(Call(Name("functools", "partial"), (Name("os", "_exit"), 3)))
)
_with_entry("a module that prints when imported", Must.READ, lambda _: Name("this", "s"))
_with_entry(
    "a state for a class of Python",
    Must.READ,
    lambda _: New(Name("builtins", "object"), {"__class__": Name("os", "system")}),
)
_with_entry("a function of the reader", Must.READ, lambda _: Call(Name("torch._utils", "_rebuild_parameter"), ()))
_with_entry(
    "an id of something else",
    Must.READ,
    lambda scene: Persistent(("file", str(scene.secrets / "secret.json"), 1, 2, 3)),
)


# Costs

_with_entry("a tuple that doubles", Must.READ, lambda _: Raw(b")" + b"2\x86" * 60))
_with_entry("a key that doubles", Must.READ, lambda _: Raw(b"}" + b")" + b"2\x86" * 5000 + b"K\1s"))
_with_entry("a list that doubles", Must.READ, lambda _: Raw(b"]" + b"q\xc8]h\xc8ah\xc8a" * 90))
_with_entry("a list within itself", Must.READ, lambda _: Raw(b"]q\xc8h\xc8a"))
_with_entry("an object within itself", Must.READ, lambda _: Raw(b"cm\nC\n)\x81q\xc8}X\1\0\0\0ah\xc8sb"))
_with_entry("a tuple nested deeply", Must.EITHER, lambda _: Raw(b")" + b"\x85" * 200_000))
_with_entry("a dictionary nested deeply", Must.EITHER, lambda _: Raw(b"}" + b"K\1}" * 50_000 + b"s" * 50_000))
_with_entry("a long text", Must.READ, lambda _: "x" * (4 << 20))
_with_entry(
    "a text of more bytes than there are",
    Must.REFUSED,
    lambda scene: Raw(b"\x8d" + struct.pack("<Q", scene.random.choice(EXTREMES[4:]))),
)
_with_entry("a long number", Must.REFUSED, lambda _: Raw(b"\x8b" + struct.pack("<I", 1 << 20) + b"\x7f" * (1 << 20)))
_with_entry("a number of many digits", Must.REFUSED, lambda _: Raw(b"I" + b"9" * 100_000 + b"\n"))
_with_entry("many opcodes", Must.REFUSED, lambda _: Raw(b"N" + b"0N" * 600_000))
_with_entry("many objects", Must.REFUSED, lambda _: Raw(b"](" + b"cm\nC\n)\x81" * 340_000 + b"e"))
_with_entry(
    "many numbers in the memo",
    Must.READ,
    lambda _: Raw(b"N" + b"".join(b"r" + struct.pack("<I", 300 + turn) for turn in range(50_000))),
)
_with_entry("a name of a million characters", Must.EITHER, lambda _: New(Name("m", "C" * 1_000_000)))


# Sizes

_kernel(
    "more elements than are stored",
    Must.REFUSED,
    lambda one, scene: one._replace(numel=scene.random.choice([10**4, 2**40, 2**62])),
)
_kernel(
    "a start beyond the end",
    Must.REFUSED,
    lambda one, scene: one._replace(start=scene.random.choice([1, 2**31, 2**62, 2**64])),
)
_kernel(
    "a start before the beginning",
    Must.REFUSED,
    lambda one, scene: one._replace(start=-scene.random.choice([1, 2**31, 2**63])),
)
_kernel("an extent of any size", Must.REFUSED, lambda one, scene: one._replace(
    shape=(one.shape[0], scene.random.choice([-1, *EXTREMES[3:]])), strides=(1, 1)))  # fmt: skip
_kernel(
    "strides of any size",
    Must.REFUSED,
    lambda one, scene: one._replace(strides=(scene.random.choice([-1, *EXTREMES[3:]]), 1)),
)
_kernel("strides of 0", Must.EITHER, lambda one, _: one._replace(shape=(2**20, 2**20), strides=(0, 0)))
_kernel("more strides than extents", Must.REFUSED, lambda one, _: one._replace(strides=(1, 1, 1)))
_kernel("texts for sizes", Must.REFUSED, lambda one, _: one._replace(shape=("16", "3"), strides=(3, 1)))
_kernel("numbers with a point for sizes", Must.REFUSED, lambda one, _: one._replace(shape=(16.0, 3.0), strides=(3, 1)))
_kernel("many axes", Must.REFUSED, lambda one, _: one._replace(shape=(1,) * 5000, strides=(1,) * 5000))
_kernel("a path for a key", Must.REFUSED, lambda one, scene: one._replace(key=f"../../{scene.secrets}/secret.json"))
_kernel("a key of a storage that is missing", Must.REFUSED, lambda one, _: one._replace(key="x"))


@LIES.register(ARCHIVE, Must.REFUSED)
def _a_storage_is_cut_short(scene: Scene, size: Sizes) -> Path:
    whole = 4 * arrays(size)[_KERNEL].size
    return archive(scene.directory, size, stored={"0": bytes(scene.random.randrange(whole))})


@LIES.register(ARCHIVE, Must.REFUSED)
def _members_are_compressed(scene: Scene, size: Sizes) -> Path:
    return archive(scene.directory, size, compression=zipfile.ZIP_DEFLATED)


@LIES.register(ARCHIVE, Must.REFUSED)
def _two_pickles(scene: Scene, size: Sizes) -> Path:
    path = archive(scene.directory, size)
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("other/data.pkl", pickled({}))
    return path


@LIES.register(ARCHIVE, Must.REFUSED)
def _the_pickle_is_garbage(scene: Scene, size: Sizes) -> Path:
    return archive(scene.directory, size, change=lambda _: b"\x80\2" + scene.random.randbytes(200))


@LIES.register(ARCHIVE, Must.REFUSED)
def _the_pickle_never_ends(scene: Scene, size: Sizes) -> Path:
    return archive(scene.directory, size, change=lambda made: b"\x80\2" + opcodes(made))


@LIES.register(ARCHIVE, Must.REFUSED)
def _no_order_of_bytes(scene: Scene, size: Sizes) -> Path:
    return archive(scene.directory, size, byteorder=scene.random.choice(["", "middle", "x" * 9999]))


@LIES.register(ARCHIVE, Must.REFUSED)
def _the_kernel_of_another_layer_twice(scene: Scene, size: Sizes) -> Path:
    def change(made: dict[str, Any]) -> Any:
        return [{"a.b": made[_KERNEL]}, Raw(opcodes({1: {"b": made[_KERNEL]}, "1": {"b": made[_KERNEL]}}))]

    return archive(scene.directory, size, change=change)


@LIES.register(LEGACY, Must.REFUSED)
def _other_counts_of_elements(scene: Scene, size: Sizes) -> Path:
    return legacy(scene.directory, size, added=scene.random.choice([1, -1, 2**20, 2**60]))


@LIES.register(LEGACY, Must.REFUSED)
def _cut_short(scene: Scene, size: Sizes) -> Path:
    path = legacy(scene.directory, size)
    data = path.read_bytes()
    path.write_bytes(data[: scene.random.randrange(20, len(data))])
    return path


def _header(scene: Scene, size: Sizes, change: Callable[[dict[str, Any]], Any]) -> Path:
    path = SAFETENSORS.write(scene.directory, size)
    data = path.read_bytes()
    stop = 8 + int.from_bytes(data[:8], "little")
    text = change(json.loads(data[8:stop]))
    return write_header(path, text if isinstance(text, bytes) else json.dumps(text).encode(), data[stop:])


def _entry(called: str, must: Must, change: Callable[[dict[str, Any], Scene], Any]) -> None:
    LIES.add(SAFETENSORS, called, must, lambda scene, size: _header(
        scene, size, lambda header: {**header, _KERNEL: change(header[_KERNEL], scene)}))  # fmt: skip


_entry(
    "an extent of any size",
    Must.REFUSED,
    lambda one, scene: {**one, "shape": [one["shape"][0], scene.random.choice([0, -1, *EXTREMES[3:], 10**400])]},
)
_entry(
    "offsets of any size",
    Must.REFUSED,
    lambda one, scene: {**one, "data_offsets": [0, scene.random.choice([0, -1, *EXTREMES[2:]])]},
)
_entry(
    "offsets of another array", Must.REFUSED, lambda one, _: {**one, "data_offsets": [4, one["data_offsets"][1] + 4]}
)
_entry(
    "another type",
    Must.REFUSED,
    lambda one, scene: {**one, "dtype": scene.random.choice(["F64", "F16", "I8", None, 7, "x" * 10_000])},
)
_entry("many axes", Must.REFUSED, lambda one, _: {**one, "shape": [1] * 5000})


@LIES.register(SAFETENSORS, Must.REFUSED)
def _a_length_of_any_size(scene: Scene, size: Sizes) -> Path:
    path = SAFETENSORS.write(scene.directory, size)
    data = path.read_bytes()
    length = scene.random.choice([value for value in EXTREMES if value != int.from_bytes(data[:8], "little")])
    path.write_bytes(length.to_bytes(8, "little") + data[8:])
    return path


@LIES.register(SAFETENSORS, Must.REFUSED)
def _bytes_are_missing(scene: Scene, size: Sizes) -> Path:
    path = SAFETENSORS.write(scene.directory, size)
    path.write_bytes(path.read_bytes()[: -scene.random.randint(1, 20)])
    return path


def _with_json(kind: Kind, called: str, spoil: Callable[[Any, Any], bytes]) -> None:
    LIES.add(kind, called, Must.EITHER, lambda scene, size: _header(
        scene, size, lambda header: spoil(header, scene.random)))  # fmt: skip


for _called, _spoil in json_lies.lies().items():
    _with_json(SAFETENSORS, f"header {_called}", _spoil)
