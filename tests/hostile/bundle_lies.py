"""Bundles, and checkpoints of the first format, with wrong entries but valid checksums."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hostile import hdf5_lies
from hostile.cases import Must, Scene
from hostile.good_keras import Sizes
from hostile.good_tensorflow import (
    BUNDLE,
    CELL,
    FIRST_FORMAT,
    cell,
)
from hostile.lie_lists import EXTREMES, Lies
from support import tensorflow_builders as tensorflow
from support.tensorflow_builders import Entries, counted, entry, fixed32, integer, varint

KERNEL = f"{CELL}/kernel".encode()

LIES = Lies()


# --- tables


def _of_index(called: str, must: Must, change: Callable[[Entries, Random], object]) -> None:
    """Add a lie in the index of a bundle, whose checksums are valid."""

    def write(scene: Scene, size: Sizes) -> Path:
        return BUNDLE.write(scene.directory, size, change=lambda entries: change(entries, scene.random))

    LIES.add(BUNDLE, called, must, write)


def _replaced(**by: Any) -> Callable[[Entries, Random], None]:
    """Return a change of the kernel's entry: each field gets one of the values given for it."""

    def change(entries: Entries, random: Random) -> None:
        fields = {"dtype": "float32", "extents": _extents(entries[KERNEL]), "shard": 0, "offset": 0, "size": _size(entries[KERNEL]),
                    "checksum": _checksum(entries[KERNEL])}  # fmt: skip
        fields |= {key: random.choice(values) for key, values in by.items()}
        entries[KERNEL] = entry(**fields)

    return change


def _extents(data: bytes) -> tuple[int, ...]:
    """Return the extents in an entry of two dimensions, each below 128, as the builder writes it."""
    return data[7], data[11]


def _size(data: bytes) -> int:
    rows, columns = _extents(data)
    return 4 * rows * columns


def _checksum(data: bytes) -> int:
    return int.from_bytes(data[-4:], "little")


_of_index("array has another offset", Must.REFUSED, _replaced(offset=EXTREMES[1:]))
_of_index("array has another size", Must.REFUSED, _replaced(size=EXTREMES))
_of_index("array is in another file", Must.REFUSED, _replaced(shard=EXTREMES[1:]))
_of_index("array has another checksum", Must.REFUSED, _replaced(checksum=[1, 2, 3, 0xFFFFFFFF]))
_of_index("array has other extents", Must.REFUSED, _replaced(extents=[(), (1,), (1 << 62, 4), (1 << 40, 1 << 40), (0, 0), (-1, 4), (1,) * 40, (1,) * 300, (1 << 63, 0)]))  # fmt: skip
_of_index(
    "array has another type", Must.REFUSED, _replaced(dtype=[name for name in tensorflow.TYPES if name != "float32"])
)


@LIES.register(BUNDLE, Must.REFUSED)
def _array_of_an_unknown_type(scene: Scene, size: Sizes) -> Path:
    number = scene.random.choice([0, 8, 18, 20, 23, 99, 101, 1 << 31, (1 << 64) - 1])

    def change(entries: Entries) -> None:
        entries[KERNEL] = integer(1, number) + entries[KERNEL][2:]

    return BUNDLE.write(scene.directory, size, change=change)


@LIES.register(BUNDLE, Must.REFUSED)
def _two_arrays_overlap(scene: Scene, size: Sizes) -> Path:
    def change(entries: Entries) -> None:
        entries[b"dense/kernel"] = entries[KERNEL]

    return BUNDLE.write(scene.directory, size, change=change)


@LIES.register(BUNDLE, Must.REFUSED)
def _header_counts_otherwise(scene: Scene, size: Sizes) -> Path:
    shards = scene.random.choice([0, 2, 99_999, 100_000, *EXTREMES[2:]])
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({b"": integer(1, shards)}))


@LIES.register(BUNDLE, Must.REFUSED)
def _header_is_something_else(scene: Scene, size: Sizes) -> Path:
    other = scene.random.choice(
        [b"", b"\xff", counted(1, b"x"), b"\x0b\x0c", fixed32(1, 1), integer(2, 1), b"\x08" + b"\xff" * 12]
    )
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({b"": other}))


@LIES.register(BUNDLE, Must.REFUSED)
def _header_is_missing(scene: Scene, size: Sizes) -> Path:
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.pop(b""))


@LIES.register(BUNDLE, Must.REFUSED)
def _bytes_are_in_another_order(scene: Scene, size: Sizes) -> Path:
    return BUNDLE.write(scene.directory, size, big_endian=True, change=lambda entries: entries.update({b"": integer(1, 1)}) or
                        entries.update({KERNEL: entries[KERNEL][:-4] + b"\0\0\0\1"}))  # fmt: skip


@LIES.register(BUNDLE, Must.EITHER)
def _entry_is_garbage(scene: Scene, size: Sizes) -> Path:
    return BUNDLE.write(
        scene.directory,
        size,
        change=lambda entries: entries.update({KERNEL: scene.random.randbytes(scene.random.randint(0, 60))}),
    )


