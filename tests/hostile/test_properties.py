"""Properties that hold for all inputs of hypothesis; `HOSTILE_EXAMPLES=2000` sets the number of examples."""

from __future__ import annotations

import io
import itertools
import json
import os
import unicodedata
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path, PurePosixPath, PureWindowsPath
from random import Random
from typing import Any
from urllib.parse import unquote

import h5py
import numpy as np
import pytest
from hostile import good_keras, good_tensorflow
from hostile.good_keras import Sizes
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support import builders
from support import tensorflow_builders as tensorflow
from support.tensorflow_builders import counted, integer, node

import lstmdump
from lstmdump.errors import LstmdumpError
from lstmdump.export.zip_writer import ZipWriter
from lstmdump.model.escape import key, visible
from lstmdump.model.location import Location
from lstmdump.readers.raw_array import StoredArray
from lstmdump.readers.tensorflow.wire.bundle import Bundle
from lstmdump.readers.tensorflow.wire.sstable import Table
from lstmdump.report import record
from lstmdump.report.facts import describe

SIZE = Sizes(3, 4, 1)
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

anything = settings(
    max_examples=int(os.environ.get("HOSTILE_EXAMPLES", "40")),
    derandomize="HOSTILE_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which each example overwrites the one before."""
    return tmp_path_factory.mktemp("examples")


def read(path: Path) -> dict[str, np.ndarray] | None:
    """Describe and read all gates of the model at `path`; return None if it is refused."""
    try:
        with lstmdump.open(path) as model:
            line = record.line(record.of(describe(model), with_others=True))
            assert_one_line(line)
            return {tensor.name: tensor.read() for lstm in model.lstms for tensor in lstm.arrays()}
    except LstmdumpError as error:
        assert_one_line(str(error))
        return None


def assert_one_line(text: str) -> None:
    assert len(visible(text).splitlines()) == 1


def same(found: dict[str, np.ndarray] | None, good: Any) -> bool:
    """Return whether `found` is None, or has only arrays that `good` has."""
    return found is None or all(key in good and np.array_equal(good[key], values) for key, values in found.items())


# --- text


@anything
@given(st.text())
@example("\u202e")
def test_visible_text_has_no_control_characters(text: str) -> None:
    assert not any(unicodedata.category(sign) in UNSEEN for sign in visible(text))


@anything
@given(st.text())
def test_visible_text_is_not_changed_again(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@anything
@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("%2F/..")
def test_names_can_be_decoded_from_keys(name: str) -> None:
    assert unquote(key(name)) == name


@anything
@given(st.lists(st.text(st.sampled_from("./\\:%~ ab\n\u200b"), min_size=1), min_size=1))
def test_no_key_is_a_path_outside_the_directory(steps: list[str]) -> None:
    found = key("/".join(steps))
    for path in (PurePosixPath(found), PureWindowsPath(found)):
        assert not path.is_absolute()
        assert not path.drive
        assert ".." not in path.parts


@anything
@given(st.dictionaries(st.text(), st.text()))
def test_a_json_record_is_one_line_with_the_given_values(value: dict[str, str]) -> None:
    line = record.line(value)
    assert json.loads(line) == value
    assert not any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} for sign in line)


# --- tables, bundles, archives

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
keys = st.binary(min_size=1, max_size=20)
dtypes = st.sampled_from(["float32", "float64", "float16", "int32", "int64", "uint8", "bool"])
values = arrays.arrays(dtypes, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))


@anything
@given(st.dictionaries(keys, st.binary(max_size=40)), st.integers(1, 5), st.integers(1, 16))
def test_a_table_returns_the_entries_written(entries: dict[bytes, bytes], per_block: int, restart_every: int) -> None:
    data = tensorflow.table(sorted(entries.items()), per_block=per_block, restart_every=restart_every)
    table = Table(data)
    assert list(table.items()) == sorted(entries.items())
    assert {key: bytes(table.get(key) or b"") for key in entries} == entries


@anything
@given(st.dictionaries(names, values, min_size=1, max_size=5), st.integers(1, 3), st.booleans())
def test_a_bundle_returns_the_tensors_written(
    place: Path, tensors: dict[str, np.ndarray], shards: int, big_endian: bool
) -> None:
    prefix = tensorflow.write_bundle(place / "x", tensors, shards=shards, big_endian=big_endian)
    with closing(Bundle(Location(prefix))) as bundle:
        found = {name: bundle.tensor(name).read() for name in tensors}
    assert all(found[name].dtype == one.dtype and found[name].shape == one.shape for name, one in tensors.items())
    assert all(found[name].tobytes() == one.tobytes() for name, one in tensors.items())


