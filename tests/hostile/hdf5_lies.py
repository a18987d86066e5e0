"""HDF5 files with wrong links, declarations, chunks and groups, in each layout of Keras."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from hostile import good_keras
from hostile.cases import Case, Lie, Must, Scene, words
from hostile.good_keras import LAYOUTS, Layout

_PAGES = struct.Struct("<Q")
_EXTREMES = (0, 1, 8, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 2)


class Spoiling(NamedTuple):
    """An open HDF5 file to be spoiled, and one of the LSTM's arrays in it.

    Attributes:
        array: The path of the array.
        values: The numbers in the array.
        arrays: The paths of all arrays.
    """

    file: h5py.File
    array: str
    values: np.ndarray
    arrays: Sequence[str]
    scene: Scene

    def put(self, values: np.ndarray | None = None, **options: object) -> h5py.Dataset:
        """Store the array again, with `options` for h5py."""
        del self.file[self.array]
        return self.file.create_dataset(self.array, data=self.values if values is None else values, **options)

    def declare(self, **options: object) -> h5py.Dataset:
        """Create the array again, without the numbers."""
        del self.file[self.array]
        return self.file.create_dataset(self.array, **options)

    @property
    def other(self) -> str:
        """The path of another of the arrays."""
        return self.scene.random.choice([array for array in self.arrays if array != self.array])

    @property
    def secrets(self) -> str:
        """A random absolute or relative path of the secrets."""
        away = os.path.relpath(self.scene.secrets, self.scene.directory)
        return self.scene.random.choice([str(self.scene.secrets), away, f"./{away}"])


After = Callable[[bytes], bytes]
Spoil = Callable[[Spoiling], "After | object | None"]


class _Known(NamedTuple):
    must: Must
    spoil: Spoil
    lost: bool
    by_class: bool


_LIES: dict[str, _Known] = {}


def _lie(must: Must, *, lost: bool = False, by_class: bool = False) -> Callable[[Spoil], Spoil]:
    """Register the decorated function as a lie with the function's name; it may return a change of the file's bytes.

    Args:
        must: The required outcome.
        lost: Whether the numbers that are read may differ from the good ones.
        by_class: Whether `must` holds only in layouts that state classes; in others, the layer is not an LSTM then.
    """

    def remember(spoil: Spoil) -> Spoil:
        _LIES[words(spoil)] = _Known(must, spoil, lost, by_class)
        return spoil

    return remember


def lies() -> Iterator[Lie]:
    """Return every lie in every layout."""
    for layout in LAYOUTS:
        for kind, known in _LIES.items():
            yield Lie(layout.name, kind, _maker(layout, kind, known))


def _maker(layout: Layout, kind: str, known: _Known) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        def spoil(path: Path) -> None:
            with h5py.File(path, "r+") as file:
                array = scene.random.choice(layout.arrays)
                after = known.spoil(Spoiling(file, array, file[array][()], layout.arrays, scene))
            if callable(after):
                path.write_bytes(after(path.read_bytes()))

        size = good_keras.sizes(scene.random)
        path = good_keras.make(layout, scene.directory, size, spoil)
        return Case(layout.name, kind, must, path, good_keras.gates(size, layout.layer), known.lost)

    must = known.must if layout.states_classes or not known.by_class else Must.EITHER
    return make


# --- good files that look unusual


@_lie(Must.READ)
def _nothing_at_all(_: Spoiling) -> None: ...


@_lie(Must.READ)
def _numbers_in_chunks(spoiling: Spoiling) -> None:
    spoiling.put(chunks=_chunks(spoiling.values), **_filters(spoiling))


@_lie(Must.READ)
def _big_endian_numbers_of_eight_bytes(spoiling: Spoiling) -> None:
    spoiling.put(spoiling.values.astype(">f8"))


@_lie(Must.READ)
def _numbers_in_the_header(spoiling: Spoiling) -> None:
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_layout(h5py.h5d.COMPACT)
    del spoiling.file[spoiling.array]
    space = h5py.h5s.create_simple(spoiling.values.shape)
    made = h5py.h5d.create(spoiling.file.id, spoiling.array.encode(), h5py.h5t.IEEE_F32LE, space, created)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, spoiling.values)


@_lie(Must.READ)
def _garbage_after_the_end_of_the_file(spoiling: Spoiling) -> After:
    return lambda data: data + spoiling.scene.random.randbytes(spoiling.scene.random.randint(1, 3000))


# --- links to other files


@_lie(Must.REFUSED)
def _array_is_a_link_within(spoiling: Spoiling) -> None:
    spoiling.file["elsewhere"] = spoiling.values
    del spoiling.file[spoiling.array]
    spoiling.file[spoiling.array] = h5py.SoftLink("/elsewhere")


@_lie(Must.REFUSED)
def _array_is_a_link_to_itself(spoiling: Spoiling) -> None:
    del spoiling.file[spoiling.array]
    spoiling.file[spoiling.array] = h5py.SoftLink(f"/{spoiling.array}")


@_lie(Must.REFUSED)
def _array_is_in_another_file(spoiling: Spoiling) -> None:
    del spoiling.file[spoiling.array]
    spoiling.file[spoiling.array] = h5py.ExternalLink(f"{spoiling.secrets}/secret.h5", "/secret")


@_lie(Must.REFUSED)
def _group_is_in_another_file(spoiling: Spoiling) -> None:
    group = spoiling.array.rpartition("/")[0]
    del spoiling.file[group]
    spoiling.file[group] = h5py.ExternalLink(f"{spoiling.secrets}/secret.h5", "/group")


@_lie(Must.REFUSED)
def _numbers_are_in_another_file(spoiling: Spoiling) -> None:
    size = spoiling.values.nbytes
    spoiling.declare(shape=spoiling.values.shape, dtype="<f4", external=[(f"{spoiling.secrets}/secret.raw", 0, size)])


@_lie(Must.REFUSED)
def _array_is_a_view_of_another_file(spoiling: Spoiling) -> None:
    layout = h5py.VirtualLayout(spoiling.values.shape, "<f4")
    source = h5py.VirtualSource(f"{spoiling.secrets}/secret.h5", "secret", (64, 64))
    layout[...] = (
        source[0, : spoiling.values.shape[0]]
        if layout.shape[1:] == ()
        else source[: layout.shape[0], : layout.shape[1]]
    )
    del spoiling.file[spoiling.array]
    spoiling.file.create_virtual_dataset(spoiling.array, layout)


@_lie(Must.REFUSED)
def _array_is_a_view_of_another_array(spoiling: Spoiling) -> None:
    spoiling.file["elsewhere"] = spoiling.values
    layout = h5py.VirtualLayout(spoiling.values.shape, "<f4")
    layout[...] = h5py.VirtualSource(".", "elsewhere", spoiling.values.shape)
    del spoiling.file[spoiling.array]
    spoiling.file.create_virtual_dataset(spoiling.array, layout)


# --- arrays that are missing or of another kind


@_lie(Must.REFUSED, by_class=True)
def _array_is_missing(spoiling: Spoiling) -> None:
    del spoiling.file[spoiling.array]


@_lie(Must.REFUSED, by_class=True)
def _array_is_a_group(spoiling: Spoiling) -> None:
    del spoiling.file[spoiling.array]
    spoiling.file.create_group(spoiling.array)


@_lie(Must.REFUSED, by_class=True)
def _array_is_a_type(spoiling: Spoiling) -> None:
    del spoiling.file[spoiling.array]
    spoiling.file[spoiling.array] = np.dtype("<f4")


@_lie(Must.REFUSED, by_class=True)
def _array_is_nothing(spoiling: Spoiling) -> None:
    spoiling.declare(dtype="<f4", data=h5py.Empty("<f4"))


@_lie(Must.REFUSED, by_class=True)
def _array_is_one_number(spoiling: Spoiling) -> None:
    spoiling.put(np.float32(1))


@_lie(Must.REFUSED, by_class=True)
def _array_has_another_rank(spoiling: Spoiling) -> None:
    rank = spoiling.scene.random.choice([3, 17, 32])
    spoiling.put(spoiling.values.reshape((1,) * (rank - spoiling.values.ndim) + spoiling.values.shape))


@_lie(Must.REFUSED, by_class=True)
def _array_is_longer(spoiling: Spoiling) -> None:
    axis = spoiling.values.ndim - 1
    spoiling.put(np.concatenate([spoiling.values, spoiling.values[..., :1]], axis))


@_lie(Must.REFUSED, by_class=True)
def _array_is_empty(spoiling: Spoiling) -> None:
    spoiling.put(spoiling.values[..., :0])


@_lie(Must.REFUSED, by_class=True)
def _array_holds_text(spoiling: Spoiling) -> None:
    spoiling.put(
        np.full(spoiling.values.shape, b"1.0", spoiling.scene.random.choice([np.dtype("S4"), h5py.string_dtype()]))
    )


@_lie(Must.REFUSED, by_class=True)
def _array_holds_records(spoiling: Spoiling) -> None:
    spoiling.put(np.zeros(spoiling.values.shape, np.dtype([("a", "<f4"), ("b\x1b[2J", "<i4")])))


@_lie(Must.REFUSED, by_class=True)
def _array_holds_references(spoiling: Spoiling) -> None:
    references = np.full(spoiling.values.shape, spoiling.file["/"].ref, h5py.ref_dtype)
    spoiling.declare(data=references, dtype=h5py.ref_dtype)


@_lie(Must.REFUSED, by_class=True)
def _array_holds_lists(spoiling: Spoiling) -> None:
    spoiling.declare(shape=spoiling.values.shape, dtype=h5py.vlen_dtype(np.float32))


@_lie(Must.REFUSED, by_class=True)
def _array_holds_arrays(spoiling: Spoiling) -> None:
    spoiling.declare(shape=spoiling.values.shape, dtype=np.dtype(("<f4", (2, 3))))


@_lie(Must.EITHER, lost=True)
def _array_holds_whole_numbers(spoiling: Spoiling) -> None:
    spoiling.put((spoiling.values * 100).astype(spoiling.scene.random.choice(["u1", "<i8", ">i2", "?"])))


@_lie(Must.EITHER, lost=True)
def _array_holds_an_enumeration(spoiling: Spoiling) -> None:
    kind = h5py.enum_dtype({"no\x1b[31m": 0, "yes": 1}, "i1")
    spoiling.put((spoiling.values > 0).astype(kind))


@_lie(Must.EITHER, lost=True)
def _array_holds_pairs(spoiling: Spoiling) -> None:
    spoiling.put(spoiling.values.astype("<c8"))


@_lie(Must.EITHER, lost=True)
def _array_holds_opaque_bytes(spoiling: Spoiling) -> None:
    spoiling.put(np.zeros(spoiling.values.shape, spoiling.scene.random.choice(["V2", "V4", "V7"])))


@_lie(Must.EITHER, lost=True)
def _numbers_of_an_odd_type(spoiling: Spoiling) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(*spoiling.scene.random.choice([(31, 20, 11, 0, 20), (20, 12, 8, 0, 12), (15, 10, 5, 0, 10)]))
    del spoiling.file[spoiling.array]
    space = h5py.h5s.create_simple(spoiling.values.shape)
    made = h5py.h5d.create(spoiling.file.id, spoiling.array.encode(), kind, space)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, spoiling.values)


# --- sizes that differ from those of the stored data


@_lie(Must.REFUSED)
def _numbers_were_never_written(spoiling: Spoiling) -> None:
    spoiling.declare(shape=spoiling.values.shape, dtype="<f4")


@_lie(Must.REFUSED)
def _chunks_were_never_written(spoiling: Spoiling) -> None:
    spoiling.declare(shape=spoiling.values.shape, dtype="<f4", chunks=_chunks(spoiling.values), **_filters(spoiling))


@_lie(Must.REFUSED)
def _all_arrays_declare_terabytes(spoiling: Spoiling) -> None:
    units = spoiling.scene.random.choice([1 << 18, 1 << 20])
    for array in spoiling.arrays:
        shape = tuple(units * 4 if length > 5 else units for length in spoiling.file[array].shape)
        del spoiling.file[array]
        spoiling.file.create_dataset(array, shape, "<f4", chunks=tuple(min(length, 1 << 10) for length in shape))


@_lie(Must.REFUSED)
def _one_chunk_of_many_is_there(spoiling: Spoiling) -> None:
    made = spoiling.declare(shape=spoiling.values.shape, dtype="<f4", chunks=(1,) * spoiling.values.ndim)
    made[(0,) * spoiling.values.ndim] = 1


@_lie(Must.REFUSED)
def _array_is_after_the_end_of_the_file(spoiling: Spoiling) -> After:
    return _moved(spoiling, 1 << spoiling.scene.random.randint(20, 40))


@_lie(Must.REFUSED)
def _array_crosses_the_end_of_the_file(spoiling: Spoiling) -> After:
    spoiling.file.flush()
    return _moved(spoiling, spoiling.file.id.get_filesize() - 4)


@_lie(Must.REFUSED)
def _two_arrays_overlap(spoiling: Spoiling) -> After:
    return _moved(spoiling, spoiling.file[spoiling.other].id.get_offset())


@_lie(Must.REFUSED)
def _array_is_in_the_header_of_the_file(spoiling: Spoiling) -> After:
    return _moved(spoiling, spoiling.scene.random.randrange(48))


def _moved(spoiling: Spoiling, place: int) -> After:
    """Overwrite the array's offset in the file, which precedes the number of bytes in the object header."""
    dataset = spoiling.file[spoiling.array]
    size = _PAGES.pack(dataset.id.get_storage_size())
    old = _PAGES.pack(dataset.id.get_offset()) + size
    return lambda data: data.replace(old, _PAGES.pack(place) + size)


