"""Helpers for targets that read whole models: files in a directory, and checks of the model interface."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import numpy as np

from lstmdump.errors import LstmdumpError
from lstmdump.lstm import LSTM, behaviour, find_lstms
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Model
from lstmdump.report.facts import describe

_MEMORY = Path("/dev/shm")  # noqa: S108 - a private directory is created in it
_MANY, _TOO_MANY = 1 << 20, 1 << 24  # elements: between them, reading is slow; more are refused


@contextmanager
def written(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Create a temporary directory with `files`."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        for path, content in files.items():
            file = directory / path
            if "/" in path:
                file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        yield directory


def examine(model: Model, *, most: int = 1000) -> None:
    """Read all of `model`: layers, description, and the numbers of at most `most` arrays; and check that it closes.

    Raises:
        AssertionError: The model contradicts itself.
    """
    with model:
        lstms: tuple[LSTM, ...] = ()
        with suppress(LstmdumpError):
            lstms = find_lstms(model)
        describe(LoadedModel("fuzzed", model, lstms))
        _ask(model, lstms)
        read = [tensor for tensor in islice(model.tensors(), most) if _examine(tensor)]
        for array in islice((array for lstm in lstms for array in lstm.arrays()), most):
            _examine(array)
    for tensor in read:
        with suppress(LstmdumpError):
            tensor.read()
            raise AssertionError(f"{tensor} could be read after the model was closed")


def _ask(model: Model, lstms: Sequence[LSTM]) -> None:
    """Read the behaviour of `lstms`, and the layers of `model` that each of them follows."""
    for lstm in lstms:
        with suppress(LstmdumpError):
            behaviour.of(lstm, model.producer)
    with suppress(LstmdumpError):
        paths = {layer.path for layer in model.root.walk()}
        for path, source in model.sources().items():
            assert {path, *source.layers} <= paths, f"{path} or the layer before it is not a layer of the model"


def _examine(tensor: Tensor) -> bool:
    """Read `tensor`; return whether it has numbers."""
    assert all(isinstance(extent, int) and extent >= 0 for extent in tensor.shape), tensor
    if _MANY < math.prod(tensor.shape) <= _TOO_MANY:
        return False
    try:
        values = tensor.read()
    except LstmdumpError:
        return False
    assert values.shape == tensor.shape
    assert values.dtype == np.dtype(tensor.value_dtype)
    octets = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    if tensor.rows is not None:
        assert b"".join(map(bytes, tensor.rows())) == octets, f"the rows of {tensor} differ from the whole"
    if tensor.shape:
        cut = slice(tensor.shape[0] // 3, tensor.shape[0])
        assert tensor.part(cut).read().tobytes() == values[cut].tobytes(), f"a part of {tensor} differs from the whole"
    return bool(values.size)
