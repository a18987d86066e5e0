"""Lies that TensorFlow's files can tell: tables, bundles, object graphs, graphs. All checksums are right unless said."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import builders
import tensorflow_builders as tensorflow
from hostile import good_keras, hdf5_lies, json_lies
from hostile.cases import Case, Lie, Must, Scene
from hostile.good_keras import Sizes
from hostile.good_tensorflow import (
    BUNDLE,
    CELL,
    CHECKPOINT,
    FIRST_FORMAT,
    FROZEN,
    KINDS,
    SAVED_MODEL,
    Kind,
    cell,
    gates,
    graph,
    objects,
)
from tensorflow_builders import Entries, Object, Variable, counted, entry, fixed32, integer, node, varint

KERNEL = f"{CELL}/kernel".encode()
_EXTREMES = (0, 1, 255, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

Write = Callable[[Scene, Sizes], Path]
_LIES: list[Lie] = []


def lies() -> Iterator[Lie]:
    """All of them."""
    yield from _LIES
    yield from _of_metadata()


def _lie(kind: Kind, must: Must, *, lost: bool = False) -> Callable[[Write], Write]:
    """A lie called as its function is. LOST: whether what is read need not be the good numbers."""

    def remember(write: Write) -> Write:
        _add(kind, write.__name__.strip("_").replace("_", " "), must, write, lost=lost)
        return write

    return remember


def _add(kind: Kind, called: str, must: Must, write: Write, *, lost: bool = False) -> None:
    def make(scene: Scene) -> Case:
        size = good_keras.sizes(scene.random)
        path = write(scene, size)
        return Case(kind.name, called, must, path, gates(size, kind.layer), lost)

    _LIES.append(Lie(kind.name, called, make))


for _kind in KINDS:
    _add(_kind, "nothing at all", Must.READ, lambda scene, size, write=_kind.write: write(scene.directory, size))


# --- tables


def _of_index(called: str, must: Must, change: Callable[[Entries, Random], object], *, lost: bool = False) -> None:
    """A lie in the index of a bundle, whose checksums are right."""

    def write(scene: Scene, size: Sizes) -> Path:
        return BUNDLE.write(scene.directory, size, change=lambda entries: change(entries, scene.random))

    _add(BUNDLE, called, must, write, lost=lost)


def _replaced(**by: Any) -> Callable[[Entries, Random], None]:
    """The kernel's entry with fields that are drawn from those given."""

    def change(entries: Entries, random: Random) -> None:
        told = {"dtype": "float32", "extents": _extents(entries[KERNEL]), "shard": 0, "offset": 0, "size": _size(entries[KERNEL]),
                    "checksum": _checksum(entries[KERNEL])}  # fmt: skip
        told |= {key: random.choice(values) for key, values in by.items()}
        entries[KERNEL] = entry(**told)

    return change


def _extents(data: bytes) -> tuple[int, ...]:
    """The extents in an entry of two dimensions, each below 128, as the builder wrote it."""
    return data[7], data[11]


def _size(data: bytes) -> int:
    rows, columns = _extents(data)
    return 4 * rows * columns


def _checksum(data: bytes) -> int:
    return int.from_bytes(data[-4:], "little")


_of_index("array lies elsewhere", Must.REFUSED, _replaced(offset=_EXTREMES[1:]))
_of_index("array has another size", Must.REFUSED, _replaced(size=_EXTREMES))
_of_index("array is in another file", Must.REFUSED, _replaced(shard=_EXTREMES[1:]))
_of_index("array has another checksum", Must.REFUSED, _replaced(checksum=[1, 2, 3, 0xFFFFFFFF]))
_of_index("array has other extents", Must.REFUSED, _replaced(extents=[(), (1,), (1 << 62, 4), (1 << 40, 1 << 40), (0, 0), (-1, 4), (1,) * 40, (1,) * 300, (1 << 63, 0)]))  # fmt: skip
_of_index(
    "array has another type", Must.REFUSED, _replaced(dtype=[name for name in tensorflow.TYPES if name != "float32"])
)


@_lie(BUNDLE, Must.REFUSED)
def _array_of_a_type_that_there_is_not(scene: Scene, size: Sizes) -> Path:
    number = scene.random.choice([0, 8, 18, 20, 23, 99, 101, 1 << 31, (1 << 64) - 1])

    def change(entries: Entries) -> None:
        entries[KERNEL] = integer(1, number) + entries[KERNEL][2:]

    return BUNDLE.write(scene.directory, size, change=change)