@_lie(Must.REFUSED)
def _the_end_of_the_file_is_elsewhere(spoiling: Spoiling) -> After:
    end = spoiling.scene.random.choice(_EXTREMES[3:])
    return lambda data: data[:40] + _PAGES.pack(end) + data[48:]


@_lie(Must.REFUSED)
def _the_root_is_elsewhere(spoiling: Spoiling) -> After:
    place = spoiling.scene.random.choice(_EXTREMES)
    return lambda data: data[:64] + _PAGES.pack(place) + _PAGES.pack(0) + data[80:]


# --- chunks


@_lie(Must.REFUSED)
def _a_chunk_inflates_to_less(spoiling: Spoiling) -> None:
    _with_chunk(spoiling, zlib.compress(spoiling.values.tobytes()[: -4 * spoiling.scene.random.randint(1, 4)]))


@_lie(Must.REFUSED)
def _a_chunk_inflates_to_more(spoiling: Spoiling) -> None:
    _with_chunk(spoiling, zlib.compress(spoiling.values.tobytes() + bytes(spoiling.scene.random.randint(1, 99))))


@_lie(Must.REFUSED)
def _a_chunk_inflates_without_end(spoiling: Spoiling) -> None:
    _with_chunk(spoiling, zlib.compress(bytes(64 << 20), 9))


