"""What all targets that read whole models share: files in a directory, and a look at all that a model promises."""

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
from lstmdump.lstm.open_model import OpenModel
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Model
from lstmdump.report.facts import describe

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
_MANY, _TOO_MANY = 1 << 20, 1 << 24  # elements: those in between are read, but it takes long; more are refused


@contextmanager
def written(files: Mapping[str, bytes]) -> Iterator[Path]:
    """A directory with FILES in it, for as long as it is needed."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        for path, content in files.items():
            file = directory / path
            if "/" in path:
                file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        yield directory


def examine(model: Model, *, most: int = 1000) -> None:
    """Look at all of MODEL: its layers, what is said of it, the numbers of at MOST so many arrays; and whether it closes.

    Raises:
        AssertionError: it gives something else than it promised.
    """
    with model:
        lstms: tuple[LSTM, ...] = ()
        with suppress(LstmdumpError):
            lstms = find_lstms(model)
        describe(OpenModel("fuzzed", model, lstms))
        _ask(model, lstms)
        read = [tensor for tensor in islice(model.tensors(), most) if _examine(tensor)]
        for array in islice((array for lstm in lstms for array in lstm.arrays()), most):
            _examine(array)
    for tensor in read:
        with suppress(LstmdumpError):
            tensor.read()
            raise AssertionError(f"{tensor} could be read when the model was closed")


def _ask(model: Model, lstms: Sequence[LSTM]) -> None:
    """Ask how LSTMS compute, and which layers of MODEL follow which."""
    for lstm in lstms:
        with suppress(LstmdumpError):
            behaviour.of(lstm, model.producer)
    with suppress(LstmdumpError):
        paths = {layer.path for layer in model.root.walk()}
        for path, source in model.sources().items():
            assert {path, *source.layers} <= paths, f"{path} or what it follows is no layer"


def _examine(tensor: Tensor) -> bool:
    """Read TENSOR; whether it has numbers."""
    assert all(isinstance(extent, int) and extent >= 0 for extent in tensor.shape), tensor
    if _MANY < math.prod(tensor.shape) <= _TOO_MANY:
        return False
    try:
        values = tensor.read()
    except LstmdumpError:
        return False
    assert values.shape == tensor.shape
    assert values.dtype == np.dtype("float32" if tensor.dtype == "bfloat16" else tensor.dtype)
    octets = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    if tensor.rows is not None:
        assert b"".join(map(bytes, tensor.rows())) == octets, f"{tensor} has other rows than numbers"
    if tensor.shape:
        cut = slice(tensor.shape[0] // 3, tensor.shape[0])
        assert tensor.part(cut).read().tobytes() == values[cut].tobytes(), f"a part of {tensor} is another"
    return bool(values.size)
