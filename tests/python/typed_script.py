"""A user's script that calls each public name: it is checked by type checkers, and never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lstmdump

Array = NDArray[Any]


def show(path: Path) -> str:
    with lstmdump.open(path, limits=lstmdump.Limits()) as model:
        record: dict[str, Any] = model.record(with_others=True)
        rows: list[dict[str, Any]] = model.rows()
        names: list[str] = list(model)
        return f"{model.table()}{model.explain('gates')}{record}{rows}{names}{len(model)}{'lstm_1' in model}"


def read(lstm: lstmdump.LSTM) -> Array:
    gate: lstmdump.Gate = lstm.gates["f"]
    kernel: lstmdump.Tensor = gate.W
    bias: lstmdump.Tensor | None = gate.b
    whole: Array = np.asarray(kernel)
    size: int = kernel.ndim + len(kernel) + kernel.nbytes + kernel.size
    return whole[:size] if bias is None else np.asarray(bias, dtype="float64")


def run(model: lstmdump.OpenModel, x: Array) -> Array:
    states = model.trace(x, layer="lstm_*", mask=[1, 0], initial=(np.zeros(6), np.zeros(6)))
    arrays: dict[str, Array] = states.to_dict()
    one = model["lstm_1"].trace("x.npy", forget_bias=1.0)
    mask: Array | None = one.mask
    outputs: Array = states.y
    return np.concatenate([states.c, one.candidate, states["lstm_1"].h, outputs, *arrays.values(), mask or x])


def remember(model: lstmdump.OpenModel, x: Array) -> int | None:
    lags = model.lags({"input": x}, of="lstm_1", unit=0, most=10)
    first: float | None = lags.shares[0]
    for one in lags:
        print(one.name, one.norms, one.cumulative)
    return model["lstm_1"].lags().lag_95 if first is None else lags.lag_95


def move(lstm: lstmdump.LSTM) -> dict[str, Array]:
    assert isinstance(lstm.to_layout("c"), str)
    return {**lstm.to_pytorch(force=True), **lstm.to_onnx(), **lstm.to_keras(), **lstm.to_flax(), **lstm.to_openvino()}


def compare(a: str, b: Path) -> bool:
    differences = lstmdump.diff(a, b, layer="lstm_1", tolerance=1e-6)
    mismatches = lstmdump.check(a, params=240, layer_shape={"lstm_1": (3, 6)}, against={"layers": []})
    try:
        return differences.is_same and not [found.delta for found in mismatches]
    except lstmdump.errors.LstmdumpError as error:
        raise SystemExit(str(error)) from error