@_lie(Must.REFUSED)
def _a_chunk_is_cut_short(spoiling: Spoiling) -> None:
    stored = zlib.compress(spoiling.values.tobytes())
    _with_chunk(spoiling, stored[: spoiling.scene.random.randrange(1, len(stored) - 6)])


@_lie(Must.REFUSED)
def _a_chunk_is_garbage(spoiling: Spoiling) -> None:
    _with_chunk(spoiling, b"\x78\x9c" + spoiling.scene.random.randbytes(100))


@_lie(Must.REFUSED)
def _a_chunk_has_another_checksum(spoiling: Spoiling) -> None:
    made = spoiling.put(chunks=spoiling.values.shape, fletcher32=True)
    stored = bytearray(made.id.read_direct_chunk((0,) * spoiling.values.ndim)[1])
    stored[spoiling.scene.random.randrange(len(stored))] ^= 1 << spoiling.scene.random.randrange(8)
    made.id.write_direct_chunk((0,) * spoiling.values.ndim, bytes(stored))


@_lie(Must.REFUSED)
def _a_chunk_without_filters_is_short(spoiling: Spoiling) -> None:
    made = spoiling.put(chunks=spoiling.values.shape, compression="gzip")
    made.id.write_direct_chunk((0,) * spoiling.values.ndim, spoiling.values.tobytes()[:-4], filter_mask=1)


