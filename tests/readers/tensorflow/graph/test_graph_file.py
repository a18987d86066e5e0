"""Graphs in files of more than 1 MiB, of which the contents of large constants are not read with the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import tensorflow_builders as tf
from support.tensorflow_builders import constant, counted, integer, node

from lstmdump.errors import CorruptModel, RefusedModel, UnreadableModel
from lstmdump.model.limits import Limits
from lstmdump.model.location import Location
from lstmdump.readers.tensorflow.graph import graph_def
from lstmdump.readers.tensorflow.graph.graph_def import Graph
from lstmdump.readers.tensorflow.graph.graph_file import GraphFile, read_graph

LARGE = np.arange(1, 300 * 1024 + 1, dtype="<f4").reshape(-1, 1024)  # 1.2 MB
SMALL = np.arange(1, 7, dtype="<f4")


def stored(tmp_path: Path, *parts: bytes, limits: Limits | None = None) -> GraphFile:
    path = tmp_path / "graph.pb"
    path.write_bytes(b"".join(parts))
    return read_graph(Location(path) if limits is None else Location(path, limits=limits))


def opened(found: GraphFile) -> Graph:
    return Graph(found.data, stored=found)


def test_only_the_contents_of_large_constants_are_missing(tmp_path: Path) -> None:
    parts = [constant("a", LARGE), node("b", "Identity", "a"), constant("c", SMALL), constant("d", LARGE)]
    found, whole = stored(tmp_path, *parts), b"".join(parts)
    data = bytearray(found.data)
    assert [stop - start for start, stop in found.contents.items()] == [LARGE.nbytes] * 2
    for start, stop in found.contents.items():
        assert whole[start:stop] == LARGE.tobytes()
        assert data[start:stop] != LARGE.tobytes()
        data[start:stop] = LARGE.tobytes()
    assert data == whole


def test_a_large_constant_is_read_from_the_file(tmp_path: Path) -> None:
    graph = opened(stored(tmp_path, constant("c", SMALL), constant("a", LARGE)))
    found = {one.name: graph_def.constant(one) for one in graph.running("Const")}
    assert {name: tensor.read().tobytes() for name, tensor in found.items() if tensor is not None} == {
        "a": LARGE.tobytes(), "c": SMALL.tobytes(),
    }  # fmt: skip
    assert found["a"] is not None
    assert found["a"].part(slice(2, 4), slice(7, 9)).read().tolist() == LARGE[2:4, 7:9].tolist()


def test_a_large_constant_in_bfloat16_becomes_float32(tmp_path: Path) -> None:
    halves = (LARGE.view("<u4") >> 16).astype("<u2")
    value = integer(1, 14) + counted(2, tf.shape(LARGE.shape)) + counted(4, halves.tobytes())
    graph = opened(stored(tmp_path, node("a", "Const", value=counted(8, value)), constant("b", LARGE)))
    (found,) = [graph_def.constant(one) for one in graph.running("Const") if one.name == "a"]
    assert found is not None
    assert found.read().tobytes() == (halves.astype("<u4") << 16).tobytes()


def test_the_content_of_a_large_constant_is_no_scalar(tmp_path: Path) -> None:
    """The shape of one number, and bytes for many: what has not been read must not count as zeros."""
    value = integer(1, 1) + counted(2, b"") + counted(4, LARGE.tobytes())
    graph = opened(stored(tmp_path, node("a", "Const", value=counted(8, value))))
    assert [graph_def.scalar(one) for one in graph.running("Const")] == [None]


def test_a_file_that_was_cut_short_since_is_refused(tmp_path: Path) -> None:
    graph = opened(stored(tmp_path, constant("a", LARGE)))
    (found,) = [graph_def.constant(one) for one in graph.running("Const")]
    (tmp_path / "graph.pb").write_bytes(b"short")
    assert found is not None
    with pytest.raises(UnreadableModel, match=r"graph\.pb was changed while it was read"):
        found.read()


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.999])
def test_a_graph_that_is_cut_short_is_damaged(kept: float, tmp_path: Path) -> None:
    whole = constant("a", LARGE) + constant("b", LARGE) + constant("c", LARGE) + constant("d", LARGE) * 2
    found = stored(tmp_path, whole[: int(len(whole) * kept)])
    with pytest.raises(CorruptModel, match="cut short"):
        opened(found)


def test_a_graph_takes_the_memory_of_what_is_read_of_it(tmp_path: Path) -> None:
    limits = Limits(memory=2**20)
    assert len(stored(tmp_path, *[constant(f"c{k}", LARGE) for k in range(3)], limits=limits).contents) == 3
    with pytest.raises(RefusedModel, match=r"bytes beside large arrays; --limit memory=\dMiB allows it"):
        stored(tmp_path, counted(2, bytes(2**21)), limits=limits)


def test_large_contents_take_no_memory(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    numbers = np.ones((5000, 5000), "<f4")
    (tmp_path / "graph.pb").write_bytes(constant("a", numbers))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = opened(read_graph(Location(tmp_path / "graph.pb")))
    assert len(found) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < numbers.nbytes / 1024 / 4