@_lie(BUNDLE, Must.REFUSED)
def _two_arrays_lie_in_one_place(scene: Scene, size: Sizes) -> Path:
    def change(entries: Entries) -> None:
        entries[b"dense/kernel"] = entries[KERNEL]

    return BUNDLE.write(scene.directory, size, change=change)


@_lie(BUNDLE, Must.REFUSED)
def _header_counts_otherwise(scene: Scene, size: Sizes) -> Path:
    shards = scene.random.choice([0, 2, 99_999, 100_000, *_EXTREMES[2:]])
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({b"": integer(1, shards)}))


@_lie(BUNDLE, Must.REFUSED)
def _header_is_something_else(scene: Scene, size: Sizes) -> Path:
    other = scene.random.choice(
        [b"", b"\xff", counted(1, b"x"), b"\x0b\x0c", fixed32(1, 1), integer(2, 1), b"\x08" + b"\xff" * 12]
    )
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({b"": other}))


@_lie(BUNDLE, Must.REFUSED)
def _there_is_no_header(scene: Scene, size: Sizes) -> Path:
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.pop(b""))


@_lie(BUNDLE, Must.REFUSED)
def _bytes_are_in_another_order(scene: Scene, size: Sizes) -> Path:
    return BUNDLE.write(scene.directory, size, big_endian=True, change=lambda entries: entries.update({b"": integer(1, 1)}) or
                        entries.update({KERNEL: entries[KERNEL][:-4] + b"\0\0\0\1"}))  # fmt: skip


@_lie(BUNDLE, Must.EITHER)
def _entry_is_garbage(scene: Scene, size: Sizes) -> Path:
    return BUNDLE.write(
        scene.directory,
        size,
        change=lambda entries: entries.update({KERNEL: scene.random.randbytes(scene.random.randint(0, 60))}),
    )


@_lie(BUNDLE, Must.EITHER)
def _entry_is_deep(scene: Scene, size: Sizes) -> Path:
    deep = b""
    for _ in range(3000):
        deep = counted(scene.random.choice([2, 7]), deep)
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({KERNEL: entries[KERNEL] + deep}))


@_lie(BUNDLE, Must.EITHER)
def _array_with_a_strange_name(scene: Scene, size: Sizes) -> Path:
    name = hdf5_lies.strange_name(scene)
    renamed = {key.replace(CELL, f"rnn/{name}"): values for key, values in cell(size).items()}
    return tensorflow.write_bundle(scene.directory / "model", renamed)


@_lie(BUNDLE, Must.EITHER)
def _array_with_a_name_that_is_no_text(scene: Scene, size: Sizes) -> Path:
    def change(entries: Entries) -> None:
        for leaf in (b"kernel", b"bias"):
            entries[b"\xff\xfe\x80\x1b/" + leaf] = entries.pop(f"{CELL}/".encode() + leaf)

    return BUNDLE.write(scene.directory, size, change=change)


@_lie(BUNDLE, Must.EITHER)
def _thousands_of_arrays(scene: Scene, size: Sizes) -> Path:
    def change(entries: Entries) -> None:
        entries |= {b"x%05d/kernel" % number: entries[KERNEL] for number in range(5000)}

    return BUNDLE.write(scene.directory, size, change=change)


@_lie(BUNDLE, Must.REFUSED)
def _pieces_do_not_make_a_whole(scene: Scene, size: Sizes) -> Path:
    rows = size.d + size.m
    cut = scene.random.choice(
        [[[(0, 1), (0, -1)]], [[(0, rows), (0, -1)]] * 2, [[(0, rows - 1), (0, -1)], [(rows - 2, 2), (0, -1)]]]
    )

    def change(entries: Entries) -> None:
        dtype, extents = "float32", (rows, 4 * size.m)
        entries[KERNEL] = entry(dtype, extents, pieces=cut)

    return BUNDLE.write(scene.directory, size, pieces={KERNEL.decode(): cut}, change=change)


@_lie(BUNDLE, Must.REFUSED)
def _pieces_lie_outside(scene: Scene, size: Sizes) -> Path:
    far = scene.random.choice([(1 << 62, 1), (0, 1 << 62), (-5, 5), (1 << 62, 1 << 62), (3, -7)])
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({
        KERNEL: entry("float32", (size.d + size.m, 4 * size.m), pieces=[[far, (0, -1)]])}))  # fmt: skip