@LIES.register(BUNDLE, Must.EITHER)
def _entry_is_deep(scene: Scene, size: Sizes) -> Path:
    deep = b""
    for _ in range(3000):
        deep = counted(scene.random.choice([2, 7]), deep)
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({KERNEL: entries[KERNEL] + deep}))


@LIES.register(BUNDLE, Must.EITHER)
def _array_with_a_strange_name(scene: Scene, size: Sizes) -> Path:
    name = hdf5_lies.strange_name(scene)
    renamed = {key.replace(CELL, f"rnn/{name}"): values for key, values in cell(size).items()}
    return tensorflow.write_bundle(scene.directory / "model", renamed)


@LIES.register(BUNDLE, Must.EITHER)
def _array_with_a_name_that_is_not_text(scene: Scene, size: Sizes) -> Path:
    def change(entries: Entries) -> None:
        for leaf in (b"kernel", b"bias"):
            entries[b"\xff\xfe\x80\x1b/" + leaf] = entries.pop(f"{CELL}/".encode() + leaf)

    return BUNDLE.write(scene.directory, size, change=change)


@LIES.register(BUNDLE, Must.EITHER)
def _thousands_of_arrays(scene: Scene, size: Sizes) -> Path:
    def change(entries: Entries) -> None:
        entries |= {b"x%05d/kernel" % number: entries[KERNEL] for number in range(5000)}

    return BUNDLE.write(scene.directory, size, change=change)


@LIES.register(BUNDLE, Must.REFUSED)
def _pieces_do_not_cover_the_array(scene: Scene, size: Sizes) -> Path:
    rows = size.d + size.m
    cut = scene.random.choice(
        [[[(0, 1), (0, -1)]], [[(0, rows), (0, -1)]] * 2, [[(0, rows - 1), (0, -1)], [(rows - 2, 2), (0, -1)]]]
    )

    def change(entries: Entries) -> None:
        dtype, extents = "float32", (rows, 4 * size.m)
        entries[KERNEL] = entry(dtype, extents, pieces=cut)

    return BUNDLE.write(scene.directory, size, pieces={KERNEL.decode(): cut}, change=change)


@LIES.register(BUNDLE, Must.REFUSED)
def _pieces_are_outside_the_array(scene: Scene, size: Sizes) -> Path:
    far = scene.random.choice([(1 << 62, 1), (0, 1 << 62), (-5, 5), (1 << 62, 1 << 62), (3, -7)])
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({
        KERNEL: entry("float32", (size.d + size.m, 4 * size.m), pieces=[[far, (0, -1)]])}))  # fmt: skip


@LIES.register(BUNDLE, Must.REFUSED)
def _thousands_of_pieces(scene: Scene, size: Sizes) -> Path:
    cut = [[(row, 1), (0, -1)] for row in range(5000)]
    return BUNDLE.write(scene.directory, size, change=lambda entries: entries.update({
        KERNEL: entry("float32", (5001, 4 * size.m), pieces=cut)}))  # fmt: skip


def _with_index(scene: Scene, size: Sizes, spoil: Callable[[bytes], bytes]) -> Path:
    path = BUNDLE.write(scene.directory, size)
    index = path.with_name("model.index")
    index.write_bytes(spoil(index.read_bytes()))
    return path


@LIES.register(BUNDLE, Must.REFUSED)
def _footer_points_outside_the_file(scene: Scene, size: Sizes) -> Path:
    handles = b"".join(varint(scene.random.choice(EXTREMES)) for _ in range(4))
    return _with_index(scene, size, lambda data: data[:-48] + handles.ljust(40, b"\0") + tensorflow.MAGIC)


@LIES.register(BUNDLE, Must.REFUSED)
def _footer_points_to_itself(scene: Scene, size: Sizes) -> Path:
    def spoil(data: bytes) -> bytes:
        handles = varint(0) + varint(8) + varint(len(data) - 48) + varint(43)
        return data[:-48] + handles.ljust(40, b"\0") + tensorflow.MAGIC

    return _with_index(scene, size, spoil)


@LIES.register(BUNDLE, Must.REFUSED)
def _footer_is_an_unterminated_number(scene: Scene, size: Sizes) -> Path:
    return _with_index(scene, size, lambda data: data[:-48] + b"\xff" * 40 + tensorflow.MAGIC)


@LIES.register(BUNDLE, Must.REFUSED)
def _table_is_compressed(scene: Scene, size: Sizes) -> Path:
    return _with_index(scene, size, lambda _: tensorflow.framed([(b"x", tensorflow.block([(b"", b"\x08\x01")]))],
                                                                kind=scene.random.choice([1, 2, 255])))  # fmt: skip


@LIES.register(BUNDLE, Must.REFUSED)
def _keys_are_out_of_order(scene: Scene, size: Sizes) -> Path:
    entries = [(b"", integer(1, 1)), (b"b", b""), scene.random.choice([(b"a", b""), (b"b", b"")])]
    return _with_index(scene, size, lambda _: tensorflow.table(entries))