@anything
@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_pieces_of_any_size_are_joined(place: Path, rows: int, columns: int, data: st.DataObject) -> None:
    cuts = sorted({0, rows, *data.draw(st.lists(st.integers(0, rows), max_size=3))})
    pieces = [[(start, stop - start), (0, -1)] for start, stop in itertools.pairwise(cuts)]
    kernel = builders.numbers(rows, columns)
    prefix = tensorflow.write_bundle(place / "x", {"kernel": kernel}, pieces={"kernel": pieces})
    with closing(Bundle(Location(prefix))) as bundle:
        assert np.array_equal(bundle.tensor("kernel").read(), kernel)


@anything
@given(st.data())
def test_any_part_of_a_stored_array_is_read(data: st.DataObject) -> None:
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=4, max_side=5))
    whole = np.arange(np.prod(shape), dtype="<i4").reshape(shape)
    starts = [data.draw(st.integers(0, length)) for length in shape]
    cuts = tuple(
        slice(start, data.draw(st.integers(start, length))) for start, length in zip(starts, shape, strict=True)
    )
    stored = StoredArray(lambda: io.BytesIO(b"head" + whole.tobytes()), "it", 4, shape, 4)
    assert bytes(stored.block(cuts)) == whole[cuts].tobytes()
    assert b"".join(map(bytes, stored.rows())) == whole.tobytes()


@anything
@given(st.dictionaries(names, st.binary(max_size=300), max_size=5), st.booleans())
def test_an_archive_returns_the_members_written(members: dict[str, bytes], deflated: bool) -> None:
    into = io.BytesIO()
    archive = ZipWriter(into)
    for name, content in members.items():
        member = archive.deflated(name) if deflated else archive.stored(name, len(content))
        member.write(content)
        member.close()
    archive.close()
    with zipfile.ZipFile(into) as made:
        assert made.testzip() is None
        assert {info.orig_filename: made.read(info) for info in made.infolist()} == members


# --- models

steps = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8
).filter(lambda step: step not in (".", "cell"))  # fmt: skip
trees = st.lists(
    st.lists(steps | st.sampled_from(["layers", "lstm", "a", "b"]), min_size=1, max_size=5),
    min_size=1,
    max_size=4,
)


@anything
@given(trees)
def test_lstms_in_any_tree_of_groups_are_read_or_refused(place: Path, tree: list[list[str]]) -> None:
    good: list[bytes] = []
    (place / "x.weights.h5").unlink(missing_ok=True)
    with h5py.File(place / "x.weights.h5", "w") as file:
        for seed, way in enumerate({tuple(way) for way in tree}):
            made = builders.fused(builders.gates(2, 3, seed))
            group = file.require_group("/".join([*way, "vars"]))
            for number, values in enumerate(made.values()):
                group[str(number)] = values
            good.append(made["recurrent_kernel"][:, :3].tobytes())
    found = read(place / "x.weights.h5")
    if found is not None:
        assert sorted(values.tobytes() for key, values in found.items() if key.endswith("U_i")) == sorted(good)


WORDS = ("class_name", "config", "layers", "layer", "backward_layer", "cell", "cells", "name", "units", "use_bias", "trainable",
         "registered_name", "module", "shared_object_id", "merge_mode", "dtype", "class", "build_config")  # fmt: skip
KINDS = ("LSTM", "GRU", "Sequential", "Functional", "Model", "Bidirectional", "TimeDistributed", "RNN", "StackedRNNCells",
         "LSTMCell", "Dense", "InputLayer", "demo>Mine", "ConvLSTM2D", "CuDNNLSTM", "Merge")  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
some_json = st.recursive(
    scalars | st.sampled_from([*KINDS, "lstm_1", "dense_1", "4", "bfloat16"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)
some_layers = st.deferred(
    lambda: st.fixed_dictionaries(
        {
            "class_name": st.sampled_from(KINDS),
            "config": st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["lstm_1", "dense_1", "x", "forward_lstm_1"]) | some_json,
                    "units": st.just(4) | some_json,
                    "layers": st.lists(some_layers, max_size=3) | some_json,
                    "layer": some_layers | some_json,
                    "backward_layer": some_layers,
                    "cell": some_layers,
                    "cells": st.lists(some_layers, max_size=3),
                    "use_bias": some_json,
                    "trainable": st.booleans(),
                },
            ),
        }
    )
)


@anything
@given(some_json | some_layers)
def test_an_architecture_of_any_json_is_refused_or_its_numbers_are_right(place: Path, value: Any) -> None:
    path = place / "x.h5"
    path.unlink(missing_ok=True)
    good_keras.LAYOUTS[2].write(path, SIZE)
    builders.change(path, lambda file: file.attrs.modify("model_config", json.dumps(value)))
    found = read(path)
    assert found is None or {one.tobytes() for one in found.values()} <= GOOD


@anything
@given(some_json | some_layers)
def test_a_config_json_of_any_json_is_refused_or_its_numbers_are_right(place: Path, value: Any) -> None:
    config = json.dumps(value).encode()
    path = builders.zipped(place / "x.keras", builders.members(config, WEIGHTS))
    found = read(path)
    assert found is None or {one.tobytes() for one in found.values()} <= GOOD