@_lie(BUNDLE, Must.REFUSED)
def _thousands_of_pieces(scene: Scene, size: Sizes) -> Path:
    cut = [[(row, 1), (0, -1)] for row in range(20_000)]
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({
        KERNEL: entry("float32", (20_001, 4 * size.m), pieces=cut)}))  # fmt: skip


def _with_index(scene: Scene, size: Sizes, spoil: Callable[[bytes], bytes]) -> Path:
    path = BUNDLE.write(scene.directory, size)
    index = path.with_name("model.index")
    index.write_bytes(spoil(index.read_bytes()))
    return path


@_lie(BUNDLE, Must.REFUSED)
def _footer_leads_out(scene: Scene, size: Sizes) -> Path:
    handles = b"".join(varint(scene.random.choice(_EXTREMES)) for _ in range(4))
    return _with_index(scene, size, lambda data: data[:-48] + handles.ljust(40, b"\0") + tensorflow.MAGIC)


@_lie(BUNDLE, Must.REFUSED)
def _footer_leads_to_itself(scene: Scene, size: Sizes) -> Path:
    def spoil(data: bytes) -> bytes:
        handles = varint(0) + varint(8) + varint(len(data) - 48) + varint(43)
        return data[:-48] + handles.ljust(40, b"\0") + tensorflow.MAGIC

    return _with_index(scene, size, spoil)


@_lie(BUNDLE, Must.REFUSED)
def _footer_is_an_endless_number(scene: Scene, size: Sizes) -> Path:
    return _with_index(scene, size, lambda data: data[:-48] + b"\xff" * 40 + tensorflow.MAGIC)


@_lie(BUNDLE, Must.REFUSED)
def _table_is_compressed(scene: Scene, size: Sizes) -> Path:
    return _with_index(scene, size, lambda _: tensorflow.framed([(b"x", tensorflow.block([(b"", b"\x08\x01")]))],
                                                                kind=scene.random.choice([1, 2, 255])))  # fmt: skip


@_lie(BUNDLE, Must.REFUSED)
def _keys_are_out_of_order(scene: Scene, size: Sizes) -> Path:
    entries = [(b"", integer(1, 1)), (b"b", b""), scene.random.choice([(b"a", b""), (b"b", b"")])]
    return _with_index(scene, size, lambda _: tensorflow.table(entries))


@_lie(BUNDLE, Must.REFUSED)
def _blocks_lie_upon_each_other(scene: Scene, size: Sizes) -> Path:
    block = tensorflow.block([(b"", integer(1, 1))])
    stored = tensorflow.stored(block)
    index = tensorflow.block(
        [(b"%05d" % k, varint(0) + varint(len(block))) for k in range(scene.random.choice([2, 1000]))]
    )
    return _with_index(scene, size, lambda _: tensorflow.finished(stored, index))


@_lie(BUNDLE, Must.REFUSED)
def _block_counts_its_restarts_otherwise(scene: Scene, size: Sizes) -> Path:
    count = scene.random.choice([0, 2, 1000, (1 << 32) - 1])
    block = tensorflow.block([(b"", integer(1, 1))])[:-4] + count.to_bytes(4, "little")
    return _with_index(scene, size, lambda _: tensorflow.framed([(b"x", block)]))


@_lie(BUNDLE, Must.REFUSED)
def _keys_unfold_without_end(scene: Scene, size: Sizes) -> Path:
    start = varint(0) + varint(2000) + varint(0) + b"k" * 2000
    entries = start + b"".join(varint(2000 + k) + varint(1) + varint(0) + b"k" for k in range(20_000))
    block = entries + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
    return _with_index(scene, size, lambda _: tensorflow.framed([(b"x", block)]))


@_lie(BUNDLE, Must.REFUSED)
def _entry_reaches_beyond_its_block(scene: Scene, size: Sizes) -> Path:
    lengths = [scene.random.choice(_EXTREMES) for _ in range(3)]
    lengths[scene.random.randrange(3)] = 1 << 33
    block = b"".join(map(varint, lengths)) + bytes(3) + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
    return _with_index(scene, size, lambda _: tensorflow.framed([(b"x", block)]))


# --- files beside