@LIES.register(BUNDLE, Must.REFUSED)
def _blocks_overlap(scene: Scene, size: Sizes) -> Path:
    block = tensorflow.block([(b"", integer(1, 1))])
    stored = tensorflow.stored(block)
    index = tensorflow.block(
        [(b"%05d" % k, varint(0) + varint(len(block))) for k in range(scene.random.choice([2, 1000]))]
    )
    return _with_index(scene, size, lambda _: tensorflow.finished(stored, index))


@LIES.register(BUNDLE, Must.REFUSED)
def _block_counts_its_restarts_otherwise(scene: Scene, size: Sizes) -> Path:
    count = scene.random.choice([0, 2, 1000, (1 << 32) - 1])
    block = tensorflow.block([(b"", integer(1, 1))])[:-4] + count.to_bytes(4, "little")
    return _with_index(scene, size, lambda _: tensorflow.framed([(b"x", block)]))


@LIES.register(BUNDLE, Must.REFUSED)
def _keys_expand_without_end(scene: Scene, size: Sizes) -> Path:
    start = varint(0) + varint(2000) + varint(0) + b"k" * 2000
    entries = start + b"".join(varint(2000 + k) + varint(1) + varint(0) + b"k" for k in range(5000))
    block = entries + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
    return _with_index(scene, size, lambda _: tensorflow.framed([(b"x", block)]))


@LIES.register(BUNDLE, Must.REFUSED)
def _keys_share_a_long_start(scene: Scene, size: Sizes) -> Path:
    # 30,000 keys of 900 or 4,000 bytes, of which the file stores one in 16 and 12 bytes of the others
    start = b"a" * scene.random.choice([888, 3988])
    keys = [(start + b"%012d" % number, integer(1, 1)) for number in range(30_000)]
    return _with_index(scene, size, lambda _: tensorflow.table([(b"", integer(1, 1)), *keys], per_block=400))


@LIES.register(BUNDLE, Must.REFUSED)
def _shape_is_in_two_parts(scene: Scene, size: Sizes) -> Path:
    first = scene.random.choice([[1], [size.d], [size.d + size.m, 4 * size.m]])
    return BUNDLE.write(
        scene.directory, size, change=lambda entries: entries.update({KERNEL: counted(2, tensorflow.shape(first)) + entries[KERNEL]})
    )  # fmt: skip


@LIES.register(BUNDLE, Must.REFUSED)
def _entry_exceeds_the_block(scene: Scene, size: Sizes) -> Path:
    lengths = [scene.random.choice(EXTREMES) for _ in range(3)]
    lengths[scene.random.randrange(3)] = 1 << 33
    block = b"".join(map(varint, lengths)) + bytes(3) + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
    return _with_index(scene, size, lambda _: tensorflow.framed([(b"x", block)]))


# --- checkpoints of the first format


def _v1_lie(called: str, must: Must, change: Callable[[Entries, Sizes, Random], object]) -> None:
    def write(scene: Scene, size: Sizes) -> Path:
        return FIRST_FORMAT.write(scene.directory, size, change=lambda entries: change(entries, size, scene.random))

    LIES.add(FIRST_FORMAT, called, must, write)


def _listed(name: str, extents: Any, dtype: int, *pieces: Any) -> bytes:
    return counted(1, counted(1, name) + counted(2, tensorflow.shape(extents)) + integer(3, dtype)
                   + b"".join(counted(4, tensorflow.piece(spans)) for spans in pieces))  # fmt: skip


def _list_anew(extents: Callable[[Sizes], Any], dtype: int = 1) -> Callable[[Entries, Sizes, Random], None]:
    def change(entries: Entries, size: Sizes, random: Random) -> None:
        drawn = random.choice(extents(size))
        bias = _listed(f"{CELL}/bias", (4 * size.m,), 1, [(0, -1)])
        entries[b""] = counted(1, bias + _listed(f"{CELL}/kernel", drawn, dtype, [(0, -1)] * len(drawn)))

    return change


_v1_lie(
    "array has other extents",
    Must.EITHER,
    _list_anew(lambda size: [(size.d + size.m + 1, 4 * size.m), (1 << 40, 1 << 40), (1 << 62,), (3,) * 12]),
)
_v1_lie("array has another type", Must.EITHER, _list_anew(lambda size: [(size.d + size.m, 4 * size.m)], 7))
_v1_lie("list is garbage", Must.REFUSED, lambda entries, _, random: entries.update({b"": random.randbytes(40)}))
_v1_lie("list is missing", Must.REFUSED, lambda entries, _, __: entries.pop(b""))
_v1_lie("arrays are missing", Must.REFUSED, lambda entries, _, __: [entries.pop(key) for key in list(entries) if key])
_v1_lie(
    "arrays are garbage",
    Must.REFUSED,
    lambda entries, _, random: entries.update({key: random.randbytes(80) for key in entries if key}),
)
_v1_lie("arrays are empty", Must.REFUSED, lambda entries, _, __: entries.update({key: b"" for key in entries if key}))
