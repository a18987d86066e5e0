"""An LSTM found in a model: its stored arrays with their roles, and its gates whatever the layout was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from lstmdump.errors import NotAnLSTM
from lstmdump.lstm.roles import Role, Sizes, count_formula
from lstmdump.model.tensor import Tensor

GATES = "ifco"
"""The gates by the field's letters: input, forget, candidate, output."""

_BIASES = {Role.BIAS: 1, Role.GATE_BIAS: 1, Role.DOUBLED_BIAS: 2}


class LSTMWeight(NamedTuple):
    """A stored array and what it is to its LSTM."""

    role: Role
    name: str
    tensor: Tensor


class Gate(NamedTuple):
    """One gate's share of the arrays, not yet read: z = x·W + h·U + b, and c·V where there are peepholes.

    Attributes:
        W: the kernel, (d, m).
        U: the recurrent kernel, (h, m).
        b: the bias, (m,); None in a layer without bias.
        V: the peephole, (m,); None in the candidate, and in a cell without peepholes.
    """

    W: Tensor
    U: Tensor
    b: Tensor | None
    V: Tensor | None = None

    def arrays(self) -> list[Tensor]:
        """W, U, and b and V where there are such."""
        return [tensor for tensor in (self.W, self.U, self.b, self.V) if tensor is not None]


class Gates(Mapping[str, Gate]):
    """The four gates by their letters, each of which ONE gives when it is first asked for: few are, of many layers."""

    def __init__(self, one: Callable[[str], Gate]) -> None:
        self._one = one
        self._known: dict[str, Gate] = {}

    def __getitem__(self, letter: str) -> Gate:
        if letter not in self._known:
            if letter not in tuple(GATES):
                raise KeyError(letter)
            self._known[letter] = self._one(letter)
        return self._known[letter]

    def __iter__(self) -> Iterator[str]:
        return iter(GATES)

    def __len__(self) -> int:
        return len(GATES)


class LSTM:
    """An LSTM layer or cell. If one exists, each of its arrays has the shape that its role demands.

    Attributes:
        name: the names that the user gave, outermost first: `bidirectional/forward_lstm`.
        kind: its class as the file says, or what the shapes say.
        input_dim: d, the width of the input.
        units: m, the number of units.
        weights: its arrays as they are stored.
        gate_order: the order in which the file stores the gates: `ifco` or `icfo`.
        gates: by letter, each gate's W, U and b in one form for all layouts.
        forget_bias: what the cell adds to b_f at run time; 0.0 in Keras, where it is part of b_f; None where unknown.
        projection: p, the width of the projected output, or None.
        kind_stated: whether the file states `kind`; if not, it is what the shapes say.
        sizes: its sizes by their letters: d, m, h and, with a projection, p.
        notes: what is particular about how this layer is stored, without its name.
        settings: what else the file says of the layer, as its `model.Layer` has it.

    Raises:
        NotAnLSTM: an array has another shape; the message gives both, with the reason.
    """

    __slots__ = (
        "forget_bias", "gate_order", "gates", "input_dim", "kind", "kind_stated", "name", "notes", "projection",
        "settings", "sizes", "units", "weights",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        kind: str,
        input_dim: int,
        units: int,
        weights: tuple[LSTMWeight, ...],
        gate_order: str,
        gates: Mapping[str, Gate],
        forget_bias: float | None = 0.0,
        projection: int | None = None,
        notes: tuple[str, ...] = (),
        *,
        kind_stated: bool = True,
    ) -> None:
        self.name = name
        self.kind = kind
        self.input_dim = input_dim
        self.units = units
        self.weights = weights
        self.gate_order = gate_order
        self.gates = gates
        self.forget_bias = forget_bias
        self.projection = projection
        self.notes = notes
        self.kind_stated = kind_stated
        self.settings: Mapping[str, Any] = {}
        fed_back = units if projection is None else projection
        self.sizes: Sizes = {"d": input_dim, "m": units, "h": fed_back, "p": fed_back}
        self._insist_on_shapes()

    def __repr__(self) -> str:
        return f"LSTM({self.name!r}, {self.kind}, {self.input_dim} inputs, {self.units} units)"

    def _insist_on_shapes(self) -> None:
        for weight in self.weights:
            wanted = weight.role.shape(self.sizes)
            if weight.tensor.shape != wanted:
                raise NotAnLSTM(
                    f"{self.name}: {weight.name} is {weight.tensor.shape}, but an LSTM of {self.units} units on "
                    f"{self.input_dim} inputs has {wanted} = {weight.role.formula(self.sizes)}"
                )

    @property
    def parameters(self) -> int:
        """How many numbers the file stores for it."""
        return sum(weight.tensor.size for weight in self.weights)

    @property
    def parameters_formula(self) -> str:
        """The closed form of that count."""
        return count_formula(
            self.sizes,
            biases=next((_BIASES[weight.role] for weight in self.weights if weight.role in _BIASES), 0),
            vectors=sum(weight.role in (Role.PEEPHOLE, Role.NORMALIZATION) for weight in self.weights),
            projection=self.projection is not None,
        )

    @property
    def projection_kernel(self) -> Tensor | None:
        """The projection, (m, p), that makes h out of the output of the cell; None where there is none."""
        found = (weight.tensor for weight in self.weights if weight.role is Role.PROJECTION)
        return next((tensor.renamed(f"{self.name}/P") for tensor in found), None)

    def arrays(self, gates: str = GATES) -> list[Tensor]:
        """The arrays of GATES, in the form that all layouts have; with all four gates also the projection."""
        found = [tensor for gate in gates for tensor in self.gates[gate].arrays()]
        whole = self.projection_kernel if gates == GATES else None
        return found if whole is None else [*found, whole]

    @property
    def gate_columns(self) -> dict[str, tuple[int, int]] | None:
        """Each gate's first column and the one after its last; None where each gate has arrays of its own."""
        if any(weight.role is Role.GATE_KERNEL for weight in self.weights):
            return None
        return {gate: (k * self.units, (k + 1) * self.units) for k, gate in enumerate(self.gate_order)}

    @property
    def use_bias(self) -> bool:
        """Whether it has a bias."""
        return any(weight.role in _BIASES for weight in self.weights)

    @property
    def peepholes(self) -> bool:
        """Whether its gates see the cell state."""
        return any(weight.role is Role.PEEPHOLE for weight in self.weights)
