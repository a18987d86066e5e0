"""Models of other runtimes of any size, without their packages. Sizes: d inputs, m units."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from benchmarks import keras_inputs
from support import builders, pytorch_builders, tflite_builders
from support import large_onnx_graphs as large
from support import onnx_builders as onnx

_SHARD = 4 << 20  # bytes, as the converter of TensorFlow.js cuts the weights
_SMALL = (4, 4)


def _as_pytorch(d: int, m: int, others: int = 0) -> dict[str, np.ndarray]:
    """Return the arrays of an nn.LSTM called lstm, and of `others` small layers beside it."""
    made = keras_inputs.weights(d, m)
    arrays = {"weight_ih": made["kernel"].T, "weight_hh": made["recurrent_kernel"].T, "bias_ih": made["bias"]}
    arrays["bias_hh"] = np.zeros_like(made["bias"])
    small = {f"blocks.{number}.weight": np.ones(_SMALL, np.float32) for number in range(others)}
    return {f"lstm.{leaf}_l0": values for leaf, values in arrays.items()} | small


def write_pt(path: Path, d: int, m: int, others: int = 0) -> Path:
    """Write a state dict as `torch.save` does, with `others` small arrays beside those of the LSTM."""
    made, storages = pytorch_builders.state_dict(_as_pytorch(d, m, others))
    return pytorch_builders.write_archive(path, pytorch_builders.memoized(made) if others else made, storages)


def write_safetensors(path: Path, d: int, m: int, others: int = 0) -> Path:
    """Write a state dict as safetensors, with `others` small arrays beside those of the LSTM."""
    return pytorch_builders.write_safetensors(path, _as_pytorch(d, m, others))


def _by_gate(made: Mapping[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Return the parts of the gates i, f, c and o, with a gate in rows, by the name of the array."""
    return {leaf: np.split(values.T, 4) for leaf, values in made.items()}


def write_onnx(path: Path, d: int, m: int) -> Path:
    """Write an LSTM node of ONNX, whose gates are in the order i, o, f, c."""
    parts = _by_gate(keras_inputs.weights(d, m))
    w, r, b = (np.concatenate([of[gate] for gate in (0, 3, 1, 2)])[None] for of in parts.values())
    return onnx.write(path, onnx.lstm({"W": w, "R": r, "B": np.concatenate([b, np.zeros_like(b)], 1)}))


def write_many_nodes(path: Path, nodes: int) -> Path:
    """Write a graph of ONNX with an LSTM among so many nodes."""
    return onnx.write(path, large.graph(nodes // 10, large.lstm(), large.LSTM_SHAPES))


def write_unrolled(path: Path, steps: int) -> Path:
    """Write a graph of ONNX with a cell that is unrolled."""
    return onnx.write(path, large.graph(0, large.cell(steps), large.CELL_SHAPES))


def write_tflite(path: Path, d: int, m: int) -> Path:
    """Write an LSTM operator of TensorFlow Lite."""
    kernels, recurrent, biases = _by_gate(keras_inputs.weights(d, m)).values()
    arrays: dict[str, np.ndarray] = {}
    for number, gate in enumerate(tflite_builders.GATES):
        arrays |= {f"input_to_{gate}": kernels[number], f"recurrent_to_{gate}": recurrent[number],
                   f"{gate}_gate_bias": biases[number]}  # fmt: skip
    path.write_bytes(tflite_builders.fused(arrays))
    return path


def write_tfjs(directory: Path, d: int, m: int) -> Path:
    """Write a layers model of TensorFlow.js, whose weights are cut into files of 4 MiB; return its JSON."""
    directory.mkdir()
    made = keras_inputs.weights(d, m)
    data = b"".join(values.tobytes() for values in made.values())
    bounds = [*range(0, len(data), _SHARD), len(data)]
    names = [f"group1-shard{number}of{len(bounds) - 1}.bin" for number in range(1, len(bounds))]
    for name, (start, stop) in zip(names, pairwise(bounds), strict=True):
        (directory / name).write_bytes(data[start:stop])
    weights = [{"name": f"{keras_inputs.LAYER}/{leaf}", "shape": list(values.shape), "dtype": "float32"}
               for leaf, values in made.items()]  # fmt: skip
    layers = builders.sequential(builders.lstm_config(keras_inputs.LAYER, m, batch_input_shape=[None, None, d]))
    topology = {"keras_version": "tfjs-layers 4.22.0", "backend": "tensor_flow.js", "model_config": layers}
    model = {"format": "layers-model", "modelTopology": topology,
             "weightsManifest": [{"paths": names, "weights": weights}]}  # fmt: skip
    path = directory / "model.json"
    path.write_text(json.dumps(model), "utf-8")
    return path


def write_graph_models(directory: Path, model: Path, layers: int) -> Path:
    """Write the graph model of TensorFlow.js whose JSON is at `model`, of one layer `enc`, with so many of them."""
    directory.mkdir()
    made = json.loads(model.read_text("utf-8"))
    nodes, (group,) = made["modelTopology"]["node"], made["weightsManifest"]
    shared = [node for node in nodes if "enc" not in node["name"]]
    made["modelTopology"]["node"] = [*shared]
    made["weightsManifest"] = []
    for number in range(layers):
        own = json.dumps([[node for node in nodes if node not in shared], group]).replace("enc", f"enc{number or ''}")
        own_nodes, own_group = json.loads(own)
        made["modelTopology"]["node"] += own_nodes
        made["weightsManifest"].append(own_group | {"paths": [f"group{number + 1}-shard1of1.bin"]})
        (directory / f"group{number + 1}-shard1of1.bin").write_bytes((model.parent / group["paths"][0]).read_bytes())
    path = directory / "model.json"
    path.write_text(json.dumps(made), "utf-8")
    return path
