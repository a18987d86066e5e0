"""The process in which another runtime runs the layers that were exported to it: PyTorch or ONNX Runtime.

It reads a request from stdin, runs it and writes the outputs to stdout, as `tensorflow_messages` has them. Each runtime
takes seconds and hundreds of megabytes to load, so that nothing else imports it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmdump.model.tensor import Array
from lstmdump.sandbox import tensorflow_messages


def main() -> None:
    """Answer one request."""
    out = sys.stdout.buffer
    request = tensorflow_messages.receive(sys.stdin.buffer)
    if request is None:
        return
    try:
        run = _RUNTIMES[request.fields["runtime"]]
        version, arrays = run(request.fields, request.arrays)
    except ImportError as error:
        tensorflow_messages.send(out, {"missing": str(error.name or error)})
    except Exception as error:  # noqa: BLE001 - whatever the runtime raises is reported
        tensorflow_messages.send(out, {"error": f"{type(error).__name__}: {error}"[:1000]})
    else:
        tensorflow_messages.send(out, {"version": version}, arrays)


def _run_pytorch(fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[str, dict[str, Array]]:
    """Load the state dict in `arrays` into an nn.LSTM and run it on `x`, (batch, length, d)."""
    import torch

    state = {name: torch.from_numpy(array) for name, array in arrays.items() if name != "x"}
    x = torch.from_numpy(arrays["x"])
    net = torch.nn.LSTM(
        x.shape[2], fields["units"], bias="bias_ih_l0" in state, batch_first=True,
        bidirectional="weight_ih_l0_reverse" in state, proj_size=fields["projection"] or 0,
    ).to(x.dtype)  # fmt: skip
    net.load_state_dict(state)
    with torch.no_grad():
        output, (_, cells) = net(x)
    width = fields["projection"] or fields["units"]
    found = {f"h{turn}": output[..., turn * width : (turn + 1) * width].numpy() for turn in range(len(cells))}
    return f"PyTorch {torch.__version__}", found | {f"c{turn}": cell.numpy() for turn, cell in enumerate(cells)}


_ONNX_TYPES = {"tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(double)": np.float64}


def _run_onnx(fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[str, dict[str, Array]]:
    """Run the node `name` of a graph, whose bytes are the array `graph`, on `x`, (batch, length, d)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(arrays["graph"].tobytes(), providers=["CPUExecutionProvider"])
    name, x = fields["name"], np.ascontiguousarray(arrays["x"].transpose(1, 0, 2))
    given = {
        one.name: (x if one.name == f"{name}/X" else np.zeros((1, 1, one.shape[2]))).astype(_ONNX_TYPES[one.type])
        for one in session.get_inputs()
    }
    output, cells = session.run([f"{name}/Y", f"{name}/Y_c"], given)
    found = {f"h{turn}": output[:, turn].transpose(1, 0, 2) for turn in range(len(cells))}
    return f"ONNX Runtime {onnxruntime.__version__}", found | {f"c{turn}": cell for turn, cell in enumerate(cells)}


_RUNTIMES = {"pytorch": _run_pytorch, "onnx": _run_onnx}
