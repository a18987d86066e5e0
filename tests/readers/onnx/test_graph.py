"""Fields of ONNX nodes that are there several times: the last of scalars counts, and messages in parts are refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from support import onnx_builders as onnx
from support.tensorflow_builders import counted, float32, integer

from lstmdump.errors import CorruptModel
from lstmdump.model.limits import DEFAULTS
from lstmdump.readers.onnx.graph import OnnxNode
from lstmdump.readers.onnx.model_file import ModelFile


def node(*attributes: bytes) -> OnnxNode:
    """Return a node with these AttributeProtos."""
    data = onnx.node("LSTM", ["X"], ["Y"]) + b"".join(counted(5, one) for one in attributes)
    return OnnxNode(ModelFile(io.BytesIO(data), "m.onnx", DEFAULTS), (0, len(data)), None)  # type: ignore[arg-type]


def test_the_last_scalar_of_an_attribute_counts() -> None:
    found = node(
        counted(1, "x") + integer(3, 1) + counted(1, "i") + integer(3, 2),
        counted(1, "f") + float32(2, 0.5) + float32(2, 0.25),
        counted(1, "s") + counted(4, "forward") + counted(4, "reverse"),
    )
    assert (found.integer("i"), found.attributes["f"].number(), found.text("s")) == (2, 0.25, "reverse")


def test_an_attribute_whose_tensor_is_in_parts_is_damage() -> None:
    one = counted(5, onnx.tensor("", np.zeros(2, "f4")))
    with pytest.raises(CorruptModel, match="a value of an attribute is stored in 2 parts"):
        node(counted(1, "value") + one + one).stored("value")


def test_two_attributes_of_one_name_are_damage() -> None:
    with pytest.raises(CorruptModel, match="a node LSTM of the graph has two attributes of one name"):
        node(onnx.attribute("hidden_size", 4), onnx.attribute("hidden_size", 5)).integer("hidden_size")
