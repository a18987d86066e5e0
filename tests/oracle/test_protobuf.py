"""Compare fields that are there several times, and choices, with TensorFlow's own messages."""

from __future__ import annotations

import numpy as np
import pytest
from support import tensorflow_builders as tf
from support.tensorflow_builders import counted, integer

from lstmdump.errors import CorruptModel
from lstmdump.readers.tensorflow.graph.graph_def import Graph
from lstmdump.readers.tensorflow.wire import bundle, dtypes

pytestmark = pytest.mark.oracle

TENSOR = counted(8, tf.tensor(np.ones((2, 3), "<f4")))
ZEROS = counted(8, tf.tensor(np.zeros(2, "<f4")))


def value(parts: bytes) -> bytes:
    return counted(5, counted(1, "value") + parts)


@pytest.mark.parametrize(
    "attributes",
    [
        value(counted(2, TENSOR + ZEROS)),
        value(counted(2, TENSOR) + counted(2, ZEROS)),
        value(counted(2, TENSOR)) + value(counted(2, ZEROS)),
        value(counted(2, counted(8, counted(4, b"abcd")) + TENSOR)),
        value(counted(2, TENSOR + integer(3, 5))),
        value(counted(2, TENSOR + integer(3, 5) + TENSOR)),
    ],
)
def test_a_constant_is_read_as_by_tensorflow_or_refused(attributes: bytes) -> None:
    node_def_pb2 = pytest.importorskip("tensorflow.core.framework.node_def_pb2", reason="needs the extra `oracle`")
    data = counted(1, "a") + counted(2, "Const") + attributes
    theirs = node_def_pb2.NodeDef.FromString(data).attr["value"]
    ours = Graph(counted(1, data)).node("a")
    assert ours is not None
    try:
        message = ours.value
    except CorruptModel as error:
        assert "two values" in str(error)  # noqa: PT017 - the constants that hold one are compared
        return
    assert message is not None
    assert dtypes.shape_of(message.message(2)) == tuple(one.size for one in theirs.tensor.tensor_shape.dim)
    assert (bytes(message.bytes(4)), message.integer(1)) == (theirs.tensor.tensor_content, theirs.tensor.dtype)


@pytest.mark.parametrize("first", [b"", counted(2, tf.shape([3])), integer(4, 7), integer(1, 9) + integer(5, 2)])
@pytest.mark.parametrize("last", [b"", counted(2, tf.shape([5, 6])), integer(3, 7)])
def test_an_entry_is_read_as_by_tensorflow(first: bytes, last: bytes) -> None:
    tensor_bundle_pb2 = pytest.importorskip(
        "tensorflow.core.protobuf.tensor_bundle_pb2", reason="needs the extra `oracle`"
    )
    data = first + tf.entry("float32", [3, 4], 0, 8, 48, 5) + last
    theirs = tensor_bundle_pb2.BundleEntryProto.FromString(data)
    ours = bundle._parse_entry(data)
    assert (ours.shape, ours.shard, ours.offset, ours.size, ours.checksum) == (
        tuple(one.size for one in theirs.shape.dim), theirs.shard_id, theirs.offset, theirs.size, theirs.crc32c)  # fmt: skip