@_lie(Must.REFUSED)
def _a_plain_chunk_is_short(spoiling: Spoiling) -> None:
    made = spoiling.put(chunks=spoiling.values.shape)
    made.id.write_direct_chunk((0,) * spoiling.values.ndim, spoiling.values.tobytes()[:-4])


@_lie(Must.REFUSED)
def _a_shuffled_chunk_inflates_to_less(spoiling: Spoiling) -> None:
    made = spoiling.put(chunks=spoiling.values.shape, compression="gzip", shuffle=True)
    made.id.write_direct_chunk((0,) * spoiling.values.ndim, zlib.compress(spoiling.values.tobytes()[:-8]))


@_lie(Must.READ)
def _a_chunk_without_filters(spoiling: Spoiling) -> None:
    made = spoiling.put(chunks=spoiling.values.shape, compression="gzip")
    made.id.write_direct_chunk((0,) * spoiling.values.ndim, spoiling.values.tobytes(), filter_mask=1)


@_lie(Must.REFUSED)
def _the_filter_is_a_plugin(spoiling: Spoiling) -> After:
    spoiling.put(chunks=spoiling.values.shape, compression="gzip")
    name = struct.pack("<HHHH8s", 1, 8, 1, 1, b"deflate")
    plugin = struct.pack("<H", spoiling.scene.random.choice([307, 32001, 32015, 65535]))
    return lambda data: data.replace(name, plugin + struct.pack("<HHH8s", 8, 0, 1, b"deflate"))


