"""Checkpoints of both formats, SavedModels and graphs, with damaged messages but valid tables and files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
from hostile.fuzz.messages import join_fields, read_varint, split_fields
from hostile.fuzz.models import examine, written
from hostile.fuzz.target import BYTES, JSON, MESSAGE, Parts, Target
from support import builders
from support import tensorflow_builders as tf

from lstmdump.errors import LstmdumpError
from lstmdump.model.location import Location
from lstmdump.readers.protobuf import Message
from lstmdump.readers.tensorflow import checkpoint, frozen_graph, saved_model
from lstmdump.readers.tensorflow.wire.bundle import OBJECT_GRAPH_KEY as GRAPH_KEY
from lstmdump.readers.tensorflow.wire.bundle import Bundle
from lstmdump.readers.tensorflow.wire.sstable import Table

_LARGEST_SEED = 24_000  # bytes
_MOST_COMPARED = 8  # tensors
_ENTRY = (BYTES, MESSAGE)  # the parts of a table: key and value


def _read_checkpoint(parts: Parts) -> None:
    state, meta, graph, *data = parts[:5]
    files = _bundle("model", graph, data, parts[5:])
    files |= {"model.meta": meta} if meta else {}
    files |= {"checkpoint": state} if state else {}
    files |= {"older.index": files["model.index"]} if b"older" in state else {}
    with written(files) as directory:
        examine(checkpoint.read(Location(directory if state else directory / "model.index")))
        _check_bytes(directory, dict(zip(parts[5::2], parts[6::2], strict=False)))


def _check_bytes(directory: Path, listed: Mapping[bytes, bytes]) -> None:
    """Check that the numbers are those at the offsets in the index, and that no array overlaps another.

    The index is read here independently of the reader of lstmdump.

    Raises:
        AssertionError: The numbers differ, or arrays overlap.
    """
    bundle = Bundle(Location(directory / "model"))
    shards = Message(listed.get(b"", b"")).integer(1)
    taken: set[tuple[int, int]] = set()
    for key, value in islice(listed.items(), _MOST_COMPARED):
        fields = split_fields(value)
        entry = {number >> 3: content for number, content in fields or ()}
        name = key.decode("utf-8", "surrogateescape")
        if not key or fields is None or name not in bundle or 7 in entry:
            continue
        with suppress(LstmdumpError):
            rows = bundle.tensor(name).rows
            found = b"".join(map(bytes, rows())) if rows is not None else None
            shard, offset, size = (read_varint(entry.get(number, b"\0")) for number in (3, 4, 5))
            file = directory / f"model.data-{shard:05}-of-{shards:05}"
            assert found is None or found == (file.read_bytes()[offset : offset + size] if size else b"")
            places = {(shard, place) for place in range(offset, offset + size)} if found is not None else set()
            assert taken.isdisjoint(places), f"{name} overlaps another array"
            taken |= places
    bundle.close()


def _bundle(prefix: str, graph: bytes, data: Sequence[bytes], listed: Parts) -> dict[str, bytes]:
    """Return the files of a bundle with the keys and values `listed` in turn, and `graph` after the first `data`."""
    entries = list(zip(listed[::2], listed[1::2], strict=False))
    first, second = data
    if graph:
        dtype, _, stored, checksum = tf.content(graph)
        entries.append((GRAPH_KEY.encode(), tf.entry(dtype, (), 0, len(first), len(stored), checksum)))
        first += bytes(stored)
    return {
        f"{prefix}.index": tf.table(sorted(entries)),
        f"{prefix}.data-00000-of-00001": first,
        f"{prefix}.data-00000-of-00002": first,
        f"{prefix}.data-00001-of-00002": second,
    }


def _read_saved_model(parts: Parts) -> None:
    model, metadata, architecture, graph, *data = parts[:6]
    files = {"saved_model.pb": model, **_bundle("variables/variables", graph, data, parts[6:])}
    files |= {"keras_metadata.pb": metadata} if metadata else {}
    files |= {"assets/saved_model.json": architecture} if architecture else {}
    if not parts[6:]:
        del files["variables/variables.index"]
    with written(files) as directory:
        examine(saved_model.read(Location(directory)))


def _read_first_format(parts: Parts) -> None:
    meta, *listed = parts
    table = tf.table(sorted(zip(listed[::2], listed[1::2], strict=False)))
    with written({"model": table, **({"model.meta": meta} if meta else {})}) as directory:
        examine(checkpoint.read(Location(directory / "model")))


def _read_graph(parts: Parts) -> None:
    with written({"model.pb": parts[0]}) as directory:
        examine(frozen_graph.read(Location(directory / "model.pb")))


def _checkpoint_seeds(roots: Sequence[Path], *, of_objects: bool) -> Iterator[Parts]:
    for index in _files(roots, "*.index", _built_checkpoints):
        if (index.name == "variables.index" or GRAPH_KEY.encode() in index.read_bytes()) != of_objects:
            continue
        state, meta = index.with_name("checkpoint"), index.with_suffix(".meta")
        several = b'model_checkpoint_path: "model"\nall_model_checkpoint_paths: "older"\n'
        yield [
            state.read_bytes() if state.is_file() else several if index.stem == "pieces" else b"",
            _without(meta.read_bytes(), {3, 4, 5, 6}) if meta.is_file() else b"",
            *_taken_out_of_bundle(index),
        ]


def _saved_model_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    for file in _files(roots, "saved_model.pb", _built_saved_models):
        folder = file.parent
        beside = [folder / "keras_metadata.pb", folder / "assets" / "saved_model.json"]
        index = folder / "variables" / "variables.index"
        yield [
            _without_graphs(file.read_bytes()),
            *(other.read_bytes() if other.is_file() else b"" for other in beside),
            *(_taken_out_of_bundle(index) if index.is_file() else [b"", b"", b""]),
        ]


def _first_format_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    def built(folder: Path) -> None:
        kernel = builders.numbers(4, 6)
        tf.write_v1(folder / "a.ckpt", {"kernel": kernel}, {"kernel": [[(0, 2), (0, -1)], [(2, 2), (0, -1)]]})
        tf.write_v1(folder / "b.ckpt", {"lstm/kernel": builders.numbers(7, 16), "lstm/bias": builders.numbers(16)})

    for path in _files(roots, "*.ckpt", built):
        with suppress(LstmdumpError):
            yield [b"", *(bytes(part) for entry in Table(path.read_bytes()).items() for part in entry)]


def _graph_seeds(roots: Sequence[Path]) -> Iterator[Parts]:
    for path in _files(roots, "*.pb", _built_graphs):
        is_graph = path.name not in ("saved_model.pb", "keras_metadata.pb", "fingerprint.pb")
        if is_graph and path.stat().st_size <= _LARGEST_SEED:
            yield [path.read_bytes()]
    for path in _files(roots, "*.meta", lambda _: None):
        fields = split_fields(path.read_bytes()) or ()
        yield from ([graph] for key, graph in fields if key == 2 << 3 | 2 and len(graph) <= _LARGEST_SEED)


def _files(roots: Sequence[Path], pattern: str, build: object) -> Iterator[Path]:
    """Yield the files that `build` writes, then the small files in `roots` that match `pattern`."""
    with tempfile.TemporaryDirectory() as name:
        build(Path(name))  # type: ignore[operator]
        for root in (Path(name), *roots):
            for path in sorted(root.rglob(pattern)):
                if path.is_file():
                    yield path


def _built_checkpoints(folder: Path) -> None:
    model = tf.Object({"layer-0": tf.layer("lstm"), "layer-1": tf.Object({"cells": tf.Object({"0": tf.layer("a/b")})})})
    tf.write_checkpoint(folder / "objects", model)
    halves = tf.BFloat16(np.arange(12, dtype="<u2").reshape(3, 4))
    tf.write_bundle(folder / "typed", {"h": halves, "n": np.arange(5), "t": [b"some", b""]}, shards=2)
    cut = {"lstm/kernel": [[(0, 3), (0, -1)], [(3, 4), (0, 8)], [(3, 4), (8, 8)]]}
    values = {"lstm/kernel": builders.numbers(7, 16), "lstm/bias": builders.numbers(16)}
    tf.write_bundle(folder / "pieces", values, pieces=cut, big_endian=True)


def _built_saved_models(folder: Path) -> None:
    layer = tf.layer("lstm", identifier="_tf_keras_layer")
    root = tf.Object({"layer-0": layer}, identifier="_tf_keras_sequential", metadata='{"name": "m"}')
    described = {layer: {"class_name": "LSTM", "config": {"name": "lstm", "units": 4}}}
    tf.write_saved_model(folder / "objects", root, metadata=described)


def _built_graphs(folder: Path) -> None:
    arrays = {leaf: tf.constant(f"rnn/{leaf}", value) + tf.node(f"rnn/{leaf}/read", "Identity", f"rnn/{leaf}")
              for leaf, value in (("kernel", builders.numbers(7, 16)), ("bias", builders.numbers(16)))}  # fmt: skip
    cell = tf.split_cell("rnn")
    (folder / "cell.pb").write_bytes(b"".join(arrays.values()) + cell)
    (folder / "declared.pb").write_bytes(tf.variable("rnn/kernel", (7, 16)) + tf.variable("rnn/bias", (16,)) + cell)
    signature = tf.counted(1, "body") + b"".join(tf.counted(2, tf.counted(1, name)) for name in ("x", "kernel", "bias"))
    body = split_fields(tf.split_cell("cell", kernel="kernel", bias="bias")) or []
    nodes = b"".join(tf.counted(3, content) for _, content in body)
    loop = tf.node("loop", "While", "x", "rnn/kernel", "rnn/bias", body=tf.counted(10, tf.counted(1, "body")))
    library = tf.counted(2, tf.counted(1, tf.counted(1, signature) + nodes))
    (folder / "loop.pb").write_bytes(b"".join(arrays.values()) + loop + library)


def _taken_out_of_bundle(index: Path) -> list[bytes]:
    """Return the object graph, the data of two files, and the keys and values of the bundle at `index`."""
    entries = dict(Table(index.read_bytes()).items())
    bundle = Bundle(Location(index.with_suffix("")))
    graph = bundle.string(GRAPH_KEY) if entries.pop(GRAPH_KEY.encode(), None) else b""
    bundle.close()
    data = sorted(index.parent.glob(f"{index.stem}.data-*"))
    contents = [
        path.read_bytes() if path.stat().st_size <= _LARGEST_SEED else bytes(path.stat().st_size) for path in data
    ]
    return [graph, *[*contents, b"", b""][:2], *(part for entry in entries.items() for part in entry)]


def _without(message: bytes, numbers: set[int]) -> bytes:
    """Return `message` without the fields `numbers`."""
    return join_fields([(key, content) for key, content in split_fields(message) or () if key >> 3 not in numbers])


def _without_graphs(model: bytes) -> bytes:
    """Return the SavedModel `model` without functions and graph, which are not read if there is an object graph."""
    found = []
    for key, content in split_fields(model) or ():
        if key >> 3 == 2:
            meta = split_fields(content) or []
            has_objects = any(number >> 3 == 7 for number, _ in meta)
            kept = [(number, _without(inner, {2}) if number >> 3 == 7 else inner) for number, inner in meta
                    if number >> 3 in ({1, 7} if has_objects else {1, 2})]  # fmt: skip
            found.append((key, join_fields(kept)))
        else:
            found.append((key, content))
    return join_fields(found)


_BUNDLE = (BYTES, MESSAGE, MESSAGE, BYTES, BYTES)
TARGETS = (
    Target("bundle", _BUNDLE, _read_checkpoint, lambda roots: _checkpoint_seeds(roots, of_objects=False), _ENTRY, True),
    Target("object_graph", _BUNDLE, _read_checkpoint, lambda roots: _checkpoint_seeds(roots, of_objects=True), _ENTRY, True),
    Target("checkpoint_v1", (MESSAGE,), _read_first_format, _first_format_seeds, _ENTRY, True),
    Target("saved_model", (MESSAGE, MESSAGE, JSON, MESSAGE, BYTES, BYTES), _read_saved_model, _saved_model_seeds, _ENTRY, True),
    Target("graph_def", (MESSAGE,), _read_graph, _graph_seeds),
)  # fmt: skip
