"""Check with TensorFlow's own readers the files that the tests build, in a separate process."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support import tensorflow_builders as tf
from support.tensorflow_builders import BFloat16, Object, layer, write_bundle, write_checkpoint

from lstmdump.readers.tensorflow.wire import partitions
from lstmdump.readers.tensorflow.wire.sstable import Table

pytestmark = pytest.mark.oracle

READ = """
import json, sys
import tensorflow as tf
reader = tf.train.load_checkpoint(sys.argv[1])
def plain(value):
    if hasattr(value, "dtype") and value.dtype == tf.bfloat16.as_numpy_dtype:
        value = value.astype("f4")
    return value.decode("latin-1") if isinstance(value, bytes) else [
        one.decode("latin-1") for one in value] if value.dtype == object else value.tolist()
print(json.dumps({name: plain(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}))
"""

WRITE_PIECES = """
import sys
import tensorflow as tf
starts = [int(text) for text in sys.argv[2:]]
whole = 2**62 + 4
tf.raw_ops.SaveV2(prefix=sys.argv[1], tensor_names=["big"] * len(starts),
    shape_and_slices=[f"{whole} {start},2" for start in starts], tensors=[tf.constant([1.0, 2.0])] * len(starts))
"""


def in_tensorflow(code: str, *arguments: object) -> str:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("needs the extra `oracle`")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def read(path: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(in_tensorflow(READ, path).splitlines()[-1])
    return answer


KERNEL = builders.numbers(5, 16)
TENSORS = {
    "float": KERNEL,
    "half": KERNEL.astype("f2"),
    "double": np.array(0.5),
    "bfloat": BFloat16(np.array([0x3F80, 0xC000], "u2")),
    "cut": KERNEL,
    "count": np.array(7, "i8"),
    "text": [b"a", b"bc\xc3\xa9", b""],
    "graph": b"one string",
    **{f"many/{k:03d}": np.array([k], "f4") for k in range(40)},
}


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(("shards", "per_block"), [(1, 1000), (3, 7)])
def test_tensorflow_reads_the_bundles_that_tests_make(
    shards: int, per_block: int, big_endian: bool, tmp_path: Path
) -> None:
    pieces = {"cut": [[(0, 2), (0, -1)], [(2, 3), (0, -1)]]}
    write_bundle(tmp_path / "x", TENSORS, shards=shards, per_block=per_block, big_endian=big_endian, pieces=pieces)
    found = read(tmp_path / "x")
    assert (found["float"], found["cut"], found["half"]) == (
        KERNEL.tolist(),
        KERNEL.tolist(),
        KERNEL.astype("f2").tolist(),
    )
    assert (found["bfloat"], found["double"], found["count"], found["many/039"]) == ([1.0, -2.0], 0.5, 7, [39.0])
    assert (found["text"], found["graph"]) == (["a", "bc\xc3\xa9", ""], "one string")
    assert found.keys() == TENSORS.keys()


def test_tensorflow_reads_the_object_checkpoints_that_tests_make(tmp_path: Path) -> None:
    one = layer("lstm/lstm_cell")
    write_checkpoint(tmp_path / "x", Object({"layer-0": one}))
    kernel = one.children["cell"].children["kernel"].values  # type: ignore[union-attr]
    assert read(tmp_path / "x")["layer-0/cell/kernel" + tf.ENDING] == kernel.tolist()  # type: ignore[union-attr]


def test_tensorflow_reads_the_checkpoints_of_the_first_format_that_tests_make(tmp_path: Path) -> None:
    path = tf.write_v1(
        tmp_path / "x", {"kernel": KERNEL, "cut": KERNEL}, {"cut": [[(0, 2), (0, -1)], [(2, 3), (0, -1)]]}
    )
    code = """
import json, sys
import tensorflow as tf
restored = {name: tf.raw_ops.Restore(file_pattern=sys.argv[1], tensor_name=name, dt=tf.float32) for name in ("kernel", "cut")}
print(json.dumps({name: value.numpy().tolist() for name, value in restored.items()}))
"""
    assert json.loads(in_tensorflow(code, path).splitlines()[-1]) == {"kernel": KERNEL.tolist(), "cut": KERNEL.tolist()}


def test_the_keys_of_pieces_are_those_that_tensorflow_writes(tmp_path: Path) -> None:
    starts = [0, 62, 64, 8190, 8192, 2**20, 2**31, 2**48, 2**55, 2**62]
    in_tensorflow(WRITE_PIECES, tmp_path / "x", *starts)
    keys = {key for key, _ in Table((tmp_path / "x.index").read_bytes()).items()}
    assert {partitions.key_of("big", [(start, 2)]) for start in starts} == {key for key in keys if key[:1] == b"\0"}