def _with_chunk(spoiling: Spoiling, stored: bytes) -> None:
    made = spoiling.put(chunks=spoiling.values.shape, compression="gzip")
    made.id.write_direct_chunk((0,) * spoiling.values.ndim, stored)


def _chunks(values: np.ndarray) -> tuple[int, ...]:
    return tuple(max(1, length // 2) for length in values.shape)


def _filters(spoiling: Spoiling) -> dict[str, object]:
    return spoiling.scene.random.choice([{}, {"compression": "gzip"}, {"compression": "lzf", "shuffle": True},
                                         {"fletcher32": True}, {"compression": "gzip", "shuffle": True, "fletcher32": True}])  # fmt: skip


# --- groups


@_lie(Must.EITHER)
def _a_group_contains_itself(spoiling: Spoiling) -> None:
    group = spoiling.array.rpartition("/")[0]
    spoiling.file[f"{group}/again"] = spoiling.file[spoiling.scene.random.choice(["/", group.split("/")[0], group])]


@_lie(Must.EITHER)
def _groups_are_nested_without_end(spoiling: Spoiling) -> None:
    depth = spoiling.scene.random.choice([150, 1200])
    spoiling.file.create_group(f"{spoiling.array.rpartition('/')[0]}/{'g/' * depth}end")


@_lie(Must.EITHER)
def _thousands_of_groups(spoiling: Spoiling) -> None:
    group = spoiling.file.create_group("layers/many" if "layers" in spoiling.file else f"{spoiling.array}s")
    for number in range(5000):
        group.create_group(str(number))


@_lie(Must.EITHER)
def _one_array_has_many_paths(spoiling: Spoiling) -> None:
    for number in range(300):
        spoiling.file[f"layers/again_{number}/vars/0"] = spoiling.file[spoiling.array]


@_lie(Must.EITHER)
def _a_strange_name(spoiling: Spoiling) -> None:
    spoiling.file[f"layers/{strange_name(spoiling.scene)}/vars/0"] = spoiling.values


@_lie(Must.EITHER)
def _a_name_that_is_not_text(spoiling: Spoiling) -> None:
    top = spoiling.file.require_group(spoiling.array.partition("/")[0])
    created = h5py.h5g.create(
        top.id, b"\xff\xfe\x80" + spoiling.scene.random.randbytes(5).replace(b"\0", b"1").replace(b"/", b"2")
    )
    h5py.h5g.create(created, b"vars")


def strange_name(scene: Scene) -> str:
    """Draw a name that a terminal, a path or a markup language would interpret."""
    random = scene.random
    return random.choice([
        "\x1b[31mred\x1b[0m", "a\rb", "tab\there", "bell\x07", "del\x7f", "c1\x9b31m", "\u202egnp.exe", "zero\u200bwidth",
        "\ufeffmark", "\u2028line", "[bold]loud[/bold]", "[/]", "[link=file:///etc/hostname]x[/link]", "..", ". .", "...",
        "back\\slash", "C:\\x", "con", "nul", "x" * random.choice([300, 5000]), "*", "a?b", "%s%n", "{0}", "$(x)", "`x`",
        "-o", "--help", "e\u0301", "\u00e9", "\U0001f600", "new\nline", " ", "quote\"'", "__lstmdump__",
    ])  # fmt: skip