GOOD = {values.tobytes() for values in builders.gates(*SIZE).values()}
WEIGHTS = builders.saved_bytes(
    {
        f"layers/{good_keras.NAME}/cell": builders.cell(*SIZE),
        "layers/dense_1": [builders.numbers(4, 1), builders.numbers(1)],
    }
)

edges = st.sampled_from(["layer", "cell", "kernel", "recurrent_kernel", "bias", "layer-0", "layer_with_weights-0", "layers", "0",
                         "keras_api", "variables", "optimizer", "forward_layer", "backward_layer", "cells", "a/b", "_x"])  # fmt: skip


objects = st.tuples(st.lists(st.tuples(edges, st.integers(0, 8)), max_size=4), st.integers(0, 3))


@anything
@given(st.lists(st.tuples(edges, st.integers(0, 8)), max_size=4), st.lists(objects, max_size=6))
def test_any_graph_of_objects_is_refused_or_its_numbers_are_right(place: Path, roots: Any, others: Any) -> None:
    """Build a root with edges to a cell and other nodes; the next nodes are the cell's three variables, then the others."""
    fused = list(builders.fused(builders.gates(*SIZE)).items())
    cell = [(leaf, number + 2) for number, (leaf, _) in enumerate(fused)]
    nodes = [([("layer-0", 1), *roots], 3), (cell, 3), *(([], number) for number in range(3)), *others]
    data, tensors = b"", {}
    for number, (children, variable) in enumerate(nodes):
        text = b"".join(counted(1, integer(1, child % len(nodes)) + counted(2, edge)) for edge, child in children)
        if variable < 3:
            leaf, values = fused[variable]
            key = f"v{number}/{leaf}{tensorflow.ENDING}"
            tensors[key] = values
            text += counted(2, counted(1, "VARIABLE_VALUE") + counted(2, f"lstm/{leaf}") + counted(3, key))
        data += counted(1, text)
    path = tensorflow.write_bundle(place / "x", {**tensors, "_CHECKPOINTABLE_OBJECT_GRAPH": data})
    found = read(path)
    assert found is None or {one.tobytes() for one in found.values()} <= GOOD


OPERATIONS = ("Const", "Identity", "Enter", "MatMul", "BiasAdd", "Add", "AddV2", "Split", "SplitV", "Sigmoid", "Tanh", "ConcatV2",
              "VariableV2", "ReadVariableOp", "BlockLSTM", "LSTMBlockCell", "While", "NextIteration", "Merge", "Switch", "Mul")  # fmt: skip


@anything
@given(
    st.lists(
        st.tuples(
            st.sampled_from(OPERATIONS),
            st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["", ":1", ":2", "/read"])), max_size=4),
        ),
        max_size=13,
    )
)
def test_any_graph_of_nodes_is_refused_or_read(place: Path, nodes: Any) -> None:
    fixed = list(good_tensorflow.cell(SIZE).items())[:2]
    data = b"".join(tensorflow.constant(name, values) for name, values in fixed)
    called = [*(name for name, _ in fixed), *(f"rnn/lstm_cell/n{number}" for number in range(13))]
    for number, (operation, inputs) in enumerate(nodes):
        taken = [called[place % len(called)] + ending for place, ending in inputs]
        data += node(called[number + 2], operation, *taken, num_split=integer(3, 4), dtype=integer(6, 1))
    path = place / "graph.pb"
    path.write_bytes(data)
    read(path)


# --- files that end anywhere


def _keras(name: str) -> Callable[[Path], Path]:
    layout = next(layout for layout in good_keras.LAYOUTS if layout.name == name)
    return lambda place: good_keras.make(layout, place, SIZE)


def _tensorflow(kind: good_tensorflow.Kind) -> Callable[[Path], Path]:
    return lambda place: kind.write(place, SIZE)


CUT = {layout.name: (_keras(layout.name), layout.layer, "") for layout in good_keras.LAYOUTS if layout.name not in ("keras directory", "shards")} | {
    f"{kind.name} {Path(part).name}": (_tensorflow(kind), kind.layer, part) for kind in good_tensorflow.KINDS for part in kind.parts
}  # fmt: skip


@pytest.mark.parametrize("kind", CUT)
def test_a_file_that_ends_anywhere_is_refused_or_its_numbers_are_right(kind: str, tmp_path: Path) -> None:
    make, layer, part = CUT[kind]
    path = make(tmp_path)
    file = tmp_path / part if part else path
    whole = file.read_bytes()
    good = good_tensorflow.gates(SIZE, layer)
    for end in Random(1).sample(range(len(whole)), min(len(whole), anything.max_examples)):  # noqa: S311
        file.write_bytes(whole[:end])
        assert same(read(path), good), end