def _linked(kind: Kind, part: str, secret: str) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        path = kind.write(scene.directory, size)
        file = scene.directory / part
        file.unlink()
        away = os.path.relpath(scene.secrets, file.parent)
        file.symlink_to(Path(scene.random.choice([str(scene.secrets), away])) / secret)
        return path

    _add(kind, f"{Path(part).name} is a link that leads out", Must.REFUSED, write)


for _kind in (CHECKPOINT, BUNDLE):
    _linked(_kind, "model.data-00000-of-00001", "secret.data-00000-of-00001")
    _linked(_kind, "model.index", "secret.index")
for _part in SAVED_MODEL.parts:
    _linked(SAVED_MODEL, _part, f"secret.{'index' if _part.endswith('index') else 'data-00000-of-00001'}")


def _directory_linked(scene: Scene, size: Sizes) -> Path:
    path = SAVED_MODEL.write(scene.directory, size)
    (path / "variables").rename(path / "others")
    (path / "variables").symlink_to(scene.secrets)
    return path


_add(SAVED_MODEL, "variables are a link that leads out", Must.EITHER, _directory_linked)


def _of_state(called: str, must: Must, text: Callable[[Scene], bytes]) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        BUNDLE.write(scene.directory / "checkpoints", size)
        (scene.directory / "checkpoints" / "checkpoint").write_bytes(text(scene))
        return scene.directory / "checkpoints"

    _add(BUNDLE, called, must, write)


def _latest(path: str) -> bytes:
    return b'model_checkpoint_path: "' + path.encode("utf-8", "surrogateescape") + b'"\n'


_of_state("the latest leads out", Must.EITHER, lambda scene: _latest(f"{scene.secrets}/secret"))
_of_state(
    "the latest leads up",
    Must.EITHER,
    lambda scene: _latest(f"{os.path.relpath(scene.secrets, scene.directory / 'checkpoints')}/secret"),
)
_of_state(
    "the latest is strange", Must.EITHER, lambda scene: _latest(hdf5_lies.strange_name(scene).replace("\n", "\\n"))
)
_of_state(
    "the latest is escaped",
    Must.EITHER,
    lambda scene: _latest(scene.random.choice(["\\056\\056", "\\377\\000", "\\033[2J", "\\", "\\999", "..\\057x"])),
)
_of_state("the state is garbage", Must.EITHER, lambda scene: scene.random.randbytes(500))
_of_state("the state is endless", Must.EITHER, lambda _: b'model_checkpoint_path: "' + b"\\a" * 500_000)


