"""safetensors: a header of JSON and arrays, of which no byte may be left over or belong to two."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import builders
from support.pytorch_builders import lstm, write_header, write_safetensors

import lstmdump
from lstmdump.errors import CorruptModel, ModelClosed, RefusedModel
from lstmdump.report.facts import describe


def producer(path: Path) -> str:
    with lstmdump.open(path) as model:
        return model.producer


def header(**entries: Any) -> bytes:
    return json.dumps(entries).encode()


def entry(shape: Any, start: Any, stop: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def error(path: Path) -> str:
    with pytest.raises(CorruptModel) as caught:
        producer(path)
    return str(caught.value)


def test_gates_are_the_rows_of_the_arrays(tmp_path: Path) -> None:
    gates = builders.gates(3, 4)
    with lstmdump.open(write_safetensors(tmp_path / "m", lstm(prefix="net."))) as model:
        (layer,) = model.lstms
        assert (layer.name, layer.input_dim, layer.units, model.format) == ("net/l0", 3, 4, "safetensors")
        for gate in "ifco":
            np.testing.assert_array_equal(layer.gates[gate].U.read(), gates[f"U_{gate}"])


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"format": "pt"}, "pytorch"),
        ({"format": "mlx"}, "mlx"),
        (None, "an unknown program"),
        ({}, "an unknown program"),
    ],
)
def test_the_producer_is_what_the_header_states(metadata: Any, expected: str, tmp_path: Path) -> None:
    assert producer(write_safetensors(tmp_path / "m", lstm(), metadata=metadata)) == expected


def test_a_header_may_be_padded_with_spaces(tmp_path: Path) -> None:
    assert producer(write_header(tmp_path / "m", header(a=entry([1], 0, 4)) + b"   ", bytes(4))) == "an unknown program"


def test_types_without_a_counterpart_in_numpy_are_named(tmp_path: Path) -> None:
    path = write_header(tmp_path / "m", header(a=entry([2], 0, 2, "F8_E4M3")), bytes(2))
    with lstmdump.open(path) as model:
        assert [(one.tensor, one.dtype) for one in describe(model).others] == [("a", "F8_E4M3")]


def test_a_file_without_arrays_is_no_error(tmp_path: Path) -> None:
    with lstmdump.open(write_header(tmp_path / "m", b"{}")) as model:
        assert (model.lstms, model.model.parameters) == ((), 0)


def test_a_closed_model_gives_no_numbers(tmp_path: Path) -> None:
    with lstmdump.open(write_safetensors(tmp_path / "m", lstm())) as model:
        kernel = model.lstms[0].gates["i"].W
    with pytest.raises(ModelClosed):
        kernel.read()


def test_arrays_that_overlap_are_an_error(tmp_path: Path) -> None:
    path = write_header(tmp_path / "m", header(a=entry([2], 0, 8), b=entry([2], 4, 12)), bytes(12))
    assert error(path) == "b overlaps the array before it"


def test_two_arrays_of_one_name_are_an_error(tmp_path: Path) -> None:
    twice = header(a=entry([1], 0, 4))[:-1] + b", " + header(a=entry([1], 4, 8))[1:]
    assert error(write_header(tmp_path / "m", twice, bytes(8))) == "a leaves bytes before it that are no array's"


def test_bytes_left_over_are_an_error(tmp_path: Path) -> None:
    path = write_header(tmp_path / "m", header(a=entry([1], 0, 4)), bytes(9))
    assert error(path) == "5 bytes at the end of the file are no array's"


def test_a_file_that_is_cut_short_is_an_error_at_any_length(tmp_path: Path) -> None:
    data = write_safetensors(tmp_path / "m", {"a": builders.numbers(3)}).read_bytes()
    for length in range(10, len(data)):
        (tmp_path / "m").write_bytes(data[:length])
        assert "cut short" in error(tmp_path / "m")


@pytest.mark.parametrize(
    "wrong",
    [entry([3], 0, 8), entry([-2], 0, 8), entry([2.0], 0, 8), entry([True], 0, 4), entry("2", 0, 8), entry([2], 8, 0),
     entry([2], 0, 8, "F64"), entry([2], -8, 0), entry([2], 0, "8"), entry([1] * 99 + [2], 0, 8), entry([2], 0, 8, 5),
     {"dtype": "F32", "shape": [2]}, [1], 7, None, entry([0, 2**62], 0, 0)],
)  # fmt: skip
def test_an_entry_that_cannot_be_is_an_error(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(CorruptModel):
        producer(write_header(tmp_path / "m", header(a=wrong), bytes(8)))


@pytest.mark.parametrize("text", [b"{", b'{"a"}', b'{"a":1', b'{"\xff":1}'])
def test_a_header_that_is_not_json_is_an_error(text: bytes, tmp_path: Path) -> None:
    assert error(write_header(tmp_path / "m", text.ljust(9))) == "the header is not valid JSON"


def test_a_header_longer_than_the_limit_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "m").open("wb") as file:
        file.write(struct.pack("<Q", 20 << 20) + b'{"a"')
        file.truncate(30 << 20)
    with pytest.raises(RefusedModel, match=r"json_size=20 \* 2\*\*20"):
        producer(tmp_path / "m")


def test_a_header_of_deep_lists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedModel, match="json_depth"):
        producer(write_header(tmp_path / "m", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"))
