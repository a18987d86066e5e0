"""The cells of TensorFlow 1: one kernel over input and state, and a forget bias that is added when they run."""

from __future__ import annotations

from collections.abc import Mapping

from lstmdump.errors import NotAnLSTM
from lstmdump.lstm import gate_layouts
from lstmdump.lstm.cell import GATES, LSTM, Gate, LSTMWeight
from lstmdump.lstm.roles import Role
from lstmdump.model.kinds import kind_named
from lstmdump.model.tensor import Tensor
from lstmdump.model.tree import Layer, finite_number

_NORMALIZED_PARTS = ("input", "transform", "forget", "output", "state")
_ROLES = {
    "kernel": Role.FUSED_KERNEL,
    "bias": Role.BIAS,
    "projection/kernel": Role.PROJECTION,
    **{f"w_{letter}_diag": Role.PEEPHOLE for letter in "ifo"},
    **{f"{part}/{array}": Role.NORMALIZATION for part in _NORMALIZED_PARTS for array in ("gamma", "beta")},
}
_NO_FORGET_BIAS = ("the cell adds a forget bias to b_f at run time, which is not in this file (TensorFlow's default "
                   "is 1.0)")  # fmt: skip
_NORMALIZED = ("its gates are normalized before they act, which gamma and beta are for; W and U alone do not give "
               "them")  # fmt: skip


def read(layer: Layer) -> tuple[LSTM, Mapping[str, Tensor]]:
    """The LSTM that LAYER is, and those of its arrays that make it up.

    The rows of the kernel are d+h, where h is m, or the projection's width.

    Raises:
        NotAnLSTM: its kernel has other rows or columns.
    """
    arrays = {leaf: layer.weights[leaf] for leaf in _ROLES if leaf in layer.weights}
    kernel, projection = arrays["kernel"], arrays.get("projection/kernel")
    if len(kernel.shape) != 2 or (projection is not None and len(projection.shape) != 2):
        raise NotAnLSTM(f"{layer.name}: {kernel.name} is {kernel.shape}, which is no matrix")
    units = kernel.shape[1] // len(GATES)
    width = None if projection is None else projection.shape[1]
    input_dim = kernel.shape[0] - (units if width is None else width)
    if kernel.shape[1] % len(GATES) or not units or input_dim < 1:
        raise NotAnLSTM(
            f"{layer.name}: {kernel.name} is {kernel.shape}, but a kernel over input and state is (d+h, 4·m)"
        )
    forget_bias = finite_number(layer.settings.get("forget_bias"))
    lstm = LSTM(
        layer.name,
        layer.kind or "LSTMCell",
        input_dim,
        units,
        tuple(LSTMWeight(_ROLES[leaf], leaf, tensor) for leaf, tensor in arrays.items()),
        _order(layer),
        _gates(layer, arrays, input_dim),
        forget_bias,
        width,
        notes=(
            *([_NO_FORGET_BIAS] if forget_bias is None else []),
            *([_NORMALIZED] if Role.NORMALIZATION in map(_ROLES.get, arrays) else []),
        ),
    )
    return lstm, arrays


def _order(layer: Layer) -> str:
    return kind_named(layer.kind or "LSTMCell").fused_order


def _gates(layer: Layer, arrays: Mapping[str, Tensor], input_dim: int) -> Mapping[str, Gate]:
    gates = gate_layouts.fused(layer.name, arrays["kernel"], arrays.get("bias"), input_dim, _order(layer))
    peepholes = {leaf[2]: tensor for leaf, tensor in arrays.items() if _ROLES[leaf] is Role.PEEPHOLE}
    return gate_layouts.with_peepholes(layer.name, gates, peepholes)