@_lie(BUNDLE, Must.REFUSED)
def _data_is_cut_short(scene: Scene, size: Sizes) -> Path:
    path = BUNDLE.write(scene.directory, size)
    data = path.with_name("model.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[: scene.random.randrange(16 * size.m)])
    return path


@_lie(BUNDLE, Must.REFUSED)
def _data_is_missing(scene: Scene, size: Sizes) -> Path:
    path = BUNDLE.write(scene.directory, size)
    path.with_name("model.data-00000-of-00001").unlink()
    return path


@_lie(BUNDLE, Must.REFUSED)
def _data_is_a_pipe(scene: Scene, size: Sizes) -> Path:
    path = _data_is_missing(scene, size)
    os.mkfifo(path.with_name("model.data-00000-of-00001"))
    return path


# --- checkpoints of the first format


def _v1_lie(called: str, must: Must, change: Callable[[Entries, Sizes, Random], object]) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        return FIRST_FORMAT.write(scene.directory, size, change=lambda entries: change(entries, size, scene.random))

    _add(FIRST_FORMAT, called, must, write)


def _listed(name: str, extents: Any, dtype: int, *pieces: Any) -> bytes:
    return counted(1, counted(1, name) + counted(2, tensorflow.shape(extents)) + integer(3, dtype)
                   + b"".join(counted(4, tensorflow.piece(spans)) for spans in pieces))  # fmt: skip


def _list_anew(extents: Callable[[Sizes], Any], dtype: int = 1) -> Callable[[Entries, Sizes, Random], None]:
    def change(entries: Entries, size: Sizes, random: Random) -> None:
        told = random.choice(extents(size))
        bias = _listed(f"{CELL}/bias", (4 * size.m,), 1, [(0, -1)])
        entries[b""] = counted(1, bias + _listed(f"{CELL}/kernel", told, dtype, [(0, -1)] * len(told)))

    return change


_v1_lie(
    "array has other extents",
    Must.EITHER,
    _list_anew(lambda size: [(size.d + size.m + 1, 4 * size.m), (1 << 40, 1 << 40), (1 << 62,), (3,) * 12]),
)
_v1_lie("array has another type", Must.EITHER, _list_anew(lambda size: [(size.d + size.m, 4 * size.m)], 7))
_v1_lie("the list is garbage", Must.REFUSED, lambda entries, _, random: entries.update({b"": random.randbytes(40)}))
_v1_lie("there is no list", Must.REFUSED, lambda entries, _, __: entries.pop(b""))
_v1_lie("arrays are not there", Must.REFUSED, lambda entries, _, __: [entries.pop(key) for key in list(entries) if key])
_v1_lie(
    "arrays are garbage",
    Must.REFUSED,
    lambda entries, _, random: entries.update({key: random.randbytes(80) for key in entries if key}),
)
_v1_lie("arrays are empty", Must.REFUSED, lambda entries, _, __: entries.update({key: b"" for key in entries if key}))


# --- objects


def _of_objects(called: str, must: Must, change: Callable[[Object, Sizes, Scene], object]) -> None:
    """A lie that a checkpoint and a SavedModel can tell."""

    def checkpoint(scene: Scene, size: Sizes) -> Path:
        root = objects(size)
        change(root, size, scene)
        return tensorflow.write_checkpoint(scene.directory / "model", root)

    def saved(scene: Scene, size: Sizes) -> Path:
        root = objects(size)
        change(root, size, scene)
        return tensorflow.write_saved_model(scene.directory / "model", root)

    _add(CHECKPOINT, called, must, checkpoint)
    _add(SAVED_MODEL, called, must, saved)


def _deep(root: Object, _: Sizes, scene: Scene) -> None:
    here = root
    for _ in range(scene.random.choice([90, 300, 3000])):
        here.children["layer"] = here = Object()
    here.children["kernel"] = Variable("deep/kernel", builders.numbers(2, 2))


def _wide(root: Object, _: Sizes, __: Scene) -> None:
    one = root.children["layer-0"]
    root.children |= {f"layer-{number}": one for number in range(2, 3000)}


def _many_ways(root: Object, _: Sizes, __: Scene) -> None:
    here = root
    for _ in range(40):  # two edges each: 2**40 ways to the end
        inner = Object()
        here.children |= {"one": inner, "other": inner}
        here = inner
    here.children["kernel"] = Variable("end/kernel", builders.numbers(2, 2))


def _looping(root: Object, _: Sizes, __: Scene) -> None:
    layer = root.children["layer-0"]
    assert isinstance(layer, Object)
    layer.children |= {"self": layer, "cells": root, "layer": root}
    root.children["model"] = root


def _strangely_named(root: Object, _: Sizes, scene: Scene) -> None:
    root.children[hdf5_lies.strange_name(scene)] = root.children.pop("layer-0")


def _strangely_called(root: Object, size: Sizes, scene: Scene) -> None:
    name = hdf5_lies.strange_name(scene)
    root.children["layer-0"] = tensorflow.layer(f"{name}/lstm_cell", *size)


def _slotted(root: Object, _: Sizes, __: Scene) -> None:
    layer = root.children["layer-0"]
    kernel = layer.children["cell"].children["kernel"]
    root.children["optimizer"] = Object(slots=[(kernel, "m", kernel)])


_of_objects("objects are nested without end", Must.EITHER, _deep)
_of_objects("one layer in thousands of places", Must.EITHER, _wide)
_of_objects("more ways than can be gone", Must.EITHER, _many_ways)
_of_objects("objects within themselves", Must.EITHER, _looping)
_of_objects("edge with a strange name", Must.EITHER, _strangely_named)
_of_objects("variable with a strange name", Must.EITHER, _strangely_called)
_of_objects("weights that are slots", Must.EITHER, _slotted)


def _of_graph_bytes(called: str, must: Must, data: Callable[[Scene], bytes]) -> None:
    """A lie in the bytes of an object graph."""

    def checkpoint(scene: Scene, size: Sizes) -> Path:
        root = objects(size)
        known = tensorflow.numbered(root)
        tensors: dict[str, Any] = {
            known[one][1] + tensorflow.ENDING: one.values for one in known if isinstance(one, Variable)
        }
        return tensorflow.write_bundle(
            scene.directory / "model", tensors | {"_CHECKPOINTABLE_OBJECT_GRAPH": data(scene)}
        )

    def saved(scene: Scene, size: Sizes) -> Path:
        path = SAVED_MODEL.write(scene.directory, size)
        (path / "saved_model.pb").write_bytes(tensorflow.saved_model(objects=data(scene)))
        return path

    _add(CHECKPOINT, called, must, checkpoint)
    _add(SAVED_MODEL, called, must, saved)


_of_graph_bytes("graph is empty", Must.REFUSED, lambda _: counted(2, b""))
_of_graph_bytes("graph is garbage", Must.EITHER, lambda scene: scene.random.randbytes(300))
_of_graph_bytes(
    "edges lead out",
    Must.REFUSED,
    lambda scene: counted(1, counted(1, integer(1, scene.random.choice([1, 99, 1 << 31, 1 << 63])) + counted(2, "x"))),
)
_of_graph_bytes("hundreds of thousands of objects", Must.EITHER, lambda _: counted(1, b"") * 300_000)
_of_graph_bytes(
    "an object with edges without end",
    Must.EITHER,
    lambda _: counted(1, counted(1, integer(1, 0) + counted(2, "x")) * 200_000),
)


# --- SavedModels


def _of_saved_model(called: str, must: Must, data: Callable[[Random, bytes], bytes]) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        path = SAVED_MODEL.write(scene.directory, size)
        file = path / "saved_model.pb"
        file.write_bytes(data(scene.random, file.read_bytes()))
        return path

    _add(SAVED_MODEL, called, must, write)


def _nested(random: Random, data: bytes) -> bytes:
    deep = b""
    for _ in range(random.choice([200, 5000])):
        deep = counted(random.choice([1, 2, 7]), deep)
    return data + counted(2, deep)


_of_saved_model("it is empty", Must.REFUSED, lambda _, __: b"")
_of_saved_model("it has no graph", Must.REFUSED, lambda _, __: integer(1, 1))
_of_saved_model("it is garbage", Must.REFUSED, lambda random, _: random.randbytes(500))
_of_saved_model("it is cut short", Must.REFUSED, lambda random, data: data[: random.randrange(1, len(data))])
_of_saved_model("it is nested without end", Must.EITHER, _nested)
_of_saved_model("hundreds of thousands of graphs", Must.EITHER, lambda _, data: data + counted(2, b"") * 300_000)
_of_saved_model(
    "a field longer than the file",
    Must.REFUSED,
    lambda random, data: data + b"\x12" + varint(random.choice([1, 1 << 31, 1 << 62])),
)
_of_saved_model("a number without end", Must.REFUSED, lambda _, data: data + b"\x08" + b"\xff" * 50)
_of_saved_model(
    "it is a group", Must.REFUSED, lambda random, data: data + bytes([random.choice([0x0B, 0x0C, 0x0E, 0x0F])])
)


def _of_metadata() -> Iterator[Lie]:
    """What Keras says of its objects, in JSON beside a SavedModel."""
    good = {"class_name": "LSTM", "name": "lstm_1", "config": {"name": "lstm_1", "units": 4}}
    for kind, change in json_lies.lies().items():
        yield Lie(SAVED_MODEL.name, f"metadata is {kind}", _with_metadata(f"metadata is {kind}", good, change))


def _with_metadata(called: str, good: Any, change: json_lies.Change) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        size = good_keras.sizes(scene.random)
        path = SAVED_MODEL.write(scene.directory, size)
        told = integer(2, scene.random.choice([0, 1, 1, 1, 3, 99])) + counted(5, change(good, scene.random))
        (path / "keras_metadata.pb").write_bytes(counted(1, told))
        return Case(SAVED_MODEL.name, called, Must.EITHER, path, gates(size, SAVED_MODEL.layer))

    return make


# --- graphs


def _of_graph(called: str, must: Must, data: Callable[[Random, Sizes], bytes], *, lost: bool = False) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        path = scene.directory / "model.pb"
        path.write_bytes(data(scene.random, size))
        return path

    _add(FROZEN, called, must, write, lost=lost)


def _constant(name: str, extents: Any, content: bytes, dtype: int = 1) -> bytes:
    tensor = integer(1, dtype) + counted(2, tensorflow.shape(extents)) + content
    return node(name, "Const", dtype=integer(6, dtype), value=counted(8, tensor)) + node(
        f"{name}/read", "Identity", name
    )


def _instead(size: Sizes, kernel: bytes) -> bytes:
    """A frozen graph with this node for its kernel."""
    bias = cell(size)[f"{CELL}/bias"]
    return (kernel + tensorflow.constant(f"{CELL}/bias", bias) + node(f"{CELL}/bias/read", "Identity", f"{CELL}/bias")
            + tensorflow.split_cell(CELL, 1.0))  # fmt: skip


def _kernel(size: Sizes) -> tuple[int, int]:
    return size.d + size.m, 4 * size.m


_of_graph(
    "kernel is too short",
    Must.REFUSED,
    lambda random, size: _instead(
        size, _constant(f"{CELL}/kernel", _kernel(size), counted(4, bytes(random.choice([1, 3, 16]))))
    ),
)
_of_graph(
    "kernel is too long",
    Must.REFUSED,
    lambda _, size: _instead(size, _constant(f"{CELL}/kernel", _kernel(size), counted(4, bytes(10_000)))),
)
_of_graph(
    "kernel has terabytes",
    Must.REFUSED,
    lambda random, size: _instead(
        size, _constant(f"{CELL}/kernel", (1 << random.choice([24, 40, 62]), 4 * size.m), tensorflow.float32(5, 1))
    ),
)
_of_graph(
    "kernel has too many dimensions",
    Must.EITHER,
    lambda random, size: _instead(
        size, _constant(f"{CELL}/kernel", (1,) * random.choice([33, 65, 300]), tensorflow.float32(5, 1))
    ),
)
_of_graph(
    "kernel is text",
    Must.EITHER,
    lambda _, size: _instead(size, _constant(f"{CELL}/kernel", _kernel(size), counted(8, b"text"), 7)),
)
_of_graph(
    "kernel is garbage",
    Must.REFUSED,
    lambda random, size: _instead(size, node(f"{CELL}/kernel", "Const", value=random.randbytes(40))),
)
_of_graph(
    "kernel reads itself",
    Must.EITHER,
    lambda _, size: _instead(size, node(f"{CELL}/kernel", "Identity", f"{CELL}/kernel")),
)
_of_graph(
    "kernel is read in a circle",
    Must.EITHER,
    lambda _, size: _instead(
        size,
        node(f"{CELL}/kernel", "Identity", f"{CELL}/kernel/read")
        + node(f"{CELL}/kernel/read", "Identity", f"{CELL}/kernel"),
    ),
)
_of_graph(
    "kernel is read through thousands of nodes",
    Must.EITHER,
    lambda _, size: (
        graph(size).replace(b"kernel/read", b"kernel/r000")
        + b"".join(node(f"{CELL}/kernel/r{k + 1:03}", "Identity", f"{CELL}/kernel/r{k:03}") for k in range(5000))
    ),
)
_of_graph("every node twice", Must.EITHER, lambda _, size: graph(size) * 2)
_of_graph(
    "hundreds of thousands of nodes",
    Must.EITHER,
    lambda _, size: graph(size) + b"".join(node(f"n{k}", "NoOp", f"n{k - 1}") for k in range(100_000)),
)
_of_graph("nodes without names", Must.EITHER, lambda _, size: graph(size) + node("", "", "", "") * 1000)
_of_graph(
    "a node with inputs without end",
    Must.EITHER,
    lambda _, size: graph(size) + node("x", "AddN", *[f"{CELL}/kernel"] * 100_000),
)
_of_graph(
    "a strange name",
    Must.EITHER,
    lambda random, size: graph(size).replace(
        b"rnn/lstm_cell",
        random.choice(
            [
                b"rnn/\x1b[31;1m_x",
                b"../../../etc/",
                b"\xe2\x80\xae\xe2\x80\xaeabcdefg",
                b"[bold]x[/bold]"[:13],
                b"\xff" * 13,
            ]
        ),
    ),
)
_of_graph("it is cut short", Must.EITHER, lambda random, size: graph(size)[: random.randrange(20, 400)])
_of_graph(
    "a function that calls itself",
    Must.EITHER,
    lambda _, size: (
        graph(size)
        + counted(
            2, counted(1, counted(1, counted(1, "f")) + node("w", "While", body=counted(10, counted(1, "f")))[2:])
        )
        + node("w", "While", body=counted(10, counted(1, "f")))
    ),
)
