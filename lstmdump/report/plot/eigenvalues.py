"""The eigenvalues of the recurrent kernels of a layer: computed in the process that opens the model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lstmdump.lstm import GATES, LSTM
from lstmdump.model import budget
from lstmdump.model.tensor import Array
from lstmdump.replay import statistics
from lstmdump.report.plot import arrays
from lstmdump.report.plot.arrays import LayerDescription

_COPIES = 4  # of a kernel in float64


class GateEigenvalues(NamedTuple):
    """The eigenvalues of the recurrent kernel of one gate.

    Attributes:
        name: The name of the kernel, such as `U_f`.
        shape: Its shape.
        values: The eigenvalues, complex128; none where a number of the kernel is not finite.
    """

    name: str
    shape: tuple[int, ...]
    values: Array

    @property
    def radius(self) -> float | None:
        """The spectral radius: the largest modulus of an eigenvalue; None where there are none."""
        return float(np.abs(self.values).max()) if self.values.size else None


class LayerEigenvalues(NamedTuple):
    """The eigenvalues of a layer.

    Attributes:
        description: The layer.
        gates: The eigenvalues of each gate.
        reason: Why there are none; None if there are.
    """

    description: LayerDescription
    gates: tuple[GateEigenvalues, ...]
    reason: str | None = None


def read(lstm: LSTM, model: str, gates: str = GATES) -> LayerEigenvalues:
    """Return the eigenvalues of the recurrent kernels of `gates`, of a layer of the model at the path `model`.

    Raises:
        UnreadableModel: The numbers cannot be read.
    """
    description, reason = arrays.describe(lstm, model, gates), statistics.explain_no_eigenvalues(lstm)
    if reason is not None:
        return LayerEigenvalues(description, (), reason)
    return LayerEigenvalues(description, tuple(_compute(lstm, gate) for gate in gates))


def _compute(lstm: LSTM, gate: str) -> GateEigenvalues:
    kernel = lstm.gates[gate].U
    budget.allow(8 * kernel.size, copies=_COPIES)
    values = statistics.compute_eigenvalues(kernel.read().astype(np.float64))
    return GateEigenvalues(f"U_{gate}", kernel.shape, values)
